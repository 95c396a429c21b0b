//! Module `system`: what the broker knows about itself, and steering it.
//!
//! The shapes are those that monitoring scripts of the old daemon read.

mod openmetrics;
mod steering;

use crate::broker::shapes::{CallsInWork, Connections, LONGEST_LIST, ProgramFile, Resources, SettingValue};
use crate::broker::view::View;
use crate::health::Report;
use crate::stats::{
    Counters, FunctionReport, Performance, Point, RecentError, SecurityReport, Unreached, WorkerReport,
};
use kit::Registry;
use kit::call::Call;
use kit::function::{Function, MOST_INLINE, Module, NoParameters, Parameter, Placement, Returns};
use kit::protocol::lenient::Integer;
use kit::protocol::{CallError, PROTOCOL_VERSION};
use kit::store::HandlesOfUser;
use openmetrics::{OpenMetrics, openmetrics};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use steering::{
    CloseConnection, FreeHandle, ListHandles, Passphrase, cleanup, close_connection, free_handle, handles, limit, lock,
    reload, shutdown, unlock,
};

/// The platform, as `system.info` names it.
pub const PLATFORM: &str = std::env::consts::OS;

/// The module's table.
pub fn module() -> Module {
    let functions = vec![
        Function::new::<NoParameters, _>(
            "cleanup",
            "Closes connections that are idle past the stale timeout; a guest's call closes his own.",
            cleanup,
        )
        .fills_a_turn(),
        Function::new::<ListCalls, _>(
            "calls",
            "Calls that run on workers or wait for one now, the longest first, 250 at most; a guest is shown his own.",
            calls,
        )
        .fills_a_turn(),
        Function::new::<CloseConnection, _>(
            "close_connection",
            "Closes a connection; for the broker's own user and root.",
            close_connection,
        ),
        Function::new::<ListConnections, _>(
            "connections",
            "Connections with peer, age and traffic, the latest first, 250 at a time; a guest is shown his own.",
            connections,
        )
        .fills_a_turn(),
        Function::new::<FreeHandle<'static>, _>("free_handle", "Frees a handle by its label.", free_handle),
        Function::new::<ListHandles<'static>, _>(
            "handles",
            "The caller's live handles by label, 500 at a time.",
            handles,
        )
        .fills_a_turn(),
        Function::new::<NoParameters, _>("health", "The verdict on the broker, check by check.", health).fills_a_turn(),
        Function::new::<NoParameters, _>(
            "history",
            "How calls, times, connections, memory and handles went since the start, in at most 480 points.",
            history,
        )
        .fills_a_turn(),
        Function::new::<NoParameters, _>(
            "info",
            "Version, process, modules and the settings in force; a guest is shown those that concern him.",
            info,
        )
        .fills_a_turn(),
        Function::new::<Passphrase<'static>, _>(
            "lock",
            "Refuses calls of the caller's user that could use a key, until unlock with the same passphrase.",
            lock,
        )
        .keeps_secrets(),
        Function::new::<NoParameters, _>("metrics", "Resources, performance, connections and handles in one.", metrics)
            .fills_a_turn(),
        Function::new::<NoParameters, _>(
            "modules",
            "Every module and function, with parameters, results and where it runs.",
            modules,
        )
        // What results have is read off their types only now.
        .runs(Placement::Worker),
        Function::new::<OpenMetrics<'static>, _>(
            "openmetrics",
            "Every figure as text, in OpenMetrics or Prometheus' format.",
            openmetrics,
        )
        .fills_a_turn(),
        Function::new::<NoParameters, _>(
            "performance",
            "Response times, every function that was called, recent errors.",
            performance,
        )
        .fills_a_turn(),
        Function::new::<NoParameters, _>(
            "reload",
            "Lets a new version take over, with every connection and handle; for the broker's own user and root.",
            reload,
        )
        .answers_later(),
        Function::new::<NoParameters, _>("shutdown", "Drains and exits; for the broker's own user and root.", shutdown),
        Function::new::<NoParameters, _>("stats", "Counters, performance and resources.", stats).fills_a_turn(),
        Function::new::<Passphrase<'static>, _>("unlock", "Takes back what lock did.", unlock).keeps_secrets(),
    ];
    // Freeing destroys a key, which is for who can use it.
    let functions = functions
        .into_iter()
        .map(|function| if function.name == "free_handle" { function } else { function.while_locked() })
        .collect();
    Module::new("system", "What the broker knows about itself, and steering it.", functions)
}

#[derive(Serialize, JsonSchema)]
struct Info {
    daemon_version: &'static str,
    protocol_version: u32,
    platform: &'static str,
    // Its own user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    working_directory: Option<String>,
    // Its own user's as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramFile>,
    socket_path: String,
    pid: u32,
    uptime: f64,
    reloads: u64,
    locked: bool,
    loaded_modules: Vec<&'static str>,
    active_connections: u64,
    configuration: BTreeMap<&'static str, SettingValue>,
    configuration_sources: BTreeMap<&'static str, String>,
    // Scripts of the old daemon print it.
    python_version: &'static str,
}

/// Names that settings had in the old daemon, whose scripts count with them.
const OLD_SETTINGS: [(&str, &str); 3] =
    [("max_request_size", "max_frame"), ("connection_timeout", "stale_timeout"), ("cleanup_interval", "stale_timeout")];

fn info(call: &mut Call<'_>, _: NoParameters) -> Result<Info, CallError> {
    let uid = call.caller.uid;
    let mut host = View::of(call)?;
    let settings = host.settings();
    let value_of =
        |name: &str| settings.iter().find(|setting| setting.name == name).map(|setting| setting.value.clone());
    let old = OLD_SETTINGS.iter().filter_map(|(old, name)| Some((*old, value_of(name)?)));
    let configuration = settings.iter().map(|setting| (setting.name, setting.value.clone())).chain(old).collect();
    Ok(Info {
        daemon_version: crate::VERSION,
        protocol_version: PROTOCOL_VERSION,
        platform: PLATFORM,
        working_directory: host
            .is_privileged()
            .then(|| std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default()),
        program: host.is_privileged().then(|| host.program()),
        socket_path: host.socket_path(),
        pid: std::process::id(),
        uptime: host.uptime().as_secs_f64(),
        reloads: host.reloads(),
        locked: host.locks().is_locked(uid),
        loaded_modules: host.registry().modules().iter().map(|module| module.name).collect(),
        active_connections: host.counters().active_connections,
        configuration,
        configuration_sources: settings.into_iter().map(|setting| (setting.name, setting.source)).collect(),
        python_version: "none",
    })
}

/// One module, as `system.modules` describes it.
#[derive(Serialize, JsonSchema)]
pub struct ModuleReport {
    name: &'static str,
    aliases: &'static [&'static str],
    doc: &'static str,
    functions: Vec<FunctionDescription>,
}

#[derive(Serialize, JsonSchema)]
struct FunctionDescription {
    name: &'static str,
    doc: &'static str,
    parameters: Vec<Parameter>,
    returns: Returns,
    runs: String,
    /// `nothing`, `files`, `network`, or `files and network`.
    touches: &'static str,
}

fn modules(call: &mut Call<'_>, _: NoParameters) -> Result<Vec<ModuleReport>, CallError> {
    Ok(describe(call.registry()?))
}

/// What a registry offers; the command line says it where no broker runs.
pub fn describe(registry: &Registry) -> Vec<ModuleReport> {
    let function = |function: &Function| FunctionDescription {
        name: function.name,
        doc: function.doc,
        parameters: function.parameters.clone(),
        returns: (function.returns)(),
        runs: match function.placement {
            Placement::Inline => "inline".to_owned(),
            Placement::Worker => "worker".to_owned(),
            Placement::InlineUpTo(limit) => format!("inline, on a worker above {limit} bytes"),
            Placement::InlineWithout(parameters) => {
                format!("inline, on a worker with {} or above {MOST_INLINE} bytes", parameters.join(" or "))
            }
        },
        touches: function.touches.word(),
    };
    let module = |module: &Module| ModuleReport {
        name: module.name,
        aliases: module.aliases,
        doc: module.doc,
        functions: module.functions.iter().map(function).collect(),
    };
    registry.modules().iter().map(module).collect()
}

/// `system.health`.
pub fn health(call: &mut Call<'_>, _: NoParameters) -> Result<Report, CallError> {
    Ok(View::of(call)?.health())
}

#[derive(Serialize, JsonSchema)]
struct PerformanceReport {
    performance_metrics: Performance,
    module_performance: ModulePerformance,
    worker_performance: WorkerReport,
    recent_errors: Vec<RecentError>,
    unreached_servers: Vec<Unreached>,
    health_indicators: HealthIndicators,
}

#[derive(Serialize, JsonSchema)]
struct ModulePerformance {
    top_modules: Vec<FunctionReport>,
    total_modules: usize,
}

#[derive(Serialize, JsonSchema)]
struct HealthIndicators {
    overall_health: &'static str,
    concerns: Vec<String>,
    recommendations: Vec<String>,
}

fn performance(call: &mut Call<'_>, _: NoParameters) -> Result<PerformanceReport, CallError> {
    let host = View::of(call)?;
    let health = host.health();
    Ok(PerformanceReport {
        performance_metrics: host.performance(),
        module_performance: ModulePerformance {
            top_modules: host.busiest(),
            total_modules: host.registry().modules().len(),
        },
        worker_performance: host.workers(),
        recent_errors: host.recent_errors(),
        unreached_servers: host.unreached(),
        health_indicators: HealthIndicators {
            overall_health: health.overall_status,
            recommendations: recommendations(&health),
            concerns: health.errors.into_iter().chain(health.warnings).collect(),
        },
    })
}

fn history(call: &mut Call<'_>, _: NoParameters) -> Result<Vec<Point>, CallError> {
    Ok(View::of(call)?.history())
}

/// What to do about each check that does not pass.
fn recommendations(health: &Report) -> Vec<String> {
    let advice = |check: &str| match check {
        "connections" => "look in system.connections for the process that opens connections and does not close them",
        "handles" => "free ciphers that are done with (crypto.cleanup_cipher), or raise max_handles",
        "workers" => "raise workers or worker_queue, or spread the heavy calls over time",
        "socket_connectivity" => "raise max_connections or the descriptor limit (LimitNOFILE, ulimit -n)",
        "memory_usage" => "look for large messages held by slow readers, or lower high_water and max_frame",
        "cpu_usage" => "see top_modules for what is called most",
        "performance" => "see recent_errors for what fails",
        "daemon_running" => "see the log for the reference of the defect, and report it",
        _ => "see the check's details in system.health",
    };
    let troubled = health.checks.iter().filter(|(_, check)| check.status != crate::health::Status::Pass);
    troubled.map(|(name, _)| format!("{name}: {}", advice(name))).collect()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListConnections {
    /// The last connection_id of the answer before; the latest connections if not given.
    #[serde(default)]
    before: Option<Integer>,
    /// How many, 1 to 250; 250 if not given.
    #[serde(default)]
    limit: Option<Integer>,
}
kit::parameters!(ListConnections);

fn connections(call: &mut Call<'_>, params: ListConnections) -> Result<Connections, CallError> {
    let before = params.before.map(|before| u64::try_from(before.0).unwrap_or(0));
    let most = limit(params.limit, LONGEST_LIST)?;
    Ok(View::of(call)?.connections(before, most))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListCalls {
    /// How many, 1 to 250; 250 if not given.
    #[serde(default)]
    limit: Option<Integer>,
}
kit::parameters!(ListCalls);

fn calls(call: &mut Call<'_>, params: ListCalls) -> Result<CallsInWork, CallError> {
    let most = limit(params.limit, LONGEST_LIST)?;
    Ok(View::of(call)?.calls(most))
}

#[derive(Serialize, JsonSchema)]
struct Metrics {
    timestamp: String,
    daemon_info: DaemonInfo,
    resource_status: Resources,
    performance_metrics: Performance,
    security_summary: SecuritySummary,
    connection_summary: ConnectionSummary,
    module_status: ModuleStatus,
    handle_summary: BTreeMap<&'static str, u64>,
    handles_by_user: Vec<HandlesOfUser>,
    system_stats: Counters,
}

#[derive(Serialize, JsonSchema)]
struct DaemonInfo {
    version: &'static str,
    uptime_seconds: f64,
    uptime_formatted: String,
}

#[derive(Serialize, JsonSchema)]
struct SecuritySummary {
    total_security_events: u64,
    validation_failures: u64,
    requests_rejected: u64,
}

#[derive(Serialize, JsonSchema)]
struct ConnectionSummary {
    total_connections: u64,
    connections_accepted: u64,
    active_connections: u64,
    stale_connections: u64,
}

#[derive(Serialize, JsonSchema)]
struct ModuleStatus {
    loaded_modules: usize,
    available_modules: Vec<&'static str>,
}

fn metrics(call: &mut Call<'_>, _: NoParameters) -> Result<Metrics, CallError> {
    let own = call.caller.uid;
    let mut host = View::of(call)?;
    let is_privileged = host.is_privileged();
    let counters = host.counters();
    let available_modules: Vec<&'static str> = host.registry().modules().iter().map(|module| module.name).collect();
    Ok(Metrics {
        timestamp: host.timestamp(),
        daemon_info: DaemonInfo {
            version: crate::VERSION,
            uptime_seconds: host.uptime().as_secs_f64(),
            uptime_formatted: in_words(host.uptime()),
        },
        resource_status: host.resources(),
        performance_metrics: host.performance(),
        security_summary: SecuritySummary {
            total_security_events: counters.security_events,
            validation_failures: counters.validation_failures,
            requests_rejected: counters.requests_rejected,
        },
        connection_summary: ConnectionSummary {
            total_connections: counters.active_connections,
            connections_accepted: counters.connections_total,
            active_connections: counters.active_connections,
            stale_connections: host.stale_connections(),
        },
        module_status: ModuleStatus { loaded_modules: available_modules.len(), available_modules },
        handle_summary: host.handle_store().by_kind().clone(),
        handles_by_user: {
            let mut all = host.handle_store().by_user();
            all.retain(|of| is_privileged || of.peer_uid == own);
            all
        },
        system_stats: counters,
    })
}

/// `test.stats`: the counters, and what scripts of the old daemon read beside them.
#[derive(Serialize, JsonSchema)]
pub struct CounterReport {
    #[serde(flatten)]
    counters: Counters,
    security_metrics: SecurityReport,
    validation_config: ValidationConfig,
}

/// The limits that parameters had in the old daemon. Here the size of a message and its depth are what is limited.
#[derive(Serialize, JsonSchema)]
struct ValidationConfig {
    strict_mode: u32,
    max_string_length: u64,
    max_array_length: u64,
    max_object_depth: u64,
    max_param_count: u64,
}

/// `test.stats`.
///
/// # Errors
/// `failed` without a broker.
pub fn counters(call: &mut Call<'_>, _: NoParameters) -> Result<CounterReport, CallError> {
    let host = View::of(call)?;
    let largest = host.settings().into_iter().find_map(|setting| match (setting.name, setting.value) {
        ("max_frame", SettingValue::Count(bytes)) => Some(bytes),
        _ => None,
    });
    let largest = largest.unwrap_or_default();
    Ok(CounterReport {
        counters: host.counters(),
        security_metrics: host.security(),
        validation_config: ValidationConfig {
            strict_mode: 1,
            max_string_length: largest,
            max_array_length: largest,
            max_object_depth: kit::protocol::MAX_DEPTH as u64,
            max_param_count: largest,
        },
    })
}

#[derive(Serialize, JsonSchema)]
struct StatsReport {
    #[serde(flatten)]
    counters: CounterReport,
    performance_summary: Performance,
    resource_status: Resources,
}

fn stats(call: &mut Call<'_>, params: NoParameters) -> Result<StatsReport, CallError> {
    let counters = counters(call, params)?;
    let host = View::of(call)?;
    Ok(StatsReport { counters, performance_summary: host.performance(), resource_status: host.resources() })
}

/// `1h 2m 3s`, without the leading units that are zero.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m {rest}s"),
        _ => format!("{hours}h {minutes}m {rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_in_words() {
        for (seconds, words) in [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3723, "1h 2m 3s"), (90_000, "25h 0m 0s")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
