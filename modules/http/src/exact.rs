//! Requests whose answers are given back exactly: bytes as they came, long bodies in pieces. What the stand-ins build on.

use super::answer::{Answer, Shape};
use super::bodies::BODY;
use super::exchange::{Order, Payload, Reply, Trouble, body_trouble, server_of};
use super::fields::Fields;
use super::kept::Open;
use super::request::{Wanted, payload, perform, sent};
use super::sessions::max_size;
use super::streams::{keep, read_what_there_is};
use super::watch::{Cancellable, watched};
use kit::Call;
use kit::protocol::CallError;
use kit::protocol::lenient::{Bytes, Flag, Integer, Number, Text};
use net::wait::Wait;
use schemars::JsonSchema;
use serde::Deserialize;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

/// The parameters of `http_helper.request`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExactRequest<'a> {
    /// The method.
    #[serde(borrow)]
    method: Text<'a>,
    /// Where to.
    #[serde(borrow)]
    url: Text<'a>,
    /// Headers; a list sends one more than once.
    #[serde(default)]
    headers: Option<Fields>,
    /// Headers as one text instead: names and values in turn, each on a line of its own. Then the answer has its headers and what is
    /// told of the connection in this form too (unless one has line ends), its status as text, and no `elapsed`.
    #[serde(borrow, default)]
    lines: Option<Bytes<'a>>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<super::fields::List>,
    /// The body.
    #[serde(borrow, default)]
    content: Option<Bytes<'a>>,
    /// Seconds that the server may do nothing; 180 if not given.
    #[serde(default)]
    timeout: Option<Number>,
    /// Whether the server's certificate is checked; true if not given.
    #[serde(default)]
    verify_ssl: Option<Flag>,
    /// The session.
    #[serde(borrow, default)]
    session_id: Option<Text<'a>>,
    /// How many redirects are followed, 0 to 100; 7 if not given.
    #[serde(default)]
    max_redirect: Option<Integer>,
    /// The longest body that is taken, in bytes; 7 MiB if not given and without stream.
    #[serde(default)]
    max_size: Option<Integer>,
    /// Give back up to so many bytes of the body, and a stream_id to read the rest by if there is more.
    #[serde(default)]
    stream: Option<Integer>,
    /// With stream: give back what there is of the body as soon as there is any.
    #[serde(default)]
    eager: Option<Flag>,
}

/// The parameters of `http_helper.body_send`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BodySend<'a> {
    /// The body; sent, it is freed.
    #[serde(borrow)]
    body_id: Text<'a>,
    /// The method.
    #[serde(borrow)]
    method: Text<'a>,
    /// Where to.
    #[serde(borrow)]
    url: Text<'a>,
    /// Headers; a list sends one more than once.
    #[serde(default)]
    headers: Option<Fields>,
    /// Headers as one text instead: names and values in turn, each on a line of its own. Then the answer has its headers and what is
    /// told of the connection in this form too (unless one has line ends), its status as text, and no `elapsed`.
    #[serde(borrow, default)]
    lines: Option<Bytes<'a>>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<super::fields::List>,
    /// Seconds that the server may do nothing; 180 if not given.
    #[serde(default)]
    timeout: Option<Number>,
    /// How many redirects are followed, 0 to 100; 7 if not given.
    #[serde(default)]
    max_redirect: Option<Integer>,
    /// The longest body that is taken, in bytes; 7 MiB if not given and without stream.
    #[serde(default)]
    max_size: Option<Integer>,
    /// Give back up to so many bytes of the answer's body, and a stream_id to read the rest by if there is more.
    #[serde(default)]
    stream: Option<Integer>,
    /// With stream: give back what there is of the body as soon as there is any.
    #[serde(default)]
    eager: Option<Flag>,
}

kit::parameters!(ExactRequest<'_>, BodySend<'_>);

/// How much of a body goes with the answer, where the rest is to be read later.
#[derive(Clone, Copy)]
struct Begin {
    most: u64,
    // Whether to give what there is, or to wait for that much.
    eager: bool,
}

fn stream_of(value: Option<Integer>, eager: Option<Flag>) -> Result<Option<Begin>, CallError> {
    let eager = eager.is_some_and(|flag| flag.0);
    match value.map(|value| value.0) {
        None => Ok(None),
        Some(length @ 0..=4_194_304) => Ok(Some(Begin { most: length as u64, eager: eager && length > 0 })),
        Some(_) => Err(CallError::invalid("stream", "parameter `stream` must be from 0 to 4194304")),
    }
}

/// The headers of a request, and the form of its answer.
fn fields_of(headers: Option<Fields>, lines: Option<&[u8]>) -> Result<(Option<Fields>, Shape), CallError> {
    let Some(lines) = lines else { return Ok((headers, Shape::Exact)) };
    if headers.is_some() {
        return Err(CallError::invalid("lines", "parameter `lines` is given instead of `headers`, not beside it"));
    }
    let fields = Fields::of_lines(lines)
        .ok_or_else(|| CallError::invalid("lines", "parameter `lines` has a name without a value"))?;
    Ok((Some(fields), Shape::Flat))
}

/// `http_helper.request`.
///
/// # Errors
/// Those of [`perform`].
pub fn request(call: &mut Call<'_>, params: ExactRequest<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let mut wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    wanted.max_size = max_size(params.max_size)?.or(wanted.max_size);
    let stream = stream_of(params.stream, params.eager)?;
    let (headers, shape) = fields_of(params.headers, params.lines.as_deref())?;
    let order = wanted.order(
        &params.method,
        &params.url,
        headers,
        params.private_headers,
        payload(params.content.as_deref()),
    )?;
    exactly(call, &wanted, order, shape, stream, begun, &params.url)
}

/// `http_helper.body_send`. The body is freed, however it goes.
///
/// # Errors
/// `not_found` for a body that is not there, and those of [`perform`].
pub fn body_send(call: &mut Call<'_>, params: BodySend<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let stream = stream_of(params.stream, params.eager)?;
    let body = BODY.get(call, &params.body_id)?;
    let (pieces, length) = (std::mem::take(&mut body.pieces), body.length as u64);
    let session = Arc::clone(&body.session);
    BODY.free(call, &params.body_id)?;
    let mut wanted = Wanted::of(session, params.timeout, params.max_redirect)?;
    wanted.max_size = max_size(params.max_size)?.or(wanted.max_size);
    let (headers, shape) = fields_of(params.headers, params.lines.as_deref())?;
    let order =
        wanted.order(&params.method, &params.url, headers, params.private_headers, Payload::Pieces(&pieces, length))?;
    exactly(call, &wanted, order, shape, stream, begun, &params.url)
}

fn exactly(
    call: &mut Call<'_>,
    wanted: &Wanted,
    order: Order<'_>,
    shape: Shape,
    stream: Option<Begin>,
    begun: Instant,
    url: &str,
) -> Result<Answer, CallError> {
    let Some(begin) = stream else { return perform(call, wanted, order, shape, begun, url) };
    let outcome = watched(Wait::of(call, Some(wanted.timeout)), || {
        let mut reply = sent(call, wanted, order)?;
        let begun_body = begin_body(&mut reply, begin)?;
        Ok((reply, begun_body))
    });
    let (reply, body) = match outcome {
        Err(trouble) => return Answer::of_trouble(call, shape, begun, url, trouble),
        Ok(both) => both,
    };
    let taken = body.content.len() as u64;
    let mut answer = Answer::of(shape, begun, &reply, body.content);
    answer.aborted = body.aborted;
    if answer.aborted.is_some() {
        call.note_unreached(&server_of(url));
    }
    if !body.whole && answer.aborted.is_none() {
        // They go with the last piece.
        answer.trailers.clear();
        let rest = std::io::Cursor::new(body.rest).chain(reply.body);
        let body: super::content::Stream = match wanted.max_size {
            Some(most) => Box::new(rest.take(most.saturating_sub(taken))),
            None => Box::new(rest),
        };
        let open = Open::new(body, reply.trailers, wanted.timeout, Arc::clone(&wanted.session), server_of(url));
        answer.stream_id = Some(keep(call, open)?);
    }
    Ok(answer)
}

/// The beginning of a body.
#[derive(Default)]
struct Begun {
    content: Vec<u8>,
    // What was read besides.
    rest: Vec<u8>,
    // Whether that is all.
    whole: bool,
    // Why there is no more of it.
    aborted: Option<String>,
}

/// Reads the beginning of a body. One that breaks off is what came of it, and why: the head is worth having.
///
/// # Errors
/// The call's end.
fn begin_body(reply: &mut Reply, begin: Begin) -> Result<Begun, Trouble> {
    let mut begun = Begun::default();
    let read = if begin.eager {
        let (content, end) = read_what_there_is(&mut reply.body, begin.most);
        begun.content = content;
        end.map(|end| begun.whole = end || reply.length == Some(begun.content.len() as u64))
    } else {
        // One byte more tells whether that was all; it goes back in front of the rest.
        let read = Cancellable(&mut reply.body).take(begin.most + 1).read_to_end(&mut begun.content);
        begun.whole = begun.content.len() as u64 <= begin.most;
        begun.rest = begun.content.split_off(begun.content.len().min(begin.most as usize));
        read.map(|_| ())
    };
    match read.map_err(|error| body_trouble(&error)) {
        Ok(()) => Ok(begun),
        Err(Trouble::Network(why)) => Ok(Begun { aborted: Some(why), ..begun }),
        Err(trouble) => Err(trouble),
    }
}
