//! Where a broker may be that nobody named: the places where the Perl client looks too (`docs/protocol.md`).

use crate::config::{Config, default_socket, private_socket};
use nix::unistd::Uid;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The directory of the broker that runs for the whole host. Only root can make it.
const HOST: &str = "/run/cpan-bridge";

/// Sets the socket to the one where a broker is, if none is named; where none is it stays the first place.
pub fn find(config: &mut Config) {
    if config.socket_named {
        return;
    }
    let places = [default_socket(), private_socket(), PathBuf::from(HOST).join("broker.sock")];
    let sockets: Vec<PathBuf> = places.into_iter().filter(|place| is_socket(place) && is_trusted(place)).collect();
    let first = sockets.first().cloned();
    // Asking costs the broker a connection, so it is asked only if there is a choice.
    let listening = if sockets.len() > 1 { sockets.into_iter().find(|place| listens(place)) } else { None };
    if let Some(socket) = listening.or(first) {
        config.socket = socket;
    }
}

fn is_socket(path: &Path) -> bool {
    // A place that can't be looked into is worth naming in the message.
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// Anybody can make a directory in /tmp, and a socket in it that keys would be sent to.
fn is_trusted(path: &Path) -> bool {
    let Some(directory) = path.parent() else { return false };
    if directory == Path::new(HOST) {
        return true;
    }
    let owners = [Uid::effective().as_raw(), 0];
    fs::symlink_metadata(directory)
        .is_ok_and(|metadata| metadata.is_dir() && owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0)
}

fn listens(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_a_socket_in_a_directory_of_ones_own_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker.sock");
        assert!(!is_socket(&path));
        fs::write(&path, "").unwrap();
        assert!(!is_socket(&path), "a file");
        fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        assert!(is_socket(&path) && is_trusted(&path) && listens(&path));
        drop(listener);
        assert!(is_socket(&path) && !listens(&path), "left behind");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_trusted(&path), "anybody can put another in its place");
    }
}
