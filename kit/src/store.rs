//! The store of all live handles.
//!
//! What is asked of it in the loop takes a time that does not grow with the number of handles, or a bounded part of it: handles
//! are found by name, by owner and label, and by the time at which they would end; they are counted by kind as they come and
//! go; and what ends is not dropped here, because a body of many megabytes or a connection takes its time, but given to
//! whoever calls [`HandleStore::take_ended`].

use super::caller::Caller;
use super::handle::{HandleId, Held, Lease, Life};
use super::keep::State;
use crate::protocol::{Buffer, CallError, Code};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes that the store itself needs for a handle: its entry, its places in the indexes, and what allocating in pieces loses. As measured
/// by `tests/broker/sizes.rs`.
const ENTRY: usize = 640;
/// Handles that are looked at in one go for whether they are to end.
const EXPIRED_AT_ONCE: usize = 256;
/// The most handles that one report lists.
pub const LONGEST_REPORT: usize = 500;
/// The most users that one report lists.
const MOST_USERS: usize = 100;

struct Entry {
    owner: u32,
    kind: &'static str,
    // None while a worker has it.
    state: Option<State>,
    // What it held when that was last reckoned.
    size: usize,
    // The process that made it.
    maker: Option<i32>,
    last_used: Duration,
    // Its place in the order of ends: it is not moved with every use, so it may come too early.
    due: Duration,
}

/// What one user has.
#[derive(Default)]
struct Share {
    handles: usize,
    memory: usize,
    // All handles of the user count as used at this time.
    used: Duration,
}

/// How many handles there may be, for how long, and what they may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most handles of one user.
    pub max_per_user: usize,
    /// A handle that nobody used for that long ends.
    pub idle_timeout: Option<Duration>,
    /// Bytes that the handles of one user may hold who is not the broker's own.
    pub user_memory: usize,
    /// Bytes that all handles may hold.
    pub max_memory: usize,
}

/// All live handles of a broker. Times are durations since the broker started.
pub struct HandleStore {
    entries: HashMap<HandleId, Entry>,
    by_owner: BTreeSet<(u32, HandleId)>,
    by_end: BTreeSet<(Duration, HandleId)>,
    by_kind: BTreeMap<&'static str, u64>,
    per_user: HashMap<u32, Share>,
    memory: usize,
    ended: Vec<Ended>,
    // Bytes of states that are ended and not dropped yet.
    ending: Arc<AtomicUsize>,
    bounds: Bounds,
    life: Life,
    created_total: u64,
    expired_total: u64,
}

/// A state that nobody can reach any more and that is to be dropped. Until then its memory is reckoned.
pub struct Ended {
    state: Option<State>,
    size: usize,
    ending: Arc<AtomicUsize>,
}

impl Ended {
    /// Whether dropping it takes next to no time.
    pub fn is_light(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.is_light())
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Reckoned also if the state's own destructor panics.
        self.ending.fetch_sub(self.size, Ordering::Relaxed);
        drop(self.state.take());
    }
}

impl HandleStore {
    /// An empty store.
    pub fn new(bounds: Bounds, life: Life) -> Self {
        Self {
            entries: HashMap::new(),
            by_owner: BTreeSet::new(),
            by_end: BTreeSet::new(),
            by_kind: BTreeMap::new(),
            per_user: HashMap::new(),
            memory: 0,
            ended: Vec::new(),
            ending: Arc::default(),
            bounds,
            life,
            created_total: 0,
            expired_total: 0,
        }
    }

    /// How many handles live.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The broker's life that new handles belong to.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Goes on with the life of an earlier program.
    pub fn set_life(&mut self, life: Life) {
        self.life = life;
    }

    /// How many each user may have.
    pub fn max_per_user(&self) -> usize {
        self.bounds.max_per_user
    }

    /// How many the user with the most has.
    pub fn largest_user(&self) -> usize {
        self.per_user.values().map(|share| share.handles).max().unwrap_or(0)
    }

    /// How many were made and how many ended unused, since the start.
    pub fn totals(&self) -> (u64, u64) {
        (self.created_total, self.expired_total)
    }

    /// Live handles by kind.
    pub fn by_kind(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_kind
    }

    /// Who has handles of the given kind.
    pub fn owners_of(&self, kind: &str) -> Vec<(u32, HandleId)> {
        let of_kind = self.entries.iter().filter(|(_, entry)| entry.kind == kind);
        of_kind.map(|(id, entry)| (entry.owner, *id)).collect()
    }

    /// The kind of a handle, if the owner has it.
    pub fn kind_of(&self, owner: u32, id: HandleId) -> Option<&'static str> {
        self.entries.get(&id).filter(|entry| entry.owner == owner).map(|entry| entry.kind)
    }

    /// The state of a handle of the owner's, unless a worker has it, and the life that handles belong to. The handle counts as used
    /// now.
    pub(super) fn state_of(&mut self, owner: u32, id: Option<HandleId>, now: Duration) -> (Option<&mut State>, &Life) {
        let entry = id.and_then(|id| self.entries.get_mut(&id)).filter(|entry| entry.owner == owner);
        let state = entry.and_then(|entry| {
            entry.last_used = now;
            entry.state.as_mut()
        });
        (state, &self.life)
    }

    /// Packs every handle of the given kinds, except those that workers have.
    ///
    /// # Errors
    /// `internal` for a state that can't be packed.
    pub fn pack(&self, movable: impl Fn(&str) -> bool) -> Result<Vec<Packed>, CallError> {
        let entries = self.entries.iter().filter(|(_, entry)| movable(entry.kind));
        let packed = entries.filter_map(|(id, entry)| {
            let state = entry.state.as_ref()?;
            let (owner, maker, kind, last_used) = (entry.owner, entry.maker, entry.kind, self.last_used(entry));
            Some(state.pack().map(|state| Packed { id: *id, owner, kind, maker, last_used, state }))
        });
        packed.collect()
    }

    /// Takes in a handle that moved here. Quotas were for those who made it.
    pub fn take_in(
        &mut self,
        id: HandleId,
        owner: u32,
        maker: Option<i32>,
        kind: &'static str,
        state: State,
        last_used: Duration,
    ) {
        self.per_user.entry(owner).or_default().handles += 1;
        *self.by_kind.entry(kind).or_insert(0) += 1;
        self.by_owner.insert((owner, id));
        let due = last_used + self.bounds.idle_timeout.unwrap_or_default();
        self.by_end.insert((due, id));
        self.entries.insert(id, Entry { owner, kind, state: Some(state), size: 0, maker, last_used, due });
        self.reckon(id);
    }

    /// Bytes that handles hold: one user's, and all. What is being dropped counts only if it is more than all may hold: else who
    /// frees a handle to make room for the next would have to wait for that.
    pub fn memory(&self, owner: u32) -> (usize, usize) {
        let all = self.memory + self.ending.load(Ordering::Relaxed).saturating_sub(self.bounds.max_memory);
        (self.per_user.get(&owner).map_or(0, |share| share.memory), all)
    }

    /// Bytes by which what a caller's handles hold may grow.
    pub(super) fn room(&self, caller: Caller) -> usize {
        let (own, all) = self.memory(caller.uid);
        let room = self.bounds.max_memory.saturating_sub(all);
        if caller.privileged { room } else { room.min(self.bounds.user_memory.saturating_sub(own)) }
    }

    /// Looks anew at what a handle holds, after a call on it.
    pub fn reckon(&mut self, id: HandleId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(state) = &entry.state else { return };
        let (before, now) = (entry.size, state.size() + ENTRY);
        entry.size = now;
        self.memory = self.memory + now - before;
        if let Some(share) = self.per_user.get_mut(&entry.owner) {
            share.memory = share.memory + now - before;
        }
    }

    /// Goes on counting where an earlier program was.
    pub fn set_totals(&mut self, (created, expired): (u64, u64)) {
        (self.created_total, self.expired_total) = (created, expired);
    }

    /// Some of a user's handles in the order of their labels: up to `most`, and no more than [`LONGEST_REPORT`], those behind the
    /// label `after`. Their whole names are for who made them.
    pub fn report(&self, owner: u32, now: Duration, after: Option<&str>, most: usize) -> Vec<HandleReport> {
        let first = after.and_then(HandleId::labelled).map_or(HandleId::FIRST, |(_, last)| last);
        let own = self.by_owner.range((owner, first)..=(owner, HandleId::LAST));
        let entries = own.filter_map(|(_, id)| Some((*id, self.entries.get(id)?)));
        entries
            .filter(|(id, _)| Some(id.label().as_str()) != after)
            .take(most.min(LONGEST_REPORT))
            .map(|(id, entry)| HandleReport {
                label: id.label(),
                kind: entry.kind,
                description: entry.state.as_ref().map(|state| state.describe()).unwrap_or_default(),
                maker_pid: entry.maker,
                script: None,
                idle_time: now.saturating_sub(self.last_used(entry)).as_secs_f64(),
                bytes: entry.size as u64,
                in_use: entry.state.is_none(),
            })
            .collect()
    }

    /// Who has handles: those who hold most first, [`MOST_USERS`] at most.
    pub fn by_user(&self) -> Vec<HandlesOfUser> {
        let shares = self.per_user.iter().map(|(uid, share)| HandlesOfUser {
            peer_uid: *uid,
            handles: share.handles as u64,
            bytes: share.memory as u64,
        });
        let mut all: Vec<HandlesOfUser> = shares.collect();
        all.sort_unstable_by_key(|of| (std::cmp::Reverse(of.bytes), of.peer_uid));
        all.truncate(MOST_USERS);
        all
    }

    /// Frees a user's handle by its label. Returns what it was.
    ///
    /// # Errors
    /// `not_found` if no handle has it, `failed` if more than one has, `overloaded` while a call works on it.
    pub fn free(&mut self, owner: u32, label: &str) -> Result<&'static str, CallError> {
        let none = || {
            CallError::new(
                Code::NotFound,
                "there is no handle of that label; `cpan-bridge handles` lists them (of another user with --user)",
            )
        };
        let (first, last) = HandleId::labelled(label).ok_or_else(none)?;
        let mut own = self.by_owner.range((owner, first)..=(owner, last));
        let &(_, id) = own.next().ok_or_else(none)?;
        if own.next().is_some() {
            return Err(CallError::failed("several handles of yours have that label; they end when nobody uses them"));
        }
        let entry = self.entries.get(&id).ok_or_else(none)?;
        if entry.state.is_none() {
            return Err(CallError::new(Code::Overloaded, "a call works on it now; try again"));
        }
        let kind = entry.kind;
        self.end(id);
        Ok(kind)
    }

    /// Ends a handle of the owner's and of that kind. Returns whether there was one.
    pub(super) fn remove(&mut self, owner: u32, kind: &str, id: HandleId) -> bool {
        let found = self.kind_of(owner, id) == Some(kind);
        if found {
            self.end(id);
        }
        found
    }

    /// All handles of a user count as used now.
    pub fn touch(&mut self, owner: u32, now: Duration) {
        if let Some(share) = self.per_user.get_mut(&owner) {
            share.used = now;
        }
    }

    fn last_used(&self, entry: &Entry) -> Duration {
        let touched = self.per_user.get(&entry.owner).map_or(Duration::ZERO, |share| share.used);
        entry.last_used.max(touched)
    }

    /// Ends handles that nobody used for the idle timeout, except those of users who can't use them now. Looks at a bounded number.
    /// Returns when to look again.
    pub fn expire(&mut self, now: Duration, is_locked: impl Fn(u32) -> bool) -> Option<Duration> {
        let timeout = self.bounds.idle_timeout?;
        for _ in 0..EXPIRED_AT_ONCE {
            let Some(&(due, id)) = self.by_end.first().filter(|(due, _)| *due <= now) else { break };
            let Some(entry) = self.entries.get(&id) else {
                self.by_end.remove(&(due, id));
                continue;
            };
            let end = self.last_used(entry) + timeout;
            let kept = entry.state.is_none() || is_locked(entry.owner);
            if end <= now && !kept {
                self.end(id);
                self.expired_total += 1;
                continue;
            }
            // Who can't end now is looked at again in a while.
            let later = if end > now { end } else { now + (timeout / 10).max(Duration::from_millis(1)) };
            self.by_end.remove(&(due, id));
            self.by_end.insert((later, id));
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = later;
            }
        }
        let (next, _) = self.by_end.first()?;
        if *next <= now {
            // There are more; others have their turn in between.
            return Some(now + Duration::from_millis(1));
        }
        // Not for every handle on its own: a hundredth of the timeout is early enough.
        Some((*next).max(now + timeout / 100).max(now + Duration::from_millis(1)))
    }

    /// Takes a handle's state out for a worker. A name that is none of the owner's gives an empty lease.
    pub fn lease(&mut self, caller: Caller, id: Option<HandleId>) -> Lease {
        let (owner, room) = (caller.uid, self.room(caller));
        let held = id.and_then(|id| {
            let entry = self.entries.get_mut(&id).filter(|entry| entry.owner == owner)?;
            Some(Held { id, kind: entry.kind, state: entry.state.take()? })
        });
        let leased = held.as_ref().map(|held| held.id);
        Lease { wanted: id, leased, held, created: Vec::new(), room, life: self.life.clone() }
    }

    /// Takes back what a worker had and adds what it made.
    ///
    /// # Errors
    /// `overloaded` if what it made is above the owner's quota; it ends then.
    pub fn settle(&mut self, caller: Caller, lease: Lease, now: Duration) -> Result<(), CallError> {
        match (lease.leased, lease.held) {
            (Some(id), Some(held)) => match self.entries.get_mut(&id) {
                Some(entry) => {
                    entry.state = Some(held.state);
                    entry.last_used = now;
                    self.reckon(id);
                }
                None => self.bury(held.state, 0),
            },
            // The call freed it, or broke it by a panic.
            (Some(id), None) => self.end(id),
            (None, _) => {}
        }
        let mut outcome = Ok(());
        for created in lease.created {
            outcome = outcome.and(self.add(caller, created, now));
        }
        outcome
    }

    /// Keeps a state under a new name.
    ///
    /// # Errors
    /// `overloaded` if there is no room for it, `failed` without randomness.
    pub(super) fn insert(
        &mut self,
        caller: Caller,
        kind: &'static str,
        state: State,
        now: Duration,
    ) -> Result<HandleId, CallError> {
        let id = HandleId::in_life(&self.life)?;
        self.add(caller, Held { id, kind, state }, now).map(|()| id)
    }

    fn add(&mut self, caller: Caller, Held { id, kind, state }: Held, now: Duration) -> Result<(), CallError> {
        let count = self.per_user.get(&caller.uid).map_or(0, |share| share.handles);
        let size = state.size() + ENTRY;
        let refused = if count >= self.bounds.max_per_user {
            format!("you have {count} live handles, as many as max_handles allows; free some and try again")
        } else if size > self.room(caller) {
            HELD_TOO_MUCH.to_owned()
        } else {
            self.created_total += 1;
            self.take_in(id, caller.uid, Some(caller.pid), kind, state, now);
            return Ok(());
        };
        self.bury(state, size);
        Err(CallError::new(Code::Overloaded, refused))
    }

    /// Ends a handle, whoever has it.
    pub fn end(&mut self, id: HandleId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.by_owner.remove(&(entry.owner, id));
        self.by_end.remove(&(entry.due, id));
        if let Some(count) = self.by_kind.get_mut(entry.kind) {
            *count -= 1;
            if *count == 0 {
                self.by_kind.remove(entry.kind);
            }
        }
        self.memory -= entry.size;
        if let Some(share) = self.per_user.get_mut(&entry.owner) {
            share.memory -= entry.size;
            share.handles -= 1;
            if share.handles == 0 {
                self.per_user.remove(&entry.owner);
            }
        }
        if let Some(state) = entry.state {
            self.bury(state, entry.size);
        }
    }

    fn bury(&mut self, state: State, size: usize) {
        self.ending.fetch_add(size, Ordering::Relaxed);
        self.ended.push(Ended { state: Some(state), size, ending: Arc::clone(&self.ending) });
    }

    /// What has ended and is to be dropped.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// Whether something has ended and is to be dropped.
    pub fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }
}

/// What a caller is told whose handles may not hold more.
pub(super) const HELD_TOO_MUCH: &str =
    "your handles hold as much as they may (settings user_memory, max_memory); free some and try again";

/// What one user has, in `system.metrics`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HandlesOfUser {
    /// The user.
    pub peer_uid: u32,
    /// Live handles.
    pub handles: u64,
    /// Bytes that they hold.
    pub bytes: u64,
}

/// A handle in `system.handles`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HandleReport {
    /// The first 8 digits of its name; the rest is known only to who made it.
    pub label: String,
    /// What it is.
    pub kind: &'static str,
    /// Of which sort: the algorithm, the address. Empty while a call works on it.
    pub description: String,
    /// The process that made it.
    pub maker_pid: Option<i32>,
    /// The script that the process ran, where that is known.
    pub script: Option<String>,
    /// Seconds since a call used it.
    pub idle_time: f64,
    /// Bytes that it holds.
    pub bytes: u64,
    /// Whether a call works on it now.
    pub in_use: bool,
}

/// A handle that is ready to move.
pub struct Packed {
    /// Its name.
    pub id: HandleId,
    /// Whose it is.
    pub owner: u32,
    /// The process that made it.
    pub maker: Option<i32>,
    /// What it is.
    pub kind: &'static str,
    /// When it was last used, as time since the broker started.
    pub last_used: Duration,
    /// What [`Keep::pack`](super::keep::Keep::pack) gave.
    pub state: Buffer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handles::Handles;
    use crate::keep::Keep;

    impl Keep for u8 {
        fn size(&self) -> usize {
            1
        }
    }

    impl Keep for u16 {
        fn size(&self) -> usize {
            2
        }
    }

    const ALICE: u32 = 1;
    const BOB: u32 = 2;

    impl Keep for Vec<u8> {
        fn size(&self) -> usize {
            self.len()
        }
    }

    fn store() -> HandleStore {
        let idle_timeout = Some(Duration::from_secs(10));
        let bounds =
            Bounds { max_per_user: 2, idle_timeout, user_memory: 2 * ENTRY + 100, max_memory: 3 * ENTRY + 150 };
        HandleStore::new(bounds, Life { number: 1, since: "".into() })
    }

    fn guest(uid: u32) -> Caller {
        Caller { uid, ..Caller::default() }
    }

    fn at(owner: u32, store: &mut HandleStore, seconds: u64) -> Handles<'_> {
        Handles::of_store(guest(owner), store, Duration::from_secs(seconds))
    }

    fn found<'a, T: Keep>(handles: Handles<'a>, name: &str) -> Option<&'a mut T> {
        handles.look_up(HandleId::parse(name)).unwrap().0
    }

    #[test]
    fn a_handle_is_its_owners() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("cipher", 5u8).unwrap().to_string();
        assert_eq!(name.len(), 32);
        assert_eq!(found::<u8>(at(ALICE, &mut store, 0), &name), Some(&mut 5));
        assert_eq!(found::<u8>(at(BOB, &mut store, 0), &name), None);
        assert_eq!(found::<u16>(at(ALICE, &mut store, 0), &name), None);
        assert!(!at(BOB, &mut store, 0).remove("cipher", HandleId::parse(&name)).unwrap());
        assert!(!at(ALICE, &mut store, 0).remove("session", HandleId::parse(&name)).unwrap());
        assert!(at(ALICE, &mut store, 0).remove("cipher", HandleId::parse(&name)).unwrap());
        assert!(!at(ALICE, &mut store, 0).remove("cipher", HandleId::parse(&name)).unwrap());
        assert!(store.is_empty() && store.per_user.is_empty());
    }

    #[test]
    fn the_quota_refuses_and_never_evicts() {
        let mut store = store();
        let first = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        at(ALICE, &mut store, 0).insert("cipher", 2u8).unwrap();
        assert_eq!(at(ALICE, &mut store, 0).insert("cipher", 3u8).unwrap_err().code, Code::Overloaded);
        at(BOB, &mut store, 0).insert("cipher", 3u8).unwrap();
        assert!(found::<u8>(at(ALICE, &mut store, 0), &first).is_some());
    }

    #[test]
    fn idle_handles_expire_and_used_ones_do_not() {
        let mut store = store();
        let used = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        let idle = at(ALICE, &mut store, 0).insert("cipher", 2u8).unwrap().to_string();
        found::<u8>(at(ALICE, &mut store, 8), &used);
        assert_eq!(store.expire(Duration::from_secs(10), |_| false), Some(Duration::from_secs(18)));
        assert!(found::<u8>(at(ALICE, &mut store, 10), &idle).is_none());
        assert!(found::<u8>(at(ALICE, &mut store, 10), &used).is_some());
        assert_eq!(store.expire(Duration::from_secs(99), |_| false), None);
    }

    #[test]
    fn a_lease_takes_the_state_and_gives_it_back() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        assert!(store.lease(guest(BOB), HandleId::parse(&name)).held.is_none());
        let mut lease = store.lease(guest(ALICE), HandleId::parse(&name));
        *found::<u8>(Handles::of_lease(guest(ALICE), &mut lease), &name).unwrap() = 7;
        Handles::of_lease(guest(ALICE), &mut lease).insert("cipher", 9u8).unwrap();
        store.expire(Duration::from_secs(99), |_| false);
        assert_eq!(store.len(), 1, "a handle at work does not expire");
        store.settle(guest(ALICE), lease, Duration::from_secs(99)).unwrap();
        assert_eq!(store.len(), 2);
        assert_eq!(found::<u8>(at(ALICE, &mut store, 99), &name), Some(&mut 7));
    }

    #[test]
    fn a_poisoned_lease_ends_its_handle() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        let mut lease = store.lease(guest(ALICE), HandleId::parse(&name));
        drop(lease.poison());
        store.settle(guest(ALICE), lease, Duration::ZERO).unwrap();
        assert!(store.is_empty());
    }

    #[test]
    fn what_handles_hold_is_bounded_by_user_and_in_all() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("body", vec![0_u8; 60]).unwrap().to_string();
        let room = ENTRY + 40;
        assert!(
            at(ALICE, &mut store, 0).may_grow(room).is_ok() && at(ALICE, &mut store, 0).may_grow(room + 1).is_err()
        );
        assert_eq!(at(ALICE, &mut store, 0).insert("body", vec![0_u8; 41]).unwrap_err().code, Code::Overloaded);
        found::<Vec<u8>>(at(ALICE, &mut store, 0), &name).unwrap().resize(90, 0);
        store.reckon(HandleId::parse(&name).unwrap());
        drop(store.take_ended());
        assert_eq!(store.memory(ALICE), (ENTRY + 90, ENTRY + 90));
        assert!(Handles::of_store(Caller::owner(0, 0), &mut store, Duration::ZERO).may_grow(2 * ENTRY + 60).is_ok());
        let mut lease = store.lease(guest(ALICE), HandleId::parse(&name));
        assert!(Handles::of_lease(guest(ALICE), &mut lease).may_grow(ENTRY + 11).is_err());
        drop(lease.poison());
        store.settle(guest(ALICE), lease, Duration::ZERO).unwrap();
        assert_eq!(store.memory(ALICE), (0, 0));
    }

    #[test]
    fn what_ended_is_reckoned_until_it_is_dropped_even_if_that_fails() {
        struct Bad;
        impl Keep for Bad {
            fn size(&self) -> usize {
                50
            }
        }
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("on purpose");
            }
        }
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("bad", Bad).unwrap().to_string();
        assert!(at(ALICE, &mut store, 0).remove("bad", HandleId::parse(&name)).unwrap());
        assert_eq!((store.memory(ALICE), store.len()), ((0, 0), 0));
        assert_eq!(store.ending.load(Ordering::Relaxed), ENTRY + 50);
        store.bounds.max_memory = 10;
        assert_eq!(store.memory(ALICE), (0, ENTRY + 40), "more than all may hold");
        let ended = store.take_ended();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(ended))).is_err());
        assert_eq!(store.memory(ALICE), (0, 0));
    }

    #[test]
    fn handles_are_listed_in_pages_and_counted_by_kind() {
        let mut store = store();
        store.bounds.max_per_user = 1000;
        (store.bounds.user_memory, store.bounds.max_memory) = (1 << 30, 1 << 30);
        for _ in 0..LONGEST_REPORT + 10 {
            at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap();
        }
        at(BOB, &mut store, 0).insert("body", 1u8).unwrap();
        let first = store.report(ALICE, Duration::ZERO, None, usize::MAX);
        let rest = store.report(ALICE, Duration::ZERO, Some(&first[LONGEST_REPORT - 1].label), usize::MAX);
        assert_eq!((first.len(), rest.len()), (LONGEST_REPORT, 10));
        let labels: BTreeSet<&str> = first.iter().chain(&rest).map(|report| report.label.as_str()).collect();
        assert_eq!(labels.len(), LONGEST_REPORT + 10);
        assert_eq!(store.by_kind()["cipher"], (LONGEST_REPORT + 10) as u64);
        assert_eq!(store.free(BOB, &first[0].label).unwrap_err().code, Code::NotFound);
        assert_eq!(store.free(ALICE, &first[0].label).unwrap(), "cipher");
        assert_eq!(store.free(ALICE, "no label").unwrap_err().code, Code::NotFound);
        assert_eq!(store.report(BOB, Duration::ZERO, None, usize::MAX).len(), 1);
    }

    #[test]
    fn a_thousand_ends_at_once_are_served_in_parts() {
        let mut store = store();
        store.bounds.max_per_user = 10_000;
        (store.bounds.user_memory, store.bounds.max_memory) = (1 << 30, 1 << 30);
        for _ in 0..1000 {
            at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap();
        }
        let mut rounds = 0;
        while store.expire(Duration::from_secs(20), |_| false).is_some() {
            rounds += 1;
        }
        assert_eq!((store.len(), rounds, store.totals().1), (0, 1000 / EXPIRED_AT_ONCE, 1000));
        assert!(store.by_end.is_empty() && store.by_owner.is_empty() && store.by_kind.is_empty());
    }

    #[test]
    fn what_is_unlocked_counts_as_used() {
        let mut store = store();
        at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap();
        assert!(store.expire(Duration::from_secs(50), |_| true).is_some());
        store.touch(ALICE, Duration::from_secs(50));
        assert!(store.expire(Duration::from_secs(55), |_| false).is_some());
        assert_eq!(store.expire(Duration::from_secs(70), |_| false), None);
    }
}
