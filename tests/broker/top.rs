//! The live view in a real terminal: tmux's.

use crate::support::*;
use std::path::Path;
use std::process::Command;

/// A terminal of a test's own; it ends with the test.
struct Terminal<'a> {
    server: &'a Path,
}

impl<'a> Terminal<'a> {
    /// None where there is no tmux.
    fn start(server: &'a Path, width: u32, height: u32, command: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: there is no tmux here");
            return None;
        }
        let terminal = Self { server };
        let (width, height) = (width.to_string(), height.to_string());
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, command]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.server).args(arguments).env_remove("TMUX").env("TERM", "xterm-256color");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn await_screen(&self, what: &str, check: impl Fn(&str) -> bool) {
        let mut screen = String::new();
        let begin = std::time::Instant::now();
        while !check(&screen) {
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}:\n{screen}");
            std::thread::sleep(std::time::Duration::from_millis(20));
            screen = self.screen();
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(self.server).arg("kill-server").output();
    }
}

#[test]
fn the_live_view_works_in_a_terminal_of_80_by_24() {
    let broker = Broker::start(&[]);
    let mut client = broker.connect();
    client.call("crypto.new", map([("key", "a key".into())])).unwrap();
    client.call("no.such", none()).unwrap_err();
    let program = env!("CARGO_BIN_EXE_cpan-bridge");
    let ended = broker.dir().join("ended");
    let command = format!("{program} top -i 0.1 --socket {}; echo $? >{}", broker.socket().display(), ended.display());
    let server = broker.dir().join("tmux");
    let Some(terminal) = Terminal::start(&server, 80, 24, &command) else { return };
    terminal
        .await_screen("the first look", |screen| screen.contains("healthy  cpan-bridge") && screen.contains("quit"));
    terminal
        .await_screen("rates", |screen| screen.contains("calls a second: ") && !screen.contains("second: 0 (most 0)"));
    let screen = terminal.screen();
    assert!(screen.contains("system.metrics") && screen.contains("handles   1 cipher"), "{screen}");
    terminal.press("c");
    terminal.await_screen("connections", |screen| screen.contains("scriptv") && screen.contains("in/out"));
    terminal.press("w");
    terminal.await_screen("calls at work", |screen| screen.contains("no call runs on a worker"));
    terminal.press("?");
    terminal.await_screen("what keys do", |screen| screen.contains("sorts by the next column"));
    terminal.press("e");
    terminal.await_screen("errors", |screen| screen.contains("unknown_module"));
    terminal.press("h");
    terminal.await_screen("health", |screen| screen.contains("daemon_running"));
    terminal.press("p");
    terminal.await_screen("the pause", |screen| screen.contains("paused"));
    terminal.press("p");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    terminal.await_screen("the new size", |screen| screen.lines().any(|line| line.chars().count() > 100));
    // It follows a broker over a reload, and says when there is none.
    assert!(broker.call("system.reload", none()).is_ok());
    terminal.await_screen("the reloaded broker", |screen| screen.contains("healthy"));
    broker.call("system.shutdown", none()).unwrap();
    terminal.await_screen("the loss", |screen| screen.contains("unreachable"));
    terminal.press("q");
    eventually("the end, with status 0", || std::fs::read_to_string(&ended).is_ok_and(|status| status == "0\n"));
}

#[test]
fn what_is_no_terminal_is_told() {
    let broker = Broker::start(&[]);
    let output = program().arg("top").arg("--socket").arg(broker.socket()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("status --json"), "{output:?}");
}
