//! What the library's links have to know of the call that a thread works for, and what they tell it.
//!
//! The library waits inside its transports, keeps them from one call to the next, and hands nothing of a request to them: what
//! is to end a wait, and where the head of an answer is to go, reaches them by the thread that the call runs on. This file
//! alone has that; everybody else says what they mean.

use super::spelling::Spelling;
use net::wait::{Stop, Wait};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

#[derive(Default)]
struct Watch {
    wait: Wait,
    // The head that is being read, while one is expected.
    head: Option<Vec<u8>>,
    // How the names in the head that is about to be sent are spelt; none once it is sent.
    spelling: Option<Spelling>,
    // The socket that bytes last came from.
    socket: Weak<TcpStream>,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

/// Runs work whose waits are this one.
pub fn watched<T>(wait: Wait, work: impl FnOnce() -> T) -> T {
    struct Unwatch;
    impl Drop for Unwatch {
        fn drop(&mut self) {
            WATCH.take();
        }
    }
    WATCH.set(Watch { wait, ..Watch::default() });
    let _unwatch = Unwatch;
    work()
}

/// The wait of the call that the thread works for.
pub fn wait() -> Wait {
    WATCH.with_borrow(|watch| watch.wait.clone())
}

/// Whether that call was cancelled.
pub fn is_cancelled() -> bool {
    WATCH.with_borrow(|watch| watch.wait.is_cancelled())
}

/// From here on, the next head that is sent has its names spelt so, and the next one that comes is kept for [`take_head`].
pub fn expect_head(spelling: Spelling) {
    WATCH.with_borrow_mut(|watch| (watch.head, watch.spelling) = (Some(Vec::new()), Some(spelling)));
}

/// How the names in the head that is sent now are spelt, the first time that it is asked.
pub fn take_spelling() -> Option<Spelling> {
    WATCH.with_borrow_mut(|watch| watch.spelling.take())
}

/// Shows what has come of a head, where one is expected.
pub fn see_head(see: impl FnOnce(&mut Vec<u8>)) {
    WATCH.with_borrow_mut(|watch| watch.head.as_mut().map(see));
}

/// The head of the last answer, as it came; interim answers (1xx) are passed over.
pub fn take_head() -> Vec<u8> {
    WATCH.with_borrow_mut(|watch| watch.head.take()).unwrap_or_default()
}

/// Bytes came from this socket.
pub fn came_from(socket: &Arc<TcpStream>) {
    WATCH.with_borrow_mut(|watch| watch.socket = Arc::downgrade(socket));
}

/// Whether more came from the server, or comes within a moment. A guess that is right nearly always: no answer may depend
/// on it.
pub fn more_soon() -> bool {
    let moment = PollTimeout::from(1_u8);
    let Some(socket) = WATCH.with_borrow(|watch| watch.socket.upgrade()) else { return false };
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, moment).is_ok_and(|ready| ready > 0)
}

/// Reads that end with the call, also where they need not wait: what a small body is decoded to may be without end.
pub struct Cancellable<R>(pub R);

impl<R: Read> Read for Cancellable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if is_cancelled() {
            return Err(io::Error::new(ErrorKind::ConnectionAborted, Stop::Cancelled));
        }
        self.0.read(buffer)
    }
}
