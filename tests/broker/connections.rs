//! Connections: counted, limited, closed for one reason each, nothing left behind.

use crate::support::*;
use nix::sys::signal::Signal;
use std::io::Read;
use std::os::unix::net::UnixStream;

fn active(broker: &Broker) -> u64 {
    broker.call("test.stats", none()).unwrap()["active_connections"].as_u64().unwrap()
}

#[test]
fn ten_connections_opened_and_closed_leave_exactly_the_one_that_asks() {
    let broker = Broker::start(&[]);
    for _ in 0..10 {
        broker.call("test.ping", none()).unwrap();
    }
    // No waiting: a connection whose end came before the question is gone when it is answered.
    let seen = broker.call("system.connections", none()).unwrap();
    assert_eq!(seen["active_connections"], 1.into(), "{seen}");
    assert_eq!((&seen["total_connections"], &seen["connections_accepted"]), (&seen["active_connections"], &11.into()));
    assert_eq!(seen["closed"]["hangup"], 10.into());
    assert_eq!(seen["connections"].as_array().unwrap().len(), 1);
    let own = &seen["connections"][0];
    assert_eq!(own["connection_id"], 11.into());
    assert_eq!(own["peer_pid"], std::process::id().into());
    assert_eq!(own["status"], "active".into());
    assert!(own["bytes_in"].as_u64().unwrap() > 0);
}

#[test]
fn a_connection_without_a_byte_for_long_is_closed() {
    let broker = Broker::start(&["--stale-timeout=100ms"]);
    let mut idle = broker.connect();
    idle.call("test.ping", none()).unwrap();
    assert_eq!(idle.receive(), None);
    assert_eq!(broker.call("system.connections", none()).unwrap()["closed"]["idle"], 1.into());
}

#[test]
fn a_connection_with_a_call_in_work_is_not_idle() {
    let broker = Broker::start(&["--stale-timeout=50ms"]);
    let mut client = broker.connect();
    assert!(client.call("test.sleep", map([("seconds", 0.3.into())])).is_ok());
}

#[test]
fn a_stale_timeout_of_zero_is_never() {
    let broker = Broker::start(&["--stale-timeout=0", "--health-interval=20ms"]);
    let mut client = broker.connect();
    client.call("test.ping", none()).unwrap();
    eventually("some health lines", || broker.log().matches("Health check").count() > 5);
    assert!(client.call("test.ping", none()).is_ok());
}

#[test]
fn cleanup_closes_what_is_stale_and_not_who_asks() {
    // Stale is judged by time since the last byte; the timer that would close them looks no earlier than that.
    let broker = Broker::start(&["--stale-timeout=1h"]);
    let mut client = broker.connect();
    broker.connect();
    let report = client.call("system.cleanup", none()).unwrap();
    assert_eq!(report["cleaned_connections"], 0.into());
    assert!(client.call("test.stats", none()).unwrap()["last_cleanup"].as_f64().unwrap() > 0.0);
}

#[test]
fn beyond_the_limit_connections_wait_and_are_served_when_one_closes() {
    let broker = Broker::start(&["--max-connections=2"]);
    let first = broker.connect();
    let mut second = broker.connect();
    assert!(second.call("test.ping", none()).is_ok());
    let mut third = broker.connect();
    third.send(&request(1, "test.echo", none()));
    broker.await_log("All connections are in use");
    third.stream.set_nonblocking(true).unwrap();
    assert!(third.stream.read(&mut [0; 8]).is_err(), "served beyond the limit");
    third.stream.set_nonblocking(false).unwrap();
    drop(first);
    assert_eq!(third.answer(1), Ok(none()));
    drop(second);
    broker.await_log("Accepting connections again");
    assert_eq!(broker.log().matches("All connections are in use").count(), 1, "said once");
}

#[test]
fn connections_are_kept_within_the_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let script = "ulimit -n 100; exec \"$0\" serve --socket \"$1\" --log-file \"$2\" --ready-fd 1";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_cpan-bridge")]);
    command.arg(dir.path().join("broker.sock")).arg(dir.path().join("log"));
    let broker = Broker::of(command, dir);
    broker.await_log("Fewer connections than max_connections are possible");
    let limits = broker.call("system.connections", none()).unwrap()["connection_limits"].clone();
    assert_eq!(limits["max_concurrent"], 36.into());
}

#[test]
fn when_descriptors_run_out_connections_wait_and_are_served_later() {
    let broker = Broker::start(&[]);
    let limit = |limit: &str| {
        let (pid, limit) = (format!("--pid={}", broker.pid()), format!("--nofile={limit}:4096"));
        assert!(std::process::Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    };
    let mut served = broker.connect();
    served.call("test.ping", none()).unwrap();
    limit("3");
    let mut waiting = broker.connect();
    waiting.send(&request(1, "test.echo", none()));
    broker.await_log("No descriptors left; new connections wait");
    assert!(served.call("test.ping", none()).is_ok(), "those who are there are served");
    limit("4096");
    assert_eq!(waiting.answer(1), Ok(none()));
    broker.await_log("Accepting connections again");
    assert_eq!(broker.log().matches("No descriptors left").count(), 1, "said once");
}

#[test]
fn slots_are_used_again() {
    let broker = Broker::start(&[]);
    for _ in 0..3 {
        let clients: Vec<Client> = (0..50).map(|_| broker.connect()).collect();
        drop(clients);
    }
    eventually("one connection", || active(&broker) == 1);
    let seen = broker.call("system.connections", none()).unwrap();
    assert!(seen["peak_connections"].as_u64().unwrap() <= 151);
}

#[test]
fn a_connection_is_a_line_in_the_log_only_at_debug() {
    let broker = Broker::start(&["--log-level=info"]);
    broker.call("test.ping", none()).unwrap();
    broker.signal(nix::sys::signal::Signal::SIGHUP);
    broker.await_log("Opening the log file anew");
    assert!(!broker.log().contains("Connection opened"));
    let broker = Broker::start(&["--log-level=debug"]);
    broker.call("test.ping", none()).unwrap();
    broker.await_log("Connection closed");
}

#[test]
fn ten_thousand_idle_connections_are_in_nobodys_way() {
    const IDLE: usize = 10_000;
    const ACTIVE: u32 = 50;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = IDLE as u64 + 1000;
    if hard < wanted || (soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err()) {
        eprintln!("skipped: this host lets a process have only {hard} descriptors");
        return;
    }
    let broker = Broker::start(&["--max-connections=10100", "--log-level=warning"]);
    let idle: Vec<UnixStream> = (0..IDLE).map(|_| UnixStream::connect(broker.socket()).unwrap()).collect();
    eventually("all connections", || active(&broker) == IDLE as u64 + 1);
    let mut clients: Vec<Client> = (0..ACTIVE).map(|_| broker.connect()).collect();
    for round in 0..20 {
        for client in &mut clients {
            client.send(&request(round, "test.echo", map([("round", round.into())])));
        }
        for client in &mut clients {
            assert_eq!(client.answer(round), Ok(map([("round", round.into())])));
        }
    }
    assert_eq!(active(&broker), IDLE as u64 + u64::from(ACTIVE) + 1, "nobody was closed");
    drop(idle);
    drop(clients);
    eventually("the end of all", || active(&broker) == 1);
}

#[test]
fn a_broker_that_polls_for_a_while_answers_and_sleeps_in_the_end() {
    let broker = Broker::start(&["--busy-poll=2ms", "--health-interval=off", "--socket-check=off"]);
    let mut client = broker.connect();
    for _ in 0..200 {
        assert_eq!(client.call("test.echo", none()), Ok(none()));
    }
    // Also what runs elsewhere and what has a time limit comes while nobody sends anything.
    assert!(client.call("test.sleep", map([("seconds", 0.05.into())])).is_ok());
    let stat = format!("/proc/{}/task/{}/stat", broker.pid(), broker.pid());
    eventually("it sleeps", || std::fs::read_to_string(&stat).unwrap().contains(") S "));
}

#[test]
fn who_is_closed_by_another_call_of_the_same_moment_still_gets_earlier_answers() {
    let broker = Broker::start(&[]);
    let mut closed = broker.connect();
    closed.call("test.ping", none()).unwrap();
    let mut closing = broker.connect();
    let seen = closing.call("system.connections", none()).unwrap();
    let own = std::process::id().into();
    assert!(seen["connections"].as_array().unwrap().iter().all(|one| one["peer_pid"] == own), "{seen}");
    // Whoever was answered last is looked at once more before the broker sleeps: that has to be the one whose request is
    // to come first.
    closed.call("test.ping", none()).unwrap();
    broker.stop();
    closed.send(&request(7, "test.echo", map([("n", 7.into())])));
    closing.send(&request(8, "system.close_connection", map([("connection_id", 1.into())])));
    broker.signal(Signal::SIGCONT);
    assert_eq!(closed.answer(7), Ok(map([("n", 7.into())])));
    assert_eq!(closed.receive(), None);
    assert!(closing.answer(8).is_ok());
}

#[test]
fn answers_to_many_at_one_moment_all_arrive_in_order() {
    let broker = Broker::start(&[]);
    let mut clients: Vec<Client> = (0..300).map(|_| broker.connect()).collect();
    broker.stop();
    // Small answers and large ones, more than are held together by number and by size.
    let text = |client: usize, msgid: u32| {
        format!("{client}.{msgid}.").repeat(if client.is_multiple_of(7) { 1500 } else { 1 })
    };
    for (number, client) in clients.iter_mut().enumerate() {
        for msgid in 0..5 {
            client.send(&request(msgid, "test.echo", map([("text", text(number, msgid).into())])));
        }
    }
    broker.signal(Signal::SIGCONT);
    for (number, client) in clients.iter_mut().enumerate() {
        for msgid in 0..5 {
            assert_eq!(client.answer(msgid), Ok(map([("text", text(number, msgid).into())])));
        }
    }
}
