//! What the broker says of itself, and how it changes from look to look.

use crate::cli::client::{Client, ClientError};
use crate::cli::json::Json;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

/// Looks that the graphs remember.
const HISTORY: usize = 400;

/// One look at a broker.
#[derive(Clone, Default)]
pub struct Sample {
    /// When.
    pub at: Option<Instant>,
    /// `system.info`.
    pub info: Value,
    /// `system.metrics`.
    pub metrics: Value,
    /// `system.performance`.
    pub performance: Value,
    /// `system.connections`.
    pub connections: Value,
    /// `system.calls`.
    pub calls: Value,
    /// `system.health`.
    pub health: Value,
}

impl Sample {
    /// Asks the broker.
    ///
    /// # Errors
    /// Those of the calls.
    pub fn take(broker: &mut Client) -> Result<Self, ClientError> {
        let none: BTreeMap<String, String> = BTreeMap::new();
        let mut ask = |method: &str| broker.call::<Json>(method, &none).map(|Json(value)| value);
        Ok(Self {
            at: Some(Instant::now()),
            info: ask("system.info")?,
            metrics: ask("system.metrics")?,
            performance: ask("system.performance")?,
            connections: ask("system.connections")?,
            // An older broker has none.
            calls: ask("system.calls").unwrap_or_default(),
            health: ask("system.health")?,
        })
    }

    fn total(&self, name: &str) -> f64 {
        self.performance["performance_metrics"][name].as_f64().unwrap_or_default()
    }

    /// Calls answered, and the seconds that they took together.
    fn calls(&self) -> (f64, f64) {
        let calls = self.total("total_requests");
        (calls, calls * self.total("avg_response_time"))
    }
}

/// One function, as the table shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionRow {
    /// `module.function`.
    pub method: String,
    /// Calls a second since the last look.
    pub rate: f64,
    /// Calls since the broker's start.
    pub calls: u64,
    /// Mean time, milliseconds.
    pub mean: f64,
    /// 99th percentile, milliseconds.
    pub p99: f64,
    /// All calls together, seconds.
    pub total: f64,
    /// Failed calls, percent.
    pub errors: f64,
}

/// The latest look, and what the graphs show.
#[derive(Default)]
pub struct State {
    /// The latest look.
    pub latest: Sample,
    /// Why there is none since.
    pub lost: Option<String>,
    /// Calls a second, the latest last.
    pub throughput: VecDeque<f64>,
    /// Mean milliseconds a call, the latest last.
    pub latency: VecDeque<f64>,
    /// The functions that were called.
    pub functions: Vec<FunctionRow>,
}

impl State {
    /// Takes in a look.
    pub fn add(&mut self, sample: Sample) {
        let elapsed = match (self.latest.at, sample.at) {
            (Some(before), Some(now)) => (now - before).as_secs_f64().max(1e-3),
            _ => 0.0,
        };
        let (before, now) = (self.latest.calls(), sample.calls());
        // Counters that went back are another broker's.
        let calls = now.0 - before.0;
        if elapsed > 0.0 && calls >= 0.0 {
            push(&mut self.throughput, calls / elapsed);
            let latency = if calls > 0.0 { (now.1 - before.1).max(0.0) * 1e3 / calls } else { 0.0 };
            push(&mut self.latency, latency);
        }
        let earlier: HashMap<String, u64> = self.functions.iter().map(|row| (row.method.clone(), row.calls)).collect();
        self.functions = function_rows(&sample, &earlier, elapsed);
        self.latest = sample;
        self.lost = None;
    }

    /// The broker could not be asked.
    pub fn lose(&mut self, why: &str) {
        self.lost = Some(why.to_owned());
    }
}

fn push(history: &mut VecDeque<f64>, value: f64) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(value);
}

fn function_rows(sample: &Sample, earlier: &HashMap<String, u64>, elapsed: f64) -> Vec<FunctionRow> {
    let rows = sample.performance["module_performance"]["top_modules"].as_array();
    let row = |one: &Value| {
        let method = one["module_function"].as_str().unwrap_or_default().to_owned();
        let calls = one["requests"].as_u64().unwrap_or_default();
        let number = |name: &str| one[name].as_f64().unwrap_or_default();
        let since = calls.saturating_sub(earlier.get(&method).copied().unwrap_or(calls));
        let rate = if elapsed > 0.0 { since as f64 / elapsed } else { 0.0 };
        FunctionRow {
            rate,
            calls,
            mean: number("avg_time_ms"),
            p99: number("p99_time_ms"),
            total: number("total_time_ms") / 1e3,
            errors: number("error_rate"),
            method,
        }
    };
    rows.into_iter().flatten().map(row).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    /// A look at a broker that has answered so many calls, in a millisecond each.
    pub fn sample(at: Instant, calls: u64) -> Sample {
        Sample {
            at: Some(at),
            info: json!({ "daemon_version": "1.2.3", "pid": 77, "uptime": 125.0, "socket_path": "/run/x/broker.sock" }),
            metrics: json!({
                "resource_status": { "memory_mb": 12.5, "cpu_percent": 3.0, "open_fds": 17 },
                "handle_summary": { "cipher": 3, "http session": 1 },
            }),
            performance: json!({
                "performance_metrics": {
                    "total_requests": calls, "failed_requests": 2, "avg_response_time": 0.001,
                    "p50_response_time": 0.0005, "p95_response_time": 0.002, "p99_response_time": 0.004,
                },
                "module_performance": { "top_modules": [
                    { "module_function": "test.echo", "requests": calls / 2, "avg_time_ms": 0.5, "p99_time_ms": 1.0, "total_time_ms": 0.5 * (calls / 2) as f64, "error_rate": 0.0 },
                    { "module_function": "crypto.encrypt", "requests": calls / 4, "avg_time_ms": 2.5, "p99_time_ms": 9.0, "total_time_ms": 2.5 * (calls / 4) as f64, "error_rate": 1.5 },
                ] },
                "worker_performance": { "workers": 32, "busy": 2, "queued": 5 },
                "recent_errors": [
                    { "timestamp": "2026-01-02T03:04:05.678+00:00", "module_function": "crypto.new", "error": "invalid_params: key", "duration_ms": 0.1,
                      "peer_uid": 0, "peer_pid": 4711, "script": "nightly.pl" },
                ],
            }),
            connections: json!({
                "active_connections": 2, "peak_connections": 9,
                "connections": [
                    { "connection_id": 4, "peer_pid": std::process::id(), "peer_uid": 0, "duration_seconds": 61.0, "idle_time": 0.5,
                      "requests_count": 12, "bytes_in": 2048, "bytes_out": 99 },
                    { "connection_id": 9, "peer_pid": 0, "peer_uid": 1000, "duration_seconds": 2.0, "idle_time": 1.0,
                      "requests_count": 700, "bytes_in": 5, "bytes_out": 6 },
                ],
            }),
            calls: json!({ "running": 1, "waiting": 1, "workers": 32, "calls": [
                { "module_function": "http.get", "status": "runs", "seconds": 75.0, "running_seconds": 70.0, "connection_id": 9,
                  "peer_uid": 0, "peer_pid": std::process::id() },
                { "module_function": "crypto.hash", "status": "waits", "seconds": 5.0, "running_seconds": null,
                  "connection_id": 4, "peer_uid": 0, "peer_pid": 0 },
            ] }),
            health: json!({
                "overall_status": "degraded",
                "checks": {
                    "workers": { "status": "warn", "message": "5 calls waiting" },
                    "handles": { "status": "pass", "message": "4 live handles" },
                },
            }),
        }
    }

    #[test]
    fn rates_are_those_since_the_last_look() {
        let begin = Instant::now();
        let mut state = State::default();
        state.add(sample(begin, 1000));
        assert!(state.throughput.is_empty() && state.functions[0].rate == 0.0, "one look shows no change");
        state.add(sample(begin + Duration::from_secs(2), 3000));
        assert_eq!(state.throughput, [1000.0]);
        assert!((state.latency[0] - 1.0).abs() < 1e-9);
        assert_eq!(state.functions[0].rate, 500.0);
        // Another broker, which begins to count anew, is no negative rate.
        state.add(sample(begin + Duration::from_secs(3), 10));
        assert_eq!((state.throughput.len(), state.functions[0].rate), (1, 0.0));
        for second in 0..1000 {
            state.add(sample(begin + Duration::from_secs(10 + second), 1000 * second));
        }
        assert_eq!(state.throughput.len(), HISTORY);
    }
}
