//! `cpan-bridge reload`: has a running broker replaced by the program that is now installed.

use super::client::{Client, Progress};
use super::say::{plural, say};
use super::{configure_client, connection_flags, fail};
use clap::{ArgMatches, Command};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What the broker answers when it is done.
#[derive(Deserialize)]
struct Reloaded {
    version: String,
    previous_version: String,
    connections: u64,
    handles: u64,
    pause: f64,
}

/// What was said about the wait.
#[derive(Default)]
struct Told {
    next: u64,
}

impl Told {
    /// Every ten seconds.
    fn tell(&mut self, progress: &Progress) {
        if progress.done < self.next {
            return;
        }
        self.next = progress.done + 10;
        let most = progress.total.map(|total| format!(" of {total} at most")).unwrap_or_default();
        eprintln!(
            "Waiting for running calls, and for handles that can't move, to end: {} seconds{most}; other calls go on. \
             `cpan-bridge calls` and `cpan-bridge handles` list them",
            progress.done
        );
    }
}

/// The subcommand.
pub fn command() -> Command {
    Command::new("reload")
        .about("Lets the version that is now installed take over a running broker")
        .long_about(
            "Has a running broker execute its program anew, in the same process: after an update, or after a change of its \
             settings file. Connections, waiting calls and live handles (ciphers, HTTP sessions) go along; nobody notices. \
             The new program is tried out first, then a moment is waited for in which no call runs. Calls go on meanwhile; where \
             they follow upon each other, those that need a worker are held up for a bounded time (setting reload_hold). If the \
             new program does not come up, can't read the state or refuses the settings, the \
             old one goes on serving, and this command says why and fails.\n\n\
             The signal USR2 does the same; the log then says what came of it.",
        )
        .args(connection_flags())
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let nothing: BTreeMap<String, String> = BTreeMap::new();
    let mut told = Told::default();
    let answer = Client::connect(&address).and_then(|broker| {
        broker.patient().call_with_progress::<Reloaded>("system.reload", &nothing, &mut |progress| told.tell(&progress))
    });
    match answer {
        Ok(Reloaded { version, previous_version, connections, handles, pause }) => {
            say!(
                "Reloaded: version {version} in place of {previous_version}, with {connections} connection{} and {handles} \
                 handle{}; handing over held calls up for {:.0} ms",
                plural(connections),
                plural(handles),
                pause * 1e3
            );
            ExitCode::SUCCESS
        }
        Err(error) => fail(error.exit_status(), &error),
    }
}
