//! The streams whose last piece was given lately.
//!
//! Clients send reads ahead, so one more than there are pieces is under way when the last one comes. It is answered as read(2)
//! answers at the end of a file, with nothing, and is no failed call in anybody's figures.

use kit::Memory;
use kit::handles::HandleId;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What is sent ahead is with the broker already, or will be in the time that an answer takes. A stream that is forgotten
/// earlier than that costs a failed call in the figures and nothing else.
const REMEMBERED: usize = 512;

static LATELY: Mutex<Ends> = Mutex::new(Ends(VecDeque::new()));

/// This user's stream has given its last piece.
pub fn remember(owner: u32, name: &str) {
    if let Some(id) = HandleId::parse(name) {
        LATELY.lock().unwrap_or_else(PoisonError::into_inner).add(owner, id);
    }
}

/// Whether this user's stream gave its last piece lately.
pub fn is_known(owner: u32, name: &str) -> bool {
    HandleId::parse(name).is_some_and(|id| LATELY.lock().unwrap_or_else(PoisonError::into_inner).has(owner, id))
}

/// What is remembered, for the program that takes this one's place: a read that was sent ahead may be its to answer.
pub const MEMORY: Memory = Memory { pack, unpack };

fn pack() -> Vec<u8> {
    let lately = LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    let ends: Vec<(u32, String)> = lately.0.iter().map(|(owner, id)| (*owner, id.to_string())).collect();
    rmp_serde::to_vec(&ends).unwrap_or_default()
}

fn unpack(bytes: &[u8]) {
    let ends: Vec<(u32, String)> = rmp_serde::from_slice(bytes).unwrap_or_default();
    for (owner, name) in ends.into_iter().rev() {
        remember(owner, &name);
    }
}

struct Ends(VecDeque<(u32, HandleId)>);

impl Ends {
    fn add(&mut self, owner: u32, id: HandleId) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_back();
        }
        self.0.push_front((owner, id));
    }

    fn has(&self, owner: u32, id: HandleId) -> bool {
        self.0.contains(&(owner, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_outlives_a_reload() {
        let name = HandleId::random().unwrap().to_string();
        remember(4_000_000_001, &name);
        let packed = pack();
        LATELY.lock().unwrap().0.retain(|(owner, _)| *owner != 4_000_000_001);
        assert!(!is_known(4_000_000_001, &name));
        unpack(&packed);
        assert!(is_known(4_000_000_001, &name));
        unpack(b"nonsense");
    }

    #[test]
    fn the_latest_ends_are_known_to_their_owners() {
        let mut ends = Ends(VecDeque::new());
        let first = HandleId::random().unwrap();
        ends.add(1000, first);
        assert!(ends.has(1000, first) && !ends.has(1001, first));
        for _ in 0..REMEMBERED {
            ends.add(1000, HandleId::random().unwrap());
        }
        assert!(!ends.has(1000, first) && ends.0.len() == REMEMBERED);
    }
}
