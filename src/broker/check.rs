//! What `serve` would refuse or warn of, found out without starting anything: for `cpan-bridge check-config`.

use super::access::Access;
use super::listener;
use crate::config::settings::misspelt;
use crate::config::{Config, MetricsListen};
use nix::unistd::{AccessFlags, access};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What is wrong with settings on this host at this moment, a line each.
#[derive(Default)]
pub struct Findings {
    /// Why `serve` would not start.
    pub wrong: Vec<String>,
    /// What would not work although it starts.
    pub doubtful: Vec<String>,
}

/// Looks at the settings as `serve` would.
pub fn check(config: &Config) -> Findings {
    let mut wrong = Vec::new();
    if let Err(error) = Access::new(config) {
        wrong.push(error.to_string());
    }
    if let Err(error) = listener::check(config) {
        wrong.push(error.to_string());
    }
    let metrics_socket = match &config.metrics_listen {
        Some(MetricsListen::Socket(path)) => Some(path),
        _ => None,
    };
    let file = |name: &str, path: Option<&std::path::PathBuf>| {
        path.and_then(|path| unwritable(path)).map(|why| format!("{name}: {why}"))
    };
    wrong.extend(file("log_file", config.log_file.as_ref()));
    wrong.extend(file("metrics_listen", metrics_socket));
    wrong.extend(taken(config));
    // A disk may come back; the broker warns each time that it can't write there.
    let mut doubtful: Vec<String> = file("metrics_file", config.metrics_file.as_ref()).into_iter().collect();
    doubtful.extend(misspelt(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())));
    Findings { wrong, doubtful }
}

/// Why metrics can't be offered at their address, if it is not this very broker that has it now.
fn taken(config: &Config) -> Option<String> {
    let Some(MetricsListen::Address(address)) = &config.metrics_listen else { return None };
    let error = TcpListener::bind(address).err()?;
    let is_running = UnixStream::connect(&config.socket).is_ok();
    (!is_running).then(|| format!("metrics_listen {address}: {error}"))
}

/// Why a file can't be written, by this user, or made.
fn unwritable(path: &Path) -> Option<String> {
    let shown = path.display();
    if path.is_dir() {
        return Some(format!("{shown} is a directory"));
    }
    if path.exists() {
        let error = access(path, AccessFlags::W_OK).err()?;
        return Some(format!("{shown} can't be written: {}", error.desc()));
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let error = access(directory, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
    Some(format!("{shown} can't be made: {}: {}", directory.display(), error.desc()))
}
