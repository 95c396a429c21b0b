//! What runs for callers and what is kept for them: handing jobs to workers, and their answers to those who wait for them.

use super::Broker;
use super::connection::ConnectionId;
use super::dispatch::timed_out;
use super::jobs::{Job, JobId, Jobs, Share, Stage};
use super::locks::{Locks, locked};
use super::quota::Quotas;
use super::reaper::Reaper;
use super::workers::{Done, Report, Task, Workers};
use crate::config::Config;
use kit::call::ProgressReport;
use kit::handles::Life;
use kit::protocol::reply::{Progress, write_answer, write_progress};
use kit::protocol::{Buffer, CallError, Code};
use kit::store::{Bounds, HandleStore};
use slog::warn;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What runs for callers, what waits to, and what is kept for them; and how much of that anybody may have.
pub struct Work {
    /// Calls that wait for a worker or run on one.
    pub jobs: Jobs,
    /// The threads that they run on.
    pub workers: Workers,
    /// State between calls.
    pub handles: HandleStore,
    /// Whose state is locked.
    pub locks: Locks,
    /// What each user has of the broker.
    pub quotas: Quotas,
    /// Drops what has ended, off the loop.
    pub reaper: Reaper,
}

impl Work {
    /// None yet, by these settings, in this life of a broker.
    pub fn new(config: &Config, workers: Workers, life: Life) -> Self {
        Self {
            jobs: Jobs::default(),
            workers,
            handles: HandleStore::new(handle_bounds(config), life),
            locks: Locks::default(),
            quotas: Quotas::new(config),
            reaper: Reaper::new(),
        }
    }

    /// Hands what has ended to the reaper, so that dropping it holds up nobody. Whether there was anything, and how often a drop has panicked
    /// since the last time.
    pub fn bury_ended(&mut self) -> (bool, u64) {
        let has_ended = self.handles.has_ended();
        if has_ended {
            self.reaper.bury(self.handles.take_ended());
        }
        (has_ended, self.reaper.new_panics())
    }
}

pub(super) fn handle_bounds(config: &Config) -> Bounds {
    Bounds {
        max_per_user: config.max_handles,
        idle_timeout: config.handle_idle_timeout,
        user_memory: config.user_memory,
        max_memory: config.max_memory,
    }
}

impl Broker {
    /// Hands jobs to workers as long as there are both.
    pub(super) fn start_jobs(&mut self) {
        let share = self.share();
        loop {
            let is_holding_up = self.is_holding_up();
            if !is_holding_up && !self.work.jobs.may_start(share) {
                return;
            }
            match self.work.workers.available() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    warn!(self.log.logger, "No worker thread can be started"; "error" => %error);
                    return self.refuse_waiting(&CallError::new(
                        Code::Overloaded,
                        "the broker's host lets it start no thread for the call; try again",
                    ));
                }
            }
            let next = if is_holding_up {
                // What can't move has to come to its end, and who names what has ended is told so at once; everything else waits for
                // the new program.
                let (handles, registry) = (&self.work.handles, &self.registry);
                let stays = |(owner, id)| handles.kind_of(owner, id).is_none_or(|kind| registry.kind(kind).is_none());
                self.work.jobs.start_next_on(stays)
            } else {
                self.work.jobs.start_next(share)
            };
            let Some(id) = next else { return };
            let Some(job) = self.work.jobs.get(id) else { continue };
            if self.work.locks.hold_back(job.caller.uid, self.registry.function(job.function)) {
                // It was locked while the call waited.
                self.answer_unrun(id, locked());
                continue;
            }
            let now = Instant::now();
            job.started = Some(now);
            self.figures.stats.worker_wait.record(now - job.arrived, 1);
            let task = Task {
                job: id,
                function: job.function,
                caller: job.caller,
                params: std::mem::take(&mut job.params),
                lease: self.work.handles.lease(job.caller, job.handle.map(|(_, handle)| handle)),
                cancellation: Arc::clone(&job.cancellation),
                progress: job.progress,
                freeze: job.freeze,
            };
            if let Err(unsent) = self.work.workers.start(task) {
                // Its thread is gone, which only a defect can cause; the handle is still good.
                let _ = self.work.handles.settle(unsent.caller, unsent.lease, self.now);
                self.answer_unrun(id, CallError::new(Code::Internal, "the worker for the call is gone"));
            }
        }
    }

    /// How many workers guests may have.
    fn share(&self) -> Share {
        let workers = self.config.workers;
        // Some are left for the broker's own user and root, whatever guests do.
        let of_all = (workers - (workers / 4).max(1)).max(1);
        Share { of_each: self.config.user_running.min(of_all), of_all }
    }

    /// Answers the calls of a user that wait for a worker and could use a key.
    pub(super) fn refuse_locked(&mut self, uid: u32) {
        for id in self.work.jobs.waiting_ids() {
            let is_held_back = |job: &mut Job| {
                job.caller.uid == uid && self.work.locks.hold_back(uid, self.registry.function(job.function))
            };
            if self.work.jobs.get(id).is_some_and(is_held_back) {
                self.answer_unrun(id, locked());
            }
        }
    }

    /// Answers every call that waits for a worker with the same error.
    pub(super) fn refuse_waiting(&mut self, error: &CallError) {
        for id in self.work.jobs.waiting_ids() {
            self.answer_unrun(id, error.clone());
        }
    }

    /// Takes what the workers have to tell.
    pub(super) fn take_reports(&mut self) {
        while let Some(report) = self.work.workers.report() {
            match report {
                Report::Progress(job, progress) => self.pass_progress(job, progress),
                Report::Done(done) => {
                    self.finish(*done);
                    self.expect_to_trim();
                }
            }
        }
        self.start_jobs();
    }

    /// Tells who waits for a call how far it is, if that was asked for.
    pub(super) fn pass_progress(&mut self, id: JobId, (done, total, unit): ProgressReport) {
        let Some(job) = self.work.jobs.get(id).filter(|job| job.stage == Stage::Running && job.progress) else {
            return;
        };
        let (Some(msgid), to) = (job.msgid, job.connection) else { return };
        let Some(connection) = self.lines.connections.get(to) else { return };
        // Progress is news: to a client that does not read, it is not repeated without end.
        if connection.output.len() > self.config.low_water {
            return;
        }
        let framing = connection.framing();
        let before = connection.output.len();
        if write_progress(&mut connection.output, framing, &Progress { msgid, done, total, unit }).is_err() {
            connection.output.truncate(before);
        }
        self.lines.make_ready(to);
    }

    fn finish(&mut self, done: Done) {
        let Done { job: id, caller, result, lease, unreached, .. } = done;
        // Settled also for a call that nobody waits for: the handle goes on without it.
        let made_before = self.work.handles.totals().0;
        let settled = self.work.handles.settle(caller, lease, self.now);
        let Some(job) = self.work.jobs.remove(id) else { return };
        if self.work.handles.totals().0 > made_before {
            self.note_maker(job.connection, caller);
        }
        if let Some(server) = unreached {
            self.note_unreached(&job, server);
        }
        if let Some(started) = job.started {
            self.figures.stats.worker_run.record(started.elapsed(), 1);
        }
        let result = match result {
            Ok(result) => result.and_then(|result| settled.map(|()| result)),
            Err(panic) => Err(self.defect(job.function, &panic)),
        };
        if job.stage == Stage::Running {
            self.answer(id, &job, &result);
        }
    }

    /// Answers a job that will not run, and takes it out.
    pub(super) fn answer_unrun(&mut self, id: JobId, error: CallError) {
        if let Some(job) = self.work.jobs.remove(id) {
            self.answer(id, &job, &Err(error));
        }
    }

    /// The deadline of a job has come, or has been put off by another job in its slot.
    pub(super) fn check_job(&mut self, slot: u32) {
        let Some(id) = self.work.jobs.in_slot(slot) else { return };
        let now = self.now;
        let Some(job) = self.work.jobs.get(id) else { return };
        let Some(deadline) = job.deadline.filter(|_| job.stage != Stage::Abandoned) else { return };
        if deadline > now {
            self.deadlines.want(super::deadlines::Timer::Job(slot), deadline);
            return;
        }
        match job.stage {
            Stage::Waiting => self.answer_unrun(id, timed_out()),
            Stage::Running => self.answer_early(id, timed_out()),
            Stage::Abandoned => {}
        }
    }

    /// Answers a job that still runs. What it brings later is dropped.
    pub(super) fn answer_early(&mut self, id: JobId, error: CallError) {
        let Some(job) = self.work.jobs.get(id) else { return };
        job.abandon();
        let facts = Job { params: Buffer::new(), cancellation: Arc::clone(&job.cancellation), ..*job };
        self.answer(id, &facts, &Err(error));
    }

    /// Nobody waits for this call any more. One that did not run never will.
    pub(super) fn forsake(&mut self, id: JobId) {
        match self.work.jobs.get(id) {
            Some(job) if job.stage == Stage::Waiting => {
                self.work.jobs.remove(id);
            }
            Some(job) => job.abandon(),
            None => {}
        }
    }

    fn answer(&mut self, id: JobId, job: &Job, result: &Result<Buffer, CallError>) {
        let sent = self.send_answer(id, job, result);
        let counted = match (result, sent) {
            (Ok(_), sent) => sent,
            (Err(error), _) => Err(error.clone()),
        };
        let took: Duration = job.arrived.elapsed();
        self.record(job, took, &counted);
    }

    fn send_answer(&mut self, id: JobId, job: &Job, result: &Result<Buffer, CallError>) -> Result<(), CallError> {
        let to: ConnectionId = job.connection;
        let max_frame = self.config.max_frame;
        let Some(connection) = self.lines.connections.get(to) else { return Ok(()) };
        connection.jobs.retain(|other| *other != id);
        connection.job_bytes -= job.size;
        connection.job_charge -= job.charge;
        let framing = connection.framing();
        let written = match job.msgid {
            Some(msgid) => write_answer(&mut connection.output, framing, msgid, max_frame, result),
            None => Ok(()),
        };
        self.lines.make_ready(to);
        written
    }
}
