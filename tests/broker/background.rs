//! What a broker in the background has of the process that started it, and what lists of processes show of it.

use crate::support::*;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

fn of_process(pid: &rmpv::Value, what: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{what}")).unwrap();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

#[test]
fn it_keeps_nothing_of_who_started_it() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    // As a shell's redirection leaves it: a program that is executed has it.
    let (mut output, input) = std::io::pipe().unwrap();
    let low = nix::unistd::dup(&input).unwrap();
    fcntl(&low, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let high = fcntl(&input, FcntlArg::F_DUPFD(700)).unwrap();
    drop(input);
    let mut command = program();
    command.args(["serve", "--daemonize"]).arg("--socket").arg(&socket).env("API_TOKEN", "secret").env("TZ", "UTC");
    let started = command.stderr(Stdio::null()).status().unwrap();
    drop(low);
    nix::unistd::close(high).unwrap();
    assert!(started.success());
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();

    let mut client = Client::connect(&socket);
    let pid = client.call("system.info", none()).unwrap()["pid"].clone();
    if nix::unistd::Uid::effective().is_root() {
        let environment = of_process(&pid, "environ");
        assert!(!environment.contains("API_TOKEN") && !environment.contains("HOME="), "{environment}");
        assert!(environment.contains("TZ=UTC"), "{environment}");
    }
    client.call("system.shutdown", none()).unwrap();
    eventually("its end", || !socket.exists());
}

#[test]
fn it_is_found_by_its_name_and_shows_what_was_asked_for_alone() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let own = dir.path().join("bridge-of-another-name");
    copy_program(Path::new(program().get_program()), &own);
    let mut command = program();
    let arguments = ["serve", "--daemonize", "--idle-exit", "60s", "--socket", socket.to_str().unwrap()];
    let mut started = std::process::Command::new(&own);
    for (name, value) in command.args(arguments).get_envs() {
        if value.is_none() {
            started.env_remove(name);
        }
    }
    assert!(started.args(arguments).status().unwrap().success());
    let mut client = Client::connect(&socket);
    let info = client.call("system.info", none()).unwrap();
    let expected = format!("{} {}", own.display(), arguments.join(" "));
    for round in 1..=3_u32 {
        assert_eq!(of_process(&info["pid"], "comm"), "cpan-bridge");
        assert_eq!(of_process(&info["pid"], "cmdline"), expected);
        assert_eq!(client.call("system.reload", none()).unwrap()["reloads"], round.into());
    }
    assert_eq!(info["program"]["path"].as_str().map(Path::new), Some(own.as_path()));
    let status = || {
        let output = program().arg("status").arg("--socket").arg(&socket).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!status().contains("installed anew"), "{}", status());
    let new = dir.path().join("new");
    copy_program(&own, &new);
    std::fs::rename(&new, &own).unwrap();
    assert!(status().contains("was installed anew since the broker started: `cpan-bridge reload`"), "{}", status());
    client.call("system.reload", none()).unwrap();
    assert!(!status().contains("installed anew"), "{}", status());
    client.call("system.shutdown", none()).unwrap();
    eventually("its end", || !socket.exists());
}
