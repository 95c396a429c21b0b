//! `cpan-bridge handles`: what lives on in a broker between calls, whose it is, and which script made it.

use super::client::{Address, ClientError};
use super::list::{call, json_flag, row, whole_list, with_address, with_socket};
use super::say::{self, clean_line, say};
use super::table::{bytes, duration, table};
use super::{fail, who};
use crate::broker;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    let labels = Arg::new("label").value_name("LABEL").required(true).num_args(1..);
    let free = Command::new("free")
        .about("Frees handles of yours")
        .arg(labels.help("The handles' labels: the beginnings of their names"))
        .arg(user_flag());
    with_socket(Command::new("handles"))
        .about("Lists live handles (ciphers, sessions), or frees some")
        .long_about(
            "Lists your live handles (ciphers, sessions), the one used last first, and how many other users have. A handle ends when \
             it is freed, when nobody used it for long (handle_idle_timeout), or with the broker.",
        )
        .arg(json_flag())
        .arg(
            Arg::new("by-script")
                .long("by-script")
                .action(ArgAction::SetTrue)
                .conflicts_with("json")
                .help("A line for each script that made some, and kind, those who hold most first"),
        )
        .arg(user_flag())
        .args_conflicts_with_subcommands(true)
        .subcommand(with_socket(free))
}

fn user_flag() -> Arg {
    Arg::new("user").long("user").value_name("NAME").help(
        "Another user's, by name or number, for the broker's own user and root; the one that --broker-user names if not given",
    )
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let done = match flags.subcommand() {
        Some((_, inner)) => {
            wanted_user(inner).and_then(|user| with_address(inner, |address| free(address, inner, user)))
        }
        None => wanted_user(flags).and_then(|user| with_address(flags, |address| show(address, flags, user))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => fail(code, &error),
    }
}

fn wanted_user(flags: &ArgMatches) -> Result<Option<u32>, (u8, String)> {
    let asked = flags.get_many::<String>("broker_user").into_iter().flatten().next();
    let Some(name) = flags.get_one::<String>("user").or(asked) else { return Ok(None) };
    broker::user_of(name).map(Some).ok_or_else(|| (2, format!("--user: there is no user {name}")))
}

fn show(address: &Address, flags: &ArgMatches, user: Option<u32>) -> Result<(), ClientError> {
    let params = user.map(|uid| ("user", Value::from(uid))).into_iter().collect();
    let answer = whole_list(address, "system.handles", params, ("after", "label"))?;
    if flags.get_flag("json") {
        say!("{}", say::json(&answer, false));
        return Ok(());
    }
    let all: Vec<&Value> = answer.as_array().into_iter().flatten().collect();
    let text = if flags.get_flag("by-script") { by_script(&all) } else { each(all) };
    say!("{}", text.trim_end());
    if user.is_none() {
        let metrics = call(address, "system.metrics", &json!({}))?;
        let own = u64::from(nix::unistd::Uid::effective().as_raw());
        for line in others(&metrics, own) {
            say!("{line}");
        }
    }
    Ok(())
}

fn number(one: &Value, name: &str) -> u64 {
    one[name].as_u64().unwrap_or_default()
}

fn text(one: &Value, name: &str) -> String {
    clean_line(one[name].as_str().unwrap_or_default()).into_owned()
}

fn maker(one: &Value) -> String {
    match one["maker_pid"].as_u64() {
        Some(pid) => format!("{} ({pid})", script(one).unwrap_or_else(|| "gone".to_owned())),
        None => "-".to_owned(),
    }
}

fn script(one: &Value) -> Option<String> {
    who::script_behind(one, "maker_pid")
}

/// What other users have, as far as whoever asks is told.
fn others(metrics: &Value, own: u64) -> Vec<String> {
    let all = metrics["handles_by_user"].as_array().into_iter().flatten();
    let others = all.filter(|one| one["peer_uid"].as_u64() != Some(own));
    others
        .map(|one| {
            let (user, count) = (who::user_of(one), number(one, "handles"));
            format!("{user} has {count}, which hold {}: see them with --user {user}", bytes(number(one, "bytes")))
        })
        .collect()
}

fn each(mut all: Vec<&Value>) -> String {
    let idle = |one: &Value| one["idle_time"].as_f64().unwrap_or_default();
    all.sort_by(|one, other| idle(one).total_cmp(&idle(other)));
    if all.is_empty() {
        return "no live handles\n".to_owned();
    }
    let mut rows = vec![row(["label", "kind", "what", "made by", "idle", "holds"].map(str::to_owned))];
    for one in all {
        let idle = match one["in_use"].as_bool() {
            Some(true) => "in use".to_owned(),
            _ => duration(idle(one)),
        };
        let held = bytes(number(one, "bytes"));
        rows.push(row([text(one, "label"), text(one, "kind"), text(one, "description"), maker(one), idle, held]));
    }
    table(&rows)
}

fn by_script(all: &[&Value]) -> String {
    if all.is_empty() {
        return "no live handles\n".to_owned();
    }
    let mut sums: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for one in all {
        let script = script(one).unwrap_or_else(|| maker(one));
        sums.entry((script, text(one, "kind"))).or_default().push(one);
    }
    let held = |handles: &[&Value]| handles.iter().map(|one| number(one, "bytes")).sum::<u64>();
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, handles)| std::cmp::Reverse((held(handles), handles.len())));
    let mut rows = vec![row(["made by", "processes", "kind", "handles", "idle", "holds"].map(str::to_owned))];
    for ((script, kind), handles) in sums {
        let processes: BTreeSet<_> = handles.iter().map(|one| one["maker_pid"].as_u64()).collect();
        let idle =
            handles.iter().map(|one| one["idle_time"].as_f64().unwrap_or_default()).fold(f64::INFINITY, f64::min);
        rows.push(row([
            script,
            processes.len().to_string(),
            kind,
            handles.len().to_string(),
            duration(idle),
            bytes(held(&handles)),
        ]));
    }
    table(&rows)
}

fn free(address: &Address, flags: &ArgMatches, user: Option<u32>) -> Result<(), ClientError> {
    for label in flags.get_many::<String>("label").into_iter().flatten() {
        let mut params = BTreeMap::from([("label", Value::from(label.as_str()))]);
        params.extend(user.map(|uid| ("user", Value::from(uid))));
        let answer = call(address, "system.free_handle", &params)?;
        say!("Freed {label}, a {}", clean_line(answer["kind"].as_str().unwrap_or("handle")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(label: &str, pid: u64, bytes: u64, idle: f64) -> Value {
        json!({ "label": label, "kind": "cipher", "description": "AES", "maker_pid": pid, "idle_time": idle, "bytes": bytes, "in_use": false })
    }

    #[test]
    fn handles_are_listed_and_summed_up() {
        let mut all = [
            handle("aa", u64::MAX, 100, 9.0),
            handle("bb", u64::MAX - 1, 300, 1.0),
            handle("cc", u64::MAX - 2, 100, 2.0),
        ];
        // Both processes are gone, and the broker knows what they ran.
        all[0]["script"] = "leak.pl".into();
        all[2]["script"] = "leak.pl".into();
        let all: Vec<&Value> = all.iter().collect();
        let listed = each(all.clone());
        let labels: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(labels, ["bb", "cc", "aa"], "the one used last first");
        let sums = by_script(&all);
        let cells: Vec<Vec<&str>> = sums.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(cells[0][2..], ["1", "cipher", "1", "1.0s", "300", "B"], "{sums}");
        assert_eq!(cells[1], ["leak.pl", "2", "cipher", "2", "2.0s", "200", "B"], "{sums}");
        assert_eq!(
            (each(Vec::new()), by_script(&[])),
            ("no live handles\n".to_owned(), "no live handles\n".to_owned())
        );
    }

    #[test]
    fn what_others_have_is_told() {
        let metrics = json!({ "handles_by_user": [
            { "peer_uid": 4_000_000_000_u64, "handles": 3, "bytes": 2048 }, { "peer_uid": 7, "handles": 1, "bytes": 1 },
        ] });
        assert_eq!(others(&metrics, 7), ["4000000000 has 3, which hold 2.0 KiB: see them with --user 4000000000"]);
        assert!(others(&json!({}), 7).is_empty(), "an older broker");
    }
}
