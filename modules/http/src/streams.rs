//! `http_helper.read` and `close`: bodies that are read in pieces.

use super::answer::Pairs;
use super::content::Stream;
use super::exchange::{Trouble, body_trouble};
use super::kept::Open;
use super::past_end;
use super::sessions::Freed;
use super::trailers::Headers;
use super::watch::watched;
use kit::Call;
use kit::Kind;
use kit::protocol::lenient::{Integer, Text};
use kit::protocol::{CallError, Code};
use net::wait::Wait;
use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::io::Read;
use std::sync::Arc;

/// How much is moved at a time.
pub const PIECE: usize = 128 << 10;

kit::parameters!(ReadMore<'_>, Close<'_>);

/// What a stream's handle is called in the statistics.
pub const STREAM: Kind<Open> = Kind::new("http stream", "no such stream: it ended, expired, or is not yours");

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
    trailers: Headers,
}

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + usize::from(!self.trailers.is_empty())))?;
        map.serialize_entry("content", &kit::protocol::lenient::TextOrBytes::Bytes((&self.content).into()))?;
        map.serialize_entry("done", &self.done)?;
        if !self.trailers.is_empty() {
            map.serialize_entry("trailers", &Pairs(&self.trailers))?;
        }
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
    let wait = Wait::of(call, None);
    let owner = call.caller.uid;
    let open = match STREAM.get(call, &params.stream_id) {
        Err(_) if past_end::is_known(owner, &params.stream_id) => {
            return Ok(Piece { content: Vec::new(), done: true, trailers: Headers::new() });
        }
        found => found?,
    };
    let (server, trailers) = (open.server.clone(), Arc::clone(&open.trailers));
    let wait = Wait { inactivity: Some(open.timeout), ..wait };
    let outcome = watched(wait, || {
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
            let trailers = trailers.get().filter(|_| done).cloned().unwrap_or_default();
            Ok(Piece { content, done, trailers })
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
        if is_over || filled == limit || !super::watch::more_soon() {
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
