//! Counters and latency histograms, and the reports made of them.
//!
//! Everything is owned by the loop's thread: counting is an addition, never a lock. Times come in as durations; there is
//! no clock here.

mod history;
mod moved;
mod security;
mod spread;
mod times;
mod unreached;
mod window;

pub use history::{Gauges, Point};
use kit::FunctionId;
pub use moved::PackedStats;
pub use security::{SecurityEvent, SecurityReport};
pub use times::{Times, TimesReport};
pub use unreached::{Unreached, UnreachedServers};
pub use window::{LONGEST as LONGEST_WINDOW, Lately, Totals, Window};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spread::Length;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many failures `recent_errors` remembers.
const RECENT_ERRORS: usize = 20;

/// Why a connection ended. Every close has exactly one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it.
    Hangup,
    /// The client sent something that is no message.
    Protocol,
    /// The peer's user is not allowed here.
    Denied,
    /// Nothing outstanding and no byte for `stale_timeout`.
    Idle,
    /// A begun message was not completed within `frame_timeout`.
    FrameTimeout,
    /// Unsent output and no byte taken for `write_timeout`.
    StalledWrite,
    /// Its user has too many of them.
    Quota,
    /// More was held for it than may be.
    Memory,
    /// Reading or writing failed.
    Io,
    /// `system.cleanup` closed it.
    Cleanup,
    /// `system.close_connection` closed it.
    Closed,
    /// The broker shut down.
    Shutdown,
}

impl CloseReason {
    /// All reasons, in the order in which they are counted.
    pub const ALL: [Self; 12] = [
        Self::Hangup,
        Self::Protocol,
        Self::Denied,
        Self::Idle,
        Self::FrameTimeout,
        Self::StalledWrite,
        Self::Quota,
        Self::Memory,
        Self::Io,
        Self::Cleanup,
        Self::Closed,
        Self::Shutdown,
    ];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hangup => "hangup",
            Self::Protocol => "protocol",
            Self::Denied => "denied",
            Self::Idle => "idle",
            Self::FrameTimeout => "frame_timeout",
            Self::StalledWrite => "stalled_write",
            Self::Quota => "quota",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Cleanup => "cleanup",
            Self::Closed => "closed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How a call ended, as far as counting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Success,
    /// With an error of the operation, or a timeout, or a cancellation.
    Failure,
    /// With an error in what the caller sent.
    Invalid,
    /// There is no such module or function.
    Unknown,
    /// Turned away: overloaded, shutting down.
    Rejected,
    /// Turned away because the peer may not.
    Denied,
}

/// A failed call that `recent_errors` remembers. `error` is the code and the parameter at fault, never a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecentError {
    /// When, ISO 8601 in local time.
    pub timestamp: String,
    /// What was called.
    pub module_function: String,
    /// What kind of error.
    pub error: String,
    /// From arrival to answer.
    pub duration_ms: f64,
    /// Whose call it was: user and process.
    #[serde(default)]
    pub peer_uid: Option<u32>,
    /// The process, when it connected.
    #[serde(default)]
    pub peer_pid: Option<i32>,
    /// The script that it ran, which may be found out a moment later, or never.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub script: Script,
}

/// The name of the script that a process ran: what is known at once, until somebody else has found out more.
#[derive(Clone, Debug, Default)]
pub struct Script(Arc<Named>);

#[derive(Debug, Default)]
struct Named {
    at_once: String,
    found: OnceLock<String>,
}

impl Script {
    /// A name that is known so far.
    pub fn known_as(at_once: String) -> Self {
        Self(Arc::new(Named { at_once, found: OnceLock::new() }))
    }

    /// Tells the whole of it, for all who hold it.
    pub fn found(&self, name: String) {
        // The first to find it is as right as the next.
        let _ = self.0.found.set(name);
    }

    /// The name, if any is known.
    pub fn name(&self) -> Option<&str> {
        Some(self.0.found.get().unwrap_or(&self.0.at_once).as_str()).filter(|name| !name.is_empty())
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Serialize for Script {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Script {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::known_as(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// `worker_performance`: the calls that run on workers.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct WorkerReport {
    /// The most workers there may be.
    pub workers: u64,
    /// Those at work.
    pub busy: u64,
    /// Calls waiting for one.
    pub queued: u64,
    /// The most calls that may wait.
    pub queue_limit: u64,
    /// The most calls that ever waited at one time.
    pub peak_queued: u64,
    /// Calls turned away because the queue was full.
    pub overloaded: u64,
    /// Calls that workers are done with.
    pub finished: u64,
    /// Seconds from arrival until a worker had the call.
    pub wait_time: TimesReport,
    /// Seconds that the worker had it.
    pub run_time: TimesReport,
}

#[derive(Default)]
struct FunctionStats {
    errors: u64,
    unreached: u64,
    times: Times,
}

/// The counters of one broker.
pub struct Stats {
    methods: Vec<String>,
    // One a method, and one more for calls that name no function there is.
    functions: Vec<FunctionStats>,
    // The same of all of them together: adding them up takes longer than a report may.
    all: Times,
    recent_errors: VecDeque<RecentError>,
    /// Servers that were not reached.
    pub unreached: UnreachedServers,
    closed: [u64; CloseReason::ALL.len()],
    /// Calls answered, with whatever outcome.
    pub requests: u64,
    /// Calls answered with an error.
    pub failed: u64,
    /// Calls turned away.
    pub rejected: u64,
    /// Calls with wrong parameters or names.
    pub invalid: u64,
    /// Peers and calls refused for who they are, unknown functions, and streams that were no messages.
    pub security: security::Security,
    /// Connections accepted.
    pub connections: u64,
    /// Connections of peers that may not connect, or whose user has too many.
    pub connections_rejected: u64,
    /// Those of them whose user has too many.
    pub connections_crowded: u64,
    /// The most connections at one time.
    pub peak_connections: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Panics of functions that were caught.
    pub panics: u64,
    /// Unix time of the last clean-up of idle connections, 0 if none.
    pub last_cleanup: f64,
    /// From arrival until a worker had the call.
    pub worker_wait: Times,
    /// How long workers had their calls.
    pub worker_run: Times,
    /// The most calls that waited for a worker at one time.
    pub peak_queued: u64,
    /// Calls turned away because too many waited.
    pub overloaded: u64,
    /// How often another program has taken this one's place.
    pub reloads: u64,
    history: history::History,
}

impl Stats {
    /// Counters at zero for these functions.
    pub fn new(methods: Vec<String>) -> Self {
        let functions = (0..=methods.len()).map(|_| FunctionStats::default()).collect();
        Self {
            methods,
            all: Times::default(),
            functions,
            recent_errors: VecDeque::with_capacity(RECENT_ERRORS),
            unreached: UnreachedServers::default(),
            closed: [0; CloseReason::ALL.len()],
            requests: 0,
            failed: 0,
            rejected: 0,
            invalid: 0,
            security: security::Security::default(),
            connections: 0,
            connections_rejected: 0,
            connections_crowded: 0,
            peak_connections: 0,
            bytes_in: 0,
            bytes_out: 0,
            panics: 0,
            last_cleanup: 0.0,
            worker_wait: Times::default(),
            worker_run: Times::default(),
            peak_queued: 0,
            overloaded: 0,
            reloads: 0,
            history: history::History::default(),
        }
    }

    /// How many calls workers are done with.
    pub fn worker_finished(&self) -> u64 {
        self.worker_run.count()
    }

    /// The name of a function; `None` stands for calls that name none there is.
    pub fn method(&self, function: Option<FunctionId>) -> &str {
        function.and_then(|FunctionId(index)| self.methods.get(index)).map_or("(unknown)", String::as_str)
    }

    /// Counts one answered call.
    pub fn record(&mut self, function: Option<FunctionId>, took: Duration, outcome: Outcome) {
        self.count(function, outcome);
        self.time(function, took, 1);
    }

    /// Counts one answered call; its time is told by [`Stats::time`].
    #[inline]
    pub fn count(&mut self, function: Option<FunctionId>, outcome: Outcome) {
        self.requests += 1;
        if outcome != Outcome::Success {
            self.count_failed(function, outcome);
        }
    }

    /// Counts a call of a function for which another server could not be reached, or broke off, whatever it was answered.
    pub fn count_unreached(&mut self, function: FunctionId, server: Unreached) {
        self.unreached.add(server);
        if let Some(stats) = self.functions.get_mut(function.0) {
            stats.unreached += 1;
        }
    }

    /// Tells how long some calls took that were counted, each of them.
    pub fn time(&mut self, function: Option<FunctionId>, took: Duration, calls: u32) {
        if calls == 0 {
            return;
        }
        let took = Length::from(took);
        if let Some(stats) = self.functions.get_mut(function.map_or(self.methods.len(), |FunctionId(index)| index)) {
            stats.times.record(took, calls);
            self.all.record(took, calls);
        }
    }

    fn count_failed(&mut self, function: Option<FunctionId>, outcome: Outcome) {
        self.failed += 1;
        if let Some(stats) = self.functions.get_mut(function.map_or(self.methods.len(), |FunctionId(index)| index)) {
            stats.errors += 1;
        }
        match outcome {
            Outcome::Success | Outcome::Failure => {}
            Outcome::Invalid => self.invalid += 1,
            // As the old daemon counted them: who asks for what is not there may be trying doors.
            Outcome::Unknown => {
                self.invalid += 1;
                self.rejected += 1;
            }
            Outcome::Rejected | Outcome::Denied => self.rejected += 1,
        }
    }

    /// Remembers a failed call.
    pub fn remember(&mut self, error: RecentError) {
        if self.recent_errors.len() == RECENT_ERRORS {
            self.recent_errors.pop_front();
        }
        self.recent_errors.push_back(error);
    }

    /// Counts a closed connection.
    pub fn closed(&mut self, reason: CloseReason) {
        self.closed[reason as usize] += 1;
    }

    /// Closed connections by reason; reasons that never came up are left out.
    pub fn closes(&self) -> BTreeMap<&'static str, u64> {
        CloseReason::ALL.iter().zip(self.closed).filter(|(_, count)| *count > 0).map(|(r, n)| (r.as_str(), n)).collect()
    }

    /// The failures remembered, oldest first.
    pub fn recent_errors(&self) -> Vec<RecentError> {
        self.recent_errors.iter().cloned().collect()
    }

    /// Adds up what was counted for each function elsewhere.
    fn sum_up(&mut self) {
        self.all = Times::default();
        self.functions.iter().for_each(|stats| self.all.add(&stats.times));
    }

    /// The figures of all calls taken together.
    pub fn performance(&self, uptime: Duration) -> Performance {
        let all = self.all.report();
        let uptime = uptime.as_secs_f64();
        Performance {
            total_requests: self.requests,
            successful_requests: self.requests - self.failed,
            failed_requests: self.failed,
            avg_response_time: all.avg,
            p50_response_time: all.p50,
            p95_response_time: all.p95,
            p99_response_time: all.p99,
            max_response_time: all.max,
            requests_per_second: ratio(self.requests as f64, uptime),
            error_rate: ratio(self.failed as f64, self.requests as f64),
            uptime_seconds: uptime,
        }
    }

    /// Every function that was called.
    pub fn functions(&self) -> Vec<FunctionFigures> {
        let called = self.functions.iter().enumerate().filter(|(_, stats)| stats.times.count() > 0);
        let figures = |(index, stats): (usize, &FunctionStats)| FunctionFigures {
            method: self.method(Some(FunctionId(index))).to_owned(),
            requests: stats.times.count(),
            errors: stats.errors,
            unreached: stats.unreached,
            times: stats.times.report(),
        };
        called.map(figures).collect()
    }

    /// Every function that was called, the one called most first.
    pub fn busiest(&self) -> Vec<FunctionReport> {
        let mut called: Vec<(usize, &FunctionStats)> =
            self.functions.iter().enumerate().filter(|(_, stats)| stats.times.count() > 0).collect();
        called.sort_by_key(|(_, stats)| std::cmp::Reverse(stats.times.count()));
        called
            .into_iter()
            .map(|(index, stats)| {
                let (times, calls) = (stats.times.report(), stats.times.count());
                FunctionReport {
                    module_function: self.method(Some(FunctionId(index))).to_owned(),
                    requests: calls,
                    avg_time_ms: times.avg * 1e3,
                    p99_time_ms: times.p99 * 1e3,
                    max_time_ms: times.max * 1e3,
                    total_time_ms: times.avg * calls as f64 * 1e3,
                    errors: stats.errors,
                    unreached: stats.unreached,
                    error_rate: ratio(stats.errors as f64 * 100.0, calls as f64),
                }
            })
            .collect()
    }
}

/// A ratio that is zero where there is nothing to divide by.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// `test.stats`: plain counters since the start.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Counters {
    /// Calls answered.
    pub requests_processed: u64,
    /// Calls answered with an error.
    pub requests_failed: u64,
    /// Calls turned away: overloaded, unavailable, denied.
    pub requests_rejected: u64,
    /// Calls with wrong parameters or names.
    pub validation_failures: u64,
    /// Refused peers and calls, and streams that were no messages.
    pub security_events: u64,
    /// When the broker started, Unix time.
    pub start_time: f64,
    /// When idle connections were last cleaned up, Unix time; 0 if never.
    pub last_cleanup: f64,
    /// Connections accepted.
    pub connections_total: u64,
    /// Connections of peers that may not connect.
    pub connections_rejected: u64,
    /// The most connections at one time.
    pub peak_connections: u64,
    /// Connections now.
    pub active_connections: u64,
}

/// `performance_metrics`: all calls taken together. Times in seconds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Performance {
    /// Calls answered.
    pub total_requests: u64,
    /// Calls answered with a result.
    pub successful_requests: u64,
    /// Calls answered with an error.
    pub failed_requests: u64,
    /// Mean time from arrival to answer.
    pub avg_response_time: f64,
    /// Median.
    pub p50_response_time: f64,
    /// 95th percentile.
    pub p95_response_time: f64,
    /// 99th percentile.
    pub p99_response_time: f64,
    /// The longest.
    pub max_response_time: f64,
    /// Calls a second, over the whole uptime.
    pub requests_per_second: f64,
    /// Failed calls, 0 to 1.
    pub error_rate: f64,
    /// Uptime.
    pub uptime_seconds: f64,
}

/// The figures of one function.
#[derive(Clone, Debug)]
pub struct FunctionFigures {
    /// `module.function`.
    pub method: String,
    /// Calls answered.
    pub requests: u64,
    /// Those answered with an error.
    pub errors: u64,
    /// Those for which another server could not be reached, or broke off.
    pub unreached: u64,
    /// From arrival to answer.
    pub times: TimesReport,
}

/// One line of `top_modules`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FunctionReport {
    /// `module.function`.
    pub module_function: String,
    /// Calls answered.
    pub requests: u64,
    /// Mean time from arrival to answer.
    pub avg_time_ms: f64,
    /// 99th percentile.
    pub p99_time_ms: f64,
    /// The longest.
    pub max_time_ms: f64,
    /// All of them together.
    pub total_time_ms: f64,
    /// Failed calls.
    pub errors: u64,
    /// Calls for which another server could not be reached, or broke off. To scripts that is mostly an answer like others.
    pub unreached: u64,
    /// Failed calls, percent.
    pub error_rate: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Stats {
        Stats::new(vec!["test.ping".to_owned(), "test.echo".to_owned()])
    }

    #[test]
    fn calls_are_counted_by_function_and_outcome() {
        let mut stats = stats();
        for millisecond in 1..=100 {
            stats.record(Some(FunctionId(0)), Duration::from_millis(millisecond), Outcome::Success);
        }
        stats.record(Some(FunctionId(1)), Duration::from_millis(1), Outcome::Invalid);
        stats.record(None, Duration::from_millis(1), Outcome::Denied);
        assert_eq!((stats.requests, stats.failed, stats.invalid, stats.rejected), (102, 2, 1, 1));
        let busiest = stats.busiest();
        assert_eq!(busiest[0].module_function, "test.ping");
        assert!((98.0..=102.0).contains(&busiest[0].p99_time_ms), "{}", busiest[0].p99_time_ms);
        assert!((50.0..=51.0).contains(&busiest[0].avg_time_ms));
        assert_eq!(busiest.iter().find(|f| f.module_function == "test.echo").unwrap().error_rate, 100.0);
        let performance = stats.performance(Duration::from_secs(2));
        assert_eq!(performance.requests_per_second, 51.0);
        assert!(performance.p50_response_time > 0.045 && performance.max_response_time >= 0.1);
    }

    #[test]
    fn nothing_divided_by_nothing_is_zero() {
        let performance = stats().performance(Duration::ZERO);
        assert_eq!(performance.error_rate, 0.0);
        assert_eq!(performance.max_response_time, 0.0);
        assert_eq!(performance.requests_per_second, 0.0);
    }

    #[test]
    fn only_the_latest_errors_are_kept() {
        let mut stats = stats();
        for number in 0..50 {
            stats.remember(RecentError {
                timestamp: String::new(),
                module_function: number.to_string(),
                error: String::new(),
                duration_ms: 0.0,
                peer_uid: Some(7),
                peer_pid: None,
                script: Script::default(),
            });
        }
        let errors = stats.recent_errors();
        assert_eq!((errors.len(), errors[0].module_function.as_str()), (RECENT_ERRORS, "30"));
    }

    #[test]
    fn closes_have_one_counter_a_reason() {
        let mut stats = stats();
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            stats.closed(reason);
        }
        assert_eq!(stats.closes().len(), CloseReason::ALL.len());
    }
}
