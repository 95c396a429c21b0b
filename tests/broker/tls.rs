//! HTTPS: whom it believes, whom it does not, and what it shows of itself.

use crate::authority::{Authority, Identity};
use crate::support::{Broker, code, map, message};
use crate::web::{Web, answer};
use rmpv::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

fn hello(identity: &Identity, wants: Option<&Authority>) -> Web {
    Authority::serve(identity, wants, Arc::new(|_, stream| answer(stream, "200 OK", &[], b"hello")))
}

fn session(broker: &Broker, settings: Value) -> Value {
    broker.call("http_helper.session_new", settings).unwrap()["session_id"].clone()
}

fn get(broker: &Broker, url: &str, session: &Value) -> Value {
    broker.call("http_helper.get", map([("url", url.into()), ("session_id", session.clone())])).unwrap()
}

fn error(answer: &Value) -> &str {
    assert_eq!((&answer["success"], &answer["status_code"]), (&false.into(), &500.into()), "{answer}");
    answer["error"].as_str().unwrap()
}

#[test]
fn certificates_are_checked() {
    let broker = Broker::start(&[]);
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let trusting = session(&broker, map([("ca", authority.pem().into())]));
    let good = hello(&authority.certify(&["127.0.0.1", "localhost"], 2100), None);
    assert_eq!(get(&broker, &good.url("/"), &trusting)["content"], "hello".into());
    let by_name = good.url("/").replace("127.0.0.1", "localhost");
    assert_eq!(get(&broker, &by_name, &trusting)["content"], "hello".into());
    let bad = [
        (authority.certify(&["127.0.0.1"], 2001), "expired"),
        (authority.certify(&["elsewhere.example"], 2100), "not valid for name"),
        (stranger.certify(&["127.0.0.1"], 2100), "unable to get local issuer certificate"),
    ];
    let careless = session(&broker, map([("verify_ssl", false.into())]));
    for (identity, why) in &bad {
        let web = hello(identity, None);
        let got = get(&broker, &web.url("/"), &trusting);
        let said = error(&got);
        assert!(said.contains("certificate verify failed"), "{said}");
        assert!(said.contains(why), "{why}: {said}");
        assert!(web.requests().is_empty(), "nothing was asked of it");
        assert_eq!(get(&broker, &web.url("/"), &careless)["content"], "hello".into(), "who does not check gets it");
    }
    // The system's authorities do not know ours.
    let got = broker.call("http_helper.get", map([("url", good.url("/").into())])).unwrap();
    assert!(!error(&got).is_empty());
    let call = map([("url", good.url("/").into()), ("verify_ssl", 0.into())]);
    assert_eq!(broker.call("http_helper.get", call).unwrap()["content"], "hello".into());
}

#[test]
fn the_authorities_can_be_a_file_or_the_environments() {
    let authority = Authority::new("ours");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    let web = hello(&authority.certify(&["127.0.0.1"], 2100), None);
    let broker = Broker::start(&[]);
    let id = session(&broker, map([("ca_file", path.to_str().unwrap().into())]));
    assert_eq!(get(&broker, &web.url("/"), &id)["content"], "hello".into());
    for (settings, parameter) in [
        (map([("ca_file", "ca.pem".into())]), "ca_file"),
        (map([("ca_file", "/nonexistent/ca.pem".into())]), "ca_file"),
        (map([("ca", "no PEM".into())]), "ca"),
    ] {
        let result = broker.call("http_helper.session_new", settings);
        assert_eq!(code(&result), "invalid_params");
        assert_eq!(result.unwrap_err()["data"]["parameter"], parameter.into());
    }
    let mut command = crate::support::program();
    command.arg("serve").arg("--socket").arg(dir.path().join("broker.sock")).args(["--ready-fd=1"]);
    command.arg("--log-file").arg(dir.path().join("log")).env("SSL_CERT_FILE", &path);
    let broker = Broker::of(command, dir);
    let got = broker.call("http_helper.get", map([("url", web.url("/").into())])).unwrap();
    assert_eq!(got["content"], "hello".into(), "{got}");
}

#[test]
fn a_certificate_is_shown_to_who_wants_one() {
    let broker = Broker::start(&[]);
    let authority = Authority::new("ours");
    let web = hello(&authority.certify(&["127.0.0.1"], 2100), Some(&authority));
    let ours = authority.certify(&["client.example"], 2100);
    let pem = |text: &str| Value::from(text);
    let with =
        map([("ca", authority.pem().into()), ("client_cert", pem(&ours.certificate)), ("client_key", pem(&ours.key))]);
    let id = session(&broker, with);
    assert_eq!(get(&broker, &web.url("/"), &id)["content"], "hello".into());
    let without = session(&broker, map([("ca", authority.pem().into())]));
    assert!(!error(&get(&broker, &web.url("/"), &without)).is_empty());
    let other = authority.certify(&["client.example"], 2100);
    let result = broker.call(
        "http_helper.session_new",
        map([("client_cert", pem(&ours.certificate)), ("client_key", pem(&other.key))]),
    );
    assert_eq!(code(&result), "invalid_params", "the key of another certificate");
    assert!(!message(&result).contains("PRIVATE"), "{}", message(&result));
}

/// A proxy that digs tunnels (RFC 9110, 9.3.6); gives back its port.
fn tunnels() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let to = head.split(' ').nth(1).unwrap_or_default();
                let allowed = head.to_lowercase().contains("proxy-authorization: basic bwu6ahvzaa==");
                if !allowed {
                    let _ = client.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
                    return;
                }
                let Ok(mut server) = TcpStream::connect(to) else { return };
                client.write_all(b"HTTP/1.1 200 Go ahead\r\n\r\n").unwrap();
                let (mut from, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut back));
                let _ = std::io::copy(&mut server, &mut client);
            });
        }
    });
    port
}

#[test]
fn a_proxy_digs_a_tunnel_and_sees_nothing() {
    let broker = Broker::start(&[]);
    let authority = Authority::new("ours");
    let web = hello(&authority.certify(&["127.0.0.1"], 2100), None);
    let port = tunnels();
    let through = |user: &str| {
        let proxy = format!("http://{user}127.0.0.1:{port}");
        let id = session(&broker, map([("ca", authority.pem().into()), ("proxy", proxy.into())]));
        get(&broker, &web.url("/"), &id)
    };
    assert_eq!(through("me:hush@")["content"], "hello".into());
    let refused = through("");
    assert!(error(&refused).contains("407"), "{refused}");
    let wrong = through("me:wrong@");
    assert!(!error(&wrong).contains("wrong"), "{wrong}");
}
