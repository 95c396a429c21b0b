//! What one user may have of a broker, and what all together may: enough for everybody else is left.

use crate::support::*;
use rmpv::Value;
use std::io::{Read, Write};
use std::time::Instant;

fn guest(broker: &Broker) -> Client {
    Client::connect_as(STRANGER, &broker.socket())
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The beginning of a message of so many bytes: all but the last.
fn most_of_a_message(bytes: usize) -> Vec<u8> {
    let mut message = frame(&encode(&request(1, "test.echo", map([("text", "x".repeat(bytes).into())]))));
    message.pop();
    message
}

/// Writes until the broker takes no more; it may close the connection meanwhile.
fn write_what_goes(client: &mut Client, bytes: &[u8]) {
    let _ = client.stream.write_all(bytes);
}

#[test]
fn connections_of_a_user_are_bounded_and_the_owner_has_the_rest() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--user-connections=3"]);
    let mut guests: Vec<Client> = (0..3).map(|_| guest(&broker)).collect();
    for guest in &mut guests {
        assert!(guest.call("test.echo", none()).is_ok());
    }
    let mut one_more = guest(&broker);
    let result = one_more.call("test.echo", none());
    assert_eq!(code(&result), "overloaded");
    assert!(message(&result).contains("user_connections"), "{}", message(&result));
    assert_eq!(one_more.receive(), None);
    // Nobody has to hear so many of them out.
    let mut flood: Vec<Client> = (0..80).map(|_| guest(&broker)).collect();
    let mut ended = 0;
    for client in &mut flood[70..] {
        ended += usize::from(client.stream.read(&mut [0]).is_ok_and(|count| count == 0));
    }
    assert_eq!(ended, 10, "the last of the flood are closed without a word");
    let mut own: Vec<Client> = (0..10).map(|_| broker.connect()).collect();
    for client in &mut own {
        assert!(client.call("test.echo", none()).is_ok());
    }
    drop(flood);
    drop(guests.pop());
    eventually("a place for a guest", || guest(&broker).call("test.echo", none()).is_ok());
    let closed = broker.call("system.connections", none()).unwrap()["closed"].clone();
    assert!(closed["quota"].as_u64() >= Some(1), "{closed}");
}

#[test]
fn waiting_calls_of_a_user_are_bounded() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--user-queue=2", "--workers=1"]);
    let sleep = |seconds: f64| map([("seconds", seconds.into())]);
    let mut guests = [guest(&broker), guest(&broker)];
    guests[0].send(&request(1, "test.sleep", sleep(0.3)));
    eventually("the call to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 1.into()
    });
    guests[0].send(&request(2, "test.sleep", sleep(0.0)));
    guests[0].send(&request(3, "test.sleep", sleep(0.0)));
    eventually("both to wait", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["queued"] == 2.into()
    });
    // On another connection it is the same user.
    let result = guests[1].call("test.sleep", sleep(0.0));
    assert_eq!(code(&result), "overloaded");
    assert!(message(&result).contains("user_queue"), "{}", message(&result));
    assert!(broker.call("test.sleep", sleep(0.0)).is_ok(), "the owner is not held to it");
    for msgid in 1..=3 {
        assert!(guests[0].answer(msgid).is_ok());
    }
    assert!(guests[1].call("test.sleep", sleep(0.0)).is_ok());
}

#[test]
fn memory_for_a_user_is_bounded() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--user-memory=1MiB"]);
    let innocent = Innocent::beside(&broker);
    let mut modest = guest(&broker);
    let mut greedy = guest(&broker);
    write_what_goes(&mut greedy, &most_of_a_message(8 << 20));
    let told = greedy.receive().expect("to be told");
    assert_eq!((&told[1], &told[2][0]["code"]), (&"rpc.error".into(), &"overloaded".into()), "{told}");
    assert!(told[2][0]["message"].as_str().unwrap().contains("user_memory"), "{told}");
    assert_eq!(greedy.receive(), None);
    // Two that have half each: the third finds no room, but small calls are served all the same.
    let mut halves: Vec<Client> = (0..2).map(|_| guest(&broker)).collect();
    for half in &mut halves {
        write_what_goes(half, &most_of_a_message(500 << 10));
    }
    eventually("both to be there", || {
        let connections = broker.call("system.connections", none()).unwrap()["connections"].clone();
        let read = connections.as_array().unwrap().iter().filter(|one| one["bytes_in"].as_u64() > Some(500 << 10));
        read.count() >= 2
    });
    // One that the socket takes whole: of a longer one the rest might be refused while it is being sent.
    let result = modest.call("test.echo", map([("text", "x".repeat(100 << 10).into())]));
    assert_eq!(code(&result), "overloaded", "{result:?}");
    assert!(modest.call("test.echo", map([("text", "small".into())])).is_ok());
    let large = map([("text", "x".repeat(4 << 20).into())]);
    assert!(broker.call("test.echo", large).is_ok(), "the owner is not held to it");
    drop(halves);
    eventually("room again", || modest.call("test.echo", map([("text", "x".repeat(100 << 10).into())])).is_ok());
    innocent.served();
    assert!(broker.call("system.connections", none()).unwrap()["closed"]["memory"].as_u64() >= Some(1));
}

#[test]
fn memory_for_all_is_bounded_whoever_sends() {
    const SENDERS: usize = 60;
    let broker = Broker::start(&["--max-memory=32MiB", "--log-level=warning"]);
    broker.call("test.echo", none()).unwrap();
    let before = resident_kib(broker.pid());
    let innocent = Innocent::beside(&broker);
    // Sixty messages of 15 MiB would be 900 MiB.
    let message = std::sync::Arc::new(most_of_a_message(15 << 20));
    let socket = broker.socket();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (message, socket) = (std::sync::Arc::clone(&message), socket.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(&socket);
                write_what_goes(&mut client, &message);
                client
            })
        })
        .collect();
    let mut most = 0;
    let begin = Instant::now();
    while !senders.iter().all(std::thread::JoinHandle::is_finished) {
        assert!(begin.elapsed() < PATIENCE, "the senders are neither heard nor told");
        most = most.max(resident_kib(broker.pid()));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let clients: Vec<Client> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    innocent.served();
    // Buffers grow by doubling, so they may be twice as large as what they hold; the rest is the innocent's and stacks.
    assert!(most < before + 3 * (32 << 10), "{before} KiB before, {most} KiB at the most");
    let closed = broker.call("system.connections", none()).unwrap()["closed"]["memory"].as_u64().unwrap();
    assert!(closed >= SENDERS as u64 / 2, "{closed} of {SENDERS} were turned away");
    drop(clients);
    eventually("everything to be given back", || {
        broker.call("system.metrics", none()).unwrap()["resource_status"]["held_bytes"] == 0.into()
    });
    eventually("large messages to be taken again", || {
        broker.call("test.echo", map([("text", "x".repeat(8 << 20).into())])).is_ok()
    });
}

#[test]
fn bodies_in_the_making_count() {
    let broker = Broker::start(&["--max-memory=2MiB"]);
    let mut client = broker.connect();
    let body = client.call("http_helper.body_new", none()).unwrap()["body_id"].clone();
    let add = |client: &mut Client, bytes: usize| {
        let content = Value::Binary(vec![0; bytes]);
        client.call("http_helper.body_add", map([("body_id", body.clone()), ("content", content)]))
    };
    // Small pieces in the loop, large ones on workers.
    for bytes in [50 << 10, 300 << 10, 1 << 20] {
        assert!(add(&mut client, bytes).is_ok());
    }
    let refused = (0..40).find_map(|_| add(&mut client, 50 << 10).err()).expect("a limit");
    assert_eq!(refused["code"], "overloaded".into());
    client.call("http_helper.body_free", map([("body_id", body.clone())])).unwrap();
    let body = client.call("http_helper.body_new", none()).unwrap()["body_id"].clone();
    let content = Value::Binary(vec![0; 1 << 20]);
    assert!(client.call("http_helper.body_add", map([("body_id", body), ("content", content)])).is_ok());
}

#[test]
fn strangers_who_say_nothing_take_no_place_and_leave_soon() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=1", "--max-connections=60", "--frame-timeout=off"]);
    let silent: Vec<Client> = (0..80).map(|_| guest(&broker)).collect();
    let mut own: Vec<Client> = (0..50).map(|_| broker.connect()).collect();
    for client in &mut own {
        assert!(client.call("test.echo", none()).is_ok());
    }
    eventually("the strangers to be closed", || {
        let closed = broker.call("system.connections", none()).unwrap()["closed"].clone();
        closed["denied"].as_u64() >= Some(8)
    });
    drop(silent);
    // Who asks is told still.
    assert_eq!(code(&guest(&broker).call("test.ping", none())), "denied");
}

#[test]
fn guests_leave_places_to_the_owner() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--max-connections=20", "--user-connections=20"]);
    let _guests: Vec<Client> = (0..30).map(|_| guest(&broker)).collect();
    assert!(broker.call("test.echo", none()).is_ok());
}

#[test]
fn running_calls_of_a_guest_leave_workers_to_others() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--workers=4", "--user-running=2"]);
    let sleep = |seconds: f64| map([("seconds", seconds.into())]);
    let mut greedy = guest(&broker);
    for msgid in 1..=32 {
        greedy.send(&request(msgid, "test.sleep", sleep(60.0)));
    }
    eventually("the guest's calls to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 2.into()
    });
    for _ in 0..3 {
        assert!(broker.call("test.sleep", sleep(0.0)).is_ok());
    }
    let workers = broker.call("system.performance", none()).unwrap()["worker_performance"].clone();
    assert_eq!((&workers["busy"], &workers["queued"]), (&2.into(), &30.into()), "{workers}");
}

#[test]
fn a_guest_sees_and_closes_what_is_his() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--stale-timeout=100ms", "--socket-check=1h"]);
    let mut own = broker.connect();
    own.call("test.ping", none()).unwrap();
    assert_eq!(code(&own.call("crypto.hash", none())), "invalid_params");
    let mut asking = guest(&broker);
    let seen = asking.call("system.connections", none()).unwrap();
    let uids: Vec<u64> =
        seen["connections"].as_array().unwrap().iter().map(|one| one["peer_uid"].as_u64().unwrap()).collect();
    assert_eq!((uids, &seen["active_connections"]), (vec![u64::from(STRANGER)], &1.into()));
    let info = asking.call("system.info", none()).unwrap();
    let settings: Vec<&str> =
        info["configuration"].as_map().unwrap().iter().map(|(name, _)| name.as_str().unwrap()).collect();
    assert!(settings.contains(&"user_running") && !settings.contains(&"log_file"), "{settings:?}");
    assert!(info["working_directory"].is_nil());
    let errors = |client: &mut Client| client.call("system.performance", none()).unwrap()["recent_errors"].clone();
    assert_eq!(errors(&mut asking), Value::Array(vec![]));
    assert_eq!(code(&asking.call("crypto.new", none())), "invalid_params");
    assert_eq!(errors(&mut asking)[0]["peer_uid"], STRANGER.into());
    assert_eq!(errors(&mut broker.connect()).as_array().unwrap().len(), 2);
    assert_eq!(asking.call("system.cleanup", none()).unwrap()["cleaned_connections"], 0.into());
}

#[test]
fn a_guest_can_not_keep_a_broker_from_being_replaced() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--reload-grace=300ms"]);
    let mut stuck = guest(&broker);
    stuck.send(&request(1, "test.sleep", map([("seconds", 60.into())])));
    eventually("the call to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 1.into()
    });
    assert_eq!(broker.call("system.reload", none()).unwrap()["reloads"], 1.into());
    // It ran, so it is not said to be safe to repeat.
    let ended = stuck.answer(1);
    assert_eq!(code(&ended), "failed", "{ended:?}");
    assert!(message(&ended).contains("it may have taken effect"), "{}", message(&ended));
    assert!(stuck.call("test.ping", none()).is_ok());
    // The owner's own call is never given up for one.
    let mut own = broker.connect();
    own.send(&request(1, "test.sleep", map([("seconds", 3.into())])));
    eventually("the call to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 1.into()
    });
    assert_eq!(code(&broker.call("system.reload", none())), "failed");
    assert!(own.answer(1).is_ok());
}

#[test]
fn a_flood_of_reports_holds_up_nobody_for_longer_than_one() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--user-memory=1GiB"]);
    let mut maker = guest(&broker);
    let mut ciphers = Vec::new();
    for msgid in 0..10_000 {
        ciphers.extend(frame(&encode(&request(msgid, "crypto.new", map([("key", "k".into())])))));
    }
    let mut writer = maker.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&ciphers).unwrap());
    (0..10_000).for_each(|msgid| drop(maker.answer(msgid).unwrap()));
    writing.join().unwrap();
    // What has to look at a handle finds it without looking at all.
    let report = maker.call("system.handles", map([("limit", 3.into())])).unwrap();
    assert_eq!(report.as_array().unwrap().len(), 3);
    let mut flood: Vec<Client> = (0..20).map(|_| guest(&broker)).collect();
    let mut own = broker.connect();
    own.call("test.echo", none()).unwrap();
    broker.stop();
    for client in &mut flood {
        for msgid in 0..100 {
            client.send(&request(msgid, "system.free_handle", map([("label", "00000000".into())])));
            client.send(&request(1000 + msgid, "system.metrics", none()));
        }
    }
    own.send(&request(2, "test.stats", none()));
    broker.signal(nix::sys::signal::Signal::SIGCONT);
    // The owner's call is answered although nearly all of the flood waits: a turn has time for one report.
    let processed = own.answer(2).unwrap()["requests_processed"].as_u64().unwrap();
    assert!(processed < 10_002 + 200, "{processed} calls were served first");
    for client in &mut flood {
        for msgid in 0..100 {
            assert_eq!(code(&client.answer(msgid)), "not_found");
            assert!(client.answer(1000 + msgid).is_ok());
        }
    }
}

#[test]
fn a_process_that_may_have_little_memory_promises_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    let script = "ulimit -v 307200; exec \"$0\" serve --socket \"$1\" --log-file \"$2\" --ready-fd 1";
    command.args(["-c", script, env!("CARGO_BIN_EXE_cpan-bridge")]);
    command.arg(dir.path().join("broker.sock")).arg(dir.path().join("log"));
    let broker = Broker::of(command, dir);
    broker.await_log("may not have more memory");
    let message = std::sync::Arc::new(most_of_a_message(12 << 20));
    let senders: Vec<_> = (0..60)
        .map(|_| {
            let (message, socket) = (std::sync::Arc::clone(&message), broker.socket());
            std::thread::spawn(move || {
                let mut client = Client::connect(&socket);
                write_what_goes(&mut client, &message);
                client
            })
        })
        .collect();
    let clients: Vec<Client> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    // All workers have a stack, and the broker is there all the same.
    let mut sleepers = broker.connect();
    for msgid in 1..=40 {
        sleepers.send(&request(msgid, "test.sleep", map([("seconds", 0.01.into())])));
    }
    for _ in 1..=40 {
        let Some(Value::Array(parts)) = sleepers.receive() else { panic!("the end") };
        assert!(parts[2].is_nil(), "{parts:?}");
    }
    let closed = broker.call("system.connections", none()).unwrap()["closed"]["memory"].as_u64().unwrap();
    assert!(closed >= 30, "{closed} of 60 were turned away");
    drop(clients);
}

#[test]
fn what_workers_make_of_parameters_counts_before_it_is_made() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--user-memory=32MiB"]);
    let mut first = guest(&broker);
    let cipher = first.call("crypto.new", map([("key", "k".into()), ("cipher", "AES".into())])).unwrap();
    let encrypt =
        |bytes: usize| map([("cipher_id", cipher["cipher_id"].clone()), ("plaintext", Value::Binary(vec![7; bytes]))]);
    let before = resident_kib(broker.pid());
    // Four times seven megabytes are as much as there is.
    assert!(first.call("crypto.encrypt", encrypt(7_000_000)).is_ok());
    let message = std::sync::Arc::new(frame(&encode(&request(1, "crypto.encrypt", encrypt(7_000_000)))));
    let askers: Vec<_> = (0..12)
        .map(|_| {
            let (message, socket) = (std::sync::Arc::clone(&message), broker.socket());
            std::thread::spawn(move || {
                for _ in 0..3 {
                    let mut client = Client::connect_as(STRANGER, &socket);
                    // Who is told that there is no room is closed then.
                    write_what_goes(&mut client, &message);
                    client.receive();
                }
            })
        })
        .collect();
    askers.into_iter().for_each(|asker| asker.join().unwrap());
    let most = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let most = most.lines().find(|line| line.starts_with("VmHWM:")).unwrap().split_whitespace().nth(1).unwrap();
    let grown = most.parse::<u64>().unwrap() - before;
    eventually("room for one", || first.call("crypto.encrypt", encrypt(1_000_000)).is_ok());
    assert!(grown < 150 << 10, "{grown} KiB more, with 32 MiB for the guest");
}
