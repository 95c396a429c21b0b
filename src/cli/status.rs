//! `cpan-bridge status`: how the broker is, on one screen, and as an exit status.

use super::client::{Address, Client, ClientError};
use super::installed;
use super::json::Json;
use super::say::{self, Text, clean_line, say};
use super::table::{bytes, duration, table};
use super::{brokers, calls, configure_client, connection_flags, fail, scripts, who};
use anstyle::{AnsiColor, Style};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Calls that are shown.
const MOST_CALLS: u64 = 5;
/// Servers that are shown.
const MOST_SERVERS: usize = 3;
/// A function whose longest call took less is not worth a line.
const SLOW_MS: f64 = 100.0;

/// The subcommand.
pub fn command() -> Command {
    Command::new("status")
        .about("Says how the broker is, in plain words and as an exit status")
        .long_about(
            "Says how the broker is, in plain words, and as an exit status for monitoring: 0 healthy, 1 degraded (a check \
             warns), 2 unhealthy (a check fails), 3 unreachable.",
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON, for programs"))
        .args(connection_flags())
}

#[derive(Deserialize)]
struct Info {
    daemon_version: String,
    pid: u32,
    uptime: f64,
    socket_path: String,
    reloads: Option<u64>,
    locked: Option<bool>,
    #[serde(default)]
    configuration: BTreeMap<String, Value>,
    program: Option<installed::Program>,
}

#[derive(Deserialize)]
struct Check {
    status: String,
    message: String,
}

#[derive(Deserialize)]
struct Health {
    overall_status: String,
    checks: BTreeMap<String, Check>,
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let as_json = flags.get_flag("json");
    match look(&address, as_json) {
        Ok(overall) => ExitCode::from(match overall.as_str() {
            "healthy" => 0,
            "degraded" => 1,
            _ => 2,
        }),
        Err(error) if as_json => {
            say!("{}", say::json(&json!({ "overall_status": "unreachable", "error": error.to_string() }), false));
            ExitCode::from(3)
        }
        Err(error) => {
            Text::default().styled(style(AnsiColor::Red), "unreachable").plain(format_args!("\n  {error}")).print();
            tell_of_others(brokers::others(""));
            say!("");
            scripts::report();
            ExitCode::from(3)
        }
    }
}

fn look(address: &Address, as_json: bool) -> Result<String, ClientError> {
    let mut broker = Client::connect(address)?;
    let none: BTreeMap<String, String> = BTreeMap::new();
    if as_json {
        let Json(health) = broker.call("system.health", &none)?;
        let Json(info) = broker.call("system.info", &none)?;
        let overall = health["overall_status"].as_str().unwrap_or("unhealthy").to_owned();
        let mut all = health;
        for name in ["daemon_version", "pid", "uptime", "socket_path", "reloads", "locked"] {
            all[name] = info[name].clone();
        }
        say!("{}", say::json(&all, false));
        return Ok(overall);
    }
    let info: Info = broker.call("system.info", &none)?;
    let health: Health = broker.call("system.health", &none)?;
    let Json(metrics) = broker.call("system.metrics", &none)?;
    // An older broker has none.
    let work = broker.call("system.calls", &BTreeMap::from([("limit", MOST_CALLS)]));
    let work = work.map_or(Value::Null, |Json(work)| work);
    let Json(performance) = broker.call("system.performance", &none)?;
    show(&info, &health, &metrics, &Activity { work, performance });
    Ok(health.overall_status)
}

/// What goes on.
struct Activity {
    /// `system.calls`.
    work: Value,
    /// `system.performance`.
    performance: Value,
}

impl Activity {
    /// The calls that run and wait, the function that took longest, who had the last error.
    fn show(&self) {
        if self.work.is_null() {
            return;
        }
        let running = self.work["running"].as_u64().unwrap_or_default();
        let waiting = self.work["waiting"].as_u64().unwrap_or_default();
        say!("  now      {running} of {} workers at work, {waiting} calls wait", self.work["workers"]);
        let calls = self.work["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows = calls.iter().map(|one| {
            let script = format!("{} ({})", who::script_of(one), one["peer_pid"]);
            vec![calls::function(one), calls::status(one), calls::since(one), who::user_of(one), script]
        });
        let rows: Vec<_> = rows.collect();
        table(&rows).lines().for_each(|line| say!("             {line}"));
        let more = (running + waiting).saturating_sub(calls.len() as u64);
        if more > 0 {
            say!("             and {more} more: `cpan-bridge calls`");
        }
        let functions = self.performance["module_performance"]["top_modules"].as_array().into_iter().flatten();
        let slowest = functions
            .filter(|one| one["max_time_ms"].as_f64() >= Some(SLOW_MS))
            .max_by(|a, b| p99(a).total_cmp(&p99(b)));
        if let Some(slowest) = slowest {
            say!(
                "  slowest  {}: p99 {:.0} ms in {} calls",
                calls::function(slowest),
                p99(slowest),
                slowest["requests"]
            );
        }
        for one in self.performance["module_performance"]["top_modules"].as_array().into_iter().flatten() {
            let unreached = one["unreached"].as_u64().unwrap_or_default();
            if unreached > 0 {
                let (function, all) = (calls::function(one), &one["requests"]);
                say!("  network  {function}: {unreached} of {all} reached no server, or it broke off");
            }
        }
        let servers = self.performance["unreached_servers"].as_array().map(Vec::as_slice).unwrap_or_default();
        for one in servers.iter().take(MOST_SERVERS) {
            say!(
                "             {}: {} times, last {} by {} of {} ({})",
                clean_line(one["server"].as_str().unwrap_or_default()),
                one["calls"],
                time_of(one),
                who::script_of(one),
                who::user_of(one),
                one["peer_pid"]
            );
        }
        // An operator's own commands that failed are no script's trouble.
        let errors = self.performance["recent_errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_a_scripts =
            |one: &&Value| !one["module_function"].as_str().is_some_and(|name| name.starts_with("system."));
        if let Some(last) = errors.iter().rev().find(is_a_scripts) {
            let text = |name: &str| clean_line(last[name].as_str().unwrap_or_default()).into_owned();
            say!(
                "  failed   last {}: {} {}, by {} of {} ({})",
                time_of(last),
                text("module_function"),
                text("error"),
                who::script_of(last),
                who::user_of(last),
                last["peer_pid"]
            );
        }
    }
}

/// When something was, to the second.
fn time_of(one: &Value) -> String {
    let time = clean_line(one["timestamp"].as_str().unwrap_or_default()).into_owned();
    time.get(..19).unwrap_or(&time).replace('T', " ")
}

fn p99(one: &Value) -> f64 {
    one["p99_time_ms"].as_f64().unwrap_or_default()
}

fn show(info: &Info, health: &Health, metrics: &Value, activity: &Activity) {
    let colour = match health.overall_status.as_str() {
        "healthy" => AnsiColor::Green,
        "degraded" => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let reloads = match info.reloads {
        None | Some(0) => String::new(),
        Some(1) => ", reloaded once".to_owned(),
        Some(count) => format!(", reloaded {count} times"),
    };
    Text::default()
        .styled(style(colour), clean_line(&health.overall_status))
        .plain(format_args!(
            ": version {}, process {}, up {}{reloads}",
            clean_line(&info.daemon_version),
            info.pid,
            duration(info.uptime)
        ))
        .print();
    say!("  socket   {}", clean_line(&info.socket_path));
    let setting = |name: &str| info.configuration.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (setting("log_file").as_str(), setting("log_format").as_str()) {
        ("", "journal") => say!("  log      in the journal: journalctl -t cpan-bridge"),
        ("", _) => {
            say!("  log      on standard error of process {}, or in the journal: journalctl -t cpan-bridge", info.pid)
        }
        (file, _) => say!("  log      {}", clean_line(file)),
    }
    let figure = |path: &str| metrics.pointer(path).cloned().unwrap_or_default();
    let number = |path: &str| figure(path).as_f64().unwrap_or_default();
    say!(
        "  calls    {} ({} failed), {:.0} in the last minute, p99 {:.2} ms",
        figure("/performance_metrics/total_requests"),
        figure("/performance_metrics/failed_requests"),
        number("/resource_status/requests_per_minute"),
        number("/performance_metrics/p99_response_time") * 1e3
    );
    say!(
        "  memory   {}, {} descriptors, {:.1} percent of a core",
        bytes((number("/resource_status/memory_mb") * f64::from(1 << 20)) as u64),
        figure("/resource_status/open_fds"),
        number("/resource_status/cpu_percent")
    );
    tell_of_others(brokers::others(&info.socket_path));
    activity.show();
    if info.locked == Some(true) {
        say!("  your keys are locked: `cpan-bridge unlock`");
    }
    if info.daemon_version != crate::VERSION {
        say!("  this program is version {}: `cpan-bridge reload` lets it take over", crate::VERSION);
    } else if let Some(line) = info.program.as_ref().and_then(installed::Program::replaced) {
        say!("  {line}");
    }
    scripts::report();
    say!("");
    for (name, check) in &health.checks {
        let (colour, word) = match check.status.as_str() {
            "pass" => (AnsiColor::Green, "ok"),
            "warn" => (AnsiColor::Yellow, "warning"),
            _ => (AnsiColor::Red, "wrong"),
        };
        let gap = " ".repeat(7 - word.len());
        let (name, message) = (clean_line(name), clean_line(&check.message));
        Text::default()
            .plain("  ")
            .styled(style(colour), word)
            .plain(format_args!("{gap}  {name:20}  {message}"))
            .print();
    }
}

/// A script that finds another broker knows nothing of this one's.
fn tell_of_others(count: usize) {
    match count {
        0 => {}
        1 => say!("  others   another broker listens on this host: `cpan-bridge brokers`"),
        count => say!("  others   {count} other brokers listen on this host: `cpan-bridge brokers`"),
    }
}

fn style(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into())).bold()
}
