//! One request and its answer, redirects followed by the rules (RFC 9110, 15.4).

use super::agent::basic;
use super::content::{Stream, unpacked};
use super::framing;
use super::head::Head;
use super::session::Session;
use super::spelling::Spelling;
use super::trailers::Place;
use super::transport;
use super::watch::{self, Connection};
use super::zone;
use cookie_store::RawCookie;
use kit::files::in_words;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use net::tls::words;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::PoisonError;
use ureq::http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use ureq::{Agent, Body, Error, SendBody, Timeout};
use url::Url;

/// What is left of an answer's body that nobody reads is read up to here, so that the connection can be used again.
const DRAIN: u64 = 64 << 10;

/// What is sent as a body.
pub enum Payload<'a> {
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// These bytes, one piece after the other.
    Pieces(&'a [Vec<u8>], u64),
    /// A file of that many bytes; read from its beginning for each request that needs it.
    File(File, u64),
}

impl Payload<'_> {
    /// How many bytes that is.
    pub fn len(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pieces(_, length) | Self::File(_, length) => *length,
        }
    }
}

/// A request.
pub struct Order<'a> {
    /// Its method, in the case given.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Its headers besides those that follow from the rest.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The names of those as they were written.
    pub names: Vec<String>,
    /// Names of headers, in lower case, that do not go to another server, besides those that never do.
    pub private: Vec<String>,
    /// Its body.
    pub payload: Payload<'a>,
    /// How many redirects are followed.
    pub max_redirect: u32,
}

/// Where a request goes: the URL, and how it was written.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL, for everything but the request line.
    pub url: Url,
    uri: Uri,
    credentials: Option<(Vec<u8>, Vec<u8>)>,
    // The link that its address is on.
    zone: Option<u32>,
}

impl Target {
    /// Reads a URL. What goes over the wire is what was written, as far as that is valid: paths are not tidied up.
    ///
    /// # Errors
    /// `invalid_params` for what is no `http` or `https` URL.
    pub fn parse(text: &str) -> Result<Self, CallError> {
        let wrong = |why: String| CallError::invalid("url", format!("parameter `url`: {} {why}", quote(&shown(text))));
        if text.chars().any(|c| c.is_ascii_control()) {
            return Err(wrong("holds a line end or another control character".to_owned()));
        }
        let (text, zone) = zone::taken_out(text.trim()).map_err(wrong)?;
        let text = text.as_ref();
        let mut url = Url::parse(text).map_err(|error| wrong(format!("is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("is no http:// or https:// URL".to_owned()));
        }
        url.set_fragment(None);
        let credentials = (!url.username().is_empty()).then(|| {
            let decoded = net::proxy::percent_decode_bytes;
            (decoded(url.username()), decoded(url.password().unwrap_or_default()))
        });
        // Both can fail only for URLs without a host, which these have.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let path = as_written(text);
        let written = path.filter(|_| credentials.is_none()).and_then(|path| {
            let origin = url.origin().ascii_serialization();
            format!("{origin}{path}").parse::<Uri>().ok()
        });
        let uri = match written {
            Some(uri) => uri,
            None => url.as_str().parse().map_err(|_| wrong("is no URL".to_owned()))?,
        };
        Ok(Self { url, uri, credentials, zone })
    }
}

/// A URL for an error: without what may be a password.
fn shown(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://...{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
    }
}

/// Path and query as the script wrote them, if they are plain ASCII without spaces.
fn as_written(text: &str) -> Option<&str> {
    let rest = text.split_once("://")?.1;
    let path = &rest[rest.find(['/', '?', '#'])?..];
    let path = path.split('#').next()?;
    (path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some(path)
}

/// An answer, its body still to be read.
pub struct Reply {
    /// Status line and headers, as the server wrote them.
    pub head: Head,
    /// Where it came from.
    pub url: Url,
    /// Where the requests before it went.
    pub redirects: Vec<Url>,
    /// Whether there was another redirect, but not the permission to follow it.
    pub one_too_many: bool,
    /// The length of the body, if the server told it.
    pub length: Option<u64>,
    /// The body.
    pub body: Stream,
    /// What comes behind the body, once that is read.
    pub trailers: Place,
    /// What it came by.
    pub connection: Connection,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The call is at fault, or nobody waits for it any more.
    Call(CallError),
    /// The network or the server is.
    Network(String),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Sends a request and follows redirects. Has to be called within [`watch::watched`].
///
/// # Errors
/// See [`Trouble`].
pub fn run(session: &Session, mut order: Order<'_>, watch: &mut dyn FnMut(u64)) -> Result<Reply, Trouble> {
    let origin = order.target.url.origin();
    let mut redirects = Vec::new();
    loop {
        let Came { head, response, trailers, connection } =
            send(session, &order, order.target.url.origin() == origin, watch)?;
        session.keep_cookies(&order.target.url, &head);
        let next = redirection(&order, &response);
        let one_too_many = next.is_some() && redirects.len() >= order.max_redirect as usize;
        match next {
            Some(next) if !one_too_many => {
                drain(response.into_body());
                redirects.push(turn(session, &mut order, head.status, next));
            }
            _ => {
                let packing = framing::packing(head.all("transfer-encoding")).filter(|_| order.method != Method::HEAD);
                let length = response.body().content_length().filter(|_| packing.is_none());
                let body: Stream = Box::new(response.into_body().into_reader());
                return Ok(Reply {
                    head,
                    url: order.target.url,
                    redirects,
                    one_too_many,
                    length,
                    body: unpacked(packing, body),
                    trailers,
                    connection,
                });
            }
        }
    }
}

/// Where an answer sends the request on to.
fn redirection(order: &Order<'_>, response: &Response<Body>) -> Option<Target> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?;
    let location = String::from_utf8_lossy(location.as_bytes());
    let next = order.target.url.join(location.trim()).ok()?;
    // A server can't make us read files or speak other protocols.
    let next = matches!(next.scheme(), "http" | "https").then(|| Target::parse(next.as_str()).ok()).flatten()?;
    // The same address is on the same link: a server can't say which.
    let zone = order.target.zone.filter(|_| next.url.host() == order.target.url.host());
    Some(Target { zone, ..next })
}

/// Makes the request the next one. Returns where it went before.
fn turn(session: &Session, order: &mut Order<'_>, status: u16, next: Target) -> Url {
    let to_get = match status {
        // What everybody does, and RFC 9110 permits: a POST becomes a GET.
        301 | 302 => order.method == Method::POST,
        303 => order.method != Method::HEAD,
        _ => false,
    };
    if to_get {
        order.method = Method::GET;
        order.payload = Payload::Nothing;
        order.headers.retain(|(name, _)| !name.as_str().starts_with("content-"));
    }
    let elsewhere = next.url.origin() != order.target.url.origin();
    let private = std::mem::take(&mut order.private);
    order.headers.retain(|(name, _)| !(elsewhere && is_private(name, session, &private)) && *name != header::HOST);
    order.private = private;
    std::mem::replace(&mut order.target, next).url
}

/// Whether a header is for the server alone that it was meant for: what identifies the caller, and what it named.
fn is_private(name: &HeaderName, session: &Session, own: &[String]) -> bool {
    const ALWAYS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];
    ALWAYS.contains(name) || session.private.iter().chain(own).any(|private| private == name.as_str())
}

fn drain(body: Body) {
    if body.content_length().is_none_or(|length| length <= DRAIN) {
        let _ = io::copy(&mut body.into_reader().take(DRAIN), &mut io::sink());
    }
}

/// What came for one request: the head, and a body that is still to be read.
struct Came {
    head: Head,
    response: Response<Body>,
    trailers: Place,
    connection: Connection,
}

/// Sends a request, and once more where the server had closed a connection that was kept before anything of the answer came, by a method
/// that may come twice (RFC 9110, 9.2.2): a server closes what is idle when it likes, and does not ask whether a request is on its way.
fn send(session: &Session, order: &Order<'_>, at_home: bool, watch: &mut dyn FnMut(u64)) -> Result<Came, Trouble> {
    let mut sent = attempt(session, order, at_home, watch)?;
    if let Attempt::Failed { error, was_kept: true } = &sent
        && has_gone(error)
        && order.method.is_idempotent()
    {
        sent = attempt(session, order, at_home, watch)?;
    }
    match sent {
        Attempt::Came(came) => Ok(*came),
        Attempt::Failed { error, .. } => Err(trouble(&error, &order.target.url)),
    }
}

/// What came of sending a request once.
enum Attempt {
    Came(Box<Came>),
    /// Nothing of an answer did; the connection had served others before, or not.
    Failed {
        error: Error,
        was_kept: bool,
    },
}

/// Whether the other end has closed the connection.
fn has_gone(error: &Error) -> bool {
    let kinds = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    matches!(error, Error::Io(why) if kinds.contains(&why.kind()))
}

fn attempt(
    session: &Session,
    order: &Order<'_>,
    at_home: bool,
    watch: &mut dyn FnMut(u64),
) -> Result<Attempt, Trouble> {
    let mut request = Request::builder().method(&order.method).uri(&order.target.uri);
    let given = |name: &HeaderName| order.headers.iter().any(|(other, _)| other == name);
    for (name, value) in &order.headers {
        request = request.header(name, value);
    }
    for (name, value) in &session.headers {
        if !given(name) && (at_home || !is_private(name, session, &order.private)) {
            request = request.header(name, value);
        }
    }
    if !given(&header::AUTHORIZATION) {
        let own = order.target.credentials.as_ref();
        if let Some(credentials) = own.or(session.credentials.as_ref().filter(|_| at_home)) {
            request = request.header(header::AUTHORIZATION, basic(credentials));
        }
    }
    if let Some(cookies) = session.cookies_for(&order.target.url) {
        request = request.header(header::COOKIE, cookies);
    }
    let body: Option<Box<dyn Read + '_>> = match &order.payload {
        // A request that usually has a body says that it has none.
        Payload::Nothing if matches!(order.method.as_str(), "POST" | "PUT" | "PATCH") => Some(Box::new(io::empty())),
        Payload::Nothing => None,
        Payload::Bytes(bytes) => Some(Box::new(*bytes)),
        Payload::Pieces(pieces, _) => Some(Box::new(Pieces { pieces, done: 0 })),
        Payload::File(file, length) => Some(Box::new(from_the_beginning(file)?.take(*length))),
    };
    if body.is_some() {
        request = request.header(header::CONTENT_LENGTH, order.payload.len());
    }
    let agent = session.ways.agent(&order.target.url, order.target.zone)?;
    let wrong = |error| Trouble::Call(CallError::invalid("url", format!("the request can't be sent: {error}")));
    let names = order.names.iter().chain(&session.names);
    let trailers = watch::expect_head(Spelling::of(names.map(String::as_str)), order.method == Method::HEAD);
    let outcome = match body {
        None => exchange(&agent, request.body(SendBody::none()).map_err(wrong)?),
        Some(inner) => {
            let mut watched = Watched { inner, done: 0, watch };
            exchange(&agent, request.body(SendBody::from_reader(&mut watched)).map_err(wrong)?)
        }
    };
    let (head, connection) = watch::take_head();
    Ok(match outcome {
        Ok(response) => {
            Attempt::Came(Box::new(Came { head: Head::read(&head, &response), response, trailers, connection }))
        }
        Err(error) => Attempt::Failed { error, was_kept: head.is_empty() && connection.answers > 0 },
    })
}

fn exchange(agent: &Agent, mut request: Request<SendBody<'_>>) -> Result<Response<Body>, Error> {
    // An empty name is none: the library's own is not sent either.
    if request.headers().get(header::USER_AGENT).is_some_and(HeaderValue::is_empty) {
        request.headers_mut().remove(header::USER_AGENT);
        return agent.run(agent.configure_request(request).user_agent("").build());
    }
    agent.run(request)
}

fn from_the_beginning(file: &File) -> Result<&File, CallError> {
    let mut from = file;
    from.rewind()
        .map_err(|error| CallError::invalid("path", format!("Failed to read the file: {}", in_words(&error))))?;
    Ok(file)
}

/// Pieces, one after the other.
struct Pieces<'a> {
    pieces: &'a [Vec<u8>],
    // Of the first of them.
    done: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((first, rest)) = self.pieces.split_first() {
            let count = (&first[self.done..]).read(buffer)?;
            self.done += count;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            (self.pieces, self.done) = (rest, 0);
        }
        Ok(0)
    }
}

/// Tells how much of a body was sent.
struct Watched<'a> {
    inner: Box<dyn Read + 'a>,
    done: u64,
    watch: &'a mut dyn FnMut(u64),
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done += count as u64;
        (self.watch)(self.done);
        Ok(count)
    }
}

impl Session {
    fn cookies_for(&self, url: &Url) -> Option<String> {
        let jar = self.cookies.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<String> = jar.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep_cookies(&self, url: &Url, head: &Head) {
        let Some(jar) = &self.cookies else { return };
        let set = head.all("set-cookie").filter_map(|value| std::str::from_utf8(value).ok());
        let cookies: Vec<_> = set.filter_map(|text| RawCookie::parse(text.to_owned()).ok()).collect();
        if cookies.is_empty() {
            return;
        }
        let mut jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
        jar.store_response_cookies(cookies.into_iter(), url);
        self.weigh_cookies(&jar);
    }
}

/// The name and port of a server.
fn place_of(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0))
}

/// The server of a URL as a caller gives it; nothing else of it.
pub fn server_of(url: &str) -> String {
    Url::parse(url).map_or_else(|_| String::new(), |url| place_of(&url))
}

/// What went wrong, in the words that scripts know.
fn trouble(error: &Error, url: &Url) -> Trouble {
    if watch::is_cancelled() {
        return Trouble::Call(nobody_waits());
    }
    let place = place_of(url);
    let cant_connect = |why: &str| format!("Can't connect to {place} ({why})");
    if let Some(refused) = refused(error) {
        return Trouble::Call(refused);
    }
    let text = match error {
        Error::HostNotFound => cant_connect("Name or service not known"),
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => cant_connect("Connection timed out"),
        Error::ConnectProxyFailed(why) => format!("the proxy refuses: {}", tunnel_words(why)),
        Error::Tls(why) => cant_connect(why),
        Error::Rustls(why) => cant_connect(&words::of_error(why)),
        Error::Io(why) => io_words(why, &place),
        other => library_words(other),
    };
    Trouble::Network(text)
}

/// The status that a proxy answered with, as it is called: the library has its number twice.
fn tunnel_words(why: &str) -> String {
    let code = why
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|code| ureq::http::StatusCode::from_bytes(code.as_bytes()).ok());
    code.map_or_else(|| why.to_owned(), |code| code.to_string())
}

/// What the broker itself refused, if that is what an error holds.
fn refused(error: &Error) -> Option<CallError> {
    let Error::Io(error) = error else { return None };
    let inner = error.get_ref()?;
    match inner.downcast_ref::<transport::Refused>() {
        Some(refused) => Some(refused.0.clone()),
        None => refused(inner.downcast_ref::<Error>()?),
    }
}

/// The words for what the library of HTTP complains of.
fn library_words(error: &Error) -> String {
    match error {
        Error::Timeout(_) => "read timeout".to_owned(),
        Error::Io(why) => words::of_io(why),
        Error::Rustls(why) => words::of_error(why),
        Error::Pem(_) => "a certificate can't be read".to_owned(),
        other => other.to_string(),
    }
}

/// The error of a call that was given up.
pub fn nobody_waits() -> CallError {
    CallError::new(kit::protocol::Code::Cancelled, "nobody waits for this call any more")
}

/// What went wrong with a connection, in the words that scripts know.
fn io_words(error: &io::Error, place: &str) -> String {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, UnexpectedEof};
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let cant_connect = |text: &str| format!("Can't connect to {place} ({text})");
    match (tls, error.kind()) {
        (Some(error), _) => cant_connect(&words::of_error(error)),
        (None, ConnectionRefused) => cant_connect("Connection refused"),
        (None, HostUnreachable) => cant_connect("No route to host"),
        (None, NetworkUnreachable) => cant_connect("Network is unreachable"),
        (None, UnexpectedEof) => "Server closed connection without sending any data back".to_owned(),
        (None, ConnectionReset) => "Connection reset by peer".to_owned(),
        (None, _) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::Io(inner)) => io_words(inner, place),
            Some(other) => library_words(other),
            None => words::of_io(error),
        },
    }
}

/// What went wrong with a body.
pub fn body_trouble(error: &io::Error) -> Trouble {
    if watch::is_cancelled() {
        return Trouble::Call(nobody_waits());
    }
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Trouble::Network(format!("the body is cut off: {}", words::of_error(error)));
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    Trouble::Network(match (inner, error.kind()) {
        (Some(Error::Timeout(_)), _) | (_, io::ErrorKind::TimedOut) => "read timeout".to_owned(),
        (_, io::ErrorKind::UnexpectedEof) => {
            "the body is cut off: the server closed the connection within it".to_owned()
        }
        (Some(other), _) => format!("the body is cut off: {}", library_words(other)),
        (None, _) => format!("the body can't be read: {}", words::of_io(error)),
    })
}
