//! Writes what the broker sends: answers and notifications, in the framing the client chose.

use super::buffer::Buffer;
use super::error::{CallError, Code};
use super::framing::{FRAME_HEADER, Framing};
use super::head::Head;
use super::message::Freeze;
use serde::Serialize;

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("a result can't be written as MessagePack: {0}")]
pub struct Unwritable(#[from] rmp_serde::encode::Error);

/// Appends a value: structs as maps, bytes as `bin`.
///
/// # Errors
/// [`Unwritable`] for values that MessagePack has no form for.
pub fn write_value<T: Serialize + ?Sized>(out: &mut Buffer, value: &T) -> Result<(), Unwritable> {
    value.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())?;
    Ok(())
}

/// Appends the header of a map of `pairs` pairs.
pub fn write_map_header(out: &mut Buffer, pairs: u32) {
    out.push(&Head::Map(pairs as usize).write());
}

/// An answer that is being written: where it starts, so that it can be taken back.
#[derive(Clone, Copy)]
pub struct Answer {
    framing: Framing,
    msgid: u32,
    start: usize,
    max_frame: usize,
}

impl Answer {
    /// Begins a successful answer; the result's bytes come next, then [`Answer::finish`].
    #[inline]
    pub fn begin(out: &mut Buffer, framing: Framing, msgid: u32, max_frame: usize) -> Self {
        let start = out.len();
        let [a, b, c, d] = msgid.to_be_bytes();
        // Written at once: the head of every answer is a few bytes, and each time it would be asked whether they fit.
        match (framing, msgid) {
            (Framing::Framed, 0..=0x7f) => out.push(&[0, 0, 0, 0, 0x94, RESPONSE, d, NIL]),
            (Framing::Framed, _) => out.push(&[0, 0, 0, 0, 0x94, RESPONSE, 0xce, a, b, c, d, NIL]),
            (Framing::Bare, 0..=0x7f) => out.push(&[0x94, RESPONSE, d, NIL]),
            (Framing::Bare, _) => out.push(&[0x94, RESPONSE, 0xce, a, b, c, d, NIL]),
        }
        Self { framing, msgid, start, max_frame }
    }

    /// Has a result that is longer than was asked for come as an image, before the answer is finished.
    pub fn freeze(self, out: &mut Buffer, freeze: Freeze<'_>) {
        let head = match (self.framing, self.msgid) {
            (Framing::Framed, 0..=0x7f) => 8,
            (Framing::Framed, _) => 12,
            (Framing::Bare, 0..=0x7f) => 4,
            (Framing::Bare, _) => 8,
        };
        if let Some(wish) = freeze.wish(self.start + self.max_frame) {
            wish.freeze_result(out, self.start + head);
        }
    }

    /// Ends a successful answer. One that would not fit a frame becomes the error `too_large`.
    ///
    /// # Errors
    /// The error that was sent instead, for the statistics.
    #[inline]
    pub fn finish(self, out: &mut Buffer) -> Result<(), CallError> {
        let size = out.len() - self.start;
        if size > self.max_frame {
            let error = CallError::new(
                Code::TooLarge,
                format!("the result of {size} bytes is above max_frame ({} bytes)", self.max_frame),
            );
            self.fail(out, &error);
            return Err(error);
        }
        self.close(out);
        Ok(())
    }

    /// Takes back what was written and answers with an error.
    pub fn fail(self, out: &mut Buffer, error: &CallError) {
        out.truncate(self.start);
        let _ = Self::begin(out, self.framing, self.msgid, self.max_frame);
        // In place of the nil that stands for no error.
        out.truncate(out.len() - 1);
        write_error(out, error);
        out.push(&[NIL]);
        self.close(out);
    }

    /// Takes the whole answer back: nobody asked for one.
    pub fn take_back(self, out: &mut Buffer) {
        out.truncate(self.start);
    }

    fn close(self, out: &mut Buffer) {
        close_frame(out, self.framing, self.start);
    }
}

/// Appends an answer whose result is at hand as bytes.
///
/// # Errors
/// As [`Answer::finish`].
pub fn write_answer(
    out: &mut Buffer,
    framing: Framing,
    msgid: u32,
    max_frame: usize,
    result: &Result<Buffer, CallError>,
) -> Result<(), CallError> {
    let answer = Answer::begin(out, framing, msgid, max_frame);
    match result {
        Ok(result) => {
            out.push(result.as_slice());
            answer.finish(out)
        }
        Err(error) => {
            answer.fail(out, error);
            Ok(())
        }
    }
}

/// Appends `[2, "rpc.error", [{code, message}]]`: why the broker is about to close the connection.
pub fn write_rpc_error(out: &mut Buffer, framing: Framing, error: &CallError) {
    let start = open_frame(out, framing);
    out.push(&[0x93, NOTIFICATION, 0xa9]);
    out.push(b"rpc.error");
    out.push(&[0x91]);
    write_error(out, error);
    close_frame(out, framing, start);
}

/// How far a call has come, for `rpc.progress`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The call.
    pub msgid: u32,
    /// How much is done, in `unit`.
    pub done: u64,
    /// How much there is to do, if known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: &'static str,
}

/// Appends `[2, "rpc.progress", [{msgid, done, total, unit}]]`.
///
/// # Errors
/// [`Unwritable`], which no progress can cause.
pub fn write_progress(out: &mut Buffer, framing: Framing, progress: &Progress) -> Result<(), Unwritable> {
    let start = open_frame(out, framing);
    out.push(&[0x93, NOTIFICATION, 0xac]);
    out.push(b"rpc.progress");
    out.push(&[0x91]);
    write_value(out, progress)?;
    close_frame(out, framing, start);
    Ok(())
}

const NIL: u8 = 0xc0;
const RESPONSE: u8 = 1;
const NOTIFICATION: u8 = 2;

fn open_frame(out: &mut Buffer, framing: Framing) -> usize {
    let start = out.len();
    if framing == Framing::Framed {
        out.push(&[0; FRAME_HEADER]);
    }
    start
}

fn close_frame(out: &mut Buffer, framing: Framing, start: usize) {
    if framing == Framing::Framed {
        let length = out.len() - start - FRAME_HEADER;
        out.set_u32(start, length as u32);
    }
}

fn write_error(out: &mut Buffer, error: &CallError) {
    let start = out.len();
    if write_value(out, error).is_err() {
        out.truncate(start);
        out.push(&[0x80]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmpv::Value as V;

    fn read(out: &Buffer, framing: Framing) -> Vec<V> {
        let mut rest = out.as_slice();
        let mut values = Vec::new();
        while !rest.is_empty() {
            if framing == Framing::Framed {
                let (header, body) = rest.split_first_chunk::<4>().unwrap();
                let (mut message, after) = body.split_at(u32::from_be_bytes(*header) as usize);
                values.push(rmpv::decode::read_value(&mut message).unwrap());
                assert!(message.is_empty());
                rest = after;
            } else {
                values.push(rmpv::decode::read_value(&mut rest).unwrap());
            }
        }
        values
    }

    #[test]
    fn answers_in_both_framings() {
        for framing in [Framing::Framed, Framing::Bare] {
            let mut out = Buffer::new();
            for msgid in [0, 127, 128, u32::MAX] {
                let answer = Answer::begin(&mut out, framing, msgid, 1000);
                write_value(&mut out, "pong").unwrap();
                answer.finish(&mut out).unwrap();
            }
            let answer = Answer::begin(&mut out, framing, 5, 1000);
            write_value(&mut out, "half a res").unwrap();
            answer.fail(&mut out, &CallError::failed("no"));
            let values = read(&out, framing);
            assert_eq!(values.len(), 5);
            assert_eq!(values[3], V::Array(vec![V::from(1), V::from(u32::MAX), V::Nil, V::from("pong")]));
            assert_eq!(values[4][3], V::Nil);
            assert_eq!(values[4][2]["code"], V::from("failed"));
        }
    }

    #[test]
    fn a_result_above_the_frame_limit_becomes_an_error() {
        let mut out = Buffer::new();
        let answer = Answer::begin(&mut out, Framing::Framed, 1, 100);
        write_value(&mut out, &"x".repeat(200)).unwrap();
        assert_eq!(answer.finish(&mut out).unwrap_err().code, Code::TooLarge);
        assert_eq!(read(&out, Framing::Framed)[0][2]["code"], V::from("too_large"));
    }

    #[test]
    fn notifications() {
        let mut out = Buffer::new();
        write_rpc_error(&mut out, Framing::Bare, &CallError::new(Code::Protocol, "bad"));
        write_progress(&mut out, Framing::Bare, &Progress { msgid: 1, done: 2, total: None, unit: "bytes" }).unwrap();
        let values = read(&out, Framing::Bare);
        assert_eq!(values[0][1], V::from("rpc.error"));
        assert_eq!(values[1][1], V::from("rpc.progress"));
        assert_eq!(values[1][2][0]["total"], V::Nil);
    }

    #[test]
    fn map_headers_of_every_size() {
        for pairs in [0, 15, 16, 65_535, 65_536] {
            let mut out = Buffer::new();
            write_map_header(&mut out, pairs);
            let (head, size) = crate::protocol::head::Head::read(out.as_slice()).unwrap();
            assert_eq!((head, size), (crate::protocol::head::Head::Map(pairs as usize), out.len()));
        }
    }
}
