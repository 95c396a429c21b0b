//! Signals as events: blocked for every thread, read from a signalfd by the loop.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// What the broker is asked to do by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM, SIGINT: drain and exit.
    Stop(Signal),
    /// SIGHUP: open the log file anew.
    ReopenLog,
    /// SIGUSR2: let the program that is now at this one's path take its place.
    Reload,
}

/// The signals that the loop reads.
pub struct Signals {
    fd: SignalFd,
}

fn handled() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2].into_iter().collect()
}

/// Blocks the signals for this thread and those it starts. Has to come before any thread is started: a thread with
/// other ideas would take the signal and end the process.
///
/// # Errors
/// Those of `pthread_sigmask(3)`.
pub fn block() -> io::Result<()> {
    Ok(handled().thread_block()?)
}

impl Signals {
    /// Begins to receive the signals that [`block`] blocked.
    ///
    /// # Errors
    /// Those of `signalfd(2)`.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: SignalFd::with_flags(&handled(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)? })
    }

    /// The descriptor that becomes readable with a signal.
    pub fn descriptor(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }

    /// The next signal that came.
    pub fn next(&mut self) -> Option<Request> {
        loop {
            let info = self.fd.read_signal().ok().flatten()?;
            match i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                Some(Signal::SIGHUP) => return Some(Request::ReopenLog),
                Some(Signal::SIGUSR2) => return Some(Request::Reload),
                Some(signal) => return Some(Request::Stop(signal)),
                None => {}
            }
        }
    }
}
