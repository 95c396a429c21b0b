//! State that lives on between calls.
//!
//! A handle is an unguessable name for something a call made: a cipher, later a session or a document. It belongs to the
//! user who made it and ends when it is freed, when nobody used it for long, or with the broker.
//!
//! A worker takes the state out of the store for the time of its call (a [`Lease`]) and gives it back with its answer, so
//! nothing is shared and nothing is locked. The loop sees to it that one handle has one call at a time.

use super::call::Caller;
use super::function::needs_broker;
use super::keep::{Keep, State};
use crate::protocol::{Buffer, CallError, Code};
use serde::Serialize;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

/// The name of a handle: 128 random bits, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleId(u128);

impl HandleId {
    /// A new name from the system's random source.
    ///
    /// # Errors
    /// `failed` if the system has no randomness to give.
    pub fn random() -> Result<Self, CallError> {
        let mut bytes = [0; 16];
        super::random::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// Reads a name; anything but 32 lower-case hex digits is none.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if valid { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl HandleId {
    /// The beginning of the name, which tells handles apart and is of no use to anybody who does not know the rest.
    fn label(self) -> String {
        format!("{:08x}", self.0 >> 96)
    }
}

impl fmt::Display for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for HandleId {
    // A handle's name is a capability, so it stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleId(..)")
    }
}

struct Entry {
    owner: u32,
    kind: &'static str,
    // None while a worker has it.
    state: Option<State>,
    // What it held when that was last reckoned.
    size: usize,
    last_used: Duration,
}

/// What one user has.
#[derive(Default)]
struct Share {
    handles: usize,
    memory: usize,
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
    per_user: HashMap<u32, Share>,
    memory: usize,
    bounds: Bounds,
    created_total: u64,
    expired_total: u64,
}

impl HandleStore {
    /// An empty store.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            entries: HashMap::new(),
            per_user: HashMap::new(),
            memory: 0,
            bounds,
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
    pub fn by_kind(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for entry in self.entries.values() {
            *kinds.entry(entry.kind).or_insert(0) += 1;
        }
        kinds
    }

    /// The kind of a handle, if the owner has it.
    pub fn kind_of(&self, owner: u32, id: HandleId) -> Option<&'static str> {
        self.entries.get(&id).filter(|entry| entry.owner == owner).map(|entry| entry.kind)
    }

    /// Packs every handle of the given kinds, except those that workers have.
    ///
    /// # Errors
    /// `internal` for a state that can't be packed.
    pub fn pack(&self, movable: impl Fn(&str) -> bool) -> Result<Vec<Packed>, CallError> {
        let entries = self.entries.iter().filter(|(_, entry)| movable(entry.kind));
        let packed = entries.filter_map(|(id, entry)| {
            let state = entry.state.as_ref()?;
            let (owner, kind, last_used) = (entry.owner, entry.kind, entry.last_used);
            Some(state.pack().map(|state| Packed { id: *id, owner, kind, last_used, state }))
        });
        packed.collect()
    }

    /// Takes in a handle that moved here. Quotas were for those who made it.
    pub fn take_in(&mut self, id: HandleId, owner: u32, kind: &'static str, state: State, last_used: Duration) {
        self.per_user.entry(owner).or_default().handles += 1;
        self.entries.insert(id, Entry { owner, kind, state: Some(state), size: 0, last_used });
        self.reckon(id);
    }

    /// Bytes that handles hold beyond what every handle takes: one user's, and all.
    pub fn memory(&self, owner: u32) -> (usize, usize) {
        (self.per_user.get(&owner).map_or(0, |share| share.memory), self.memory)
    }

    /// Bytes by which what a caller's handles hold may grow.
    fn room(&self, caller: Caller) -> usize {
        let (own, all) = self.memory(caller.uid);
        let room = self.bounds.max_memory.saturating_sub(all);
        if caller.privileged { room } else { room.min(self.bounds.user_memory.saturating_sub(own)) }
    }

    /// Looks anew at what a handle holds, after a call on it.
    pub fn reckon(&mut self, id: HandleId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(state) = &entry.state else { return };
        let (before, now) = (entry.size, state.size());
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

    /// A user's handles, the one used last first. Their whole names are for who made them.
    pub fn report(&self, owner: u32, now: Duration) -> Vec<HandleReport> {
        let own = self.entries.iter().filter(|(_, entry)| entry.owner == owner);
        let mut report: Vec<HandleReport> = own
            .map(|(id, entry)| HandleReport {
                label: id.label(),
                kind: entry.kind,
                idle_time: now.saturating_sub(entry.last_used).as_secs_f64(),
                bytes: entry.size as u64,
                in_use: entry.state.is_none(),
            })
            .collect();
        report
            .sort_by(|one, other| one.idle_time.total_cmp(&other.idle_time).then_with(|| one.label.cmp(&other.label)));
        report
    }

    /// Frees a user's handle by its label; none if no handle, or more than one, has it, or a call works on it.
    pub fn free(&mut self, owner: u32, label: &str) -> Option<&'static str> {
        let own = self.entries.iter().filter(|(id, entry)| entry.owner == owner && id.label() == label);
        let mut found = own.map(|(id, entry)| (*id, entry.kind, entry.state.is_some()));
        let (Some((id, kind, true)), None) = (found.next(), found.next()) else { return None };
        self.remove_entry(id);
        Some(kind)
    }

    /// All handles of a user count as used now.
    pub fn touch(&mut self, owner: u32, now: Duration) {
        self.entries.values_mut().filter(|entry| entry.owner == owner).for_each(|entry| entry.last_used = now);
    }

    /// Ends handles that nobody used for the idle timeout, except those of users who can't use them now. Returns when to look
    /// again.
    pub fn expire(&mut self, now: Duration, is_locked: impl Fn(u32) -> bool) -> Option<Duration> {
        let timeout = self.bounds.idle_timeout?;
        let due = |entry: &Entry| entry.state.is_some() && entry.last_used + timeout <= now && !is_locked(entry.owner);
        let expired: Vec<HandleId> = self.entries.iter().filter(|(_, entry)| due(entry)).map(|(id, _)| *id).collect();
        for id in expired {
            self.remove_entry(id);
            self.expired_total += 1;
        }
        let next = self.entries.values().map(|entry| entry.last_used + timeout).min()?;
        // Not for every handle on its own: a hundredth of the timeout is early enough.
        Some(next.max(now + timeout / 100).max(now + Duration::from_millis(1)))
    }

    /// Takes a handle's state out for a worker. A name that is none of the owner's gives an empty lease.
    pub fn lease(&mut self, caller: Caller, id: Option<HandleId>) -> Lease {
        let (owner, room) = (caller.uid, self.room(caller));
        let held = id.and_then(|id| {
            let entry = self.entries.get_mut(&id).filter(|entry| entry.owner == owner)?;
            Some(Held { id, kind: entry.kind, state: entry.state.take()? })
        });
        Lease { leased: held.as_ref().map(|held| held.id), held, created: Vec::new(), room }
    }

    /// Takes back what a worker had and adds what it made.
    ///
    /// # Errors
    /// `overloaded` if what it made is above the owner's quota; it is dropped then.
    pub fn settle(&mut self, owner: u32, lease: Lease, now: Duration) -> Result<(), CallError> {
        match (lease.leased, lease.held) {
            (Some(id), Some(held)) => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.state = Some(held.state);
                    entry.last_used = now;
                    self.reckon(id);
                }
            }
            // The call freed it, or broke it by a panic.
            (Some(id), None) => self.remove_entry(id),
            (None, _) => {}
        }
        for created in lease.created {
            self.insert(owner, created.id, created.kind, created.state, now)?;
        }
        Ok(())
    }

    fn insert(
        &mut self,
        owner: u32,
        id: HandleId,
        kind: &'static str,
        state: State,
        now: Duration,
    ) -> Result<(), CallError> {
        let count = self.per_user.entry(owner).or_default().handles;
        if count >= self.bounds.max_per_user {
            return Err(CallError::new(
                Code::Overloaded,
                format!("you have {count} live handles, as many as max_handles allows; free some and try again"),
            ));
        }
        self.created_total += 1;
        self.take_in(id, owner, kind, state, now);
        Ok(())
    }

    fn remove_entry(&mut self, id: HandleId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.memory -= entry.size;
        if let Some(share) = self.per_user.get_mut(&entry.owner) {
            share.memory -= entry.size;
            share.handles -= 1;
            if share.handles == 0 {
                self.per_user.remove(&entry.owner);
            }
        }
    }
}

/// A handle in `system.handles`.
#[derive(Clone, Debug, Serialize)]
pub struct HandleReport {
    /// The first 8 digits of its name; the rest is known only to who made it.
    pub label: String,
    /// What it is.
    pub kind: &'static str,
    /// Seconds since a call used it.
    pub idle_time: f64,
    /// Bytes that it holds beyond its own size.
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
    /// What it is.
    pub kind: &'static str,
    /// When it was last used, as time since the broker started.
    pub last_used: Duration,
    /// What [`Keep::pack`] gave.
    pub state: Buffer,
}

struct Held {
    id: HandleId,
    kind: &'static str,
    state: State,
}

/// What a worker's call has of the store: the state of one handle, and room for new ones.
#[derive(Default)]
pub struct Lease {
    leased: Option<HandleId>,
    held: Option<Held>,
    created: Vec<Held>,
    // Bytes by which what it holds may grow.
    room: usize,
}

impl Lease {
    /// After a panic nobody knows what state the state is in: it ends, and so does what was made.
    pub fn poison(&mut self) {
        self.held = None;
        self.created.clear();
    }
}

/// The handles that one call can reach, as its caller.
pub struct Handles<'a> {
    caller: Caller,
    reach: Reach<'a>,
}

enum Reach<'a> {
    Store(&'a mut HandleStore, Duration),
    Lease(&'a mut Lease),
    Nothing,
}

impl<'a> Handles<'a> {
    /// In the loop: all of the owner's. `now` is the time since the broker started.
    pub fn of_store(caller: Caller, store: &'a mut HandleStore, now: Duration) -> Self {
        Self { caller, reach: Reach::Store(store, now) }
    }

    /// On a worker: the one that was leased.
    pub fn of_lease(caller: Caller, lease: &'a mut Lease) -> Self {
        Self { caller, reach: Reach::Lease(lease) }
    }

    /// Without a broker: none.
    pub fn absent(caller: Caller) -> Self {
        Self { caller, reach: Reach::Nothing }
    }

    /// Whether what a handle holds may grow by so many bytes.
    ///
    /// # Errors
    /// `overloaded` if not.
    pub fn may_grow(&self, more: usize) -> Result<(), CallError> {
        let room = match &self.reach {
            Reach::Store(store, _) => store.room(self.caller),
            Reach::Lease(lease) => lease.room,
            Reach::Nothing => usize::MAX,
        };
        if more <= room {
            return Ok(());
        }
        let message =
            "your handles hold as much as they may (settings user_memory, max_memory); free some and try again";
        Err(CallError::new(Code::Overloaded, message))
    }

    /// Keeps a state under a new name.
    ///
    /// # Errors
    /// `overloaded` above the user's quota, `failed` without a broker.
    pub fn insert<T: Keep>(self, kind: &'static str, state: T) -> Result<HandleId, CallError> {
        let id = HandleId::random()?;
        match self.reach {
            Reach::Store(store, now) => store.insert(self.caller.uid, id, kind, Box::new(state), now)?,
            Reach::Lease(lease) => lease.created.push(Held { id, kind, state: Box::new(state) }),
            Reach::Nothing => return Err(needs_broker()),
        }
        Ok(id)
    }

    /// The state under a name, if the owner has one of that type there.
    ///
    /// # Errors
    /// `failed` without a broker; an unknown name is `Ok(None)`, so that the module can say it in its own words.
    pub fn get<T: Keep>(self, name: &str) -> Result<Option<&'a mut T>, CallError> {
        let id = HandleId::parse(name);
        match self.reach {
            Reach::Store(store, now) => {
                let entry = id.and_then(|id| store.entries.get_mut(&id)).filter(|entry| entry.owner == self.caller.uid);
                Ok(entry.and_then(|entry| {
                    entry.last_used = now;
                    downcast(entry.state.as_mut()?)
                }))
            }
            Reach::Lease(lease) => {
                Ok(lease.held.as_mut().filter(|held| Some(held.id) == id).and_then(|held| downcast(&mut held.state)))
            }
            Reach::Nothing => Err(needs_broker()),
        }
    }

    /// Frees a handle of the given kind. Returns whether there was one.
    ///
    /// # Errors
    /// `failed` without a broker.
    pub fn remove(self, kind: &str, name: &str) -> Result<bool, CallError> {
        let id = HandleId::parse(name);
        match self.reach {
            Reach::Store(store, _) => {
                let owned = |id: &HandleId| {
                    store.entries.get(id).is_some_and(|entry| entry.owner == self.caller.uid && entry.kind == kind)
                };
                match id.filter(owned) {
                    Some(id) => {
                        store.remove_entry(id);
                        Ok(true)
                    }
                    None => Ok(false),
                }
            }
            Reach::Lease(lease) => {
                let held = lease.held.take_if(|held| Some(held.id) == id && held.kind == kind);
                Ok(held.is_some())
            }
            Reach::Nothing => Err(needs_broker()),
        }
    }
}

fn downcast<T: Keep>(state: &mut State) -> Option<&mut T> {
    let state: &mut dyn Any = state.as_mut();
    state.downcast_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keep for u8 {}
    impl Keep for u16 {}

    const ALICE: u32 = 1;
    const BOB: u32 = 2;

    impl Keep for Vec<u8> {
        fn size(&self) -> usize {
            self.len()
        }
    }

    fn store() -> HandleStore {
        let idle_timeout = Some(Duration::from_secs(10));
        HandleStore::new(Bounds { max_per_user: 2, idle_timeout, user_memory: 100, max_memory: 150 })
    }

    fn guest(uid: u32) -> Caller {
        Caller { uid, ..Caller::default() }
    }

    fn at(owner: u32, store: &mut HandleStore, seconds: u64) -> Handles<'_> {
        Handles::of_store(guest(owner), store, Duration::from_secs(seconds))
    }

    #[test]
    fn a_handle_is_its_owners() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("cipher", 5u8).unwrap().to_string();
        assert_eq!(name.len(), 32);
        assert_eq!(at(ALICE, &mut store, 0).get::<u8>(&name).unwrap(), Some(&mut 5));
        assert_eq!(at(BOB, &mut store, 0).get::<u8>(&name).unwrap(), None);
        assert_eq!(at(ALICE, &mut store, 0).get::<u16>(&name).unwrap(), None);
        assert!(!at(BOB, &mut store, 0).remove("cipher", &name).unwrap());
        assert!(!at(ALICE, &mut store, 0).remove("session", &name).unwrap());
        assert!(at(ALICE, &mut store, 0).remove("cipher", &name).unwrap());
        assert!(!at(ALICE, &mut store, 0).remove("cipher", &name).unwrap());
        assert!(store.is_empty() && store.per_user.is_empty());
    }

    #[test]
    fn the_quota_refuses_and_never_evicts() {
        let mut store = store();
        let first = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        at(ALICE, &mut store, 0).insert("cipher", 2u8).unwrap();
        assert_eq!(at(ALICE, &mut store, 0).insert("cipher", 3u8).unwrap_err().code, Code::Overloaded);
        at(BOB, &mut store, 0).insert("cipher", 3u8).unwrap();
        assert!(at(ALICE, &mut store, 0).get::<u8>(&first).unwrap().is_some());
    }

    #[test]
    fn idle_handles_expire_and_used_ones_do_not() {
        let mut store = store();
        let used = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        let idle = at(ALICE, &mut store, 0).insert("cipher", 2u8).unwrap().to_string();
        at(ALICE, &mut store, 8).get::<u8>(&used).unwrap();
        assert_eq!(store.expire(Duration::from_secs(10), |_| false), Some(Duration::from_secs(18)));
        assert!(at(ALICE, &mut store, 10).get::<u8>(&idle).unwrap().is_none());
        assert!(at(ALICE, &mut store, 10).get::<u8>(&used).unwrap().is_some());
        assert_eq!(store.expire(Duration::from_secs(99), |_| false), None);
    }

    #[test]
    fn a_lease_takes_the_state_and_gives_it_back() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        assert!(store.lease(guest(BOB), HandleId::parse(&name)).held.is_none());
        let mut lease = store.lease(guest(ALICE), HandleId::parse(&name));
        *Handles::of_lease(guest(ALICE), &mut lease).get::<u8>(&name).unwrap().unwrap() = 7;
        Handles::of_lease(guest(ALICE), &mut lease).insert("cipher", 9u8).unwrap();
        store.expire(Duration::from_secs(99), |_| false);
        assert_eq!(store.len(), 1, "a handle at work does not expire");
        store.settle(ALICE, lease, Duration::from_secs(99)).unwrap();
        assert_eq!(store.len(), 2);
        assert_eq!(at(ALICE, &mut store, 99).get::<u8>(&name).unwrap(), Some(&mut 7));
    }

    #[test]
    fn a_poisoned_lease_ends_its_handle() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("cipher", 1u8).unwrap().to_string();
        let mut lease = store.lease(guest(ALICE), HandleId::parse(&name));
        lease.poison();
        store.settle(ALICE, lease, Duration::ZERO).unwrap();
        assert!(store.is_empty());
    }

    #[test]
    fn what_handles_hold_is_bounded_by_user_and_in_all() {
        let mut store = store();
        let name = at(ALICE, &mut store, 0).insert("body", vec![0_u8; 60]).unwrap().to_string();
        assert!(at(ALICE, &mut store, 0).may_grow(40).is_ok() && at(ALICE, &mut store, 0).may_grow(41).is_err());
        at(ALICE, &mut store, 0).get::<Vec<u8>>(&name).unwrap().unwrap().resize(90, 0);
        store.reckon(HandleId::parse(&name).unwrap());
        assert_eq!(store.memory(ALICE), (90, 90));
        assert!(at(BOB, &mut store, 0).may_grow(60).is_ok() && at(BOB, &mut store, 0).may_grow(61).is_err());
        assert!(Handles::of_store(Caller::owner(0, 0), &mut store, Duration::ZERO).may_grow(60).is_ok());
        let mut lease = store.lease(guest(ALICE), HandleId::parse(&name));
        assert!(Handles::of_lease(guest(ALICE), &mut lease).may_grow(11).is_err());
        lease.poison();
        store.settle(ALICE, lease, Duration::ZERO).unwrap();
        assert_eq!(store.memory(ALICE), (0, 0));
    }

    #[test]
    fn names_are_exact() {
        assert!(HandleId::parse("0123456789abcdef0123456789abcdef").is_some());
        for wrong in ["", "0123456789ABCDEF0123456789abcdef", "+123456789abcdef0123456789abcdef", "0123"] {
            assert!(HandleId::parse(wrong).is_none());
        }
    }
}
