//! `cpan-bridge connections`: who is connected, a line for each process, or each connection.

use super::client::{Address, ClientError};
use super::list::{self, call, json_flag, row, with_socket};
use super::say::say;
use super::table::{bytes, duration, table};
use super::{fail, who};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    let close = Command::new("close").about("Closes a connection; for the broker's own user and root").arg(
        Arg::new("number")
            .value_name("NUMBER")
            .required(true)
            .value_parser(value_parser!(u64))
            .help("The connection's number, as `connections --each` shows it"),
    );
    with_socket(Command::new("connections"))
        .about("Lists who is connected, or closes a connection")
        .long_about(
            "Lists who is connected: a line for each process, that with the most connections first, with the script that it runs. \
             A script that leaks connections is the first line.",
        )
        .arg(json_flag())
        .arg(Arg::new("each").long("each").action(ArgAction::SetTrue).help("A line for each connection, the latest first"))
        .args_conflicts_with_subcommands(true)
        .subcommand(with_socket(close))
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let done = match flags.subcommand() {
        Some((_, inner)) => list::with_address(inner, |address| close(address, inner)),
        None => list::with_address(flags, |address| {
            let show = if flags.get_flag("each") { each } else { by_process };
            list::show(address, "system.connections", ("before", "connection_id"), flags.get_flag("json"), show)
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => fail(code, &error),
    }
}

fn close(address: &Address, flags: &ArgMatches) -> Result<(), ClientError> {
    let number = flags.get_one::<u64>("number").copied().unwrap_or_default();
    call(address, "system.close_connection", &BTreeMap::from([("connection_id", number)]))?;
    say!("Closed");
    Ok(())
}

fn count(one: &Value, name: &str) -> u64 {
    one[name].as_u64().unwrap_or_default()
}

fn seconds(one: &Value, name: &str) -> f64 {
    one[name].as_f64().unwrap_or_default()
}

fn all(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["connections"].as_array().into_iter().flatten()
}

/// What the connections of one process come to.
#[derive(Default)]
struct Process<'a> {
    connections: Vec<&'a Value>,
}

impl Process<'_> {
    fn sum(&self, name: &str) -> u64 {
        self.connections.iter().map(|one| count(one, name)).sum()
    }
}

fn by_process(answer: &Value) -> String {
    let mut processes: BTreeMap<(u64, u64), Process<'_>> = BTreeMap::new();
    for one in all(answer) {
        processes.entry((count(one, "peer_uid"), count(one, "peer_pid"))).or_default().connections.push(one);
    }
    let mut processes: Vec<_> = processes.into_values().collect();
    processes.sort_by_key(|process| std::cmp::Reverse((process.connections.len(), process.sum("requests_count"))));
    let head = ["user", "process", "script", "connections", "oldest", "idle", "calls", "in", "out"];
    let mut rows = vec![row(head.map(str::to_owned))];
    for process in &processes {
        let Some(first) = process.connections.first() else { continue };
        let oldest = process.connections.iter().map(|one| seconds(one, "duration_seconds")).fold(0.0, f64::max);
        let idle = process.connections.iter().map(|one| seconds(one, "idle_time")).fold(f64::INFINITY, f64::min);
        rows.push(row([
            who::user_of(first),
            count(first, "peer_pid").to_string(),
            who::script_of(first),
            process.connections.len().to_string(),
            duration(oldest),
            duration(idle),
            process.sum("requests_count").to_string(),
            bytes(process.sum("bytes_in")),
            bytes(process.sum("bytes_out")),
        ]));
    }
    table(&rows)
}

fn each(answer: &Value) -> String {
    let head = ["number", "user", "process", "script", "age", "idle", "calls", "in", "out"];
    let mut rows = vec![row(head.map(str::to_owned))];
    rows.extend(all(answer).map(|one| {
        row([
            count(one, "connection_id").to_string(),
            who::user_of(one),
            count(one, "peer_pid").to_string(),
            who::script_of(one),
            duration(seconds(one, "duration_seconds")),
            duration(seconds(one, "idle_time")),
            count(one, "requests_count").to_string(),
            bytes(count(one, "bytes_in")),
            bytes(count(one, "bytes_out")),
        ])
    }));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_leaks_is_the_first_line() {
        let one = |number: u64, pid: u64| {
            json!({ "connection_id": number, "peer_uid": 0, "peer_pid": pid, "duration_seconds": number as f64,
                "idle_time": 100.0 - number as f64, "requests_count": 1, "bytes_in": 1024, "bytes_out": 1 })
        };
        let mut connections: Vec<Value> = (1..=60).map(|number| one(number, 4_000_000)).collect();
        connections.push(one(61, u64::from(std::process::id())));
        let answer = json!({ "connections": connections });
        let shown = by_process(&answer);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(words, ["root", "4000000", "-", "60", "1m", "0s", "40s", "60", "60.0", "KiB", "60", "B"], "{shown}");
        assert_eq!(each(&answer).lines().count(), 62);
    }
}
