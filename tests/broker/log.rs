//! The forms that the log can take.

use crate::support::*;
use std::path::Path;

#[test]
fn json_lines_carry_every_field() {
    let broker = Broker::start(&["--log-format=json", "--log-level=debug"]);
    broker.call("test.ping", none()).unwrap();
    // Lines are written by a thread of their own.
    broker.await_log("\"bytes_in\":");
    let lines: Vec<serde_json::Value> = broker
        .log()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(chrono::DateTime::parse_from_rfc3339(line["time"].as_str().unwrap()).is_ok(), "{line}");
        assert!(["info", "debug"].contains(&line["level"].as_str().unwrap()), "{line}");
    }
    let serving = lines.iter().find(|line| line["message"] == "Serving").unwrap();
    assert_eq!(serving["socket"].as_str().map(Path::new), Some(broker.socket().as_path()), "{serving}");
}

#[test]
fn a_form_that_can_not_be_had_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, log_file) = (dir.path().join("broker.sock"), dir.path().join("broker.log"));
    let log_file = format!("--log-file={}", log_file.display());
    let check = |flags: &[&str]| {
        let output = program().args(["check-config", "--socket"]).arg(&socket).args(flags).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(&["--log-format=json", &log_file]), (Some(0), String::new()));
    for flags in [&["--log-format=journal", &log_file][..], &["--log-format=xml"]] {
        let (status, said) = check(flags);
        assert!(status == Some(2) && said.contains("log_format") && said.contains("json"), "{said}");
    }
    if Path::new("/run/systemd/journal/socket").exists() {
        return;
    }
    let output = program().args(["serve", "--log-format=journal", "--socket"]).arg(&socket).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no /run/systemd/journal/socket on this host"));
}

#[test]
fn a_log_that_is_no_file_never_holds_up_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let serve = |log: &std::path::Path| {
        let mut command = program();
        command.arg("serve").arg("--socket").arg(dir.path().join("broker.sock")).arg("--log-file").arg(log);
        command
    };
    let output = serve(&pipe).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("a named pipe that nobody reads"), "{said}");
    for log in ["/dev/null", "/dev/stderr"] {
        let mut command = serve(std::path::Path::new(log));
        command.arg("--ready-fd=1");
        let broker = Broker::of(command, tempfile::tempdir().unwrap());
        assert!(Client::connect(&dir.path().join("broker.sock")).call("test.ping", none()).is_ok(), "{log}");
        drop(broker);
    }
}
