//! From a broker to its state.

use super::HandoverError;
use super::state::{ConnectionState, FORMAT, HandleState, JobState, ListenerState, State};
use crate::broker::Broker;
use crate::broker::connection::{Connection, State as Life};
use crate::broker::jobs::Stage;
use kit::protocol::Buffer;
use kit::protocol::framing::Framing;
use kit::protocol::reply::write_value;
use kit::store::Packed;
use kit::{Module, Registry};
use nix::time::{ClockId, clock_gettime};
use serde_bytes::{ByteBuf, Bytes};
use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The monotonic clock, which the next program sees as well.
pub fn clock() -> Result<Duration, HandoverError> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(HandoverError::system("reading the clock"))?;
    Ok(now.into())
}

impl Broker {
    /// Packs everything that a program in this one's place needs to go on, and names the descriptors it needs. Handles that
    /// workers have at the moment are left out.
    ///
    /// # Errors
    /// A handle that can't be packed.
    pub(in crate::broker) fn capture(&mut self, held_since: Duration) -> Result<(Buffer, Vec<RawFd>), HandoverError> {
        self.figures.stats.end_span(self.now, self.gauges());
        let stats = self.figures.stats.pack();
        let waiting = self.waiting_for_reload();
        let handles = self.work.handles.pack(|kind| self.registry.kind(kind).is_some())?;
        let methods = self.registry.methods();
        let serials: HashMap<_, _> =
            self.lines.connections.iter().map(|(id, connection)| (id, connection.serial)).collect();
        let jobs = self.work.jobs.queued().into_iter().filter_map(|job| {
            Some(JobState {
                connection: *serials.get(&job.connection)?,
                msgid: job.msgid,
                method: methods.get(job.function.0)?.clone(),
                params: Bytes::new(job.params.as_slice()),
                progress: job.progress,
                deadline: job.deadline,
                waited: job.arrived.elapsed(),
            })
        });
        let listener = &self.lines.gate.listener;
        let listener = ListenerState {
            socket: listener.socket.as_raw_fd(),
            path: path_bytes(listener.path()),
            place: listener.claim(),
        };
        let state = State {
            format: FORMAT,
            version: crate::VERSION.to_owned(),
            pid: std::process::id(),
            program: path_bytes(&self.origin.program),
            directory: path_bytes(&self.origin.directory),
            held_since,
            uptime: self.now,
            clock: clock()?,
            started_at: self.started_at,
            listener,
            stats,
            lately: self.figures.window.clone(),
            connections: self.lines.connections.iter().map(|(_, connection)| connection_state(connection)).collect(),
            jobs: jobs.collect(),
            handles: handles.iter().map(handle_state).collect(),
            makers: self.figures.makers.pack(),
            memories: memories(&self.registry),
            locks: self.work.locks.pack(),
            life: Some(self.work.handles.life().number),
            handle_totals: self.work.handles.totals(),
            waiting,
        };
        let mut descriptors: Vec<RawFd> = state.connections.iter().map(|connection| connection.socket).collect();
        descriptors.push(state.listener.socket);
        descriptors.extend(state.listener.place.map(|(lock, _)| lock));
        let mut bytes = Buffer::new();
        write_value(&mut bytes, &state).map_err(|error| HandoverError::Unreadable(error.to_string()))?;
        Ok((bytes, descriptors))
    }

    /// Who waits for the reload's end: connection and message id.
    fn waiting_for_reload(&mut self) -> Vec<(u64, u32)> {
        let ids = self.reload_calls.clone();
        let waiting = ids.into_iter().filter_map(|id| {
            let job = self.work.jobs.get(id).filter(|job| job.stage == Stage::Running)?;
            let (connection, msgid) = (job.connection, job.msgid?);
            Some((self.lines.connections.get(connection)?.serial, msgid))
        });
        waiting.collect()
    }
}

fn path_bytes(path: &Path) -> ByteBuf {
    ByteBuf::from(path.as_os_str().as_bytes())
}

fn handle_state(handle: &Packed) -> HandleState<'_> {
    HandleState {
        id: handle.id.to_string(),
        owner: handle.owner,
        maker: handle.maker,
        kind: handle.kind.to_owned(),
        last_used: handle.last_used,
        state: Bytes::new(handle.state.as_slice()),
    }
}

fn memories(registry: &Registry) -> Vec<(String, ByteBuf)> {
    let memory = |module: &Module| Some((module.name.to_owned(), ByteBuf::from((module.memory?.pack)())));
    registry.modules().iter().filter_map(memory).collect()
}

fn connection_state(connection: &Connection) -> ConnectionState<'_> {
    let state = match connection.state {
        Life::Open => "open",
        Life::HalfClosed => "half_closed",
        Life::Closing(reason) => reason.as_str(),
    };
    ConnectionState {
        socket: connection.stream.as_raw_fd(),
        serial: connection.serial,
        state: state.to_owned(),
        framed: connection.cutter.framing().map(|framing| framing == Framing::Framed),
        paused: connection.paused,
        input: Bytes::new(connection.input.as_slice()),
        output: Bytes::new(connection.output.as_slice()),
        requests: connection.requests,
        bytes_in: connection.bytes_in,
        bytes_out: connection.bytes_out,
        accepted: connection.accepted,
        last_activity: connection.last_activity,
        frame_since: connection.frame_since,
        blocked_since: connection.blocked_since,
    }
}

/// How long ago something was, as a point in time; now, if that is before the clock began.
pub fn ago(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(duration).unwrap_or(now)
}
