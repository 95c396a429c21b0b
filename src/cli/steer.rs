//! `cpan-bridge handles`, `stop` and `metrics`: small commands that show or steer a running broker.

use super::client::{Address, Client, ClientError};
use super::json::Json;
use super::list::{self, call, json_flag, row, with_address, with_socket};
use super::say::{clean_line, say};
use super::table::{bytes, duration, table};
use super::{fail, who};
use clap::{Arg, ArgMatches, Command};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;

type Nothing = BTreeMap<String, String>;

/// `handles`.
pub fn handles_command() -> Command {
    let free = Command::new("free").about("Frees a handle of yours").arg(
        Arg::new("label").value_name("LABEL").required(true).help("The handle's label: the beginning of its name"),
    );
    with_socket(Command::new("handles"))
        .about("Lists your live handles (ciphers, sessions), or frees one")
        .arg(json_flag())
        .args_conflicts_with_subcommands(true)
        .subcommand(with_socket(free))
}

/// `stop`.
pub fn stop_command() -> Command {
    with_socket(Command::new("stop"))
        .about("Ends the broker when running calls are done")
        .long_about("Ends the broker when running calls are done (shutdown_grace), and waits for its end.")
}

/// `metrics`.
pub fn metrics_command() -> Command {
    let format = Arg::new("format").long("format").value_name("FORMAT").value_parser(["openmetrics", "prometheus"]);
    with_socket(Command::new("metrics")).about("Prints every figure for Prometheus and its kin").arg(
        format
            .default_value("openmetrics")
            .help("The text format: node_exporter's textfile collector wants prometheus"),
    )
}

/// Runs one of them.
pub fn run(name: &str, flags: &ArgMatches) -> ExitCode {
    let (flags_here, inner) = match flags.subcommand() {
        Some((inner, inner_flags)) => (inner_flags, Some(inner)),
        None => (flags, None),
    };
    let done = with_address(flags_here, |address| match (name, inner) {
        ("handles", None) => list::show(address, "system.handles", ("after", "label"), flags.get_flag("json"), handles),
        ("handles", Some(_)) => free(address, flags_here),
        ("metrics", _) => metrics(address, flags),
        _ => stop(address),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => fail(code, &error),
    }
}

fn handles(answer: &Value) -> String {
    let mut all: Vec<&Value> = answer.as_array().into_iter().flatten().collect();
    // The one used last first.
    all.sort_by(|one, other| {
        one["idle_time"].as_f64().unwrap_or(0.0).total_cmp(&other["idle_time"].as_f64().unwrap_or(0.0))
    });
    if all.is_empty() {
        return "no live handles\n".to_owned();
    }
    let mut rows = vec![row(["label", "kind", "what", "made by", "idle", "holds"].map(str::to_owned))];
    for one in all {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let idle = match one["in_use"].as_bool() {
            Some(true) => "in use".to_owned(),
            _ => duration(one["idle_time"].as_f64().unwrap_or_default()),
        };
        let maker = match one["maker_pid"].as_u64() {
            Some(pid) => format!("{} ({pid})", who::script(pid).unwrap_or_else(|| "gone".to_owned())),
            None => "-".to_owned(),
        };
        let held = bytes(one["bytes"].as_u64().unwrap_or_default());
        rows.push(row([text("label"), text("kind"), text("description"), maker, idle, held]));
    }
    table(&rows)
}

fn free(address: &Address, flags: &ArgMatches) -> Result<(), ClientError> {
    let label = flags.get_one::<String>("label").map_or("", String::as_str);
    let answer = call(address, "system.free_handle", &BTreeMap::from([("label", label)]))?;
    say!("Freed a {}", clean_line(answer["kind"].as_str().unwrap_or("handle")));
    Ok(())
}

fn metrics(address: &Address, flags: &ArgMatches) -> Result<(), ClientError> {
    let format = flags.get_one::<String>("format").map_or("openmetrics", String::as_str);
    let text: String = Client::connect(address)?.call("system.openmetrics", &BTreeMap::from([("format", format)]))?;
    say!("{}", text.trim_end());
    Ok(())
}

fn stop(address: &Address) -> Result<(), ClientError> {
    let mut broker = Client::connect(address)?;
    broker.call::<Json>("system.shutdown", &Nothing::new())?;
    // It closes the connection when it ends.
    broker.wait_for_end()?;
    say!("Stopped");
    Ok(())
}
