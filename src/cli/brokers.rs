//! `cpan-bridge brokers`: which brokers there are on this host. A script that finds another broker than the one that is looked at
//! knows none of its ciphers.

use super::client::{Address, Client};
use super::json::Json;
use super::list::{json_flag, row};
use super::say::{self, clean_line, say};
use super::table::{duration, table};
use super::who;
use crate::broker::{self, script};
use clap::{ArgMatches, Command};
use nix::unistd::Uid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long another user's broker has to answer to root, and all of them.
const PATIENCE_WITH_ONE: Duration = Duration::from_millis(500);
const PATIENCE_WITH_ALL: Duration = Duration::from_secs(5);
/// The name that a broker's process has.
const PROGRAM: &str = "cpan-bridge";

/// The subcommand.
pub fn command() -> Command {
    Command::new("brokers")
        .about("Lists the brokers on this host")
        .long_about(
            "Lists the brokers that listen on this host, of every user, with process, user, version and age. Of those that you may not \
             ask, the place and whose it is; root may ask all. Sockets are found in the kernel's list (/proc/net/unix): those whose path has \
             cpan-bridge in it or ends with broker.sock.",
        )
        .arg(json_flag())
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let found = find();
    if flags.get_flag("json") {
        say!("{}", say::json(&Value::Array(found), false));
    } else {
        say!("{}", listed(&found).trim_end());
    }
    ExitCode::SUCCESS
}

/// The brokers on this host, as far as they can be seen.
fn find() -> Vec<Value> {
    // Only to root: what others see of a broker that is asked is who asks.
    let asks_all = Uid::effective().is_root();
    let until = Instant::now() + PATIENCE_WITH_ALL;
    listening().iter().filter_map(|socket| look(socket, asks_all && Instant::now() < until)).collect()
}

/// How many sockets listen on this host that may be brokers', besides this one.
pub fn others(than: &str) -> usize {
    listening().iter().filter(|socket| socket.as_path() != Path::new(than)).count()
}

fn listening() -> Vec<PathBuf> {
    let mut found = sockets(&fs::read("/proc/net/unix").unwrap_or_default());
    // Containers that share the network have theirs in the list too, with paths that mean nothing here.
    found.retain(|path| fs::symlink_metadata(path).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true));
    found
}

/// The paths of sockets in `/proc/net/unix` (proc(5)) that listen and may be a broker's, each once.
fn sockets(listening: &[u8]) -> Vec<PathBuf> {
    // A flag of the kernel's: somebody accepts connections there.
    const ACCEPTS: &[u8] = b"00010000";
    let mut found: Vec<PathBuf> = listening
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            // Number, references, protocol, flags, type, state, inode, path; a path may hold blanks.
            let (mut rest, mut flags) = (line, &line[..0]);
            for field in 0..7 {
                rest = rest.trim_ascii_start();
                let end = rest.iter().position(|byte| *byte == b' ')?;
                if field == 3 {
                    flags = &rest[..end];
                }
                rest = &rest[end + 1..];
            }
            (flags == ACCEPTS && rest.first() == Some(&b'/')).then(|| PathBuf::from(OsStr::from_bytes(rest)))
        })
        .filter(|path| path.ends_with("broker.sock") || path.to_string_lossy().contains(PROGRAM))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What can be told of the broker that listens there; none if it is no broker. Whether it is asked whosever it is: what answers
/// may be no broker at all, so it is given little time.
fn look(socket: &Path, is_asked: bool) -> Option<Value> {
    let Ok(stream) = UnixStream::connect(socket) else {
        // It may be for others only.
        return Some(json!({ "socket": socket, "peer_uid": owner(socket), "state": "closed to you" }));
    };
    let (uid, pid) = broker::listening_process(&stream).ok()?;
    drop(stream);
    let mut one = json!({ "socket": socket, "peer_uid": uid, "pid": pid });
    let ask = |method: &str| {
        let users = if is_asked { vec![uid] } else { Vec::new() };
        let client = Client::connect(&Address::new(Some(socket.to_owned()), users)).ok()?;
        let mut client = if is_asked { client.patient_for(PATIENCE_WITH_ONE) } else { client };
        client.call::<Json>(method, &BTreeMap::<String, String>::new()).ok().map(|Json(value)| value)
    };
    let info = ask("system.info");
    // Who did not answer once is not asked again.
    let health = info.as_ref().and_then(|_| ask("system.health"));
    one["state"] = match (info, health) {
        (Some(info), Some(health)) => {
            // Who listens may be systemd, for a broker that is started when it is needed.
            let process = info["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            one["pid"] = process.into();
            one["peer_uid"] = process.and_then(script::user).or_else(|| owner(socket)).into();
            for name in ["daemon_version", "uptime", "active_connections"] {
                one[name] = info[name].clone();
            }
            health["overall_status"].clone()
        }
        _ if script::kernel_name(pid).is_some_and(|name| name != PROGRAM) => return None,
        // Another user's is not asked: he would see what is sent, or does not answer.
        _ => "not asked".into(),
    };
    Some(one)
}

/// Whose a socket's file is.
fn owner(socket: &Path) -> Option<u32> {
    fs::symlink_metadata(socket).ok().map(|metadata| metadata.uid())
}

fn listed(found: &[Value]) -> String {
    if found.is_empty() {
        return "no broker listens on this host, as far as you can see\n".to_owned();
    }
    let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), |text| clean_line(text).into_owned());
    let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
    let mut rows = vec![row(["user", "process", "state", "version", "up", "connections", "socket"].map(str::to_owned))];
    rows.extend(found.iter().map(|one| {
        row([
            who::user_of(one),
            number(&one["pid"]),
            text(&one["state"]),
            text(&one["daemon_version"]),
            one["uptime"].as_f64().map_or_else(|| "-".to_owned(), duration),
            number(&one["active_connections"]),
            text(&one["socket"]),
        ])
    }));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_may_be_a_brokers_are_picked() {
        let list = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            ffff0000: 00000002 00000000 00010000 0001 01 17 /run/dbus/socket\n\
            ffff0001: 00000002 00000000 00010000 0001 01 18 /tmp/cpan-bridge-7/broker.sock\n\
            ffff0002: 00000003 00000000 00000000 0001 03 19 /tmp/cpan-bridge-7/broker.sock\n\
            ffff0003: 00000002 00000000 00010000 0001 01 20 /srv/a b/broker.sock\n\
            ffff0004: 00000002 00000000 00010000 0001 01    21 @cpan-bridge\n\
            ffff0005: 00000002 00000000 00000000 0002 01 22\n";
        assert_eq!(sockets(list), [Path::new("/srv/a b/broker.sock"), Path::new("/tmp/cpan-bridge-7/broker.sock")]);
    }

    #[test]
    fn a_closed_one_is_told_with_whose_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("broker.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let one = look(&socket, false).unwrap();
        assert_eq!(one["state"], "closed to you");
        assert_eq!(one["peer_uid"], nix::unistd::Uid::effective().as_raw());
    }

    #[test]
    fn those_that_may_not_be_asked_are_named() {
        let found = [json!({ "socket": "/x/broker.sock", "peer_uid": 0, "pid": 7, "state": "not asked" })];
        let shown = listed(&found);
        let line = shown.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line, "root 7 not asked - - - /x/broker.sock");
        assert!(listed(&[]).starts_with("no broker"));
    }
}
