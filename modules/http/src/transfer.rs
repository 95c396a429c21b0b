//! Bodies that do not pass through the socket in one piece: to and from files, and in pieces.

use super::answer::{Answer, Shape};
use super::content::{Stream, read_up_to};
use super::exchange::{Payload, Reply, Trouble, body_trouble, nobody_waits};
use super::functions::{MAX_CONTENT, Wanted};
use super::moved::unpack_body;
use super::part::Part;
use super::past_end;
use super::session::{Freed, Session};
use super::transport::{Watcher, watched};
use kit::Call;
use kit::Kind;
use kit::files::{Opened, Wanted as WantedFile};
use kit::protocol::lenient::{Bytes, Flag, Integer, Number, Text};
use kit::protocol::{CallError, Code};
use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What a stream's handle is called in the statistics.
pub const STREAM: Kind<Open> = Kind::new("http stream", "no such stream: it ended, expired, or is not yours");
/// How much is moved at a time.
const PIECE: usize = 128 << 10;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);

/// A path that the broker may open for its caller.
///
/// # Errors
/// `denied` for callers other than the broker's own user, with `way_out`; `invalid_params` for a path that depends on where
/// the broker happens to stand.
pub fn allowed_path(call: &Call<'_>, parameter: &str, path: &str, way_out: &str) -> Result<PathBuf, CallError> {
    if !call.caller.files {
        let message = format!("the broker runs as another user and opens no files for you; {way_out}");
        return Err(CallError::new(Code::Denied, message));
    }
    if !path.starts_with('/') || path.contains('\0') {
        return Err(CallError::invalid(parameter, format!("parameter `{parameter}` must be an absolute path")));
    }
    Ok(PathBuf::from(path))
}

/// Tells how far a transfer has come, not more often than anybody looks.
pub struct Teller<'c, 'a> {
    call: &'c Call<'a>,
    total: Option<u64>,
    next: Instant,
}

impl<'c, 'a> Teller<'c, 'a> {
    /// A teller for a transfer of so many bytes.
    pub fn new(call: &'c Call<'a>, total: Option<u64>) -> Self {
        Self { call, total, next: Instant::now() }
    }

    /// So much is done.
    pub fn tell(&mut self, done: u64) {
        if self.call.wants_progress() && (Some(done) == self.total || Instant::now() >= self.next) {
            self.call.progress(done, self.total, "bytes");
            self.next = Instant::now() + TELL;
        }
    }
}

/// The parameters of `http_helper.download`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Download<'a> {
    /// Where from.
    #[serde(borrow)]
    url: Text<'a>,
    /// The file, absolute; written under another name beside it and renamed when it is whole.
    #[serde(borrow)]
    path: Text<'a>,
    /// Headers of the request.
    #[serde(default)]
    headers: Option<super::fields::Fields>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<super::fields::List>,
    /// The session.
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
    /// Permissions of the file, an octal number as text; 0600 if not given.
    #[serde(borrow, default)]
    mode: Option<Text<'a>>,
    /// The most bytes that are taken.
    #[serde(default)]
    max_size: Option<Integer>,
    /// How many redirects are followed, 0 to 100; 7 if not given.
    #[serde(default)]
    max_redirect: Option<Integer>,
    /// Seconds that the server may do nothing; 180 if not given.
    #[serde(default)]
    timeout: Option<Number>,
    /// Whether the server's certificate is checked; true if not given.
    #[serde(default)]
    verify_ssl: Option<Flag>,
}

/// The parameters of `http_helper.upload`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload<'a> {
    /// Where to.
    #[serde(borrow)]
    url: Text<'a>,
    /// The file, absolute.
    #[serde(borrow)]
    path: Text<'a>,
    /// PUT if not given.
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    /// Headers of the request.
    #[serde(default)]
    headers: Option<super::fields::Fields>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<super::fields::List>,
    /// The session.
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
    /// How many redirects are followed, 0 to 100; 7 if not given.
    #[serde(default)]
    max_redirect: Option<Integer>,
    /// Seconds that the server may do nothing; 180 if not given.
    #[serde(default)]
    timeout: Option<Number>,
    /// Whether the server's certificate is checked; true if not given.
    #[serde(default)]
    verify_ssl: Option<Flag>,
}
kit::parameters!(Download<'_>, Upload<'_>, ReadMore<'_>, Close<'_>, BodyNew<'_>, BodyAdd<'_>, BodyFree<'_>);

/// `http_helper.download`. The body of an answer other than 2xx does not become the file; it is the answer's content.
///
/// # Errors
/// `denied` and `invalid_params` for the file, and whatever a request can fail with.
pub fn download(call: &mut Call<'_>, params: Download<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let way_out = "take the body in pieces: http_helper.request with `stream`, then http_helper.read";
    let path = allowed_path(call, "path", &params.path, way_out)?;
    let mode = file_mode(params.mode.as_deref())?;
    let mut wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    wanted.max_size = super::session::max_size(params.max_size)?.or(wanted.max_size);
    let order = wanted.order("GET", &params.url, params.headers, params.private_headers, Payload::Nothing)?;
    let outcome = watched(Watcher::of(call), Some(wanted.timeout), || {
        let reply = super::exchange::run(&wanted.session, order, &mut |_| {})?;
        take_to_file(call, reply, &path, mode, wanted.max_size, begun)
    });
    match outcome {
        Ok(answer) => Ok(answer),
        Err(trouble) => Answer::of_trouble(call, Shape::Friendly, begun, &params.url, trouble),
    }
}

fn file_mode(mode: Option<&str>) -> Result<u32, CallError> {
    let mode = u32::from_str_radix(mode.unwrap_or("600"), 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| CallError::invalid("mode", "parameter `mode` must be an octal number from 0 to 777"))
}

fn take_to_file(
    call: &Call<'_>,
    mut reply: Reply,
    path: &Path,
    mode: u32,
    max_size: Option<u64>,
    begun: Instant,
) -> Result<Answer, Trouble> {
    if !(200..300).contains(&reply.head.status) {
        let (content, _) = read_up_to(&mut reply.body, MAX_CONTENT).map_err(|error| body_trouble(&error))?;
        return Ok(Answer::of(Shape::Friendly, begun, &reply, content));
    }
    let mut file = Part::beside(path, mode)?;
    let mut teller = Teller::new(call, reply.length);
    let (mut done, mut piece) = (0, vec![0; PIECE]);
    loop {
        let count = match reply.body.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(body_trouble(&error)),
        };
        done += count as u64;
        if max_size.is_some_and(|most| done > most) {
            return Err(Trouble::Call(too_long(max_size.unwrap_or_default())));
        }
        file.write(&piece[..count])?;
        teller.tell(done);
        if call.is_cancelled() {
            return Err(Trouble::Call(nobody_waits()));
        }
    }
    file.finish(path)?;
    let mut answer = Answer::of(Shape::Friendly, begun, &reply, Vec::new());
    answer.file = Some((path.display().to_string(), done));
    Ok(answer)
}

/// The error for a body above a limit.
pub fn too_long(most: u64) -> CallError {
    CallError::new(
        Code::TooLarge,
        format!(
            "the body is longer than {most} bytes; raise max_size, use http_helper.download, or take it in pieces (`stream`)"
        ),
    )
}

/// `http_helper.upload`.
///
/// # Errors
/// As [`download`].
pub fn upload(call: &mut Call<'_>, params: Upload<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let way_out = "send the body in pieces: http_helper.body_new, body_add, body_send";
    let file = WantedFile {
        parameter: "path",
        path: &params.path,
        failed: "Failed to read the file",
        most: u64::MAX,
        way_out,
        send_content_as: None,
    };
    let Opened { file, size: length } = file.open(call)?;
    let wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    let method = params.method.as_deref().unwrap_or("PUT");
    let order =
        wanted.order(method, &params.url, params.headers, params.private_headers, Payload::File(file, length))?;
    let mut answer = super::functions::perform(call, &wanted, order, Shape::Friendly, begun, &params.url)?;
    answer.file = Some((params.path.to_string(), length));
    Ok(answer)
}

/// A body that is read in pieces.
pub struct Open {
    /// What is left of it.
    pub body: Stream,
    /// How long the server may do nothing.
    pub timeout: Duration,
    /// The session whose settings the connection holds on to, also when it has ended.
    pub session: Arc<Session>,
    // Whose it is: name and port.
    server: String,
    // What the next call is told.
    broken: Option<std::io::Error>,
}

impl Open {
    /// The rest of a body that came in a session.
    pub fn new(body: Stream, timeout: Duration, session: Arc<Session>, server: String) -> Self {
        session.lent.fetch_add(1, Ordering::Relaxed);
        Self { body, timeout, session, server, broken: None }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.session.lent.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps a body for later calls.
///
/// # Errors
/// `overloaded` above the quota of handles, `failed` without a broker.
pub fn keep(call: &mut Call<'_>, open: Open) -> Result<String, CallError> {
    Ok(STREAM.keep(call, open)?.to_string())
}

/// The parameters of `http_helper.read`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadMore<'a> {
    /// The stream, from http_helper.request.
    #[serde(borrow)]
    stream_id: Text<'a>,
    /// The most bytes to give at once, up to 4194304; 262144 if not given.
    #[serde(default)]
    length: Option<Integer>,
}

/// The result of `http_helper.read`.
pub struct Piece {
    content: Vec<u8>,
    done: bool,
}

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("content", &kit::protocol::lenient::TextOrBytes::Bytes((&self.content).into()))?;
        map.serialize_entry("done", &self.done)?;
        map.end()
    }
}

/// `http_helper.read`: waits for more of a body and gives what there is of it then, up to `length` bytes. With the last piece the stream is freed;
/// reads that were sent ahead find an empty last piece.
///
/// # Errors
/// `not_found` for a stream that is not the caller's, expired, was closed, or ended long ago; `failed` for a body that is cut off, which ends it too.
pub fn read(call: &mut Call<'_>, params: ReadMore<'_>) -> Result<Piece, CallError> {
    const USUAL: i64 = 256 << 10;
    let length = match params.length.map_or(USUAL, |length| length.0) {
        length @ 1..=4_194_304 => length as u64,
        _ => return Err(CallError::invalid("length", "parameter `length` must be from 1 to 4194304")),
    };
    let watcher = Watcher::of(call);
    let owner = call.caller.uid;
    let open = match STREAM.get(call, &params.stream_id) {
        Err(_) if past_end::is_known(owner, &params.stream_id) => return Ok(Piece { content: Vec::new(), done: true }),
        found => found?,
    };
    let server = open.server.clone();
    let outcome = watched(watcher, Some(open.timeout), || {
        if let Some(error) = open.broken.take() {
            return Err(body_trouble(&error));
        }
        match read_what_there_is(&mut open.body, length) {
            (content, Ok(end)) => Ok((content, end)),
            // What came before it broke off is worth having; the next call is told.
            (content, Err(error)) if !content.is_empty() => {
                open.broken = Some(error);
                Ok((content, false))
            }
            (_, Err(error)) => Err(body_trouble(&error)),
        }
    });
    let ended = !matches!(&outcome, Ok((_, false)));
    if ended {
        STREAM.free(call, &params.stream_id)?;
    }
    match outcome {
        Ok((content, done)) => {
            if done {
                past_end::remember(owner, &params.stream_id);
            }
            Ok(Piece { content, done })
        }
        Err(Trouble::Call(error)) => Err(error),
        Err(Trouble::Network(why)) => {
            call.note_unreached(&server);
            Err(CallError::new(Code::Failed, why))
        }
    }
}

/// Reads at least a byte, and then as much as there is without waiting, up to the limit. Beside what was read: whether that was the
/// end, or what kept it from coming.
pub fn read_what_there_is(body: &mut Stream, limit: u64) -> (Vec<u8>, std::io::Result<bool>) {
    let limit = limit as usize;
    // Grown as it fills: what is claimed and never comes costs nothing.
    let (mut bytes, mut filled) = (Vec::new(), 0);
    loop {
        if filled == bytes.len() {
            bytes.resize(limit.min(filled + PIECE.max(filled)), 0);
        }
        let outcome = match body.read(&mut bytes[filled..]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other,
        };
        filled += outcome.as_ref().map_or(0, |count| *count);
        let is_over = !matches!(&outcome, Ok(1..));
        if is_over || filled == limit || !super::transport::more_soon() {
            bytes.truncate(filled);
            return (bytes, outcome.map(|count| count == 0));
        }
    }
}

/// The parameters of `http_helper.close`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close<'a> {
    /// The stream.
    #[serde(borrow)]
    stream_id: Text<'a>,
}

/// `http_helper.close`: gives up the rest of a body; closing twice is no error.
///
/// # Errors
/// `failed` without a broker.
pub fn close(call: &mut Call<'_>, params: Close<'_>) -> Result<Freed, CallError> {
    Ok(Freed { freed: STREAM.free(call, &params.stream_id)? })
}

/// What a body in the making is called in the statistics.
pub const BODY: Kind<Collected> =
    Kind::new("http body", "no such body: it was sent, expired, or is not yours").that_moves(unpack_body);
/// The longest body that is collected from pieces: it is memory until it is sent.
const MAX_BODY: usize = 256 << 20;

/// A body that is put together from pieces, and the session that it is to be sent in.
pub struct Collected {
    /// What there is of it. Pieces are not put together: a large body would have to be copied again and again.
    pub pieces: Vec<Vec<u8>>,
    /// How many bytes that is.
    pub length: usize,
    /// Sessions can't be reached by the call that sends it: a call works on one handle.
    pub session: Arc<Session>,
}

/// The parameters of `http_helper.body_new`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyNew<'a> {
    /// The session that it will be sent in.
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
    /// Without a session: whether the server's certificate is checked; true if not given.
    #[serde(default)]
    verify_ssl: Option<Flag>,
}

/// The result of `http_helper.body_new`.
#[derive(Serialize, JsonSchema)]
pub struct BodyMade {
    body_id: String,
}

/// `http_helper.body_new`.
///
/// # Errors
/// `not_found` for a session that is not the caller's, `overloaded` above the quota of handles, `failed` without a broker.
pub fn body_new(call: &mut Call<'_>, params: BodyNew<'_>) -> Result<BodyMade, CallError> {
    let session = super::session::find(call, params.session_id.as_deref(), params.verify_ssl)?;
    let body = Collected { pieces: Vec::new(), length: 0, session };
    Ok(BodyMade { body_id: BODY.keep(call, body)?.to_string() })
}

/// The parameters of `http_helper.body_add`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyAdd<'a> {
    /// The body.
    #[serde(borrow)]
    body_id: Text<'a>,
    /// The next piece of it.
    #[serde(borrow)]
    content: Bytes<'a>,
}

/// The result of `http_helper.body_add`.
#[derive(Serialize, JsonSchema)]
pub struct BodyLength {
    length: usize,
}

/// `http_helper.body_add`.
///
/// # Errors
/// `not_found` for a body that is not the caller's, or was sent; `too_large` above 256 MiB.
pub fn body_add(call: &mut Call<'_>, params: BodyAdd<'_>) -> Result<BodyLength, CallError> {
    call.may_grow(params.content.len())?;
    let body = BODY.get(call, &params.body_id)?;
    if body.length + params.content.len() > MAX_BODY {
        let message =
            format!("a body is put together up to {MAX_BODY} bytes; http_helper.upload sends files of any length");
        return Err(CallError::new(Code::TooLarge, message));
    }
    body.length += params.content.len();
    body.pieces.push(params.content.0.into_owned());
    Ok(BodyLength { length: body.length })
}

/// The parameters of `http_helper.body_free`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodyFree<'a> {
    /// The body.
    #[serde(borrow)]
    body_id: Text<'a>,
}

/// `http_helper.body_free`: gives up a body that is not to be sent after all; freeing twice is no error.
///
/// # Errors
/// `failed` without a broker.
pub fn body_free(call: &mut Call<'_>, params: BodyFree<'_>) -> Result<Freed, CallError> {
    Ok(Freed { freed: BODY.free(call, &params.body_id)? })
}
