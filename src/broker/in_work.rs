//! What runs and what waits at this moment, for whom: what an operator asks first.

use super::Broker;
use super::jobs::{Job, JobId, Stage};
use super::shapes::{CallInWork, CallsInWork, LONGEST_LIST};
use std::time::Instant;

impl Broker {
    /// The calls of users who concern somebody that run on workers or wait for one, the longest first, `most` of them at most.
    pub(super) fn calls_in_work(&self, concerns: impl Fn(u32) -> bool, most: usize) -> CallsInWork {
        let mut shown: Vec<(JobId, &Job)> = self.work.jobs.iter().filter(|(_, job)| concerns(job.caller.uid)).collect();
        let running = shown.iter().filter(|(_, job)| job.stage != Stage::Waiting).count();
        let waiting = shown.len() - running;
        let most = most.min(LONGEST_LIST);
        if shown.len() > most {
            // The oldest of them, found without putting all in order.
            shown.select_nth_unstable_by_key(most, |(_, job)| job.arrived);
            shown.truncate(most);
        }
        shown.sort_unstable_by_key(|(_, job)| job.arrived);
        let now = Instant::now();
        CallsInWork {
            running: running as u64,
            waiting: waiting as u64,
            workers: self.config.workers as u64,
            calls: shown.into_iter().map(|(id, job)| self.describe_job(id, job, now)).collect(),
        }
    }

    fn describe_job(&self, id: JobId, job: &Job, now: Instant) -> CallInWork {
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        CallInWork {
            module_function: self.figures.stats.method(Some(job.function)).to_owned(),
            status: match job.stage {
                Stage::Waiting if self.work.jobs.waits_for_handle(id, job) => "waits for its handle",
                Stage::Waiting => "waits",
                Stage::Running => "runs",
                Stage::Abandoned => "given up",
            },
            seconds: seconds(job.arrived),
            running_seconds: job.started.map(seconds),
            connection_id: self.lines.connections.peek(job.connection).map(|connection| connection.serial),
            peer_uid: job.caller.uid,
            peer_pid: job.caller.pid,
        }
    }
}
