//! Starting the broker in the background: what the process gets that is to stay when its starter is gone.
//!
//! It is a new program rather than a fork, and gets nothing of its starter's but what it needs: a script's open files and locks
//! are not held for as long as the broker lives, and what stands in a script's environment is not known to it.

use super::fail;
use crate::broker::{self, Orders};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// What is written when the broker listens, to `--ready-fd` and to the process that started it in the background.
pub const READY: &[u8] = b"ready\n";

/// What the broker, and the libraries that it is made of, read of the environment; besides its settings.
const NEEDED: [&str; 16] = [
    "XDG_RUNTIME_DIR",
    // The log: times, and whether standard error is the journal.
    "TZ",
    "TZDIR",
    "JOURNAL_STREAM",
    // HTTP: proxies, trust, names.
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "HOSTALIASES",
    // Without them the program may not run at all.
    "LD_LIBRARY_PATH",
    "GLIBC_TUNABLES",
];
/// How the names of its settings begin.
const SETTINGS: &str = "CPAN_BRIDGE_";

/// Starts the same program again, and ends when that one listens.
pub fn start(ready_fd: Option<RawFd>) -> ExitCode {
    broker::close_inherited(ready_fd);
    // By the file that runs, which may have been replaced since: the two have to be the same.
    if let Err(error) = broker::own_program() {
        return fail(1, &error);
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "cpan-bridge".into());
    let orders = Orders { detached: true, ..Orders::default() };
    let started = Command::new("/proc/self/exe")
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(orders.added_to(needed(std::env::vars_os())))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return fail(1, &format_args!("can't start in the background: {error}")),
    };
    let mut said = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        // An error here looks like an end without a word.
        let _ = stdout.read_to_end(&mut said);
    }
    if said == READY {
        return ExitCode::SUCCESS;
    }
    // It has said why on standard error, which it shares.
    let code = child.wait().ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.filter(|code| *code != 0).unwrap_or(1))
}

/// What of an environment the broker needs.
fn needed(environment: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    let is_setting = |name: &OsStr| name.as_encoded_bytes().starts_with(SETTINGS.as_bytes());
    environment.filter(move |(name, _)| is_setting(name) || NEEDED.iter().any(|needed| name == needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripts_own_variables_are_left_behind() {
        let names = ["PATH", "API_TOKEN", "TZ", "CPAN_BRIDGE_LOG_LEVEL", "HTTP_PROXY", "https_proxy", "NOTIFY_SOCKET"];
        let kept = needed(names.iter().map(|name| (OsString::from(name), OsString::new())));
        let kept: Vec<_> = kept.map(|(name, _)| name).collect();
        assert_eq!(kept, ["TZ", "CPAN_BRIDGE_LOG_LEVEL", "https_proxy"]);
    }
}
