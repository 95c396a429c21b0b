//! Sockets whose waits end with the call, and a look at the answer's head as the server wrote it.
//!
//! The library waits inside its transports, so what is to end a wait has to be known there: each worker thread tells its
//! transports for whom it works ([`watched`]). The chain is: tunnel through a proxy if there is one, socket, TLS for
//! `https`, and outermost [`HeadConnector`].

use super::limits::Holder;
use super::place::Place;
use super::spelling::Spelling;
use kit::Call;
use kit::cancellation::Cancellation;
use kit::protocol::{CallError, Code};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, time,
};
use ureq::{Error, Timeout};

/// How long a wait may last before the flag is looked at, where there is no bell to wait for.
const NAP: Duration = Duration::from_millis(100);
/// The least time that one of several addresses gets to answer.
const LEAST_FOR_ADDRESS: Duration = Duration::from_secs(2);
/// The largest head that is kept; the library's own limit on heads is below it.
const MAX_HEAD: usize = 256 << 10;

/// The library's buffers of a connection, in bytes: what came, and what is to go.
pub const INPUT: usize = 128 << 10;
/// See [`INPUT`].
pub const OUTPUT: usize = 128 << 10;
/// What an open connection takes, in bytes: those buffers, once more below TLS, and a message of TLS each way.
pub const CONNECTION_BYTES: usize = 2 * (INPUT + OUTPUT) + (64 << 10);

/// For whom a thread works, and who tells when that is over.
#[derive(Clone, Default)]
pub struct Watcher {
    holder: Holder,
    cancellation: Option<Arc<Cancellation>>,
}

impl Watcher {
    /// As a call says.
    pub fn of(call: &Call<'_>) -> Self {
        let holder = Holder { uid: call.caller.uid, privileged: call.caller.privileged };
        Self { holder, cancellation: call.cancellation().cloned() }
    }
}

/// What a thread's transports are told, and tell.
#[derive(Default)]
struct Watch {
    holder: Holder,
    cancellation: Option<Arc<Cancellation>>,
    inactivity: Option<Duration>,
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

/// Runs work whose waits end when its call is cancelled, or with an error after `inactivity`.
pub fn watched<T>(watcher: Watcher, inactivity: Option<Duration>, work: impl FnOnce() -> T) -> T {
    struct Unwatch;
    impl Drop for Unwatch {
        fn drop(&mut self) {
            WATCH.take();
        }
    }
    let Watcher { holder, cancellation } = watcher;
    WATCH.set(Watch { holder, cancellation, inactivity, ..Watch::default() });
    let _unwatch = Unwatch;
    work()
}

/// From here on, the next head that is sent has its names spelt so, and the next one that comes is kept for [`take_head`].
pub fn expect_head(spelling: Spelling) {
    WATCH.with_borrow_mut(|watch| (watch.head, watch.spelling) = (Some(Vec::new()), Some(spelling)));
}

/// Whether more came from the server, or comes within a moment. A guess that is right nearly always: no answer may depend
/// on it.
pub fn more_soon() -> bool {
    let moment = PollTimeout::from(1_u8);
    let Some(socket) = WATCH.with_borrow(|watch| watch.socket.upgrade()) else { return false };
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, moment).is_ok_and(|ready| ready > 0)
}

/// The head of the last answer, as it came; interim answers (1xx) are passed over.
pub fn take_head() -> Vec<u8> {
    WATCH.with_borrow_mut(|watch| watch.head.take()).unwrap_or_default()
}

fn current() -> Option<Arc<Cancellation>> {
    WATCH.with_borrow(|watch| watch.cancellation.clone())
}

/// How long the thread's call waits for a server that does nothing.
pub fn inactivity() -> Option<Duration> {
    WATCH.with_borrow(|watch| watch.inactivity)
}

/// Whom what the thread opens is counted for.
pub fn holder() -> Holder {
    WATCH.with_borrow(|watch| watch.holder)
}

/// What the broker refuses, on its way through the library.
#[derive(Debug)]
pub struct Refused(pub CallError);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Refused {}

/// The error for what there is no room for.
pub fn refused(why: &str) -> Error {
    Error::Io(io::Error::other(Refused(CallError::new(Code::Overloaded, why))))
}

/// The error of a wait that was cancelled.
pub fn cancelled() -> Error {
    Error::Io(io::Error::new(ErrorKind::ConnectionAborted, "nobody waits for this call any more"))
}

/// Whether the thread's call was cancelled.
pub fn is_cancelled() -> bool {
    WATCH.with_borrow(|watch| watch.cancellation.as_ref().is_some_and(|cancellation| cancellation.is_set()))
}

/// Waits until the socket is ready, the time is over, or the call is cancelled.
fn wait(socket: &impl AsFd, what: PollFlags, until: Option<Instant>, reason: Timeout) -> Result<(), Error> {
    let cancellation = current();
    let bell = cancellation.as_ref().and_then(|cancellation| cancellation.bell());
    loop {
        if cancellation.as_ref().is_some_and(|cancellation| cancellation.is_set()) {
            return Err(cancelled());
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Error::Timeout(reason));
        }
        let longest = if cancellation.is_some() && bell.is_none() { Some(NAP) } else { None };
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
            Err(error) => return Err(Error::Io(error.into())),
        }
        if fds[0].revents().is_some_and(|events| !events.is_empty()) {
            return Ok(());
        }
    }
}

fn deadline(timeout: NextTimeout) -> Option<Instant> {
    let after = match timeout.after {
        time::Duration::Exact(after) => Some(after),
        time::Duration::NotHappening => None,
    };
    let after = [after, inactivity()].into_iter().flatten().min()?;
    Instant::now().checked_add(after)
}

/// Reads that end with the call, also where they need not wait: what a small body is decoded to may be without end.
pub struct Cancellable<R>(pub R);

impl<R: Read> Read for Cancellable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if is_cancelled() {
            return Err(cancelled().into_io());
        }
        self.0.read(buffer)
    }
}

/// Opens sockets.
#[derive(Debug, Default)]
pub struct SocketConnector {
    /// How many of its sockets are open.
    pub open: Arc<AtomicUsize>,
}

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Either<In, SocketTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let place = Place::take(&self.open)?;
        let until = deadline(details.timeout);
        let mut last = Error::HostNotFound;
        for (index, address) in details.addrs.iter().enumerate() {
            let others = details.addrs.len() - index - 1;
            match connect_to(*address, until, others, details.timeout.reason) {
                Ok(stream) => {
                    let config = details.config;
                    let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
                    return Ok(Some(Either::B(SocketTransport { stream: Arc::new(stream), buffers, _place: place })));
                }
                Err(error) if is_cancelled() => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn connect_to(address: SocketAddr, until: Option<Instant>, others: usize, reason: Timeout) -> Result<TcpStream, Error> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {
            let mut until = until;
            if let (Some(end), true) = (until, others > 0) {
                // An address that does not answer must not take the time of those behind it.
                let now = Instant::now();
                let share = end.saturating_duration_since(now) / (others as u32 + 1);
                until = Some((now + share.max(LEAST_FOR_ADDRESS)).min(end));
            }
            wait(&socket, PollFlags::POLLOUT, until, reason)?;
            if let Some(error) = socket.take_error()? {
                return Err(Error::Io(error));
            }
        }
        Err(error) => return Err(Error::Io(error)),
    }
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// A socket that never blocks in itself.
#[derive(Debug)]
pub struct SocketTransport {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    _place: Place,
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut sent = 0;
        while sent < amount {
            let timeout = timeout.for_write();
            match (&*self.stream).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(Error::Io(ErrorKind::WriteZero.into())),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(&*self.stream, PollFlags::POLLOUT, deadline(timeout), timeout.reason)?;
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let until = deadline(timeout);
        loop {
            // A server that never stops sending gives no wait in which to notice.
            if is_cancelled() {
                return Err(cancelled());
            }
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    WATCH.with_borrow_mut(|watch| watch.socket = Arc::downgrade(&self.stream));
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(&*self.stream, PollFlags::POLLIN, until, timeout.reason)?;
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Between two exchanges a server has nothing to say: what comes is its end, or nonsense.
        matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// A proxy for plain `http`: it gets the whole URL in the request line (RFC 9112, 3.2.2).
#[derive(Clone, Debug)]
pub struct PlainProxy {
    /// The value of `Proxy-Authorization`, if the proxy wants one.
    pub authorization: Option<String>,
}

/// The outermost link: keeps the answer's head as it came, and speaks to a [`PlainProxy`].
#[derive(Debug, Default)]
pub struct HeadConnector {
    /// The proxy that the socket is connected to, if requests are for it.
    pub proxy: Option<PlainProxy>,
    /// Whether its connections lead through a tunnel: making that is no business of the request's.
    pub tunnel: bool,
}

impl<In: Transport> Connector<In> for HeadConnector {
    type Out = HeadTransport<In>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let rewrite = self.proxy.as_ref().map(|proxy| Rewrite {
            authority: details.uri.authority().map(ToString::to_string).unwrap_or_default(),
            authorization: proxy.authorization.clone(),
            begun: false,
        });
        let digs = self.tunnel && details.config.proxy().is_none();
        Ok(chained.map(|inner| HeadTransport { inner, rewrite, digs }))
    }
}

#[derive(Debug)]
struct Rewrite {
    authority: String,
    authorization: Option<String>,
    begun: bool,
}

/// See [`HeadConnector`].
#[derive(Debug)]
pub struct HeadTransport<In> {
    inner: In,
    rewrite: Option<Rewrite>,
    // Whether it is the connection to a proxy that a tunnel is dug on.
    digs: bool,
}

impl<In: Transport> HeadTransport<In> {
    fn send_to_proxy(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let Some(rewrite) = self.rewrite.as_mut() else { return Ok(()) };
        rewrite.begun = true;
        let head = self.inner.buffers().output()[..amount].to_vec();
        let (Some(path), Some(end)) = (head.iter().position(|byte| *byte == b' '), find(&head, b"\r\n")) else {
            return Err(Error::ConnectProxyFailed("the request line is too long for a proxy".to_owned()));
        };
        let mut whole = head[..=path].to_vec();
        whole.extend_from_slice(format!("http://{}", rewrite.authority).as_bytes());
        whole.extend_from_slice(&head[path + 1..end + 2]);
        if let Some(authorization) = &rewrite.authorization {
            whole.extend_from_slice(format!("proxy-authorization: {authorization}\r\n").as_bytes());
        }
        whole.extend_from_slice(&head[end + 2..]);
        for piece in whole.chunks(1024) {
            self.inner.buffers().output()[..piece.len()].copy_from_slice(piece);
            self.inner.transmit_output(piece.len(), timeout)?;
        }
        Ok(())
    }
}

impl<In: Transport> Transport for HeadTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.digs {
            return self.inner.transmit_output(amount, timeout);
        }
        if let Some(spelling) = WATCH.with_borrow_mut(|watch| watch.spelling.take()) {
            spelling.apply(&mut self.inner.buffers().output()[..amount]);
        }
        if self.rewrite.as_ref().is_some_and(|rewrite| !rewrite.begun) {
            return self.send_to_proxy(amount, timeout);
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let more = self.inner.await_input(timeout)?;
        if self.digs {
            return Ok(more);
        }
        let input = self.inner.buffers().input();
        WATCH.with_borrow_mut(|watch| {
            let Some(head) = watch.head.as_mut().filter(|head| !is_final(head)) else { return };
            // The library consumes a head only when it is whole, so the input begins with it until then.
            if input.starts_with(b"HTTP/") && input.len() <= MAX_HEAD {
                input.clone_into(head);
            }
        });
        Ok(more)
    }

    fn is_open(&mut self) -> bool {
        // The request line is rewritten once a connection: none is used twice.
        self.rewrite.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Whether these bytes hold the whole head of an answer that is not an interim one.
fn is_final(head: &[u8]) -> bool {
    final_head(head).is_some()
}

/// The head of the final answer within bytes that may begin with interim ones (RFC 9110, 15.2).
pub fn final_head(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let end = find(bytes, b"\r\n\r\n").map(|at| at + 4).or_else(|| find(bytes, b"\n\n").map(|at| at + 2))?;
        let interim = bytes.get(9..12).is_some_and(|status| status[0] == b'1' && status != b"101");
        if !interim {
            return Some(&bytes[..end]);
        }
        bytes = &bytes[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_answers_are_passed_over() {
        let last = b"HTTP/1.1 200 Fine\r\nA: b\r\n\r\n";
        assert_eq!(final_head(last), Some(&last[..]));
        let both = [b"HTTP/1.1 100 Continue\r\n\r\n", &last[..], b"body"].concat();
        assert_eq!(final_head(&both), Some(&last[..]));
        assert_eq!(final_head(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(final_head(b"HTTP/1.1 200 Fine\r\nA: b\r\n"), None);
    }

    #[test]
    fn a_wait_ends_with_the_call() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let cancellation = Arc::new(Cancellation::default());
        let other = Arc::clone(&cancellation);
        let canceller = std::thread::spawn(move || other.cancel());
        let outcome = watched(Watcher { cancellation: Some(cancellation), ..Watcher::default() }, None, || {
            wait(&ours, PollFlags::POLLIN, None, Timeout::Global)
        });
        canceller.join().unwrap();
        assert!(matches!(outcome, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionAborted));
        let soon = Some(Instant::now());
        assert!(matches!(wait(&ours, PollFlags::POLLIN, soon, Timeout::Global), Err(Error::Timeout(_))));
    }
}
