//! Another user's socket where a broker would be: nothing is sent to it, and a broker of one's own is had all the same. Acting
//! as another user takes root.

use crate::support::*;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A user who has made the directory in which another would look for its broker, and listens there. For each connection it
/// says how many bytes came, and whether they were the victim's.
struct Impostor {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    directory: PathBuf,
}

impl Impostor {
    fn in_place_of(victim: u32) -> Self {
        let directory = PathBuf::from(format!("/tmp/cpan-bridge-{victim}"));
        assert!(!directory.exists(), "{} is in the way", directory.display());
        let script = r#"use Socket; $( = $) = "$ARGV[1] $ARGV[1]"; $< = $> = $ARGV[1]; umask 022; $| = 1;
            mkdir $ARGV[0] or die "$ARGV[0]: $!"; socket my $s, PF_UNIX, SOCK_STREAM, 0; my $path = "$ARGV[0]/broker.sock";
            bind $s, pack_sockaddr_un($path) or die "$path: $!"; chmod 0777, $path; listen $s, 100; print "ready\n";
            while (1) { accept my $c, $s or next; my $n = sysread $c, my $got, 65536; print "got $n", $got =~ /crypto|secret/ ? " of the call" : "", "\n" }"#;
        let mut command = Command::new("perl");
        command.args(["-e", script]).arg(&directory).arg(STRANGER.to_string()).process_group(0);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, said, directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("broker.sock")
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ends it. What it has still to say.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The program where every user can reach it.
struct Victim {
    dir: TempDir,
    uid: u32,
}

impl Victim {
    fn new(uid: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        copy_program(Path::new(env!("CARGO_BIN_EXE_cpan-bridge")), &dir.path().join("cpan-bridge"));
        Self { dir, uid }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.dir.path().join("cpan-bridge"));
        command.args(arguments).uid(self.uid).gid(self.uid).current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_sends_nothing_to_another_users_socket() {
    if !can_act_as_others() {
        return;
    }
    let victim = Victim::new(65_533);
    let mut impostor = Impostor::in_place_of(victim.uid);
    // Nobody named it: it is not even connected to.
    let output = victim.run(&["call", "crypto.new", "key=secret"]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    for expected in ["/tmp/cpan-bridge-65533 belongs to user ", "65534", "--socket"] {
        assert!(told.contains(expected), "{told}");
    }
    let mut lock = victim.command(&["lock"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    lock.stdin.take().unwrap().write_all(b"passphrase\n").unwrap();
    assert!(!lock.wait().unwrap().success());
    // Somebody named it: it is asked who it is, and then nothing.
    let socket = format!("--socket={}", impostor.socket().display());
    for command in
        [&["call", "crypto.new", "key=secret", &socket][..], &["ping", "-c1", &socket], &["describe", &socket]]
    {
        let output = victim.run(command);
        let told = said(&output);
        assert!(output.status.code() == Some(3) && told.contains("--broker-user"), "{command:?}: {told}");
        assert_eq!(impostor.next(), "got 0", "{command:?}");
    }
    // Unless that is the broker that is meant.
    victim.run(&["call", "crypto.new", "key=secret", &socket, "--broker-user=1", "--broker-user=65534"]);
    assert_ne!(impostor.next(), "got 0");
    victim
        .command(&["call", "crypto.new", "key=secret", &socket])
        .env("CPAN_BRIDGE_USER", "0, 65534")
        .output()
        .unwrap();
    assert_ne!(impostor.next(), "got 0");
    let output = victim.run(&["call", "test.ping", "--broker-user=nobody-of-that-name"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("no user nobody-of-that-name"));
    assert_eq!(impostor.end(), "");
}

#[test]
fn a_directory_that_comes_and_goes_gets_nothing() {
    if !can_act_as_others() {
        return;
    }
    const TRIES: usize = 200;
    let victim = Victim::new(65_531);
    let impostor = Impostor::in_place_of(victim.uid);
    let script = r#"$( = $) = "$ARGV[1] $ARGV[1]"; $< = $> = $ARGV[1];
        while (1) { rename $ARGV[0], "$ARGV[0].away"; rename "$ARGV[0].away", $ARGV[0] }"#;
    let mut command = Command::new("perl");
    let mut swapping = command.args(["-e", script]).arg(&impostor.directory).arg(STRANGER.to_string()).spawn().unwrap();
    for _ in 0..TRIES {
        assert_eq!(victim.run(&["call", "crypto.new", "key=secret"]).status.code(), Some(3));
    }
    swapping.kill().unwrap();
    swapping.wait().unwrap();
    let away = impostor.directory.with_extension("away");
    let _ = fs::rename(&away, &impostor.directory);
    // Root may ask whoever listens what he is, and `brokers` of another test does; the victim does not.
    let got = impostor.end();
    assert!(!got.contains("of the call"), "{got}");
}

#[test]
fn where_the_usual_place_is_taken_a_broker_listens_beside_it_and_is_found() {
    if !can_act_as_others() {
        return;
    }
    let victim = Victim::new(65_532);
    let impostor = Impostor::in_place_of(victim.uid);
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(victim.uid), None).unwrap();
    let log = home.path().join("log");
    // It tells that it listens on a pipe of its own: one of ours it could not open anew.
    let started = victim.run(&["serve", "--daemonize", "--log-file", log.to_str().unwrap()]);
    assert!(started.status.success(), "{}", said(&started));
    eventually("the line that says so", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("The usual place is another user's"))
    });
    let output = victim.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let socket = Path::new(status["socket_path"].as_str().unwrap());
    let directory = socket.parent().unwrap();
    assert!(directory.to_str().unwrap().starts_with("/tmp/cpan-bridge-65532-"), "{status}");
    let metadata = fs::symlink_metadata(directory).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (victim.uid, 0o700));
    assert!(victim.run(&["stop"]).status.success());
    fs::remove_dir_all(directory).unwrap();
    assert_eq!(impostor.end(), "");
}
