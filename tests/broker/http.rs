//! Module http_helper: what scripts ask for, and what they get.

use crate::support::{Broker, code, map, message, none};
use crate::web::{Web, answer, raw};
use rmpv::Value;

fn get(broker: &Broker, url: &str) -> Value {
    broker.call("http_helper.get", map([("url", url.into())])).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Gives back what came.
fn mirror() -> Web {
    Web::start(|request, stream| {
        let mut said = format!("{} {}\n", request.method, request.target);
        for (name, value) in &request.headers {
            said.push_str(&format!("{}: {value}\n", name.to_lowercase()));
        }
        said.push('\n');
        let body = [said.as_bytes(), &request.body].concat();
        answer(stream, "200 Just so", &[("Content-Type", "text/plain"), ("ETag", "\"q\"")], &body)
    })
}

#[test]
fn an_answer_has_the_form_that_scripts_read() {
    let (broker, web) = (Broker::start(&[]), mirror());
    assert_eq!(broker.call("http.ping", none()).unwrap()["message"], "pong".into());
    let got = get(&broker, &web.url("/a%2fb/../c?x=1&y=%20#here"));
    assert_eq!(got["success"], true.into());
    assert_eq!((&got["status_code"], text(&got["status_line"])), (&200.into(), "200 Just so"));
    assert_eq!((text(&got["reason"]), got["body"].clone()), ("Just so", got["content"].clone()));
    assert!(text(&got["content"]).starts_with("GET /a%2fb/../c?x=1&y=%20\n"), "as it was written: {got}");
    assert_eq!(text(&got["headers"]["ETag"]), "\"q\"", "in the server's spelling");
    assert!(got["elapsed"].as_f64().unwrap() > 0.0);
    assert!(got["error"].is_nil());
}

#[test]
fn methods_bodies_and_headers_go_out_as_given() {
    let (broker, web) = (Broker::start(&[]), mirror());
    let said = |method: &str, params: Vec<(&str, Value)>| {
        let mut all = vec![("url".into(), Value::from(web.url("/")))];
        all.extend(params.into_iter().map(|(name, value)| (name.into(), value)));
        text(&broker.call(&format!("http_helper.{method}"), Value::Map(all)).unwrap()["content"]).to_owned()
    };
    let form = map([("a b", "x&y".into()), ("n", Value::Array(vec![1.into(), "ü".into()]))]);
    let posted = said("post", vec![("form", form)]);
    assert!(posted.contains("content-type: application/x-www-form-urlencoded"), "{posted}");
    assert!(posted.ends_with("\n\na+b=x%26y&n=1&n=%C3%BC"), "{posted}");
    let json = said("put", vec![("json", map([("a", Value::Array(vec![1.into(), Value::Nil, true.into()]))]))]);
    assert!(json.starts_with("PUT /") && json.contains("content-type: application/json"), "{json}");
    assert!(json.ends_with("{\"a\":[1,null,true]}"), "{json}");
    let headers = map([("X-Twice", Value::Array(vec!["1".into(), "2".into()])), ("Content-Length", "999".into())]);
    let deleted = said("delete", vec![("headers", headers), ("content", "why".into())]);
    assert!(deleted.contains("x-twice: 1\nx-twice: 2\n") && deleted.contains("content-length: 3\n"), "{deleted}");
    assert!(said("post", vec![]).contains("content-length: 0\n"));
    assert!(!said("get", vec![]).contains("content-length"));
    let lwp = map([
        ("method", "PATCH".into()),
        ("url", web.url("/").into()),
        ("content", "loses".into()),
        ("form_encoded_content", "a=1".into()),
        ("headers", Value::Nil),
    ]);
    let lwp = broker.call("http_helper.lwp_request", lwp).unwrap();
    assert!(text(&lwp["content"]).starts_with("PATCH /") && text(&lwp["content"]).ends_with("\n\na=1"), "{lwp}");
    let head = broker.call("http_helper.head", map([("url", web.url("/").into())])).unwrap();
    assert_eq!((text(&head["content"]), &head["status_code"]), ("", &200.into()));
}

#[test]
fn a_failure_is_an_answer() {
    let broker = Broker::start(&[]);
    let web = Web::start(|_, stream| answer(stream, "404 Not Found", &[("Content-Type", "text/plain")], b"gone"));
    let got = get(&broker, &web.url("/"));
    assert_eq!((got["success"].clone(), text(&got["error"])), (false.into(), "HTTP 404: Not Found"));
    assert_eq!(text(&got["content"]), "gone");
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let got = get(&broker, &nobody);
    assert_eq!((got["success"].clone(), &got["status_code"]), (false.into(), &500.into()));
    assert!(text(&got["error"]).starts_with("Connection failed: Can't connect to 127.0.0.1:"), "{got}");
    assert!(text(&got["status_line"]).starts_with("500 Can't connect"), "{got}");
    let got = get(&broker, "http://no-such-host.invalid/");
    assert!(text(&got["error"]).contains("no-such-host.invalid"), "{got}");
}

#[test]
fn what_can_not_be_a_request_is_refused() {
    let broker = Broker::start(&[]);
    let call = |params| broker.call("http_helper.get", params);
    for url in
        ["", "/path", "ftp://host/", "http://", "file:///etc/passwd", "http://h/\r\nX: y", "http://h\n/", "http://h/\0"]
    {
        let result = call(map([("url", url.into())]));
        assert_eq!(code(&result), "invalid_params", "{url:?}");
    }
    let result = call(map([("url", "http://user:hush@ho st/".into())]));
    assert!(!message(&result).contains("hush"), "{}", message(&result));
    for (name, value) in [("X-A", "b\r\nX-B: c"), ("X-A\r\nX-B", "c"), ("X-A", "b\nc"), ("", "x"), ("X-A", "b\0")] {
        let result = call(map([("url", "http://127.0.0.1:1/".into()), ("headers", map([(name, value.into())]))]));
        assert_eq!(code(&result), "invalid_params", "{name:?}: {value:?}");
    }
    let lwp = map([("method", "GET /x HTTP/1.1\r\nA: b\r\n\r\n".into()), ("url", "http://127.0.0.1:1/".into())]);
    assert_eq!(code(&broker.call("http_helper.lwp_request", lwp)), "invalid_params");
    assert_eq!(code(&call(map([("url", "http://127.0.0.1:1/".into()), ("timeout", 0.into())]))), "invalid_params");
    let unknown = map([("url", "http://127.0.0.1:1/".into()), ("session_id", "0".repeat(32).into())]);
    assert_eq!(code(&call(unknown)), "not_found");
}

/// A server on which /STATUS/PATH redirects to PATH.
fn redirector(other: Option<String>) -> Web {
    Web::start(move |request, stream| {
        let parts: Vec<&str> = request.target.trim_start_matches('/').splitn(2, '/').collect();
        match (parts[0].parse::<u16>(), other.as_ref()) {
            (Ok(status), None) => {
                answer(stream, &format!("{status} Go on"), &[("Location", &format!("/{}", parts[1]))], b"x")
            }
            (Ok(status), Some(other)) => answer(stream, &format!("{status} Go on"), &[("Location", other)], b"x"),
            _ => answer(stream, "200 OK", &[], b"there"),
        }
    })
}

#[test]
fn redirects_change_the_method_by_the_rules() {
    let (broker, web) = (Broker::start(&[]), redirector(None));
    let expected = [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("GET", 302, "GET"),
    ];
    for (method, status, then) in expected {
        let params = map([
            ("method", method.into()),
            ("url", web.url(&format!("/{status}/end")).into()),
            ("content", if method == "HEAD" || method == "GET" { Value::Nil } else { "body".into() }),
            ("headers", map([("Content-Type", "text/odd".into()), ("X-Kept", "yes".into())])),
        ]);
        let got = broker.call("http_helper.lwp_request", params).unwrap();
        assert_eq!(text(&got["url"]), web.url("/end"), "{method} {status}");
        let last = web.requests().pop().unwrap();
        assert_eq!((last.method.as_str(), last.target.as_str()), (then, "/end"), "{method} {status}");
        let kept = then == "POST" || then == "PUT";
        assert_eq!(last.body, if kept { &b"body"[..] } else { b"" }, "{method} {status}");
        if !kept && method != "HEAD" && method != "GET" {
            assert_eq!(last.header("content-type"), None, "{method} {status}");
        }
        assert_eq!(last.header("x-kept"), Some("yes"));
    }
}

#[test]
fn a_redirect_takes_no_credentials_elsewhere() {
    let broker = Broker::start(&[]);
    let elsewhere = redirector(None);
    let web = redirector(Some(elsewhere.url("/302/end")));
    let headers = map([("Authorization", "Bearer hush".into()), ("Cookie", "a=hush".into()), ("X-Kept", "yes".into())]);
    let got = broker.call("http_helper.get", map([("url", web.url("/302/x").into()), ("headers", headers)])).unwrap();
    assert_eq!(text(&got["url"]), elsewhere.url("/end"));
    assert_eq!(web.requests()[0].header("authorization"), Some("Bearer hush"));
    for request in elsewhere.requests() {
        assert_eq!((request.header("authorization"), request.header("cookie")), (None, None));
        assert_eq!(request.header("x-kept"), Some("yes"));
        assert_eq!(request.header("host"), Some(elsewhere.address().to_string().as_str()));
    }
    // The session's own credentials are for the server that was asked, as well.
    let session = map([("user", "me".into()), ("password", "hush".into())]);
    let id = broker.call("http_helper.session_new", session).unwrap()["session_id"].clone();
    broker.call("http_helper.get", map([("url", web.url("/302/x").into()), ("session_id", id)])).unwrap();
    assert_eq!(web.requests().last().unwrap().header("authorization"), Some("Basic bWU6aHVzaA=="));
    assert_eq!(elsewhere.requests().last().unwrap().header("authorization"), None);
}

#[test]
fn private_headers_stay_at_home() {
    let broker = Broker::start(&[]);
    let elsewhere = redirector(None);
    let web = redirector(Some(elsewhere.url("/302/end")));
    let names = ["Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X-Kept"];
    let headers = || Value::Map(names.iter().map(|name| ((*name).into(), "hush".into())).collect());
    let api_key = || Value::Array(vec!["x-api-KEY".into()]);
    let of_session = map([("headers", headers()), ("private_headers", api_key()), ("cookies", false.into())]);
    let id = broker.call("http_helper.session_new", of_session).unwrap()["session_id"].clone();
    let url = || Value::from(web.url("/302/x"));
    broker.call("http_helper.get", map([("url", url()), ("session_id", id)])).unwrap();
    for method in ["get", "request"] {
        let mut params = vec![("url", url()), ("headers", headers()), ("private_headers", api_key())];
        if method == "request" {
            params.push(("method", "GET".into()));
        }
        let params = Value::Map(params.into_iter().map(|(name, value)| (name.into(), value)).collect());
        broker.call(&format!("http_helper.{method}"), params).unwrap();
    }
    let (home, away) = (web.requests(), elsewhere.requests());
    assert_eq!((home.len(), away.len()), (3, 6));
    for name in names {
        assert!(home.iter().all(|request| request.header(name) == Some("hush")), "{name} at home");
        let expected = (name == "X-Kept").then_some("hush");
        assert!(away.iter().all(|request| request.header(name) == expected), "{name} elsewhere");
    }
    let odd = map([("url", url()), ("private_headers", "X Y:".into())]);
    assert_eq!(crate::support::code(&broker.call("http_helper.get", odd)), "invalid_params");
}

#[test]
fn equal_strings_are_equal_bytes() {
    let broker = Broker::start(&[]);
    let web = Web::start(|_, stream| answer(stream, "200 OK", &[], b"there"));
    let password = |value: Value| {
        let session = map([("user", "u".into()), ("password", value)]);
        let id = broker.call("http_helper.session_new", session).unwrap()["session_id"].clone();
        broker.call("http_helper.get", map([("url", web.url("/").into()), ("session_id", id)])).unwrap();
        web.requests().pop().unwrap().header("authorization").unwrap().to_owned()
    };
    assert_eq!(password(Value::Binary(b"p\xe4".to_vec())), "Basic dTpw5A==", "bytes are sent as they are");
    let posted = |name: &str, value: Value| {
        broker.call("http_helper.post", map([("url", web.url("/").into()), (name, value)])).unwrap();
        web.requests().pop().unwrap().body
    };
    let latin = || Value::Binary(b"\xe4".to_vec());
    assert_eq!(posted("json", Value::Map(vec![(latin(), latin())])), "{\"ä\":\"ä\"}".as_bytes());
    assert_eq!(posted("form", Value::Map(vec![(latin(), latin())])), b"%E4=%E4");
}

#[test]
fn redirects_end() {
    let broker = Broker::start(&[]);
    let web = Web::start(|_, stream| answer(stream, "302 Found", &[("Location", "/again")], b""));
    let got = get(&broker, &web.url("/"));
    assert_eq!((&got["status_code"], got["success"].clone()), (&302.into(), false.into()));
    assert_eq!(text(&got["error"]), "Too many redirects (max_redirect = 7)");
    assert_eq!(web.requests().len(), 8);
    let none = map([("url", web.url("/").into()), ("max_redirect", 0.into())]);
    assert_eq!(broker.call("http_helper.get", none).unwrap()["status_code"], 302.into());
    assert_eq!(web.requests().len(), 9);
    for location in ["file:///etc/passwd", "ftp://host/", "gopher://host/", "http://", "\u{0}"] {
        let web = Web::start(move |_, stream| {
            raw(stream, format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
        });
        assert_ne!(get(&broker, &web.url("/"))["status_code"], 200.into(), "{location:?}");
    }
}

#[test]
fn a_session_keeps_cookies_headers_and_connections() {
    let broker = Broker::start(&[]);
    let web = Web::start(|request, stream| {
        let cookie = request.header("cookie").unwrap_or("none").to_owned();
        let set = [
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2; Path=/deep"),
            ("Set-Cookie", "c=3; Domain=elsewhere.example"),
        ];
        answer(stream, "200 OK", if request.target == "/set" { &set } else { &[] }, cookie.as_bytes())
    });
    let made = broker.call("http_helper.session_new", map([("headers", map([("X-Mine", "yes".into())]))])).unwrap();
    let fetch = |path: &str| {
        let params = map([("url", web.url(path).into()), ("session_id", made["session_id"].clone())]);
        broker.call("http_helper.get", params).unwrap()
    };
    let first = fetch("/set");
    assert_eq!(first["headers"]["Set-Cookie"].as_array().unwrap().len(), 3, "a list, as ever");
    assert_eq!(text(&fetch("/")["content"]), "a=1");
    let deep = fetch("/deep/er");
    let mut sent: Vec<&str> = text(&deep["content"]).split("; ").collect();
    sent.sort_unstable();
    assert_eq!(sent, ["a=1", "b=2"]);
    let requests = web.requests();
    assert!(requests.iter().all(|request| request.connection == 0), "one connection for all: {requests:?}");
    assert!(requests.iter().all(|request| request.header("x-mine") == Some("yes")));
    let cookies =
        broker.call("http_helper.session_cookies", map([("session_id", made["session_id"].clone())])).unwrap();
    assert_eq!(cookies.as_array().unwrap().len(), 2);
    let free = || broker.call("http_helper.session_free", map([("session_id", made["session_id"].clone())])).unwrap();
    assert_eq!((free()["freed"].clone(), free()["freed"].clone()), (true.into(), false.into()));
    crate::support::eventually("the end of the connection", || web.open() == 0);
}

#[test]
fn a_server_that_closed_a_kept_connection_is_asked_once_more() {
    let broker = Broker::start(&[]);
    // It closes when the second request of a connection comes.
    let seen = std::sync::Mutex::new(std::collections::HashSet::new());
    let web = Web::start(move |request, stream| {
        seen.lock().unwrap().insert(request.connection) && answer(stream, "200 OK", &[], b"here")
    });
    let made = broker.call("http_helper.session_new", map([])).unwrap();
    let fetch = |method: &str| {
        let params =
            map([("url", web.url("/").into()), ("method", method.into()), ("session_id", made["session_id"].clone())]);
        broker.call("http_helper.request", params).unwrap()
    };
    assert_eq!(fetch("GET")["status_code"], 200.into());
    assert_eq!(fetch("GET")["status_code"], 200.into(), "the first try came to a connection that was closed");
    let requests = web.requests();
    assert_eq!(requests.iter().map(|request| request.connection).collect::<Vec<_>>(), [0, 0, 1]);
    assert!(fetch("POST")["error"].is_str(), "what may not come twice is not sent twice");
    assert_eq!(web.requests().len(), 4);
    assert_eq!(fetch("DELETE")["status_code"], 200.into());
    assert_eq!(fetch("PUT")["status_code"], 200.into());
    assert_eq!(web.requests().len(), 7);
}

#[test]
fn a_proxy_gets_whole_urls_and_its_password() {
    let broker = Broker::start(&[]);
    let proxy = Web::start(|_, stream| answer(stream, "200 OK", &[], b"from the proxy"));
    let address = format!("http://me:hu%20sh@{}", proxy.address());
    let session = |params| broker.call("http_helper.session_new", params).unwrap()["session_id"].clone();
    let id = session(map([("proxy", address.into()), ("no_proxy", "localhost".into())]));
    let fetch = |url: &str, id: &Value| {
        let params = map([("url", url.into()), ("session_id", id.clone()), ("headers", map([("X-A", "b".into())]))]);
        broker.call("http_helper.get", params).unwrap()
    };
    for _ in 0..2 {
        assert_eq!(text(&fetch("http://unreachable.invalid/path?q", &id)["content"]), "from the proxy");
    }
    let request = proxy.requests().pop().unwrap();
    assert_eq!(request.target, "http://unreachable.invalid/path?q");
    assert_eq!(request.header("host"), Some("unreachable.invalid"));
    assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6aHUgc2g="));
    assert_eq!(request.header("x-a"), Some("b"));
    // https wants a tunnel, which this one does not dig.
    let got = fetch("https://unreachable.invalid/", &id);
    assert_eq!(got["success"], false.into());
    let connect = proxy.requests().pop().unwrap();
    assert_eq!((connect.method.as_str(), connect.target.as_str()), ("CONNECT", "unreachable.invalid:443"));
    let web = mirror();
    let direct = web.url("/").replace("127.0.0.1", "localhost");
    assert_eq!(fetch(&direct, &id)["status_code"], 200.into(), "an exception");
    assert_eq!(proxy.requests().len(), 3);
}

#[test]
fn a_connection_to_a_proxy_is_kept_and_each_request_on_it_has_the_whole_url() {
    let broker = Broker::start(&[]);
    let proxy = Web::start(|request, stream| answer(stream, "200 OK", &[], request.target.as_bytes()));
    let params = map([("proxy", format!("http://me:secret@{}", proxy.address()).into())]);
    let id = broker.call("http_helper.session_new", params).unwrap()["session_id"].clone();
    let body = "http://not.a/request HTTP/1.1\r\n\r\n".repeat(20_000);
    let urls = ["http://one.invalid/1", "http://one.invalid/2?q", "http://other.invalid:81/3", "http://one.invalid/4"];
    for url in urls {
        let params = map([("url", url.into()), ("session_id", id.clone()), ("content", body.as_str().into())]);
        assert_eq!(text(&broker.call("http_helper.post", params).unwrap()["content"]), url);
    }
    let requests = proxy.requests();
    let seen: Vec<_> = requests.iter().map(|request| (request.target.as_str(), request.connection)).collect();
    assert_eq!(seen, urls.into_iter().zip([0, 0, 1, 0]).collect::<Vec<_>>());
    for request in &requests {
        assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6c2VjcmV0"));
        assert_eq!(request.body, body.as_bytes());
    }
}

#[test]
fn long_bodies_come_and_go_in_pieces() {
    let broker = Broker::start(&[]);
    let web = Web::start(|request, stream| {
        if request.method == "POST" {
            let sum: u64 = request.body.iter().map(|byte| u64::from(*byte)).sum();
            return answer(stream, "200 OK", &[], format!("{} {sum}", request.body.len()).as_bytes());
        }
        let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        answer(stream, "200 OK", &[("Content-Type", "application/octet-stream")], &body)
    });
    let mut client = broker.connect();
    let open = map([("method", "GET".into()), ("url", web.url("/").into()), ("stream", 1000.into())]);
    let got = client.call("http_helper.request", open.clone()).unwrap();
    let mut body = got["content"].as_slice().unwrap().to_vec();
    assert_eq!(body.len(), 1000);
    let id = got["stream_id"].clone();
    loop {
        let piece =
            client.call("http_helper.read", map([("stream_id", id.clone()), ("length", 100_000.into())])).unwrap();
        body.extend_from_slice(piece["content"].as_slice().unwrap());
        if piece["done"] == true.into() {
            break;
        }
    }
    assert!(body.len() == 3_000_000 && body.iter().enumerate().all(|(n, byte)| *byte == (n % 251) as u8));
    // A read that was sent ahead, as read(2) at the end of a file.
    let after = client.call("http_helper.read", map([("stream_id", id)])).unwrap();
    assert!(after["done"] == true.into() && after["content"].as_slice() == Some(b""));
    // Given up half-way, the connection is closed with it.
    let id = client.call("http_helper.request", open).unwrap()["stream_id"].clone();
    assert_eq!(client.call("http_helper.close", map([("stream_id", id.clone())])).unwrap()["freed"], true.into());
    assert_eq!(code(&client.call("http_helper.read", map([("stream_id", id)]))), "not_found");

    let body_id = client.call("http_helper.body_new", none()).unwrap()["body_id"].clone();
    for n in 0..5u8 {
        let add = map([("body_id", body_id.clone()), ("content", Value::Binary(vec![n; 100_000]))]);
        client.call("http_helper.body_add", add).unwrap();
    }
    let send = map([("body_id", body_id.clone()), ("method", "POST".into()), ("url", web.url("/").into())]);
    assert_eq!(
        client.call("http_helper.body_send", send.clone()).unwrap()["content"],
        Value::Binary(b"500000 1000000".to_vec())
    );
    assert_eq!(code(&client.call("http_helper.body_send", send)), "not_found");
    let short = map([("url", web.url("/").into()), ("max_size", 1000.into())]);
    let result = client.call("http_helper.get", short);
    assert_eq!(code(&result), "too_large");
    assert!(message(&result).contains("download"), "{}", message(&result));
}

#[test]
fn headers_go_and_come_as_lines() {
    let web =
        Web::start(|_, stream| answer(stream, "200 OK", &[("X-One", "1"), ("X-Empty", ""), ("X-One", "2")], b"body"));
    let broker = Broker::start(&[]);
    let ask = |lines: &str| {
        let params =
            [("method", "GET".into()), ("url", web.url("/").into()), ("stream", 1000.into()), ("lines", lines.into())];
        broker.call("http_helper.request", map(params))
    };
    let got = ask("X-A\n1\nX-B\n\nX-A\n2").unwrap();
    let sent = &web.requests()[0];
    let of = |wanted: &str| {
        let named = sent.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!((of("x-a"), of("x-b")), (vec!["1".to_owned(), "2".to_owned()], vec![String::new()]));
    assert_eq!(got["status_code"], "200".into());
    let lines: Vec<_> = got["headers"].as_str().unwrap().split('\n').collect();
    let fields: Vec<_> = lines.chunks(2).map(|field| (field[0], field[1])).collect();
    assert!([("X-One", "1"), ("X-Empty", ""), ("X-One", "2")].iter().all(|field| fields.contains(field)), "{fields:?}");
    assert!(got["connection"].as_str().unwrap().contains("peer\n127.0.0.1:"), "{got}");
    let nested = got.as_map().unwrap().iter().find(|(_, value)| value.is_map() || value.is_array() || value.is_f64());
    assert_eq!(nested, None, "a flat map is what it is for");
    for wrong in ["X-A", "X-A\n1\nX-B", "X A\n1", "X-A\n1\r"] {
        assert_eq!(code(&ask(wrong)), "invalid_params", "{wrong:?}");
    }
    let both = map([("method", "GET".into()), ("url", web.url("/").into()), ("lines", "".into()), ("headers", none())]);
    assert_eq!(code(&broker.call("http_helper.request", both)), "invalid_params");
}
