//! Bodies on their way: to and from files, compressed, over IPv6, and told of as they go.

use crate::support::{Broker, code, map, message, none, request_with};
use crate::web::{Web, answer, last, raw};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use rmpv::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn long_body() -> Vec<u8> {
    (0..2_000_000_u32).map(|n| (n % 251) as u8).collect()
}

fn library() -> Web {
    Web::start(|request, stream| match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/long") => answer(stream, "200 OK", &[], &long_body()),
        ("GET", "/cut") => last(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        ("GET", _) => answer(stream, "404 Not Found", &[("Content-Type", "text/plain")], b"no such book"),
        _ => {
            let sum: u64 = request.body.iter().map(|byte| u64::from(*byte)).sum();
            answer(stream, "201 Created", &[], format!("{} {sum}", request.body.len()).as_bytes())
        }
    })
}

fn download(web: &Web, from: &str, path: &Path) -> Value {
    map([("url", web.url(from).into()), ("path", path.to_str().unwrap().into())])
}

fn with(mut params: Value, more: &[(&str, Value)]) -> Value {
    let Value::Map(pairs) = &mut params else { unreachable!() };
    pairs.extend(more.iter().map(|(name, value)| (Value::from(*name), value.clone())));
    params
}

#[test]
fn names_of_files_are_bytes() {
    let (broker, web) = (Broker::start(&[]), library());
    let dir = tempfile::tempdir().unwrap();
    for (name, given) in [(&b"\xe4"[..], Value::Binary(vec![])), ("\u{e4}\u{20ac}".as_bytes(), Value::from(""))] {
        let path = dir.path().join(OsStr::from_bytes(name));
        let bytes = path.as_os_str().as_bytes().to_vec();
        let given = if given.is_bin() { Value::Binary(bytes) } else { String::from_utf8(bytes).unwrap().into() };
        let params = map([("url", web.url("/long").into()), ("path", given.clone())]);
        let got = broker.call("http_helper.download", params).unwrap();
        assert_eq!((&got["bytes"], &got["path"]), (&2_000_000.into(), &given), "told as it was given");
        assert_eq!(std::fs::read(&path).unwrap(), long_body());
        let sent = broker.call("http_helper.upload", map([("url", web.url("/put").into()), ("path", given.clone())]));
        assert_eq!(sent.unwrap()["path"], given);
    }
}

#[test]
fn a_download_becomes_the_file_when_it_is_whole() {
    let (broker, web) = (Broker::start(&[]), library());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("book");
    std::fs::write(&path, "the old one").unwrap();
    let call = |params| broker.call("http_helper.download", params);
    let cut = call(download(&web, "/cut", &path)).unwrap();
    assert_eq!(cut["success"], false.into());
    assert!(cut["error"].as_str().unwrap().contains("cut off"), "{cut}");
    let missing = call(download(&web, "/missing", &path)).unwrap();
    assert_eq!((&missing["status_code"], missing["content"].as_str()), (&404.into(), Some("no such book")));
    assert_eq!(std::fs::read(&path).unwrap(), b"the old one", "what failed changed nothing");
    let got = call(with(download(&web, "/long", &path), &[("mode", "640".into())])).unwrap();
    assert_eq!((&got["bytes"], got["path"].as_str()), (&2_000_000.into(), path.to_str()));
    assert_eq!(std::fs::read(&path).unwrap(), long_body());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    for (path, why) in [
        ("relative", "absolute"),
        ("/nonexistent/dir/file", "No such file"),
        (dir.path().to_str().unwrap(), "Is a directory"),
        ("/\0", "absolute"),
    ] {
        let result = call(download(&web, "/long", Path::new(path)));
        assert_eq!(code(&result), "invalid_params", "{path:?}");
        assert!(message(&result).contains(why), "{path:?}: {}", message(&result));
    }
}

#[test]
fn an_upload_sends_the_file_as_it_is() {
    let (broker, web) = (Broker::start(&[]), library());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("book");
    std::fs::write(&path, long_body()).unwrap();
    let call = |params| broker.call("http_helper.upload", params);
    let sum: u64 = long_body().iter().map(|byte| u64::from(*byte)).sum();
    let got = call(download(&web, "/new", &path)).unwrap();
    assert_eq!((&got["status_code"], &got["bytes"]), (&201.into(), &2_000_000.into()));
    assert_eq!(got["content"].as_str(), Some(format!("2000000 {sum}").as_str()));
    let posted = with(
        download(&web, "/new", &path),
        &[("method", "POST".into()), ("headers", map([("Content-Type", "text/odd".into())]))],
    );
    call(posted).unwrap();
    let last = web.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.header("content-type")), ("POST", Some("text/odd")));
    assert_eq!(last.header("content-length"), Some("2000000"));
    assert_eq!(code(&call(download(&web, "/new", dir.path()))), "invalid_params");
    assert_eq!(code(&call(download(&web, "/new", Path::new("/nonexistent")))), "invalid_params");
}

#[test]
fn progress_is_told_and_ends_with_the_whole() {
    let (broker, web) = (Broker::start(&[]), library());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("book");
    for (method, total) in [("http_helper.download", 2_000_000), ("http_helper.upload", 2_000_000)] {
        let mut client = broker.connect();
        client.send(&request_with(1, method, download(&web, "/long", &path), map([("progress", true.into())])));
        let mut reports = Vec::new();
        loop {
            let Some(Value::Array(parts)) = client.receive() else { panic!("the end") };
            if parts[0] == 1.into() {
                assert!(parts[2].is_nil(), "{parts:?}");
                break;
            }
            assert_eq!(parts[1], "rpc.progress".into());
            reports.push((parts[2][0]["done"].as_u64().unwrap(), parts[2][0]["total"].as_u64()));
            assert_eq!(parts[2][0]["unit"], "bytes".into());
        }
        assert!(reports.is_sorted(), "{method}: {reports:?}");
        assert_eq!(reports.last(), Some(&(total, Some(total))), "{method}");
    }
}

#[test]
fn compressed_bodies_are_undone_where_that_is_wanted() {
    let broker = Broker::start(&[]);
    let web = Web::start(|request, stream| {
        let asked = request.header("accept-encoding").unwrap_or("none").to_owned();
        let text = format!("asked for {asked}: {}", "ä".repeat(1000));
        let (coding, body) = match request.target.as_str() {
            "/gzip" => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(text.as_bytes()).unwrap();
                ("gzip", gzip.finish().unwrap())
            }
            "/deflate" => {
                let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
                zlib.write_all(text.as_bytes()).unwrap();
                ("deflate", zlib.finish().unwrap())
            }
            "/broken" => ("gzip", b"no gzip at all".to_vec()),
            _ => ("compress", text.into_bytes()),
        };
        answer(stream, "200 OK", &[("Content-Encoding", coding), ("Content-Type", "text/plain")], &body)
    });
    let get = |path: &str, more: &[(&str, Value)]| {
        broker.call("http_helper.get", with(map([("url", web.url(path).into())]), more)).unwrap()
    };
    for path in ["/gzip", "/deflate"] {
        let got = get(path, &[]);
        let content = got["content"].as_str().unwrap_or_else(|| panic!("{path}: no text"));
        assert!(content.starts_with("asked for gzip, deflate, br: ää"), "{path}: {content:.60}");
    }
    for path in ["/broken", "/compress"] {
        assert_eq!(get(path, &[])["success"], false.into(), "{path}");
    }
    let params = map([("method", "GET".into()), ("url", web.url("/gzip").into())]);
    let exact = broker.call("http_helper.request", params).unwrap();
    assert_eq!(exact["content"].as_slice().unwrap()[..2], [0x1f, 0x8b], "as it came");
    assert_eq!(web.requests().last().unwrap().header("accept-encoding"), None);
    let id = broker.call("http_helper.session_new", map([("decode", false.into())])).unwrap()["session_id"].clone();
    assert!(get("/gzip", &[("session_id", id)])["content"].as_slice().is_some());
}

#[test]
fn addresses_of_either_kind_are_reached() {
    let broker = Broker::start(&[]);
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let count = std::io::Read::read(&mut stream, &mut request).unwrap();
            answer(
                &mut stream,
                "200 OK",
                &[("Connection", "close"), ("Content-Type", "text/plain")],
                &request[..count],
            );
        }
    });
    let get = |host: &str| broker.call("http_helper.get", map([("url", format!("http://{host}:{port}/").into())]));
    // The second on a link of this host, which is nobody else's business.
    for host in ["[::1]", "[::1%25lo]", "[::1%lo]"] {
        let got = get(host).unwrap();
        assert!(got["content"].as_str().is_some_and(|text| text.contains(&format!("Host: [::1]:{port}\r"))), "{got}");
    }
    let wrong = get("[fe80::1%25nowhere0]");
    assert_eq!(code(&wrong), "invalid_params");
    assert!(message(&wrong).contains("names nowhere0, which is no link of this host"), "{}", message(&wrong));
}

#[test]
fn a_piece_comes_as_soon_as_it_is_there() {
    let broker = Broker::start(&[]);
    let web = Web::start(|_, stream| {
        raw(stream, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
        raw(stream, "abc");
        // The rest never comes: this waits for the other side to close.
        let _ = std::io::Read::read(stream, &mut [0; 1]);
        false
    });
    let params = map([("method", "GET".into()), ("url", web.url("/").into()), ("stream", 0.into())]);
    let mut client = broker.connect();
    let opened = client.call("http_helper.request", params).unwrap();
    let id = opened["stream_id"].clone();
    let piece = client.call("http_helper.read", map([("stream_id", id.clone()), ("length", 100.into())])).unwrap();
    let first = piece["content"].as_slice().unwrap();
    assert!(b"abc".starts_with(first) && !first.is_empty(), "{piece}");
    assert_eq!(piece["done"], false.into());
    let closed = client.call("http_helper.close", map([("stream_id", id)])).unwrap();
    assert_eq!(closed["freed"], true.into());
    crate::support::eventually("the end of the connection", || web.open() == 0);
    assert_eq!(client.call("http_helper.ping", none()).unwrap()["message"], "pong".into());
}

#[test]
fn what_is_no_regular_file_is_not_replaced() {
    let (broker, web) = (Broker::start(&[]), library());
    let pipe = broker.dir().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let link = broker.dir().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for path in [&pipe, &link] {
        let result = broker.call("http_helper.download", download(&web, "/long", path));
        assert_eq!(code(&result), "invalid_params");
        assert!(message(&result).contains("no regular file"), "{}", message(&result));
        assert!(!path.metadata().unwrap().is_file());
    }
    let left: Vec<_> = std::fs::read_dir(broker.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(".part")), "{left:?}");
}

fn resident(broker: &Broker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

fn told(broker: &Broker) -> u64 {
    let handles = broker.call("system.handles", none()).unwrap();
    let handles = handles.as_array().cloned().unwrap_or_else(|| handles["handles"].as_array().unwrap().clone());
    handles.iter().map(|handle| handle["bytes"].as_u64().unwrap()).sum()
}

/// What handles say that they hold is at least what the process grew by, and not much more.
fn true_size(name: &str, many: u64, make: impl Fn(&Broker, &mut crate::support::Client, u64)) {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    make(&broker, &mut client, 0);
    let (before, told_before) = (resident(&broker), told(&broker));
    for number in 1..=many {
        make(&broker, &mut client, number);
    }
    let (grown, told) = (resident(&broker).saturating_sub(before), told(&broker) - told_before);
    // Pages that the allocator keeps for later are nobody's.
    const SLACK: u64 = 12 << 20;
    assert!(told + SLACK >= grown, "{name}: {told} are told, {grown} are taken");
    assert!(told <= 3 * grown + SLACK, "{name}: {told} are told, {grown} are taken");
}

#[test]
fn sessions_and_bodies_tell_their_true_size() {
    let authority = crate::authority::Authority::new("ours").pem();
    let exempt: Vec<String> = (0..20_000).map(|number| format!("h{number}.example")).collect();
    let settings: Vec<(&str, Value)> = vec![
        ("user", "u".repeat(200_000).into()),
        ("no_proxy", exempt.join(",").into()),
        ("ca", authority.repeat(200).into()),
        ("headers", Value::Map((0..200).map(|n| (format!("X-{n}").into(), "v".repeat(1000).into())).collect())),
    ];
    for (name, value) in settings {
        true_size(name, 60, |_, client, _| {
            client.call("http_helper.session_new", map([(name, value.clone())])).unwrap();
        });
    }
    true_size("pieces", 300, |_, client, _| {
        let id = client.call("http_helper.body_new", none()).unwrap()["body_id"].clone();
        for _ in 0..20 {
            client
                .call("http_helper.body_add", map([("body_id", id.clone()), ("content", "x".repeat(4000).into())]))
                .unwrap();
        }
    });
}

#[test]
fn a_body_counts_the_session_that_it_holds_on_to() {
    let broker = Broker::start(&[]);
    let session = map([("user", "u".repeat(300_000).into())]);
    let session = broker.call("http_helper.session_new", session).unwrap()["session_id"].clone();
    broker.call("http_helper.body_new", map([("session_id", session.clone())])).unwrap();
    broker.call("http_helper.session_free", map([("session_id", session)])).unwrap();
    assert!(told(&broker) > 300_000, "{}", told(&broker));
}

#[test]
fn a_stream_counts_its_connection() {
    let (broker, web) = (Broker::start(&[]), library());
    let params = map([("method", "GET".into()), ("url", web.url("/long").into()), ("stream", 0.into())]);
    let answer = broker.call("http_helper.request", params).unwrap();
    assert!(!answer["stream_id"].is_nil());
    assert!(told(&broker) > 200_000, "{}", told(&broker));
}
