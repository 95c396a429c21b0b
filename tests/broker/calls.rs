//! Calls: both framings, order, deadlines, cancellation, progress, handles.

use crate::support::*;
use rmpv::Value;
use std::io::{Read, Write};

fn sleep(seconds: f64) -> Value {
    map([("seconds", seconds.into())])
}

#[test]
fn an_echo_is_unchanged_in_every_type() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let params = map([
        ("nil", Value::Nil),
        ("truth", true.into()),
        ("small", (-1).into()),
        ("large", u64::MAX.into()),
        ("least", i64::MIN.into()),
        ("double", 0.1.into()),
        ("text", "\u{263a}".into()),
        ("bytes", Value::Binary(vec![0, 255, 10])),
        ("list", Value::Array(vec![Value::Array(vec![]), none()])),
    ]);
    assert_eq!(client.call("test.echo", params.clone()), Ok(params.clone()));
    assert_eq!(client.call("test.echo", Value::Array(vec![params.clone()])), Ok(params));
    assert_eq!(client.call("test.echo", Value::Array(vec![])), Ok(none()));
}

#[test]
fn a_bare_client_is_answered_bare() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let both = [encode(&request(1, "test.echo", none())), encode(&request(300, "test.echo", none()))].concat();
    client.stream.write_all(&both).unwrap();
    client.finish_sending();
    let mut answers = Vec::new();
    client.stream.read_to_end(&mut answers).unwrap();
    let mut rest = &answers[..];
    for msgid in [1, 300] {
        let answer = rmpv::decode::read_value(&mut rest).unwrap();
        assert_eq!(answer, Value::Array(vec![1.into(), msgid.into(), Value::Nil, none()]));
    }
    assert!(rest.is_empty());
}

#[test]
fn inline_calls_are_answered_in_the_order_sent() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let batch: Vec<u8> = (0..5000).flat_map(|msgid| frame(&encode(&request(msgid, "test.echo", none())))).collect();
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(&batch).unwrap());
    for msgid in 0..5000 {
        assert_eq!(client.answer(msgid), Ok(none()));
    }
    sender.join().unwrap();
}

#[test]
fn a_notification_runs_and_is_not_answered() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.send(&Value::Array(vec![2.into(), "test.echo".into(), none()]));
    client.send(&Value::Array(vec![2.into(), "no.such".into(), none()]));
    client.send(&Value::Array(vec![2.into(), "test.sleep".into(), sleep(0.0)]));
    let stats = client.call("test.stats", none()).unwrap();
    assert!(stats["requests_processed"].as_u64().unwrap() >= 2, "{stats}");
}

#[test]
fn after_half_close_everything_outstanding_is_answered() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.send(&request(1, "test.sleep", sleep(0.05)));
    client.send(&request(2, "test.echo", none()));
    client.finish_sending();
    assert_eq!(client.answer(2), Ok(none()));
    assert!(client.answer(1).unwrap()["slept"].as_f64().unwrap() >= 0.05);
    assert_eq!(client.receive(), None);
}

#[test]
fn a_call_whose_deadline_passes_is_answered_timeout() {
    let broker = Broker::start(&["--workers=1"]);
    let mut client = broker.connect();
    client.send(&request_with(1, "test.sleep", sleep(30.0), map([("timeout_ms", 50.into())])));
    // Waits behind the first, and never runs.
    client.send(&request_with(2, "test.sleep", sleep(30.0), map([("timeout_ms", 10.into())])));
    let second = client.answer(2);
    assert_eq!(code(&second), "timeout");
    assert_eq!(code(&client.answer(1)), "timeout");
    assert!(client.call("test.sleep", sleep(0.0)).is_ok(), "the worker is free again");
    client.send(&request_with(9, "test.echo", none(), map([("timeout_ms", 0.into())])));
    assert_eq!(code(&client.answer(9)), "timeout");
}

#[test]
fn a_call_given_up_while_it_waits_never_runs() {
    let broker = Broker::start(&["--workers=1"]);
    let mut client = broker.connect();
    let mut other = broker.connect();
    other.send(&request(1, "test.sleep", sleep(30.0)));
    eventually("a busy worker", || {
        broker.call("system.health", none()).unwrap()["checks"]["workers"]["details"]["busy"] == 1.into()
    });
    client.send(&request(5, "test.sleep", sleep(30.0)));
    let cancel = |msgid: u32| Value::Array(vec![2.into(), "rpc.cancel".into(), Value::Array(vec![msgid.into()])]);
    client.send(&cancel(5));
    assert_eq!(code(&client.answer(5)), "cancelled");
    // One that runs is told, and this function listens.
    other.send(&cancel(1));
    assert_eq!(code(&other.answer(1)), "cancelled");
    other.send(&cancel(1));
    assert!(other.call("test.echo", none()).is_ok(), "giving up twice is no error");
}

#[test]
fn progress_is_reported_to_those_who_ask() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let params = map([("seconds", 0.05.into()), ("steps", 3.into())]);
    client.send(&request_with(7, "test.sleep", params.clone(), map([("progress", true.into())])));
    for step in 1..=3 {
        let Some(Value::Array(parts)) = client.receive() else { panic!() };
        assert_eq!((&parts[0], &parts[1]), (&2.into(), &"rpc.progress".into()));
        let fact = &parts[2][0];
        assert_eq!((&fact["msgid"], &fact["done"], &fact["total"]), (&7.into(), &step.into(), &3.into()));
        assert_eq!(fact["unit"], "steps".into());
    }
    assert!(client.answer(7).is_ok());
    assert!(client.call("test.sleep", params).is_ok(), "no progress without asking");
}

#[test]
fn a_full_queue_is_told() {
    let broker = Broker::start(&["--workers=1", "--worker-queue=2"]);
    let mut client = broker.connect();
    client.send(&request(1, "test.sleep", sleep(30.0)));
    eventually("a busy worker", || {
        broker.call("system.health", none()).unwrap()["checks"]["workers"]["details"]["busy"] == 1.into()
    });
    for msgid in 2..=4 {
        client.send(&request(msgid, "test.sleep", sleep(30.0)));
    }
    assert_eq!(code(&client.answer(4)), "overloaded");
    let workers = broker.call("system.performance", none()).unwrap()["worker_performance"].clone();
    let figure = |name: &str| workers[name].as_u64();
    assert_eq!((figure("workers"), figure("busy"), figure("queued")), (Some(1), Some(1), Some(2)), "{workers}");
    assert_eq!((figure("queue_limit"), figure("peak_queued"), figure("overloaded")), (Some(2), Some(2), Some(1)));
    assert_eq!(figure("finished"), Some(0));
}

#[test]
fn waiting_and_running_are_timed_apart() {
    let broker = Broker::start(&["--workers=1"]);
    let mut client = broker.connect();
    for msgid in 1..=3 {
        client.send(&request(msgid, "test.sleep", sleep(0.05)));
    }
    for msgid in 1..=3 {
        client.answer(msgid).unwrap();
    }
    let workers = broker.call("system.performance", none()).unwrap()["worker_performance"].clone();
    assert_eq!(workers["finished"], 3.into());
    let time = |what: &str, figure: &str| workers[what][figure].as_f64().unwrap();
    assert!(time("run_time", "p50") >= 0.04 && time("run_time", "max") >= time("run_time", "p50"), "{workers}");
    // The last one waited for two others.
    assert!(time("wait_time", "max") >= 0.09, "{workers}");
    let details = &broker.call("system.health", none()).unwrap()["checks"]["workers"]["details"];
    assert!(details["wait_time"]["max"].as_f64().unwrap() >= 0.09, "{details}");
}

#[test]
fn a_connection_with_many_calls_in_work_is_read_no_further() {
    let broker = Broker::start(&["--workers=1", "--max-outstanding=4"]);
    let mut client = broker.connect();
    for msgid in 1..=8 {
        client.send(&request(msgid, "test.sleep", sleep(0.02)));
    }
    client.send(&request(9, "test.echo", none()));
    // The echo runs in the loop; were it read at once, it would be answered first.
    let mut order = Vec::new();
    for _ in 0..9 {
        let Some(Value::Array(parts)) = client.receive() else { panic!() };
        order.push(parts[1].as_u64().unwrap());
    }
    let echo = order.iter().position(|msgid| *msgid == 9).unwrap();
    assert!(echo >= 4, "{order:?}");
}

#[test]
fn workers_answers_find_their_connection_or_nobody() {
    let broker = Broker::start(&[]);
    for _ in 0..20 {
        let mut gone = broker.connect();
        gone.send(&request(1, "test.sleep", sleep(0.02)));
        drop(gone);
        // Takes the slot that the other one left.
        let mut next = broker.connect();
        assert_eq!(next.call("test.echo", map([("a", 1.into())])), Ok(map([("a", 1.into())])));
        next.stream.set_read_timeout(Some(std::time::Duration::from_millis(40))).unwrap();
        assert!(next.stream.read(&mut [0; 16]).is_err(), "an answer that nobody asked for");
    }
}

#[test]
fn a_panic_is_answered_and_the_broker_goes_on() {
    let broker = Broker::start(&["--test-faults"]);
    let mut client = broker.connect();
    for method in ["test.panic", "test.panic_worker"] {
        let result = client.call(method, none());
        assert_eq!(code(&result), "internal");
        let reference = message(&result).rsplit(' ').next().unwrap().to_owned();
        broker.await_log(&reference);
    }
    assert!(!broker.log().contains("on purpose"), "a panic's message stays out of the log");
    assert!(client.call("test.ping", none()).is_ok());
    assert_eq!(client.call("system.health", none()).unwrap()["overall_status"], "degraded".into());
}

#[test]
fn a_result_that_would_not_fit_a_frame_is_too_large() {
    let broker = Broker::start(&["--max-frame=4KiB"]);
    let mut client = broker.connect();
    // The answer's `input` repeats what was sent, beside a great deal else.
    let result = client.call("test.ping", map([("a", "x".repeat(4000).into())]));
    assert_eq!(code(&result), "too_large");
    assert!(client.call("test.echo", none()).is_ok());
}

#[test]
fn a_cipher_made_on_one_connection_works_on_the_next() {
    let broker = Broker::start(&[]);
    let made = broker.call("crypto.new", map([("key", "my secret key".into())])).unwrap();
    let cipher = made["cipher_id"].clone();
    let sent = map([("cipher_id", cipher.clone()), ("plaintext_hex", "48656c6c6f".into())]);
    let encrypted = broker.call("crypto.encrypt", sent).unwrap()["encrypted"].clone();
    let sent = map([("cipher_id", cipher.clone()), ("hex_ciphertext", encrypted)]);
    assert_eq!(broker.call("crypto.decrypt", sent).unwrap()["decrypted"], Value::Binary(b"Hello".to_vec()));
    let freed = map([("cipher_id", cipher.clone())]);
    for _ in 0..2 {
        assert_eq!(broker.call("crypto.cleanup_cipher", freed.clone()).unwrap()["cleaned_up"], true.into());
    }
    let gone = broker.call("crypto.encrypt", map([("cipher_id", cipher), ("plaintext", "x".into())]));
    assert_eq!(code(&gone), "not_found");
    assert!(message(&gone).contains("Invalid cipher ID or cipher expired"));
}

#[test]
fn calls_on_one_handle_run_in_the_order_sent() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let cipher = client.call("crypto.new", map([("key", "k".into())])).unwrap()["cipher_id"].clone();
    let large = "x".repeat(1 << 20);
    // The first is large and goes to a worker; the second and third are small and would be done long before it.
    client.send(&request(10, "crypto.encrypt", map([("cipher_id", cipher.clone()), ("plaintext", large.into())])));
    client.send(&request(11, "crypto.encrypt", map([("cipher_id", cipher.clone()), ("plaintext", "x".into())])));
    client.send(&request(12, "crypto.cleanup_cipher", map([("cipher_id", cipher)])));
    for msgid in 10..=12 {
        assert!(client.answer(msgid).is_ok());
    }
}

#[test]
fn a_handle_that_nobody_uses_ends() {
    let broker = Broker::start(&["--handle-idle-timeout=50ms"]);
    broker.call("crypto.new", map([("key", "k".into())])).unwrap();
    eventually("the handle to end", || {
        let handles = broker.call("system.metrics", none()).unwrap()["handle_summary"].clone();
        handles == none()
    });
}

#[test]
fn more_handles_than_allowed_are_refused_and_none_is_dropped() {
    let broker = Broker::start(&["--max-handles=2"]);
    let mut client = broker.connect();
    let first = client.call("crypto.new", map([("key", "k".into())])).unwrap()["cipher_id"].clone();
    client.call("crypto.new", map([("key", "k".into())])).unwrap();
    assert_eq!(code(&client.call("crypto.new", map([("key", "k".into())]))), "overloaded");
    assert!(client.call("crypto.encrypt", map([("cipher_id", first), ("plaintext", "x".into())])).is_ok());
}

#[test]
fn no_secret_is_in_the_log() {
    let broker = Broker::start(&["--log-level=trace", "--test-faults"]);
    let mut client = broker.connect();
    let _ = client.call("crypto.new", map([("key", "hunter2".into()), ("cipher", "hunter2".into())]));
    let _ = client.call("crypto.hunter2", map([("hunter2", "hunter2".into())]));
    let _ = client.call("test.panic", map([]));
    client.stream.write_all(&frame(b"\x94\x00\x01\xa7hunter2\xc1")).unwrap();
    assert!(client.receive().is_some());
    broker.await_log("broke the protocol");
    assert!(!broker.log().contains("hunter2"), "{}", broker.log());
    let report = broker.call("system.performance", none()).unwrap().to_string();
    assert!(report.contains("recent_errors") && !report.contains("hunter2"), "{report}");
}
