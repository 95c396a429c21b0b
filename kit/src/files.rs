//! The one way to open a file that a caller names. Whose calls may name one the function's table says
//! ([`Touches`](crate::Touches)), and the broker sees to it.
//!
//! A broker that opens whatever it is told to can be held for ever by a named pipe, fed without end by a device, or made to
//! read its own memory. So only regular files are opened, without waiting, and what they are is judged on the descriptor:
//! what a path names may change at any time. Files that the kernel makes up as they are read (procfs and its kin, so also
//! /dev/stdin and /dev/fd) are none.

use crate::protocol::CallError;
use crate::protocol::error::quote;
use nix::errno::Errno;
use nix::sys::statfs::{self, FsType, fstatfs};
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// File systems whose files are made up as they are read, and may wait or never end.
const MADE_UP: [FsType; 6] = [
    statfs::PROC_SUPER_MAGIC,
    statfs::SYSFS_MAGIC,
    statfs::DEBUGFS_MAGIC,
    statfs::TRACEFS_MAGIC,
    statfs::CGROUP_SUPER_MAGIC,
    statfs::CGROUP2_SUPER_MAGIC,
];

/// Which file is wanted, and what is said where it can't be had.
pub struct Wanted<'w> {
    /// The parameter that names it.
    pub parameter: &'w str,
    /// Its path, as the caller gave it.
    pub path: &'w Path,
    /// What was to be done: messages begin so.
    pub failed: &'w str,
    /// Bytes that it may have at most.
    pub most: u64,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its bytes when it was opened.
    pub size: u64,
}

impl Wanted<'_> {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// `invalid_params` for a path that is not absolute, a file that
    /// can't be opened, is no regular one or too large.
    pub fn open(&self) -> Result<Opened, CallError> {
        if !is_absolute(self.path) {
            return Err(self.error("the path must be absolute"));
        }
        let in_words = |error: io::Error| self.error(&in_words(&error));
        // Links are followed here, all of them: none is left for the open to follow.
        let path = fs::canonicalize(self.path).map_err(in_words)?;
        // Opening some devices does something, so what is none now is not opened.
        self.judge_type(fs::symlink_metadata(&path).map_err(in_words)?.file_type())?;
        let opened = self.open_regular(&path)?;
        if opened.size > self.most {
            return Err(self.error(&format!("it has {} bytes; at most {} are read", opened.size, self.most)));
        }
        Ok(opened)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// As [`Wanted::open`]; a file that can't be read, or grew beyond measure meanwhile.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let Opened { file, size } = self.open()?;
        // One byte more than it has, so that it need not grow, which would leave a copy behind.
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        file.take(self.most + 1).read_to_end(&mut content).map_err(|error| self.error(&in_words(&error)))?;
        if content.len() as u64 > self.most {
            return Err(self.error(&format!("it has more than {} bytes", self.most)));
        }
        Ok(content)
    }

    fn open_regular(&self, path: &Path) -> Result<Opened, CallError> {
        let in_words = |error: io::Error| self.error(&in_words(&error));
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
            .open(path)
            .map_err(in_words)?;
        let metadata = file.metadata().map_err(in_words)?;
        self.judge_type(metadata.file_type())?;
        let system = fstatfs(&file).map_err(|error| self.error(error.desc()))?.filesystem_type();
        if MADE_UP.contains(&system) {
            return Err(self.error("it is none on a disk: the kernel makes it up as it is read"));
        }
        Ok(Opened { file, size: metadata.len() })
    }

    fn judge_type(&self, kind: FileType) -> Result<(), CallError> {
        let what = match kind {
            kind if kind.is_file() => return Ok(()),
            kind if kind.is_dir() => "a directory",
            kind if kind.is_fifo() => "a named pipe",
            kind if kind.is_socket() => "a socket",
            kind if kind.is_symlink() => "a symbolic link that was put there just now",
            _ => "a device",
        };
        Err(self.error(&format!("it is {what}; only regular files are opened")))
    }

    fn error(&self, why: &str) -> CallError {
        CallError::invalid(
            self.parameter,
            format!("{}: {}: {why}", self.failed, quote(&self.path.display().to_string())),
        )
    }
}

/// Whether a path is the same from wherever it is looked at, and one at all.
pub fn is_absolute(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.starts_with(b"/") && !bytes.contains(&0)
}

/// Why the system refused, in words alone.
pub fn in_words(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => "there is no such file".to_owned(),
        Some(Errno::EACCES) => "the broker's user may not open it".to_owned(),
        Some(errno) => errno.desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Code;
    use nix::sys::stat::Mode;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn read(path: &str) -> Result<Vec<u8>, CallError> {
        let wanted = Wanted { parameter: "key_file", path: Path::new(path), failed: "Failed", most: 100 };
        wanted.read().map(|content| content.to_vec())
    }

    #[test]
    fn regular_files_are_read_also_by_way_of_links() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        fs::write(at("file"), "content").unwrap();
        symlink("file", at("link")).unwrap();
        assert_eq!(read(&at("file")).unwrap(), b"content");
        assert_eq!(read(&at("link")).unwrap(), b"content");
        fs::write(at("empty"), "").unwrap();
        assert_eq!(read(&at("empty")).unwrap(), b"");
        fs::write(at("large"), "x".repeat(101)).unwrap();
        assert!(read(&at("large")).unwrap_err().message.contains("it has 101 bytes; at most 100"));
    }

    #[test]
    fn names_are_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(std::ffi::OsStr::from_bytes(b"\xe4"));
        fs::write(&path, "content").unwrap();
        let wanted = Wanted { parameter: "file", path: &path, failed: "Failed", most: 100 };
        assert_eq!(wanted.read().unwrap().as_slice(), b"content");
    }

    #[test]
    fn nothing_else_is_opened_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        nix::unistd::mkfifo(at("pipe").as_str(), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        symlink("pipe", at("to-pipe")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (path, words) in [
            (at("pipe"), "a named pipe"),
            (at("to-pipe"), "a named pipe"),
            (at("socket"), "a socket"),
            (at(""), "a directory"),
            (at("dangling"), "there is no such file"),
            ("/dev/zero".to_owned(), "a device"),
            ("/dev/tty".to_owned(), "a device"),
            ("/proc/self/environ".to_owned(), "the kernel makes it up"),
            ("/proc/self/mem".to_owned(), "the kernel makes it up"),
            ("relative".to_owned(), "must be absolute"),
            ("/etc/hostname\0".to_owned(), "must be absolute"),
        ] {
            let error = read(&path).unwrap_err();
            assert!(error.code == Code::InvalidParams && error.message.contains(words), "{path}: {error}");
            assert!(!error.message.contains("os error"), "{error}");
        }
        // Whatever they are here: a pipe, a terminal, a file.
        for path in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
            let _ = read(path);
        }
    }

    #[test]
    fn it_is_the_descriptor_that_is_judged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        let wanted = Wanted { parameter: "p", path: Path::new("/x"), failed: "Failed", most: 1 };
        // As if the path had named a file when it was looked at.
        assert!(wanted.open_regular(&path).unwrap_err().message.contains("a named pipe"));
        assert!(wanted.open_regular(&dir.path().join("link")).is_err());
    }
}
