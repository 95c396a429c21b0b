//! `cpan-bridge connections`, `handles`, `stop` and `metrics`: small commands that show or steer a running broker.

use super::client::{Address, Client, ClientError};
use super::json::Json;
use super::say::{self, clean_line, say};
use super::table::{bytes, duration, table};
use super::{configure_client, connection_flags, fail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;

type Nothing = BTreeMap<String, String>;

fn with_socket(command: Command) -> Command {
    command.args(connection_flags())
}

fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON, for programs")
}

/// `connections`.
pub fn connections_command() -> Command {
    let close = Command::new("close").about("Closes a connection; for the broker's own user and root").arg(
        Arg::new("number")
            .value_name("NUMBER")
            .required(true)
            .value_parser(value_parser!(u64))
            .help("The connection's number"),
    );
    with_socket(Command::new("connections"))
        .about("Lists connections, or closes one")
        .arg(json_flag())
        .args_conflicts_with_subcommands(true)
        .subcommand(with_socket(close))
}

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
    let address = match configure_client(flags_here) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let outcome = match (name, inner) {
        ("connections", None) => {
            list(&address, "system.connections", ("before", "connection_id"), flags.get_flag("json"), connections)
        }
        ("connections", Some(_)) => close(&address, flags_here),
        ("handles", None) => list(&address, "system.handles", ("after", "label"), flags.get_flag("json"), handles),
        ("handles", Some(_)) => free(&address, flags_here),
        ("metrics", _) => metrics(&address, flags),
        _ => stop(&address),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_status(), &error),
    }
}

fn call(address: &Address, method: &str, params: &impl Serialize) -> Result<Value, ClientError> {
    Client::connect(address)?.call::<Json>(method, params).map(|Json(value)| value)
}

/// What a list is asked for behind one of its entries, and what names that entry.
type Behind = (&'static str, &'static str);

/// A whole list, which comes in answers of bounded length: all of the first answer, with the entries of the later ones.
fn whole_list(address: &Address, method: &str, (parameter, name): Behind) -> Result<Value, ClientError> {
    let mut client = Client::connect(address)?;
    let mut ask = |params: &BTreeMap<&str, Value>| client.call::<Json>(method, params).map(|Json(value)| value);
    let mut whole = ask(&BTreeMap::new())?;
    let mut last = entries(&mut whole).and_then(|all| all.last().map(|one| one[name].clone()));
    while let Some(behind) = last {
        let mut more = ask(&BTreeMap::from([(parameter, behind)]))?;
        let Some(more) = entries(&mut more).map(std::mem::take).filter(|more| !more.is_empty()) else { break };
        last = more.last().map(|one| one[name].clone());
        if let Some(all) = entries(&mut whole) {
            all.extend(more);
        }
    }
    Ok(whole)
}

/// The entries of a list's answer: all of it, or what it has under `connections`.
fn entries(answer: &mut Value) -> Option<&mut Vec<Value>> {
    match answer {
        Value::Array(all) => Some(all),
        answer => answer.get_mut("connections")?.as_array_mut(),
    }
}

fn list(
    address: &Address,
    method: &str,
    behind: Behind,
    as_json: bool,
    show: fn(&Value) -> String,
) -> Result<(), ClientError> {
    let answer = whole_list(address, method, behind)?;
    if as_json {
        say!("{}", say::json(&answer, false));
    } else {
        say!("{}", show(&answer).trim_end());
    }
    Ok(())
}

fn row<const N: usize>(cells: [String; N]) -> Vec<String> {
    cells.to_vec()
}

fn connections(answer: &Value) -> String {
    let mut rows =
        vec![row(["number", "user", "process", "program", "age", "idle", "calls", "in", "out"].map(str::to_owned))];
    for one in answer["connections"].as_array().into_iter().flatten() {
        let number = |name: &str| one[name].as_u64().unwrap_or_default();
        let seconds = |name: &str| duration(one[name].as_f64().unwrap_or_default());
        rows.push(row([
            number("connection_id").to_string(),
            number("peer_uid").to_string(),
            number("peer_pid").to_string(),
            program_of(number("peer_pid")),
            seconds("duration_seconds"),
            seconds("idle_time"),
            number("requests_count").to_string(),
            bytes(number("bytes_in")),
            bytes(number("bytes_out")),
        ]));
    }
    table(&rows)
}

/// The name of a process, if it is still there and may be seen.
pub fn program_of(pid: u64) -> String {
    let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    // The process chose it, and may have chosen anything.
    if name.is_empty() { "-".to_owned() } else { clean_line(name.trim_end_matches('\n')).into_owned() }
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
    let mut rows = vec![row(["label", "kind", "idle", "holds"].map(str::to_owned))];
    for one in all {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let idle = match one["in_use"].as_bool() {
            Some(true) => "in use".to_owned(),
            _ => duration(one["idle_time"].as_f64().unwrap_or_default()),
        };
        rows.push(row([text("label"), text("kind"), idle, bytes(one["bytes"].as_u64().unwrap_or_default())]));
    }
    table(&rows)
}

fn close(address: &Address, flags: &ArgMatches) -> Result<(), ClientError> {
    let number = flags.get_one::<u64>("number").copied().unwrap_or_default();
    call(address, "system.close_connection", &BTreeMap::from([("connection_id", number)]))?;
    say!("Closed");
    Ok(())
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
