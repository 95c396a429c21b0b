//! From a state to a broker.

use super::capture::{ago, clock};
use super::orders::Orders;
use super::program::Origin;
use super::state::{ConnectionState, HandleState, JobState, ListenerState, State};
use super::{HandoverError, memory};
use crate::broker::access::Access;
use crate::broker::connection::{Connection, ConnectionId, State as Life};
use crate::broker::jobs::{Job, Stage};
use crate::broker::listener::Listener;
use crate::broker::locks::Locks;
use crate::broker::makers::Makers;
use crate::broker::view::timestamp;
use crate::broker::work::handle_bounds;
use crate::broker::{Broker, StartError};
use crate::config::Config;
use crate::logging::Log;
use crate::stats::{CloseReason, Outcome, Stats};
use kit::Registry;
use kit::handles::{HandleId, Life as LifeOfHandles};
use kit::keep::Shared;
use kit::protocol::framing::{Cutter, Framing};
use kit::protocol::reply::{write_answer, write_value};
use kit::protocol::{Buffer, CallError, Code};
use kit::store::HandleStore;
use mio::net::UnixStream;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::Serialize;
use slog::{info, warn};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The result of `system.reload`.
#[derive(Serialize)]
struct Reloaded {
    version: &'static str,
    previous_version: String,
    reloads: u64,
    connections: usize,
    handles: usize,
    /// Seconds for which calls were held up.
    pause: f64,
}

/// What another program in this process has left: its state, and descriptors that are nobody else's.
pub struct Inheritance {
    bytes: Buffer,
    descriptors: HashMap<RawFd, OwnedFd>,
    /// How the broker was started, and is to be started again.
    pub origin: Origin,
}

impl Inheritance {
    /// Reads the state from the memory file with this descriptor, and takes the descriptors that it names. Has to come
    /// before the program opens anything.
    ///
    /// # Errors
    /// A state that can't be read, or is not for this process.
    pub fn accept(memory: RawFd, orders: Orders) -> Result<Self, HandoverError> {
        let bytes = memory::read(adopt(memory)?)?;
        let (mut descriptors, mut origin) = (HashMap::new(), Origin::of_this_process(orders).map_err(here())?);
        {
            let state = State::read(bytes.as_slice())?;
            if state.pid != std::process::id() {
                return Err(HandoverError::Unreadable(format!("it is for process {}", state.pid)));
            }
            let ListenerState { socket, place, .. } = state.listener;
            let sockets = state.connections.iter().map(|connection| connection.socket);
            for fd in sockets.chain([socket]).chain(place.map(|(lock, _)| lock)) {
                // Standard input and output are the process's; one descriptor has one owner.
                if fd <= 2 || descriptors.contains_key(&fd) {
                    return Err(HandoverError::Unreadable(format!("it names descriptor {fd} out of turn")));
                }
                descriptors.insert(fd, adopt(fd)?);
            }
            origin.program = path(&state.program);
            origin.directory = path(&state.directory);
        }
        Ok(Self { bytes, descriptors, origin })
    }
}

/// Tries a state out: reads it, and makes everything of it that needs no descriptor. Nothing of that lasts.
///
/// # Errors
/// What would stand in the way of taking over.
pub fn rehearse(config: &Config, registry: &Registry) -> Result<(), Box<dyn std::error::Error>> {
    let memory = io::stdin().as_fd().try_clone_to_owned().map_err(here())?;
    let bytes = memory::read(memory)?;
    let state = State::read(bytes.as_slice())?;
    Access::new(config)?;
    let mut handles = HandleStore::new(handle_bounds(config), LifeOfHandles::default());
    take_in_handles(&mut handles, registry, &state.handles)?;
    for connection in &state.connections {
        life(&connection.state)?;
    }
    Ok(())
}

fn here() -> impl FnOnce(io::Error) -> HandoverError {
    HandoverError::system("looking around")
}

fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

/// Makes a descriptor that another program has left this one's own, and no further program's.
fn adopt(fd: RawFd) -> Result<OwnedFd, HandoverError> {
    if fd < 0 {
        return Err(HandoverError::Unreadable(format!("it names descriptor {fd}")));
    }
    // SAFETY: it is only borrowed, to ask the kernel whether it is open and to have it closed on execution; if it is not,
    // that fails.
    let left = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(left, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(HandoverError::system("taking over a descriptor"))?;
    // SAFETY: it is open. It was when this program began, because the program has opened nothing yet when this is called; so
    // nothing of this program owns it, and the caller takes each number once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn life(text: &str) -> Result<Life, HandoverError> {
    let reason = CloseReason::ALL.into_iter().find(|reason| reason.as_str() == text);
    match (text, reason) {
        ("open", _) => Ok(Life::Open),
        ("half_closed", _) => Ok(Life::HalfClosed),
        (_, Some(reason)) => Ok(Life::Closing(reason)),
        _ => Err(HandoverError::Unreadable(format!("no connection can be {text:?}"))),
    }
}

fn take_in_handles(
    store: &mut HandleStore,
    registry: &Registry,
    handles: &[HandleState<'_>],
) -> Result<(), HandoverError> {
    let mut shared = Shared::default();
    for handle in handles {
        let unknown = |what: &str| HandoverError::Unreadable(format!("there is a handle of {what}"));
        let kind = registry.kind(&handle.kind).ok_or_else(|| unknown(&format!("an unknown kind, {}", handle.kind)))?;
        let id = HandleId::parse(&handle.id).ok_or_else(|| unknown("an impossible name"))?;
        let state = kind.unpack(handle.state, &mut shared)?;
        store.take_in(id, handle.owner, handle.maker, kind.name, state, handle.last_used);
    }
    Ok(())
}

impl Broker {
    /// A broker that goes on where another program in this process has come to.
    ///
    /// # Errors
    /// [`StartError`], saying what stood in the way. Whatever the other program had is lost then.
    pub fn resume(config: Config, registry: Registry, log: Log, inheritance: Inheritance) -> Result<Self, StartError> {
        let Inheritance { bytes, mut descriptors, origin } = inheritance;
        let state = State::read(bytes.as_slice())?;
        let mut take = |fd: RawFd| {
            descriptors.remove(&fd).ok_or_else(|| HandoverError::Unreadable(format!("descriptor {fd} is missing")))
        };
        let socket = take(state.listener.socket)?;
        let place = state.listener.place.map(|(lock, identity)| Ok::<_, HandoverError>((take(lock)?, identity)));
        let listener = Listener::taken_over(socket, path(&state.listener.path), place.transpose()?)?;
        if listener.path() != config.socket && listener.claim().is_some() {
            warn!(log.logger, "The settings name another socket; a reload keeps the one there is";
                "socket" => %listener.path().display(), "settings" => %config.socket.display());
        }
        let mut broker = Self::with_listener(config, registry, log, origin, |_| Ok(listener))?;
        let gap = clock()?.saturating_sub(state.clock);
        broker.now = state.uptime + gap;
        broker.started = ago(broker.now);
        broker.started_at = state.started_at;
        broker.figures.stats = Stats::unpack(broker.registry.methods(), &state.stats);
        broker.figures.stats.reloads += 1;
        broker.figures.window = state.lately.clone();
        broker.figures.makers = Makers::unpack(&state.makers);
        broker.work.locks = Locks::unpack(state.locks.clone());
        broker.work.handles.set_totals(state.handle_totals);
        if let Some(number) = state.life {
            let since = timestamp(state.started_at).into();
            broker.work.handles.set_life(LifeOfHandles { number, since });
        }
        let registry = Arc::clone(&broker.registry);
        for (name, memory) in &state.memories {
            let module = registry.modules().iter().find(|module| module.name == name);
            if let Some(of) = module.and_then(|module| module.memory) {
                (of.unpack)(memory);
            }
        }
        take_in_handles(&mut broker.work.handles, &registry, &state.handles)?;
        // The other program can't hold the place any more, but anybody else may; keys are worth more than figures.
        if let Err(error) = broker.serve_metrics() {
            warn!(broker.log.logger, "Figures can't be served"; "why" => %error);
        }
        broker.want_timers();
        broker.figures.trend.begin(broker.now);
        let ids = broker.take_in_connections(&state.connections, take)?;
        broker.take_in_jobs(&state.jobs, &ids);
        broker.tell_reloaded(&state, &ids);
        Ok(broker)
    }

    fn take_in_connections(
        &mut self,
        connections: &[ConnectionState<'_>],
        mut take: impl FnMut(RawFd) -> Result<OwnedFd, HandoverError>,
    ) -> Result<HashMap<u64, ConnectionId>, HandoverError> {
        let mut ids = HashMap::new();
        for left in connections {
            let stream = UnixStream::from_std(take(left.socket)?.into());
            let (caller, allowed) =
                self.access.peer(&stream).map_err(HandoverError::system("looking at a connection"))?;
            let life = life(&left.state)?;
            // Who is there may stay, also where the new settings allow fewer.
            let standing = self.work.quotas.enter_again(caller, allowed);
            let mut connection = Connection::new(stream, caller, standing, left.serial, left.accepted);
            connection.state = life;
            connection.paused = left.paused;
            connection.cutter =
                Cutter::of_framing(left.framed.map(|framed| if framed { Framing::Framed } else { Framing::Bare }));
            connection.unserved = !left.input.is_empty();
            connection.input.push(left.input);
            connection.output.push(left.output);
            connection.readiness.readable = true;
            (connection.requests, connection.bytes_in, connection.bytes_out) =
                (left.requests, left.bytes_in, left.bytes_out);
            connection.last_activity = left.last_activity;
            connection.frame_since = left.frame_since;
            connection.blocked_since = left.blocked_since;
            let id = self.lines.connections.insert(connection);
            self.watch(id).map_err(HandoverError::system("registering a connection"))?;
            ids.insert(left.serial, id);
            self.lines.make_ready(id);
            self.watch_limits(id);
        }
        self.idle_since = if ids.is_empty() { Some(self.now) } else { None };
        Ok(ids)
    }

    fn take_in_jobs(&mut self, jobs: &[JobState<'_>], ids: &HashMap<u64, ConnectionId>) {
        let registry = Arc::clone(&self.registry);
        for left in jobs {
            let Some(&connection) = ids.get(&left.connection) else { continue };
            let Some(caller) = self.lines.connections.get(connection).map(|connection| connection.caller) else {
                continue;
            };
            let function = match registry.find(&left.method) {
                Ok(function) => function,
                Err(error) => {
                    self.answer_now(connection, left.msgid, &Err(error));
                    continue;
                }
            };
            let mut params = Buffer::new();
            params.push(left.params);
            let handle = registry.function(function).handle(left.params);
            self.enqueue(Job {
                connection,
                msgid: left.msgid,
                function,
                caller,
                size: params.len(),
                charge: registry.function(function).parts * params.len(),
                params,
                handle: handle.map(|id| (caller.uid, id)),
                progress: left.progress,
                // It comes as it would to who did not ask.
                freeze: None,
                deadline: left.deadline,
                arrived: ago(left.waited),
                started: None,
                stage: Stage::Waiting,
                on_worker: false,
                cancellation: Arc::default(),
            });
        }
    }

    fn tell_reloaded(&mut self, state: &State<'_>, ids: &HashMap<u64, ConnectionId>) {
        let pause = self.now.saturating_sub(state.held_since);
        info!(self.log.logger, "Reloaded"; "version" => crate::VERSION, "previous" => &state.version,
            "connections" => self.lines.connections.len(), "handles" => self.work.handles.len(), "waiting" => self.work.jobs.waiting(),
            "pause_ms" => pause.as_millis() as u64);
        let reloaded = Reloaded {
            version: crate::VERSION,
            previous_version: state.version.clone(),
            reloads: self.figures.stats.reloads,
            connections: self.lines.connections.len(),
            handles: self.work.handles.len(),
            pause: pause.as_secs_f64(),
        };
        let mut answer = Buffer::new();
        let written = write_value(&mut answer, &reloaded);
        let result = written.map(|()| answer).map_err(|error| CallError::new(Code::Internal, error.to_string()));
        for (serial, msgid) in &state.waiting {
            if let Some(&id) = ids.get(serial) {
                self.answer_now(id, Some(*msgid), &result);
            }
            let function = self.registry.find("system.reload").ok();
            self.figures.stats.record(function, Duration::ZERO, Outcome::Success);
        }
    }

    /// Answers a call that is no job.
    fn answer_now(&mut self, id: ConnectionId, msgid: Option<u32>, result: &Result<Buffer, CallError>) {
        let max_frame = self.config.max_frame;
        if let (Some(connection), Some(msgid)) = (self.lines.connections.get(id), msgid) {
            let framing = connection.framing();
            // A result that does not fit is answered as such, which is all that there is to do about it.
            let _ = write_answer(&mut connection.output, framing, msgid, max_frame, result);
        }
    }
}
