//! What the library's links have to know of the call that a thread works for, and what they tell it.
//!
//! The library waits inside its transports, keeps them from one call to the next, and hands nothing of a request to them: what
//! is to end a wait, and where the head of an answer is to go, reaches them by the thread that the call runs on. This file
//! alone has that; everybody else says what they mean.

use super::spelling::Spelling;
use super::trailers::Place;
use net::tls::Peer;
use net::wait::{Stop, Wait};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

#[derive(Default)]
struct Watch {
    wait: Wait,
    // The answer whose head is being read, while one is expected.
    answer: Option<Expected>,
    // How the names in the head that is about to be sent are spelt; none once it is sent.
    spelling: Option<Spelling>,
    // The socket that bytes last came from.
    socket: Weak<TcpStream>,
}

/// An answer that is expected.
#[derive(Default)]
struct Expected {
    // Its head, once that has come.
    head: Vec<u8>,
    // Whether it is one to HEAD, which no body follows whatever it says.
    without_body: bool,
    trailers: Place,
    connection: Connection,
}

/// The connection that an answer came by.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The address at the other end: a proxy's where there is one.
    pub address: Option<SocketAddr>,
    /// Who is there, if TLS is spoken.
    pub tls: Option<Arc<Peer>>,
    /// How many answers came by it, this one included.
    pub answers: u64,
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

/// From here on, the next head that is sent has its names spelt so, and the next one that comes is kept for [`take_head`]. What comes behind
/// its body goes to the place that is given back.
pub fn expect_head(spelling: Spelling, without_body: bool) -> Place {
    let expected = Expected { without_body, ..Expected::default() };
    let trailers = Arc::clone(&expected.trailers);
    WATCH.with_borrow_mut(|watch| (watch.answer, watch.spelling) = (Some(expected), Some(spelling)));
    trailers
}

/// How the names in the head that is sent now are spelt, the first time that it is asked.
pub fn take_spelling() -> Option<Spelling> {
    WATCH.with_borrow_mut(|watch| watch.spelling.take())
}

/// The request goes out on a connection by which so many answers came before.
pub fn sends_on(answers: u64) {
    WATCH.with_borrow_mut(|watch| {
        if let Some(answer) = &mut watch.answer {
            answer.connection.answers = answers;
        }
    });
}

/// Whether a head is expected and has not come.
pub fn is_head_expected() -> bool {
    WATCH.with_borrow(|watch| watch.answer.as_ref().is_some_and(|answer| answer.head.is_empty()))
}

/// Keeps a head, where one is expected, which is the so manyeth of its connection. Gives the place for what comes behind its body, if a body
/// follows.
pub fn see_head(head: &[u8], answers: u64) -> Option<Place> {
    WATCH.with_borrow_mut(|watch| {
        let answer = watch.answer.as_mut()?;
        head.clone_into(&mut answer.head);
        answer.connection.answers = answers;
        answer.connection.address = watch.socket.upgrade().and_then(|socket| socket.peer_addr().ok());
        (!answer.without_body).then(|| Arc::clone(&answer.trailers))
    })
}

/// The head of the last answer, as it came, and by what; interim answers (1xx) are passed over.
pub fn take_head() -> (Vec<u8>, Connection) {
    let answer = WATCH.with_borrow_mut(|watch| watch.answer.take()).unwrap_or_default();
    (answer.head, answer.connection)
}

/// Bytes came by TLS from this peer.
pub fn came_by(peer: Option<&Arc<Peer>>) {
    WATCH.with_borrow_mut(|watch| {
        if let Some(answer) = &mut watch.answer {
            answer.connection.tls = peer.cloned();
        }
    });
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
