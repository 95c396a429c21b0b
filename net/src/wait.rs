//! Waits that end with the call they are for.

use crate::limits::Holder;
use kit::Call;
use kit::cancellation::Cancellation;
use kit::protocol::{CallError, Code};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a wait may last before the flag is looked at, where there is no bell to wait for.
pub(crate) const NAP: Duration = Duration::from_millis(100);

/// For whom something is done, and when that is over.
#[derive(Clone, Default)]
pub struct Wait {
    /// Whom what is opened is counted for.
    pub holder: Holder,
    /// Who tells that nobody waits any more.
    pub cancellation: Option<Arc<Cancellation>>,
    /// How long the other side may do nothing.
    pub inactivity: Option<Duration>,
}

/// Why a wait ended without what was waited for.
#[derive(Debug)]
pub enum Stop {
    /// Nobody waits for the call any more.
    Cancelled,
    /// The time is over.
    TimedOut,
    /// The name is none that the system knows.
    NoSuchHost,
    /// There is no room for it: `overloaded`.
    Refused(CallError),
    /// The system's word for it.
    Io(io::Error),
}

impl Stop {
    /// For what there is no room for.
    pub fn overloaded(why: &str) -> Self {
        Self::Refused(CallError::new(Code::Overloaded, why))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("nobody waits for this call any more"),
            Self::TimedOut => f.write_str("the time limit has passed"),
            Self::NoSuchHost => f.write_str("there is no host of that name"),
            Self::Refused(error) => f.write_str(&error.message),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Wait {
    /// As a call says; `inactivity` is how long the other side may do nothing.
    pub fn of(call: &Call<'_>, inactivity: Option<Duration>) -> Self {
        let holder = Holder { uid: call.caller.uid, privileged: call.caller.privileged };
        Self { holder, cancellation: call.cancellation().cloned(), inactivity }
    }

    /// Whether the call was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.as_ref().is_some_and(|cancellation| cancellation.is_set())
    }

    /// When something that may take `most` has to end: earlier, if the other side does nothing. None if it need not.
    pub fn until(&self, most: Option<Duration>) -> Option<Instant> {
        let after = [most, self.inactivity].into_iter().flatten().min()?;
        Instant::now().checked_add(after)
    }

    /// Waits until a socket is ready.
    ///
    /// # Errors
    /// [`Stop::Cancelled`], [`Stop::TimedOut`] after `until`, and [`Stop::Io`].
    pub fn ready(&self, socket: &impl AsFd, what: PollFlags, until: Option<Instant>) -> Result<(), Stop> {
        let bell = self.cancellation.as_ref().and_then(|cancellation| cancellation.bell());
        loop {
            if self.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Stop::TimedOut);
            }
            let longest = if self.cancellation.is_some() && bell.is_none() { Some(NAP) } else { None };
            let nap = [left, longest].into_iter().flatten().min();
            // Rounded up, so that the last part of a millisecond is not spent spinning.
            let nap = nap.map_or(PollTimeout::NONE, |nap| {
                PollTimeout::try_from(nap + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
            });
            let mut fds = vec![PollFd::new(socket.as_fd(), what)];
            fds.extend(bell.map(|bell| PollFd::new(bell, PollFlags::POLLIN)));
            match poll(&mut fds, nap) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(Stop::Io(error.into())),
            }
            if fds[0].revents().is_some_and(|events| !events.is_empty()) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_wait_ends_with_its_time_or_its_call_or_when_something_is_there() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let soon = || Some(Instant::now() + Duration::from_millis(30));
        let wait = Wait::default();
        assert!(matches!(wait.ready(&near, PollFlags::POLLIN, soon()), Err(Stop::TimedOut)));
        io::Write::write_all(&mut far, b"x").unwrap();
        assert!(wait.ready(&near, PollFlags::POLLIN, None).is_ok());
        let cancellation = Arc::new(Cancellation::default());
        let wait = Wait { cancellation: Some(Arc::clone(&cancellation)), ..Wait::default() };
        assert!(!wait.is_cancelled());
        // Also one that has begun; what is there is read before.
        io::Read::read_exact(&mut (&near), &mut [0]).unwrap();
        let canceller = std::thread::spawn(move || cancellation.cancel());
        assert!(matches!(wait.ready(&near, PollFlags::POLLIN, None), Err(Stop::Cancelled)));
        canceller.join().unwrap();
    }

    #[test]
    fn what_does_nothing_ends_earlier_than_what_takes_long() {
        let wait = Wait { inactivity: Some(Duration::from_secs(1)), ..Wait::default() };
        let limit = |most| wait.until(most).unwrap().saturating_duration_since(Instant::now());
        assert!(limit(Some(Duration::from_secs(60))) <= Duration::from_secs(1));
        assert!(limit(Some(Duration::ZERO)).is_zero());
        assert!(Wait::default().until(None).is_none());
    }
}
