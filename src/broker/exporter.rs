//! Figures over HTTP, for Prometheus to fetch: on a loopback address or a socket of their own.
//!
//! One thread of its own reads what clients send, so that nothing of it reaches the loop; the loop only makes the page. What is
//! served is no secret, and whoever asks gets one page and is let go. The thread waits for all of its clients at once: those that say
//! nothing cost a place for two seconds at most, and give it up earlier if another client needs it.

use super::Broker;
use super::openmetrics::{Format, render};
use super::view::View;
use crate::config::MetricsListen;
use mio::event::Source;
use mio::net::{TcpListener, UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many clients are served at one time; others wait in the listen queue.
const MOST: usize = 64;
/// How long a client may take to ask, the loop to make its page, and the client again to take it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait when nobody can be accepted: out of descriptors, say. It passes, and is no reason to spin.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest request that is read.
const LONGEST_REQUEST: usize = 8 * 1024;

const LISTENER: Token = Token(usize::MAX - 1);
const PAGES: Token = Token(usize::MAX - 2);

/// Somebody waits for a page.
struct Scrape {
    client: usize,
    format: Format,
}

/// A page for a client.
struct Page {
    client: usize,
    text: Arc<str>,
}

/// The loop's end of it.
pub struct Exporter {
    scrapes: Receiver<Scrape>,
    pages: Sender<Page>,
    waker: Waker,
    socket: Option<PathBuf>,
}

impl Exporter {
    /// Listens, and starts the thread.
    ///
    /// # Errors
    /// A place that can't be had, saying which; a thread that can't be started.
    pub fn new(place: &MetricsListen, loop_waker: &Arc<Waker>) -> io::Result<Self> {
        let in_the_way = |error: io::Error| io::Error::new(error.kind(), format!("metrics_listen {place}: {error}"));
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), PAGES)?;
        let mut listener = Listener::new(place).map_err(in_the_way)?;
        poll.registry().register(listener.source(), LISTENER, Interest::READABLE)?;
        let (asks, scrapes) = channel();
        let (pages, inbox) = channel();
        let desk = Desk {
            listener,
            registry: poll.registry().try_clone()?,
            asks,
            loop_waker: Arc::clone(loop_waker),
            inbox,
            clients: BTreeMap::new(),
            last: 0,
            waiting: true,
            pause: None,
        };
        thread::Builder::new().name("exporter".to_owned()).spawn(move || desk.serve(poll))?;
        let socket = match place {
            MetricsListen::Socket(path) => Some(path.clone()),
            MetricsListen::Address(_) => None,
        };
        Ok(Self { scrapes, pages, waker, socket })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some(path) = &self.socket {
            let _ = fs::remove_file(path);
        }
    }
}

impl Broker {
    /// Makes the page for everybody who waits for one: once for all that wait now, for a page costs more than a call.
    pub(super) fn answer_scrapes(&mut self) {
        let mut made: [Option<Arc<str>>; 2] = [None, None];
        let mut answered = false;
        while let Some(Ok(Scrape { client, format })) =
            self.exporter.as_ref().map(|exporter| exporter.scrapes.try_recv())
        {
            let slot = usize::from(format == Format::OpenMetrics);
            let text = match &made[slot] {
                Some(text) => Arc::clone(text),
                None => {
                    let text: Arc<str> = render(&mut View::of_nobody(self), format).into();
                    made[slot] = Some(Arc::clone(&text));
                    text
                }
            };
            if let Some(exporter) = &self.exporter {
                // It fails only when the thread is gone, and then nobody waits.
                answered |= exporter.pages.send(Page { client, text }).is_ok();
            }
        }
        if let Some(exporter) = self.exporter.as_ref().filter(|_| answered) {
            let _ = exporter.waker.wake();
        }
    }
}

/// A listening socket of either kind.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
trait Stream: Read + Write + Source + Send {}
impl<T: Read + Write + Source + Send> Stream for T {}

impl Listener {
    fn new(place: &MetricsListen) -> io::Result<Self> {
        Ok(match place {
            MetricsListen::Address(address) => Self::Tcp(TcpListener::bind(*address)?),
            MetricsListen::Socket(path) => Self::Unix(listen(path)?),
        })
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept()?.0),
            Self::Unix(listener) => Box::new(listener.accept()?.0),
        })
    }
}

/// A socket that everybody on the host may connect to. One that a broker left behind is replaced.
fn listen(path: &Path) -> io::Result<UnixListener> {
    // mio's connect does not wait: a listener whose queue is full would keep us waiting.
    let is_stale = || {
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
            && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale() => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        result => result?,
    };
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// A client, from its connection to the last byte of its page.
struct Client {
    stream: Box<dyn Stream>,
    // When it is not waited for any more.
    until: Instant,
    stage: Stage,
}

enum Stage {
    /// It has said so much of what it wants.
    Asking(Vec<u8>),
    /// The loop makes its page.
    Waiting { format: Format, head_only: bool },
    /// What is left of its page.
    Taking(Vec<u8>, usize),
}

/// What a client is to have next.
enum Next {
    /// It is waited for.
    Wait,
    /// It wants a page.
    Page(Format),
    /// It has all, or is gone.
    End,
}

impl Client {
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.until = Instant::now() + PATIENCE;
    }

    /// Reads and writes what can be.
    fn go_on(&mut self) -> Next {
        loop {
            let moved = match &mut self.stage {
                Stage::Asking(request) => match read_some(&mut self.stream, request) {
                    Ok(true) => {
                        let head_only = request.starts_with(b"HEAD ");
                        match understand(request) {
                            Ok(format) => {
                                self.enter(Stage::Waiting { format, head_only });
                                return Next::Page(format);
                            }
                            Err(status) => self.refuse(status, head_only),
                        }
                        continue;
                    }
                    Ok(false) => Ok(()),
                    Err(error) => Err(error),
                },
                Stage::Waiting { .. } => return Next::Wait,
                Stage::Taking(answer, done) => match self.stream.write(&answer[*done..]) {
                    Ok(0) => return Next::End,
                    Ok(count) => {
                        *done += count;
                        if *done == answer.len() {
                            return Next::End;
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            match moved {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Wait,
                // A client that is gone or sends nonsense is nobody's trouble.
                Err(_) => return Next::End,
            }
        }
    }

    fn refuse(&mut self, status: &str, head_only: bool) {
        self.give(status, "text/plain", &format!("{status}; the figures are at /metrics\n"), head_only);
    }

    fn give(&mut self, status: &str, content_type: &str, page: &str, head_only: bool) {
        let length = page.len();
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
        );
        let body = if head_only { "" } else { page };
        self.enter(Stage::Taking((head + body).into_bytes(), 0));
    }
}

/// Reads more of the head of a request. True when it is there as a whole.
fn read_some(stream: &mut impl Read, request: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 1024];
    match stream.read(&mut piece)? {
        0 => return Err(ErrorKind::UnexpectedEof.into()),
        length => request.extend_from_slice(&piece[..length]),
    }
    if request.windows(4).any(|end| end == b"\r\n\r\n") {
        return Ok(true);
    }
    if request.len() > LONGEST_REQUEST { Err(ErrorKind::InvalidData.into()) } else { Ok(false) }
}

/// The thread's own: its clients, by numbers that never come twice.
struct Desk {
    listener: Listener,
    registry: Registry,
    asks: Sender<Scrape>,
    loop_waker: Arc<Waker>,
    inbox: Receiver<Page>,
    clients: BTreeMap<usize, Client>,
    last: usize,
    // Whether somebody may wait to be accepted, and until when nobody is.
    waiting: bool,
    pause: Option<Instant>,
}

impl Desk {
    fn serve(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(2 * MOST);
        loop {
            if let Err(error) = poll.poll(&mut events, self.patience())
                && error.kind() != ErrorKind::Interrupted
            {
                thread::sleep(PAUSE);
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.waiting = true,
                    PAGES => {}
                    Token(client) => self.go_on(client),
                }
            }
            self.hand_out();
            self.dismiss();
            self.accept();
        }
    }

    /// How long to wait for events: until the first client is not waited for any more.
    fn patience(&self) -> Option<Duration> {
        let first = self.clients.values().map(|client| client.until).chain(self.pause).min()?;
        // A millisecond more, because epoll counts in whole ones.
        Some(first.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn go_on(&mut self, number: usize) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        match client.go_on() {
            Next::Wait => {}
            Next::Page(format) => {
                if self.asks.send(Scrape { client: number, format }).is_err() || self.loop_waker.wake().is_err() {
                    self.end(number);
                }
            }
            Next::End => self.end(number),
        }
    }

    fn end(&mut self, number: usize) {
        if let Some(mut client) = self.clients.remove(&number) {
            // It goes with the descriptor as well; this is the orderly way.
            let _ = self.registry.deregister(&mut *client.stream);
        }
    }

    fn hand_out(&mut self) {
        while let Ok(Page { client: number, text }) = self.inbox.try_recv() {
            let Some(client) = self.clients.get_mut(&number) else { continue };
            if let Stage::Waiting { format, head_only } = client.stage {
                client.give("200 OK", content_type(format), &text, head_only);
                self.go_on(number);
            }
        }
    }

    /// Lets those go that take too long, however the bytes trickle in.
    fn dismiss(&mut self) {
        let now = Instant::now();
        let late: Vec<usize> =
            self.clients.iter().filter(|(_, client)| client.until <= now).map(|(number, _)| *number).collect();
        for number in late {
            match self.clients.get_mut(&number) {
                Some(client) if matches!(client.stage, Stage::Waiting { .. }) => {
                    client.give("503 Service Unavailable", "text/plain", "the broker is busy\n", false);
                    self.go_on(number);
                }
                _ => self.end(number),
            }
        }
        self.pause = self.pause.filter(|until| *until > now);
    }

    fn accept(&mut self) {
        while self.waiting && self.pause.is_none() && self.make_room() {
            match self.listener.accept() {
                Ok(stream) => self.welcome(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.waiting = false,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => self.pause = Some(Instant::now() + PAUSE),
            }
        }
    }

    /// A place for one more client; if need be that of the one that has said nothing for longest.
    fn make_room(&mut self) -> bool {
        if self.clients.len() < MOST {
            return true;
        }
        let silent = self.clients.iter().find(|(_, client)| matches!(client.stage, Stage::Asking(_)));
        let Some(number) = silent.map(|(number, _)| *number) else { return false };
        self.end(number);
        true
    }

    fn welcome(&mut self, mut stream: Box<dyn Stream>) {
        self.last += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.registry.register(&mut *stream, Token(self.last), interest).is_err() {
            return;
        }
        let client = Client { stream, until: Instant::now() + PATIENCE, stage: Stage::Asking(Vec::new()) };
        self.clients.insert(self.last, client);
        // What it wants may be there already: then it is asked for before anybody can take its place.
        self.go_on(self.last);
    }
}

/// The format that a request asks for, or the status of the refusal (RFC 9110).
fn understand(request: &[u8]) -> Result<Format, &'static str> {
    let text = String::from_utf8_lossy(request);
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !version.starts_with("HTTP/1.") || words.next().is_some() {
        return Err("400 Bad Request");
    }
    if !matches!(method, Some("GET" | "HEAD")) {
        return Err("405 Method Not Allowed");
    }
    if !matches!(target.split('?').next(), Some("/metrics" | "/")) {
        return Err("404 Not Found");
    }
    let accepts = lines.filter_map(|line| line.split_once(':')).filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
    let wants_open = accepts.into_iter().any(|(_, value)| value.contains("application/openmetrics-text"));
    Ok(if wants_open { Format::OpenMetrics } else { Format::Prometheus })
}

const fn content_type(format: Format) -> &'static str {
    match format {
        Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_or_refused() {
        let asked = |request: &str| understand(request.as_bytes());
        assert_eq!(asked("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(Format::Prometheus));
        assert_eq!(asked("HEAD /?x=1 HTTP/1.0\r\n\r\n"), Ok(Format::Prometheus));
        let prometheus =
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1";
        assert_eq!(asked(&format!("GET /metrics HTTP/1.1\r\nACCEPT: {prometheus}\r\n\r\n")), Ok(Format::OpenMetrics));
        assert_eq!(asked("POST /metrics HTTP/1.1\r\n\r\n"), Err("405 Method Not Allowed"));
        assert_eq!(asked("GET /etc/passwd HTTP/1.1\r\n\r\n"), Err("404 Not Found"));
        for nonsense in
            ["", "\r\n\r\n", "GET /metrics\r\n\r\n", "GET / metrics HTTP/1.1\r\n\r\n", "\u{0}\u{1}\u{2} HTTP\r\n\r\n"]
        {
            assert_eq!(asked(nonsense), Err("400 Bad Request"), "{nonsense:?}");
        }
    }

    #[test]
    fn a_socket_that_is_in_use_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.sock");
        let first = listen(&path).unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(listen(&path).is_ok(), "one that was left behind is not");
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(listen(&file).is_err() && fs::read_to_string(&file).unwrap() == "precious");
    }
}
