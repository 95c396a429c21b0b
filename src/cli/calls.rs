//! `cpan-bridge calls`: what runs and what waits now, for whom, by which script.

use super::list::{call, json_flag, row, with_address, with_socket};
use super::say::{self, clean_line, say};
use super::table::{duration, table};
use super::{fail, who};
use clap::{ArgMatches, Command};
use serde_json::{Value, json};
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    with_socket(Command::new("calls"))
        .about("Lists the calls that run or wait now")
        .long_about(
            "Lists the calls that run on workers or wait for one now, the longest first: which function, whose, by which script, \
             since when. Calls that take microseconds run in the broker's loop and are never here.",
        )
        .arg(json_flag())
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let done = with_address(flags, |address| {
        let mut answer = call(address, "system.calls", &json!({}))?;
        if flags.get_flag("json") {
            for one in answer["calls"].as_array_mut().into_iter().flatten() {
                one["script"] = who::script_of(one).into();
            }
            say!("{}", say::json(&answer, false));
        } else {
            say!("{}", listed(&answer).trim_end());
        }
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => fail(code, &error),
    }
}

fn listed(answer: &Value) -> String {
    let calls = answer["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    if calls.is_empty() {
        return format!("no call runs or waits; all {} workers are free\n", answer["workers"]);
    }
    let mut rows =
        vec![row(["function", "status", "since", "user", "process", "script", "connection"].map(str::to_owned))];
    rows.extend(calls.iter().map(|one| {
        row([
            function(one),
            status(one),
            since(one),
            who::user_of(one),
            one["peer_pid"].to_string(),
            who::script_of(one),
            one["connection_id"].as_u64().map_or_else(|| "closed".to_owned(), |number| number.to_string()),
        ])
    }));
    let more = (answer["running"].as_u64().unwrap_or(0) + answer["waiting"].as_u64().unwrap_or(0))
        .saturating_sub(calls.len() as u64);
    let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
    format!(
        "{}{more}{} run, {} wait, {} workers\n",
        table(&rows),
        answer["running"],
        answer["waiting"],
        answer["workers"]
    )
}

/// The function of a call.
pub fn function(one: &Value) -> String {
    clean_line(one["module_function"].as_str().unwrap_or_default()).into_owned()
}

/// Whether it runs, or what it waits for.
pub fn status(one: &Value) -> String {
    clean_line(one["status"].as_str().unwrap_or_default()).into_owned()
}

/// For how long it has done so.
pub fn since(one: &Value) -> String {
    let seconds = one["running_seconds"].as_f64().or(one["seconds"].as_f64());
    duration(seconds.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_named_with_its_script() {
        let own = std::process::id();
        let answer = json!({ "running": 1, "waiting": 300, "workers": 4, "calls": [
            { "module_function": "http.get", "status": "runs", "seconds": 75.0, "running_seconds": 70.0, "connection_id": 9,
              "peer_uid": 0, "peer_pid": own },
            { "module_function": "http.get", "status": "waits", "seconds": 5.0, "running_seconds": null, "connection_id": null,
              "peer_uid": 4_000_000, "peer_pid": 0 },
        ] });
        let shown = listed(&answer);
        let line = |number: usize| shown.lines().nth(number).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        let script = who::script(u64::from(own)).unwrap();
        assert_eq!(line(1), format!("http.get runs 1m 10s root {own} {script} 9"));
        assert_eq!(line(2), "http.get waits 5.0s 4000000 0 - closed");
        assert_eq!(line(3), "and 299 more");
        assert_eq!(line(4), "1 run, 300 wait, 4 workers");
        assert_eq!(listed(&json!({ "workers": 4, "calls": [] })), "no call runs or waits; all 4 workers are free\n");
    }
}
