//! What clients send by mistake or malice gets a clear error and harms nobody else.

use crate::support::*;
use rmpv::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Sends bytes that are no message: the broker has to say why, close, and go on.
fn is_refused(bytes: &[u8], why: &str) {
    let broker = Broker::start(&["--frame-timeout=200ms", "--max-frame=1MiB"]);
    let innocent = Innocent::beside(&broker);
    let mut client = broker.connect();
    let _ = client.stream.write_all(bytes);
    let mut answer = Vec::new();
    if let Err(error) = client.stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("rpc.error") && text.contains("protocol") && text.contains(why), "{text}");
    innocent.served();
    let closed = broker.call("system.connections", none()).unwrap();
    assert_eq!(closed["closed"]["protocol"], 1.into(), "{closed}");
}

fn framed(value: Value) -> Vec<u8> {
    frame(&encode(&value))
}

#[test]
fn an_empty_frame() {
    is_refused(&[0, 0, 0, 0], "frame of length 0");
}

#[test]
fn an_oversized_length() {
    is_refused(&[0x7f, 0xff, 0xff, 0xff], "above max_frame (1048576 bytes)");
}

#[test]
fn a_first_byte_of_no_framing() {
    is_refused(b"\xc1", "first byte 0xc1");
    is_refused(b"\x80", "first byte 0x80");
}

#[test]
fn trailing_bytes() {
    let mut bytes = encode(&request(1, "test.ping", none()));
    bytes.push(0xc0);
    is_refused(&frame(&bytes), "1 bytes follow");
}

#[test]
fn an_unknown_message_type() {
    is_refused(&framed(Value::Array(vec![7.into(), 1.into(), "test.ping".into(), none()])), "message type");
    is_refused(&framed(Value::Array(vec![1.into(), 1.into(), Value::Nil, Value::Nil])), "message type");
    is_refused(&framed(Value::from("text")), "is an array, not");
}

#[test]
fn wrong_arity() {
    is_refused(&framed(Value::Array(vec![0.into(), 1.into(), "test.ping".into()])), "has 3");
    is_refused(&framed(Value::Array(vec![])), "has 0");
    is_refused(&framed(Value::Array(vec![2.into(), "test.ping".into()])), "has 2");
}

#[test]
fn a_msgid_of_a_wrong_type() {
    for msgid in [Value::from("1"), Value::from(-1), Value::from(1_u64 << 32), Value::Nil, Value::from(1.0)] {
        is_refused(&framed(Value::Array(vec![0.into(), msgid, "test.ping".into(), none()])), "msgid");
    }
}

#[test]
fn a_depth_bomb() {
    let bomb = [&b"\x94\x00\x01\xa9test.echo"[..], &[0x91; 100_000], b"\xc0"].concat();
    is_refused(&frame(&bomb), "deep");
    is_refused(&bomb, "deep");
}

#[test]
fn four_billion_elements() {
    for header in [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff"] {
        let claim = [b"\x94\x00\x01\xa9test.echo", header].concat();
        is_refused(&frame(&claim), "no MessagePack message");
        is_refused(&claim, "above max_frame");
    }
}

#[test]
fn a_bare_message_without_end() {
    let endless = [&b"\x94\x00\x01\xa9test.echo\xc6\x00\x20\x00\x00"[..], &[0; 2 << 20]].concat();
    is_refused(&endless, "above max_frame");
}

#[test]
fn invalid_utf8_in_str_is_told_to_the_caller_who_goes_on() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.stream.write_all(&frame(b"\x94\x00\x01\xa9test.echo\x81\xa1a\xa2\xff\xfe")).unwrap();
    let result = client.answer(1);
    assert_eq!(code(&result), "invalid_params");
    assert!(message(&result).contains("UTF-8"), "{result:?}");
    assert!(client.call("test.ping", none()).is_ok());
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    let module = client.call("crpto.new", none());
    assert_eq!(code(&module), "unknown_module");
    assert!(message(&module).contains("crypto"), "{module:?}");
    assert_eq!(
        module.unwrap_err()["data"]["available"],
        Value::Array(vec!["crypto".into(), "html".into(), "http_helper".into(), "system".into(), "test".into()])
    );
    let function = client.call("crypto.encypt", none());
    assert_eq!(code(&function), "unknown_function");
    assert!(message(&function).contains("encrypt"), "{function:?}");
    assert_eq!(code(&client.call("", none())), "unknown_module");
}

#[test]
fn missing_unknown_and_mistyped_parameters_are_named() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    for (params, parameter) in [
        (none(), "hex_ciphertext"),
        (map([("cipher_id", "x".into()), ("hex_ciphertext", "00".into()), ("hexx", "00".into())]), "hexx"),
        (map([("cipher_id", "x".into()), ("hex_ciphertext", Value::Array(vec![]))]), "hex_ciphertext"),
    ] {
        let result = client.call("crypto.decrypt", params);
        assert_eq!(code(&result), "invalid_params");
        let named = result.as_ref().unwrap_err()["data"]["parameter"].as_str().unwrap().to_owned();
        assert!(message(&result).contains(&named), "{result:?}");
        assert!(parameter == named || named == "cipher_id", "{named}");
    }
    for params in [Value::Array(vec![1.into()]), Value::from(1), Value::Array(vec![1.into(), 2.into()])] {
        let result = client.call("test.echo", params);
        assert_eq!(code(&result), "invalid_params");
        assert!(message(&result).contains("a map of named parameters"), "{result:?}");
    }
    let options = map([("timeout", 5.into())]);
    client.send(&request_with(77, "test.echo", none(), options));
    assert!(message(&client.answer(77)).contains("timeout_ms"));
}

#[test]
fn a_length_that_never_comes_and_half_a_message_then_silence() {
    for begun in [&b"\x00\x00"[..], b"\x00\x00\x00\x20\x94\x00", b"\x94\x00\x01\xa9test"] {
        let broker = Broker::start(&["--frame-timeout=100ms"]);
        let innocent = Innocent::beside(&broker);
        let mut client = broker.connect();
        client.stream.write_all(begun).unwrap();
        assert_eq!(client.stream.read(&mut [0; 16]).unwrap(), 0);
        innocent.served();
        assert_eq!(broker.call("system.connections", none()).unwrap()["closed"]["frame_timeout"], 1.into());
    }
}

#[test]
fn half_a_message_then_hangup() {
    let broker = Broker::start(&[]);
    let innocent = Innocent::beside(&broker);
    for begun in [&b"\x00"[..], b"\x00\x00\x00\x20\x94\x00\x01\xa9test.echo", b"\x94\x00\x01\xa9test.ech"] {
        broker.connect().stream.write_all(begun).unwrap();
    }
    innocent.served();
    eventually("the slots to be free", || broker.call("test.stats", none()).unwrap()["active_connections"] == 1.into());
}

#[test]
fn a_client_that_sends_a_byte_a_time_is_served() {
    let broker = Broker::start(&[]);
    for bytes in [framed(request(1, "test.echo", none())), encode(&request(1, "test.echo", none()))] {
        let mut client = broker.connect();
        for byte in &bytes {
            client.stream.write_all(&[*byte]).unwrap();
            // The others go on between any two bytes.
            broker.call("test.echo", none()).unwrap();
        }
        let mut answer = [0; 4];
        client.stream.read_exact(&mut answer).unwrap();
        assert!(answer == [0, 0, 0, 5] || answer == [0x94, 1, 1, 0xc0], "{answer:x?}");
    }
}

#[test]
fn a_client_that_sends_a_byte_now_and_then_loses_its_place() {
    let broker = Broker::start(&["--frame-timeout=300ms"]);
    let innocent = Innocent::beside(&broker);
    let mut client = broker.connect();
    let mut refused = false;
    for _ in 0..1000 {
        // However often a byte comes, a message has one time limit as a whole.
        if client.stream.write_all(&[0]).is_err() {
            refused = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        if client.stream.peer_addr().is_err() {
            break;
        }
        let mut rest = client.stream.try_clone().unwrap();
        rest.set_nonblocking(true).unwrap();
        if rest.read(&mut [0; 64]).is_ok() {
            refused = true;
            break;
        }
        rest.set_nonblocking(false).unwrap();
    }
    assert!(refused);
    innocent.served();
}

#[test]
fn a_client_that_never_reads_is_bounded_and_then_closed() {
    let broker = Broker::start(&["--high-water=64KiB", "--low-water=16KiB", "--write-timeout=300ms"]);
    let innocent = Innocent::beside(&broker);
    let mut client = broker.connect();
    client.stream.set_nonblocking(true).unwrap();
    let bytes = framed(request(1, "test.echo", map([("a", "x".repeat(10_000).into())]))).repeat(10);
    // Sends as much as is taken; when the broker stops reading, that is not much.
    let mut sent = 0;
    let closed = loop {
        match client.stream.write(&bytes) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5))
            }
            Err(error) => break error.kind(),
        }
        assert!(sent < 20 << 20, "the broker goes on reading");
    };
    assert_eq!(closed, std::io::ErrorKind::BrokenPipe);
    innocent.served();
    assert_eq!(broker.call("system.connections", none()).unwrap()["closed"]["stalled_write"], 1.into());
}

#[test]
fn a_client_that_reads_late_gets_every_answer() {
    let broker = Broker::start(&["--high-water=64KiB", "--low-water=16KiB"]);
    let mut client = broker.connect();
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for msgid in 0..2000 {
            let params = map([("a", "x".repeat(2000).into())]);
            writer.write_all(&framed(request(msgid, "test.echo", params))).unwrap();
        }
    });
    // The broker has to pause this client many times for it.
    for msgid in 0..2000 {
        assert!(client.answer(msgid).is_ok());
    }
    sender.join().unwrap();
}

#[test]
fn a_thousand_connects_at_once() {
    let broker = Broker::start(&[]);
    let innocent = Innocent::beside(&broker);
    let mut clients: Vec<Client> = (0..1000).map(|_| broker.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&request(1, "test.echo", map([("n", n.into())])));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer(1), Ok(map([("n", n.into())])));
    }
    assert!(broker.call("test.stats", none()).unwrap()["peak_connections"].as_u64().unwrap() >= 1000);
    drop(clients);
    innocent.served();
    eventually("the slots to be free", || broker.call("test.stats", none()).unwrap()["active_connections"] == 1.into());
}

#[test]
fn a_client_killed_in_mid_frame() {
    let broker = Broker::start(&[]);
    let innocent = Innocent::beside(&broker);
    let script = r#"use Socket; socket my $s, PF_UNIX, SOCK_STREAM, 0; connect $s, pack_sockaddr_un($ARGV[0]) or die;
        syswrite $s, "\x00\x00\x01\x00\x94\x00\x01"; $| = 1; print "sent"; sleep 60"#;
    let mut client = std::process::Command::new("perl")
        .args(["-e", script])
        .arg(broker.socket())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    client.stdout.take().unwrap().read_exact(&mut [0; 4]).unwrap();
    client.kill().unwrap();
    client.wait().unwrap();
    innocent.served();
    eventually("the slot to be free", || broker.call("test.stats", none()).unwrap()["active_connections"] == 1.into());
}

#[test]
fn a_flood_on_one_connection_starves_nobody() {
    let broker = Broker::start(&[]);
    let flood = UnixStream::connect(broker.socket()).unwrap();
    let mut writer = flood.try_clone().unwrap();
    let pings = framed(request(1, "test.ping", none())).repeat(1000);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let writing = std::thread::spawn(move || {
        let mut first = true;
        while writer.write_all(&pings).is_ok() {
            if std::mem::take(&mut first) {
                begun.send(()).unwrap();
            }
        }
    });
    let mut reader = flood.try_clone().unwrap();
    let reading = std::thread::spawn(move || while reader.read(&mut [0; 65_536]).is_ok_and(|count| count > 0) {});
    has_begun.recv().unwrap();
    for _ in 0..200 {
        broker.call("test.echo", none()).unwrap();
    }
    flood.shutdown(std::net::Shutdown::Both).unwrap();
    writing.join().unwrap();
    reading.join().unwrap();
}

#[test]
fn random_bytes_never_end_the_broker() {
    let broker = Broker::start(&["--frame-timeout=100ms"]);
    let innocent = Innocent::beside(&broker);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..500 {
        let mut bytes: Vec<u8> = (0..random() % 200).map(|_| random() as u8).collect();
        if random() % 2 == 0 {
            // Often something that begins well.
            bytes.splice(0..0, *b"\x00\x00\x00\x40\x94\x00\x01\xa9test.echo");
        }
        let mut client = broker.connect();
        let _ = client.stream.write_all(&bytes);
        client.finish_sending();
        let _ = client.stream.read_to_end(&mut Vec::new());
    }
    innocent.served();
}
