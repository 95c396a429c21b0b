//! What functions see of the broker, and the figures that its health is judged by.

use super::connection::{Connection, ConnectionId};
use super::locks::Locks;
use super::shapes::{self, Cleaned, ConnectionLimits, ProgramFile, Resources, SettingInForce, SettingValue, Traffic};
use super::{Broker, process};
use crate::config::Measure;
use crate::health::{self, Figures};
use crate::stats::{
    CloseReason, Counters, FunctionFigures, FunctionReport, Gauges, LONGEST_WINDOW, Lately, Performance, Point,
    RecentError, SecurityReport, Totals, Unreached, WorkerReport, ratio,
};
use chrono::{DateTime, FixedOffset, Local, SecondsFormat, Utc};
use kit::handles::needs_broker;
use kit::protocol::{CallError, Code};
use kit::store::HandleStore;
use kit::{Call, Caller, Host, Registry};
use slog::{info, warn};
use std::any::Any;
use std::cmp::Reverse;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MB: f64 = (1 << 20) as f64;
const MINUTE: Duration = Duration::from_secs(60);

/// ISO 8601 in local time, to the millisecond.
pub fn timestamp(time: SystemTime) -> String {
    DateTime::<Local>::from(time).to_rfc3339_opts(SecondsFormat::Millis, false)
}

/// How busy the broker was over the last health interval.
#[derive(Debug, Default)]
pub struct Trend {
    since: Duration,
    cpu: f64,
    peak_cpu: f64,
}

impl Trend {
    /// Begins with what was counted before.
    pub fn begin(&mut self, now: Duration) {
        (self.since, self.cpu) = (now, process::cpu_seconds());
    }

    /// Ends an interval.
    pub fn advance(&mut self, now: Duration) {
        let cpu = process::cpu_seconds();
        let elapsed = (now - self.since).as_secs_f64();
        self.peak_cpu = self.peak_cpu.max(ratio((cpu - self.cpu) * 100.0, elapsed));
        (self.since, self.cpu) = (now, cpu);
    }
}

impl Broker {
    /// Everything that health is judged by.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            uptime: self.now.as_secs(),
            requests: self.figures.stats.requests,
            errors: self.figures.stats.failed,
            panics: self.figures.stats.panics,
            active_connections: self.lines.connections.len() as u64,
            peak_connections: self.figures.stats.peak_connections,
            stale_connections: self.stale_connections(),
            max_connections: self.config.max_connections as u64,
            elevated_connections: self.config.elevated_connections,
            high_connections: self.config.high_connections,
            memory_mb: process::memory().0 as f64 / MB,
            lately: self.lately(LONGEST_WINDOW),
            open_fds: process::open_descriptors(),
            max_fds: self.descriptor_limit,
            accepting: self.lines.gate.is_open(),
            largest_handle_user: self.work.handles.largest_user() as u64,
            max_handles: self.work.handles.max_per_user() as u64,
            handles: self.work.handles.len() as u64,
            workers: self.worker_report(),
            modules: self.registry.modules().len() as u64,
            p99_response_time: self.figures.stats.performance(self.now).p99_response_time,
        }
    }

    fn totals(&self) -> Totals {
        Totals { requests: self.figures.stats.requests, failed: self.figures.stats.failed, cpu: process::cpu_seconds() }
    }

    /// Remembers from time to time what was counted so far, so that it can be told what happened lately.
    #[inline]
    pub(super) fn remember_totals(&mut self) {
        if self.figures.window.is_due(self.now) {
            self.figures.window.remember(self.now, self.totals());
        }
    }

    /// What happened within the last while.
    pub(super) fn lately(&self, span: Duration) -> Lately {
        self.figures.window.lately(self.now, self.totals(), span)
    }

    /// What is counted at this moment, for the history.
    pub(super) fn gauges(&self) -> Gauges {
        Gauges {
            connections: self.lines.connections.len() as u64,
            memory_mb: process::memory().0 as f64 / MB,
            handles: self.work.handles.len() as u64,
            queued: self.work.jobs.waiting() as u64,
        }
    }

    fn worker_report(&self) -> WorkerReport {
        WorkerReport {
            workers: self.config.workers as u64,
            busy: self.work.workers.busy() as u64,
            queued: self.work.jobs.waiting() as u64,
            queue_limit: self.config.worker_queue as u64,
            peak_queued: self.figures.stats.peak_queued,
            overloaded: self.figures.stats.overloaded,
            finished: self.figures.stats.worker_finished(),
            wait_time: self.figures.stats.worker_wait.report(),
            run_time: self.figures.stats.worker_run.report(),
        }
    }

    fn is_stale(&self, connection: &Connection) -> bool {
        let idle = self.now.saturating_sub(connection.last_activity);
        connection.is_idle() && self.config.stale_timeout.is_some_and(|timeout| idle > timeout)
    }

    fn stale_connections(&self) -> u64 {
        self.lines.connections.iter().filter(|(_, connection)| self.is_stale(connection)).count() as u64
    }
}

/// Settings that a guest is shown: those that bound his own calls.
const GUESTS_SETTINGS: [&str; 13] = [
    "max_frame",
    "max_outstanding",
    "stale_timeout",
    "frame_timeout",
    "write_timeout",
    "high_water",
    "low_water",
    "user_connections",
    "user_queue",
    "user_running",
    "user_memory",
    "handle_idle_timeout",
    "max_handles",
];

/// The broker as a function sees it: everything, and who asks. Of what belongs to others a guest sees sums and nothing else.
pub struct View<'b> {
    /// The broker.
    pub broker: &'b mut Broker,
    /// The connection whose call this is.
    pub asking: ConnectionId,
    /// Who asks.
    pub caller: Caller,
}

impl<'b> View<'b> {
    /// What is shown where no connection asks: sums.
    pub fn of_nobody(broker: &'b mut Broker) -> Self {
        Self { broker, asking: ConnectionId::NONE, caller: Caller::default() }
    }

    /// What a call in the loop is shown.
    ///
    /// # Errors
    /// `failed` in a call without a broker.
    pub fn of(call: &'b mut Call<'_>) -> Result<Self, CallError> {
        let caller = call.caller;
        let broker = call.host()?.itself().downcast_mut::<Broker>().ok_or_else(needs_broker)?;
        let asking = broker.asking;
        Ok(Self { broker, asking, caller })
    }

    /// Whether who asks may see, and close, what belongs to this user.
    fn concerns(&self, uid: u32) -> bool {
        self.caller.privileged || self.caller.uid == uid
    }

    fn describe(&self, connection: &Connection, offset: FixedOffset) -> shapes::Connection {
        let broker = &*self.broker;
        // The offset is looked up once for all: with thousands of connections, looking it up for each takes too long.
        let text = |time: Duration| {
            DateTime::<Utc>::from(broker.started_at + time)
                .with_timezone(&offset)
                .to_rfc3339_opts(SecondsFormat::Millis, false)
        };
        shapes::Connection {
            connection_id: connection.serial,
            start_time: text(connection.accepted),
            duration_seconds: broker.now.saturating_sub(connection.accepted).as_secs_f64(),
            requests_count: connection.requests,
            last_activity: text(connection.last_activity),
            idle_time: broker.now.saturating_sub(connection.last_activity).as_secs_f64(),
            status: if broker.is_stale(connection) { "stale" } else { "active" },
            peer_pid: connection.caller.pid,
            peer_uid: connection.caller.uid,
            bytes_in: connection.bytes_in,
            bytes_out: connection.bytes_out,
        }
    }
}

impl Host for Broker {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn uptime(&self) -> Duration {
        self.now
    }

    fn handle_store(&mut self) -> &mut HandleStore {
        &mut self.work.handles
    }

    fn itself(&mut self) -> &mut dyn Any {
        self
    }
}

impl View<'_> {
    /// Every module there is.
    pub fn registry(&self) -> &Registry {
        &self.broker.registry
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.broker.now
    }

    /// The time now, ISO 8601 in local time.
    pub fn timestamp(&self) -> String {
        timestamp(SystemTime::now())
    }

    /// The path of the socket.
    pub fn socket_path(&self) -> String {
        self.broker.socket_path().display().to_string()
    }

    /// Every setting in force.
    pub fn settings(&self) -> Vec<SettingInForce> {
        let config = &self.broker.config;
        let setting = |(name, value, source): (&'static str, String, String)| {
            let value = match (name, config.values.measure(name)) {
                // Where it is by default depends on the user; what counts is where it is.
                ("socket", _) => SettingValue::Text(self.socket_path()),
                ("log_file", _) => SettingValue::Text(
                    config.log_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
                ),
                (_, Some(Measure::Count(count))) => SettingValue::Count(count as u64),
                (_, Some(Measure::Time(time))) => SettingValue::Seconds(time.as_secs_f64()),
                (_, None) => SettingValue::Text(value),
            };
            SettingInForce { name, value, source }
        };
        let shown = |name: &str| self.caller.privileged || GUESTS_SETTINGS.contains(&name);
        config.values.in_force().into_iter().filter(|(name, ..)| shown(name)).map(setting).collect()
    }

    /// Plain counters.
    pub fn counters(&self) -> Counters {
        let stats = &self.broker.figures.stats;
        Counters {
            requests_processed: stats.requests,
            requests_failed: stats.failed,
            requests_rejected: stats.rejected,
            validation_failures: stats.invalid,
            security_events: stats.security.total(),
            start_time: self.broker.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            last_cleanup: stats.last_cleanup,
            connections_total: stats.connections,
            connections_rejected: stats.connections_rejected,
            peak_connections: stats.peak_connections,
            active_connections: self.broker.lines.connections.len() as u64,
        }
    }

    /// All calls taken together.
    pub fn performance(&self) -> Performance {
        self.broker.figures.stats.performance(self.broker.now)
    }

    /// How things went since the start.
    pub fn history(&self) -> Vec<Point> {
        self.broker.figures.stats.points(self.broker.now, self.broker.gauges())
    }

    /// The calls that run on workers.
    pub fn workers(&self) -> WorkerReport {
        self.broker.worker_report()
    }

    /// Every function that was called.
    pub fn functions(&self) -> Vec<FunctionFigures> {
        self.broker.figures.stats.functions()
    }

    /// What went over connections.
    pub fn traffic(&self) -> Traffic {
        let broker = &*self.broker;
        Traffic {
            max_connections: broker.config.max_connections as u64,
            bytes_in: broker.figures.stats.bytes_in,
            bytes_out: broker.figures.stats.bytes_out,
            closed: broker.figures.stats.closes(),
            rejected_crowded: broker.figures.stats.connections_crowded,
        }
    }

    /// Closes a connection by its number, unless it is the one that asks. Returns whether there was one.
    pub fn close(&mut self, serial: u64) -> bool {
        let found = self.broker.lines.connections.iter().find(|(id, one)| one.serial == serial && *id != self.asking);
        let Some(id) = found.map(|(id, _)| id) else { return false };
        // What it was answered before this call came is still its own.
        self.broker.end_turns();
        self.broker.close(id, CloseReason::Closed);
        true
    }

    /// The functions that were called, the one called most first.
    pub fn busiest(&self) -> Vec<FunctionReport> {
        self.broker.figures.stats.busiest()
    }

    /// The calls that run on workers or wait for one, the longest first, up to `most` and no more than [`LONGEST_LIST`]. A guest
    /// is shown his own.
    pub fn calls(&self, most: usize) -> shapes::CallsInWork {
        self.broker.calls_in_work(|uid| self.concerns(uid), most)
    }

    /// What may be somebody trying doors. A guest is shown his own events, and the counters.
    pub fn security(&self) -> SecurityReport {
        self.broker.figures.stats.security.report(|uid| self.concerns(uid))
    }

    /// Servers that calls did not reach lately. A guest is shown his own.
    pub fn unreached(&self) -> Vec<Unreached> {
        self.broker.figures.stats.unreached.report(|uid| self.concerns(uid))
    }

    /// The latest failures.
    pub fn recent_errors(&self) -> Vec<RecentError> {
        let mut errors = self.broker.figures.stats.recent_errors();
        errors.retain(|error| error.peer_uid.map_or(self.caller.privileged, |uid| self.concerns(uid)));
        errors
    }

    /// The verdict.
    pub fn health(&self) -> health::Report {
        health::judge(&self.broker.figures(), self.timestamp())
    }

    /// Memory, CPU, descriptors.
    pub fn resources(&self) -> Resources {
        let broker = &*self.broker;
        let (resident, peak) = process::memory();
        let health = self.health();
        let cpu_percent = ratio(process::cpu_seconds() * 100.0, broker.now.as_secs_f64());
        let lately = broker.lately(MINUTE);
        Resources {
            memory_mb: resident as f64 / MB,
            peak_memory: peak as f64 / MB,
            cpu_seconds: process::cpu_seconds(),
            held_bytes: (broker.work.quotas.held() + broker.work.handles.memory(0).1) as u64,
            cpu_percent,
            peak_cpu: broker.figures.trend.peak_cpu.max(cpu_percent),
            requests_per_minute: lately.requests as f64,
            concurrent_requests: broker.work.jobs.running() as u64 + 1,
            open_fds: process::open_descriptors(),
            violations: health.errors,
            warnings: health.warnings,
        }
    }

    /// Connections, the latest first: up to `most` of those with a number below `before`, and no more than [`LONGEST_LIST`].
    /// A guest is shown his own.
    pub fn connections(&self, before: Option<u64>, most: usize) -> shapes::Connections {
        let broker = &*self.broker;
        let offset = *crate::logging::now().offset();
        let mut shown: Vec<&Connection> = broker
            .lines
            .connections
            .iter()
            .map(|(_, connection)| connection)
            .filter(|connection| self.concerns(connection.caller.uid))
            .collect();
        let active_connections = shown.len() as u64;
        shown.retain(|connection| before.is_none_or(|before| connection.serial < before));
        let most = most.min(shapes::LONGEST_LIST);
        if shown.len() > most {
            // The latest of them, found without putting all in order.
            shown.select_nth_unstable_by_key(most, |connection| Reverse(connection.serial));
            shown.truncate(most);
        }
        shown.sort_unstable_by_key(|connection| Reverse(connection.serial));
        let connections = shown.into_iter().map(|connection| self.describe(connection, offset)).collect();
        shapes::Connections {
            total_connections: active_connections,
            connections_accepted: broker.figures.stats.connections,
            active_connections,
            stale_connections: broker.stale_connections(),
            peak_connections: broker.figures.stats.peak_connections,
            connections,
            closed: broker.figures.stats.closes(),
            connection_limits: ConnectionLimits {
                max_concurrent: broker.config.max_connections as u64,
                stale_timeout: broker.config.stale_timeout.unwrap_or_default().as_secs_f64(),
            },
        }
    }

    /// How many connections are idle past the stale timeout.
    pub fn stale_connections(&self) -> u64 {
        self.broker.stale_connections()
    }

    /// Live handles.
    pub fn handle_store(&mut self) -> &mut HandleStore {
        &mut self.broker.work.handles
    }

    /// The script of a process that made a handle, where it is known.
    pub fn maker(&self, pid: i32) -> Option<String> {
        self.broker.figures.makers.script(pid).map(str::to_owned)
    }

    /// What users have locked.
    pub fn locks(&mut self) -> &mut Locks {
        &mut self.broker.work.locks
    }

    /// Locks a user's things, and refuses what waits of their calls.
    ///
    /// # Errors
    /// Those of [`Locks::lock`].
    pub fn lock(&mut self, uid: u32, passphrase: &[u8]) -> Result<(), CallError> {
        self.broker.work.locks.lock(uid, passphrase)?;
        self.broker.refuse_locked(uid);
        info!(self.broker.log.logger, "Locked"; "uid" => uid, "pid" => self.caller.pid);
        Ok(())
    }

    /// Unlocks them again; their handles count as used now.
    ///
    /// # Errors
    /// Those of [`Locks::unlock`].
    pub fn unlock(&mut self, uid: u32, passphrase: &[u8]) -> Result<(), CallError> {
        let broker = &mut *self.broker;
        let unlocked = broker.work.locks.unlock(uid, passphrase, broker.now);
        match &unlocked {
            Ok(()) => {
                broker.work.handles.touch(uid, broker.now);
                info!(broker.log.logger, "Unlocked"; "uid" => uid, "pid" => self.caller.pid);
            }
            Err(error) if error.code == Code::Denied => {
                if let Some(left_out) = broker.figures.throttle.admit("unlock", uid, broker.now) {
                    warn!(broker.log.logger, "Not unlocked: a wrong passphrase, or too soon after one"; "uid" => uid,
                        "pid" => self.caller.pid, "left_out" => left_out);
                }
            }
            Err(_) => {}
        }
        unlocked
    }

    /// Whether the broker's own user or root asks.
    pub fn is_privileged(&self) -> bool {
        self.caller.privileged
    }

    /// Closes connections idle past the stale timeout, except the one that asks; a guest's call closes his own.
    pub fn close_stale(&mut self) -> Vec<Cleaned> {
        let broker = &*self.broker;
        let stale: Vec<(ConnectionId, Cleaned)> = broker
            .lines
            .connections
            .iter()
            .filter(|(id, connection)| {
                *id != self.asking && self.concerns(connection.caller.uid) && broker.is_stale(connection)
            })
            .map(|(id, connection)| {
                let idle_time = broker.now.saturating_sub(connection.last_activity).as_secs_f64();
                (id, Cleaned { connection_id: connection.serial, idle_time })
            })
            .collect();
        let broker = &mut *self.broker;
        broker.figures.stats.last_cleanup =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        stale
            .into_iter()
            .map(|(id, cleaned)| {
                broker.close(id, CloseReason::Cleanup);
                cleaned
            })
            .collect()
    }

    /// How often another program has taken this one's place.
    pub fn reloads(&self) -> u64 {
        self.broker.figures.stats.reloads
    }

    /// The program's file.
    pub fn program(&self) -> ProgramFile {
        let file = self.broker.own_file;
        ProgramFile {
            path: self.broker.origin.program.display().to_string(),
            device: file.map(|(device, _)| device),
            inode: file.map(|(_, inode)| inode),
        }
    }

    /// Begins to let the program that is now at this one's path take its place. The call is answered when that is done, by
    /// the new program, or when it has failed.
    ///
    /// # Errors
    /// `unavailable` while shutting down, `failed` if the new program can't be tried out.
    pub fn reload(&mut self) -> Result<(), CallError> {
        self.broker.begin_reload("system.reload")
    }

    /// Begins to drain and exit.
    pub fn shut_down(&mut self) {
        self.broker.drain("system.shutdown");
    }
}
