//! Servers that do what no server should: none of it may hurt the broker, hold a worker for ever, or pass for an answer.

use crate::support::{Broker, Innocent, code, eventually, map, none, request, request_with};
use crate::web::{Connection, Web, answer, last, raw};
use flate2::Compression;
use flate2::write::GzEncoder;
use rmpv::Value;
use std::io::{self, Read};

fn get(broker: &Broker, web: &Web, params: Vec<(&str, Value)>) -> Result<Value, Value> {
    let mut all = vec![("url".into(), Value::from(web.url("/")))];
    all.extend(params.into_iter().map(|(name, value)| (name.into(), value)));
    broker.call("http_helper.get", Value::Map(all))
}

fn error_of(result: &Result<Value, Value>) -> String {
    let answer = result.as_ref().expect("an answer that is a failure");
    assert_eq!((&answer["success"], &answer["status_code"]), (&false.into(), &500.into()), "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

/// Holds the connection open until the other side closes it.
fn hold(stream: &mut dyn Connection) -> bool {
    while matches!(stream.read(&mut [0; 1024]), Ok(count) if count > 0) {}
    false
}

#[test]
fn a_server_that_does_nothing_is_given_up() {
    let broker = Broker::start(&[]);
    for begin in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let web = Web::start(move |_, stream| raw(stream, begin) && hold(stream));
        let error = error_of(&get(&broker, &web, vec![("timeout", 0.2.into())]));
        assert!(error.contains("read timeout"), "{begin:?}: {error}");
        eventually("the end of the connection", || web.open() == 0);
    }
}

#[test]
fn a_connection_dropped_anywhere_is_no_answer() {
    let broker = Broker::start(&[]);
    let innocent = Innocent::beside(&broker);
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: b\r\n\r\nbody";
    for cut in 0..whole.len() {
        let web = Web::start(move |_, stream| last(stream, &whole[..cut]));
        let error = error_of(&get(&broker, &web, vec![]));
        assert!(!error.is_empty(), "cut at {cut}");
    }
    let web = Web::start(move |_, stream| last(stream, whole));
    assert_eq!(get(&broker, &web, vec![]).unwrap()["content"], "body".into());
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let end_of_head = chunked.find("\r\n\r\n").unwrap() + 4;
    // What is cut within the last line of all is whole to everybody; before that it is not.
    for cut in end_of_head..chunked.len() - 4 {
        let web = Web::start(move |_, stream| last(stream, &chunked[..cut]));
        error_of(&get(&broker, &web, vec![]));
    }
    assert!(innocent.served() > 0);
}

#[test]
fn nonsense_is_no_answer() {
    let broker = Broker::start(&[]);
    for nonsense in [
        "\r\n\r\n",
        "220 smtp.example ESMTP\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nbody\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nbody\r\n",
        "HTTP/1.1 200 OK\r\nA : b\rC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon, \0 here\r\n\r\n",
    ] {
        let web = Web::start(move |_, stream| last(stream, nonsense));
        error_of(&get(&broker, &web, vec![("timeout", 5.into())]));
    }
    let web = Web::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        // A head without an end.
        while stream.write_all(b"X-More: and more and more and more\r\n").is_ok() {}
        false
    });
    error_of(&get(&broker, &web, vec![("timeout", 5.into())]));
    eventually("the end of the connection", || web.open() == 0);
    assert!(broker.call("test.ping", none()).is_ok());
}

#[test]
fn a_body_that_goes_on_behind_its_length_is_cut_and_its_connection_not_used_again() {
    let broker = Broker::start(&[]);
    let web = Web::start(|request, stream| {
        raw(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        ) && request.connection < 100
    });
    for _ in 0..3 {
        assert_eq!(get(&broker, &web, vec![]).unwrap()["content"], "body".into());
    }
}

#[test]
fn an_endless_body_ends_at_the_limit() {
    let broker = Broker::start(&[]);
    let endless = || {
        Web::start(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 65536]).is_ok() {}
            false
        })
    };
    let web = endless();
    assert_eq!(code(&get(&broker, &web, vec![])), "too_large");
    assert_eq!(code(&get(&broker, &web, vec![("max_size", 10.into())])), "too_large");
    let path = broker.dir().join("endless");
    let download =
        map([("url", web.url("/").into()), ("path", path.to_str().unwrap().into()), ("max_size", 1_000_000.into())]);
    assert_eq!(code(&broker.call("http_helper.download", download)), "too_large");
    eventually("the end of the connections", || web.open() == 0);
    let left: Vec<_> = std::fs::read_dir(broker.dir()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("endless")), "{left:?}");
}

#[test]
fn a_compressed_bomb_costs_no_more_than_what_is_taken_of_it() {
    let broker = Broker::start(&[]);
    // A gigabyte: members of a stream may follow each other (RFC 1952, 2.2).
    let mut member = GzEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut io::repeat(0).take(16 << 20), &mut member).unwrap();
    let bomb = member.finish().unwrap().repeat(64);
    let web = Web::start(move |_, stream| answer(stream, "200 OK", &[("Content-Encoding", "gzip")], &bomb));
    assert_eq!(code(&get(&broker, &web, vec![])), "too_large");
    let peak = broker.call("system.metrics", none()).unwrap()["resource_status"]["peak_memory"].as_f64().unwrap();
    assert!(peak < 200.0, "{peak} MB for a body of which 7 are taken");
}

#[test]
fn a_call_given_up_ends_its_transfer() {
    let broker = Broker::start(&[]);
    let path = broker.dir().join("given-up").to_str().unwrap().to_owned();
    for stage in ["head", "body", "file"] {
        for end in ["cancel", "hangup", "deadline"] {
            let web = Web::start(move |_, stream| {
                (stage == "head" || raw(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")) && hold(stream)
            });
            let mut client = broker.connect();
            let options = if end == "deadline" { map([("timeout_ms", 200.into())]) } else { none() };
            let (method, params) = match stage {
                "file" => ("http_helper.download", map([("url", web.url("/").into()), ("path", path.as_str().into())])),
                _ => ("http_helper.get", map([("url", web.url("/").into())])),
            };
            client.send(&request_with(1, method, params, options));
            eventually("the request", || !web.requests().is_empty());
            match end {
                "cancel" => {
                    client.send(&Value::Array(vec![2.into(), "rpc.cancel".into(), Value::Array(vec![1.into()])]));
                    assert_eq!(code(&client.answer(1)), "cancelled", "{stage}");
                }
                "deadline" => assert_eq!(code(&client.answer(1)), "timeout", "{stage}"),
                _ => drop(client),
            }
            eventually("the end of the transfer", || web.open() == 0);
        }
    }
    eventually("idle workers", || {
        broker.call("system.health", none()).unwrap()["checks"]["workers"]["details"]["busy"] == 0.into()
    });
    let left: Vec<_> = std::fs::read_dir(broker.dir()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("given-up")), "{left:?}");
}

#[test]
fn fifty_slow_transfers_hold_up_nobody() {
    const SLOW: u32 = 50;
    let broker = Broker::start(&["--workers=64"]);
    let web = Web::start(|_, stream| raw(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nh") && hold(stream));
    let mut slow = broker.connect();
    for msgid in 1..=SLOW {
        slow.send(&request(msgid, "http_helper.get", map([("url", web.url("/").into())])));
    }
    eventually("all transfers", || web.requests().len() == SLOW as usize);
    // While all of them run, calls are answered at once and in their order, on their connection and on others.
    let mut other = broker.connect();
    for msgid in 100..1100 {
        slow.send(&request(msgid, "test.ping", none()));
        other.send(&request(msgid, "test.ping", none()));
    }
    for msgid in 100..1100 {
        assert!(slow.answer(msgid).is_ok());
        assert!(other.answer(msgid).is_ok());
    }
    assert_eq!(web.open(), SLOW as usize, "no transfer is over");
    let workers = other.call("system.performance", none()).unwrap()["worker_performance"].clone();
    assert_eq!((&workers["busy"], &workers["finished"]), (&SLOW.into(), &0.into()));
    drop(slow);
    eventually("the end of all transfers", || web.open() == 0);
}
