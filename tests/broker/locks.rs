//! Locking what one keeps in a broker: no key can be used until the same passphrase unlocks it.

use crate::support::*;
use rmpv::Value;
use std::io::Write;
use std::process::{Output, Stdio};

fn passphrase(text: &str) -> Value {
    map([("passphrase", text.into())])
}

fn run(broker: &Broker, subcommand: &str, input: &str) -> Output {
    let mut command = program();
    command.arg(subcommand).arg("--socket").arg(broker.socket()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_locked_key_can_not_be_used_by_anybody() {
    let broker = Broker::start(&["--handle-idle-timeout=150ms"]);
    let mut client = broker.connect();
    let id = client.call("crypto.new", map([("key", "a key".into())])).unwrap()["cipher_id"].clone();
    let encrypt = || map([("cipher_id", id.clone()), ("plaintext", "text".into())]);
    assert!(client.call("crypto.encrypt", encrypt()).is_ok());
    assert_eq!(client.call("system.lock", passphrase("open sesame")).unwrap()["locked"], true.into());
    for (method, params) in [
        ("crypto.encrypt", encrypt()),
        ("crypto.new", map([("key", "k".into())])),
        ("crypto.cleanup_cipher", map([("cipher_id", id.clone())])),
        ("http_helper.session_new", none()),
        ("http.get", map([("url", "http://127.0.0.1:1/".into())])),
    ] {
        let result = client.call(method, params);
        assert_eq!(code(&result), "denied", "{method}");
        assert!(message(&result).contains("cpan-bridge unlock"), "{method}: {}", message(&result));
    }
    assert!(client.call("crypto.hash", map([("data", "x".into())])).is_ok(), "what uses no key goes on");
    // Also on another connection, and by another program in the broker's place.
    client.call("system.reload", none()).unwrap();
    assert_eq!(code(&broker.call("crypto.encrypt", encrypt())), "denied");
    assert_eq!(client.call("system.info", none()).unwrap()["locked"], true.into());
    assert_eq!(code(&client.call("system.lock", passphrase("another"))), "failed");
    assert!(client.call("test.ping", none()).is_ok() && client.call("system.health", none()).is_ok());
    // What can't be used does not end for not being used.
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(code(&client.call("system.unlock", passphrase("open barley"))), "denied");
    let result = client.call("system.unlock", passphrase("open sesame"));
    assert!(message(&result).contains("the next try is in"), "{}", message(&result));
    eventually("the next try", || client.call("system.unlock", passphrase("open sesame")).is_ok());
    assert!(client.call("crypto.encrypt", encrypt()).is_ok());
    assert_eq!(code(&client.call("system.unlock", passphrase("open sesame"))), "failed");
    assert!(!broker.log().contains("sesame"));
}

#[test]
fn locked_is_locked_for_what_waits_as_well() {
    let broker = Broker::start(&["--workers=1"]);
    let mut client = broker.connect();
    client.send(&request(1, "test.sleep", map([("seconds", 60.into())])));
    let salted = || {
        map([
            ("cipher", "AES-256-GCM".into()),
            ("passphrase", "p".into()),
            ("salt", "12345678".into()),
            ("iterations", 1.into()),
        ])
    };
    client.send(&request(2, "crypto.new", salted()));
    client.send(&request(3, "test.sleep", map([("seconds", 0.into())])));
    eventually("both to wait", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["queued"] == 2.into()
    });
    broker.call("system.lock", passphrase("open sesame")).unwrap();
    let result = client.answer(2);
    assert_eq!(code(&result), "denied");
    assert!(message(&result).contains("locked"), "{}", message(&result));
    let workers = broker.call("system.performance", none()).unwrap()["worker_performance"].clone();
    assert_eq!(workers["queued"], 1.into(), "what uses no key waits on");
}

#[test]
fn each_user_locks_for_himself() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534"]);
    let mut guest = Client::connect_as(STRANGER, &broker.socket());
    guest.call("system.lock", passphrase("mine")).unwrap();
    assert_eq!(code(&guest.call("crypto.new", map([("key", "k".into())]))), "denied");
    assert!(broker.call("crypto.new", map([("key", "k".into())])).is_ok());
    assert_eq!(code(&broker.call("system.unlock", passphrase("mine"))), "failed", "it is not the owner's to unlock");
    guest.call("system.unlock", passphrase("mine")).unwrap();
    assert!(guest.call("crypto.new", map([("key", "k".into())])).is_ok());
}

#[test]
fn the_commands_read_a_line_or_ask() {
    let broker = Broker::start(&[]);
    let output = run(&broker, "lock", "a phrase\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Locked\n", "{output:?}");
    assert_eq!(code(&broker.call("crypto.new", map([("key", "k".into())]))), "denied");
    let output = run(&broker, "unlock", "another\n");
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("that is not the passphrase"), "{output:?}");
    eventually("the next try", || run(&broker, "unlock", "a phrase\r\n").status.success());
    assert!(broker.call("crypto.new", map([("key", "k".into())])).is_ok());
    assert_eq!(run(&broker, "lock", "").status.code(), Some(4), "an empty one locks nothing");
}
