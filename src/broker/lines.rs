//! The lines to clients: where events come from, who is connected, whose turn it is.
//!
//! Events are noted at their connections ([`Lines::note`]), and a connection that has something to do stands on the ready list, once, however
//! much happens to it. What is done in a turn is not known here.

use super::accept::Gate;
use super::connection::{ConnectionId, Connections};
use super::outbox::Outbox;
use mio::Poll;
use mio::event::Event;
use std::collections::VecDeque;

/// Bytes that one read takes at most. What comes whole in one read is served in place; what does not is copied and kept.
const SCRATCH: usize = 256 * 1024;

/// See the module.
pub struct Lines {
    /// The kernel's queue of events.
    pub poll: Poll,
    /// Who is let in.
    pub gate: Gate,
    /// Who is connected.
    pub connections: Connections,
    /// Who has something to do, in the order of their turns.
    pub ready: VecDeque<ConnectionId>,
    /// Who was let in this round.
    pub newcomers: Vec<ConnectionId>,
    /// Turns that are over but for writing their answers.
    pub outbox: Outbox,
    /// The loop's own memory for reading.
    pub scratch: Box<[u8]>,
}

/// What an event says of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happening {
    /// Something may be read, if only the end.
    pub readable: bool,
    /// The client sends no more.
    pub ending: bool,
    /// The client is gone.
    pub hung_up: bool,
}

impl Happening {
    /// As the kernel reports it.
    pub fn of(event: &Event) -> Self {
        Self {
            readable: event.is_readable() || event.is_read_closed(),
            ending: event.is_read_closed(),
            hung_up: event.is_write_closed(),
        }
    }
}

impl Lines {
    /// None yet.
    pub fn new(poll: Poll, gate: Gate) -> Self {
        Self {
            poll,
            gate,
            connections: Connections::default(),
            ready: VecDeque::new(),
            newcomers: Vec::new(),
            outbox: Outbox::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
        }
    }

    /// Notes what happened to a connection; nothing, if that id is an earlier occupant's of the slot.
    pub fn note(&mut self, id: ConnectionId, happening: Happening) {
        let Some(connection) = self.connections.get(id) else { return };
        // What is noted stays until it is used up: the kernel reports changes only.
        connection.readiness.readable |= happening.readable;
        connection.readiness.ending |= happening.ending;
        connection.readiness.hung_up |= happening.hung_up;
        self.make_ready(id);
    }

    /// Puts a connection on the ready list, unless it is there.
    pub fn make_ready(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id)
            && !connection.queued
        {
            connection.queued = true;
            self.ready.push_back(id);
        }
    }

    /// Whether there is something to do without waiting for events, where so many places are taken.
    pub fn has_more_to_do(&self, taken: usize) -> bool {
        !self.ready.is_empty() || self.gate.has_more(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::Connection;
    use super::super::listener::Listener;
    use super::super::quota::Standing;
    use super::*;
    use crate::config::{Config, Values};
    use kit::Caller;
    use std::time::Duration;

    fn lines(directory: &tempfile::TempDir) -> Lines {
        let mut values = Values::defaults();
        let socket = directory.path().join("broker.sock");
        values.set_flag("socket", socket.to_str().unwrap().to_owned());
        let config = Config::new(values).unwrap();
        Lines::new(Poll::new().unwrap(), Gate::new(Listener::new(&config).unwrap(), 10))
    }

    fn connected(lines: &mut Lines) -> (ConnectionId, std::os::unix::net::UnixStream) {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let stream = mio::net::UnixStream::from_std(near);
        let connection = Connection::new(stream, Caller::default(), Standing::Welcome, 1, Duration::ZERO);
        (lines.connections.insert(connection), far)
    }

    #[test]
    fn a_connection_has_one_turn_however_much_happens_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut lines = lines(&directory);
        lines.gate.ready = false;
        let ((one, _one), (two, _two)) = (connected(&mut lines), connected(&mut lines));
        assert!(!lines.has_more_to_do(2));
        lines.note(two, Happening { readable: true, ..Happening::default() });
        lines.note(one, Happening { readable: true, ..Happening::default() });
        lines.note(two, Happening { ending: true, ..Happening::default() });
        assert!(lines.has_more_to_do(2));
        assert_eq!(lines.ready, [two, one]);
        let readiness = &lines.connections.get(two).unwrap().readiness;
        assert!(readiness.readable && readiness.ending && !readiness.hung_up, "all of it stays noted");
    }

    #[test]
    fn what_is_meant_for_an_earlier_occupant_of_a_slot_is_nothing_to_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut lines = lines(&directory);
        let (id, _far) = connected(&mut lines);
        let earlier = ConnectionId::new(id.slot, id.generation.wrapping_sub(1));
        lines.note(earlier, Happening { hung_up: true, ..Happening::default() });
        assert!(lines.ready.is_empty() && !lines.connections.get(id).unwrap().readiness.hung_up);
    }
}
