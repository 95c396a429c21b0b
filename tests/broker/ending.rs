//! How a broker ends, and what becomes of those it serves.

use crate::support::*;
use nix::sys::signal::Signal;
use rmpv::Value;
use std::os::unix::net::UnixStream;

fn sleep(seconds: f64) -> Value {
    map([("seconds", seconds.into())])
}

fn is_running(broker: &Broker) -> bool {
    broker.call("system.health", none()).unwrap()["checks"]["workers"]["details"]["busy"] == 1.into()
}

#[test]
fn a_running_call_is_finished_and_later_ones_are_told() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut broker = Broker::start(&[]);
        let mut running = broker.connect();
        running.send(&request(1, "test.sleep", sleep(0.5)));
        eventually("a busy worker", || is_running(&broker));
        let mut late = broker.connect();
        assert!(late.call("test.ping", none()).is_ok());
        broker.signal(signal);
        broker.await_log("Shutting down");
        assert_eq!(code(&late.call("test.ping", none())), "unavailable");
        assert!(running.answer(1).is_ok());
        assert_eq!(running.receive(), None);
        assert_eq!(broker.wait().code(), Some(0));
        assert!(!broker.socket().exists(), "the socket is left");
        assert_eq!(std::fs::read_dir(broker.dir()).unwrap().count(), 1, "only the log is left");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut broker = Broker::start(&[]);
    let mut running = broker.connect();
    running.send(&request(1, "test.sleep", sleep(60.0)));
    eventually("a busy worker", || is_running(&broker));
    broker.signal(Signal::SIGTERM);
    broker.await_log("Shutting down");
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait().code(), Some(143));
}

#[test]
fn a_call_that_runs_too_long_is_told_so() {
    let mut broker = Broker::start(&["--shutdown-grace=100ms"]);
    let mut running = broker.connect();
    running.send(&request(1, "test.sleep", sleep(60.0)));
    eventually("a busy worker", || is_running(&broker));
    broker.signal(Signal::SIGTERM);
    let result = running.answer(1);
    assert_eq!(code(&result), "failed");
    assert!(message(&result).contains("shutdown_grace"), "{result:?}");
    assert_eq!(broker.wait().code(), Some(0));
}

#[test]
fn calls_that_wait_for_a_worker_are_unavailable() {
    let mut broker = Broker::start(&["--workers=1"]);
    let mut client = broker.connect();
    client.send(&request(1, "test.sleep", sleep(0.3)));
    client.send(&request(2, "test.sleep", sleep(0.3)));
    eventually("a busy worker", || is_running(&broker));
    broker.signal(Signal::SIGTERM);
    assert_eq!(code(&client.answer(2)), "unavailable");
    assert!(client.answer(1).is_ok());
    assert_eq!(broker.wait().code(), Some(0));
}

#[test]
fn shutdown_can_be_called() {
    let mut broker = Broker::start(&[]);
    assert!(broker.call("system.shutdown", none()).unwrap()["message"].is_str());
    assert_eq!(broker.wait().code(), Some(0));
}

#[test]
fn an_idle_broker_leaves_and_one_with_connections_or_handles_stays() {
    let mut broker = Broker::start(&["--idle-exit=100ms", "--handle-idle-timeout=1s"]);
    broker.call("crypto.new", map([("key", "k".into())])).unwrap();
    broker.await_log("Nobody connected for idle_exit");
    let uptime_at_least = |log: &str| log.contains("Ended");
    assert_eq!(broker.wait().code(), Some(0));
    assert!(uptime_at_least(&broker.log()));
    assert!(!broker.socket().exists());

    let mut broker = Broker::start(&["--idle-exit=100ms", "--health-interval=30ms"]);
    let mut client = broker.connect();
    eventually("some time", || broker.log().matches("Health check").count() > 10);
    assert!(client.call("test.ping", none()).is_ok());
    drop(client);
    assert_eq!(broker.wait().code(), Some(0));
}

#[test]
fn a_hangup_signal_opens_the_log_file_anew() {
    let broker = Broker::start(&[]);
    broker.await_log("Serving");
    std::fs::rename(broker.dir().join("log"), broker.dir().join("log.1")).unwrap();
    broker.signal(Signal::SIGHUP);
    broker.await_log("Opening the log file anew");
    assert!(std::fs::read_to_string(broker.dir().join("log.1")).unwrap().contains("Serving"));
}

#[test]
fn a_log_that_can_not_be_opened_anew_is_told_and_tried_again() {
    let broker = Broker::start(&[]);
    broker.await_log("Serving");
    let (log, old) = (broker.dir().join("log"), broker.dir().join("log.1"));
    std::fs::rename(&log, &old).unwrap();
    // Nobody, root included, opens a directory for writing.
    std::fs::create_dir(&log).unwrap();
    broker.signal(Signal::SIGHUP);
    let said = || std::fs::read_to_string(&old).unwrap();
    eventually("the trouble to be told", || said().contains("The log file can't be opened anew"));
    assert!(said().contains("Is a directory"), "{}", said());
    std::fs::remove_dir(&log).unwrap();
    eventually("another try", || {
        // Each call makes a line, at this level.
        broker.call("test.ping", none()).unwrap();
        broker.log().contains("Log file opened anew")
    });
    assert_eq!(said().matches("can't be opened anew").count(), 1, "it is told once");
}

#[test]
fn a_killed_broker_leaves_nothing_in_the_way() {
    let mut broker = Broker::start(&[]);
    broker.signal(Signal::SIGKILL);
    broker.wait();
    let socket = broker.socket();
    assert!(socket.exists());
    let mut again = program();
    again
        .arg("serve")
        .arg("--socket")
        .arg(&socket)
        .arg("--log-file")
        .arg(broker.dir().join("log2"))
        .arg("--ready-fd=1");
    let second = Broker::of(again, tempfile::tempdir().unwrap());
    assert!(UnixStream::connect(&socket).is_ok());
    drop(second);
}

#[test]
fn a_handle_of_an_earlier_broker_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let start = || {
        let mut command = program();
        command
            .arg("serve")
            .arg("--socket")
            .arg(&socket)
            .arg("--log-file")
            .arg(dir.path().join("log"))
            .arg("--ready-fd=1");
        Broker::of(command, tempfile::tempdir().unwrap())
    };
    let mut first = start();
    let mut client = Client::connect(&socket);
    let id = client.call("crypto.new", map([("key", "k".into())])).unwrap()["cipher_id"].clone();
    let encrypt = || map([("cipher_id", id.clone()), ("plaintext", "x".into())]);
    // A reload is the same broker.
    client.call("system.reload", none()).unwrap();
    assert!(client.call("crypto.encrypt", encrypt()).is_ok());
    client.call("crypto.cleanup_cipher", map([("cipher_id", id.clone())])).unwrap();
    let result = client.call("crypto.encrypt", encrypt());
    assert_eq!(message(&result), "Invalid cipher ID or cipher expired");
    first.signal(nix::sys::signal::Signal::SIGKILL);
    first.wait();
    let _second = start();
    let result = Client::connect(&socket).call("crypto.encrypt", encrypt());
    assert_eq!(code(&result), "not_found");
    let said = message(&result);
    assert!(
        said.starts_with("Invalid cipher ID or cipher expired") && said.contains("which was started at 2"),
        "{said}"
    );
}
