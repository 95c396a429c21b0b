//! What the broker tells of itself: shapes of results.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most connections that one answer lists.
pub const LONGEST_LIST: usize = 250;

/// One setting, as `system.info` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingInForce {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: SettingValue,
    /// Where the value came from: `default`, `file`, `environment` or `flag`, with the exact place.
    pub source: String,
}

/// A setting's value, in the form that scripts count with.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// A number, or bytes.
    Count(u64),
    /// Seconds; 0 for never.
    Seconds(f64),
    /// Anything else, as it is written.
    Text(String),
}

/// `resource_status`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Resources {
    /// Resident memory now, MB.
    pub memory_mb: f64,
    /// The most resident memory, MB.
    pub peak_memory: f64,
    /// Bytes held for callers: unfinished messages, waiting calls, answers not taken, bodies in the making.
    pub held_bytes: u64,
    /// CPU time used since the start, seconds.
    pub cpu_seconds: f64,
    /// CPU use since the start, percent of one core.
    pub cpu_percent: f64,
    /// The highest CPU use over one health interval, percent of one core.
    pub peak_cpu: f64,
    /// Calls in the last minute.
    pub requests_per_minute: f64,
    /// Calls in work now, the one that asks included.
    pub concurrent_requests: u64,
    /// Open descriptors.
    pub open_fds: u64,
    /// Checks of the health report that fail.
    pub violations: Vec<String>,
    /// Checks of the health report that warn.
    pub warnings: Vec<String>,
}

/// `system.connections`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Connections {
    /// Connections now, as the old daemon has it.
    pub total_connections: u64,
    /// Connections accepted since the start.
    pub connections_accepted: u64,
    /// Connections now.
    pub active_connections: u64,
    /// Those idle past the stale timeout.
    pub stale_connections: u64,
    /// The most at one time.
    pub peak_connections: u64,
    /// One entry a connection.
    pub connections: Vec<Connection>,
    /// Closed connections by reason.
    pub closed: BTreeMap<&'static str, u64>,
    /// The limits in force.
    pub connection_limits: ConnectionLimits,
}

/// `system.calls`: what runs and what waits at this moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CallsInWork {
    /// Calls that workers have.
    pub running: u64,
    /// Calls that wait for a worker, or for an earlier one on the same handle.
    pub waiting: u64,
    /// The most workers there may be.
    pub workers: u64,
    /// One entry a call, the longest first.
    pub calls: Vec<CallInWork>,
}

/// One call that runs or waits.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CallInWork {
    /// What was called.
    pub module_function: String,
    /// `runs`, `waits`, `waits for its handle`, or `given up`: it runs, but nobody waits for it any more.
    pub status: &'static str,
    /// Seconds since it came.
    pub seconds: f64,
    /// Seconds since a worker has it.
    pub running_seconds: Option<f64>,
    /// The connection that it came over, unless that is closed.
    pub connection_id: Option<u64>,
    /// Whose call it is.
    pub peer_uid: u32,
    /// The process, when it connected.
    pub peer_pid: i32,
}

/// What went over connections, and how they ended.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// The most connections there may be.
    pub max_connections: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Closed connections by reason.
    pub closed: BTreeMap<&'static str, u64>,
    /// Connections that were turned away because their user has too many.
    pub rejected_crowded: u64,
}

/// The file of the program that runs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProgramFile {
    /// By which name it was started, and where another is looked for at a reload.
    pub path: String,
    /// What it was then: its file system's device, and its number there. None where the kernel did not say.
    pub device: Option<u64>,
    /// The number.
    pub inode: Option<u64>,
}

/// One connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Connection {
    /// Its number; never used again within the life of the broker.
    pub connection_id: u64,
    /// When it was accepted, ISO 8601 in local time.
    pub start_time: String,
    /// Seconds since then.
    pub duration_seconds: f64,
    /// Calls it made.
    pub requests_count: u64,
    /// When a byte last came or went, ISO 8601 in local time.
    pub last_activity: String,
    /// Seconds since then.
    pub idle_time: f64,
    /// `active` or `stale`.
    pub status: &'static str,
    /// The peer's process id when it connected.
    pub peer_pid: i32,
    /// The peer's user id.
    pub peer_uid: u32,
    /// Bytes read from it.
    pub bytes_in: u64,
    /// Bytes written to it.
    pub bytes_out: u64,
}

/// Limits on connections.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConnectionLimits {
    /// The most at one time.
    pub max_concurrent: u64,
    /// Seconds without a byte after which a connection is stale; 0 = never.
    pub stale_timeout: f64,
}

/// A connection that a clean-up closed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Cleaned {
    /// Its number.
    pub connection_id: u64,
    /// Seconds it had been idle.
    pub idle_time: f64,
}
