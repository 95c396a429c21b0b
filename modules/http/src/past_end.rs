//! The streams whose last piece was given lately.
//!
//! Clients send reads ahead, so one more than there are pieces is under way when the last one comes. It is answered as read(2)
//! answers at the end of a file, with nothing, and is no failed call in anybody's figures.

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
