//! Telling a worker that nobody waits for its call any more.
//!
//! A call that computes asks for the flag now and then. A call that waits for the network can't ask while it waits: it
//! waits for the bell as well, a descriptor that becomes readable with the cancellation.

use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Set once by the loop: the caller gave up, hung up, or its time is over.
#[derive(Debug, Default)]
pub struct Cancellation {
    set: AtomicBool,
    // Made by the first call that wants to wait for it; most never do. None if the process has no descriptor left.
    bell: OnceLock<Option<EventFd>>,
}

impl Cancellation {
    /// Cancels. Once is enough.
    pub fn cancel(&self) {
        self.set.store(true, Ordering::SeqCst);
        // Who sets the flag looks for a bell after it, who makes the bell looks for the flag after it: one of them sees
        // the other.
        fence(Ordering::SeqCst);
        if let Some(Some(bell)) = self.bell.get() {
            // It fails only when it has been rung 2^64 times.
            let _ = bell.write(1);
        }
    }

    /// Whether it was cancelled.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// A descriptor that is readable from the cancellation on; none if there is none to be had: then the flag has to be
    /// looked at now and then.
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = self.bell.get_or_init(|| EventFd::from_flags(flags).ok()).as_ref()?;
        fence(Ordering::SeqCst);
        if self.is_set() {
            let _ = bell.write(1);
        }
        Some(bell.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn rings(cancellation: &Cancellation) -> bool {
        let mut fds = [PollFd::new(cancellation.bell().unwrap(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn the_bell_rings_whichever_comes_first() {
        let cancellation = Cancellation::default();
        assert!(!cancellation.is_set() && !rings(&cancellation));
        cancellation.cancel();
        assert!(cancellation.is_set() && rings(&cancellation) && rings(&cancellation), "and goes on ringing");

        let cancellation = Cancellation::default();
        cancellation.cancel();
        assert!(rings(&cancellation));
    }
}
