//! What one call can reach of the state that lives on between calls.

use super::caller::Caller;
use super::handle::Held;
pub use super::handle::{HandleId, Lease, Life};
use super::keep::{Keep, State};
use super::store::{HELD_TOO_MUCH, HandleStore};
use crate::protocol::{CallError, Code};
use std::any::Any;
use std::time::Duration;

/// The error for a function that needs a running broker, called without one.
pub fn needs_broker() -> CallError {
    CallError::new(
        Code::Failed,
        "this call keeps or needs state between calls, which only a running broker has; start one with `cpan-bridge serve` \
         (this call was answered by a process of its own)",
    )
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
