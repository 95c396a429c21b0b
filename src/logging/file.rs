//! A log file that is opened anew when it was rotated.
//!
//! The log's own thread opens it, because that can take its time, before it writes the next line. Where that fails it goes on with
//! the old file, says so there, and tries again.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use slog::{Logger, info, warn};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long to wait until the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// What the loop and the log's thread tell each other of opening the file anew.
#[derive(Default)]
pub struct Reopening {
    asked: AtomicBool,
    // The log that the file is written by: what is to be said of the file comes into its queue.
    logger: OnceLock<Logger>,
}

impl Reopening {
    /// Has the file opened anew with the next line.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Where to say what came of it.
    pub fn tell_by(&self, logger: Logger) {
        // It is told once, when the log is made.
        let _ = self.logger.set(logger);
    }
}

/// The file.
pub struct LogFile {
    path: PathBuf,
    file: File,
    reopening: Arc<Reopening>,
    trouble: Option<Trouble>,
}

/// The file could not be opened anew.
struct Trouble {
    why: String,
    tried: Instant,
}

impl LogFile {
    /// Opens it, or what stands for one: a terminal, /dev/stderr, /dev/null, a named pipe that somebody reads.
    ///
    /// # Errors
    /// One that can't be opened, with its path.
    pub fn open(path: &Path, reopening: Arc<Reopening>) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open_append(path)?, reopening, trouble: None })
    }

    fn open_anew(&mut self) {
        let logger = self.reopening.logger.get();
        match open_append(&self.path) {
            Ok(file) => {
                self.file = file;
                if let (Some(_), Some(logger)) = (self.trouble.take(), logger) {
                    info!(logger, "Log file opened anew");
                }
            }
            Err(error) => {
                let why = error.to_string();
                if let (false, Some(logger)) = (self.trouble.as_ref().is_some_and(|before| before.why == why), logger) {
                    warn!(logger, "The log file can't be opened anew; lines go to the old one, and it is tried again";
                        "why" => &why);
                }
                self.trouble = Some(Trouble { why, tried: Instant::now() });
            }
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let asked = self.reopening.asked.swap(false, Ordering::Relaxed);
        if asked || self.trouble.as_ref().is_some_and(|trouble| trouble.tried.elapsed() >= PAUSE) {
            self.open_anew();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file for its end. Opening never waits; writing may, in the log's own thread.
fn open_append(path: &Path) -> io::Result<File> {
    let failed = |why: String| {
        move |error: io::Error| io::Error::new(error.kind(), format!("log_file {}: {why}", path.display()))
    };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ENXIO) => {
                failed("it is a named pipe that nobody reads, or a socket; name a file".to_owned())(error)
            }
            _ => failed(error.to_string())(error),
        })?;
    let flags = fcntl(&file, FcntlArg::F_GETFL)?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::from_bits_retain(flags) - OFlag::O_NONBLOCK))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;

    #[test]
    fn opening_a_log_never_waits() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let error = open_append(&pipe).unwrap_err().to_string();
        assert!(error.contains("a named pipe that nobody reads"), "{error}");
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        let file = open_append(&pipe).unwrap();
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK), "lines would be lost");
        open_append(Path::new("/dev/null")).unwrap().write_all(b"line\n").unwrap();
        open_append(&dir.path().join("log")).unwrap().write_all(b"line\n").unwrap();
        assert!(open_append(dir.path()).unwrap_err().to_string().contains("log_file "));
    }
}
