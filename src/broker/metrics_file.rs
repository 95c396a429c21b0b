//! The file that node_exporter's textfile collector reads: every figure, written anew now and then.
//!
//! A thread of its own writes, because disks can be slow or full and the loop waits for nothing. A reader sees a whole file or
//! the one before it: it is written under another name and renamed. A broker that ends takes the file with it, since what it says is
//! no longer so; a file that grows old is that of one that was killed.

use super::Broker;
use super::deadlines::Timer;
use super::openmetrics::{Format, render};
use super::view::View;
use slog::{Logger, info, warn};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// How long a broker that ends waits for the file's removal.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where pages go to be written.
pub struct MetricsFile {
    pages: SyncSender<String>,
    is_over: Arc<AtomicBool>,
    // Disconnected when the thread has ended.
    thread: Receiver<()>,
}

impl MetricsFile {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// A thread that can't be started.
    pub fn new(path: PathBuf, logger: Logger) -> io::Result<Self> {
        let (pages, inbox) = sync_channel(1);
        let (end, thread) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let writer = Writer { path, inbox, logger, is_over: Arc::clone(&is_over), _end: end };
        thread::Builder::new().name("metrics".to_owned()).spawn(move || writer.run())?;
        Ok(Self { pages, is_over, thread })
    }

    fn remove(self) {
        let Self { pages, is_over, thread } = self;
        is_over.store(true, Ordering::Relaxed);
        drop(pages);
        // However slow the disk is, the broker ends.
        let _ = thread.recv_timeout(PATIENCE);
    }
}

impl Broker {
    /// Has the file written, and asks for the next time.
    pub(super) fn write_metrics(&mut self) {
        let Some(interval) = self.config.metrics_interval else { return };
        if self.metrics_file.is_none() {
            return;
        }
        let page = render(&mut View::of_nobody(self), Format::Prometheus);
        if let Some(file) = &self.metrics_file {
            // One that is still being written is not waited for: the next page says more.
            let _ = file.pages.try_send(page);
        }
        self.deadlines.want(Timer::Metrics, self.now + interval);
    }

    /// Removes the file: nothing of what it says is so any more.
    pub(super) fn forget_metrics(&mut self) {
        if let Some(file) = self.metrics_file.take() {
            file.remove();
        }
    }
}

/// What the thread has.
struct Writer {
    path: PathBuf,
    inbox: Receiver<String>,
    logger: Logger,
    is_over: Arc<AtomicBool>,
    _end: Sender<()>,
}

impl Writer {
    fn run(self) {
        let Self { path, inbox, logger, .. } = &self;
        let (mut trouble, mut is_written) = (None, false);
        while let Ok(page) = inbox.recv() {
            let now = write_page(path, &page).err().map(|error| error.to_string());
            match (&trouble, &now) {
                (before, Some(why)) if before.as_ref() != Some(why) => {
                    warn!(logger, "The metrics file can't be written"; "file" => %path.display(), "why" => why);
                }
                (Some(_), None) => info!(logger, "The metrics file is written again"; "file" => %path.display()),
                _ => {}
            }
            is_written |= now.is_none();
            trouble = now;
        }
        // One that this broker never wrote is somebody else's.
        if is_written && self.is_over.load(Ordering::Relaxed) {
            let _ = fs::remove_file(path);
        }
    }
}

fn write_page(path: &Path, page: &str) -> io::Result<()> {
    // The collector reads every `.prom` in the directory, so the other name does not end so.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // A named pipe would hold up the thread for ever.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(&beside)
        .and_then(|mut file| {
            if !file.metadata()?.is_file() {
                return Err(io::Error::other(format!("{} exists and is no regular file", beside.display())));
            }
            // The collector is another user; figures are no secret.
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            file.write_all(page.as_bytes())
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_replaces_the_one_before_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker.prom");
        write_page(&path, "one\n").unwrap();
        write_page(&path, "two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        std::os::unix::fs::symlink("/dev/full", dir.path().join("broker.prom.new")).unwrap();
        assert!(write_page(&path, "three\n").is_err(), "a link is not followed");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert!(write_page(&dir.path().join("gone/broker.prom"), "x").is_err());
        let pipe = dir.path().join("piped.prom.new");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(write_page(&dir.path().join("piped.prom"), "x").is_err(), "nobody reads it");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        assert!(write_page(&dir.path().join("piped.prom"), "x").is_err(), "somebody reads it");
    }
}
