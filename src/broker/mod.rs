//! The event loop and everything tied to it.
//!
//! One thread owns every connection, buffer and counter. A round of the loop is: wait for events; note them at their
//! connections without serving any; then give every connection on the ready list one turn. Nothing is served while events
//! are being noted, so no event can meet a slot that changed hands in the same round; and every id carries the slot's
//! generation, so no late one can either.
//!
//! The kernel reports changes only (edge-triggered): what was reported and not used up stays noted at the connection, and
//! a connection that has something left stands on the ready list. While that list is not empty the loop does not wait.
//!
//! | file | owns |
//! | --- | --- |
//! | `accept` | taking connections from the listener, and when not to |
//! | `turn` | one connection's turn: write, read, cut, write |
//! | `outbox` | turns that are over but for writing their answers |
//! | `lines` | where events come from, who is connected, whose turn it is |
//! | `work` | what runs for callers and what is kept for them; handing jobs to workers and their answers to callers |
//! | `figures` | what is counted and timed |
//! | `dispatch` | one message: find the function, run it or queue it, answer |
//! | `check` | what is wrong with settings, without starting |
//! | `in_work` | the calls that run or wait at this moment |
//! | `script` | which script a process runs |
//! | `allocator` | how long memory that was freed is kept |
//! | `reaper` | dropping what has ended where it holds up nobody |
//! | `stopwatch` | how long calls take, with few looks at the clock |
//! | `limits` | fitting the settings to what the process may have |
//! | `quota` | what each user has of the broker, and may have |
//! | `place` | keeping the socket's file in its place |
//! | `time` | what happens when a deadline comes |
//! | `service` | what the service manager is told |
//! | `ending` | shutting down, leaving when idle |
//! | `reload`, `handover` | letting another program take this one's place |
//! | `view` | what functions see of the broker |

mod accept;
mod access;
mod allocator;
mod check;
mod connection;
mod deadlines;
mod dispatch;
mod ending;
mod exporter;
mod figures;
mod handover;
mod ids;
mod in_work;
mod jobs;
mod limits;
mod lines;
mod listener;
mod locks;
mod makers;
mod metrics_file;
pub mod openmetrics;
mod outbox;
mod panics;
mod place;
mod process;
mod quiet;
mod quota;
mod reaper;
mod reload;
pub mod script;
mod service;
pub mod shapes;
mod signals;
mod stopwatch;
mod time;
mod turn;
pub mod view;
mod work;
mod workers;

pub use access::{AccessError, listening_process, listening_user, user_name, user_of};
pub use allocator::fit as fit_allocator;
pub use check::{Findings, check};
pub use handover::{HandoverError, Inheritance, Orders, Origin, READY, rehearse};
pub use listener::ListenError;
pub use process::{close_inherited, harden as keep_secrets, own_program, survive_file_limits, take_name};
pub use signals::block as block_signals;

use crate::config::Config;
use crate::logging::Log;
use crate::stats::Stats;
use accept::Gate;
use access::Access;
use connection::ConnectionId;
use deadlines::{Deadlines, Timer};
use ending::Phase;
use exporter::Exporter;
use figures::Figures;
use jobs::JobId;
use kit::handles::Life;
use kit::{Registry, Room};
use lines::{Happening, Lines};
use listener::Listener;
use metrics_file::MetricsFile;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use reload::Reload;
use signals::Signals;
use slog::{error, info, warn};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use work::Work;
use workers::Workers;

/// Events that one wait reports at most.
const EVENTS: usize = 1024;

// Tokens that no connection has: their slots are beyond every limit.
const LISTENER: Token = Token(usize::MAX - 1);
const TIMER: Token = Token(usize::MAX - 2);
const SIGNALS: Token = Token(usize::MAX - 3);
const WAKER: Token = Token(usize::MAX - 4);
const REHEARSAL: Token = Token(usize::MAX - 5);

/// Why a broker can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// What another program left can't be taken over.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The settings allow somebody who does not exist.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The system refused something else.
    #[error("{what}: {source}")]
    System {
        /// Doing what.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl StartError {
    fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// A broker: everything the loop owns.
pub struct Broker {
    config: Config,
    log: Log,
    registry: Arc<Registry>,
    access: Access,
    lines: Lines,
    work: Work,
    figures: Figures,
    signals: Signals,
    deadlines: Deadlines,
    waker: Arc<Waker>,
    // Whose call the loop runs.
    asking: ConnectionId,
    phase: Phase,
    // How the broker was started, for the program that takes this one's place.
    origin: Origin,
    // Which file that is: another one may be at its path by now.
    own_file: Option<(u64, u64)>,
    reload: Option<Reload>,
    // Calls that are answered when the reload is over.
    reload_calls: Vec<JobId>,
    // What was last said of the socket's place, so that it is said once.
    lost_place: Option<String>,
    metrics_file: Option<MetricsFile>,
    exporter: Option<Exporter>,
    started: Instant,
    started_at: SystemTime,
    // Time since the start, taken once a round.
    now: Duration,
    // Since when nobody has been connected.
    idle_since: Option<Duration>,
    descriptor_limit: u64,
}

impl Broker {
    /// Takes the socket and makes ready to serve. [`block_signals`] has to come first, before any thread.
    ///
    /// # Errors
    /// [`StartError`], saying what stood in the way.
    pub fn new(config: Config, registry: Registry, log: Log, origin: Origin) -> Result<Self, StartError> {
        let mut broker = Self::with_listener(config, registry, log, origin, Listener::new)?;
        broker.serve_metrics().map_err(StartError::system("serving figures"))?;
        broker.want_timers();
        Ok(broker)
    }

    fn with_listener(
        mut config: Config,
        registry: Registry,
        log: Log,
        origin: Origin,
        listen: impl FnOnce(&Config) -> Result<Listener, ListenError>,
    ) -> Result<Self, StartError> {
        process::harden().map_err(StartError::system("setting process flags"))?;
        panics::install_hook();
        let descriptor_limit =
            process::raise_descriptor_limit().map_err(StartError::system("reading the descriptor limit"))?;
        limits::fit(&mut config, descriptor_limit, &log);
        let (sockets, sockets_of_guest) = limits::sockets(descriptor_limit);
        for module in registry.modules() {
            (module.fit)(Room { sockets, sockets_of_guest });
        }
        let access = Access::new(&config)?;
        let mut listener = listen(&config)?;
        if access.is_shared() && !listener.directory_is_open() {
            warn!(log.logger, "Others are allowed to connect, but the socket's directory keeps them out";
                "socket" => %listener.path().display());
        }
        // A socket that was handed over has the mode that its owner chose.
        if access.is_shared() && listener.claim().is_some() && config.socket_mode & 0o022 == 0 {
            warn!(log.logger, "Others are allowed to connect, but the socket's mode keeps them out";
                "socket" => %listener.path().display(), "socket_mode" => format!("{:04o}", config.socket_mode));
        }
        listener.warn_of_place(&log.logger);
        let failed = StartError::system;
        let poll = Poll::new().map_err(failed("creating the event queue"))?;
        let signals = Signals::new().map_err(failed("creating the signal descriptor"))?;
        let deadlines = Deadlines::new().map_err(failed("creating the timer"))?;
        let register = failed("registering for events");
        let events = poll.registry();
        events
            .register(&mut listener.socket, LISTENER, Interest::READABLE)
            .and_then(|()| events.register(&mut SourceFd(&signals.descriptor()), SIGNALS, Interest::READABLE))
            .and_then(|()| events.register(&mut SourceFd(&deadlines.descriptor()), TIMER, Interest::READABLE))
            .map_err(register)?;
        let waker = Arc::new(Waker::new(events, WAKER).map_err(failed("creating the waker"))?);
        let metrics_file = config.metrics_file.clone().map(|path| MetricsFile::new(path, log.logger.clone()));
        let metrics_file = metrics_file.transpose().map_err(failed("starting a thread"))?;
        let registry = Arc::new(registry);
        let started_at = SystemTime::now();
        let life = Life::begin(&view::timestamp(started_at))
            .map_err(|error| failed("naming the broker's life")(io::Error::other(error.to_string())))?;
        Ok(Self {
            lines: Lines::new(poll, Gate::new(listener, config.max_connections)),
            work: Work::new(&config, Workers::new(Arc::clone(&registry), Arc::clone(&waker), config.workers), life),
            figures: Figures::new(Stats::new(registry.methods())),
            waker,
            registry,
            asking: ConnectionId::NONE,
            access,
            signals,
            deadlines,
            phase: Phase::Serving,
            origin,
            own_file: process::own_file(),
            reload: None,
            reload_calls: Vec::new(),
            lost_place: None,
            metrics_file,
            exporter: None,
            started: Instant::now(),
            started_at,
            now: Duration::ZERO,
            idle_since: Some(Duration::ZERO),
            descriptor_limit,
            config,
            log,
        })
    }

    /// Begins to serve figures over HTTP, if that is asked for.
    fn serve_metrics(&mut self) -> io::Result<()> {
        let exporter = self.config.metrics_listen.as_ref().map(|place| Exporter::new(place, &self.waker));
        self.exporter = exporter.transpose()?;
        Ok(())
    }

    /// Sets the timers that run all the time.
    fn want_timers(&mut self) {
        let timers = [
            (Timer::Health, self.config.health_interval),
            (Timer::Place, self.config.socket_check),
            (Timer::IdleExit, self.config.idle_exit),
            // The first at once: who starts a broker looks whether the file comes.
            (Timer::Metrics, self.config.metrics_interval.map(|_| Duration::ZERO)),
            (Timer::History, Some(self.figures.stats.span())),
        ];
        for (timer, interval) in timers {
            if let Some(interval) = interval {
                self.deadlines.want(timer, self.now + interval);
            }
        }
    }

    /// The path that clients connect to.
    pub fn socket_path(&self) -> &Path {
        self.lines.gate.listener.path()
    }

    /// Serves until asked to end. Returns how the process is to exit.
    ///
    /// # Errors
    /// Those of the event queue, which no client can cause.
    pub fn run(mut self) -> io::Result<ExitCode> {
        let code = self.turn_until_the_end()?;
        self.forget_metrics();
        Ok(code)
    }

    fn turn_until_the_end(&mut self) -> io::Result<ExitCode> {
        if self.figures.stats.reloads == 0 {
            info!(self.log.logger, "Serving"; "socket" => %self.socket_path().display(), "version" => crate::VERSION,
                "pid" => std::process::id());
        }
        self.tell_ready();
        // A broker that was taken over may have calls waiting.
        self.start_jobs();
        let registry = Arc::clone(&self.registry);
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.deadlines.arm(self.now)?;
            match self.wait(&mut events) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.now = self.started.elapsed();
            self.remember_totals();
            if let Some(code) = self.note(&events) {
                return Ok(code);
            }
            // Those who hung up are gone before newcomers are counted; newcomers are served when all are in.
            self.serve_ready(&registry);
            self.accept_some();
            self.serve_newcomers(&registry);
            self.bury_ended();
            self.expect_handles_to_expire();
            self.proceed_with_reload();
            if let Some(code) = self.ended() {
                return Ok(code);
            }
        }
    }

    /// Waits until something happens, unless there is something to do already. With `busy_poll` it looks for events for a while
    /// before it sleeps, and lets others have the CPU between two looks: who is to send the next request may have no other.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let asleep = if self.lines.has_more_to_do(self.taken_places()) { Some(Duration::ZERO) } else { None };
        if let (Some(patience), None) = (self.config.busy_poll, asleep) {
            let begin = Instant::now();
            while begin.elapsed() < patience {
                self.lines.poll.poll(events, Some(Duration::ZERO))?;
                if !events.is_empty() {
                    return Ok(());
                }
                std::thread::yield_now();
            }
        }
        self.lines.poll.poll(events, asleep)
    }

    /// Notes what happened; only what is the loop's own is acted on here. A second request to stop ends it at once.
    fn note(&mut self, events: &Events) -> Option<ExitCode> {
        let (mut timer, mut reports, mut rehearsal) = (false, false, false);
        for event in events {
            match event.token() {
                LISTENER => self.lines.gate.ready = true,
                TIMER => timer = true,
                WAKER => reports = true,
                REHEARSAL => rehearsal = true,
                SIGNALS => {
                    while let Some(request) = self.signals.next() {
                        if let Some(code) = self.obey(request) {
                            return Some(code);
                        }
                    }
                }
                token => self.lines.note(ConnectionId::of_token(token), Happening::of(event)),
            }
        }
        if reports {
            self.take_reports();
            self.answer_scrapes();
        }
        if rehearsal {
            self.hear_rehearsal();
        }
        if timer {
            self.deadlines.fired();
            self.serve_deadlines();
        }
        None
    }

    /// Drops what has ended, off the loop where that takes its time.
    fn bury_ended(&mut self) {
        let (has_ended, panics) = self.work.bury_ended();
        if has_ended {
            self.expect_to_trim();
        }
        if panics > 0 {
            self.figures.stats.panics += panics;
            error!(self.log.logger, "Something that ended could not be dropped, by a defect of the broker"; "times" => panics);
        }
    }

    /// Connections that count against `max_connections`: those who may make calls.
    fn taken_places(&self) -> usize {
        self.lines.connections.len() - self.work.quotas.turned_away()
    }

    /// Gives one turn to every connection that is ready now. One that is not done with its turn comes again next round,
    /// after new events were noted.
    fn serve_ready(&mut self, registry: &Registry) {
        for _ in 0..self.lines.ready.len() {
            if let Some(id) = self.lines.ready.pop_front() {
                self.turn(id, registry);
            }
        }
        self.end_turns();
    }
}
