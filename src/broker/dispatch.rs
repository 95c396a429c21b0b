//! One message: find the function, run it here or queue it for a worker, answer.

use super::Broker;
use super::connection::{ConnectionId, State};
use super::deadlines::Timer;
use super::ending::{Phase, shutting_down};
use super::jobs::{HandleKey, Job, Stage};
use super::locks::locked;
use super::panics::{self, Panic};
use super::quota::{MODEST, Standing};
use super::turn::Turn;
use crate::stats::{CloseReason, Outcome, RecentError, Script, SecurityEvent, Unreached};
use kit::function::{Function, LARGEST_INLINE};
use kit::handles::HandleId;
use kit::protocol::message::{Arguments, Kind, Malformed, Message, parse_after};
use kit::protocol::{Buffer, CallError, Code};
use kit::{Call, Caller, FunctionId, Registry};
use slog::error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A call that is about to run.
struct Request<'m> {
    msgid: Option<u32>,
    function: FunctionId,
    arguments: Arguments<'m>,
}

/// What became of a request.
enum Fate {
    /// It was answered, or will not be.
    Answered(Result<(), CallError>),
    /// A worker will run it.
    Queued,
}

/// Bytes of a turn's answers up to which a result is made an image in the loop: about 100 microseconds.
const MOST_FROZEN_HERE: usize = 96 << 10;
/// How many times as long as a result its image is at most: an empty list is one byte there and six here.
const LONGEST_IMAGE: usize = 6;

impl Broker {
    /// Serves one message; answers go to the turn's output.
    ///
    /// # Errors
    /// [`Malformed`] for what is no message; the connection is beyond repair then.
    #[inline]
    pub(super) fn serve_message(
        &mut self,
        turn: &mut Turn,
        bytes: &[u8],
        registry: &Registry,
    ) -> Result<(), Box<Malformed>> {
        let message = parse_after(bytes, registry.name(turn.last))?;
        let msgid = match message.kind {
            Kind::Request { msgid } => Some(msgid),
            Kind::Notification => None,
            Kind::Cancel { msgid } => {
                self.cancel(turn, msgid);
                return Ok(());
            }
        };
        let Some(connection) = self.lines.connections.get(turn.id) else { return Ok(()) };
        connection.requests += 1;
        let function = registry.find_again(message.method, turn.last);
        turn.last = function.as_ref().ok().copied();
        let counted = function.as_ref().ok().copied();
        if self.figures.stopwatch.must_end_before(counted) {
            self.end_lap();
        }
        let mut thawed = Buffer::new();
        let fate = match self.request(turn, msgid, function, message, &mut thawed) {
            Ok(request) => self.perform(turn, &request, registry.function(request.function)),
            Err(error) => {
                answer_error(turn, msgid, self.config.max_frame, &error);
                Fate::Answered(Err(error))
            }
        };
        match fate {
            Fate::Answered(result) => self.count_answered(turn, counted, &result),
            Fate::Queued => drop(self.end_lap()),
        }
        Ok(())
    }

    /// The request, if it is one that may run.
    #[inline]
    fn request<'m>(
        &mut self,
        turn: &Turn,
        msgid: Option<u32>,
        function: Result<FunctionId, CallError>,
        message: Message<'m>,
        thawed: &'m mut Buffer,
    ) -> Result<Request<'m>, CallError> {
        if turn.standing != Standing::Welcome {
            return Err(self.turn_away(turn));
        }
        if let Phase::Draining { .. } = self.phase {
            return Err(shutting_down());
        }
        let request = Request { msgid, function: function?, arguments: message.thawed(thawed)?.arguments()? };
        if request.arguments.timeout_ms == Some(0) { Err(timed_out()) } else { Ok(request) }
    }

    /// Ends a connection whose calls are not run. Returns what its caller is told.
    #[cold]
    fn turn_away(&mut self, turn: &Turn) -> CallError {
        let uid = turn.caller.uid;
        let (reason, error) = match turn.standing {
            Standing::Stranger => (
                CloseReason::Denied,
                CallError::new(
                    Code::Denied,
                    format!("user {uid} may not use this broker (settings allow_user, allow_group)"),
                ),
            ),
            Standing::Welcome | Standing::Crowd | Standing::Flood => (
                CloseReason::Quota,
                CallError::new(
                    Code::Overloaded,
                    format!(
                        "user {uid}, or all users who are let in together, have as many connections as they may (settings \
                         user_connections, max_connections)"
                    ),
                ),
            ),
        };
        if let Some(connection) = self.lines.connections.get(turn.id) {
            connection.state = State::Closing(reason);
        }
        error
    }

    /// Runs a call here, or queues it for a worker.
    fn perform(&mut self, turn: &mut Turn, request: &Request<'_>, function: &Function) -> Fate {
        let params = request.arguments.params;
        let on_worker = function.wants_worker(params);
        let charge = if on_worker { function.parts * params.len() } else { params.len() };
        if let Err(error) = self.allow(turn, request, function, charge) {
            answer_error(turn, request.msgid, self.config.max_frame, &error);
            return Fate::Answered(Err(error));
        }
        let id = function.handle(params);
        let handle = id.map(|id| (turn.caller.uid, id));
        // Behind an earlier call on the same handle also what could run here has to wait.
        if !on_worker && !handle.is_some_and(|handle| self.work.jobs.is_busy(handle)) {
            turn.calls_left = turn.calls_left.saturating_sub(function.weight);
            let fate = self.run_here(turn, request, function, id);
            if let Some(id) = id {
                self.work.handles.reckon(id);
            }
            return fate;
        }
        let waiting = self.work.jobs.waiting_of(turn.caller.uid);
        if let Err(error) = self.work.quotas.may_queue(turn.caller, waiting) {
            self.figures.stats.overloaded += 1;
            answer_error(turn, request.msgid, self.config.max_frame, &error);
            return Fate::Answered(Err(error));
        }
        if self.work.jobs.waiting() >= self.config.worker_queue {
            self.figures.stats.overloaded += 1;
            let error = CallError::new(
                Code::Overloaded,
                format!(
                    "{} calls wait for a worker already (setting worker_queue); try again",
                    self.work.jobs.waiting()
                ),
            );
            answer_error(turn, request.msgid, self.config.max_frame, &error);
            return Fate::Answered(Err(error));
        }
        self.queue(turn, request, function, handle);
        Fate::Queued
    }

    /// Whether this caller may make this call, and there is room for it: for `charge` bytes.
    #[inline]
    fn allow(
        &mut self,
        turn: &Turn,
        request: &Request<'_>,
        function: &Function,
        charge: usize,
    ) -> Result<(), CallError> {
        let caller = turn.caller;
        if self.work.locks.hold_back(caller.uid, function) {
            return Err(locked());
        }
        if function.touches.network {
            self.allow_network(caller)?;
        }
        if !caller.files
            && let Some(file) = function.named_file(request.arguments.params)
        {
            return Err(file.refusal());
        }
        if function.takes_too_long_to_read(request.arguments.params.len()) {
            let message = format!("this function takes parameters of at most {LARGEST_INLINE} bytes");
            return Err(CallError::new(Code::TooLarge, message));
        }
        // What was kept of this very message is reckoned already.
        let (holds, reckoned) =
            self.lines.connections.get(turn.id).map_or((0, 0), |connection| (connection.holds(), connection.held));
        let holds = holds + turn.output.len();
        if charge <= MODEST && holds <= MODEST {
            return Ok(());
        }
        self.allow_memory(caller, (charge + holds).saturating_sub(reckoned))
    }

    fn allow_network(&mut self, caller: Caller) -> Result<(), CallError> {
        if !caller.network {
            return Err(CallError::new(
                Code::Denied,
                format!("user {} may not reach the network through this broker (setting allow_network)", caller.uid),
            ));
        }
        // What servers send grows what handles hold (cookies, say), also by small calls.
        self.allow_memory(caller, 0)
    }

    fn allow_memory(&mut self, caller: Caller, more: usize) -> Result<(), CallError> {
        match self.work.quotas.shortage(caller, more, self.work.handles.memory(caller.uid)) {
            None => Ok(()),
            Some(shortage) => {
                self.figures.stats.overloaded += 1;
                Err(shortage.error())
            }
        }
    }

    fn run_here(
        &mut self,
        turn: &mut Turn,
        request: &Request<'_>,
        function: &Function,
        handle: Option<HandleId>,
    ) -> Fate {
        let answer = turn.begin_answer(request.msgid.unwrap_or(0), self.config.max_frame);
        let params = request.arguments.params;
        self.asking = turn.id;
        let made_before = self.work.handles.totals().0;
        let outcome = {
            let mut call = Call::inline(turn.caller, handle, self, &mut turn.output);
            panics::catch(|| function.run(&mut call, params))
        };
        self.asking = ConnectionId::NONE;
        if self.work.handles.totals().0 > made_before {
            self.note_maker(turn.id, turn.caller);
        }
        if function.answers_later && matches!(outcome, Ok(Ok(()))) {
            answer.take_back(&mut turn.output);
            let job = self.job(turn, request, function, None);
            self.await_reload(Job { params: Buffer::new(), size: 0, charge: 0, ..job });
            return Fate::Queued;
        }
        let result = outcome.unwrap_or_else(|panic| {
            if let Some(id) = handle
                && self.work.handles.kind_of(turn.caller.uid, id).is_some()
            {
                self.work.handles.end(id);
            }
            Err(self.defect(request.function, &panic))
        });
        let result = match result {
            Ok(()) => {
                // What takes longer than a turn's share of the loop stays as it is.
                if let Some(freeze) = request.arguments.freeze
                    && turn.output.len() <= MOST_FROZEN_HERE
                    && self.has_room_for_image(turn)
                {
                    answer.freeze(&mut turn.output, freeze);
                }
                answer.finish(&mut turn.output)
            }
            Err(error) => {
                answer.fail(&mut turn.output, &error);
                Err(error)
            }
        };
        if request.msgid.is_none() {
            answer.take_back(&mut turn.output);
        }
        Fate::Answered(result)
    }

    /// Whether what the turn's answers hold may grow as much as the longest image would have it.
    fn has_room_for_image(&self, turn: &Turn) -> bool {
        let more = LONGEST_IMAGE * turn.output.len();
        self.work.quotas.shortage(turn.caller, more, self.work.handles.memory(turn.caller.uid)).is_none()
    }

    fn queue(&mut self, turn: &Turn, request: &Request<'_>, function: &Function, handle: Option<HandleKey>) {
        self.enqueue(self.job(turn, request, function, handle));
        self.figures.stats.peak_queued = self.figures.stats.peak_queued.max(self.work.jobs.waiting() as u64);
    }

    fn job(&self, turn: &Turn, request: &Request<'_>, function: &Function, handle: Option<HandleKey>) -> Job {
        let mut params = Buffer::new();
        params.push(request.arguments.params);
        Job {
            connection: turn.id,
            msgid: request.msgid,
            function: request.function,
            caller: turn.caller,
            size: params.len(),
            charge: function.parts * params.len(),
            params,
            handle,
            progress: request.arguments.progress && request.msgid.is_some(),
            // The head of an answer takes twelve bytes of the frame.
            freeze: request.arguments.freeze.and_then(|freeze| freeze.wish(self.config.max_frame.saturating_sub(12))),
            deadline: self.deadline(request),
            arrived: Instant::now(),
            started: None,
            stage: Stage::Waiting,
            on_worker: false,
            cancellation: Arc::default(),
        }
    }

    fn deadline(&self, request: &Request<'_>) -> Option<Duration> {
        request.arguments.timeout_ms.map(|timeout| self.now.saturating_add(Duration::from_millis(timeout)))
    }

    /// Has a job wait for a worker.
    pub(super) fn enqueue(&mut self, job: Job) {
        let (connection, size, charge, deadline) = (job.connection, job.size, job.charge, job.deadline);
        let id = self.work.jobs.add(job);
        if let Some(connection) = self.lines.connections.get(connection) {
            connection.jobs.push(id);
            connection.job_bytes += size;
            connection.job_charge += charge;
        }
        if let Some(deadline) = deadline {
            self.deadlines.want(Timer::Job(id.slot), deadline);
        }
        self.start_jobs();
    }

    /// A caller gives up a call of its own. One that waits is answered and never runs; one that runs is told.
    fn cancel(&mut self, turn: &mut Turn, msgid: u32) {
        let Some(connection) = self.lines.connections.get(turn.id) else { return };
        let jobs = &mut self.work.jobs;
        let found =
            connection.jobs.iter().copied().find(|job| jobs.get(*job).is_some_and(|job| job.msgid == Some(msgid)));
        let Some(id) = found else { return };
        let Some(job) = self.work.jobs.get(id) else { return };
        if job.stage == Stage::Waiting {
            self.answer_unrun(id, CallError::new(Code::Cancelled, "the caller gave the call up before it ran"));
        } else {
            job.cancellation.cancel();
        }
    }

    /// Counts a call that was answered here.
    fn count_answered(&mut self, turn: &Turn, function: Option<FunctionId>, result: &Result<(), CallError>) {
        let ended = self.figures.stopwatch.count(function);
        self.figures.stats.count(function, outcome(result));
        if let Err(error) = result {
            let took = self.end_lap();
            self.remember(turn.id, turn.caller, function, took, error);
        } else if ended {
            self.end_lap();
        }
    }

    /// Ends the timing of the calls since the last time. Returns what the last of them took.
    pub(super) fn end_lap(&mut self) -> Duration {
        let Some(lap) = self.figures.stopwatch.end(Instant::now()) else { return Duration::ZERO };
        self.figures.stats.time(lap.function, lap.usual, lap.usual_calls);
        self.figures.stats.time(lap.function, lap.last, 1);
        lap.last
    }

    /// Counts a job that was answered and took so long.
    pub(super) fn record(&mut self, job: &Job, took: Duration, result: &Result<(), CallError>) {
        let function = Some(job.function);
        self.figures.stats.record(function, took, outcome(result));
        if let Err(error) = result {
            self.remember(job.connection, job.caller, function, took, error);
        }
    }

    /// Remembers an error without what the caller sent.
    fn remember(
        &mut self,
        from: ConnectionId,
        caller: Caller,
        function: Option<FunctionId>,
        took: Duration,
        error: &CallError,
    ) {
        let recent = RecentError {
            timestamp: super::view::timestamp(std::time::SystemTime::now()),
            module_function: self.figures.stats.method(function).to_owned(),
            error: error.summary(),
            duration_ms: took.as_secs_f64() * 1e3,
            peer_uid: Some(caller.uid),
            peer_pid: Some(caller.pid),
            script: self.script_of(from, caller),
        };
        self.figures.stats.remember(recent);
        let kind = match error.code {
            Code::UnknownModule => "unauthorized_module",
            Code::UnknownFunction => "unauthorized_function",
            Code::Denied => "unauthorized_call",
            _ => return,
        };
        self.remember_security(caller, kind);
    }

    /// The script at the other end of a connection, which is asked for once.
    fn script_of(&mut self, from: ConnectionId, caller: Caller) -> Script {
        match self.lines.connections.get(from) {
            Some(connection) => {
                connection.script.get_or_insert_with(|| self.figures.namer.ask(caller.pid, caller.privileged)).clone()
            }
            None => self.figures.namer.ask(caller.pid, caller.privileged),
        }
    }

    /// A call did not reach the server that it was to talk to.
    pub(super) fn note_unreached(&mut self, job: &Job, server: String) {
        let one = Unreached {
            server,
            calls: 1,
            timestamp: super::view::timestamp(std::time::SystemTime::now()),
            module_function: self.figures.stats.method(Some(job.function)).to_owned(),
            peer_uid: job.caller.uid,
            peer_pid: job.caller.pid,
            script: self.script_of(job.connection, job.caller),
        };
        self.figures.stats.count_unreached(job.function, one);
    }

    /// A call on this connection has made a handle.
    pub(super) fn note_maker(&mut self, from: ConnectionId, caller: Caller) {
        let is_noted = self.lines.connections.get(from).is_some_and(|connection| connection.script.is_some());
        if !is_noted || self.figures.makers.script(caller.pid).is_none() {
            let script = self.script_of(from, caller);
            self.figures.makers.note(caller.pid, script);
        }
    }

    /// Counts what may be somebody trying doors.
    pub(super) fn remember_security(&mut self, caller: Caller, kind: &str) {
        self.figures.stats.security.add(SecurityEvent {
            timestamp: super::view::timestamp(std::time::SystemTime::now()),
            event_type: kind.to_owned(),
            peer_uid: caller.uid,
            peer_pid: caller.pid,
        });
    }

    /// Logs a caught panic, and makes the error that says no more than where to look.
    pub(super) fn defect(&mut self, function: FunctionId, panic: &Panic) -> CallError {
        self.figures.stats.panics += 1;
        let reference = format!("{}-{}", std::process::id(), self.figures.stats.panics);
        error!(self.log.logger, "A function failed by a defect of the broker"; "reference" => &reference,
            "method" => self.figures.stats.method(Some(function)), "place" => &panic.location);
        CallError::new(Code::Internal, format!("a defect of the broker; see its log for reference {reference}"))
    }
}

fn answer_error(turn: &mut Turn, msgid: Option<u32>, max_frame: usize, error: &CallError) {
    if let Some(msgid) = msgid {
        turn.begin_answer(msgid, max_frame).fail(&mut turn.output, error);
    }
}

/// The error of a call whose deadline passed.
pub(super) fn timed_out() -> CallError {
    CallError::new(Code::Timeout, "the call's deadline (timeout_ms) passed before its result was there")
}

fn outcome(result: &Result<(), CallError>) -> Outcome {
    let Err(error) = result else { return Outcome::Success };
    match error.code {
        Code::UnknownModule | Code::UnknownFunction => Outcome::Unknown,
        Code::InvalidParams | Code::TooLarge | Code::Protocol => Outcome::Invalid,
        Code::Denied => Outcome::Denied,
        Code::Overloaded | Code::Unavailable => Outcome::Rejected,
        Code::NotFound | Code::Timeout | Code::Cancelled | Code::Failed | Code::Internal => Outcome::Failure,
    }
}
