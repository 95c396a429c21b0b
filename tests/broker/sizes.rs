//! What handles say that they take is what the process takes for them.

use crate::support::*;
use crate::web::{Web, answer};
use rmpv::Value;

/// How many of each kind.
const MANY: usize = 1000;

fn resident(broker: &Broker) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    // Its own memory: pages of the program's file come in at any time.
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

fn told(client: &mut Client) -> f64 {
    client.call("system.metrics", none()).unwrap()["resource_status"]["held_bytes"].as_u64().unwrap() as f64
}

/// Makes many, and compares what they tell with what the process has grown by.
fn compare(what: &str, mut make: impl FnMut(&mut Client)) {
    let broker = Broker::start(&["--max-handles=100000", "--max-memory=4GiB", "--log-level=warning"]);
    let mut client = broker.connect();
    // What the first of them sets up for all is none of theirs.
    (0..20).for_each(|_| make(&mut client));
    let before = (resident(&broker), told(&mut client));
    (0..MANY).for_each(|_| make(&mut client));
    let (grown, said) = (resident(&broker) - before.0, told(&mut client) - before.1);
    let ratio = said / grown;
    println!("{what}: {:.0} bytes each, {:.0} told", grown / MANY as f64, said / MANY as f64);
    // More is the safe side: what is set up when a session is first used is reckoned from the beginning.
    assert!((0.8..2.0).contains(&ratio), "{what}: told {said}, grown by {grown}");
}

fn made(client: &mut Client, method: &str, params: Value, id: &str) -> Value {
    client.call(method, params).unwrap()[id].clone()
}

#[test]
fn ciphers_and_chains() {
    compare("Blowfish", |client| drop(client.call("crypto.new", map([("key", "k".repeat(56).into())])).unwrap()));
    compare("AES-256-GCM", |client| {
        let params = map([("key", Value::Binary(vec![1; 32])), ("cipher", "AES-256-GCM".into())]);
        drop(client.call("crypto.new", params).unwrap());
    });
    compare("Twofish", |client| {
        let params = map([
            ("cipher", "Twofish".into()),
            ("key", Value::Binary(vec![1; 32])),
            ("chain_mode", "cbc".into()),
            ("iv", Value::Binary(vec![2; 16])),
            ("direction", "encrypt".into()),
        ]);
        drop(client.call("crypto.chain_new", params).unwrap());
    });
}

#[test]
fn sessions() {
    let authority = crate::authority::Authority::new("an authority with a name of some length").pem();
    let session = |extra: (&'static str, Value)| {
        move |client: &mut Client| drop(client.call("http_helper.session_new", map([extra.clone()])).unwrap())
    };
    compare("a long password", |client| {
        let params = map([("user", "u".repeat(30_000).into()), ("password", "p".repeat(30_000).into())]);
        drop(client.call("http_helper.session_new", params).unwrap());
    });
    compare("many exemptions", session(("no_proxy", "host.example,".repeat(1000).into())));
    let headers = (0..200).map(|number| (format!("X-Header-{number}").into(), "value".repeat(20).into())).collect();
    compare("many headers", session(("headers", Value::Map(headers))));
    compare("many authorities", session(("ca", authority.repeat(20).into())));
}

#[test]
fn bodies() {
    compare("bodies", |client| {
        let id = made(client, "http_helper.body_new", none(), "body_id");
        for _ in 0..10 {
            let content = Value::Binary(vec![1; 3000]);
            made(client, "http_helper.body_add", map([("body_id", id.clone()), ("content", content)]), "length");
        }
    });
    // A session lives on with the bodies that are to be sent in it, also when it is freed itself.
    compare("bodies of sessions that are freed", |client| {
        let params = map([("password", "p".repeat(30_000).into()), ("user", "u".into())]);
        let session = made(client, "http_helper.session_new", params, "session_id");
        made(client, "http_helper.body_new", map([("session_id", session.clone())]), "body_id");
        made(client, "http_helper.session_free", map([("session_id", session)]), "freed");
    });
}

#[test]
fn what_bodies_took_is_given_back() {
    let body = vec![b'x'; 2_000_000];
    let web = Web::start(move |_, stream| answer(stream, "200 OK", &[], &body));
    let broker = Broker::start(&["--workers=6", "--log-level=warning"]);
    let resident = || resident(&broker);
    broker.connect().call("test.ping", none()).unwrap();
    let before = resident();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = broker.connect();
                for _ in 0..20 {
                    let answer = client.call("http.get", map([("url", web.url("/").into())])).unwrap();
                    assert_eq!(answer["success"], true.into());
                }
            });
        }
    });
    // Before it was, each of the workers kept three or four.
    eventually("memory to come back", || resident() < before + 8e6);
}
