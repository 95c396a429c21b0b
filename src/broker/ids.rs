//! Names of what the broker keeps in slabs.
//!
//! A slab gives a slot to the next occupant as soon as it is free. What was meant for an earlier one, an answer or a timer say, must not
//! reach it: so a name carries a generation beside the slot, and finds nobody once the slot has changed hands.

use mio::Token;
use std::marker::PhantomData;

/// Names one thing for as long as the broker lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<Of> {
    /// Its place.
    pub slot: u32,
    /// Which of the slot's occupants it is.
    pub generation: u32,
    of: PhantomData<Of>,
}

/// See [`ConnectionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfConnection {}
/// See [`JobId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfJob {}

/// The name of a connection.
pub type ConnectionId = Id<OfConnection>;
/// The name of a call that waits for a worker or runs on one.
pub type JobId = Id<OfJob>;

// A token carries both halves.
const _: () = assert!(usize::BITS == 64, "connection tokens need 64 bits");

impl<Of> Id<Of> {
    /// The id that nothing has: slots are far fewer.
    pub const NONE: Self = Self::new(u32::MAX, u32::MAX);

    /// The name of a slot's occupant.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation, of: PhantomData }
    }
}

impl ConnectionId {
    /// The id that an event's token stands for.
    pub fn of_token(Token(token): Token) -> Self {
        Self::new(token as u32, (token >> 32) as u32)
    }

    /// The token to register with.
    pub fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_connections_and_no_other() {
        let id = ConnectionId::new(7, 3);
        assert_eq!(ConnectionId::of_token(id.token()), id);
        assert_ne!(ConnectionId::of_token(id.token()), ConnectionId::new(7, 4));
        assert_ne!(ConnectionId::NONE, id);
    }
}
