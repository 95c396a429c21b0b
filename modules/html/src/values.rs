//! What handlers are called with, as MessagePack. It is written at once: a page has a hundred thousand values, and looking at each a second
//! time would take as long as finding them.

use crate::entities::{Chars, latin1_as_utf8};
use std::borrow::Cow;

/// Values in the order in which handlers take them.
#[derive(Default)]
pub(crate) struct Values {
    written: Vec<u8>,
    // Those that are in no other.
    outer: u32,
}

const NIL: u8 = 0xc0;
/// Bytes of the longest text whose head is one byte.
const SHORT: usize = 31;

impl Values {
    /// Counts so many of what was written as values in no other.
    pub(crate) fn count(&mut self, outer: usize) {
        self.outer = self.outer.saturating_add(u32::try_from(outer).unwrap_or(u32::MAX));
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> usize {
        self.written.len()
    }

    /// How many there are in no other, and their bytes.
    pub(crate) fn finish(self) -> (u32, Vec<u8>) {
        (self.outer, self.written)
    }

    pub(crate) fn nil(&mut self) {
        self.written.push(NIL);
    }

    pub(crate) fn number(&mut self, number: u64) {
        match number {
            0..=0x7f => self.written.push(number as u8),
            0x80..=0xffff => {
                self.written.push(0xcd);
                self.written.extend_from_slice(&(number as u16).to_be_bytes());
            }
            _ => {
                self.written.push(0xcf);
                self.written.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    /// Begins a list of so many values, which come next.
    pub(crate) fn list(&mut self, length: usize) {
        self.head(length, 0x90, 0xdc);
    }

    /// Begins a map of so many keys and values, which come next in turns.
    pub(crate) fn map(&mut self, pairs: usize) {
        self.head(pairs, 0x80, 0xde);
    }

    /// Those that have elements: one byte for up to 15, then heads of 2 and 4 bytes more.
    fn head(&mut self, length: usize, short: u8, long: u8) {
        match length {
            0..=15 => self.written.push(short | length as u8),
            16..=0xffff => {
                self.written.push(long);
                self.written.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                self.written.push(long + 1);
                self.written.extend_from_slice(&(length as u32).to_be_bytes());
            }
        }
    }

    /// Text. Bytes that are a character each go as bytes, which cost Perl least; characters with a head that says that they are to be
    /// characters in an image as well if they are ASCII (`kit::protocol::frozen`).
    #[inline]
    pub(crate) fn text(&mut self, bytes: &[u8], is_wide: bool) {
        if is_wide {
            self.characters(&String::from_utf8_lossy(bytes));
        } else if bytes.len() <= SHORT && bytes.is_ascii() {
            self.written.push(0xa0 | bytes.len() as u8);
            self.written.extend_from_slice(bytes);
        } else {
            self.sized(bytes, [0xc4, 0xc5, 0xc6]);
        }
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
        if is_wide || bytes.is_ascii() { self.utf8(bytes) } else { self.utf8(&latin1_as_utf8(bytes)) }
    }

    fn utf8(&mut self, bytes: &[u8]) {
        let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
        if text.len() <= SHORT {
            self.written.push(0xa0 | text.len() as u8);
            self.written.extend_from_slice(text.as_bytes());
        } else {
            self.sized(text.as_bytes(), [0xd9, 0xda, 0xdb]);
        }
    }

    fn sized(&mut self, bytes: &[u8], heads: [u8; 3]) {
        match bytes.len() {
            length @ 0..=0xff => self.written.extend_from_slice(&[heads[0], length as u8]),
            length @ 0x100..=0xffff => {
                self.written.push(heads[1]);
                self.written.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                self.written.push(heads[2]);
                self.written.extend_from_slice(&(length as u32).to_be_bytes());
            }
        }
        self.written.extend_from_slice(bytes);
    }
}
