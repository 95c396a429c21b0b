//! The log: coloured on a terminal, plain in a file, JSON or to the journal where that is asked for, never in the way of the
//! loop.
//!
//! Lines are handed to a thread of their own. A terminal that is stopped or a pipe that nobody reads holds up that thread
//! and not the broker; when its queue is full lines are dropped and their number is logged.

mod journal;
mod throttle;

use crate::config::{Config, LogFormat};
use journal::Journal;
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
    let time = |_: &Record<'_>| chrono::Local::now().format(TIME).to_string();
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

fn timestamp(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", chrono::Local::now().format(TIME))
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

fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("log_file {}: {error}", path.display())))
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
