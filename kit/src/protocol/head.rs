//! The first byte of a MessagePack value and what follows from it.
//!
//! Format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

/// What a value's header says. Lengths are claims: whoever reads on checks them against the bytes that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Head {
    /// nil.
    Nil,
    /// true or false.
    Bool(bool),
    /// An integer of at least zero, in whatever width it was sent.
    Uint(u64),
    /// A negative integer.
    Int(i64),
    /// A float of 32 or 64 bits.
    Float(f64),
    /// Text of so many bytes.
    Str(usize),
    /// So many bytes.
    Bin(usize),
    /// So many elements.
    Array(usize),
    /// So many pairs.
    Map(usize),
    /// An extension of so many bytes, the type byte included.
    Ext(usize),
}

/// Why no header could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// More bytes are needed.
    Short,
    /// 0xc1, which the specification leaves unused.
    Reserved,
}

impl Head {
    /// Reads the header at the front of `bytes`: what it says and how many bytes it takes (payloads of text,
    /// bytes and extensions not included).
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), HeadError> {
        let Some(&first) = bytes.first() else { return Err(HeadError::Short) };
        Ok(match first {
            0x00..=0x7f => (Self::Uint(u64::from(first)), 1),
            0x80..=0x8f => (Self::Map(usize::from(first & 0x0f)), 1),
            0x90..=0x9f => (Self::Array(usize::from(first & 0x0f)), 1),
            0xa0..=0xbf => (Self::Str(usize::from(first & 0x1f)), 1),
            0xc0 => (Self::Nil, 1),
            0xc1 => return Err(HeadError::Reserved),
            0xc2 => (Self::Bool(false), 1),
            0xc3 => (Self::Bool(true), 1),
            0xc4 => (Self::Bin(length::<1>(bytes)?), 2),
            0xc5 => (Self::Bin(length::<2>(bytes)?), 3),
            0xc6 => (Self::Bin(length::<4>(bytes)?), 5),
            0xc7 => (Self::Ext(length::<1>(bytes)? + 1), 2),
            0xc8 => (Self::Ext(length::<2>(bytes)? + 1), 3),
            0xc9 => (Self::Ext(length::<4>(bytes)? + 1), 5),
            0xca => (Self::Float(f64::from(f32::from_be_bytes(take(bytes)?))), 5),
            0xcb => (Self::Float(f64::from_be_bytes(take(bytes)?)), 9),
            0xcc => (Self::Uint(u64::from(u8::from_be_bytes(take(bytes)?))), 2),
            0xcd => (Self::Uint(u64::from(u16::from_be_bytes(take(bytes)?))), 3),
            0xce => (Self::Uint(u64::from(u32::from_be_bytes(take(bytes)?))), 5),
            0xcf => (Self::Uint(u64::from_be_bytes(take(bytes)?)), 9),
            0xd0 => (signed(i64::from(i8::from_be_bytes(take(bytes)?))), 2),
            0xd1 => (signed(i64::from(i16::from_be_bytes(take(bytes)?))), 3),
            0xd2 => (signed(i64::from(i32::from_be_bytes(take(bytes)?))), 5),
            0xd3 => (signed(i64::from_be_bytes(take(bytes)?)), 9),
            0xd4..=0xd8 => (Self::Ext((1 << (first - 0xd4)) + 1), 1),
            0xd9 => (Self::Str(length::<1>(bytes)?), 2),
            0xda => (Self::Str(length::<2>(bytes)?), 3),
            0xdb => (Self::Str(length::<4>(bytes)?), 5),
            0xdc => (Self::Array(length::<2>(bytes)?), 3),
            0xdd => (Self::Array(length::<4>(bytes)?), 5),
            0xde => (Self::Map(length::<2>(bytes)?), 3),
            0xdf => (Self::Map(length::<4>(bytes)?), 5),
            0xe0..=0xff => (Self::Int(i64::from(first as i8)), 1),
        })
    }

    /// Its bytes, as short as they can be. Lengths and counts are below 2^32.
    #[inline]
    pub fn write(self) -> Written {
        match self {
            Self::Nil => Written::first(0xc0),
            Self::Bool(flag) => Written::first(0xc2 + u8::from(flag)),
            Self::Uint(number) => match number {
                0..=0x7f => Written::first(number as u8),
                0x80..=0xff => Written::sized(0xcc, [number as u8]),
                0x100..=0xffff => Written::sized(0xcd, (number as u16).to_be_bytes()),
                0x1_0000..=0xffff_ffff => Written::sized(0xce, (number as u32).to_be_bytes()),
                _ => Written::sized(0xcf, number.to_be_bytes()),
            },
            Self::Int(number) => match number {
                0.. => Self::Uint(number as u64).write(),
                -32.. => Written::first(number as u8),
                -0x80.. => Written::sized(0xd0, [number as u8]),
                -0x8000.. => Written::sized(0xd1, (number as i16).to_be_bytes()),
                -0x8000_0000.. => Written::sized(0xd2, (number as i32).to_be_bytes()),
                _ => Written::sized(0xd3, number.to_be_bytes()),
            },
            Self::Float(number) => Written::sized(0xcb, number.to_be_bytes()),
            Self::Str(length @ 0..=31) => Written::first(0xa0 | length as u8),
            Self::Str(length) => Written::counted(length, Some(0xd9), 0xda),
            Self::Bin(length) => Written::counted(length, Some(0xc4), 0xc5),
            Self::Array(count @ 0..=15) => Written::first(0x90 | count as u8),
            Self::Array(count) => Written::counted(count, None, 0xdc),
            Self::Map(count @ 0..=15) => Written::first(0x80 | count as u8),
            Self::Map(count) => Written::counted(count, None, 0xde),
            // Its type byte is the first of what comes next.
            Self::Ext(length) => Written::counted(length.saturating_sub(1), Some(0xc7), 0xc8),
        }
    }

    /// The type's name as messages use it.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Uint(_) | Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::Str(_) => "text",
            Self::Bin(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Ext(_) => "extension",
        }
    }
}

/// The bytes of a header.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    bytes: [u8; 9],
    length: usize,
}

impl Written {
    #[inline]
    fn first(first: u8) -> Self {
        Self::sized(first, [])
    }

    #[inline]
    fn sized<const N: usize>(first: u8, rest: [u8; N]) -> Self {
        let mut bytes = [0; 9];
        bytes[0] = first;
        bytes[1..=N].copy_from_slice(&rest);
        Self { bytes, length: 1 + N }
    }

    /// With a length of 8 bits, if there is such a form, or of 16; that of 32 comes next to it.
    #[inline]
    fn counted(count: usize, short: Option<u8>, long: u8) -> Self {
        match (count, short) {
            (0..=0xff, Some(short)) => Self::sized(short, [count as u8]),
            (0..=0xffff, _) => Self::sized(long, (count as u16).to_be_bytes()),
            _ => Self::sized(long + 1, (count as u32).to_be_bytes()),
        }
    }
}

impl std::ops::Deref for Written {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn signed(value: i64) -> Head {
    u64::try_from(value).map_or(Head::Int(value), Head::Uint)
}

#[inline]
fn take<const N: usize>(bytes: &[u8]) -> Result<[u8; N], HeadError> {
    bytes.get(1..=N).and_then(|slice| slice.try_into().ok()).ok_or(HeadError::Short)
}

#[inline]
fn length<const N: usize>(bytes: &[u8]) -> Result<usize, HeadError> {
    let raw: [u8; N] = take(bytes)?;
    Ok(raw.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// The text that a complete value holds, if it is text (or bytes that are text).
pub fn text(value: &[u8]) -> Option<&str> {
    match Head::read(value) {
        Ok((Head::Str(length) | Head::Bin(length), size)) => std::str::from_utf8(value.get(size..size + length)?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_first_byte_but_one_has_a_meaning() {
        for first in 0..=255u8 {
            let bytes = [first, 0, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(Head::read(&bytes).is_err(), first == 0xc1, "{first:#x}");
            if let Ok((head @ (Head::Nil | Head::Bool(_)), size)) = Head::read(&bytes) {
                assert_eq!(*head.write(), bytes[..size]);
            }
        }
    }

    proptest! {
        #[test]
        fn integers_of_all_widths_read_the_same(value: i64) {
            let mut bytes = vec![0xd3];
            bytes.extend_from_slice(&value.to_be_bytes());
            let (head, size) = Head::read(&bytes).unwrap();
            prop_assert_eq!(size, 9);
            prop_assert_eq!(head, signed(value));
        }

        /// In the same bytes as the library writes it.
        #[test]
        fn what_is_written_is_read(value: i64, float: f64, length in 0_usize..0x2_0000) {
            let head = signed(value);
            prop_assert_eq!(&*head.write(), rmp_serde::to_vec(&value).unwrap());
            prop_assert_eq!(&*Head::Int(value).write(), &*head.write());
            prop_assert_eq!(&*Head::Float(float).write(), rmp_serde::to_vec(&float).unwrap());
            for head in [Head::Str(length), Head::Bin(length), Head::Array(length), Head::Map(length), Head::Ext(length + 1), head] {
                let bytes = head.write();
                let mut padded = bytes.to_vec();
                padded.resize(9, 0);
                prop_assert_eq!(Head::read(&padded), Ok((head, bytes.len())));
            }
            let text = "x".repeat(length);
            prop_assert!(rmp_serde::to_vec(&text).unwrap().starts_with(&Head::Str(length).write()));
        }

        #[test]
        fn what_rmp_writes_is_read(value: i64) {
            let bytes = rmp_serde::to_vec(&value).unwrap();
            prop_assert_eq!(Head::read(&bytes).unwrap(), (signed(value), bytes.len()));
        }
    }
}
