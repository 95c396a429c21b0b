//! One handle: its name, and what a worker's call has of the store.
//!
//! A handle is an unguessable name for something a call made: a cipher, a session, a document. It belongs to the user who made it and
//! ends when it is freed, when nobody used it for long, or with the broker.
//!
//! A worker takes the state out of the store for the time of its call (a [`Lease`]) and gives it back with its answer, so
//! nothing is shared and nothing is locked. The loop sees to it that one handle has one call at a time.

use super::keep::State;
use crate::protocol::CallError;
use std::fmt;
use std::sync::Arc;

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
