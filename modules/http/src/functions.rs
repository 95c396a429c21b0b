//! The functions of module `http_helper`: parameters in, answers out.

use super::answer::{Answer, Shape};
use super::bodies::{BODY, BodyAdd, BodyFree, BodyNew, body_add, body_free, body_new};
use super::exact::{BodySend, ExactRequest, body_send, request};
use super::exchange::Order;
use super::fields::{Fields, List};
use super::json::Json;
use super::past_end;
use super::request::{Wanted, payload, perform};
use super::sessions::{
    SESSION, SessionCookies, SessionFree, SessionNew, max_size, session_cookies, session_free, session_new,
};
use super::streams::{Close, ReadMore, close, read};
use super::transfer::{Download, Upload, download, upload};
use kit::NoParameters;
use kit::protocol::CallError;
use kit::protocol::lenient::{Bytes, Flag, Integer, Number, Text};
use kit::{Call, Function, Module, NamedFile, Placement};
use net::limits::SOCKETS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Instant;
use ureq::http::{HeaderValue, header};

/// The module's table.
pub fn module() -> Module {
    let network = |function: Function| function.runs(Placement::Worker).touches_network();
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
        in_session(Function::new::<Download<'static>, _>("download", "Fetches into a file.", download)).touches_files(
            &[NamedFile {
                parameter: "path",
                way_out: "take the body in pieces: http.request with `stream`, then http.read",
                send_content_as: None,
            }],
        ),
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
            .touches_files(&[NamedFile {
                parameter: "ca_file",
                way_out: "read the file and send `ca`",
                send_content_as: Some("ca"),
            }]),
        in_session(Function::new::<Upload<'static>, _>("upload", "Sends a file.", upload)).touches_files(&[
            NamedFile {
                parameter: "path",
                way_out: "send the body in pieces: http_helper.body_new, body_add, body_send",
                send_content_as: None,
            },
        ]),
    ];
    Module::new("http_helper", "HTTP and HTTPS requests.", functions)
        .with_aliases(&["http"])
        .with_kinds(vec![SESSION.moves(), BODY.moves()])
        .that_remembers(past_end::MEMORY)
        .that_fits(|room| SOCKETS.set(room.sockets, room.sockets_of_guest))
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
