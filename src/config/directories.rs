//! Directories in which a user's broker may be that nobody named.

use nix::unistd::{Uid, User};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the socket is if nothing says otherwise: below [`runtime_directory`] if that lasts, else in `/tmp/cpan-bridge-<uid>`.
///
/// Logind's directory is removed with the last login, and a broker in it would be lost to the jobs of cron that come after.
pub fn default_socket() -> PathBuf {
    match runtime_directory() {
        Ok(Some(directory)) if directory != login_directory() => directory.join("cpan-bridge/broker.sock"),
        _ => private_socket(),
    }
}

/// The directory that logind makes for a user who logs in.
pub fn login_directory() -> PathBuf {
    PathBuf::from(format!("/run/user/{}", Uid::effective()))
}

/// The directory that `XDG_RUNTIME_DIR` names (XDG Base Directory Specification), if it is set.
///
/// # Errors
/// Why it is of no use: whoever becomes another user by `su` or `sudo` may bring the directory of the one before.
pub fn runtime_directory() -> Result<Option<PathBuf>, String> {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(given) if !given.is_empty() => judge_runtime_directory(Path::new(&given)).map(Some),
        _ => Ok(None),
    }
}

fn judge_runtime_directory(given: &Path) -> Result<PathBuf, String> {
    let named = format!("XDG_RUNTIME_DIR ({})", given.display());
    if !given.is_absolute() {
        return Err(format!("{named} is no absolute path"));
    }
    let metadata = fs::metadata(given).map_err(|error| format!("{named} can't be used: {error}"))?;
    if !metadata.is_dir() {
        return Err(format!("{named} is no directory"));
    }
    if metadata.uid() != Uid::effective().as_raw() {
        return Err(format!("{named} belongs to user {}", owner(metadata.uid())));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(format!("{named} can be written by others (mode {mode:04o})"));
    }
    // Without a slash at its end, so that it compares.
    Ok(given.components().collect())
}

/// Where it is without `XDG_RUNTIME_DIR`, which jobs of cron do not have.
pub fn private_socket() -> PathBuf {
    PathBuf::from(format!("/tmp/cpan-bridge-{}/broker.sock", Uid::effective()))
}

fn owner(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_runtime_directory_is_ones_own_and_closed() {
        let dir = tempfile::tempdir().unwrap();
        let judge = |path: &Path| judge_runtime_directory(path);
        assert_eq!(judge(&dir.path().join("")), Ok(dir.path().to_owned()), "a slash at its end is nothing");
        for (path, words) in [
            (Path::new("run"), "no absolute path"),
            (&dir.path().join("none"), "can't be used: No such file"),
            (Path::new("/dev/null"), "is no directory"),
        ] {
            let why = judge(path).unwrap_err();
            assert!(why.starts_with("XDG_RUNTIME_DIR (") && why.contains(words), "{why}");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(judge(dir.path()).unwrap_err().contains("mode 0777"));
        if Uid::effective().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(1), None).unwrap();
            assert!(judge(dir.path()).unwrap_err().contains("belongs to user"));
        }
    }
}
