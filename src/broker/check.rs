//! What `serve` would refuse, found out without starting anything: for `cpan-bridge check-config`.

use super::access::Access;
use super::listener;
use crate::config::{Config, MetricsListen};
use nix::unistd::{AccessFlags, access};
use std::path::Path;

/// Everything that is wrong with settings on this host at this moment, a line each. None if `serve` would start with them.
pub fn check(config: &Config) -> Vec<String> {
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
    let files = [
        ("log_file", &config.log_file),
        ("metrics_file", &config.metrics_file),
        ("metrics_listen", &metrics_socket.cloned()),
    ]
    .map(|(name, path)| path.as_ref().and_then(|path| unwritable(path)).map(|why| format!("{name}: {why}")));
    wrong.extend(files.into_iter().flatten());
    wrong
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
