//! State that lives on between calls: its names, and what one call can reach of it.
//!
//! A handle is an unguessable name for something a call made: a cipher, later a session or a document. It belongs to the
//! user who made it and ends when it is freed, when nobody used it for long, or with the broker. [`HandleStore`] keeps them.
//!
//! A worker takes the state out of the store for the time of its call (a [`Lease`]) and gives it back with its answer, so
//! nothing is shared and nothing is locked. The loop sees to it that one handle has one call at a time.

use super::call::Caller;
use super::function::needs_broker;
use super::keep::{Keep, State};
use super::store::{HELD_TOO_MUCH, HandleStore};
use crate::protocol::{CallError, Code};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The name of a handle, written as 32 lower-case hex digits: 96 random bits that tell handles apart and can't be guessed, and
/// 32 that all handles of one life of a broker have in common.
///
/// The latter let a broker recognise a handle of an earlier one, which its caller is told: it did not expire, the broker
/// ended. They are random as well, and say nothing about handles that there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleId(u128);

const BITS_OF_LIFE: u32 = 32;

impl HandleId {
    /// A new name from the system's random source, of no broker's life.
    ///
    /// # Errors
    /// `failed` if the system has no randomness to give.
    pub fn random() -> Result<Self, CallError> {
        let mut bytes = [0; 16];
        super::random::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// A new name in the life of a broker.
    ///
    /// # Errors
    /// Those of [`HandleId::random`].
    pub fn in_life(life: &Life) -> Result<Self, CallError> {
        Self::random().map(|Self(bits)| Self(bits >> BITS_OF_LIFE << BITS_OF_LIFE | u128::from(life.number)))
    }

    /// Reads a name; anything but 32 lower-case hex digits is none.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if valid { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }

    /// The broker's life that it belongs to.
    pub fn life(self) -> u32 {
        self.0 as u32
    }

    /// The beginning of the name, which tells handles apart and is of no use to anybody who does not know the rest.
    pub fn label(self) -> String {
        format!("{:08x}", self.0 >> 96)
    }

    /// The first and the last name that a label can be the beginning of. None for what is no label.
    pub fn labelled(label: &str) -> Option<(Self, Self)> {
        let valid = label.len() == 8 && label.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let first = u128::from(u32::from_str_radix(label, 16).ok().filter(|_| valid)?) << 96;
        Some((Self(first), Self(first | (u128::MAX >> 32))))
    }

    /// The first of all names.
    pub const FIRST: Self = Self(0);
    /// The last of all names.
    pub const LAST: Self = Self(u128::MAX);
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

/// One life of a broker, reloads included.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its random number, which its handles carry.
    pub number: u32,
    /// When it began, for people.
    pub since: Arc<str>,
}

impl Life {
    /// A life that begins now.
    ///
    /// # Errors
    /// `failed` if the system has no randomness to give.
    pub fn begin(since: &str) -> Result<Self, CallError> {
        let mut number = [0; 4];
        super::random::fill(&mut number)?;
        Ok(Self { number: u32::from_be_bytes(number), since: since.into() })
    }
}

impl Default for Life {
    fn default() -> Self {
        Self { number: 0, since: "".into() }
    }
}

/// A state and what it is called.
pub(super) struct Held {
    pub id: HandleId,
    pub kind: &'static str,
    pub state: State,
}

/// What a worker's call has of the store: the state of one handle, and room for new ones.
#[derive(Default)]
pub struct Lease {
    // What was asked for, whether or not it is there.
    pub(super) wanted: Option<HandleId>,
    pub(super) leased: Option<HandleId>,
    pub(super) held: Option<Held>,
    pub(super) created: Vec<Held>,
    // Bytes by which what it holds may grow.
    pub(super) room: usize,
    pub(super) life: Life,
}

impl Lease {
    /// After a panic nobody knows what state the state is in: it ends, and so does what was made. Whoever calls this drops what
    /// is returned, where a panic in doing so is caught.
    #[must_use]
    pub fn poison(&mut self) -> Vec<State> {
        self.held.take().into_iter().chain(std::mem::take(&mut self.created)).map(|held| held.state).collect()
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
        Err(CallError::new(Code::Overloaded, HELD_TOO_MUCH))
    }

    /// Keeps a state under a new name.
    ///
    /// # Errors
    /// `overloaded` above the user's quota of handles or memory, `failed` without a broker. What a worker's call makes is judged
    /// when it is done.
    pub fn insert<T: Keep>(self, kind: &'static str, state: T) -> Result<HandleId, CallError> {
        match self.reach {
            Reach::Store(store, now) => store.insert(self.caller, kind, Box::new(state), now),
            Reach::Lease(lease) => {
                let id = HandleId::in_life(&lease.life)?;
                lease.created.push(Held { id, kind, state: Box::new(state) });
                Ok(id)
            }
            Reach::Nothing => Err(needs_broker()),
        }
    }

    /// The state under a name, if the caller's user has one of that type there, and the life that handles belong to.
    ///
    /// # Errors
    /// `failed` without a broker.
    pub(crate) fn look_up<T: Keep>(self, id: Option<HandleId>) -> Result<(Option<&'a mut T>, &'a Life), CallError> {
        match self.reach {
            Reach::Store(store, now) => {
                let (state, life) = store.state_of(self.caller.uid, id, now);
                Ok((state.and_then(downcast), life))
            }
            Reach::Lease(lease) => {
                let held = lease.held.as_mut().filter(|held| Some(held.id) == id);
                Ok((held.and_then(|held| downcast(&mut held.state)), &lease.life))
            }
            Reach::Nothing => Err(needs_broker()),
        }
    }

    /// Frees a handle of the given kind. Returns whether there was one.
    ///
    /// # Errors
    /// `failed` without a broker.
    pub fn remove(self, kind: &str, id: Option<HandleId>) -> Result<bool, CallError> {
        match self.reach {
            Reach::Store(store, _) => Ok(id.is_some_and(|id| store.remove(self.caller.uid, kind, id))),
            Reach::Lease(lease) => {
                let held = lease.held.take_if(|held| Some(held.id) == id && held.kind == kind);
                Ok(held.is_some())
            }
            Reach::Nothing => Err(needs_broker()),
        }
    }
}

/// The error in a module's words where there is no such handle; where its name is of an earlier life of the broker, it says so.
pub(crate) fn missing(id: Option<HandleId>, words: &str, life: &Life) -> CallError {
    let is_earlier = id.is_some_and(|id| id.life() != life.number);
    let message = if is_earlier {
        format!(
            "{words}; this broker, which was started at {}, has made no such name, and what an earlier one kept ended with it",
            life.since
        )
    } else {
        words.to_owned()
    };
    CallError::new(Code::NotFound, message)
}

fn downcast<T: Keep>(state: &mut State) -> Option<&mut T> {
    let state: &mut dyn Any = state.as_mut();
    state.downcast_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        assert!(HandleId::parse("0123456789abcdef0123456789abcdef").is_some());
        for wrong in ["", "0123456789ABCDEF0123456789abcdef", "+123456789abcdef0123456789abcdef", "0123"] {
            assert!(HandleId::parse(wrong).is_none());
        }
    }

    #[test]
    fn a_name_is_within_its_label_and_of_its_life() {
        let id = HandleId::in_life(&Life { number: 7, since: "".into() }).unwrap();
        let (first, last) = HandleId::labelled(&id.label()).unwrap();
        assert!(first <= id && id <= last && id.life() == 7);
        for wrong in ["", "zzzz", "+1234567", "123456789", "ABCDEF01"] {
            assert!(HandleId::labelled(wrong).is_none());
        }
    }

    #[test]
    fn who_asks_for_a_handle_of_an_earlier_broker_is_told() {
        let made_in = |number| HandleId::in_life(&Life { number, since: "".into() }).unwrap().to_string();
        let now = Life { number: 1, since: "noon".into() };
        let said = |name: &str| missing(HandleId::parse(name), "no such thing", &now).message.clone();
        assert_eq!(said(&made_in(1)), "no such thing");
        assert!(said(&made_in(2)).contains("started at noon"), "{}", said(&made_in(2)));
        assert_eq!(said("nonsense"), "no such thing");
    }
}
