//! The functions of module `http_helper`: parameters in, answers out.

use super::answer::{Answer, Shape};
use super::content::{CODINGS, decoded, read_up_to};
use super::exact::{BodySend, ExactRequest, body_send, request};
use super::exchange::{Order, Payload, Reply, Target, Trouble, body_trouble, inactivity, run};
use super::fields::{Fields, List};
use super::json::Json;
use super::limits::SOCKETS;
use super::session::SESSION;
use super::session::{
    Session, SessionCookies, SessionFree, SessionNew, find, max_redirect, max_size, private, session_cookies,
    session_free, session_new,
};
use super::transfer::BODY;
use super::transfer::{
    BodyAdd, BodyFree, BodyNew, Close, Download, ReadMore, Teller, Upload, body_add, body_free, body_new, close,
    download, read, too_long, upload,
};
use super::transport::{Watcher, watched};
use kit::NoParameters;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use kit::protocol::lenient::{Bytes, Flag, Integer, Number, Text};
use kit::{Call, Function, Module, Placement, Touches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{HeaderValue, Method, header};

/// The longest body that is given back in an answer if nothing is said: with both its names it still fits a frame.
pub const MAX_CONTENT: u64 = 7 << 20;

/// The module's table.
pub fn module() -> Module {
    let network = |function: Function| function.runs(Placement::Worker).touches(Touches::Network);
    let in_session = |function: Function| network(function).on_handle("session_id");
    let short = |name, doc, function: for<'c, 'p> fn(&mut Call<'c>, Short<'p>) -> Result<Answer, CallError>| {
        in_session(Function::new::<Short<'static>, _>(name, doc, function))
    };
    let functions = vec![
        Function::new::<BodyAdd<'static>, _>("body_add", "Adds a piece to a body.", body_add)
            .runs(Placement::InlineUpTo(256 << 10))
            .on_handle("body_id"),
        Function::new::<BodyFree<'static>, _>(
            "body_free",
            "Gives up a body that is not to be sent; freeing twice is no error.",
            body_free,
        )
        .on_handle("body_id"),
        Function::new::<BodyNew<'static>, _>("body_new", "Begins a body that is put together from pieces.", body_new)
            .on_handle("session_id"),
        network(Function::new::<BodySend<'static>, _>("body_send", "Sends a body that was put together.", body_send))
            .on_handle("body_id"),
        Function::new::<Close<'static>, _>("close", "Gives up the rest of a body; closing twice is no error.", close)
            .on_handle("stream_id"),
        short("delete", "A DELETE request.", delete),
        in_session(Function::new::<Download<'static>, _>("download", "Fetches into a file.", download)),
        short("get", "A GET request.", get),
        short("head", "A HEAD request.", head),
        in_session(Function::new::<LwpRequest<'static>, _>(
            "lwp_request",
            "A request as scripts of the old daemon make it.",
            lwp_request,
        )),
        Function::new::<NoParameters, _>("ping", "Whether the module is there.", ping),
        short("post", "A POST request.", post),
        short("put", "A PUT request.", put),
        network(Function::new::<ReadMore<'static>, _>("read", "The next piece of a body.", read))
            .on_handle("stream_id"),
        in_session(Function::new::<ExactRequest<'static>, _>(
            "request",
            "A request whose answer is given back exactly; long bodies in pieces.",
            request,
        )),
        Function::new::<SessionCookies<'static>, _>(
            "session_cookies",
            "The cookies that a session keeps.",
            session_cookies,
        )
        .on_handle("session_id"),
        Function::new::<SessionFree<'static>, _>(
            "session_free",
            "Ends a session and its connections; freeing twice is no error.",
            session_free,
        )
        .on_handle("session_id"),
        // Certificates are read and parsed: milliseconds.
        Function::new::<SessionNew<'static>, _>("session_new", "Begins a session.", session_new)
            .runs(Placement::Worker)
            .touches(Touches::Files),
        in_session(Function::new::<Upload<'static>, _>("upload", "Sends a file.", upload)),
    ];
    Module::new("http_helper", "HTTP and HTTPS requests.", functions)
        .with_aliases(&["http"])
        .with_kinds(vec![SESSION.moves(), BODY.moves()])
        .that_fits(|room| SOCKETS.set(room.sockets, room.sockets_of_guest))
}

/// What a request goes by, besides itself.
pub struct Wanted {
    /// The session, or the settings of calls without one.
    pub session: Arc<Session>,
    /// How long the server may do nothing.
    pub timeout: Duration,
    /// The longest body that is taken, if somebody said so.
    pub max_size: Option<u64>,
    max_redirect: u32,
}

impl Wanted {
    /// From a session and what the call says besides.
    ///
    /// # Errors
    /// `not_found` for the session, `invalid_params` for the rest.
    pub fn find(
        call: &mut Call<'_>,
        session_id: Option<&str>,
        verify_ssl: Option<Flag>,
        timeout: Option<Number>,
        redirects: Option<Integer>,
    ) -> Result<Self, CallError> {
        Self::of(find(call, session_id, verify_ssl)?, timeout, redirects)
    }

    /// From a session at hand.
    ///
    /// # Errors
    /// `invalid_params`.
    pub fn of(session: Arc<Session>, timeout: Option<Number>, redirects: Option<Integer>) -> Result<Self, CallError> {
        Ok(Self {
            timeout: timeout.map_or(Ok(session.timeout), |seconds| inactivity(seconds.0))?,
            max_size: session.max_size,
            max_redirect: max_redirect(redirects)?.unwrap_or(session.max_redirect),
            session,
        })
    }

    /// A request that goes by this.
    ///
    /// # Errors
    /// `invalid_params` naming what can't be sent.
    pub fn order<'a>(
        &self,
        method: &str,
        url: &str,
        headers: Option<Fields>,
        private_headers: Option<List>,
        payload: Payload<'a>,
    ) -> Result<Order<'a>, CallError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| {
            CallError::invalid("method", format!("parameter `method`: {} is no method of HTTP", quote(method)))
        })?;
        let target = Target::parse(url)?;
        let fields = headers.unwrap_or_default();
        let names: Vec<String> = fields.names().map(str::to_owned).collect();
        let headers = fields.headers()?;
        let private = private(private_headers)?;
        Ok(Order { method, target, headers, names, private, payload, max_redirect: self.max_redirect })
    }
}

/// Sends a request and reads its answer whole.
///
/// # Errors
/// `too_large` for a body above the limit; what the network does wrong is an answer too.
pub fn perform(
    call: &mut Call<'_>,
    wanted: &Wanted,
    mut order: Order<'_>,
    shape: Shape,
    begun: Instant,
    url: &str,
) -> Result<Answer, CallError> {
    let decode = wanted.session.decode.unwrap_or(shape == Shape::Friendly);
    if decode {
        ask_for_codings(&mut order);
    }
    let outcome = watched(Watcher::of(call), Some(wanted.timeout), || {
        let mut reply = sent(call, wanted, order)?;
        if decode {
            undo_codings(&mut reply)?;
        }
        let limit = wanted.max_size.unwrap_or(MAX_CONTENT);
        match read_up_to(&mut reply.body, limit).map_err(|error| body_trouble(&error))? {
            (_, true) => Err(Trouble::Call(too_long(limit))),
            (content, false) => Ok(Answer::of(shape, begun, &reply, content)),
        }
    });
    outcome.or_else(|trouble| Answer::of_trouble(call, shape, begun, url, trouble))
}

fn ask_for_codings(order: &mut Order<'_>) {
    if !order.headers.iter().any(|(name, _)| name == header::ACCEPT_ENCODING) {
        order.headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static(CODINGS)));
    }
}

fn undo_codings(reply: &mut Reply) -> Result<(), Trouble> {
    let encoding = reply.head.first("content-encoding").to_owned();
    let body = std::mem::replace(&mut reply.body, Box::new(std::io::empty()));
    reply.body = decoded(&encoding, body).map_err(|error| body_trouble(&error))?;
    Ok(())
}

/// Sends a request and tells how far it is.
///
/// # Errors
/// See [`Trouble`].
pub fn sent(call: &Call<'_>, wanted: &Wanted, order: Order<'_>) -> Result<Reply, Trouble> {
    let mut teller = Teller::new(call, Some(order.payload.len()));
    run(&wanted.session, order, &mut |done| teller.tell(done))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LwpRequest<'a> {
    /// The method.
    #[serde(borrow)]
    method: Text<'a>,
    /// Where to.
    #[serde(borrow)]
    url: Text<'a>,
    /// Headers; a list sends one more than once.
    #[serde(default)]
    headers: Option<Fields>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<List>,
    /// The body.
    #[serde(borrow, default)]
    content: Option<Bytes<'a>>,
    /// The body of a form that is encoded already; wins over content.
    #[serde(borrow, default)]
    form_encoded_content: Option<Bytes<'a>>,
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
    /// The longest body that is taken, in bytes; 7 MiB if not given.
    #[serde(default)]
    max_size: Option<Integer>,
}
kit::parameters!(LwpRequest<'_>, Short<'_>);

const FORM: &str = "application/x-www-form-urlencoded";

/// A body's type, unless the script gave one.
fn typed(order: &mut Order<'_>, kind: &'static str) {
    if !order.headers.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
        order.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(kind)));
    }
}

/// A body, or none.
pub fn payload<'a>(content: Option<&'a [u8]>) -> Payload<'a> {
    content.map_or(Payload::Nothing, Payload::Bytes)
}

fn lwp_request(call: &mut Call<'_>, params: LwpRequest<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let mut wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    wanted.max_size = max_size(params.max_size)?.or(wanted.max_size);
    let content = params.form_encoded_content.as_deref().or(params.content.as_deref());
    let mut order =
        wanted.order(&params.method, &params.url, params.headers, params.private_headers, payload(content))?;
    if params.form_encoded_content.is_some() {
        typed(&mut order, FORM);
    }
    perform(call, &wanted, order, Shape::Friendly, begun, &params.url)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Short<'a> {
    /// Where to.
    #[serde(borrow)]
    url: Text<'a>,
    /// Headers; a list sends one more than once.
    #[serde(default)]
    headers: Option<Fields>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<List>,
    /// The body.
    #[serde(borrow, default)]
    content: Option<Bytes<'a>>,
    /// In place of a body: a structure, sent as JSON.
    #[serde(default)]
    json: Option<Json>,
    /// In place of a body: the fields of a form.
    #[serde(default)]
    form: Option<Fields>,
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
    /// The longest body that is taken, in bytes; 7 MiB if not given.
    #[serde(default)]
    max_size: Option<Integer>,
}

fn short(call: &mut Call<'_>, method: &str, params: Short<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let mut wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    wanted.max_size = max_size(params.max_size)?.or(wanted.max_size);
    let (content, kind): (Option<Cow<'_, [u8]>>, _) = match (params.content, params.json, params.form) {
        (None, None, None) => (None, None),
        (Some(content), None, None) => (Some(content.0), None),
        (None, Some(json), None) => (Some(json.0.to_string().into_bytes().into()), Some("application/json")),
        (None, None, Some(form)) => (Some(form.encoded().into_bytes().into()), Some(FORM)),
        _ => return Err(CallError::invalid("content", "give one of content, json and form")),
    };
    let mut order =
        wanted.order(method, &params.url, params.headers, params.private_headers, payload(content.as_deref()))?;
    if let Some(kind) = kind {
        typed(&mut order, kind);
    }
    perform(call, &wanted, order, Shape::Friendly, begun, &params.url)
}

fn get(call: &mut Call<'_>, params: Short<'_>) -> Result<Answer, CallError> {
    short(call, "GET", params)
}

fn post(call: &mut Call<'_>, params: Short<'_>) -> Result<Answer, CallError> {
    short(call, "POST", params)
}

fn put(call: &mut Call<'_>, params: Short<'_>) -> Result<Answer, CallError> {
    short(call, "PUT", params)
}

fn delete(call: &mut Call<'_>, params: Short<'_>) -> Result<Answer, CallError> {
    short(call, "DELETE", params)
}

fn head(call: &mut Call<'_>, params: Short<'_>) -> Result<Answer, CallError> {
    short(call, "HEAD", params)
}

#[derive(Serialize, JsonSchema)]
struct Pong {
    message: &'static str,
}

fn ping(_: &mut Call<'_>, _: NoParameters) -> Result<Pong, CallError> {
    Ok(Pong { message: "pong" })
}
