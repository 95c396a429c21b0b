//! A web server of a test's own, which does exactly what the test says: also what no real server would.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came by, counted from 0.
    pub connection: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What a handler writes to.
pub trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// Answers a request; false closes the connection.
pub type Handler = dyn Fn(&Request, &mut dyn Connection) -> bool + Send + Sync;

/// Makes a TLS connection of a plain one.
pub type Wrap = dyn Fn(TcpStream) -> io::Result<Box<dyn Connection>> + Send + Sync;

/// The server; it ends with the test.
pub struct Web {
    address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
    open: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Web {
    /// A server of plain HTTP.
    pub fn start(handler: impl Fn(&Request, &mut dyn Connection) -> bool + Send + Sync + 'static) -> Self {
        Self::wrapped("http", Arc::new(|stream| Ok(Box::new(stream) as Box<dyn Connection>)), Arc::new(handler))
    }

    /// A server whose connections are wrapped.
    pub fn wrapped(scheme: &'static str, wrap: Arc<Wrap>, handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Self {
            address: listener.local_addr().unwrap(),
            scheme,
            requests: Arc::default(),
            open: Arc::default(),
            stop: Arc::default(),
        };
        let (requests, open, stop) = (Arc::clone(&web.requests), Arc::clone(&web.open), Arc::clone(&web.stop));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (requests, open) = (Arc::clone(&requests), Arc::clone(&open));
                let (wrap, handler) = (Arc::clone(&wrap), Arc::clone(&handler));
                open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let plain = stream.try_clone();
                    if let Ok(mut stream) = wrap(stream) {
                        while let Some(request) = read_request(stream.as_mut(), connection) {
                            requests.lock().unwrap().push(request.clone());
                            if !handler(&request, stream.as_mut()) {
                                break;
                            }
                        }
                    }
                    if let Ok(plain) = plain {
                        let _ = plain.shutdown(Shutdown::Both);
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        web
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn read_request(stream: &mut dyn Connection, connection: usize) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, target, headers, body: Vec::new(), connection };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Writes an answer with its length.
pub fn answer(stream: &mut dyn Connection, status: &str, headers: &[(&str, &str)], body: &[u8]) -> bool {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).and_then(|()| stream.flush()).is_ok()
}

/// Writes bytes as they are.
pub fn raw(stream: &mut dyn Connection, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()).is_ok()
}

/// Writes bytes as they are, and closes.
pub fn last(stream: &mut dyn Connection, bytes: impl AsRef<[u8]>) -> bool {
    raw(stream, bytes);
    false
}
