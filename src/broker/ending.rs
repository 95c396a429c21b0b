//! How a broker ends: asked to, or because nobody needs it.

use super::Broker;
use super::connection::State;
use super::deadlines::Timer;
use super::jobs::Stage;
use super::signals::Request;
use crate::stats::CloseReason;
use kit::protocol::{CallError, Code};
use nix::sys::signal::Signal;
use slog::{debug, info, warn};
use std::process::ExitCode;

/// What the broker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Serving.
    Serving,
    /// Nobody needs it any more: the place is given up; whoever connected in that moment is still served.
    Leaving,
    /// Asked to end: no new call is run; those that run are finished.
    Draining {
        /// The time they have is over.
        hurried: bool,
    },
}

impl Broker {
    /// Does what a signal asks for. A second request to stop ends the process at once.
    pub(super) fn obey(&mut self, request: Request) -> Option<ExitCode> {
        match (request, self.phase) {
            (Request::ReopenLog, _) => {
                // The line is what has the log's thread do it.
                if self.log.reopen() {
                    info!(self.log.logger, "Opening the log file anew");
                } else {
                    info!(self.log.logger, "SIGHUP came, and there is no log file to be opened anew");
                }
                None
            }
            (Request::Reload, _) => {
                if let Err(error) = self.begin_reload("SIGUSR2") {
                    debug!(self.log.logger, "A signal had no effect"; "why" => %error);
                }
                None
            }
            (Request::Stop(signal), Phase::Draining { .. }) => {
                warn!(self.log.logger, "Asked to stop again: exiting at once"; "signal" => signal.as_str());
                Some(ExitCode::from(exit_code(signal)))
            }
            (Request::Stop(signal), _) => {
                self.drain(signal.as_str());
                None
            }
        }
    }

    /// Begins to end: gives up the place, turns away calls that do not run yet.
    pub(super) fn drain(&mut self, asked_by: &str) {
        if matches!(self.phase, Phase::Draining { .. }) {
            return;
        }
        info!(self.log.logger, "Shutting down"; "asked_by" => asked_by, "connections" => self.lines.connections.len(),
            "running" => self.work.jobs.running(), "waiting" => self.work.jobs.waiting());
        self.stop_reloading();
        self.tell_stopping();
        self.phase = Phase::Draining { hurried: false };
        self.lines.gate.give_up_place();
        self.refuse_waiting(&shutting_down());
        self.deadlines.want(Timer::ShutdownGrace, self.now + self.config.shutdown_grace);
        // What came before the end is read once more, so that it gets an answer.
        for id in self.lines.connections.ids() {
            self.lines.make_ready(id);
        }
    }

    /// Nobody was here for `idle_exit`.
    pub(super) fn check_idle(&mut self) {
        let Some(limit) = self.config.idle_exit else { return };
        let deserted =
            self.lines.connections.is_empty() && self.work.jobs.running() == 0 && self.work.handles.is_empty();
        match self.idle_since.filter(|_| deserted && self.phase == Phase::Serving) {
            Some(since) if since + limit <= self.now => {
                info!(self.log.logger, "Nobody connected for idle_exit: leaving");
                self.phase = Phase::Leaving;
                self.lines.gate.give_up_place();
            }
            Some(since) => {
                self.deadlines.want(Timer::IdleExit, since + limit);
            }
            None => {
                self.deadlines.want(Timer::IdleExit, self.now + limit);
            }
        }
    }

    /// The time of running calls is over.
    pub(super) fn end_grace(&mut self) {
        if let Phase::Draining { hurried } = &mut self.phase {
            *hurried = true;
            warn!(self.log.logger, "Calls still run after shutdown_grace: exiting without them";
                "running" => self.work.jobs.running());
        }
    }

    /// Whether the broker has come to its end, and with which exit code.
    pub(super) fn ended(&mut self) -> Option<ExitCode> {
        match self.phase {
            Phase::Serving => return None,
            Phase::Leaving if self.lines.has_more_to_do(self.taken_places()) || !self.lines.connections.is_empty() => {
                return None;
            }
            Phase::Draining { hurried: false }
                if self.lines.has_more_to_do(self.taken_places()) || self.owes_somebody() =>
            {
                return None;
            }
            Phase::Draining { hurried: true } => self.abandon_running(),
            Phase::Leaving | Phase::Draining { .. } => {}
        }
        for id in self.lines.connections.ids() {
            self.close(id, CloseReason::Shutdown);
        }
        info!(self.log.logger, "Ended"; "requests" => self.figures.stats.requests);
        Some(ExitCode::SUCCESS)
    }

    fn owes_somebody(&self) -> bool {
        let owed = self.lines.connections.iter().any(|(_, connection)| !connection.is_idle());
        owed || self.work.jobs.running() > 0
    }

    /// Tells those whose calls still run that nothing will come of them.
    fn abandon_running(&mut self) {
        let ids: Vec<_> = self.lines.connections.iter().flat_map(|(_, connection)| connection.jobs.clone()).collect();
        for id in ids {
            if self.work.jobs.get(id).is_some_and(|job| job.stage == Stage::Running) {
                let late = CallError::new(
                    Code::Failed,
                    "the broker shut down before the call was done (setting shutdown_grace); it may have taken effect",
                );
                self.answer_early(id, late);
            }
        }
        for id in self.lines.connections.ids() {
            if let Some(connection) = self.lines.connections.get(id) {
                connection.state = State::Closing(CloseReason::Shutdown);
                let mut output = std::mem::take(&mut connection.output);
                let _ = connection.write_out(&mut output, self.now);
            }
        }
    }
}

fn exit_code(signal: Signal) -> u8 {
    // As a shell reports a process that the signal ended.
    128 + u8::try_from(signal as i32).unwrap_or(0)
}

/// The error of a call that came too late.
pub(super) fn shutting_down() -> CallError {
    CallError::new(Code::Unavailable, "the broker is shutting down; the call did not run")
}
