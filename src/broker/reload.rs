//! Reloading: another program takes this one's place, and nobody notices.
//!
//! First the new program is tried out, while this one serves as ever. Then no further call is given to a worker; those that
//! run are waited for, and so are handles that can't move. When all is quiet everything is handed over (see
//! [`handover`](super::handover)). Whatever goes wrong before that ends the reload and nothing else.
//!
//! Nothing of the broker's own user's or root's is ever dropped for a reload. What guests still have after some seconds is, if
//! nothing else is waited for: one of them could keep a broker from ever being replaced, and hold up everybody's calls meanwhile.

use super::deadlines::Timer;
use super::dispatch::shutting_down;
use super::ending::Phase;
use super::handover::{HandoverError, Program, Rehearsal};
use super::jobs::{self, Job};
use super::{Broker, REHEARSAL};
use crate::modules::handles::HandleId;
use crate::protocol::{CallError, Code};
use mio::Interest;
use mio::unix::SourceFd;
use slog::{info, warn};
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
/// How long what guests have is waited for at most: meanwhile calls of others that need a worker are held up.
const PATIENCE_WITH_GUESTS: Duration = Duration::from_secs(5);

enum Stage {
    /// The new program is tried out.
    Rehearsing(Rehearsal),
    /// Calls that run are waited for, since then.
    Quieting(Duration),
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
        self.poll
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
        let id = self.jobs.add_running(job);
        if let Some(deadline) = deadline {
            self.deadlines.want(Timer::Job(id.slot()), deadline);
        }
        if let Some(connection) = self.connections.get(connection) {
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
            let _ = self.poll.registry().deregister(&mut SourceFd(&rehearsal.descriptor()));
        }
    }

    fn fall_quiet(&mut self) {
        let until = self.now + self.config.reload_grace.min(PATIENCE_WITH_GUESTS);
        if let Some(reload) = &mut self.reload {
            reload.stage = Stage::Quieting(self.now);
            reload.until = until;
            self.deadlines.want(Timer::Reload, until);
        }
    }

    /// Whether calls may be given to workers only if they work on a handle that can't move.
    pub(super) fn is_falling_quiet(&self) -> bool {
        matches!(&self.reload, Some(Reload { stage: Stage::Quieting(_), .. }))
    }

    /// A limit of the reload has come, or has been put off.
    pub(super) fn check_reload(&mut self) {
        let Some(reload) = &self.reload else { return };
        if reload.until > self.now {
            self.deadlines.want(Timer::Reload, reload.until);
            return;
        }
        if matches!(reload.stage, Stage::Quieting(_)) && !reload.guests_dismissed && self.dismiss_guests() {
            return;
        }
        let Some(reload) = &mut self.reload else { return };
        if let Stage::Quieting(since) = reload.stage
            && since + self.config.reload_grace > self.now
        {
            // What is waited for is the owner's, and looked at again: it may be guests' alone later.
            let until = (since + self.config.reload_grace).min(self.now + PATIENCE_WITH_GUESTS);
            reload.until = until;
            self.deadlines.want(Timer::Reload, until);
            return;
        }
        let why = match reload.stage {
            Stage::Rehearsing(_) => "the new program did not come up within reload_grace".to_owned(),
            Stage::Quieting(_) => self.what_is_not_quiet(),
        };
        self.forget_rehearsal();
        self.give_up_reload(&why);
    }

    /// Ends what guests have that can't move, if that is all that is waited for. Returns whether it was.
    fn dismiss_guests(&mut self) -> bool {
        let running = self.jobs.running_of_guests();
        let stuck = self.stuck_handles();
        let is_guests = |owner: u32| !self.access.is_own(owner);
        if running.len() < self.running_calls() || !stuck.iter().all(|(owner, _)| is_guests(*owner)) {
            return false;
        }
        warn!(self.log.logger, "Reload: what users who are let in still have is ended"; "calls" => running.len(),
            "handles" => stuck.len());
        for id in running {
            let message = "the broker is being replaced and the call did not end in time (setting reload_grace)";
            if self.jobs.get(id).is_some_and(|job| job.stage == jobs::Stage::Running) {
                self.answer_early(id, CallError::new(Code::Unavailable, message));
            }
        }
        for (_, id) in stuck {
            self.handles.end(id);
        }
        let until = self.now + DISMISSAL;
        if let Some(reload) = &mut self.reload {
            (reload.guests_dismissed, reload.until) = (true, until);
        }
        self.deadlines.want(Timer::Reload, until);
        true
    }

    /// Handles that can't move.
    fn stuck_handles(&self) -> Vec<(u32, HandleId)> {
        let kinds = self.handles.by_kind().keys().filter(|kind| self.registry.kind(kind).is_none());
        kinds.flat_map(|kind| self.handles.owners_of(kind)).collect()
    }

    fn what_is_not_quiet(&self) -> String {
        let running = self.running_calls();
        let kinds = self.handles.by_kind();
        let stuck: Vec<String> = kinds
            .iter()
            .filter(|(kind, _)| self.registry.kind(kind).is_none())
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let stuck = if stuck.is_empty() { String::new() } else { format!(", and there is {}", stuck.join(", ")) };
        format!("{running} calls still run after reload_grace{stuck}; they can't move to another program")
    }

    /// Calls that workers have.
    fn running_calls(&self) -> usize {
        self.jobs.running() - self.reload_calls.len()
    }

    fn is_quiet(&self) -> bool {
        self.running_calls() == 0 && self.handles.by_kind().keys().all(|kind| self.registry.kind(kind).is_some())
    }

    /// Hands over if all is quiet.
    pub(super) fn proceed_with_reload(&mut self) {
        self.drop_answered_reload_calls();
        let Some(Reload { stage: Stage::Quieting(since), .. }) = &self.reload else { return };
        let since = *since;
        if !self.is_quiet() {
            return;
        }
        let Some(reload) = self.reload.take() else { return };
        self.tell_reloading();
        let error = self.hand_over(&reload.program, since);
        self.tell_ready_again();
        self.give_up_reload(&error.to_string());
    }

    fn hand_over(&mut self, program: &Program, since: Duration) -> HandoverError {
        info!(self.log.logger, "Handing over"; "connections" => self.connections.len(), "handles" => self.handles.len(),
            "waiting" => self.jobs.waiting());
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
        let all = &mut self.jobs;
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
