//! The log: coloured on a terminal, plain in a file, JSON or to the journal where that is asked for, never in the way of the
//! loop.
//!
//! Lines are handed to a thread of their own. A terminal that is stopped or a pipe that nobody reads holds up that thread
//! and not the broker; when its queue is full lines are dropped and their number is logged.

mod file;
mod journal;
mod throttle;

use crate::config::{Config, LogFormat};
use chrono::{DateTime, Local};
use file::{LogFile, Reopening};
use journal::Journal;
use slog::{Drain, FnValue, Logger, Record, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_json::Json;
use slog_term::{Decorator, FullFormat, PlainDecorator, TermDecorator};
use std::fmt;
use std::io::{self, IsTerminal, LineWriter, Write};
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
    // None if it goes to no file.
    reopening: Option<Arc<Reopening>>,
    // Writes out what is queued when dropped, so it is kept as long as the broker runs.
    _guard: AsyncGuard,
}

impl Log {
    /// The log that the settings ask for.
    ///
    /// # Errors
    /// A log file that can't be opened, with its path.
    pub fn new(config: &Config) -> io::Result<Self> {
        let format = format(config);
        let mut reopening = None;
        let (asynchronous, guard) = match &config.log_file {
            _ if format == LogFormat::Journal => asynchronous(Journal::new()?),
            Some(path) => {
                let asked = reopening.insert(Arc::default());
                writing(format, LogFile::open(path, Arc::clone(asked))?)
            }
            None if format == LogFormat::Terminal => asynchronous(lines(TermDecorator::new().stderr().build())),
            None => writing(format, io::stderr()),
        };
        let level = config.log_level;
        let drain = slog::LevelFilter::new(asynchronous, level).fuse();
        let logger = Logger::root(drain, o!());
        if let Some(reopening) = &reopening {
            reopening.tell_by(logger.clone());
        }
        Ok(Self { logger, reopening, _guard: guard })
    }

    /// Writes out what is queued. What is logged afterwards goes to the same place, if that can still be opened.
    pub fn flush(&mut self, config: &Config) {
        if let Ok(anew) = Self::new(config) {
            *self = anew;
        }
    }

    /// Has the log file opened anew with the next line, for log rotation. Returns whether there is one.
    pub fn reopen(&self) -> bool {
        if let Some(reopening) = &self.reopening {
            reopening.ask();
        }
        self.reopening.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_clock_before_1970_is_written_as_it_stands() {
        let time: DateTime<Local> = (UNIX_EPOCH - Duration::from_millis(86_400_500)).into();
        let utc = time.to_utc().format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        assert_eq!(utc, "1969-12-30T23:59:59.500");
        assert!(time.format(TIME).to_string().starts_with("1969-12-"), "{}", time.format(TIME));
    }
}
