//! Who may connect, and whose handles are whose. Acting as another user takes root.

use crate::support::*;
use crate::web::{Web, answer};
use rmpv::Value;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

const GROUP: u32 = 54_321;

/// One call as another user, with these further groups: what came back, until the end of the stream.
fn call_as(broker: &Broker, uid: u32, groups: &[u32], method: &str, params: Value) -> Vec<Value> {
    let script = r#"use Socket; $( = $) = "65533 @ARGV[3..$#ARGV]" . (@ARGV > 3 ? '' : ' 65533'); $< = $> = $ARGV[2];
        socket my $s, PF_UNIX, SOCK_STREAM, 0; connect $s, pack_sockaddr_un($ARGV[0]) or die "connect: $!";
        syswrite $s, pack 'H*', $ARGV[1]; shutdown $s, 1; local $/; print readline $s"#;
    let bytes = frame(&encode(&request(1, method, params)));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = Command::new("perl");
    command.args(["-e", script]).arg(broker.socket()).arg(hex).arg(uid.to_string()).process_group(0);
    let output = command.args(groups.iter().map(ToString::to_string)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut rest = &output.stdout[..];
    let mut messages = Vec::new();
    while !rest.is_empty() {
        rest = &rest[4..];
        messages.push(rmpv::decode::read_value(&mut rest).unwrap());
    }
    messages
}

#[test]
fn a_stranger_is_denied_and_counted() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&[]);
    let answers = call_as(&broker, STRANGER, &[], "test.ping", none());
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0][2]["code"], "denied".into(), "{answers:?}");
    let stats = broker.call("test.stats", none()).unwrap();
    assert_eq!(stats["connections_rejected"], 1.into());
    assert!(stats["security_events"].as_u64().unwrap() >= 1);
    assert_eq!(broker.call("system.connections", none()).unwrap()["closed"]["denied"], 1.into());
}

#[test]
fn users_and_groups_that_are_named_may_connect() {
    if !can_act_as_others() {
        return;
    }
    let answered = |answers: &[Value]| answers[0][2].is_nil();
    let broker = open_broker(&["--allow-user=65534"]);
    assert!(answered(&call_as(&broker, STRANGER, &[], "test.ping", none())));
    let broker = open_broker(&["--allow-group=54321"]);
    assert!(answered(&call_as(&broker, STRANGER, &[GROUP], "test.ping", none())));
    assert!(!answered(&call_as(&broker, STRANGER, &[GROUP + 1], "test.ping", none())));
    let broker = open_broker(&["--allow-group=65533"]);
    assert!(answered(&call_as(&broker, STRANGER, &[], "test.ping", none())));
}

#[test]
fn a_handle_of_another_user_is_as_one_that_never_was() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534"]);
    let cipher = broker.call("crypto.new", map([("key", "k".into())])).unwrap()["cipher_id"].clone();
    let params = |cipher: Value| map([("cipher_id", cipher), ("plaintext", "x".into())]);
    let theirs = call_as(&broker, STRANGER, &[], "crypto.encrypt", params(cipher.clone()));
    // Of the same broker's life: handles of an earlier one are told from both, which says nothing about anybody's.
    let never = "0".repeat(24) + &cipher.as_str().unwrap()[24..];
    let never = call_as(&broker, STRANGER, &[], "crypto.encrypt", params(never.into()));
    assert_eq!(theirs[0][2]["code"], "not_found".into());
    assert_eq!(theirs[0][2], never[0][2], "the two can be told apart");
    call_as(&broker, STRANGER, &[], "crypto.cleanup_cipher", map([("cipher_id", cipher.clone())]));
    assert!(broker.call("crypto.encrypt", params(cipher)).is_ok(), "another user freed it");
}

#[test]
fn only_the_owner_may_shut_down_or_have_files_read() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534"]);
    let answers = call_as(&broker, STRANGER, &[], "system.shutdown", none());
    assert_eq!(answers[0][2]["code"], "denied".into());
    let answers = call_as(&broker, STRANGER, &[], "crypto.new", map([("key_file", "/etc/shadow".into())]));
    assert_eq!(answers[0][2]["code"], "denied".into());
    assert_eq!(answers[0][2]["data"]["send_content_as"], "key_file_content".into());
    // Whichever way parameters are written.
    let image = kit::protocol::image::Form::Native.freeze(&encode(&map([("key_file", "/etc/shadow".into())]))).unwrap();
    let image = Value::Ext(1, image.as_slice().to_vec());
    let answers = call_as(&broker, STRANGER, &[], "crypto.new", image.clone());
    assert_eq!(answers[0][2]["code"], "denied".into());
    assert_eq!(answers[0][2]["data"]["send_content_as"], "key_file_content".into());
    assert!(broker.call("crypto.new", image).is_ok(), "the owner may");
    assert!(broker.call("test.ping", none()).is_ok());
}

#[test]
fn the_socket_gets_the_group_that_is_set() {
    use std::os::unix::fs::MetadataExt;
    if !can_act_as_others() {
        return;
    }
    let broker = Broker::start(&["--socket-group=54321", "--socket-mode=0660"]);
    let metadata = std::fs::metadata(broker.socket()).unwrap();
    assert_eq!((metadata.gid(), metadata.mode() & 0o777), (GROUP, 0o660));
}

#[test]
fn names_that_stand_for_nobody_are_told() {
    let dir = tempfile::tempdir().unwrap();
    for flag in ["--allow-user", "--allow-group", "--allow-files", "--allow-network"] {
        let output = program()
            .arg("serve")
            .arg("--socket")
            .arg(dir.path().join("broker.sock"))
            .args([flag, "no-such-name"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no-such-name") && output.status.code() == Some(1), "{said}");
    }
}

#[test]
fn allowing_others_behind_a_closed_directory_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let broker = Broker::start_in(dir, &["--allow-user=65534"]);
    broker.await_log("the socket's directory keeps them out");
}

#[test]
fn files_are_opened_for_the_brokers_own_user_only() {
    if !can_act_as_others() {
        return;
    }
    let broker = open_broker(&["--allow-user=65534", "--allow-network=65534"]);
    let path = |name: &str| broker.dir().join(name).to_str().unwrap().to_owned();
    let transfer = || map([("url", "http://127.0.0.1:1/".into()), ("path", path("file").into())]);
    for (method, params, way_out) in [
        ("http_helper.download", transfer(), "stream"),
        ("http_helper.upload", transfer(), "body_new"),
        ("http_helper.session_new", map([("ca_file", path("ca.pem").into())]), "send `ca`"),
    ] {
        let answers = call_as(&broker, STRANGER, &[], method, params);
        assert_eq!(answers[0][2]["code"], "denied".into(), "{method}: {answers:?}");
        assert!(answers[0][2]["message"].as_str().unwrap().contains(way_out), "{answers:?}");
    }
    assert!(!broker.dir().join("file").exists());
}

#[test]
fn the_network_and_files_are_for_others_only_where_settings_say_so() {
    if !can_act_as_others() {
        return;
    }
    let web = Web::start(|_, stream| answer(stream, "200 OK", &[], b"hello"));
    let get = || map([("url", web.url("/").into())]);
    let key = || {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "a key").unwrap();
        file
    };
    let closed = open_broker(&["--allow-user=65534"]);
    for method in ["http_helper.get", "http_helper.request", "http_helper.lwp_request", "http.post"] {
        let answers = call_as(&closed, STRANGER, &[], method, get());
        assert_eq!(answers[0][2]["code"], "denied".into(), "{method}: {answers:?}");
        assert!(answers[0][2]["message"].as_str().unwrap().contains("allow_network"), "{answers:?}");
    }
    assert!(web.requests().is_empty());
    assert_eq!(closed.call("http_helper.get", get()).unwrap()["content"], "hello".into(), "for the owner as ever");
    let key = key();
    let new = || map([("key_file", key.path().to_str().unwrap().into())]);
    for who in ["65534", "*"] {
        let network = open_broker(&["--allow-user=65534", &format!("--allow-network={who}")]);
        assert_eq!(call_as(&network, STRANGER, &[], "http_helper.get", get())[0][3]["content"], "hello".into());
        assert_eq!(call_as(&network, STRANGER, &[], "crypto.new", new())[0][2]["code"], "denied".into());
        let files = open_broker(&["--allow-user=65534", &format!("--allow-files={who}")]);
        assert!(call_as(&files, STRANGER, &[], "crypto.new", new())[0][3]["cipher_id"].is_str());
        assert_eq!(call_as(&files, STRANGER, &[], "http_helper.get", get())[0][2]["code"], "denied".into());
    }
}

#[test]
fn what_is_no_file_is_refused_at_once_and_holds_no_worker() {
    let broker = Broker::start(&["--workers=4"]);
    let at = |name: &str| broker.dir().join(name).to_str().unwrap().to_owned();
    nix::unistd::mkfifo(at("pipe").as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let paths =
        [at("pipe"), at("broker.sock"), at(""), "/dev/zero".into(), "/dev/stdin".into(), "/proc/self/environ".into()];
    let mut client = broker.connect();
    const CALLS: u32 = 40;
    for (msgid, path) in (1..=CALLS).zip(paths.iter().cycle()) {
        let path = || Value::from(path.as_str());
        let (method, params) = match msgid % 5 {
            0 => ("http_helper.upload", map([("url", "http://127.0.0.1:1/".into()), ("path", path())])),
            1 => ("http_helper.session_new", map([("ca_file", path())])),
            _ => ("crypto.new", map([("key_file", path())])),
        };
        client.send(&request(msgid, method, params));
    }
    // A call that needs a worker comes after all of them.
    client.send(&request(CALLS + 1, "test.sleep", map([("seconds", 0.into())])));
    for _ in 0..=CALLS {
        let Some(Value::Array(parts)) = client.receive() else { panic!("the end") };
        if parts[1] == (CALLS + 1).into() {
            assert!(parts[2].is_nil(), "{parts:?}");
            continue;
        }
        assert_eq!(parts[2]["code"], "invalid_params".into(), "{parts:?}");
        let message = parts[2]["message"].as_str().unwrap();
        assert!(message.starts_with("Failed to read ") && !message.contains("os error"), "{message}");
    }
}
