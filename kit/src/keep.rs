//! What a handle keeps, and how it moves to the program that takes this one's place.
//!
//! At a reload (`docs/architecture.md`) the state of every handle is packed by the old program and unpacked by the new one.
//! A kind of state that a module lists in its table can move; a reload waits for handles of other kinds to end.

use crate::protocol::reply::write_value;
use crate::protocol::{Buffer, CallError, Code};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// A value that a handle keeps. Types that hold secrets wipe themselves when dropped.
pub trait Keep: Any + Send {
    /// Bytes of memory that it takes, itself and all that it holds: what a caller's quota is charged with.
    fn size(&self) -> usize;

    /// Of which sort it is, for a list of handles: the algorithm, say. Nothing that is secret, and nothing that a caller wrote.
    fn describe(&self) -> String {
        String::new()
    }

    /// Whether dropping it takes next to no time: no connection to close, no large memory to give back. Others are dropped
    /// off the loop.
    fn is_light(&self) -> bool {
        false
    }

    /// The whole state as MessagePack. What is packed may hold keys: it stays in memory that is wiped.
    ///
    /// # Errors
    /// `internal` for a state that can't move; its kind is then in no module's table.
    fn pack(&self) -> Result<Buffer, CallError> {
        Err(CallError::new(Code::Internal, "a handle of this kind can't move"))
    }
}

/// What several handles keep together.
impl<T: Keep + Sync> Keep for Arc<T> {
    fn size(&self) -> usize {
        T::size(self)
    }

    fn describe(&self) -> String {
        T::describe(self)
    }

    fn is_light(&self) -> bool {
        T::is_light(self)
    }

    fn pack(&self) -> Result<Buffer, CallError> {
        T::pack(self)
    }
}

/// What a handle keeps, of whatever type.
pub type State = Box<dyn Keep>;

/// What several handles have in common, while they are unpacked one after the other.
#[derive(Default)]
pub struct Shared(HashMap<u64, Arc<dyn Any + Send + Sync>>);

impl Shared {
    /// The value that is known by this number, made by `make` when it is first asked for.
    ///
    /// # Errors
    /// Those of `make`; `internal` if the number stands for a value of another type.
    pub fn get_or_make<T: Any + Send + Sync>(
        &mut self,
        number: u64,
        make: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<Arc<T>, CallError> {
        let known = match self.0.get(&number) {
            Some(known) => Arc::clone(known),
            None => {
                let made: Arc<dyn Any + Send + Sync> = Arc::new(make()?);
                self.0.insert(number, Arc::clone(&made));
                made
            }
        };
        known.downcast().map_err(|_| unreadable("what handles share"))
    }
}

/// Packs a value as MessagePack, structs as maps, so that a later program may know more fields.
///
/// # Errors
/// `internal` for a value that MessagePack has no form for.
pub fn pack<T: Serialize>(value: &T) -> Result<Buffer, CallError> {
    let mut packed = Buffer::new();
    write_value(&mut packed, value).map_err(|error| CallError::new(Code::Internal, error.to_string()))?;
    Ok(packed)
}

/// Reads what [`pack`] wrote, borrowing from it.
///
/// # Errors
/// `internal` for what is no such thing; what it holds is not said.
pub fn unpack<'p, T: Deserialize<'p>>(packed: &'p [u8]) -> Result<T, CallError> {
    rmp_serde::from_slice(packed).map_err(|_| unreadable("a handle"))
}

/// The error for a packed state that makes no sense.
pub fn unreadable(what: &str) -> CallError {
    CallError::new(Code::Internal, format!("the packed state of {what} can't be read"))
}

/// What a text takes in a list, in bytes: itself, where it stands, and what the allocator adds.
pub const fn text_bytes(length: usize) -> usize {
    const LEAST: usize = 24;
    24 + 8 + if length < LEAST { LEAST } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_made_once() {
        let mut shared = Shared::default();
        let first = shared.get_or_make(7, || Ok(String::from("jar"))).unwrap();
        let again = shared.get_or_make::<String>(7, || Err(unreadable("it"))).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(shared.get_or_make(7, || Ok(1_u8)).is_err(), "of another type");
        assert!(shared.get_or_make::<String>(8, || Err(unreadable("it"))).is_err());
    }
}
