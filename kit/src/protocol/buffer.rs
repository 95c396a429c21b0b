//! A byte queue that leaves no secret behind.
//!
//! Requests carry keys and plaintexts. Every byte that passes through a [`Buffer`] is overwritten before its memory is
//! given back: when it is consumed completely, when the buffer grows into a new allocation, and when it is dropped.

use std::io;

/// Bytes that are appended at the end and consumed from the front.
///
/// An empty default buffer owns no memory.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// An empty buffer that owns no memory.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0 }
    }

    /// The bytes that are not consumed yet.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How many bytes are not consumed yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether every byte is consumed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of memory the buffer owns.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, more: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < more.len() {
            self.make_room(more.len());
        }
        self.bytes.extend_from_slice(more);
    }

    /// Makes room for so many more bytes at once.
    pub fn reserve(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() < additional {
            self.make_room(additional);
        }
    }

    /// Drops `count` bytes from the front; at most those that are there.
    ///
    /// When none is left the used memory is overwritten and kept for the next bytes.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    /// Drops all bytes and overwrites them; the memory is kept.
    pub fn clear(&mut self) {
        wipe(&mut self.bytes);
        self.bytes.clear();
        self.start = 0;
    }

    /// Drops the bytes after the first `len` unconsumed ones.
    pub fn truncate(&mut self, len: usize) {
        let end = self.start + len.min(self.len());
        wipe(&mut self.bytes[end..]);
        self.bytes.truncate(end);
    }

    /// Overwrites the four bytes at `at` (counted from the first unconsumed byte) with a big-endian number.
    ///
    /// # Panics
    /// When fewer than four bytes are there; callers put a placeholder there first.
    pub fn set_u32(&mut self, at: usize, value: u32) {
        let at = self.start + at;
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// Drops all bytes and gives the memory back.
    pub fn release(&mut self) {
        if self.capacity() > 0 {
            *self = Self::new();
        }
    }

    /// Makes room for `additional` bytes. Grows by doubling, so by no more than twice what was received.
    #[cold]
    fn make_room(&mut self, additional: usize) {
        let wanted = self.len() + additional;
        if self.bytes.capacity() >= wanted && self.start >= self.bytes.len() / 2 {
            self.bytes.copy_within(self.start.., 0);
            let len = self.len();
            wipe(&mut self.bytes[len..]);
            self.bytes.truncate(len);
            self.start = 0;
            return;
        }
        // Vec would move the bytes on its own and leave the old ones in freed memory.
        let mut grown = Vec::with_capacity(wanted.max(self.len() * 2));
        grown.extend_from_slice(self.as_slice());
        wipe(&mut self.bytes);
        self.bytes = grown;
        self.start = 0;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Overwrites memory with zeroes in a way that the compiler does not drop.
///
/// `zeroize` does the same a byte at a time; for whole buffers that is several times slower than a fill.
pub fn wipe(bytes: &mut [u8]) {
    // Most buffers that are dropped own nothing, and a call of memset for nothing was a twentieth of the broker's time.
    if bytes.is_empty() {
        return;
    }
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// Overwrites what the functions that were called before from the same place have left on the stack: key schedules, which
/// begin with the key itself, and the last block of what was digested.
///
/// 16 KiB is several times what ring and the block ciphers use; without optimisation every move of a key schedule has a
/// place of its own. `tests/broker/secrets.rs` would find what is left.
#[inline(never)]
pub fn wipe_stack() {
    const DEPTH: usize = if cfg!(debug_assertions) { 128 * 1024 } else { 16 * 1024 };
    let mut below = [0_u8; DEPTH];
    std::hint::black_box(&mut below);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fresh_buffer_owns_no_memory() {
        assert_eq!(Buffer::new().capacity(), 0);
    }

    #[test]
    fn wiped_memory_is_zero() {
        let mut bytes = *b"secret";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 6]);
    }

    #[test]
    fn a_claim_does_not_grow_the_buffer_but_bytes_do() {
        let mut buffer = Buffer::new();
        for _ in 0..100 {
            buffer.push(&[1; 1000]);
            assert!(buffer.capacity() <= 2 * buffer.len());
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_queue(steps in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..60)) {
            let mut buffer = Buffer::new();
            let mut model: Vec<u8> = Vec::new();
            for (push, bytes) in steps {
                if push {
                    buffer.push(&bytes);
                    model.extend_from_slice(&bytes);
                } else {
                    buffer.consume(bytes.len());
                    model.drain(..bytes.len().min(model.len()));
                }
                prop_assert_eq!(buffer.as_slice(), &model[..]);
                prop_assert_eq!(buffer.len(), model.len());
            }
        }
    }
}
