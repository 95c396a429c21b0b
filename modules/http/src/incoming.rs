//! What the library reads in place of what a server sent: heads and chunks as the standard has them.
//!
//! Most answers pass as they came. Where one does not, its head and after it each piece of its body stand here until the library
//! has taken them. What was not read yet stays with the link below.

use super::chunks::{Chunks, Wrong};
use super::trailers::{Place, headers_of};
use ureq::unversioned::transport::Buffers;

/// So much of a body is put into one chunk, and kept at most, in bytes.
pub const MOST: usize = 64 << 10;
/// The length of a chunk, written with as many digits as [`MOST`] can have, so that its place can be kept.
const LENGTH: usize = b"0000000\r\n".len();
/// How much is sent at a time while a server answers already, in bytes.
const OUTGOING: usize = 16 << 10;

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    taken: usize,
    // Whether the library took something when it last looked; if not, it needs more.
    progress: bool,
    body: Option<(Chunks, Place)>,
    // Why no more of it can be read, where what came before is still to be taken.
    wrong: Option<Wrong>,
    // Where the library puts what it sends meanwhile.
    outgoing: Vec<u8>,
}

impl Incoming {
    /// Puts a head in front, and chunks behind it where they are to be read. Trailers go to their place.
    pub fn begin(&mut self, head: Vec<u8>, body: Option<Place>) {
        let body = body.map(|place| (Chunks::default(), place));
        *self = Self { bytes: head, progress: true, body, ..Self::default() };
    }

    /// What the library is to read, where it reads from here.
    pub fn input_of_ours(&self) -> Option<&[u8]> {
        (self.is_reading() || self.taken < self.bytes.len()).then(|| &self.bytes[self.taken..])
    }

    /// Whether a body's chunks are being read.
    pub fn is_reading(&self) -> bool {
        self.body.is_some()
    }

    /// Reads what came of a body. Tells how much of that was read, and whether there is more for the library than before.
    ///
    /// # Errors
    /// For what are no chunks, when everything before it was taken.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, bool), Wrong> {
        let Some((chunks, _)) = &mut self.body else { return Ok((0, false)) };
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let before = self.bytes.len();
        let room = MOST.saturating_sub(before);
        self.bytes.resize(before + LENGTH, 0);
        let outcome = chunks.read(input, &mut self.bytes, room);
        let length = self.bytes.len() - before - LENGTH;
        if length == 0 {
            self.bytes.truncate(before);
        } else {
            self.bytes[before..before + LENGTH].copy_from_slice(format!("{length:07x}\r\n").as_bytes());
            self.bytes.extend_from_slice(b"\r\n");
        }
        if chunks.is_over() {
            self.end();
        }
        match outcome {
            Ok(count) => Ok((count, self.bytes.len() > before)),
            Err(wrong) if length == 0 => Err(wrong),
            Err(wrong) => {
                self.wrong = Some(wrong);
                Ok((input.len(), true))
            }
        }
    }

    /// The connection has ended. Tells whether that was the body's end as well.
    pub fn end_of_connection(&mut self) -> bool {
        let is_whole = self.body.as_ref().is_some_and(|(chunks, _)| chunks.is_whole());
        if is_whole {
            self.end();
        }
        is_whole
    }

    fn end(&mut self) {
        if let Some((chunks, place)) = self.body.take() {
            // It is empty: each answer has a place of its own.
            let _ = place.set(headers_of(chunks.trailers()));
            self.bytes.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

impl Buffers for Incoming {
    fn output(&mut self) -> &mut [u8] {
        self.tmp_and_output().1
    }

    fn input(&self) -> &[u8] {
        self.input_of_ours().unwrap_or_default()
    }

    /// Nobody but this file adds to it.
    fn input_append_buf(&mut self) -> &mut [u8] {
        &mut []
    }

    fn input_appended(&mut self, _: usize) {}

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.taken = self.bytes.len().min(self.taken + amount);
        if self.taken == self.bytes.len() {
            // A connection that is kept holds nothing.
            let (body, wrong) = (self.body.take(), self.wrong.take());
            *self = Self { body, wrong, progress: self.progress, ..Self::default() };
        }
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.outgoing.resize(2 * OUTGOING, 0);
        self.outgoing.split_at_mut(OUTGOING)
    }

    fn can_use_input(&self) -> bool {
        self.progress && self.taken < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(incoming: &Incoming) -> &str {
        std::str::from_utf8(incoming.input_of_ours().unwrap_or(b"(nothing)")).unwrap()
    }

    #[test]
    fn a_head_is_read_and_then_what_comes() {
        let mut incoming = Incoming::default();
        assert!(incoming.input_of_ours().is_none() && !incoming.can_use_input());
        incoming.begin(b"head".to_vec(), None);
        assert!(incoming.can_use_input());
        incoming.input_consume(0);
        assert!(!incoming.can_use_input());
        incoming.input_consume(3);
        assert_eq!(text(&incoming), "d");
        incoming.input_consume(1);
        assert_eq!(incoming.input_of_ours(), None);
    }

    #[test]
    fn chunks_come_as_the_standard_has_them() {
        let (mut incoming, place) = (Incoming::default(), Place::default());
        incoming.begin(b"head".to_vec(), Some(place.clone()));
        incoming.input_consume(4);
        assert_eq!(text(&incoming), "");
        assert_eq!(incoming.read(b" 3 ; x\n"), Ok((7, false)));
        assert_eq!(incoming.read(b"abc\n02\nde\nf"), Ok((11, true)));
        assert_eq!(text(&incoming), "0000005\r\nabcde\r\n");
        incoming.input_consume(16);
        assert_eq!(incoming.read(b"\n0123456789abcdeXYZ\n"), Ok((20, true)));
        assert_eq!(text(&incoming), "000000f\r\n0123456789abcde\r\n", "what came before it went wrong");
        incoming.input_consume(26);
        assert_eq!(incoming.read(b""), Err(Wrong::TooMuch));
        incoming.begin(Vec::new(), Some(place.clone()));
        assert_eq!(incoming.read(b"0\nT: 1\n\nmore"), Ok((8, true)));
        assert_eq!(text(&incoming), "0\r\n\r\n");
        assert_eq!(place.get(), Some(&vec![("T".to_owned(), b"1".to_vec())]));
        incoming.input_consume(5);
        assert_eq!(incoming.input_of_ours(), None, "the rest is the next answer's");
    }

    #[test]
    fn no_more_is_kept_than_has_room() {
        let mut incoming = Incoming::default();
        incoming.begin(Vec::new(), Some(Place::default()));
        incoming.read(b"ffffff\r\n").unwrap();
        let data = vec![b'x'; 3 * MOST];
        assert_eq!(incoming.read(&data), Ok((MOST, true)));
        assert_eq!(incoming.read(&data), Ok((0, false)));
        assert_eq!(incoming.input().len(), MOST + LENGTH + 2);
        incoming.input_consume(MOST);
        assert!(incoming.read(&data).unwrap().1);
        assert!(incoming.input().len() <= MOST + 2 * (LENGTH + 2));
    }

    #[test]
    fn a_connection_ends_within_a_body_or_behind_it() {
        let mut incoming = Incoming::default();
        for (came, is_whole) in [(&b"4\r\nbody\r\n"[..], false), (b"4\r\nbody\r\n0\r\n", true), (b"0\r\nT: 1", true)] {
            incoming.begin(Vec::new(), Some(Place::default()));
            incoming.read(came).unwrap();
            assert_eq!(incoming.end_of_connection(), is_whole);
            assert_eq!(text(&incoming).ends_with("0\r\n\r\n"), is_whole);
        }
    }
}
