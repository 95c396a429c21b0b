//! What a service manager is told, and the units that it runs a broker by.

use crate::support::*;
use nix::sys::signal::Signal;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

#[test]
fn the_service_manager_hears_of_start_life_reload_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let notify = dir.path().join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = program();
    command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "100000").env_remove("WATCHDOG_PID").arg("serve");
    command.arg("--socket").arg(dir.path().join("broker.sock")).arg("--log-file").arg(dir.path().join("log"));
    command.args(["--ready-fd=1", "--health-interval=50ms"]);
    let mut broker = Broker::of(command, dir);
    let hear = |wanted: &str| {
        let mut message = [0; 1000];
        loop {
            let length = manager.recv(&mut message).unwrap_or_else(|error| panic!("waited for {wanted}: {error}"));
            let said = String::from_utf8_lossy(&message[..length]).into_owned();
            if said.lines().any(|line| line.starts_with(wanted)) {
                return said;
            }
        }
    };
    let ready = hear("READY=1");
    assert!(ready.contains("STATUS=Serving at /"), "{ready}");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    hear("STATUS=Health check - Uptime:");
    assert!(broker.call("system.reload", none()).is_ok());
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    hear("READY=1");
    hear("WATCHDOG=1");
    broker.signal(Signal::SIGTERM);
    hear("STOPPING=1");
    assert_eq!(broker.wait().code(), Some(0));
}

/// The units as they are installed, with this program.
fn units(kind: &str, into: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(kind);
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("@BINDIR@") || text.contains("ExecStart=@BINDIR@/cpan-bridge serve"));
        let program = Path::new(env!("CARGO_BIN_EXE_cpan-bridge")).parent().unwrap();
        std::fs::write(into.join(entry.file_name()), text.replace("@BINDIR@", program.to_str().unwrap())).unwrap();
    }
}

#[test]
fn the_units_are_sound() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("skipped: there is no systemd-analyze here");
        return;
    };
    assert!(version.status.success());
    for (kind, flag) in [("system", "--system"), ("user", "--user")] {
        let dir = tempfile::tempdir().unwrap();
        units(kind, dir.path());
        let files = ["cpan-bridge.service", "cpan-bridge.socket"].map(|name| dir.path().join(name));
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no", flag]).args(&files).env("XDG_RUNTIME_DIR", dir.path());
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{kind}: {output:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    units("system", dir.path());
    // On a scale from 0 to 10, where 10 is as exposed as can be; what is left is that it reaches the network.
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=yes", "--threshold=20"]).arg(dir.path().join("cpan-bridge.service"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
