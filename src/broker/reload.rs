//! Reloading: another program takes this one's place, and nobody notices.
//!
//! First the new program is tried out, while this one serves as ever. Then a moment is waited for in which no worker has a call
//! and no handle lives that can't move; where it does not come by itself, it is made by holding calls up for a bounded time (see
//! [`quiet`](super::quiet)). Then everything is handed over (see [`handover`](super::handover)). Whatever goes wrong before
//! that ends the reload and nothing else.
//!
//! Nothing of the broker's own user's or root's is ever dropped for a reload. What guests still have after some seconds is, if
//! nothing else is waited for: one of them could keep a broker from ever being replaced.

use super::deadlines::Timer;
use super::ending::Phase;
use super::ending::shutting_down;
use super::handover::{HandoverError, Program, Rehearsal};
use super::jobs::{self, Job};
use super::quiet::Quiet;
use super::{Broker, REHEARSAL};
use kit::handles::HandleId;
use kit::protocol::{CallError, Code};
use mio::Interest;
use mio::unix::SourceFd;
use slog::{info, warn};
use std::collections::HashSet;
use std::time::Duration;

/// A reload under way.
pub struct Reload {
    program: Program,
    stage: Stage,
    // When it is given up.
    until: Duration,
    // Whether guests were told to end.
    guests_dismissed: bool,
}

/// How long calls that were told to end have for that.
const DISMISSAL: Duration = Duration::from_secs(5);
/// How long what guests have is waited for at most.
const PATIENCE_WITH_GUESTS: Duration = Duration::from_secs(5);
/// How often who asked for a reload is told that it waits.
const TELL: Duration = Duration::from_secs(1);

enum Stage {
    /// The new program is tried out.
    Rehearsing(Rehearsal),
    /// A moment is waited for in which nothing is there that can't move.
    Quieting(Wait),
}

struct Wait {
    quiet: Quiet,
    // What could not move when the wait began.
    stuck: HashSet<HandleId>,
    // When who asked is told next that it takes a while.
    tell: Duration,
}

impl Broker {
    /// Begins a reload; one that is under way already is joined.
    ///
    /// # Errors
    /// `unavailable` while shutting down, `failed` for a program that can't be tried out.
    pub(super) fn begin_reload(&mut self, asked_by: &str) -> Result<(), CallError> {
        if self.phase != Phase::Serving {
            return Err(shutting_down());
        }
        if self.reload.is_some() {
            return Ok(());
        }
        info!(self.log.logger, "Reloading: trying the new program out"; "asked_by" => asked_by,
            "program" => %self.origin.program.display());
        match self.start_rehearsal() {
            Ok(()) => Ok(()),
            Err(error) => {
                self.reload = None;
                warn!(self.log.logger, "Reload given up; serving as before"; "why" => %error);
                Err(CallError::new(Code::Failed, format!("no reload: {error}")))
            }
        }
    }

    fn start_rehearsal(&mut self) -> Result<(), HandoverError> {
        let program = Program::open(&self.origin.program)?;
        let (state, _) = self.capture(self.now)?;
        let rehearsal = Rehearsal::start(&program, &self.origin, &state)?;
        self.lines
            .poll
            .registry()
            .register(&mut SourceFd(&rehearsal.descriptor()), REHEARSAL, Interest::READABLE)
            .map_err(|source| HandoverError::System { what: "watching the new program", source })?;
        let until = self.now + self.config.reload_grace;
        self.deadlines.want(Timer::Reload, until);
        self.reload = Some(Reload { program, stage: Stage::Rehearsing(rehearsal), until, guests_dismissed: false });
        Ok(())
    }

    /// Keeps a call of `system.reload` until there is something to say.
    pub(super) fn await_reload(&mut self, job: Job) {
        let (connection, deadline) = (job.connection, job.deadline);
        let id = self.work.jobs.add_running(job);
        if let Some(deadline) = deadline {
            self.deadlines.want(Timer::Job(id.slot), deadline);
        }
        if let Some(connection) = self.lines.connections.get(connection) {
            connection.jobs.push(id);
        }
        self.reload_calls.push(id);
    }

    /// The new program on trial has said something.
    pub(super) fn hear_rehearsal(&mut self) {
        let Some(Reload { stage: Stage::Rehearsing(rehearsal), .. }) = &mut self.reload else { return };
        let Some(verdict) = rehearsal.verdict() else { return };
        self.forget_rehearsal();
        match verdict {
            Ok(()) => self.fall_quiet(),
            Err(error) => self.give_up_reload(&error.to_string()),
        }
    }

    fn forget_rehearsal(&mut self) {
        if let Some(Reload { stage: Stage::Rehearsing(rehearsal), .. }) = &self.reload {
            // The pipe is closed next, and with it whatever the event queue knows of it.
            let _ = self.lines.poll.registry().deregister(&mut SourceFd(&rehearsal.descriptor()));
        }
    }

    fn fall_quiet(&mut self) {
        let stuck = self.stuck_handles().into_iter().map(|(_, id)| id).collect();
        let quiet = Quiet::begin(self.now, self.config.reload_hold);
        if let Some(reload) = &mut self.reload {
            reload.stage = Stage::Quieting(Wait { quiet, stuck, tell: self.now + TELL });
            reload.until = self.now + self.config.reload_grace;
        }
        self.check_reload();
    }

    fn reload_wait(&mut self) -> Option<&mut Wait> {
        match &mut self.reload {
            Some(Reload { stage: Stage::Quieting(wait), .. }) => Some(wait),
            _ => None,
        }
    }

    /// Whether calls may be given to workers only if they work on a handle that can't move.
    pub(super) fn is_holding_up(&self) -> bool {
        matches!(&self.reload, Some(Reload { stage: Stage::Quieting(wait), .. }) if wait.quiet.held_since().is_some())
    }

    /// A time has come at which something about the reload may change.
    pub(super) fn check_reload(&mut self) {
        let Some(reload) = &self.reload else { return };
        let is_over = reload.until <= self.now;
        match &reload.stage {
            Stage::Rehearsing(_) if is_over => {
                self.forget_rehearsal();
                self.give_up_reload("the new program did not come up within reload_grace");
            }
            Stage::Rehearsing(_) => drop(self.deadlines.want(Timer::Reload, reload.until)),
            // What is quiet is handed over at the end of the loop's turn.
            Stage::Quieting(_) if self.is_quiet() => {}
            Stage::Quieting(wait) => {
                let patience = self.config.reload_grace.min(PATIENCE_WITH_GUESTS);
                let is_guests_time = !reload.guests_dismissed && wait.quiet.begun + patience <= self.now;
                if is_guests_time && self.dismiss_guests() {
                    // They are waited for a little longer.
                } else if is_over {
                    let why = self.what_is_not_quiet();
                    return self.give_up_reload(&why);
                } else {
                    self.hold_up_or_go_on();
                }
                self.tell_that_it_waits();
                self.look_at_reload_again(patience);
            }
        }
    }

    fn hold_up_or_go_on(&mut self) {
        let (now, oldest) = (self.now, self.oldest_waited_for());
        if self.reload_wait().is_some_and(|wait| wait.quiet.advance(now, oldest)) {
            self.start_jobs();
        }
    }

    fn look_at_reload_again(&mut self, patience_with_guests: Duration) {
        let now = self.now;
        let Some(Reload { stage: Stage::Quieting(wait), until, .. }) = &mut self.reload else { return };
        let guests_time = wait.quiet.begun + patience_with_guests;
        if guests_time > now {
            wait.quiet.look_at(guests_time);
        }
        let next = wait.quiet.until().min(wait.tell).min(*until);
        self.deadlines.want(Timer::Reload, next);
    }

    /// For how long the oldest of what is waited for has been there, as far as is known. What guests have is ended in time.
    fn oldest_waited_for(&mut self) -> Option<Duration> {
        let own = self.work.jobs.longest_running(|job| job.caller.privileged);
        let call = own.and_then(|job| job.started).map(|started| started.elapsed());
        let stuck = self.stuck_handles();
        let now = self.now;
        let wait = self.reload_wait()?;
        let handle = stuck.iter().any(|(_, id)| wait.stuck.contains(id)).then(|| now - wait.quiet.begun);
        call.max(handle)
    }

    fn tell_that_it_waits(&mut self) {
        let now = self.now;
        let Some(wait) = self.reload_wait().filter(|wait| wait.tell <= now) else { return };
        wait.tell = now + TELL;
        let seconds = (now - wait.quiet.begun).as_secs();
        let most = self.config.reload_grace.as_secs();
        for id in self.reload_calls.clone() {
            self.pass_progress(id, (seconds, Some(most), "seconds"));
        }
    }

    /// Ends what guests have that can't move, if that is all that is waited for. Returns whether it was.
    fn dismiss_guests(&mut self) -> bool {
        let running = self.work.jobs.running_of_guests();
        let stuck = self.stuck_handles();
        let is_guests = |owner: u32| !self.access.is_own(owner);
        if running.len() < self.running_calls() || !stuck.iter().all(|(owner, _)| is_guests(*owner)) {
            return false;
        }
        warn!(self.log.logger, "Reload: what users who are let in still have is ended"; "calls" => running.len(),
            "handles" => stuck.len());
        for id in running {
            // Not `unavailable`, which says that a call did not run and may be sent again.
            let message = "the broker is being replaced and the call did not end in time (setting reload_grace); it may have taken effect";
            if self.work.jobs.get(id).is_some_and(|job| job.stage == jobs::Stage::Running) {
                self.answer_early(id, CallError::new(Code::Failed, message));
            }
        }
        for (_, id) in stuck {
            self.work.handles.end(id);
        }
        let (now, until) = (self.now, self.now + DISMISSAL);
        if let Some(Reload { stage: Stage::Quieting(wait), guests_dismissed, until: end, .. }) = &mut self.reload {
            wait.quiet.hold_until(now, until);
            (*guests_dismissed, *end) = (true, until.max(*end));
        }
        true
    }

    /// Handles that can't move.
    fn stuck_handles(&self) -> Vec<(u32, HandleId)> {
        let kinds = self.work.handles.by_kind().keys().filter(|kind| self.registry.kind(kind).is_none());
        kinds.flat_map(|kind| self.work.handles.owners_of(kind)).collect()
    }

    fn what_is_not_quiet(&self) -> String {
        let running = self.running_calls();
        let kinds = self.work.handles.by_kind();
        let stuck: Vec<String> = kinds
            .iter()
            .filter(|(kind, _)| self.registry.kind(kind).is_none())
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let calls = match running {
            0 => {
                return format!("there is {} after reload_grace; they can't move to another program", stuck.join(", "));
            }
            1 => "1 call still runs".to_owned(),
            _ => format!("{running} calls still run"),
        };
        let stuck = if stuck.is_empty() { String::new() } else { format!(", and there is {}", stuck.join(", ")) };
        let longest = self.work.jobs.longest_running(|_| true).map(|job| {
            let seconds = job.started.map_or(0.0, |started| started.elapsed().as_secs_f64());
            format!(
                " (longest: {} of process {}, for {seconds:.0} s)",
                self.figures.stats.method(Some(job.function)),
                job.caller.pid
            )
        });
        let longest = longest.unwrap_or_default();
        format!("{calls} after reload_grace{longest}{stuck}; they can't move to another program")
    }

    /// Calls that workers have.
    fn running_calls(&self) -> usize {
        self.work.jobs.running() - self.reload_calls.len()
    }

    fn is_quiet(&self) -> bool {
        self.running_calls() == 0 && self.work.handles.by_kind().keys().all(|kind| self.registry.kind(kind).is_some())
    }

    /// Hands over if all is quiet.
    pub(super) fn proceed_with_reload(&mut self) {
        self.drop_answered_reload_calls();
        let Some(wait) = self.reload_wait() else { return };
        let held_since = wait.quiet.held_since();
        if !self.is_quiet() {
            return;
        }
        let since = held_since.unwrap_or(self.now);
        let Some(reload) = self.reload.take() else { return };
        self.tell_reloading();
        let error = self.hand_over(&reload.program, since);
        self.tell_ready_again();
        self.give_up_reload(&error.to_string());
    }

    fn hand_over(&mut self, program: &Program, since: Duration) -> HandoverError {
        info!(self.log.logger, "Handing over"; "connections" => self.lines.connections.len(), "handles" => self.work.handles.len(),
            "waiting" => self.work.jobs.waiting());
        let (state, descriptors) = match self.capture(since) {
            Ok(captured) => captured,
            Err(error) => return error,
        };
        // What is logged is written out by a thread, which ends with this program.
        self.log.flush(&self.config);
        program.execute(&self.origin, &state, &descriptors)
    }

    /// Callers of `system.reload` who hung up, gave up or ran out of time are not waited for.
    fn drop_answered_reload_calls(&mut self) {
        let all = &mut self.work.jobs;
        self.reload_calls.retain(|id| {
            let abandoned = all.get(*id).is_none_or(|job| job.stage == jobs::Stage::Abandoned);
            if abandoned {
                all.remove(*id);
            }
            !abandoned
        });
    }

    /// Ends a reload, and goes on as if there had been none.
    pub(super) fn give_up_reload(&mut self, why: &str) {
        warn!(self.log.logger, "Reload given up; serving as before"; "why" => why);
        self.reload = None;
        let error = CallError::new(Code::Failed, format!("no reload: {why}"));
        for id in std::mem::take(&mut self.reload_calls) {
            self.answer_unrun(id, error.clone());
        }
        self.start_jobs();
    }

    /// A broker that ends does not reload.
    pub(super) fn stop_reloading(&mut self) {
        if self.reload.is_some() {
            self.forget_rehearsal();
            self.give_up_reload("the broker is shutting down");
        }
    }
}
