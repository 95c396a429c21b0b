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
    let through_it = through("me:hush@");
    assert_eq!(through_it["content"], "hello".into());
    assert_eq!(through_it["reason"], "OK".into(), "the head is the server's, not the tunnel's");
    let refused = through("");
    assert!(error(&refused).contains("407"), "{refused}");
    let wrong = through("me:wrong@");
    assert!(!error(&wrong).contains("wrong"), "{wrong}");
}

fn settings(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    format!("sha256${}", digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn no_program_speaks(said: &str) {
    for trace in ["Some(", "Other(", "{", "CaUsedAs", "UnknownIssuer", "os error"] {
        assert!(!said.contains(trace), "{said}");
    }
}

#[test]
fn who_vouches_and_the_name_are_asked_for_apart() {
    let broker = Broker::start(&[]);
    let (ours, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let web = hello(&ours.certify(&["elsewhere.example"], 2100), None);
    let strange = hello(&stranger.certify(&["127.0.0.1"], 2100), None);
    let ca = ("ca", Value::from(ours.pem()));
    let any_name = session(&broker, settings(&[ca.clone(), ("verify_hostname", false.into())]));
    assert_eq!(get(&broker, &web.url("/"), &any_name)["content"], "hello".into());
    let refused = get(&broker, &strange.url("/"), &any_name);
    assert!(error(&refused).contains("unable to get local issuer certificate"), "{refused}");
    assert!(strange.requests().is_empty());
    let by_name = session(&broker, settings(&[ca.clone(), ("verify_name", "elsewhere.example".into())]));
    assert_eq!(get(&broker, &web.url("/"), &by_name)["content"], "hello".into());
    let other = session(&broker, settings(&[ca.clone(), ("verify_name", "other.example".into())]));
    let refused = get(&broker, &web.url("/"), &other);
    assert!(error(&refused).contains("hostname mismatch"), "{refused}");
    assert!(error(&refused).contains("other.example") && error(&refused).contains("elsewhere.example"), "{refused}");
    // The name that is told is the one that is compared with.
    let told = session(&broker, settings(&[ca.clone(), ("server_name", "elsewhere.example".into())]));
    assert_eq!(get(&broker, &web.url("/"), &told)["content"], "hello".into());
    let untold = session(&broker, settings(&[ca, ("server_name", "".into()), ("verify_cn", "none".into())]));
    assert_eq!(get(&broker, &web.url("/"), &untold)["content"], "hello".into());
}

#[test]
fn a_fingerprint_decides() {
    let broker = Broker::start(&[]);
    let ours = Authority::new("ours");
    let old = ours.certify(&["elsewhere.example"], 2001);
    let web = hello(&old, None);
    let right = sha256(old.der());
    let fetch = |pairs: &[(&str, Value)]| get(&broker, &web.url("/"), &session(&broker, settings(pairs)));
    let with = |fingerprint: &str| fetch(&[("fingerprint", fingerprint.into())]);
    assert_eq!(with(&right)["content"], "hello".into(), "whatever else is wrong with it");
    assert_eq!(with(&right["sha256$".len()..].to_uppercase())["content"], "hello".into());
    let either = Value::Array(vec![format!("sha1${}", "0".repeat(40)).into(), right.clone().into()]);
    assert_eq!(fetch(&[("fingerprint", either)])["content"], "hello".into());
    let wrong = format!("sha256${}", "0".repeat(64));
    for verify in [true, false] {
        let refused = fetch(&[("fingerprint", wrong.clone().into()), ("verify_ssl", verify.into())]);
        assert!(error(&refused).contains("another fingerprint") && error(&refused).contains(&right), "{refused}");
    }
    let good = hello(&ours.certify(&["127.0.0.1"], 2100), None);
    let id = session(&broker, settings(&[("fingerprint", wrong.into()), ("ca", ours.pem().into())]));
    assert!(error(&get(&broker, &good.url("/"), &id)).contains("another fingerprint"), "also if somebody vouches");
    assert!(good.requests().is_empty());
    for wrong in ["", "sha256$00", "sha3$00", "x"] {
        let params = settings(&[("fingerprint", Value::Array(vec![wrong.into()]))]);
        assert_eq!(code(&broker.call("http_helper.session_new", params)), "invalid_params", "{wrong}");
    }
}

#[test]
fn a_certificate_among_the_authorities_is_trusted_itself() {
    let broker = Broker::start(&[]);
    let ours = Authority::new("ours");
    // As `openssl req -x509 -addext subjectAltName=DNS:localhost` makes it.
    let make = |until: i32| {
        ours.certify_as(true, |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
            params.subject_alt_names.push(rcgen::SanType::DnsName("localhost".try_into().unwrap()));
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
        })
    };
    let at = |web: &Web| web.url("/").replace("127.0.0.1", "localhost");
    let own = make(2100);
    let web = hello(&own, None);
    let trusting = session(&broker, settings(&[("ca", own.certificate.clone().into())]));
    assert_eq!(get(&broker, &at(&web), &trusting)["content"], "hello".into());
    let by_address = get(&broker, &web.url("/"), &trusting);
    assert!(error(&by_address).contains("hostname mismatch"), "{by_address}");
    let others = session(&broker, settings(&[("ca", ours.pem().into())]));
    let refused = get(&broker, &at(&web), &others);
    assert!(
        error(&refused).contains("self-signed certificate") && error(&refused).contains("CN=localhost"),
        "{refused}"
    );
    no_program_speaks(error(&refused));
    let old = make(2001);
    let web = hello(&old, None);
    let id = session(&broker, settings(&[("ca", old.certificate.clone().into())]));
    assert!(error(&get(&broker, &at(&web), &id)).contains("certificate has expired"));
    // One with CA:TRUE that the authority issued.
    let issued = ours.certify_as(false, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "box");
        params.subject_alt_names.push(rcgen::SanType::DnsName("localhost".try_into().unwrap()));
    });
    let web = hello(&issued, None);
    let refused = get(&broker, &at(&web), &others);
    assert!(error(&refused).contains("CA:TRUE") && error(&refused).contains("CN=box"), "{refused}");
    no_program_speaks(error(&refused));
}

#[test]
fn a_common_name_counts_where_it_is_asked_for() {
    let broker = Broker::start(&[]);
    let ours = Authority::new("ours");
    let named = ours.certify_as(false, |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    });
    let web = hello(&named, None);
    let url = web.url("/").replace("127.0.0.1", "localhost");
    let ca = ("ca", Value::from(ours.pem()));
    let fetch = |more: &[(&str, Value)]| {
        get(&broker, &url, &session(&broker, settings(&[std::slice::from_ref(&ca), more].concat())))
    };
    let refused = fetch(&[]);
    assert!(error(&refused).contains("common name") && error(&refused).contains("CN=localhost"), "{refused}");
    for scheme in ["http", "www", "default", "ldap", "smtp"] {
        assert_eq!(fetch(&[("verify_cn", scheme.into())])["content"], "hello".into(), "{scheme}");
    }
    let other = fetch(&[("verify_cn", "http".into()), ("verify_name", "other.example".into())]);
    assert!(error(&other).contains("hostname mismatch"), "{other}");
    let params = settings(&[("verify_cn", "htttp".into())]);
    assert_eq!(code(&broker.call("http_helper.session_new", params)), "invalid_params");
}

#[test]
fn versions_and_ciphers_are_kept_to() {
    let broker = Broker::start(&[]);
    let ours = Authority::new("ours");
    let identity = ours.certify(&["127.0.0.1"], 2100);
    let old = Authority::serve_versions(
        &identity,
        None,
        &[&rustls::version::TLS12],
        Arc::new(|_, stream| answer(stream, "200 OK", &[], b"hello")),
    );
    let ca = ("ca", Value::from(ours.pem()));
    let with = |more: &[(&str, Value)]| {
        let id = session(&broker, settings(&[std::slice::from_ref(&ca), more].concat()));
        get(&broker, &old.url("/"), &id)
    };
    let list = |text: &str| Value::Array(vec![text.into()]);
    assert_eq!(with(&[("tls_versions", list("1.2"))])["content"], "hello".into());
    assert_eq!(with(&[("ciphers", "AES128".into())])["content"], "hello".into());
    let refused = with(&[("tls_versions", list("1.3"))]);
    assert!(error(&refused).contains("protocol version"), "{refused}");
    no_program_speaks(error(&refused));
    // Keys of the server are ECDSA's.
    let refused = with(&[("ciphers", "aRSA".into())]);
    assert!(error(&refused).contains("handshake failure"), "{refused}");
    for (name, value) in [
        ("tls_versions", list("1.1")),
        ("ciphers", "AES128-SHA".into()),
        ("ciphers", "HIHG".into()),
        ("ciphersuites", "TLS_AES_128_CCM_SHA256".into()),
        ("curves", "P-521".into()),
        ("verify_name", "not a name".into()),
    ] {
        let result = broker.call("http_helper.session_new", settings(&[(name, value)]));
        assert_eq!(code(&result), "invalid_params", "{name}");
        assert_eq!(result.unwrap_err()["data"]["parameter"], name.into());
    }
}

#[test]
fn what_speaks_no_tls_is_told_in_words() {
    let broker = Broker::start(&[]);
    let plain = Web::start(|_, stream| answer(stream, "200 OK", &[], b"hello"));
    let url = plain.url("/").replace("http:", "https:");
    let got = broker
        .call("http_helper.get", map([("url", url.into()), ("verify_ssl", false.into()), ("timeout", 5.into())]))
        .unwrap();
    no_program_speaks(error(&got));
}

#[test]
fn who_can_not_vouch_does_not() {
    let broker = Broker::start(&[]);
    let localhost = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names.push(rcgen::SanType::DnsName("localhost".try_into().unwrap()));
    };
    let fetch = |authority: &Authority, make: &dyn Fn(&mut rcgen::CertificateParams), more: &[(&str, Value)]| {
        let web = hello(&authority.certify_as(false, make), None);
        let ca = ("ca", Value::from(authority.pem()));
        let id = session(&broker, settings(&[std::slice::from_ref(&ca), more].concat()));
        get(&broker, &web.url("/").replace("127.0.0.1", "localhost"), &id)
    };
    assert_eq!(fetch(&Authority::new("good"), &localhost, &[])["content"], "hello".into());
    // A server's own certificate that is trusted vouches for nobody else.
    let no_authority = Authority::made("server", |params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
    let refused = fetch(&no_authority, &localhost, &[]);
    assert!(error(&refused).contains("certificate verify failed"), "{refused}");
    let silent = Authority::made("silent", |params| params.is_ca = rcgen::IsCa::NoCa);
    assert!(error(&fetch(&silent, &localhost, &[])).contains("certificate verify failed"));
    let signer = Authority::made("signer", |params| params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature]);
    assert!(error(&fetch(&signer, &localhost, &[])).contains("certificate verify failed"));
    let old = Authority::made("old", |params| {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2001, 1, 1));
    });
    let refused = fetch(&old, &localhost, &[]);
    assert!(error(&refused).contains("certificate has expired"), "{refused}");
    no_program_speaks(error(&refused));
    // A key that is for something else.
    let usage = |params: &mut rcgen::CertificateParams| {
        localhost(params);
        params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    };
    let refused = fetch(&Authority::new("good"), &usage, &[]);
    assert!(error(&refused).contains("key usage"), "{refused}");
    // Who may vouch for some names only can't be held to that by a common name.
    let limited = Authority::made("limited", |params| {
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("example.com".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let common = |params: &mut rcgen::CertificateParams| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    };
    let refused = fetch(&limited, &common, &[("verify_cn", "http".into())]);
    assert!(error(&refused).contains("permitted subtree"), "{refused}");
    assert_eq!(fetch(&Authority::new("free"), &common, &[("verify_cn", "http".into())])["content"], "hello".into());
}
