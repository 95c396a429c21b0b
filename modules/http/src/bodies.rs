//! `http_helper.body_new`, `body_add` and `body_free`: bodies that are put together from pieces, to be sent.

use super::kept::Collected;
use super::moved::unpack_body;
use super::sessions::Freed;
use kit::Call;
use kit::Kind;
use kit::protocol::lenient::{Bytes, Flag, Text};
use kit::protocol::{CallError, Code};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kit::parameters!(BodyNew<'_>, BodyAdd<'_>, BodyFree<'_>);

/// What a body in the making is called in the statistics.
pub const BODY: Kind<Collected> =
    Kind::new("http body", "no such body: it was sent, expired, or is not yours").that_moves(unpack_body);

/// The longest body that is collected from pieces: it is memory until it is sent.
const MAX_BODY: usize = 256 << 20;

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
    let session = super::sessions::find(call, params.session_id.as_deref(), params.verify_ssl)?;
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
