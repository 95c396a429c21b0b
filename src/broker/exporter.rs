//! Figures over HTTP, for Prometheus to fetch: on a loopback address or a socket of their own.
//!
//! Threads of their own read what clients send, so that nothing of it reaches the loop; the loop only makes the page. What is
//! served is no secret, and whoever asks gets one page and is let go.

use super::Broker;
use super::view::View;
use crate::config::MetricsListen;
use crate::modules::openmetrics::{Format, render};
use mio::Waker;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many are served at one time; others wait in the listen queue.
const THREADS: usize = 2;
/// How long a client may take to ask, and again to take its page.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request that is read.
const LONGEST_REQUEST: usize = 8 * 1024;

/// Somebody waits for a page.
struct Scrape {
    format: Format,
    answer: SyncSender<String>,
}

/// The loop's end of it.
pub struct Exporter {
    scrapes: Receiver<Scrape>,
    socket: Option<PathBuf>,
}

impl Exporter {
    /// Listens, and starts the threads.
    ///
    /// # Errors
    /// A place that can't be had, saying which; a thread that can't be started.
    pub fn new(place: &MetricsListen, waker: &Arc<Waker>) -> io::Result<Self> {
        let in_the_way = |error: io::Error| io::Error::new(error.kind(), format!("metrics_listen {place}: {error}"));
        let (asks, scrapes) = channel();
        let mut socket = None;
        match place {
            MetricsListen::Address(address) => {
                let listener = TcpListener::bind(address).map_err(in_the_way)?;
                start(waker, &asks, || listener.try_clone(), |listener| listener.accept().map(|(stream, _)| stream))?;
            }
            MetricsListen::Socket(path) => {
                let listener = listen(path).map_err(in_the_way)?;
                start(waker, &asks, || listener.try_clone(), |listener| listener.accept().map(|(stream, _)| stream))?;
                socket = Some(path.clone());
            }
        }
        Ok(Self { scrapes, socket })
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
    /// Makes the page for everybody who waits for one.
    pub(super) fn answer_scrapes(&mut self) {
        while let Some(Ok(scrape)) = self.exporter.as_ref().map(|exporter| exporter.scrapes.try_recv()) {
            let page = render(&mut View::of_nobody(self), scrape.format);
            // Who gave up is gone.
            let _ = scrape.answer.try_send(page);
        }
    }
}

/// A socket that everybody on the host may connect to. One that a broker left behind is replaced.
fn listen(path: &Path) -> io::Result<UnixListener> {
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

fn start<L: Send + 'static, S: Stream + 'static>(
    waker: &Arc<Waker>,
    asks: &Sender<Scrape>,
    listener: impl Fn() -> io::Result<L>,
    accept: fn(&L) -> io::Result<S>,
) -> io::Result<()> {
    for _ in 0..THREADS {
        let (listener, asks, waker) = (listener()?, asks.clone(), Arc::clone(waker));
        let serve = move || {
            loop {
                match accept(&listener) {
                    // A client that is gone or sends nonsense is nobody's trouble.
                    Ok(stream) => drop(answer(stream, &asks, &waker)),
                    // Out of descriptors, say: it passes, and is no reason to spin.
                    Err(_) => thread::sleep(PATIENCE / 20),
                }
            }
        };
        thread::Builder::new().name("exporter".to_owned()).spawn(serve)?;
    }
    Ok(())
}

/// A connection of either kind.
trait Stream: Read + Write {
    fn limit(&self, patience: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn limit(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience)).and_then(|()| self.set_write_timeout(Some(patience)))
    }
}

impl Stream for UnixStream {
    fn limit(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience)).and_then(|()| self.set_write_timeout(Some(patience)))
    }
}

fn answer(mut stream: impl Stream, asks: &Sender<Scrape>, waker: &Waker) -> io::Result<()> {
    let request = read_request(&mut stream)?;
    let (status, content_type, page) = match understand(&request) {
        Ok(format) => match page(format, asks, waker) {
            Some(page) => ("200 OK", content_type(format), page),
            None => ("503 Service Unavailable", "text/plain", "the broker is busy\n".to_owned()),
        },
        Err(status) => (status, "text/plain", format!("{status}; the figures are at /metrics\n")),
    };
    stream.limit(PATIENCE)?;
    let length = page.len();
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    let body = if request.starts_with(b"HEAD ") { "" } else { &page };
    stream.write_all((head + body).as_bytes())
}

fn page(format: Format, asks: &Sender<Scrape>, waker: &Waker) -> Option<String> {
    let (answer, page) = sync_channel(1);
    asks.send(Scrape { format, answer }).ok()?;
    waker.wake().ok()?;
    page.recv_timeout(PATIENCE).ok()
}

/// Reads the head of a request. Who takes too long over it is not waited for, however the bytes trickle in.
fn read_request(stream: &mut impl Stream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > LONGEST_REQUEST {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.limit(left)?;
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => request.extend_from_slice(&piece[..length]),
        }
    }
    Ok(request)
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
