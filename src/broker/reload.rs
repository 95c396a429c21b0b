//! Reloading: another program takes this one's place, and nobody notices.
//!
//! First the new program is tried out, while this one serves as ever. Then no further call is given to a worker; those that
//! run are waited for, and so are handles that can't move. When all is quiet everything is handed over (see
//! [`handover`](super::handover)). Whatever goes wrong before that ends the reload and nothing else.

use super::deadlines::Timer;
use super::dispatch::shutting_down;
use super::ending::Phase;
use super::handover::{HandoverError, Program, Rehearsal};
use super::jobs::{self, Job};
use super::{Broker, REHEARSAL};
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
}

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
        self.reload = Some(Reload { program, stage: Stage::Rehearsing(rehearsal), until });
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
        let until = self.now + self.config.reload_grace;
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
        let why = match reload.stage {
            Stage::Rehearsing(_) => "the new program did not come up within reload_grace".to_owned(),
            Stage::Quieting(_) => self.what_is_not_quiet(),
        };
        self.forget_rehearsal();
        self.give_up_reload(&why);
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
