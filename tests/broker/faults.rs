//! What goes wrong around a broker: it says so, goes on, and recovers by itself.

use crate::support::*;
use nix::sys::signal::Signal;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};

fn can_connect(broker: &Broker) -> bool {
    UnixStream::connect(broker.socket()).is_ok()
}

#[test]
fn a_socket_that_was_removed_is_made_anew() {
    let broker = Broker::start(&["--socket-check=20ms"]);
    let mut there = broker.connect();
    let made = there.call("crypto.new", map([("key", "a key".into())])).unwrap();
    for lost in [vec!["broker.sock"], vec!["broker.sock", "broker.sock.lock"]] {
        for name in lost {
            std::fs::remove_file(broker.dir().join(name)).unwrap();
        }
        eventually("the socket", || can_connect(&broker));
        let params = map([("cipher_id", made["cipher_id"].clone()), ("plaintext", "x".into())]);
        assert!(broker.call("crypto.encrypt", params).is_ok(), "it is the same broker");
        assert!(there.call("test.ping", none()).is_ok(), "who was there noticed nothing");
    }
    broker.await_log("The socket's file was removed; it is made anew");
    let second = program().args(["serve", "--socket"]).arg(broker.socket()).output().unwrap();
    assert!(!second.status.success(), "and it still holds its place");
}

#[test]
fn a_socket_that_somebody_else_replaced_is_left_to_them() {
    let broker = Broker::start(&["--socket-check=20ms"]);
    let mut there = broker.connect();
    std::fs::remove_file(broker.socket()).unwrap();
    let other = UnixListener::bind(broker.socket());
    let Ok(other) = other else {
        // The broker was quicker.
        assert!(can_connect(&broker));
        return;
    };
    broker.await_log("can't be made anew");
    assert!(there.call("test.ping", none()).is_ok());
    assert!(UnixStream::connect(broker.socket()).is_ok() && other.accept().is_ok(), "nobody took it from them");
    drop(other);
    // What they leave behind is nobody's.
    eventually("the broker's own socket", || {
        can_connect(&broker) && Client::connect(&broker.socket()).call("test.ping", none()).is_ok()
    });
}

#[test]
fn a_full_disk_costs_log_lines_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("log")).unwrap();
    let mut broker = Broker::start_in(dir, &["--health-interval=10ms"]);
    let mut client = broker.connect();
    for _ in 0..200 {
        client.call("test.ping", none()).unwrap();
    }
    let health = client.call("system.health", none()).unwrap();
    assert_eq!(health["overall_status"], "healthy".into(), "{health}");
    broker.signal(Signal::SIGTERM);
    assert!(broker.wait().success());
}

#[test]
fn a_worker_that_is_stuck_holds_up_only_itself() {
    let broker = Broker::start(&["--workers=1", "--worker-queue=4"]);
    let mut stuck = broker.connect();
    stuck.send(&request(1, "test.sleep", map([("seconds", 30.into())])));
    eventually("a busy worker", || {
        broker.call("system.health", none()).unwrap()["checks"]["workers"]["details"]["busy"] == 1.into()
    });
    let mut waiting = broker.connect();
    let options = map([("timeout_ms", 100.into())]);
    waiting.send(&request_with(1, "test.sleep", map([("seconds", 0.into())]), options));
    for _ in 0..100 {
        assert!(broker.call("test.echo", none()).is_ok());
    }
    assert_eq!(code(&waiting.answer(1)), "timeout", "who waits for the worker is told when the time is over");
    drop(stuck);
    eventually("a free worker", || waiting.call("test.sleep", map([("seconds", 0.into())])).is_ok());
}

#[test]
fn a_broker_that_was_stopped_goes_on_where_it_was() {
    let broker = Broker::start(&["--stale-timeout=10s"]);
    let mut client = broker.connect();
    client.call("test.ping", none()).unwrap();
    broker.stop();
    for msgid in 1..=50 {
        client.send(&request(msgid, "test.echo", map([("n", msgid.into())])));
    }
    let mut newcomer = broker.connect();
    newcomer.send(&request(1, "test.ping", none()));
    broker.signal(Signal::SIGCONT);
    for msgid in 1..=50 {
        assert_eq!(client.answer(msgid), Ok(map([("n", msgid.into())])));
    }
    assert!(newcomer.answer(1).is_ok());
}

#[test]
fn a_disk_that_is_full_costs_a_metrics_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let flag = format!("--metrics-file={}", disk.join("broker.prom").display());
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(&disk)
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let broker = Broker::start_in(dir, &[&flag, "--metrics-interval=20ms"]);
    let page = || std::fs::read_to_string(broker.dir().join("disk/broker.prom")).unwrap_or_default();
    let requests = |page: &str| {
        let lines = page.lines().filter(|line| line.starts_with("cpan_bridge_requests_total"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    broker.call("test.echo", none()).unwrap();
    eventually("the file", || requests(&page()) >= 1);
    if mounted {
        std::fs::write(disk.join("filler"), vec![0; 48 << 10]).unwrap();
        let _ = std::fs::write(disk.join("more"), vec![0; 64 << 10]);
    } else {
        eprintln!("no file system of its own can be mounted here: the directory goes away instead");
        std::fs::rename(&disk, broker.dir().join("elsewhere")).unwrap();
    }
    broker.await_log("The metrics file can't be written");
    assert!(broker.call("test.echo", none()).is_ok());
    if mounted {
        assert!(requests(&page()) >= 1, "what was there is whole");
        std::fs::remove_file(disk.join("filler")).unwrap();
        std::fs::remove_file(disk.join("more")).unwrap();
    } else {
        std::fs::create_dir(&disk).unwrap();
    }
    broker.await_log("The metrics file is written again");
    eventually("the call in it", || requests(&page()) >= 2);
    if mounted {
        // Before the directory goes with the broker, which may be writing there.
        assert!(std::process::Command::new("umount").arg("-l").arg(&disk).status().unwrap().success());
    }
}

/// A library that takes an hour off the time of day for a program, from when a file is there.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, id, now);
    if (result == 0 && id == CLOCK_REALTIME && access(getenv("CLOCK_SET_BACK"), F_OK) == 0) now->tv_sec -= 3600;
    return result;
}
"#;

#[test]
fn a_clock_that_is_set_back_changes_no_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library, set_back) = (dir.path().join("c.c"), dir.path().join("c.so"), dir.path().join("set-back"));
    std::fs::write(&source, CLOCK).unwrap();
    // The linker that cargo uses is the C compiler, so there is one.
    let compiled =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(compiled.success());
    let mut command = program();
    command.env("LD_PRELOAD", &library).env("CLOCK_SET_BACK", &set_back).arg("serve");
    command.arg("--socket").arg(dir.path().join("broker.sock")).arg("--log-file").arg(dir.path().join("log"));
    command.args(["--log-level=debug", "--ready-fd=1", "--health-interval=50ms", "--stale-timeout=300ms"]);
    command.arg("--handle-idle-timeout=300ms");
    let broker = Broker::of(command, dir);
    let mut client = broker.connect();
    client.call("crypto.new", map([("key", "a key".into())])).unwrap();
    let before = client.call("system.health", none()).unwrap()["timestamp"].as_str().unwrap().to_owned();
    let uptime = client.call("system.info", none()).unwrap()["uptime"].as_f64().unwrap();
    let lines = || broker.log().matches("Health check - Uptime").count();

    std::fs::write(&set_back, "").unwrap();
    let after = client.call("system.health", none()).unwrap()["timestamp"].as_str().unwrap().to_owned();
    assert!(after < before, "the time of day is earlier: {after}");
    assert!(client.call("system.info", none()).unwrap()["uptime"].as_f64().unwrap() > uptime, "the uptime is not");
    let counted = lines();
    eventually("health lines", || lines() > counted + 2);
    client.send(&request_with(7, "test.sleep", map([("seconds", 5.into())]), map([("timeout_ms", 50.into())])));
    assert_eq!(code(&client.answer(7)), "timeout");
    assert_eq!(client.receive(), None, "idle connections are closed in time");
    eventually("the handle to end", || {
        broker.call("system.metrics", none()).unwrap()["handle_summary"].as_map().unwrap().is_empty()
    });
    let report = broker.call("system.connections", none()).unwrap();
    for one in report["connections"].as_array().unwrap() {
        assert!(one["duration_seconds"].as_f64() >= Some(0.0) && one["idle_time"].as_f64() >= Some(0.0), "{one}");
    }
    std::fs::remove_file(&set_back).unwrap();
    assert_eq!(broker.call("system.health", none()).unwrap()["overall_status"], "healthy".into());
}

#[test]
fn a_file_that_may_not_grow_fails_what_writes_to_it_and_nothing_else() {
    let web = crate::web::Web::start(|_, stream| crate::web::answer(stream, "200 OK", &[], &vec![b'x'; 3 << 20]));
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    let script = "ulimit -f 1000; exec \"$0\" serve --socket \"$1\" --log-file \"$2\" --log-level debug --ready-fd 1";
    command.args(["-c", script, env!("CARGO_BIN_EXE_cpan-bridge")]);
    command.arg(dir.path().join("broker.sock")).arg(dir.path().join("log"));
    let broker = Broker::of(command, dir);
    let target = broker.dir().join("target").display().to_string();
    let params = || map([("url", web.url("/").into()), ("path", target.clone().into())]);
    let result = broker.call("http_helper.download", params());
    assert!(message(&result).contains("File too large"), "{result:?}");
    // Nor can a log that is full already.
    for _ in 0..20_000 {
        drop(broker.connect());
    }
    assert!(broker.call("test.ping", none()).is_ok());
    let left: Vec<_> = std::fs::read_dir(broker.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("part")), "{left:?}");
}
