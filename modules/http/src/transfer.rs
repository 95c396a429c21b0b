//! Bodies that do not pass through the socket in one piece: to and from files, and in pieces.

use super::answer::{Answer, Shape};
use super::content::read_up_to;
use super::exchange::{Payload, Reply, Trouble, body_trouble, nobody_waits};
use super::part::Part;
use super::request::too_long;
use super::request::{MAX_CONTENT, Wanted};
use super::streams::PIECE;
use super::teller::Teller;
use super::watch::watched;
use kit::Call;
use kit::files::{Opened, Wanted as WantedFile, is_absolute};
use kit::protocol::CallError;
use kit::protocol::lenient::{FileName, Flag, Integer, Number, Text};
use net::wait::Wait;
use schemars::JsonSchema;
use serde::Deserialize;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

/// A path that does not depend on where the broker happens to stand.
///
/// # Errors
/// `invalid_params`.
fn absolute<'p>(parameter: &str, path: &'p Path) -> Result<&'p Path, CallError> {
    if !is_absolute(path) {
        return Err(CallError::invalid(parameter, format!("parameter `{parameter}` must be an absolute path")));
    }
    Ok(path)
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
    path: FileName<'a>,
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
    path: FileName<'a>,
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
kit::parameters!(Download<'_>, Upload<'_>);

/// `http_helper.download`. The body of an answer other than 2xx does not become the file; it is the answer's content.
///
/// # Errors
/// `denied` and `invalid_params` for the file, and whatever a request can fail with.
pub fn download(call: &mut Call<'_>, params: Download<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let path = absolute("path", &params.path)?;
    let mode = file_mode(params.mode.as_deref())?;
    let mut wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    wanted.max_size = super::sessions::max_size(params.max_size)?.or(wanted.max_size);
    let order = wanted.order("GET", &params.url, params.headers, params.private_headers, Payload::Nothing)?;
    let outcome = watched(Wait::of(call, Some(wanted.timeout)), || {
        let reply = super::exchange::run(&wanted.session, order, &mut |_| {})?;
        take_to_file(call, reply, path, mode, wanted.max_size, begun)
    });
    match outcome {
        Ok((mut answer, bytes)) => {
            answer.file = bytes.map(|bytes| (params.path.to_owned(), bytes));
            Ok(answer)
        }
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
) -> Result<(Answer, Option<u64>), Trouble> {
    if !(200..300).contains(&reply.head.status) {
        let (content, _) = read_up_to(&mut reply.body, MAX_CONTENT).map_err(|error| body_trouble(&error))?;
        return Ok((Answer::of(Shape::Friendly, begun, &reply, content), None));
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
    Ok((Answer::of(Shape::Friendly, begun, &reply, Vec::new()), Some(done)))
}

/// `http_helper.upload`.
///
/// # Errors
/// As [`download`].
pub fn upload(call: &mut Call<'_>, params: Upload<'_>) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let file = WantedFile { parameter: "path", path: &params.path, failed: "Failed to read the file", most: u64::MAX };
    let Opened { file, size: length } = file.open()?;
    let wanted =
        Wanted::find(call, params.session_id.as_deref(), params.verify_ssl, params.timeout, params.max_redirect)?;
    let method = params.method.as_deref().unwrap_or("PUT");
    let order =
        wanted.order(method, &params.url, params.headers, params.private_headers, Payload::File(file, length))?;
    let mut answer = super::request::perform(call, &wanted, order, Shape::Friendly, begun, &params.url)?;
    answer.file = Some((params.path.to_owned(), length));
    Ok(answer)
}
