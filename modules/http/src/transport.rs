//! Sockets whose waits end with the call, and a look at the answer's head as the server wrote it.
//!
//! What is to end a wait the transports know by [`watch`]. The chain is: tunnel through a proxy if there is one, socket, TLS for
//! `https`, and outermost [`HeadConnector`].

use super::framing;
use super::incoming::{Incoming, MOST};
use super::odd_heads::mended;
use super::place::Place;
use super::trailers;
use super::watch;
use kit::protocol::CallError;
use net::connect::connect;
use net::limits::{Full, Holder};
use net::wait::{Stop, Wait};
use nix::poll::PollFlags;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, time,
};
use ureq::{Error, Timeout};

/// The largest head that is kept; the library's own limit on heads is below it.
const MAX_HEAD: usize = 256 << 10;

/// The library's buffers of a connection, in bytes: what came, and what is to go.
pub const INPUT: usize = 128 << 10;
/// See [`INPUT`].
pub const OUTPUT: usize = 128 << 10;
/// What an open connection takes, in bytes: those buffers, once more below TLS, a message of TLS each way, and what it reads of a body in chunks.
pub const CONNECTION_BYTES: usize = 2 * (INPUT + OUTPUT) + (64 << 10) + MOST;

/// What the broker refuses, on its way through the library.
#[derive(Debug)]
pub struct Refused(pub CallError);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Refused {}

/// Why a wait ended, on its way through the library.
pub fn stopped(stop: Stop, reason: Timeout) -> Error {
    match stop {
        Stop::TimedOut => Error::Timeout(reason),
        Stop::NoSuchHost => Error::HostNotFound,
        Stop::Io(error) => Error::Io(error),
        Stop::Refused(error) => Error::Io(io::Error::other(Refused(error))),
        stop @ Stop::Cancelled => Error::Io(io::Error::new(ErrorKind::ConnectionAborted, stop)),
    }
}

/// When what the library allows so much time for has to end.
fn deadline(wait: &Wait, timeout: NextTimeout) -> Option<Instant> {
    wait.until(match timeout.after {
        time::Duration::Exact(after) => Some(after),
        time::Duration::NotHappening => None,
    })
}

/// Opens sockets.
#[derive(Debug)]
pub struct SocketConnector {
    /// How many of its sockets are open.
    pub open: Arc<AtomicUsize>,
    /// Gives up connections that are kept, where there is no room for one that is needed now.
    pub make_room: fn(Full, Holder),
}

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Either<In, SocketTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let wait = watch::wait();
        let reason = details.timeout.reason;
        let place = Place::take(&self.open, wait.holder, self.make_room).map_err(|stop| stopped(stop, reason))?;
        let until = deadline(&wait, details.timeout);
        // Whatever limit it was that ended this wait.
        let stream = connect(&wait, &details.addrs, until).map_err(|stop| stopped(stop, Timeout::Connect))?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(SocketTransport { stream: Arc::new(stream), buffers, _place: place })))
    }
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
        let wait = watch::wait();
        let mut sent = 0;
        while sent < amount {
            let timeout = timeout.for_write();
            match (&*self.stream).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(Error::Io(ErrorKind::WriteZero.into())),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait.ready(&*self.stream, PollFlags::POLLOUT, deadline(&wait, timeout))
                        .map_err(|stop| stopped(stop, timeout.reason))?;
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let wait = watch::wait();
        let until = deadline(&wait, timeout);
        loop {
            // A server that never stops sending gives no wait in which to notice.
            if wait.is_cancelled() {
                return Err(stopped(Stop::Cancelled, timeout.reason));
            }
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    watch::came_from(&self.stream);
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait.ready(&*self.stream, PollFlags::POLLIN, until)
                        .map_err(|stop| stopped(stop, timeout.reason))?;
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
        });
        let digs = self.tunnel && details.config.proxy().is_none();
        Ok(chained.map(|inner| HeadTransport { inner, rewrite, digs, incoming: Incoming::default(), answers: 0 }))
    }
}

#[derive(Debug)]
struct Rewrite {
    authority: String,
    authorization: Option<String>,
}

/// See [`HeadConnector`].
#[derive(Debug)]
pub struct HeadTransport<In> {
    inner: In,
    rewrite: Option<Rewrite>,
    // Whether it is the connection to a proxy that a tunnel is dug on.
    digs: bool,
    // What the library reads in place of what came.
    incoming: Incoming,
    // How many have come.
    answers: u64,
}

impl<In: Transport> HeadTransport<In> {
    fn send_head(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let Some(rewrite) = &self.rewrite else { return self.inner.transmit_output(amount, timeout) };
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
        self.send(&whole, timeout)
    }

    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        for piece in bytes.chunks(1024) {
            self.inner.buffers().output()[..piece.len()].copy_from_slice(piece);
            self.inner.transmit_output(piece.len(), timeout)?;
        }
        Ok(())
    }

    /// Keeps the head of the answer when it is there, and sees to it that the library can read that and the body behind it.
    fn see_heads(&mut self) {
        let input = self.inner.buffers().input();
        let mut rest = input;
        let mut whole = Vec::new();
        let mut is_odd = false;
        while let Some(end) = end_of_head(rest) {
            let (head, behind) = rest.split_at(end);
            rest = behind;
            if is_interim(head) {
                // Its fields, which nobody sees, the library refuses.
                let status = head.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                is_odd |= status.len() + 2 < head.len();
                whole.extend_from_slice(status);
                whole.extend_from_slice(b"\r\n");
                continue;
            }
            let mended = mended(head);
            is_odd |= mended.is_some();
            let head = mended.as_deref().unwrap_or(head);
            self.answers += 1;
            let trailers = watch::see_head(head, self.answers);
            let framing = trailers.and_then(|place| framing::of(head).map(|framing| (framing, place)));
            let consumed = input.len() - rest.len();
            match framing {
                Some((framing, place)) => {
                    whole.extend_from_slice(&framing.head);
                    self.pass(consumed, whole, framing.chunked.then_some(place));
                }
                None if is_odd => {
                    whole.extend_from_slice(head);
                    self.pass(consumed, whole, None);
                }
                None => {}
            }
            return;
        }
        // An interim one may be all that comes for now.
        if is_odd {
            let consumed = input.len() - rest.len();
            self.pass(consumed, whole, None);
        }
    }

    /// Gives the library these heads, in place of so many bytes that came.
    fn pass(&mut self, consumed: usize, heads: Vec<u8>, body: Option<trailers::Place>) {
        self.inner.buffers().input_consume(consumed);
        self.incoming.begin(heads, body);
    }

    /// Waits for more of a body in chunks.
    fn await_chunks(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        loop {
            let buffers = self.inner.buffers();
            let wrong = |wrong| Error::Io(io::Error::new(ErrorKind::InvalidData, wrong));
            let (count, has_more) = self.incoming.read(buffers.input()).map_err(wrong)?;
            buffers.input_consume(count);
            if has_more {
                return Ok(true);
            }
            if !self.inner.await_input(timeout)? {
                return Ok(self.incoming.end_of_connection());
            }
        }
    }
}

impl<In: Transport> Transport for HeadTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        if self.incoming.input_of_ours().is_some() { &mut self.incoming } else { self.inner.buffers() }
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.digs {
            return self.inner.transmit_output(amount, timeout);
        }
        // A server that answers before it has the request.
        if self.incoming.input_of_ours().is_some() {
            let whole = self.incoming.output()[..amount].to_vec();
            return self.send(&whole, timeout);
        }
        // It is there for the first bytes of a request, and these begin with the request line.
        let Some(spelling) = watch::take_spelling() else { return self.inner.transmit_output(amount, timeout) };
        watch::sends_on(self.answers);
        spelling.apply(&mut self.inner.buffers().output()[..amount]);
        self.send_head(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.incoming.is_reading() {
            return self.await_chunks(timeout);
        }
        let came = self.inner.await_input(timeout)?;
        if self.digs || !watch::is_head_expected() {
            return Ok(came);
        }
        // The library reads what there is of a head, and refuses an odd line before the rest has come.
        let mut more = came;
        while more && begins_with_head(self.inner.buffers().input()) && ends_within_head(self.inner.buffers().input()) {
            more = self.inner.await_input(timeout)?;
        }
        // It consumes a head only when that is whole, so the input begins with it until then.
        if begins_with_head(self.inner.buffers().input()) {
            self.see_heads();
        }
        // Where it ended after something came, that is told next time.
        Ok(came)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn begins_with_head(input: &[u8]) -> bool {
    input.starts_with(b"HTTP/") && input.len() <= MAX_HEAD
}

/// Whether the last head in these bytes is not there as a whole. An interim one may be all that comes: who asked for it waits with
/// the body (RFC 9110, 10.1.1).
fn ends_within_head(bytes: &[u8]) -> bool {
    let rest = behind_interim(bytes);
    !rest.is_empty() && end_of_head(rest).is_none()
}

/// What stands behind the interim heads (RFC 9110, 15.2) that are there as a whole.
fn behind_interim(mut bytes: &[u8]) -> &[u8] {
    while let Some(end) = end_of_head(bytes).filter(|end| is_interim(&bytes[..*end])) {
        bytes = &bytes[end..];
    }
    bytes
}

/// Where the first head ends, its empty line included.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let line = from + bytes[from..].iter().position(|byte| *byte == b'\n')? + 1;
        match bytes[line..] {
            [b'\n', ..] => return Some(line + 1),
            [b'\r', b'\n', ..] => return Some(line + 2),
            _ => from = line,
        }
    }
}

fn is_interim(head: &[u8]) -> bool {
    head.get(9..12).is_some_and(|status| status[0] == b'1' && status != b"101")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn final_head(bytes: &[u8]) -> Option<&[u8]> {
        let rest = behind_interim(bytes);
        end_of_head(rest).map(|end| &rest[..end])
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let last = b"HTTP/1.1 200 Fine\r\nA: b\r\n\r\n";
        assert_eq!(final_head(last), Some(&last[..]));
        let both = [b"HTTP/1.1 100 Continue\r\n\r\n", &last[..], b"body"].concat();
        assert_eq!(final_head(&both), Some(&last[..]));
        assert_eq!(final_head(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(final_head(b"HTTP/1.1 200 Fine\r\nA: b\r\n"), None);
        let bare = b"HTTP/1.1 200 Fine\nA: b\n\nbody\r\n\r\n";
        assert_eq!(final_head(bare), Some(&bare[..24]), "the first empty line ends it");
    }
}
