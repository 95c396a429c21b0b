//! The log: coloured on a terminal, plain in a file, JSON or to the journal where that is asked for, never in the way of the
//! loop.
//!
//! Lines are handed to a thread of their own. A terminal that is stopped or a pipe that nobody reads holds up that thread
//! and not the broker; when its queue is full lines are dropped and their number is logged.

mod journal;
mod throttle;

use crate::config::{Config, LogFormat};
use chrono::{DateTime, Local};
use journal::Journal;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use slog::{Drain, FnValue, Logger, Record, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_json::Json;
use slog_term::{Decorator, FullFormat, PlainDecorator, TermDecorator};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, LineWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
pub use throttle::Throttle;

/// ISO 8601 with milliseconds, in local time.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3f%:z";

/// Lines that may wait to be written.
const QUEUE: usize = 4096;

/// Bytes of a JSON line that are written at once.
const LONGEST_JSON: usize = 16 * 1024;

/// The log and what it takes to end or re-open it.
pub struct Log {
    /// Where to log to.
    pub logger: Logger,
    reopen: Arc<AtomicBool>,
    // Writes out what is queued when dropped, so it is kept as long as the broker runs.
    _guard: AsyncGuard,
}

impl Log {
    /// The log that the settings ask for.
    ///
    /// # Errors
    /// A log file that can't be opened, with its path.
    pub fn new(config: &Config) -> io::Result<Self> {
        let reopen = Arc::new(AtomicBool::new(false));
        let format = format(config);
        let (asynchronous, guard) = match &config.log_file {
            _ if format == LogFormat::Journal => asynchronous(Journal::new()?),
            Some(path) => writing(format, ReopenableFile::open(path, Arc::clone(&reopen))?),
            None if format == LogFormat::Terminal => asynchronous(lines(TermDecorator::new().stderr().build())),
            None => writing(format, io::stderr()),
        };
        let level = config.log_level;
        let drain = slog::LevelFilter::new(asynchronous, level).fuse();
        Ok(Self { logger: Logger::root(drain, o!()), reopen, _guard: guard })
    }

    /// Writes out what is queued. What is logged afterwards goes to the same place, if that can still be opened.
    pub fn flush(&mut self, config: &Config) {
        if let Ok(anew) = Self::new(config) {
            *self = anew;
        }
    }

    /// Has the log file opened anew with the next line, for log rotation.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }
}

/// The format that is asked for, or the one that suits where the log goes.
fn format(config: &Config) -> LogFormat {
    match config.log_format {
        LogFormat::Auto if config.log_file.is_some() => LogFormat::Plain,
        LogFormat::Auto if libsystemd::logging::connected_to_journal() => LogFormat::Journal,
        LogFormat::Auto if io::stderr().is_terminal() => LogFormat::Terminal,
        LogFormat::Auto => LogFormat::Plain,
        format => format,
    }
}

/// A log of lines, JSON or plain.
fn writing(format: LogFormat, to: impl Write + Send + 'static) -> (slog::Fuse<Async>, AsyncGuard) {
    if format == LogFormat::Json {
        return asynchronous(json(to));
    }
    asynchronous(lines(PlainDecorator::new(to)))
}

/// Lines for people: time, level, message, and what is said besides in the order in which it is given.
fn lines<D: Decorator>(decorator: D) -> FullFormat<D> {
    FullFormat::new(decorator).use_custom_timestamp(timestamp).use_original_order().build()
}

/// One JSON object a line: `time`, `level`, `message`, and what the line says besides.
fn json<W: Write>(to: W) -> Json<LineWriter<W>> {
    let level = |record: &Record<'_>| record.level().as_str().to_ascii_lowercase();
    let time = |_: &Record<'_>| now().format(TIME).to_string();
    let message = |record: &Record<'_>| record.msg().to_string();
    // A line is one write, or lines of other processes come between its parts.
    Json::new(LineWriter::with_capacity(LONGEST_JSON, to))
        .add_key_value(o!("message" => FnValue(message), "level" => FnValue(level), "time" => FnValue(time)))
        .build()
}

fn asynchronous<D>(drain: D) -> (slog::Fuse<Async>, AsyncGuard)
where
    D: Drain<Ok = ()> + Send + 'static,
    D::Err: fmt::Debug,
{
    // A line that can't be written (a full disk) is lost; the broker goes on.
    let (asynchronous, guard) = Async::new(Mutex::new(drain).ignore_res())
        .chan_size(QUEUE)
        .overflow_strategy(OverflowStrategy::DropAndReport)
        .build_with_guard();
    (asynchronous.fuse(), guard)
}

/// The time, in local time. chrono's own `Local::now` panics when the clock stands before 1970, as it does on hosts whose
/// battery is empty; and a log that ends then says nothing of it.
pub fn now() -> DateTime<Local> {
    SystemTime::now().into()
}

fn timestamp(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", now().format(TIME))
}

/// A file that is closed and opened anew when asked to.
struct ReopenableFile {
    path: PathBuf,
    file: File,
    reopen: Arc<AtomicBool>,
}

impl ReopenableFile {
    fn open(path: &Path, reopen: Arc<AtomicBool>) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open_append(path)?, reopen })
    }
}

/// Opens a log file, or what stands for one: a terminal, /dev/stderr, /dev/null, a named pipe that somebody reads. Opening never
/// waits; writing may, in the log's own thread.
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

impl Write for ReopenableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.reopen.swap(false, Ordering::Relaxed)
            && let Ok(file) = open_append(&self.path)
        {
            self.file = file;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_clock_before_1970_is_written_as_it_stands() {
        let time: DateTime<Local> = (UNIX_EPOCH - Duration::from_millis(86_400_500)).into();
        let utc = time.to_utc().format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        assert_eq!(utc, "1969-12-30T23:59:59.500");
        assert!(time.format(TIME).to_string().starts_with("1969-12-"), "{}", time.format(TIME));
    }

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
