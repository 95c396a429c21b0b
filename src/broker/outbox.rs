//! Turns that are over but for writing their answers, and the buffers for these.
//!
//! The first answer that is written wakes a client. If that client shares the broker's CPU, the kernel may let the two change places
//! with that answer and with every further one, which takes longer than a batch of small calls. So answers are held until all who
//! were ready have had their turn, and are then written one right after the other. They are not held for long, nor many of them: an
//! answer does not wait for somebody else's slow calls.

use super::turn::Turn;
use kit::protocol::Buffer;
use std::time::{Duration, Instant};

/// How long an answer is held at most, not counting the turn that is on.
const PATIENCE: Duration = Duration::from_micros(500);
/// Turns whose answers are held at most: what does best for fifty connections, and as well as more or fewer for ten or a thousand.
const TURNS: usize = 32;
/// Bytes of answers that are held at most, not counting the last turn's.
const BYTES: usize = 256 * 1024;
/// Memory that buffers keep for further turns.
const SPARE: usize = 512 * 1024;

/// Turns that are to be ended soon.
#[derive(Default)]
pub struct Outbox {
    turns: Vec<Turn>,
    bytes: usize,
    // When the first of the turns was over.
    since: Option<Instant>,
    spare: Vec<Buffer>,
    spare_bytes: usize,
}

impl Outbox {
    /// Holds a turn that was over at a time. Whether it is time to write what is held.
    pub fn hold(&mut self, turn: Turn, over: Instant) -> bool {
        self.bytes += turn.output.len();
        self.turns.push(turn);
        let since = *self.since.get_or_insert(over);
        self.turns.len() >= TURNS || self.bytes >= BYTES || over.saturating_duration_since(since) >= PATIENCE
    }

    /// Takes what is held. The memory of the list comes back by [`Outbox::give_back_list`].
    pub fn take(&mut self) -> Vec<Turn> {
        self.bytes = 0;
        self.since = None;
        std::mem::take(&mut self.turns)
    }

    /// Keeps the memory of an emptied list.
    pub fn give_back_list(&mut self, list: Vec<Turn>) {
        debug_assert!(list.is_empty() && self.turns.is_empty());
        self.turns = list;
    }

    /// An empty buffer; the one given back last, because that is still in the CPU's caches.
    pub fn lend(&mut self) -> Buffer {
        let buffer = self.spare.pop().unwrap_or_default();
        self.spare_bytes -= buffer.capacity();
        buffer
    }

    /// Takes a buffer back, and keeps it for later if there is room.
    pub fn give_back(&mut self, buffer: Buffer) {
        debug_assert!(buffer.is_empty());
        if buffer.capacity() > 0 && self.spare_bytes + buffer.capacity() <= SPARE {
            self.spare_bytes += buffer.capacity();
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::ConnectionId;
    use super::*;
    use crate::broker::quota::Standing;
    use kit::Caller;

    fn turn(bytes: usize) -> Turn {
        let mut output = Buffer::new();
        output.push(&vec![1; bytes]);
        Turn::new(ConnectionId::NONE, Caller::default(), Standing::Welcome, output)
    }

    #[test]
    fn answers_are_held_until_they_are_many() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!((1..TURNS).all(|_| !outbox.hold(turn(1), now)));
        assert!(outbox.hold(turn(1), now));
        assert_eq!(outbox.take().len(), TURNS);
        assert!(!outbox.hold(turn(1), now));
    }

    #[test]
    fn answers_are_held_until_they_are_large() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!(!outbox.hold(turn(BYTES - 1), now));
        assert!(outbox.hold(turn(1), now));
        outbox.take();
        assert!(!outbox.hold(turn(1), now));
    }

    #[test]
    fn answers_are_held_until_one_has_waited() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!(!outbox.hold(turn(1), now));
        assert!(!outbox.hold(turn(1), now + PATIENCE / 2));
        assert!(outbox.hold(turn(1), now + PATIENCE));
        outbox.take();
        assert!(!outbox.hold(turn(1), now + PATIENCE * 2));
    }

    #[test]
    fn buffers_are_lent_again_and_their_memory_is_bounded() {
        let mut outbox = Outbox::default();
        let mut buffers: Vec<Buffer> = (0..3).map(|_| outbox.lend()).collect();
        for buffer in &mut buffers {
            buffer.push(&vec![1; SPARE / 2]);
            buffer.clear();
        }
        buffers.into_iter().for_each(|buffer| outbox.give_back(buffer));
        let capacities: Vec<usize> = (0..3).map(|_| outbox.lend().capacity()).collect();
        assert!(capacities[0] >= SPARE / 2 && capacities[1] >= SPARE / 2, "{capacities:?}");
        assert_eq!(capacities[2], 0);
        assert_eq!(outbox.spare_bytes, 0);
    }
}
