//! One client: a slab slot, what is known of its peer, and the little state that lives between two of its turns.
//!
//! An idle connection owns its socket and nothing else: a message that comes whole is read in the loop's own buffer, and
//! answers are written from a buffer that is lent for one turn. Only a message in pieces, or answers that a slow client
//! does not take, are kept here.

pub use super::ids::ConnectionId;
use super::ids::JobId;
use super::quota::Standing;
use crate::config::Config;
use crate::stats::{CloseReason, Script};
use kit::Caller;
use kit::protocol::Buffer;
use kit::protocol::framing::{Cutter, Framing};
use mio::net::UnixStream;
use mio::{Interest, Registry};
use slab::Slab;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

/// How long a connection stays that may make no calls.
const PATIENCE_WITH_UNWELCOME: Duration = Duration::from_secs(1);

/// What becomes of a connection. It only ever moves downwards through this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages are read and answered.
    Open,
    /// The client sends no more; what is outstanding is still answered.
    HalfClosed,
    /// Nothing is read any more; closed for this reason as soon as the output is flushed.
    Closing(CloseReason),
}

/// What readiness was reported for a connection and not yet used up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// There may be bytes to read.
    pub readable: bool,
    /// The client sends no more: after what there is to read, the end is to be read as well.
    pub ending: bool,
    /// Both directions are shut down: no answer can arrive any more.
    pub hung_up: bool,
}

/// A connected client.
pub struct Connection {
    /// The socket.
    pub stream: UnixStream,
    /// Who is at the other end.
    pub caller: Caller,
    /// Whether it may make calls at all.
    pub standing: Standing,
    /// Number of this connection, counted from the broker's start.
    pub serial: u64,
    /// The script at the other end, from its first failed call on.
    pub script: Option<Script>,
    /// What becomes of it.
    pub state: State,
    /// What the kernel said and was not used up.
    pub readiness: Readiness,
    /// Whether it stands on the ready list.
    pub queued: bool,
    /// What its socket is registered for, if it is: one that was just accepted is not yet.
    pub watched: Option<Interest>,
    /// Whether reading is paused until answers are taken or calls are done.
    pub paused: bool,
    /// Whether `input` may hold whole messages: the turn ended before they were served.
    pub unserved: bool,
    /// What was read and not served: messages that wait for a turn, or the beginning of one that is not whole.
    pub input: Buffer,
    /// Answers that the client did not take yet.
    pub output: Buffer,
    /// Where messages end.
    pub cutter: Cutter,
    /// Calls that wait for or run on a worker.
    pub jobs: Vec<JobId>,
    /// Bytes of parameters that those hold.
    pub job_bytes: usize,
    /// Bytes that are reckoned for them, with what is made of the parameters.
    pub job_charge: usize,
    /// Bytes that were reckoned for it when its last turn ended.
    pub held: usize,
    /// Calls made.
    pub requests: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// When it was accepted; times are durations since the broker's start.
    pub accepted: Duration,
    /// When a byte last came or went.
    pub last_activity: Duration,
    /// When the unfinished message began.
    pub frame_since: Option<Duration>,
    /// When the client last took a byte of what is waiting for it.
    pub blocked_since: Option<Duration>,
    /// When its timer fires at the latest.
    pub timer_at: Option<Duration>,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(stream: UnixStream, caller: Caller, standing: Standing, serial: u64, now: Duration) -> Self {
        Self {
            stream,
            caller,
            standing,
            serial,
            script: None,
            state: State::Open,
            readiness: Readiness::default(),
            queued: false,
            watched: None,
            paused: false,
            unserved: false,
            input: Buffer::new(),
            output: Buffer::new(),
            cutter: Cutter::default(),
            jobs: Vec::new(),
            job_bytes: 0,
            job_charge: 0,
            held: 0,
            requests: 0,
            bytes_in: 0,
            bytes_out: 0,
            accepted: now,
            last_activity: now,
            frame_since: None,
            blocked_since: None,
            timer_at: None,
        }
    }

    /// The framing to answer in; bare if the client never said.
    pub fn framing(&self) -> Framing {
        self.cutter.framing().unwrap_or(Framing::Bare)
    }

    /// Whether no further message is to be read for now.
    pub fn must_pause(&self, unsent: usize, config: &Config) -> bool {
        unsent > config.high_water || self.job_bytes > config.high_water || self.jobs.len() >= config.max_outstanding
    }

    /// Whether a paused connection may be read again.
    pub fn may_resume(&self, unsent: usize, config: &Config) -> bool {
        unsent <= config.low_water
            && self.job_bytes <= config.low_water.max(config.high_water / 2)
            && self.jobs.len() <= config.max_outstanding / 2
    }

    /// Writes what `output` holds until it is empty or the client takes no more.
    ///
    /// # Errors
    /// Those of the socket, except that it would block.
    pub fn write_out(&mut self, output: &mut Buffer, now: Duration) -> io::Result<u64> {
        let mut written = 0;
        while !output.is_empty() {
            match self.stream.write(output.as_slice()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    output.consume(count);
                    written += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if written > 0 {
            self.bytes_out += written;
            self.last_activity = now;
        }
        self.blocked_since = match (output.is_empty(), written) {
            (true, _) => None,
            (false, 0) => self.blocked_since.or(Some(now)),
            (false, _) => Some(now),
        };
        Ok(written)
    }

    /// Has its events reported, if they are not: that there is something to read, and with `unsent` answers that there is room for them.
    /// Not always the latter, because it would be reported for every answer that the client takes.
    ///
    /// # Errors
    /// Those of the event queue.
    pub fn watch(&mut self, id: ConnectionId, unsent: bool, events: &Registry) -> io::Result<()> {
        let interest = if unsent { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        match self.watched {
            Some(watched) if watched == interest => return Ok(()),
            Some(_) => events.reregister(&mut self.stream, id.token(), interest)?,
            None => events.register(&mut self.stream, id.token(), interest)?,
        }
        self.watched = Some(interest);
        Ok(())
    }

    /// The limit that this connection runs into next if nothing happens, and why it would be closed then.
    pub fn next_deadline(&self, config: &Config) -> Option<(Duration, CloseReason)> {
        let stalled = self.blocked_since.zip(config.write_timeout).map(|(a, b)| (a + b, CloseReason::StalledWrite));
        // A message is late only while it is the broker that waits for the client.
        let frame = self.frame_since.filter(|_| !self.paused).zip(config.frame_timeout);
        let frame = frame.map(|(since, timeout)| (since + timeout, CloseReason::FrameTimeout));
        // One who may not make calls gets no longer than it takes to say so, whatever the settings allow others.
        let unwelcome = (self.standing != Standing::Welcome).then(|| {
            let reason = if self.standing == Standing::Stranger { CloseReason::Denied } else { CloseReason::Quota };
            (self.accepted + PATIENCE_WITH_UNWELCOME, reason)
        });
        let idle = config.stale_timeout.filter(|_| self.is_idle());
        let idle = idle.map(|timeout| (self.last_activity + timeout, CloseReason::Idle));
        [stalled, frame, idle, unwelcome].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Whether nothing is outstanding either way.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.output.is_empty()
    }

    /// Pauses reading, or takes it up again, by what the client has not taken of its answers and by its calls in work.
    pub fn regulate(&mut self, unsent: usize, config: &Config, now: Duration) {
        if !self.paused {
            self.paused = self.must_pause(unsent, config);
        } else if self.may_resume(unsent, config) {
            self.paused = false;
            // The time of the pause is not the client's.
            self.frame_since = self.frame_since.map(|_| now);
        }
    }

    /// Whether there is something to do for it without a further event.
    pub fn wants_turn(&self) -> bool {
        self.state == State::Open && !self.paused && (self.readiness.readable || self.unserved)
    }

    /// Whether nothing is left to do for it but to close it, and why it is closed then.
    pub fn is_done(&self) -> Option<CloseReason> {
        // Nothing more is read, and no answer can arrive.
        let forlorn = self.readiness.hung_up && (self.paused || self.state != State::Open);
        match self.state {
            State::Closing(reason) if forlorn => Some(reason),
            _ if forlorn => Some(CloseReason::Hangup),
            State::Closing(reason) if self.output.is_empty() => Some(reason),
            State::HalfClosed if self.is_idle() && self.input.is_empty() => Some(CloseReason::Hangup),
            _ => None,
        }
    }

    /// Gives back memory that an idle connection has no use for, and checks what must hold between turns.
    pub fn settle(&mut self) {
        if self.input.is_empty() {
            self.input.release();
        }
        if self.output.is_empty() {
            self.output.release();
        }
        if self.jobs.is_empty() {
            self.jobs = Vec::new();
        }
        debug_assert!(self.output.is_empty() || self.blocked_since.is_some());
        debug_assert!(!self.jobs.is_empty() || self.job_bytes == 0);
        debug_assert!(self.is_done().is_none(), "a connection that is done is closed, not kept");
    }
}

/// All connections, by slot.
#[derive(Default)]
pub struct Connections {
    slab: Slab<Connection>,
}

impl Connections {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// The connection of an id, unless it is gone.
    pub fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slab.get_mut(id.slot as usize).filter(|connection| connection.serial as u32 == id.generation)
    }

    /// As [`Connections::get`], to look at.
    pub fn peek(&self, id: ConnectionId) -> Option<&Connection> {
        self.slab.get(id.slot as usize).filter(|connection| connection.serial as u32 == id.generation)
    }

    /// Whichever connection is in a slot now.
    pub fn in_slot(&self, slot: u32) -> Option<ConnectionId> {
        let connection = self.slab.get(slot as usize)?;
        Some(ConnectionId::new(slot, connection.serial as u32))
    }

    /// Takes a slot.
    pub fn insert(&mut self, connection: Connection) -> ConnectionId {
        let generation = connection.serial as u32;
        ConnectionId::new(self.slab.insert(connection) as u32, generation)
    }

    /// Frees a slot.
    pub fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        self.slab.try_remove(id.slot as usize)
    }

    /// All ids, for work on every connection.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// Every connection with its id.
    pub fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.slab
            .iter()
            .map(|(slot, connection)| (ConnectionId::new(slot as u32, connection.serial as u32), connection))
    }
}

impl Connection {
    /// Bytes that are kept for it from turn to turn.
    pub fn holds(&self) -> usize {
        self.input.len() + self.output.len() + self.job_charge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(serial: u64) -> Connection {
        let (stream, _) = UnixStream::pair().unwrap();
        Connection::new(stream, Caller::default(), Standing::Welcome, serial, Duration::ZERO)
    }

    #[test]
    fn an_id_of_an_earlier_connection_in_the_slot_finds_nothing() {
        let mut connections = Connections::default();
        let first = connections.insert(connection(1));
        assert!(connections.remove(first).is_some());
        let second = connections.insert(connection(2));
        assert_eq!(first.slot, second.slot);
        assert!(connections.get(first).is_none());
        assert!(connections.remove(first).is_none());
        assert_eq!(connections.get(ConnectionId::of_token(second.token())).unwrap().serial, 2);
    }

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<Connection>() <= 384, "{} bytes", size_of::<Connection>());
    }
}
