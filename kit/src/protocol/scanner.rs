//! Finds the end of one MessagePack value, in one go or over many reads.
//!
//! The scanner is the gate for everything that comes from outside: behind it, a message is known to be complete, no
//! deeper than [`MAX_DEPTH`] and backed by bytes for every length it claims. It keeps a count per open array or map and
//! nothing else, so a claim of four billion elements costs nothing.

use super::MAX_DEPTH;
use super::head::{Head, HeadError};

/// How far a scan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The value goes on beyond the bytes given.
    Incomplete,
    /// The value ends here: so many bytes from its start.
    Complete(usize),
}

/// Why a value can't be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The byte 0xc1.
    #[error("byte 0xc1 is not MessagePack")]
    Reserved,
    /// Nested too deeply.
    #[error("arrays and maps are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A length larger than what could still follow.
    #[error("a length is larger than the message")]
    Unbacked,
}

/// The state of a scan: where it is, and what is still open.
pub struct Scanner {
    at: usize,
    depth: usize,
    // How many values each open array or map still holds; more than this of them don't fit any frame.
    open: [u32; MAX_DEPTH],
    outer: usize,
    invalid_utf8: bool,
}

impl Scanner {
    /// A scanner for a value that stands inside `outer` open arrays or maps.
    pub fn inside(outer: usize) -> Self {
        Self { at: 0, depth: 0, open: [0; MAX_DEPTH], outer, invalid_utf8: false }
    }

    /// Whether a text met so far was no UTF-8.
    pub fn invalid_utf8(&self) -> bool {
        self.invalid_utf8
    }

    /// Scans on. `bytes` starts where the value starts, also when earlier calls saw a part of it.
    ///
    /// `limit` is the largest size the value may have; with a complete message at hand it is `bytes.len()`.
    ///
    /// # Errors
    /// [`ScanError`] as soon as it is certain that no acceptable value can come of it.
    pub fn scan(&mut self, bytes: &[u8], limit: usize) -> Result<Scan, ScanError> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let (head, size) = match Head::read(rest) {
                Ok(found) => found,
                Err(HeadError::Reserved) => return Err(ScanError::Reserved),
                Err(HeadError::Short) if self.at >= limit => return Err(ScanError::Unbacked),
                Err(HeadError::Short) => return Ok(Scan::Incomplete),
            };
            let room = limit.saturating_sub(self.at + size);
            let mut children = 0u64;
            match head {
                Head::Str(payload) | Head::Bin(payload) | Head::Ext(payload) => {
                    if payload > room {
                        return Err(ScanError::Unbacked);
                    }
                    let Some(content) = rest.get(size..size + payload) else { return Ok(Scan::Incomplete) };
                    if matches!(head, Head::Str(_)) && std::str::from_utf8(content).is_err() {
                        self.invalid_utf8 = true;
                    }
                    self.at += payload;
                }
                Head::Array(count) => children = count as u64,
                Head::Map(pairs) => children = pairs as u64 * 2,
                _ => {}
            }
            // Every value takes a byte at least.
            let Some(children) = u32::try_from(children).ok().filter(|children| *children as usize <= room) else {
                return Err(ScanError::Unbacked);
            };
            if matches!(head, Head::Array(_) | Head::Map(_)) && self.depth + self.outer >= MAX_DEPTH {
                return Err(ScanError::TooDeep);
            }
            self.at += size;
            if children > 0 {
                self.open[self.depth] = children;
                self.depth += 1;
                continue;
            }
            // A value without children ends here, and with it every array and map whose last value it is.
            while self.depth > 0 {
                self.open[self.depth - 1] -= 1;
                if self.open[self.depth - 1] > 0 {
                    break;
                }
                self.depth -= 1;
            }
            if self.depth == 0 {
                return Ok(Scan::Complete(self.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Result<Scan, ScanError> {
        Scanner::inside(0).scan(bytes, bytes.len())
    }

    #[test]
    fn claims_of_four_billion_are_refused_at_once() {
        for head in [[0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(Scanner::inside(0).scan(&head, 16 << 20), Err(ScanError::Unbacked));
        }
    }

    #[test]
    fn depth_is_counted_exactly() {
        let nested = |depth: usize| {
            let mut bytes = vec![0x91; depth];
            bytes.push(0xc0);
            bytes
        };
        assert_eq!(whole(&nested(MAX_DEPTH)), Ok(Scan::Complete(MAX_DEPTH + 1)));
        assert_eq!(whole(&nested(MAX_DEPTH + 1)), Err(ScanError::TooDeep));
        let inner = nested(MAX_DEPTH);
        assert_eq!(Scanner::inside(1).scan(&inner, inner.len()), Err(ScanError::TooDeep));
        // An empty array opens a level as well.
        let mut empty = vec![0x91; MAX_DEPTH];
        empty.push(0x90);
        assert_eq!(whole(&empty), Err(ScanError::TooDeep));
    }

    #[test]
    fn text_that_is_no_utf8_is_noticed_and_bytes_are_not() {
        let mut scanner = Scanner::inside(0);
        assert_eq!(scanner.scan(&[0xa1, 0xff], 2), Ok(Scan::Complete(2)));
        assert!(scanner.invalid_utf8());
        let mut scanner = Scanner::inside(0);
        assert_eq!(scanner.scan(&[0xc4, 1, 0xff], 3), Ok(Scan::Complete(3)));
        assert!(!scanner.invalid_utf8());
    }

    pub(crate) fn any_value() -> impl Strategy<Value = rmpv::Value> {
        let leaf = prop_oneof![
            Just(rmpv::Value::Nil),
            any::<bool>().prop_map(rmpv::Value::from),
            any::<i64>().prop_map(rmpv::Value::from),
            any::<u64>().prop_map(rmpv::Value::from),
            any::<f64>().prop_map(rmpv::Value::from),
            ".{0,40}".prop_map(rmpv::Value::from),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(rmpv::Value::from),
            (any::<i8>(), prop::collection::vec(any::<u8>(), 0..40))
                .prop_map(|(kind, bytes)| rmpv::Value::Ext(kind, bytes)),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(rmpv::Value::Array),
                prop::collection::vec((inner.clone(), inner), 0..20).prop_map(rmpv::Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_end_is_found_however_the_bytes_are_split(value in any_value(), splits in prop::collection::vec(any::<prop::sample::Index>(), 0..8), tail: Vec<u8>) {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &value).unwrap();
            let end = bytes.len();
            bytes.extend_from_slice(&tail);
            let mut cuts: Vec<usize> = splits.iter().map(|index| index.index(end)).collect();
            cuts.sort_unstable();
            let mut scanner = Scanner::inside(0);
            for cut in cuts {
                prop_assert_eq!(scanner.scan(&bytes[..cut], 1 << 20), Ok(Scan::Incomplete));
            }
            prop_assert_eq!(scanner.scan(&bytes, 1 << 20), Ok(Scan::Complete(end)));
        }

        #[test]
        fn random_bytes_never_panic_and_what_is_accepted_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut scanner = Scanner::inside(0);
            if let Ok(Scan::Complete(end)) = scanner.scan(&bytes, bytes.len()) {
                prop_assert!(end <= bytes.len());
                let mut slice = &bytes[..end];
                prop_assert!(rmpv::decode::read_value(&mut slice).is_ok());
                prop_assert!(slice.is_empty());
            }
        }
    }
}
