//! `cpan-bridge lock` and `cpan-bridge unlock`: closing what one keeps in a broker for a while.

use super::client::{Client, ClientError};
use super::say::say;
use super::{configure_client, connection_flags, fail};
use clap::{ArgMatches, Command};
use serde_bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// `lock`.
pub fn lock_command() -> Command {
    Command::new("lock")
        .about("Locks your ciphers and sessions in a broker with a passphrase")
        .long_about(
            "Locks what you keep in a broker with a passphrase, as `ssh-add -x` locks an agent: until `cpan-bridge unlock`, \
             calls of yours that could use a key are refused. Handles do not expire meanwhile. The passphrase is asked for \
             on the terminal, or read as one line from standard input.",
        )
        .args(connection_flags())
}

/// `unlock`.
pub fn unlock_command() -> Command {
    Command::new("unlock")
        .about("Unlocks what lock has locked")
        .long_about("Unlocks what `cpan-bridge lock` has locked. After a wrong passphrase the next try has to wait.")
        .args(connection_flags())
}

/// Runs `lock`.
pub fn lock(flags: &ArgMatches) -> ExitCode {
    let passphrase = passphrase("Passphrase to lock with: ").and_then(|passphrase| {
        if io::stdin().is_terminal() && *passphrase != *ask("The same again: ")? {
            return Err(io::Error::other("the two are not the same"));
        }
        Ok(passphrase)
    });
    send(flags, passphrase, "system.lock", "Locked")
}

/// Runs `unlock`.
pub fn unlock(flags: &ArgMatches) -> ExitCode {
    send(flags, passphrase("Passphrase: "), "system.unlock", "Unlocked")
}

fn send(flags: &ArgMatches, passphrase: io::Result<Zeroizing<String>>, method: &str, done: &str) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    if let Err(error) = crate::broker::keep_secrets() {
        return fail(1, &error);
    }
    let answer = passphrase.map_err(ClientError::from).and_then(|passphrase| {
        let params = BTreeMap::from([("passphrase", Bytes::new(passphrase.as_bytes()))]);
        Client::connect(&address)?.call::<BTreeMap<String, bool>>(method, &params)
    });
    match answer {
        Ok(_) => {
            say!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(error.exit_status(), &error),
    }
}

fn passphrase(prompt: &str) -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return ask(prompt);
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new)
}
