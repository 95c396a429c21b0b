//! What handlers are called with, as MessagePack. It is written at once: a page has a hundred thousand values, and looking at each a second
//! time would take as long as finding them.

use crate::entities::{Chars, latin1_as_utf8};
use kit::protocol::head::Head;
use std::borrow::Cow;

/// Values in the order in which handlers take them.
#[derive(Default)]
pub(crate) struct Values {
    written: Vec<u8>,
    // Those that are in no other.
    outer: usize,
}

/// Bytes of the longest text whose head is one byte.
const SHORT: usize = 31;

impl Values {
    /// Counts so many of what was written as values in no other.
    pub(crate) fn count(&mut self, outer: usize) {
        self.outer += outer;
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> usize {
        self.written.len()
    }

    /// How many there are in no other, and their bytes.
    pub(crate) fn finish(self) -> (usize, Vec<u8>) {
        (self.outer, self.written)
    }

    fn head(&mut self, head: Head) {
        self.written.extend_from_slice(&head.write());
    }

    pub(crate) fn nil(&mut self) {
        self.head(Head::Nil);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.head(Head::Uint(number));
    }

    /// Begins a list of so many values, which come next.
    pub(crate) fn list(&mut self, length: usize) {
        self.head(Head::Array(length));
    }

    /// Begins a map of so many keys and values, which come next in turns.
    pub(crate) fn map(&mut self, pairs: usize) {
        self.head(Head::Map(pairs));
    }

    /// Text. Bytes that are a character each go as bytes, which cost Perl least; characters with a head that says that they are to be
    /// characters in an image as well if they are ASCII (`kit::protocol::frozen`).
    #[inline]
    pub(crate) fn text(&mut self, bytes: &[u8], is_wide: bool) {
        if is_wide {
            return self.characters(&String::from_utf8_lossy(bytes));
        }
        let is_short = bytes.len() <= SHORT && bytes.is_ascii();
        self.head(if is_short { Head::Str(bytes.len()) } else { Head::Bin(bytes.len()) });
        self.written.extend_from_slice(bytes);
    }

    /// The head is one size longer than it has to be.
    fn characters(&mut self, text: &str) {
        match text.len() {
            length @ 0..=SHORT => self.written.extend_from_slice(&[0xd9, length as u8]),
            length @ ..=0xff => self.written.extend_from_slice(&[0xda, 0, length as u8]),
            length => {
                self.written.push(0xdb);
                self.written.extend_from_slice(&(length as u32).to_be_bytes());
            }
        }
        self.written.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn chars(&mut self, chars: &Chars) {
        self.text(&chars.bytes, chars.is_wide);
    }

    /// A key of a map, which is text in any case.
    pub(crate) fn key(&mut self, bytes: &[u8], is_wide: bool) {
        let is_utf8 = is_wide || bytes.is_ascii();
        let utf8 = if is_utf8 { Cow::Borrowed(bytes) } else { Cow::Owned(latin1_as_utf8(bytes)) };
        let text = String::from_utf8_lossy(&utf8);
        self.head(Head::Str(text.len()));
        self.written.extend_from_slice(text.as_bytes());
    }
}
