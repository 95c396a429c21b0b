//! Where a broker listens, and where it refuses to.

use crate::support::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// What a broker says that can't start on this path.
fn refusal(socket: &Path) -> String {
    let output = program().arg("serve").arg("--socket").arg(socket).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn directory_and_socket_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("made/here/broker.sock");
    let mut command = program();
    command.arg("serve").arg("--socket").arg(&socket).arg("--log-file").arg(dir.path().join("log")).arg("--ready-fd=1");
    let _broker = Broker::of(command, dir);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    assert_eq!(mode(&socket), 0o600);
}

#[test]
fn the_socket_mode_is_as_set() {
    let broker = Broker::start(&["--socket-mode=0660"]);
    assert_eq!(mode(&broker.socket()), 0o660);
}

#[test]
fn two_brokers_never_share_a_path() {
    let broker = Broker::start(&[]);
    assert!(refusal(&broker.socket()).contains("another broker holds"));
    assert!(broker.call("test.ping", none()).is_ok());
}

#[test]
fn twenty_brokers_at_once_end_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let mut children: Vec<_> = (0..20)
        .map(|_| {
            let mut command = program();
            command.arg("serve").arg("--socket").arg(&socket).args(["--log-level=error", "--shutdown-grace=0"]);
            command.stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    let mut alive = 20;
    eventually("one broker to be left", || {
        alive = children.iter_mut().filter_map(|child| child.try_wait().unwrap().is_none().then_some(())).count();
        alive == 1 && std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    assert!(Client::connect(&socket).call("test.ping", none()).is_ok());
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn a_stale_socket_is_removed_and_a_live_one_never() {
    let dir = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(dir.path().join("broker.sock")).unwrap());
    let broker = Broker::start_in(dir, &[]);
    assert!(broker.call("test.ping", none()).is_ok());

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let live = UnixListener::bind(&socket).unwrap();
    assert!(refusal(&socket).contains("another program listens"));
    assert!(socket.exists());
    drop(live);
}

#[test]
fn what_is_no_socket_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    fs::write(&socket, "precious").unwrap();
    assert!(refusal(&socket).contains("is no socket"));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    for wrong in [0o770, 0o707, 0o1777] {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(wrong)).unwrap();
        let said = refusal(&dir.path().join("broker.sock"));
        assert!(said.contains(&dir.path().display().to_string()), "{said}");
        assert!(said.contains(&format!("others can write to it (mode {wrong:04o})")), "{said}");
    }
}

#[test]
fn a_directory_that_is_a_symlink_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
    let said = refusal(&dir.path().join("link/broker.sock"));
    assert!(said.contains("symbolic link") && said.contains("/link"), "{said}");
}

#[test]
fn a_lock_that_is_a_symlink_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("precious"), "").unwrap();
    symlink(dir.path().join("precious"), dir.path().join("broker.sock.lock")).unwrap();
    assert!(refusal(&dir.path().join("broker.sock")).contains("opening the lock file"));
}

#[test]
fn a_path_that_is_too_long_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let said = refusal(&dir.path().join("x".repeat(120)));
    assert!(said.contains("bytes long") && said.contains("107"), "{said}");
}

#[test]
fn a_socket_handed_over_is_taken_and_left() {
    // As a service manager does: descriptor 3 listens, and the variables name this very process.
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
        use Socket; use POSIX ();
        my ($path, $log, @command) = @ARGV;
        $^F = 100; # what is opened from here on outlives exec
        socket my $listener, PF_UNIX, SOCK_STREAM, 0 or die; bind $listener, pack_sockaddr_un($path) or die;
        listen $listener, 10 or die;
        POSIX::dup2(fileno $listener, 3);
        $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$;
        exec @command, 'serve', '--ready-fd', 1, '--socket', '/nowhere/else', '--log-file', $log, '--log-level', 'debug';
    "#;
    let mut command = std::process::Command::new("perl");
    command.args(["-e", script]).arg(dir.path().join("broker.sock")).arg(dir.path().join("log"));
    command.arg(env!("CARGO_BIN_EXE_cpan-bridge"));
    let mut broker = Broker::of(command, dir);
    let mut running = broker.connect();
    let info = broker.call("system.info", none()).unwrap();
    assert_eq!(info["socket_path"].as_str().unwrap(), broker.socket().display().to_string());
    assert_eq!(broker.call("system.reload", none()).unwrap()["reloads"], 1.into());
    running.send(&request(1, "test.sleep", map([("seconds", 0.3.into())])));
    running.send(&request(2, "test.echo", none()));
    assert!(running.answer(2).is_ok());
    broker.signal(nix::sys::signal::Signal::SIGTERM);
    broker.await_log("Shutting down");
    // Who connects from here on waits for the next broker.
    let mut next = broker.connect();
    next.send(&request(1, "test.echo", none()));
    assert!(running.answer(1).is_ok());
    assert_eq!(broker.wait().code(), Some(0));
    assert!(broker.socket().exists(), "the socket is its owner's to remove");
    assert!(broker.log().contains("connection: 3") && !broker.log().contains("connection: 4"), "{}", broker.log());
}

#[test]
fn in_the_background_the_command_returns_when_the_broker_listens() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let output =
        program().args(["serve", "--daemonize", "--idle-exit=60s"]).arg("--socket").arg(&socket).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let mut client = Client::connect(&socket);
    assert_eq!(client.call("system.info", none()).unwrap()["working_directory"], "/".into());
    client.call("system.shutdown", none()).unwrap();
    eventually("its end", || !socket.exists());
    let failed =
        program().args(["serve", "--daemonize"]).arg("--socket").arg(dir.path().join("x".repeat(120))).output();
    let failed = failed.unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("bytes long"), "{failed:?}");
}

#[test]
fn a_lock_that_is_no_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("broker.sock");
    let lock = dir.path().join("broker.sock.lock");
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refusal(&socket).contains("is no regular file, so it can't be the lock"));
    let reader = fs::OpenOptions::new().read(true).write(true).open(&lock).unwrap();
    assert!(refusal(&socket).contains("is no regular file, so it can't be the lock"), "one that somebody reads");
    drop(reader);
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    assert!(refusal(&socket).contains("lock"));
}

#[test]
fn directories_above_that_others_can_exchange_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    fs::create_dir_all(open.join("own")).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(open.join("own"), fs::Permissions::from_mode(0o700)).unwrap();
    let start = |dir: tempfile::TempDir| {
        let mut command = program();
        let socket = dir.path().join("open/own/broker.sock");
        command
            .arg("serve")
            .arg("--socket")
            .arg(socket)
            .arg("--log-file")
            .arg(dir.path().join("log"))
            .arg("--ready-fd=1");
        Broker::of(command, dir)
    };
    let broker = start(dir);
    broker.await_log("Another user can exchange a directory above");
    broker.await_log("others can write to it (mode 0777)");
    drop(broker);
    if !can_act_as_others() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("open");
    fs::create_dir_all(theirs.join("own")).unwrap();
    fs::set_permissions(theirs.join("own"), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&theirs, Some(STRANGER), None).unwrap();
    start(dir).await_log("it belongs to user ");
}
