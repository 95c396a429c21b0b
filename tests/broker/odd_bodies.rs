//! Bodies that are framed as the standard has it, more or less, or packed for the way; and what comes behind them.

use crate::support::{Broker, map};
use crate::web::{Web, last};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use rmpv::Value;
use std::io::Write;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

fn get(broker: &Broker, web: &Web) -> Value {
    broker.call("http_helper.get", map([("url", web.url("/").into()), ("timeout", 5.into())])).unwrap()
}

/// A server that says this to everybody, and keeps its connections.
fn saying(answer: impl Into<Vec<u8>>) -> Web {
    let answer = answer.into();
    Web::start(move |_, stream| stream.write_all(&answer).is_ok())
}

/// How many connections a server has seen.
fn connections(web: &Web) -> usize {
    web.requests().iter().map(|request| request.connection).max().map_or(0, |last| last + 1)
}

#[test]
fn chunks_are_read_that_have_one_meaning() {
    let broker = Broker::start(&[]);
    for body in [
        "4\nbody\n0\n\n",
        "4\r\nbody\n0\r\n\n",
        " 4 \r\nbody\r\n0 \r\n\r\n",
        "00000000000000000000000000000004\r\nbody\r\n00000\r\n\r\n",
        "4;a-name-that-is-long=\"and a value; longer\"\r\nbody\r\n0;last=1\r\n\r\n",
        "2\r\nbo\r\n1\nd\n1\r\ny\r\n0\r\n\r\n",
    ] {
        let web = saying(format!("{CHUNKED}{body}"));
        for _ in 0..2 {
            let got = get(&broker, &web);
            assert_eq!((&got["status_code"], &got["content"]), (&200.into(), &"body".into()), "{body:?}: {got}");
        }
        assert_eq!(connections(&web), 1, "{body:?}: kept, and used again");
    }
}

#[test]
fn chunks_come_in_whatever_pieces() {
    let broker = Broker::start(&[]);
    let body: String = (0..3_000).map(|at| format!("1;x\n{}\n", at % 10)).chain(["0\nA: b\n\n".to_owned()]).collect();
    let web = Web::start(move |_, stream| {
        let whole = format!("{CHUNKED}{body}");
        whole.as_bytes().chunks(7).all(|piece| stream.write_all(piece).is_ok())
    });
    let expected: String = (0..3_000).map(|at| (at % 10).to_string()).collect();
    assert_eq!(get(&broker, &web)["content"], expected.as_str().into());
    // One that is longer than all buffers.
    let long = "x".repeat(300_000);
    let web = saying(format!("{CHUNKED}{:x}\n{long}\n{:x}\r\n{long}\r\n0\r\n\r\n", long.len(), long.len()));
    let content = get(&broker, &web)["content"].as_str().unwrap().to_owned();
    assert!(content.len() == 600_000 && content.bytes().all(|byte| byte == b'x'));
}

#[test]
fn what_is_no_chunk_is_said_at_once() {
    let broker = Broker::start(&[]);
    for (body, why) in [
        ("xyz\r\n", "xyz stands where the length"),
        ("4\rbody", "connection"),
        ("+4\r\nbody\r\n0\r\n\r\n", "+4 stands"),
        ("4\r\nbodies\r\n0\r\n\r\n", "goes on behind its length"),
        (&format!("4;{}", "x".repeat(9_000)), "is longer than 8192 bytes"),
        (&format!("0\r\n{}", "A: b\r\n".repeat(12_000)), "more than 65536 bytes of trailers"),
    ] {
        let whole = format!("{CHUNKED}{body}");
        let web = Web::start(move |_, stream| last(stream, &whole));
        let got = get(&broker, &web);
        assert_eq!(got["status_code"], 500.into(), "{body:?}");
        assert!(got["error"].as_str().unwrap().contains(why), "{got}");
    }
}

#[test]
fn a_length_beside_chunks_is_void_and_so_is_a_version() {
    let broker = Broker::start(&[]);
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let web = saying(format!("{head}4\r\nbody\r\n0\r\n\r\n"));
        for number in 1..=2 {
            assert_eq!(get(&broker, &web)["content"], "body".into());
            assert_eq!(connections(&web), number, "not used again");
        }
    }
}

#[test]
fn what_was_packed_for_the_way_is_unpacked() {
    let broker = Broker::start(&[]);
    let text = "a text that is long enough to be packed ".repeat(500);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(text.as_bytes()).unwrap();
    let zlib = zlib.finish().unwrap();
    let chunked = |coding: &str, packed: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: {coding}\r\n\r\n{:x}\r\n",
            packed.len()
        );
        [head.as_bytes(), packed, b"\r\n0\r\nX-Behind: yes\r\n\r\n"].concat()
    };
    for (coding, packed) in
        [("gzip, chunked", &gzip), ("x-gzip,Chunked", &gzip), ("deflate\r\nTransfer-Encoding: chunked", &zlib)]
    {
        let web = saying(chunked(coding, packed));
        for _ in 0..2 {
            let got = get(&broker, &web);
            assert_eq!(got["content"], text.as_str().into(), "{coding}");
            assert_eq!(got["trailers"]["X-Behind"], "yes".into(), "{coding}");
        }
        assert_eq!(connections(&web), 1, "{coding}");
    }
    // Up to the connection's end.
    let whole = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n".as_slice(), &gzip].concat();
    let web = Web::start(move |_, stream| {
        let _ = stream.write_all(&whole);
        false
    });
    assert_eq!(get(&broker, &web)["content"], text.as_str().into());
    // What nobody here knows is as it came; a script can tell by the head.
    for coding in ["compress, chunked", "wacky, gzip, chunked", "chunked, gzip"] {
        let whole = chunked(coding, b"\x00\xff");
        let web = Web::start(move |_, stream| {
            let _ = stream.write_all(&whole);
            false
        });
        let got = get(&broker, &web);
        assert_eq!((&got["status_code"], &got["headers"]["Transfer-Encoding"]), (&200.into(), &coding.into()));
        let Value::Binary(content) = &got["content"] else { panic!("{got}") };
        assert!(content.windows(2).any(|pair| pair == b"\x00\xff"), "{coding}");
    }
    let wrong = chunked("gzip, chunked", b"this is no gzip at all");
    let web = Web::start(move |_, stream| {
        let _ = stream.write_all(&wrong);
        false
    });
    let got = get(&broker, &web);
    assert!(got["error"].as_str().unwrap().contains("gzip"), "{got}");
    // What never has a body has none.
    let web = saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    for _ in 0..2 {
        let head = broker.call("http_helper.head", map([("url", web.url("/").into()), ("timeout", 5.into())])).unwrap();
        assert_eq!((&head["status_code"], &head["content"]), (&200.into(), &"".into()), "{head}");
    }
    assert_eq!(connections(&web), 1);
}

#[test]
fn trailers_come_with_the_end_of_a_body() {
    let broker = Broker::start(&[]);
    let hostile = "Set-Cookie: evil=1\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\nLocation: http://127.0.0.1:1/\r\nno colon\r\n";
    let web =
        saying(format!("{CHUNKED}4\r\nbody\r\n0\r\nDigest: one\r\nX-Took : 5\r\n  ms\r\ndigest: two\r\n{hostile}\r\n"));
    let session = broker.call("http_helper.session_new", map([])).unwrap()["session_id"].clone();
    let url = || Value::from(web.url("/"));
    let got = broker.call("http_helper.get", map([("url", url()), ("session_id", session.clone())])).unwrap();
    assert_eq!(got["trailers"], map([("Digest", "one, two".into()), ("X-Took", "5 ms".into())]));
    assert!(got["headers"]["Digest"].is_nil() && got["headers"]["Set-Cookie"].is_nil(), "{got}");
    let cookies = broker.call("http_helper.session_cookies", map([("session_id", session)])).unwrap();
    assert!(!cookies.to_string().contains("evil"), "{cookies}");
    let pairs: Value = Value::Array(["Digest", "one", "X-Took", "5 ms", "digest", "two"].map(Value::from).to_vec());
    let request = |stream: Value| {
        let params = map([("method", "GET".into()), ("url", url()), ("stream", stream)]);
        broker.call("http_helper.request", params).unwrap()
    };
    assert_eq!(request(Value::Nil)["trailers"], pairs);
    assert_eq!(request(100.into())["trailers"], pairs, "with the head, where that is all");
    let begun = request(2.into());
    assert!(begun["trailers"].is_nil(), "{begun}");
    let piece = || {
        broker
            .call("http_helper.read", map([("stream_id", begun["stream_id"].clone()), ("length", 100.into())]))
            .unwrap()
    };
    let mut last = piece();
    while last["done"] == false.into() {
        assert!(last["trailers"].is_nil(), "{last}");
        last = piece();
    }
    assert_eq!(last["trailers"], pairs);
}
