//! What results of this module have, for `cpan-bridge describe`: those that write themselves can't be read off their types.

use super::answer::Answer;
use super::streams::Piece;
use kit::protocol::lenient::TextOrBytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The answer to a request. What is not always there depends on the function and on how the request went.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct AnswerFields {
    /// The status that the server sent; 599 if none came.
    status_code: u16,
    /// What the server says to it, as its bytes if it is not ASCII, or why none came.
    reason: TextOrBytes<'static>,
    /// Whether the status is from 200 to 299.
    success: Option<bool>,
    /// Status and reason.
    status_line: Option<TextOrBytes<'static>>,
    /// The body: text, decoded by the answer's charset, where it is text; else bytes.
    content: TextOrBytes<'static>,
    /// The same as content.
    body: Option<TextOrBytes<'static>>,
    /// The headers by name; values are bytes if they are not ASCII, repeated ones joined by a comma, Set-Cookie a list. For stand-ins, names and values in turn: a list, or with `lines` one text.
    headers: BTreeMap<String, TextOrBytes<'static>>,
    /// The address that answered, after redirects.
    url: String,
    /// The addresses that led there.
    redirects: Option<Vec<String>>,
    /// Seconds that it took.
    elapsed: f64,
    /// Why it is no success.
    error: Option<TextOrBytes<'static>>,
    /// Why the body breaks off.
    aborted: Option<String>,
    /// For stand-ins, what it came by: `peer` (address and port), `answers` (how many came by that connection), and for TLS `version`, `cipher`, and `subject` and
    /// `issuer` of the certificate, as OpenSSL writes them.
    connection: Option<BTreeMap<String, String>>,
    /// Headers that came behind a body in chunks, in the form of `headers`.
    trailers: Option<BTreeMap<String, TextOrBytes<'static>>>,
    /// The stream that the rest of the body comes by.
    stream_id: Option<String>,
    /// The file that the body went to or came from.
    path: Option<TextOrBytes<'static>>,
    /// Its length.
    bytes: Option<u64>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct PieceFields {
    /// Bytes of the body.
    content: TextOrBytes<'static>,
    /// Whether it was the last.
    done: bool,
    /// With the last, headers that came behind the body: names and values in turn.
    trailers: Option<Vec<TextOrBytes<'static>>>,
}

macro_rules! has_fields {
    ($type:ty, $fields:ty, $name:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$fields>::json_schema(generator)
            }
        }
    };
}

has_fields!(Answer, AnswerFields, "Answer");
has_fields!(Piece, PieceFields, "Piece");
