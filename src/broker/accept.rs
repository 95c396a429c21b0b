//! Taking connections from the listener, and when not to.
//!
//! Clients that can't be served yet wait in the listen queue. Who may make no calls is told so, but has no place among those who
//! may: such connections are few at a time, end soon, and further ones are closed at once, without a word. Accepting stops at `max_connections` and when the descriptors run out; both are logged once, and accepting
//! goes on by itself.

use super::Broker;
use super::connection::{Connection, ConnectionId, State};
use super::deadlines::Timer;
use super::listener::Listener;
use super::quota::Standing;
use crate::stats::CloseReason;
use kit::Registry;
use nix::errno::Errno;
use slog::{debug, info, warn};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Connections that are taken in one round, so that a storm of them does not starve those that are there.
const SHARE: usize = 64;
/// How long accepting waits for descriptors to become free that are no connections'.
const RETRY: Duration = Duration::from_secs(1);

/// Why no connection is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    /// As many connections as there may be.
    Full,
    /// The process or the host has no descriptor left.
    NoDescriptors,
}

/// The listener, and whether connections are taken from it.
pub struct Gate {
    /// The socket.
    pub listener: Listener,
    /// Whether connections may be waiting.
    pub ready: bool,
    closed: Option<Closed>,
    // Descriptors ran out, and nothing has happened since that could have freed one.
    exhausted: bool,
    // Nobody is taken any more.
    shut: bool,
    most: usize,
}

impl Gate {
    /// An open gate, through which so many connections may come at a time.
    pub fn new(listener: Listener, most: usize) -> Self {
        Self { listener, ready: true, closed: None, exhausted: false, shut: false, most }
    }

    /// Whether connections are being taken.
    pub fn is_open(&self) -> bool {
        self.closed.is_none() && !self.shut
    }

    /// Lets another broker have the place. Who connected before waits in the kernel's queue and is still taken; on a
    /// socket that was handed over nobody is, because those who wait there are the next broker's.
    pub fn give_up_place(&mut self) {
        self.shut = !self.listener.give_up_place();
        self.ready = true;
    }

    /// Whether a connection may be waiting that can be taken with so many places taken.
    pub fn has_more(&self, connections: usize) -> bool {
        self.may_take() && connections < self.most
    }

    fn may_take(&self) -> bool {
        self.ready && !self.exhausted && !self.shut
    }

    /// Tries again although descriptors had run out: time has passed, or a connection was closed.
    pub fn try_again(&mut self) {
        self.exhausted = false;
    }
}

impl Broker {
    /// Takes a round's share of the connections that wait.
    pub(super) fn accept_some(&mut self) {
        if !self.lines.gate.may_take() {
            return;
        }
        for _ in 0..SHARE {
            if self.taken_places() >= self.lines.gate.most {
                self.close_gate(Closed::Full);
                return;
            }
            match self.lines.gate.listener.socket.accept() {
                Ok((stream, _)) => {
                    self.open_connection(stream);
                    if !self.lines.gate.listener.has_waiting() {
                        self.lines.gate.ready = false;
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.lines.gate.ready = false;
                    break;
                }
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                        self.close_gate(Closed::NoDescriptors);
                        self.lines.gate.exhausted = true;
                        self.deadlines.want(Timer::AcceptAgain, self.now + RETRY);
                        return;
                    }
                    // The client gave up, or a signal came: the next one.
                    _ => debug!(self.log.logger, "Accepting failed"; "error" => %error),
                },
            }
        }
        if self.lines.gate.closed.take().is_some() {
            info!(self.log.logger, "Accepting connections again"; "connections" => self.lines.connections.len());
        }
    }

    fn close_gate(&mut self, why: Closed) {
        if self.lines.gate.closed.replace(why) == Some(why) {
            return;
        }
        match why {
            Closed::Full => warn!(self.log.logger, "All connections are in use; new ones wait until one is closed";
                "max_connections" => self.lines.gate.most),
            Closed::NoDescriptors => warn!(self.log.logger, "No descriptors left; new connections wait";
                "connections" => self.lines.connections.len(), "descriptor_limit" => self.descriptor_limit),
        }
    }

    fn open_connection(&mut self, stream: mio::net::UnixStream) {
        let (caller, allowed) = match self.access.peer(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                warn!(self.log.logger, "A peer without credentials was turned away"; "error" => %error);
                self.figures.stats.connections_rejected += 1;
                return;
            }
        };
        let standing = self.work.quotas.enter(caller, allowed);
        if standing == Standing::Flood {
            self.work.quotas.leave(caller, standing, 0);
            self.figures.stats.connections_rejected += 1;
            self.figures.stats.connections_crowded += u64::from(allowed);
            return;
        }
        let serial = self.figures.stats.connections + 1;
        let id = self.lines.connections.insert(Connection::new(stream, caller, standing, serial, self.now));
        self.figures.stats.connections = serial;
        self.figures.stats.peak_connections =
            self.figures.stats.peak_connections.max(self.lines.connections.len() as u64);
        match standing {
            Standing::Welcome | Standing::Flood => {}
            Standing::Stranger => {
                self.figures.stats.connections_rejected += 1;
                self.remember_security(caller, "unauthorized_peer");
                if let Some(left_out) = self.figures.throttle.admit("stranger", caller.uid, self.now) {
                    warn!(self.log.logger, "A user who is not allowed connected"; "uid" => caller.uid, "pid" => caller.pid,
                        "left_out" => left_out);
                }
            }
            Standing::Crowd => {
                self.figures.stats.connections_rejected += 1;
                self.figures.stats.connections_crowded += 1;
                if let Some(left_out) = self.figures.throttle.admit("crowd", caller.uid, self.now) {
                    info!(self.log.logger, "A user has as many connections as one may have"; "uid" => caller.uid,
                        "pid" => caller.pid, "user_connections" => self.config.user_connections, "left_out" => left_out);
                }
            }
        }
        debug!(self.log.logger, "Connection opened"; "connection" => serial, "uid" => caller.uid, "pid" => caller.pid);
        self.idle_since = None;
        if let Some(connection) = self.lines.connections.get(id) {
            connection.readiness.readable = true;
        }
        self.lines.newcomers.push(id);
    }

    /// Gives a first turn to those who were just accepted: their first request is probably there already, and its event
    /// would come only with the next wait. Who takes the answer and leaves at once is not even registered for events.
    pub(super) fn serve_newcomers(&mut self, registry: &Registry) {
        let mut newcomers = std::mem::take(&mut self.lines.newcomers);
        for &id in &newcomers {
            self.turn(id, registry);
        }
        self.end_turns();
        for id in newcomers.drain(..) {
            self.look_again(id, registry);
            if let Err(error) = self.watch(id) {
                warn!(self.log.logger, "A connection could not be registered"; "error" => %error);
                self.close(id, CloseReason::Io);
            }
        }
        self.end_turns();
        self.lines.newcomers = newcomers;
    }

    /// Gives a second turn to a newcomer that has got its answer, and of which nothing else is known: it may have left.
    fn look_again(&mut self, id: ConnectionId, registry: &Registry) {
        let Some(connection) = self.lines.connections.get(id) else { return };
        let answered = connection.requests > 0 && connection.is_idle();
        if answered && !connection.queued && !connection.paused && connection.state == State::Open {
            connection.readiness.readable = true;
            self.turn(id, registry);
        }
    }

    /// Has the events of a connection reported, of what came before as well.
    ///
    /// # Errors
    /// Those of the event queue.
    pub(super) fn watch(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.lines.connections.get(id) else { return Ok(()) };
        let unsent = !connection.output.is_empty();
        connection.watch(id, unsent, self.lines.poll.registry())
    }
}
