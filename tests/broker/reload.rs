//! Another program takes the broker's place: nobody notices, nothing is lost; and if it can't, the old one goes on.

use crate::support::*;
use crate::web::{Web, answer, raw};
use nix::sys::signal::Signal;
use rmpv::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::TempDir;

fn reloads(broker: &Broker) -> u64 {
    broker.call("system.info", none()).unwrap()["reloads"].as_u64().unwrap()
}

fn reload(broker: &Broker) -> Value {
    broker.call("system.reload", none()).unwrap()
}

/// A broker whose program's file the test can put another in place of.
fn with_program_of_its_own(flags: &[&str]) -> (Broker, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("cpan-bridge");
    let original = env!("CARGO_BIN_EXE_cpan-bridge");
    std::fs::hard_link(original, &program).unwrap_or_else(|_| copy_program(original.as_ref(), &program));
    let mut command = Command::new(&program);
    command
        .current_dir(dir.path())
        .env_remove("XDG_RUNTIME_DIR")
        .arg("serve")
        .arg("--socket")
        .arg(dir.path().join("broker.sock"));
    command.arg("--log-file").arg(dir.path().join("log")).arg("--ready-fd=1").args(log_level(flags)).args(flags);
    (Broker::of(command, dir), program)
}

/// Puts a file in place of another at once, as a package manager does.
fn replace(path: &Path, content: &[u8], mode: u32) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// Puts a program in place of another that runs this script: perl, which finds it under the name of the subcommand.
fn replace_by_perl(program: &Path, script: &str) {
    std::fs::write(program.with_file_name("serve"), script).unwrap();
    let perl = Command::new("perl").args(["-e", "print $^X"]).output().unwrap().stdout;
    replace(program, &std::fs::read(String::from_utf8(perl).unwrap()).unwrap(), 0o755);
}

fn new_cipher(client: &mut Client, cipher: &str, key: &str) -> Value {
    client.call("crypto.new", map([("cipher", cipher.into()), ("key", key.into())])).unwrap()["cipher_id"].clone()
}

fn encrypt(client: &mut Client, id: &Value, text: &str) -> Value {
    let params = map([("cipher_id", id.clone()), ("plaintext", text.into())]);
    client.call("crypto.encrypt", params).unwrap()["encrypted"].clone()
}

fn decrypt(client: &mut Client, id: &Value, ciphertext: &Value) -> Value {
    let params = map([("cipher_id", id.clone()), ("hex_ciphertext", ciphertext.clone())]);
    text_of(&client.call("crypto.decrypt", params).unwrap()["decrypted"]).into()
}

#[test]
fn ciphers_chains_and_connections_live_on_in_the_same_process() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let (hex_32, hex_24) = ("0f".repeat(32), "3c".repeat(24));
    let keys = [("Blowfish", "a key"), ("AES", "another"), ("3DES", hex_24.as_str()), ("AES-256-GCM", hex_32.as_str())];
    let ciphers: Vec<(Value, Value)> = keys
        .map(|(cipher, key)| {
            let id = new_cipher(&mut client, cipher, key);
            let message = encrypt(&mut client, &id, cipher);
            (id, message)
        })
        .to_vec();
    let chain = map([
        ("cipher", "AES".into()),
        ("key", Value::Binary(vec![1; 16])),
        ("chain_mode", "cfb".into()),
        ("iv", Value::Binary(vec![2; 16])),
        ("direction", "encrypt".into()),
    ]);
    let straight = client.call("crypto.chain_new", chain.clone()).unwrap()["chain_id"].clone();
    let moving = client.call("crypto.chain_new", chain).unwrap()["chain_id"].clone();
    let next = |client: &mut Client, id: &Value, data: &[u8]| {
        let params = map([("chain_id", id.clone()), ("data", Value::Binary(data.to_vec()))]);
        client.call("crypto.chain_next", params).unwrap()["data"].as_slice().unwrap().to_vec()
    };
    let whole = next(&mut client, &straight, &[7; 100]);
    let mut pieces = next(&mut client, &moving, &[7; 37]);
    let before = client.call("system.connections", none()).unwrap()["connections"][0].clone();
    for _ in 0..100 {
        assert!(client.call("test.nonsense", none()).is_err());
    }
    let health = |client: &mut Client| client.call("system.health", none()).unwrap()["checks"]["performance"].clone();
    let troubled = health(&mut client);
    let answer = client.call("system.reload", none()).unwrap();
    assert_eq!((&answer["reloads"], &answer["connections"], &answer["handles"]), (&1.into(), &1.into(), &6.into()));
    pieces.extend(next(&mut client, &moving, &[7; 63]));
    assert_eq!(pieces, whole);
    let handles = client.call("system.handles", none()).unwrap();
    for handle in handles.as_array().unwrap() {
        assert_eq!(handle["maker_pid"], std::process::id().into(), "who made it is known still: {handle}");
    }
    assert_eq!(health(&mut client)["status"], troubled["status"], "the last minutes are not forgotten");
    for ((id, message), (cipher, _)) in ciphers.iter().zip(keys) {
        assert_eq!(decrypt(&mut client, id, message), cipher.into());
        let again = encrypt(&mut client, id, "after");
        assert_eq!(decrypt(&mut client, id, &again), "after".into());
    }
    let after = client.call("system.connections", none()).unwrap()["connections"][0].clone();
    assert_eq!((&before["connection_id"], &before["start_time"]), (&after["connection_id"], &after["start_time"]));
    assert!(after["requests_count"].as_u64() > before["requests_count"].as_u64());
    let info = client.call("system.info", none()).unwrap();
    assert_eq!(info["pid"], broker.pid().into());
    let name = std::fs::read_to_string(format!("/proc/{}/comm", broker.pid())).unwrap();
    assert_eq!(name.trim(), "cpan-bridge");
    let metrics = client.call("system.metrics", none()).unwrap();
    assert_eq!((&metrics["handle_summary"]["cipher"], &metrics["handle_summary"]["chain"]), (&4.into(), &2.into()));
    assert!(metrics["system_stats"]["requests_processed"].as_u64().unwrap() > 20, "counting goes on: {metrics}");
    for (id, _) in ciphers {
        client.call("crypto.cleanup_cipher", map([("cipher_id", id)])).unwrap();
    }
    assert_eq!(client.call("system.metrics", none()).unwrap()["handle_summary"]["cipher"], Value::Nil);
}

#[test]
fn bytes_under_way_arrive_whichever_way_they_go() {
    let broker = Broker::start(&["--workers=1"]);
    // A message in pieces, in both framings.
    let halves = [true, false].map(|framed| {
        let mut client = broker.connect();
        let message = encode(&request(1, "test.echo", map([("text", "x".repeat(100_000).into())])));
        let message = if framed { frame(&message) } else { message };
        let (first, rest) = message.split_at(70_000);
        client.stream.write_all(first).unwrap();
        (client, framed, rest.to_vec())
    });
    // Answers that a slow client has not taken.
    let mut slow = broker.connect();
    let text = "y".repeat(250_000);
    for msgid in 1..=4 {
        slow.send(&request(msgid, "test.echo", map([("text", text.as_str().into())])));
    }
    // Calls that wait for a worker, one of them with a deadline; the one before them is finished first.
    let mut busy = broker.connect();
    busy.send(&request(1, "test.sleep", map([("seconds", 0.3.into())])));
    for msgid in 2..=4 {
        busy.send(&request(msgid, "test.sleep", map([("seconds", 0.01.into()), ("steps", msgid.into())])));
    }
    // One whose sender sends no more.
    let mut last = broker.connect();
    last.send(&request(1, "test.sleep", map([("seconds", 0.0.into())])));
    last.finish_sending();
    eventually("the calls to be there", || {
        let workers = broker.call("system.performance", none()).unwrap()["worker_performance"].clone();
        workers["queued"] == 4.into()
    });
    let answer = reload(&broker);
    assert_eq!(answer["connections"], 6.into(), "{answer}");
    broker.await_log("waiting: 4");
    for (mut client, framed, rest) in halves {
        client.stream.write_all(&rest).unwrap();
        if framed {
            assert!(client.answer(1).is_ok());
        } else {
            client.finish_sending();
            let answer = rmpv::decode::read_value(&mut client.stream).unwrap();
            assert_eq!(answer[3]["text"].as_str().unwrap().len(), 100_000);
        }
    }
    for msgid in 1..=4 {
        assert_eq!(slow.answer(msgid).unwrap()["text"].as_str().unwrap().len(), 250_000);
    }
    for msgid in 1..=4 {
        assert!(busy.answer(msgid).is_ok());
    }
    assert!(last.answer(1).is_ok());
    assert_eq!(last.receive(), None);
}

#[test]
fn under_load_no_call_fails_and_no_key_is_lost() {
    const RELOADS: u64 = 20;
    let broker = Broker::start(&[]);
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (stop, calls, socket) = (Arc::clone(&stop), Arc::clone(&calls), broker.socket());
            std::thread::spawn(move || {
                let mut kept = Client::connect(&socket);
                let cipher = ["Blowfish", "AES", "DES", "ChaCha20-Poly1305"][number % 4];
                let id = new_cipher(
                    &mut kept,
                    cipher,
                    if number % 4 == 3 { "0123456789abcdef0123456789abcdef" } else { "a key of it" },
                );
                let first = encrypt(&mut kept, &id, "the first");
                let mut rounds = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    // On a new connection as well: the listening socket goes along.
                    let client = &mut Client::connect(&socket);
                    assert_eq!(decrypt(client, &id, &first), "the first".into());
                    let text = format!("{rounds} {}", "z".repeat(if rounds.is_multiple_of(10) { 50_000 } else { 20 }));
                    let message = encrypt(&mut kept, &id, &text);
                    assert_eq!(decrypt(&mut kept, &id, &message), text.into());
                    assert!(kept.call("test.sleep", map([("seconds", 0.001.into())])).is_ok());
                    rounds += 1;
                    calls.fetch_add(4, Ordering::Relaxed);
                }
                kept.call("crypto.cleanup_cipher", map([("cipher_id", id)])).unwrap();
            })
        })
        .collect();
    for round in 1..=RELOADS {
        let before = calls.load(Ordering::Relaxed);
        eventually("calls in between", || calls.load(Ordering::Relaxed) > before + 20);
        if round % 2 == 0 {
            assert_eq!(reload(&broker)["reloads"], round.into());
        } else {
            broker.signal(Signal::SIGUSR2);
            eventually("the reload", || reloads(&broker) == round);
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client noticed");
    }
    let stats = broker.call("test.stats", none()).unwrap();
    assert_eq!(stats["requests_failed"], 0.into());
    assert!(stats["requests_processed"].as_u64().unwrap() >= calls.load(Ordering::Relaxed));
    let metrics = broker.call("system.metrics", none()).unwrap();
    assert_eq!(metrics["handle_summary"].as_map().unwrap().len(), 0, "{metrics}");
    eventually("their connections to be gone", || {
        broker.call("system.connections", none()).unwrap()["active_connections"] == 1.into()
    });
}

#[test]
fn a_bad_program_does_not_take_over() {
    let (broker, program) = with_program_of_its_own(&["--reload-grace=500ms"]);
    let mut client = broker.connect();
    let id = new_cipher(&mut client, "AES", "a key");
    let message = encrypt(&mut client, &id, "kept");
    let good = std::fs::read(&program).unwrap();
    for (script, why) in [
        (
            "print STDERR qq(error: unexpected argument '$ENV{CPAN_BRIDGE_HANDOVER}'\n); exit 2",
            "unexpected argument '0'",
        ),
        ("exit 0", "it ended with exit status: 0"),
        ("kill 'SEGV', $$", "it ended with signal: 11"),
        ("print 'ready'", "does not take over: ready"),
        ("sleep 60", "did not come up within reload_grace"),
    ] {
        replace_by_perl(&program, script);
        let result = client.call("system.reload", none());
        assert_eq!(code(&result), "failed", "{why}");
        assert!(message_holds(&result, why), "{why}: {}", crate::support::message(&result));
        assert_eq!(decrypt(&mut client, &id, &message), "kept".into(), "{why}");
    }
    let cases: [(&[u8], u32, &str); 4] = [
        (&good[..good.len() / 50], 0o755, "no reload: the new program does not take over"),
        (b"", 0o755, "no reload: the new program does not take over"),
        (&good, 0o644, "Permission denied"),
        (&good, 0o777, "can be written by others"),
    ];
    for (content, mode, why) in cases {
        replace(&program, content, mode);
        let result = client.call("system.reload", none());
        assert_eq!(code(&result), "failed", "{why}");
        assert!(message_holds(&result, why), "{why}: {}", crate::support::message(&result));
        assert_eq!(decrypt(&mut client, &id, &message), "kept".into(), "{why}");
    }
    std::fs::remove_file(&program).unwrap();
    let output = program_reload(&broker);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("can't be opened: No such file or directory"),
        "{output:?}"
    );
    assert_eq!(reloads(&broker), 0);
    replace(&program, &good, 0o755);
    let output = program_reload(&broker);
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).starts_with("Reloaded: version"),
        "{output:?}"
    );
    assert_eq!(decrypt(&mut client, &id, &message), "kept".into());
    assert_eq!(reloads(&broker), 1);
}

fn message_holds(result: &Result<Value, Value>, why: &str) -> bool {
    message(result).contains(why)
}

fn program_reload(broker: &Broker) -> std::process::Output {
    program().arg("reload").arg("--socket").arg(broker.socket()).output().unwrap()
}

#[test]
fn settings_that_make_no_sense_do_not_take_over_and_new_ones_do() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    std::fs::write(&settings, "workers = 3\n").unwrap();
    let flags = format!("--config={}", settings.display());
    let broker = Broker::start(&[&flags]);
    let workers = || broker.call("system.info", none()).unwrap()["configuration"]["workers"].clone();
    for (content, why) in
        [("workers = 0\n", "must be a number"), ("wokers = 4\n", "did you mean `workers`"), ("x", "expected")]
    {
        std::fs::write(&settings, content).unwrap();
        let result = broker.call("system.reload", none());
        assert!(message_holds(&result, why), "{}", message(&result));
        assert_eq!(workers(), 3.into());
    }
    std::fs::write(&settings, "workers = 5\n").unwrap();
    reload(&broker);
    assert_eq!(workers(), 5.into());
}

#[test]
fn a_state_that_can_not_be_read_is_told() {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let sealed = |value: &Value, seals: SealFlag| {
        let fd = memfd_create(c"test", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        let mut file = std::fs::File::from(fd);
        file.write_all(&encode(value)).unwrap();
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
        file
    };
    let all = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    let later = map([("format", 99.into()), ("something", "new".into())]);
    for (state, why) in [
        (sealed(&later, all), "the state is of format 99, and this program reads format 1"),
        (sealed(&map([("format", 1.into())]), all), "the state can't be read: missing field"),
        (sealed(&none(), all), "the state can't be read"),
        (sealed(&later, SealFlag::F_SEAL_GROW), "in a file that others may change"),
        (std::fs::File::open("/dev/null").unwrap(), "looking at the memory file"),
    ] {
        let output = program().args(["serve", "--handover", "0", "--rehearsal"]).stdin(state).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{why}: {output:?}");
    }
}

#[test]
fn a_call_that_runs_is_finished_first_or_there_is_no_reload() {
    let broker = Broker::start(&["--reload-grace=500ms"]);
    let mut client = broker.connect();
    client.send(&request(1, "test.sleep", map([("seconds", 0.2.into())])));
    eventually("the call to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 1.into()
    });
    let mut first = broker.connect();
    first.send(&request(1, "system.reload", none()));
    // Joins the one under way.
    assert_eq!(reload(&broker)["reloads"], 1.into());
    assert_eq!(first.answer(1).unwrap()["reloads"], 1.into());
    assert!(client.answer(1).is_ok());

    client.send(&request(2, "test.sleep", map([("seconds", 3.into())])));
    eventually("the call to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 1.into()
    });
    let mut given_up = broker.connect();
    given_up.send(&request_with(1, "system.reload", none(), map([("timeout_ms", 50.into())])));
    drop({
        let mut gone = broker.connect();
        gone.send(&request(1, "system.reload", none()));
        gone
    });
    let mut waiting = broker.connect();
    waiting.send(&request(1, "system.reload", none()));
    assert_eq!(code(&given_up.answer(1)), "timeout");
    broker.await_log("Reload given up");
    let result = waiting.answer(1);
    assert!(
        message_holds(&result, "1 call still runs after reload_grace (longest: test.sleep of process "),
        "{}",
        message(&result)
    );
    // What was held up meanwhile runs now.
    assert!(broker.call("test.sleep", map([("seconds", 0.into())])).is_ok());
    assert!(client.answer(2).is_ok());
    assert_eq!(reloads(&broker), 1);
}

#[test]
fn nobody_waits_behind_a_call_that_takes_long() {
    let broker = Broker::start(&["--reload-hold=100ms"]);
    let mut slow = broker.connect();
    slow.send(&request(1, "test.sleep", map([("seconds", 60.into())])));
    eventually("the call to run", || {
        broker.call("system.performance", none()).unwrap()["worker_performance"]["busy"] == 1.into()
    });
    let mut asking = broker.connect();
    asking.send(&request_with(1, "system.reload", none(), map([("progress", true.into())])));
    broker.await_log("asked_by: system.reload");
    // Whoever asked is told that it waits; all this time calls go on.
    let (tell, told) = std::sync::mpsc::channel();
    let asked = std::thread::spawn(move || {
        while let Some(message) = asking.receive() {
            let is_answer = message[0] == 1.into();
            let _ = tell.send(message);
            if is_answer {
                return;
            }
        }
    });
    let mut others = broker.connect();
    let first = loop {
        assert!(others.call("test.sleep", map([("seconds", 0.001.into())])).is_ok());
        if let Ok(message) = told.try_recv() {
            break message;
        }
    };
    assert_eq!((&first[1], &first[2][0]["total"]), (&"rpc.progress".into(), &60.into()), "{first}");
    assert_eq!(reloads(&broker), 0);
    drop(slow);
    asked.join().expect("the answer comes");
    assert_eq!(told.iter().last().expect("the answer")[3]["reloads"], 1.into());
    assert!(others.call("test.sleep", map([("seconds", 0.into())])).is_ok());
}

#[test]
fn a_busy_broker_finds_its_moment() {
    let broker = Arc::new(Broker::start(&["--reload-hold=500ms"]));
    let stop = Arc::new(AtomicBool::new(false));
    // There is always one that runs.
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let (broker, stop) = (Arc::clone(&broker), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut client = broker.connect();
                while !stop.load(Ordering::Relaxed) {
                    client.call("test.sleep", map([("seconds", 0.06.into())])).unwrap();
                }
            })
        })
        .collect();
    for round in 1..=3_u64 {
        assert_eq!(reload(&broker)["reloads"], round.into());
    }
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().expect("its calls are answered");
    }
}

#[test]
fn a_stream_is_read_to_its_end_first() {
    let web = Web::start(|_, stream| {
        raw(stream, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
        stream.write_all(&vec![b'x'; 3_000_000]).is_ok()
    });
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let session = client.call("http_helper.session_new", none()).unwrap()["session_id"].clone();
    let params = map([
        ("url", web.url("/").into()),
        ("session_id", session.clone()),
        ("method", "GET".into()),
        ("stream", 1000.into()),
    ]);
    let begun = client.call("http_helper.request", params).unwrap();
    let stream = begun["stream_id"].clone();
    assert!(stream.is_str(), "{begun}");
    let mut asking = broker.connect();
    asking.send(&request(1, "system.reload", none()));
    // Only what can't move goes on.
    broker.await_log("asked_by: system.reload");
    let mut held = broker.connect();
    held.send(&request(1, "test.sleep", map([("seconds", 0.into())])));
    let mut length = begun["content"].as_slice().map_or(0, <[u8]>::len);
    // One is sent ahead, as the Perl client does: what it finds after the last piece is no error.
    let read = |client: &mut Client, msgid| {
        client.send(&request(msgid, "http_helper.read", map([("stream_id", stream.clone())])));
    };
    read(&mut client, 100);
    for msgid in 100.. {
        read(&mut client, msgid + 1);
        let piece = client.answer(msgid).unwrap();
        length += piece["content"].as_slice().unwrap().len();
        if piece["done"] == true.into() {
            assert!(client.answer(msgid + 1).is_ok(), "the one that was sent ahead");
            break;
        }
        assert_eq!(reloads(&broker), 0);
    }
    assert_eq!(length, 3_000_000);
    assert_eq!(asking.answer(1).unwrap()["handles"], 1.into());
    assert!(held.answer(1).is_ok());
    let params = map([("url", web.url("/").into()), ("session_id", session), ("method", "GET".into())]);
    assert!(client.call("http_helper.request", params).is_ok(), "the session lives on");
}

#[test]
fn a_session_keeps_its_cookies_and_headers() {
    let web = Web::start(|request, stream| {
        let seen = format!("{:?} {:?}", request.header("cookie"), request.header("x-mine"));
        answer(stream, "200 OK", &[("Set-Cookie", "sid=42; HttpOnly")], seen.as_bytes())
    });
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let new = map([("headers", map([("X-Mine", "yes".into())]))]);
    let session = client.call("http_helper.session_new", new).unwrap()["session_id"].clone();
    let get = |client: &mut Client| {
        let params = map([("url", web.url("/").into()), ("session_id", session.clone())]);
        client.call("http_helper.get", params).unwrap()["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(get(&mut client), r#"None Some("yes")"#);
    reload(&broker);
    assert_eq!(get(&mut client), r#"Some("sid=42") Some("yes")"#);
}

#[test]
fn two_thousand_connections_go_along() {
    let broker = Broker::start(&[]);
    let mut clients: Vec<Client> = (0..2000).map(|_| broker.connect()).collect();
    eventually("all to be accepted", || {
        broker.call("system.connections", none()).unwrap()["active_connections"].as_u64() >= Some(2000)
    });
    assert_eq!(reload(&broker)["connections"], 2001.into());
    for client in &mut clients {
        assert!(client.call("test.echo", none()).is_ok());
    }
    drop(clients);
    eventually("all to be gone", || {
        broker.call("system.connections", none()).unwrap()["active_connections"] == 1.into()
    });
}

#[test]
fn in_the_background_it_reloads_from_where_it_was_started() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("settings.toml"), "workers = 3\n").unwrap();
    let socket = dir.path().join("run/broker.sock");
    let mut command = program();
    command.args([
        "serve",
        "--daemonize",
        "--config",
        "settings.toml",
        "--socket",
        "run/broker.sock",
        "--log-file",
        "log",
    ]);
    assert!(command.current_dir(dir.path()).status().unwrap().success());
    let mut client = Client::connect(&socket);
    let before = client.call("system.info", none()).unwrap();
    std::fs::write(dir.path().join("settings.toml"), "workers = 4\n").unwrap();
    for round in 1..=2_u32 {
        assert_eq!(client.call("system.reload", none()).unwrap()["reloads"], round.into());
    }
    let after = client.call("system.info", none()).unwrap();
    assert_eq!(after["configuration"]["workers"], 4.into());
    for same in ["pid", "working_directory", "socket_path"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    client.call("system.shutdown", none()).unwrap();
    eventually("its end", || !socket.exists());
    still_there(&dir);
}

#[test]
fn it_starts_and_reloads_where_the_directory_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"";
    command.current_dir(dir.path()).args(["-c", script]).arg(env!("CARGO_BIN_EXE_cpan-bridge"));
    command.args(["serve", "--ready-fd=1", "--log-level=debug"]);
    for (flag, name) in [("--socket", "broker.sock"), ("--log-file", "log")] {
        command.arg(flag).arg(dir.path().join(name));
    }
    let broker = Broker::of(command, dir);
    assert_eq!(reload(&broker)["reloads"], 1.into());
    assert_eq!(reload(&broker)["reloads"], 2.into());
}

/// The directory lives as long as the broker that logs there.
fn still_there(dir: &TempDir) {
    assert!(dir.path().exists());
}

#[test]
fn the_socket_keeps_its_place_and_its_lock() {
    let broker = Broker::start(&["--socket-check=20ms"]);
    reload(&broker);
    let mut second = program();
    second.arg("serve").arg("--socket").arg(broker.socket());
    let output = second.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("another broker holds"), "{output:?}");
    std::fs::remove_file(broker.socket()).unwrap();
    eventually("the file to be made anew", || broker.socket().exists());
    assert_eq!(reload(&broker)["reloads"], 2.into());
    let mut broker = broker;
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait().code(), Some(0));
    assert!(!broker.socket().exists());
}

#[test]
fn who_shuts_down_does_not_reload() {
    let (mut broker, program) = with_program_of_its_own(&[]);
    replace_by_perl(&program, "sleep 60");
    let mut client = broker.connect();
    client.send(&request(1, "system.reload", none()));
    broker.await_log("trying the new program out");
    broker.signal(Signal::SIGTERM);
    let result = client.answer(1);
    assert!(message_holds(&result, "the broker is shutting down"), "{}", message(&result));
    assert_eq!(broker.wait().code(), Some(0));
}
