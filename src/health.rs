//! The verdict on the broker's figures: what is well, what wants a look, what is wrong.
//!
//! Pure: figures in, verdict out. The wording of the health line and of the two connection lines is fixed; operators'
//! scripts match it.

use crate::stats::{Lately, WorkerReport, ratio};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The span of `stats::LONGEST_WINDOW` in words.
const LATELY: &str = "the last five minutes";

/// What is judged.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Whole seconds since the start.
    pub uptime: u64,
    /// Calls answered.
    pub requests: u64,
    /// Calls answered with an error of the broker's or the operation's making.
    pub errors: u64,
    /// Panics caught.
    pub panics: u64,
    /// Connections now.
    pub active_connections: u64,
    /// The most connections at one time.
    pub peak_connections: u64,
    /// Connections idle past the stale timeout.
    pub stale_connections: u64,
    /// The most connections there may be.
    pub max_connections: u64,
    /// More connections than this are worth a line.
    pub elevated_connections: u64,
    /// More connections than this are worth a warning.
    pub high_connections: u64,
    /// Resident memory in MB.
    pub memory_mb: f64,
    /// What happened within the last minutes.
    pub lately: Lately,
    /// Open descriptors.
    pub open_fds: u64,
    /// The most descriptors there may be.
    pub max_fds: u64,
    /// Whether connections are being accepted.
    pub accepting: bool,
    /// The most live handles that one user has.
    pub largest_handle_user: u64,
    /// The most live handles a user may have.
    pub max_handles: u64,
    /// Live handles.
    pub handles: u64,
    /// The calls that run on workers.
    pub workers: WorkerReport,
    /// Modules loaded.
    pub modules: u64,
    /// 99th percentile of response times in seconds.
    pub p99_response_time: f64,
}

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Pass,
    /// Wants a look.
    Warn,
    /// Wrong.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// How it came out.
    pub status: Status,
    /// One line for a person.
    pub message: String,
    /// The figures behind it.
    pub details: Value,
}

/// `system.health`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// ISO 8601 in local time.
    pub timestamp: String,
    /// `healthy`, `degraded` (some check warns) or `unhealthy` (some check fails).
    pub overall_status: &'static str,
    /// The checks by name.
    pub checks: BTreeMap<&'static str, Check>,
    /// Messages of the checks that warn.
    pub warnings: Vec<String>,
    /// Messages of the checks that fail.
    pub errors: Vec<String>,
}

/// Judges the figures. `timestamp` is the time of the report, as text.
pub fn judge(figures: &Figures, timestamp: String) -> Report {
    let checks = BTreeMap::from([
        ("daemon_running", daemon_running(figures)),
        ("memory_usage", memory_usage(figures)),
        ("cpu_usage", cpu_usage(figures)),
        ("helper_modules", helper_modules(figures)),
        ("socket_connectivity", socket_connectivity(figures)),
        ("connections", connections(figures)),
        ("handles", handles(figures)),
        ("workers", workers(figures)),
        ("performance", performance(figures)),
    ]);
    let messages = |status: Status| -> Vec<String> {
        checks.values().filter(|check| check.status == status).map(|check| check.message.clone()).collect()
    };
    let (warnings, errors) = (messages(Status::Warn), messages(Status::Fail));
    let overall_status = match (errors.is_empty(), warnings.is_empty()) {
        (false, _) => "unhealthy",
        (true, false) => "degraded",
        (true, true) => "healthy",
    };
    Report { timestamp, overall_status, checks, warnings, errors }
}

/// The line the timer logs every `health_interval`.
pub fn line(figures: &Figures) -> String {
    format!(
        "Health check - Uptime: {}s, Requests: {}, Errors: {}, Active connections: {}/{} (current/peak)",
        figures.uptime, figures.requests, figures.errors, figures.active_connections, figures.peak_connections
    )
}

/// What the number of connections says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leak {
    /// Nothing.
    None,
    /// Worth a line.
    Elevated(String),
    /// Worth a warning.
    High(String),
}

/// The verdict on the number of connections, worded for the log.
pub fn leak(figures: &Figures) -> Leak {
    let active = figures.active_connections;
    if active > figures.high_connections {
        Leak::High(format!(
            "High connection count detected: {active} active connections. This may indicate a connection leak."
        ))
    } else if active > figures.elevated_connections {
        Leak::Elevated(format!("Elevated connection count: {active} active connections."))
    } else {
        Leak::None
    }
}

fn check(status: Status, message: String, details: Value) -> Check {
    Check { status, message, details }
}

fn daemon_running(figures: &Figures) -> Check {
    let details = json!({ "uptime_seconds": figures.uptime, "panics": figures.panics });
    if figures.panics > 0 {
        let message = format!("{} calls ended in a defect of the broker; see the log", figures.panics);
        return check(Status::Warn, message, details);
    }
    check(Status::Pass, format!("running for {} s", figures.uptime), details)
}

fn memory_usage(figures: &Figures) -> Check {
    const WARN_MB: f64 = 1024.0;
    const FAIL_MB: f64 = 4096.0;
    let status = above(figures.memory_mb, WARN_MB, FAIL_MB);
    check(status, format!("{:.1} MB resident", figures.memory_mb), json!({ "memory_mb": figures.memory_mb }))
}

fn cpu_usage(figures: &Figures) -> Check {
    // One thread runs the loop: what is worth a look is a core that is busy all the time.
    let percent = figures.lately.cpu_percent;
    let status = above(percent, 90.0 + 100.0 * figures.workers.workers as f64, f64::INFINITY);
    check(status, format!("{percent:.1} percent of a core within {LATELY}"), json!({ "cpu_percent": percent }))
}

fn helper_modules(figures: &Figures) -> Check {
    let status = if figures.modules == 0 { Status::Fail } else { Status::Pass };
    check(status, format!("{} modules loaded", figures.modules), json!({ "loaded": figures.modules }))
}

fn socket_connectivity(figures: &Figures) -> Check {
    let details = json!({ "accepting": figures.accepting, "open_fds": figures.open_fds, "max_fds": figures.max_fds });
    if !figures.accepting {
        return check(Status::Fail, "no further connections are accepted at the moment".to_owned(), details);
    }
    if ratio(figures.open_fds as f64, figures.max_fds as f64) > 0.9 {
        return check(
            Status::Warn,
            format!("{} of {} descriptors are in use", figures.open_fds, figures.max_fds),
            details,
        );
    }
    check(Status::Pass, "accepting connections".to_owned(), details)
}

fn connections(figures: &Figures) -> Check {
    let details = json!({
        "active": figures.active_connections,
        "peak": figures.peak_connections,
        "stale": figures.stale_connections,
        "limit": figures.max_connections,
    });
    if figures.active_connections >= figures.max_connections {
        let message = format!("all {} connections are in use; new ones wait", figures.max_connections);
        return check(Status::Fail, message, details);
    }
    match leak(figures) {
        Leak::High(message) => check(Status::Warn, message, details),
        // Elevated is worth knowing, not worrying about.
        Leak::Elevated(message) => check(Status::Pass, message, details),
        Leak::None => {
            let message = format!("{} active, {} at the peak", figures.active_connections, figures.peak_connections);
            check(Status::Pass, message, details)
        }
    }
}

fn handles(figures: &Figures) -> Check {
    let used = ratio(figures.largest_handle_user as f64, figures.max_handles as f64);
    let details = json!({
        "live": figures.handles,
        "largest_user": figures.largest_handle_user,
        "limit_per_user": figures.max_handles,
    });
    match used {
        _ if used >= 1.0 => check(
            Status::Fail,
            format!("a user has {} handles, as many as allowed", figures.largest_handle_user),
            details,
        ),
        _ if used > 0.8 => check(
            Status::Warn,
            format!("a user has {} of {} handles", figures.largest_handle_user, figures.max_handles),
            details,
        ),
        _ => check(Status::Pass, format!("{} live handles", figures.handles), details),
    }
}

fn workers(figures: &Figures) -> Check {
    let workers = &figures.workers;
    let used = ratio(workers.queued as f64, workers.queue_limit as f64);
    let message = format!("{} of {} workers busy, {} calls waiting", workers.busy, workers.workers, workers.queued);
    check(above(used, 0.5, 0.999), message, json!(workers))
}

fn performance(figures: &Figures) -> Check {
    let Lately { requests, failed, .. } = figures.lately;
    let error_rate = ratio(failed as f64, requests as f64);
    let details = json!({
        "error_rate": error_rate,
        "requests": requests,
        "failed": failed,
        "error_rate_since_start": ratio(figures.errors as f64, figures.requests as f64),
        "p99_response_time": figures.p99_response_time,
    });
    // A handful of calls says nothing about a rate.
    let status = if requests < 20 { Status::Pass } else { above(error_rate, 0.05, 0.5) };
    check(status, format!("{:.1} percent of the {requests} calls of {LATELY} failed", error_rate * 100.0), details)
}

fn above(figure: f64, warn: f64, fail: f64) -> Status {
    match figure {
        _ if figure > fail => Status::Fail,
        _ if figure > warn => Status::Warn,
        _ => Status::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            uptime: 60,
            requests: 20,
            peak_connections: 1,
            max_connections: 100,
            elevated_connections: 20,
            high_connections: 50,
            accepting: true,
            max_fds: 1000,
            max_handles: 10,
            workers: WorkerReport { workers: 2, queue_limit: 10, ..WorkerReport::default() },
            modules: 3,
            ..Figures::default()
        }
    }

    #[test]
    fn the_lines_are_worded_exactly() {
        let mut figures = figures();
        assert_eq!(
            line(&figures),
            "Health check - Uptime: 60s, Requests: 20, Errors: 0, Active connections: 0/1 (current/peak)"
        );
        assert_eq!(leak(&figures), Leak::None);
        figures.active_connections = 20;
        assert_eq!(leak(&figures), Leak::None);
        figures.active_connections = 21;
        assert_eq!(leak(&figures), Leak::Elevated("Elevated connection count: 21 active connections.".to_owned()));
        figures.active_connections = 51;
        let Leak::High(message) = leak(&figures) else { panic!() };
        assert_eq!(
            message,
            "High connection count detected: 51 active connections. This may indicate a connection leak."
        );
    }

    #[test]
    fn the_worst_check_decides() {
        let report = judge(&figures(), String::new());
        assert_eq!((report.overall_status, report.checks.len()), ("healthy", 9), "{:?}", report.warnings);
        let report = judge(&Figures { active_connections: 60, ..figures() }, String::new());
        assert_eq!(report.overall_status, "degraded");
        assert_eq!(report.warnings.len(), 1);
        let report = judge(&Figures { accepting: false, active_connections: 60, ..figures() }, String::new());
        assert_eq!(report.overall_status, "unhealthy");
    }

    #[test]
    fn what_failed_long_ago_is_over() {
        let lately = Lately { requests: 100, failed: 1, ..Lately::default() };
        let report = judge(&Figures { requests: 1000, errors: 900, lately, ..figures() }, String::new());
        assert_eq!(report.overall_status, "healthy", "{:?}", report.errors);
        assert_eq!(
            report.checks["performance"].message,
            "1.0 percent of the 100 calls of the last five minutes failed"
        );
    }

    #[test]
    fn every_check_can_come_out_otherwise() {
        let cases = [
            ("daemon_running", Figures { panics: 1, ..figures() }),
            ("memory_usage", Figures { memory_mb: 5000.0, ..figures() }),
            ("cpu_usage", Figures { lately: Lately { cpu_percent: 295.0, ..Lately::default() }, ..figures() }),
            ("helper_modules", Figures { modules: 0, ..figures() }),
            ("socket_connectivity", Figures { open_fds: 950, ..figures() }),
            ("connections", Figures { active_connections: 100, ..figures() }),
            ("handles", Figures { largest_handle_user: 9, ..figures() }),
            ("workers", Figures { workers: WorkerReport { queued: 10, ..figures().workers }, ..figures() }),
            ("performance", Figures { lately: Lately { requests: 100, failed: 60, ..Lately::default() }, ..figures() }),
        ];
        for (name, figures) in cases {
            assert_ne!(judge(&figures, String::new()).checks[name].status, Status::Pass, "{name}");
        }
    }
}
