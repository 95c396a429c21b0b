//! One connection's turn: write what waits, read, answer, write.
//!
//! A turn reads at most [`BYTES`] and answers at most [`CALLS`] messages; what is left waits for the next turn, behind
//! everybody else. Answers of one turn are collected and written together when it is ended, which is when others have had theirs
//! (see [`super::outbox`]).

use super::Broker;
use super::connection::{ConnectionId, State};
use super::deadlines::Timer;
use super::quota::{MODEST, Shortage, Standing};
use crate::stats::CloseReason;
use kit::protocol::framing::{Cut, Framing};
use kit::protocol::reply::{Answer, write_rpc_error};
use kit::protocol::{Buffer, CallError, Code, buffer};
use kit::{Caller, FunctionId, Registry};
use slog::{debug, info};
use std::io::{ErrorKind, Read};
use std::time::Instant;

/// Bytes that a turn reads.
const BYTES: usize = 256 * 1024;
/// Messages that a turn serves.
const CALLS: usize = 512;

/// What a turn works with; taken out of the connection so that functions can look at all connections meanwhile.
pub(super) struct Turn {
    /// Whose turn it is.
    pub id: ConnectionId,
    /// Who is at the other end.
    pub caller: Caller,
    /// Whether he may make calls.
    pub standing: Standing,
    /// Answers.
    pub output: Buffer,
    /// How many messages it may still serve.
    pub calls_left: usize,
    /// The framing to answer in, once the client has shown it.
    pub framing: Option<Framing>,
    /// The function that was called last: usually the next one as well.
    pub last: Option<FunctionId>,
    bytes_left: usize,
    wiped: usize,
}

impl Turn {
    /// A turn that begins, with what an earlier one left of its answers.
    pub fn new(id: ConnectionId, caller: Caller, standing: Standing, output: Buffer) -> Self {
        let (framing, last) = (None, None);
        Self { id, caller, standing, output, calls_left: CALLS, framing, last, bytes_left: BYTES, wiped: 0 }
    }

    /// Begins an answer in the turn's output.
    pub fn begin_answer(&mut self, msgid: u32, max_frame: usize) -> Answer {
        Answer::begin(&mut self.output, self.framing.unwrap_or(Framing::Bare), msgid, max_frame)
    }
}

/// What to do after serving what there is.
enum Next {
    /// Read on.
    Read,
    /// Stop for this turn: its share is used up, or the connection is paused, or nothing more is wanted of it.
    Stop,
}

/// What a read brought.
enum Took {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The end of what the client sends.
    End,
    /// The connection is broken.
    Broken,
}

impl Broker {
    /// Gives a connection its turn. Its answers are written then, or soon.
    pub(super) fn turn(&mut self, id: ConnectionId, registry: &Registry) {
        let Some(connection) = self.lines.connections.get(id) else { return };
        connection.queued = false;
        let (caller, standing) = (connection.caller, connection.standing);
        let mut output = std::mem::take(&mut connection.output);
        if output.is_empty() {
            output = self.lines.outbox.lend();
        } else if !self.flush(id, &mut output) {
            return;
        }
        let mut turn = Turn::new(id, caller, standing, output);
        self.converse(&mut turn, registry);
        buffer::wipe(&mut self.lines.scratch[..turn.wiped]);
        if turn.output.is_empty() {
            self.end_turn(turn);
        } else if self.lines.outbox.hold(turn, self.figures.stopwatch.looked_at()) {
            self.end_turns();
        }
    }

    /// Ends the turns that are over but for writing their answers.
    pub(super) fn end_turns(&mut self) {
        let mut turns = self.lines.outbox.take();
        for turn in turns.drain(..) {
            self.end_turn(turn);
        }
        self.lines.outbox.give_back_list(turns);
    }

    /// Reads and answers until there is nothing more to do now.
    fn converse(&mut self, turn: &mut Turn, registry: &Registry) {
        if let Next::Stop = self.serve_kept(turn, registry) {
            return;
        }
        loop {
            match self.read(turn) {
                Took::Bytes(count) => {
                    if let Next::Stop = self.serve_read(turn, count, registry) {
                        return;
                    }
                }
                Took::Nothing => return,
                Took::End => return self.hear_end(turn),
                Took::Broken => return self.close(turn.id, CloseReason::Io),
            }
        }
    }

    fn read(&mut self, turn: &mut Turn) -> Took {
        let Some(connection) = self.lines.connections.get(turn.id) else { return Took::Nothing };
        if connection.state != State::Open || !connection.readiness.readable {
            return Took::Nothing;
        }
        loop {
            match connection.stream.read(&mut self.lines.scratch) {
                Ok(0) => return Took::End,
                Ok(count) => {
                    // A short read means that there is no more (epoll(7)), except for the end of the stream: if that was
                    // announced already, nothing will announce it again.
                    if count < self.lines.scratch.len() && !connection.readiness.ending {
                        connection.readiness.readable = false;
                    }
                    connection.bytes_in += count as u64;
                    connection.last_activity = self.now;
                    self.figures.stats.bytes_in += count as u64;
                    turn.bytes_left = turn.bytes_left.saturating_sub(count);
                    turn.wiped = turn.wiped.max(count);
                    return Took::Bytes(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.readiness.readable = false;
                    return Took::Nothing;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Took::End,
                Err(_) => return Took::Broken,
            }
        }
    }

    /// Serves messages that an earlier turn left.
    fn serve_kept(&mut self, turn: &mut Turn, registry: &Registry) -> Next {
        let Some(connection) = self.lines.connections.get(turn.id) else { return Next::Stop };
        if connection.paused {
            return Next::Stop;
        }
        if !std::mem::take(&mut connection.unserved) {
            return Next::Read;
        }
        let mut input = std::mem::take(&mut connection.input);
        let (used, next) = self.serve(turn, input.as_slice(), registry);
        input.consume(used);
        self.keep(turn, input);
        next
    }

    /// Serves the bytes just read: in place, unless they continue a message that is kept.
    fn serve_read(&mut self, turn: &mut Turn, count: usize, registry: &Registry) -> Next {
        let Some(connection) = self.lines.connections.get(turn.id) else { return Next::Stop };
        let mut input = std::mem::take(&mut connection.input);
        if !input.is_empty() {
            input.push(&self.lines.scratch[..count]);
            let (used, next) = self.serve(turn, input.as_slice(), registry);
            input.consume(used);
            self.keep(turn, input);
            return next;
        }
        // Functions see the whole broker, so its scratch memory is taken out as well.
        let scratch = std::mem::take(&mut self.lines.scratch);
        let (used, next) = self.serve(turn, &scratch[..count], registry);
        if used < count {
            input.push(&scratch[used..count]);
        }
        self.lines.scratch = scratch;
        self.keep(turn, input);
        next
    }

    fn keep(&mut self, turn: &Turn, input: Buffer) {
        let now = self.now;
        let Some(connection) = self.lines.connections.get(turn.id) else { return };
        connection.frame_since = if input.is_empty() { None } else { connection.frame_since.or(Some(now)) };
        connection.input = input;
    }

    /// Serves whole messages from the front of `bytes`, and times them. Returns how many bytes they were.
    fn serve(&mut self, turn: &mut Turn, bytes: &[u8], registry: &Registry) -> (usize, Next) {
        self.figures.stopwatch.begin(Instant::now());
        let served = self.serve_messages(turn, bytes, registry);
        if self.figures.stopwatch.is_running() {
            self.end_lap();
        }
        served
    }

    fn serve_messages(&mut self, turn: &mut Turn, bytes: &[u8], registry: &Registry) -> (usize, Next) {
        let mut used = 0;
        while let Some(connection) = self.lines.connections.get(turn.id) {
            if used > 0 {
                // A message has begun anew, so its time begins anew.
                connection.frame_since = None;
                if connection.state != State::Open {
                    break;
                }
                let pauses = connection.must_pause(turn.output.len(), &self.config);
                if pauses || turn.calls_left == 0 {
                    connection.paused = pauses;
                    connection.unserved = true;
                    return (used, Next::Stop);
                }
            }
            let cut = connection.cutter.cut(&bytes[used..], self.config.max_frame);
            turn.framing = connection.cutter.framing();
            let (start, end) = match cut {
                Ok(Cut::Message { start, end }) => (used + start, used + end),
                Ok(Cut::Incomplete) => {
                    let next = if turn.bytes_left == 0 { Next::Stop } else { Next::Read };
                    return (used, next);
                }
                Err(error) => {
                    self.protocol_error(turn, error.to_string());
                    break;
                }
            };
            if let Err(malformed) = self.serve_message(turn, &bytes[start..end], registry) {
                self.protocol_error(turn, malformed.to_string());
                break;
            }
            used = end;
            turn.calls_left = turn.calls_left.saturating_sub(1);
        }
        // The connection is gone, or wants nothing more.
        (bytes.len(), Next::Stop)
    }

    fn protocol_error(&mut self, turn: &mut Turn, message: String) {
        let Some(connection) = self.lines.connections.get(turn.id) else { return };
        if let Some(left_out) = self.figures.throttle.admit("protocol", connection.caller.uid, self.now) {
            info!(self.log.logger, "A client broke the protocol"; "connection" => connection.serial,
                "uid" => connection.caller.uid, "pid" => connection.caller.pid, "error" => &message, "left_out" => left_out);
        }
        connection.state = State::Closing(CloseReason::Protocol);
        let caller = connection.caller;
        self.remember_security(caller, "protocol_error");
        let framing = turn.framing.unwrap_or(Framing::Bare);
        write_rpc_error(&mut turn.output, framing, &CallError::new(Code::Protocol, message));
    }

    /// The client sends no more: gone, or only waiting for its answers.
    fn hear_end(&mut self, turn: &Turn) {
        let Some(connection) = self.lines.connections.get(turn.id) else { return };
        connection.readiness.readable = false;
        // Half of a message will never be whole.
        connection.input.release();
        connection.frame_since = None;
        if connection.state == State::Open {
            connection.state = State::HalfClosed;
        }
    }

    /// Writes the turn's answers and leaves the connection as the next turn wants to find it.
    fn end_turn(&mut self, turn: Turn) {
        let Turn { id, mut output, .. } = turn;
        if let Some(connection) = self.lines.connections.get(id) {
            // Calls that were answered meanwhile by others than this turn.
            output.push(connection.output.as_slice());
            connection.output.release();
        }
        if self.lines.connections.get(id).is_none() || (!output.is_empty() && !self.flush(id, &mut output)) {
            output.clear();
            return self.lines.outbox.give_back(output);
        }
        if output.is_empty() {
            self.lines.outbox.give_back(output);
        } else if let Some(connection) = self.lines.connections.get(id) {
            connection.output = output;
        }
        self.reckon(id);
        let Some(connection) = self.lines.connections.get(id) else { return };
        connection.regulate(connection.output.len(), &self.config, self.now);
        if let Some(reason) = connection.is_done() {
            return self.close(id, reason);
        }
        connection.settle();
        if connection.wants_turn() {
            self.lines.make_ready(id);
        }
        self.watch_limits(id);
    }

    /// Reckons what is kept for a connection. One that has the unfinished part of a message kept when there is no room for it
    /// is told so, and closed.
    fn reckon(&mut self, id: ConnectionId) {
        let Some(connection) = self.lines.connections.get(id) else { return };
        let (caller, before, now) = (connection.caller, connection.held, connection.holds());
        connection.held = now;
        self.work.quotas.hold(caller.uid, before, now);
        if now <= MODEST || now <= before || connection.input.is_empty() || connection.state != State::Open {
            return;
        }
        if let Some(shortage) = self.work.quotas.shortage(caller, 0, self.work.handles.memory(caller.uid)) {
            self.refuse_the_rest(id, shortage);
        }
    }

    fn refuse_the_rest(&mut self, id: ConnectionId, shortage: Shortage) {
        let Some(connection) = self.lines.connections.get(id) else { return };
        if let Some(left_out) = self.figures.throttle.admit("room", connection.caller.uid, self.now) {
            info!(self.log.logger, "No room for the message of a client"; "connection" => connection.serial,
                "uid" => connection.caller.uid, "pid" => connection.caller.pid, "bytes" => connection.held,
                "left_out" => left_out);
        }
        connection.state = State::Closing(CloseReason::Memory);
        connection.input.release();
        connection.frame_since = None;
        let framing = connection.framing();
        let mut output = std::mem::take(&mut connection.output);
        write_rpc_error(&mut output, framing, &shortage.error());
        self.figures.stats.overloaded += 1;
        if self.flush(id, &mut output)
            && let Some(connection) = self.lines.connections.get(id)
        {
            let before = std::mem::replace(&mut connection.held, output.len());
            self.work.quotas.hold(connection.caller.uid, before, output.len());
            connection.output = output;
        }
    }

    /// Writes what a connection is owed. Returns whether the connection is still there.
    fn flush(&mut self, id: ConnectionId, output: &mut Buffer) -> bool {
        let Some(connection) = self.lines.connections.get(id) else { return false };
        match connection.write_out(output, self.now) {
            Ok(written) => self.figures.stats.bytes_out += written,
            Err(error) => {
                let gone = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
                self.close(id, if gone { CloseReason::Hangup } else { CloseReason::Io });
                return false;
            }
        }
        // Who was just accepted is watched as soon as it has shown that it stays.
        if connection.watched.is_some() && connection.watch(id, !output.is_empty(), self.lines.poll.registry()).is_err()
        {
            self.close(id, CloseReason::Io);
            return false;
        }
        true
    }

    /// Sees to it that the connection's timer fires when its next limit is reached, or earlier.
    pub(super) fn watch_limits(&mut self, id: ConnectionId) {
        let Some(connection) = self.lines.connections.get(id) else { return };
        let Some((at, _)) = connection.next_deadline(&self.config) else { return };
        if connection.timer_at.is_none_or(|earlier| at < earlier) {
            connection.timer_at = Some(self.deadlines.want(Timer::Connection(id.slot), at));
        }
    }

    /// Frees a connection's slot, buffers and waiting calls. Its running calls go on, for nobody.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(mut connection) = self.lines.connections.remove(id) else { return };
        // Before the socket is closed: epoll watches the open file, not the descriptor.
        if connection.watched.is_some() {
            let _ = self.lines.poll.registry().deregister(&mut connection.stream);
        }
        self.lines.gate.try_again();
        self.work.quotas.leave(connection.caller, connection.standing, connection.held);
        self.figures.stats.closed(reason);
        debug!(self.log.logger, "Connection closed"; "connection" => connection.serial, "reason" => reason.as_str(),
            "requests" => connection.requests, "bytes_in" => connection.bytes_in, "bytes_out" => connection.bytes_out);
        for job in std::mem::take(&mut connection.jobs) {
            self.forsake(job);
        }
        if self.lines.connections.is_empty() {
            self.idle_since = Some(self.now);
        }
    }
}
