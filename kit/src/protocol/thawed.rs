//! Reads what Perl keeps frozen: parameters that come as an image of core Perl's Storable, which writes rows and trees in C, in a fraction
//! of the time that writing MessagePack in Perl takes (`docs/protocol.md`, Frozen parameters).
//!
//! The format is Storable's of major version 2: see `Storable.xs` of the Perl sources. Plain data is read, and nothing else: what is
//! blessed, tied, shared, executable, or refers to something else of the image, is refused. Nothing is believed that no bytes back.

use super::MAX_DEPTH;
use super::buffer::Buffer;
use super::head::Head;
use super::image::{Form, kind};

/// Why an image is none that is read, in words for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It begins otherwise.
    #[error("it is not one of a 64-bit little-endian Perl, nor in network order")]
    Header,
    /// It ends in the middle of a value, or goes on behind it.
    #[error("it is cut off, or bytes follow it")]
    Length,
    /// Not plain data.
    #[error("it holds something of type {0}, and only plain texts, numbers, lists and maps are read")]
    Type(u8),
    /// Storable writes an integer beyond 63 bits so, and the text of its digits.
    #[error("a text in it may be an integer beyond 63 bits")]
    Number,
    /// A key or text that claims to be UTF-8.
    #[error("a text in it is not valid UTF-8")]
    Text,
    /// Too deep.
    #[error("it is nested more deeply than {MAX_DEPTH} levels")]
    Depth,
    /// A list, say.
    #[error("it is not one of a map")]
    NoMap,
}

/// Appends the MessagePack bytes of an image of a map: what the client would have sent in its place. They are at most twice as many.
///
/// # Errors
/// Why it can't be read. What was appended is to be taken back then.
pub fn thaw(image: &[u8], out: &mut Buffer) -> Result<(), Unreadable> {
    let (form, rest) = Form::of_image(image).ok_or(Unreadable::Header)?;
    let mut finder = Reader { form, rest };
    let mut keys = Vec::new();
    let root = finder.root()?;
    finder.find_keys(root, 1, &mut keys)?;
    if !finder.rest.is_empty() {
        return Err(Unreadable::Length);
    }
    // In one piece, so that nothing is copied twice.
    out.reserve(rest.len());
    let mut reader = Reader { form, rest };
    let root = reader.root()?;
    reader.write(root, &mut keys.into_iter(), &mut Writer { out })
}

/// A value, of a container its head.
enum Item<'a> {
    Nothing,
    Integer(i64),
    /// Its bits.
    Double(u64),
    Bytes(&'a [u8]),
    Characters(&'a [u8]),
    Container(Container),
}

/// How many values or pairs follow, and whether a map's keys have flags.
enum Container {
    List(usize),
    Map { count: usize, has_flags: bool },
}

/// A key's bytes, and whether they are UTF-8: else they are Latin-1, as Perl itself takes them.
#[derive(Clone, Copy)]
struct Key<'a> {
    bytes: &'a [u8],
    is_utf8: bool,
}

struct Reader<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    fn byte(&mut self) -> Result<u8, Unreadable> {
        let (byte, rest) = self.rest.split_first().ok_or(Unreadable::Length)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Unreadable::Length)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Unreadable::Length)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A length of so many of something that each takes a number of bytes at least.
    fn length(&mut self, of: usize) -> Result<usize, Unreadable> {
        let bytes = self.array()?;
        let length = if self.form == Form::Native { i32::from_le_bytes(bytes) } else { i32::from_be_bytes(bytes) };
        match usize::try_from(length) {
            Ok(length) if length <= self.rest.len() / of => Ok(length),
            _ => Err(Unreadable::Length),
        }
    }

    /// What the whole image is one of.
    fn root(&mut self) -> Result<Container, Unreadable> {
        let first = self.byte()?;
        match self.container(first) {
            Ok(Container::List(_)) | Err(Unreadable::Type(_)) => Err(Unreadable::NoMap),
            other => other,
        }
    }

    fn container(&mut self, first: u8) -> Result<Container, Unreadable> {
        match first {
            kind::ARRAY => Ok(Container::List(self.length(1)?)),
            // Of the map itself one thing alone is known: that it may not be changed, which is nothing here.
            kind::FLAG_HASH if self.byte()? > 1 => Err(Unreadable::Type(first)),
            kind::HASH | kind::FLAG_HASH => {
                Ok(Container::Map { count: self.length(1 + 4)?, has_flags: first == kind::FLAG_HASH })
            }
            other => Err(Unreadable::Type(other)),
        }
    }

    #[inline(always)]
    fn item(&mut self) -> Result<Item<'a>, Unreadable> {
        let is_native = self.form == Form::Native;
        Ok(match self.byte()? {
            kind::UNDEF | kind::SV_UNDEF | kind::UNDEF_ELEMENT => Item::Nothing,
            kind::BYTE => Item::Integer(i64::from(self.byte()?) - 128),
            kind::INTEGER if is_native => Item::Integer(i64::from_le_bytes(self.array()?)),
            kind::NETWORK_INTEGER => Item::Integer(i32::from_be_bytes(self.array()?).into()),
            kind::DOUBLE if is_native => Item::Double(u64::from_le_bytes(self.array()?)),
            kind::SCALAR => {
                let length = self.byte()?.into();
                let bytes = self.take(length)?;
                if matches!(length, 19 | 20) && may_be_large_integer(bytes) {
                    return Err(Unreadable::Number);
                }
                Item::Bytes(bytes)
            }
            kind::LONG_SCALAR => {
                let length = self.length(1)?;
                Item::Bytes(self.take(length)?)
            }
            kind::UTF8 => {
                let length = self.byte()?.into();
                Item::Characters(self.take(length)?)
            }
            kind::LONG_UTF8 => {
                let length = self.length(1)?;
                Item::Characters(self.take(length)?)
            }
            kind::SV_YES | kind::BOOLEAN_TRUE => Item::Bytes(b"1"),
            kind::SV_NO | kind::BOOLEAN_FALSE => Item::Bytes(b""),
            kind::REFERENCE => {
                let first = self.byte()?;
                Item::Container(self.container(first)?)
            }
            other => return Err(Unreadable::Type(other)),
        })
    }

    fn key(&mut self, has_flags: bool) -> Result<Key<'a>, Unreadable> {
        let flags = if has_flags { self.byte()? } else { 0 };
        // Locked is nothing here, and neither is that Latin-1 was UTF-8 once.
        if flags & !(kind::KEY_IS_UTF8 | kind::KEY_WAS_UTF8 | kind::KEY_IS_LOCKED) != 0 {
            return Err(Unreadable::Type(kind::FLAG_HASH));
        }
        let length = self.length(1)?;
        Ok(Key { bytes: self.take(length)?, is_utf8: flags & kind::KEY_IS_UTF8 != 0 })
    }

    /// The keys of all maps, in the order in which MessagePack has them: before their values. One pass for all, as putting each in place
    /// when it comes would move what is before it once for every level.
    fn find_keys(&mut self, container: Container, depth: usize, keys: &mut Vec<Key<'a>>) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(Unreadable::Depth);
        }
        match container {
            Container::List(count) => {
                for _ in 0..count {
                    self.find_keys_within(depth, keys)?;
                }
            }
            Container::Map { count, has_flags } => {
                for _ in 0..count {
                    let place = keys.len();
                    keys.push(Key { bytes: b"", is_utf8: false });
                    self.find_keys_within(depth, keys)?;
                    keys[place] = self.key(has_flags)?;
                }
            }
        }
        Ok(())
    }

    /// Most values are no containers, and need no call for themselves.
    #[inline(always)]
    fn find_keys_within(&mut self, depth: usize, keys: &mut Vec<Key<'a>>) -> Result<(), Unreadable> {
        match self.item()? {
            Item::Container(container) => self.find_keys(container, depth + 1, keys),
            _ => Ok(()),
        }
    }

    #[inline(always)]
    fn write_within(
        &mut self,
        keys: &mut std::vec::IntoIter<Key<'a>>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Unreadable> {
        match self.item()? {
            Item::Nothing => writer.out.push(&[0xc0]),
            Item::Integer(number) => writer.integer(number),
            Item::Double(bits) => writer.tagged(0xcb, bits.to_be_bytes()),
            Item::Bytes(bytes) => writer.bytes(bytes),
            Item::Characters(bytes) => writer.characters(bytes)?,
            Item::Container(container) => self.write(container, keys, writer)?,
        }
        Ok(())
    }

    fn write(
        &mut self,
        container: Container,
        keys: &mut std::vec::IntoIter<Key<'a>>,
        writer: &mut Writer<'_>,
    ) -> Result<(), Unreadable> {
        match container {
            Container::List(count) => {
                writer.out.push(&Head::Array(count).write());
                for _ in 0..count {
                    self.write_within(keys, writer)?;
                }
            }
            Container::Map { count, has_flags } => {
                writer.out.push(&Head::Map(count).write());
                for _ in 0..count {
                    writer.key(keys.next().ok_or(Unreadable::Length)?)?;
                    self.write_within(keys, writer)?;
                    self.key(has_flags)?;
                }
            }
        }
        Ok(())
    }
}

fn may_be_large_integer(bytes: &[u8]) -> bool {
    let number =
        std::str::from_utf8(bytes).ok().filter(|text| text.starts_with(|c: char| c.is_ascii_digit() && c != '0'));
    number.and_then(|text| text.parse::<u64>().ok()).is_some_and(|number| i64::try_from(number).is_err())
}

/// Writes as the client does in Perl (`CPANBridge::MessagePack`).
struct Writer<'o> {
    out: &'o mut Buffer,
}

impl Writer<'_> {
    fn key(&mut self, key: Key<'_>) -> Result<(), Unreadable> {
        if key.bytes.is_ascii() {
            self.text(key.bytes);
        } else if key.is_utf8 {
            std::str::from_utf8(key.bytes).map_err(|_| Unreadable::Text)?;
            self.text(key.bytes);
        } else {
            let wide = key.bytes.iter().filter(|byte| !byte.is_ascii()).count();
            self.out.push(&Head::Str(key.bytes.len() + wide).write());
            for byte in key.bytes {
                self.out.push(char::from(*byte).encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(())
    }

    /// Characters that all fit bytes are written as their equal that never had Perl's flag.
    fn characters(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Text)?;
        if text.is_ascii() || text.chars().any(|c| u32::from(c) > 0xff) {
            self.text(bytes);
            return Ok(());
        }
        self.out.push(&Head::Bin(text.chars().count()).write());
        for c in text.chars() {
            self.out.push(&[u32::from(c) as u8]);
        }
        Ok(())
    }

    /// What never was characters is text if it is ASCII.
    fn bytes(&mut self, bytes: &[u8]) {
        if bytes.is_ascii() {
            self.text(bytes);
        } else {
            self.out.push(&Head::Bin(bytes.len()).write());
            self.out.push(bytes);
        }
    }

    #[inline(always)]
    fn integer(&mut self, number: i64) {
        match number {
            -32..=0x7f => self.out.push(&[number as u8]),
            0x80..=0xff => self.out.push(&[0xcc, number as u8]),
            0x100..=0xffff => self.tagged(0xcd, (number as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.tagged(0xce, (number as u32).to_be_bytes()),
            0x1_0000_0000.. => self.tagged(0xcf, number.to_be_bytes()),
            -0x80.. => self.out.push(&[0xd0, number as u8]),
            -0x8000.. => self.tagged(0xd1, (number as i16).to_be_bytes()),
            -0x8000_0000.. => self.tagged(0xd2, (number as i32).to_be_bytes()),
            _ => self.tagged(0xd3, number.to_be_bytes()),
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.out.push(&Head::Str(bytes.len()).write());
        self.out.push(bytes);
    }

    fn tagged<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        self.out.push(&[tag]);
        self.out.push(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::Form;
    use super::*;
    use proptest::prelude::*;
    use rmpv::Value as V;

    fn thawed(image: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut out = Buffer::new();
        thaw(image, &mut out).map(|()| out.as_slice().to_vec())
    }

    fn native(hex: &str) -> Vec<u8> {
        let body = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        Form::Native.header().iter().copied().chain(body).collect()
    }

    fn value(bytes: &[u8]) -> V {
        let mut rest = bytes;
        let value = rmpv::decode::read_value(&mut rest).unwrap();
        assert!(rest.is_empty());
        value
    }

    #[test]
    fn what_storable_writes_is_read() {
        // perl -MStorable -e 'print unpack "H*", Storable::freeze({ rows => [[1, -1, 300, 1.5, undef], ["text", "a\xe9", "\x{263a}", !!1]] })'
        // without its header, perl 5.36 and Storable 3.26.
        let image = native(
            "03010000000402020000000402050000000881087f062c0100000000000007000000000000f83f05\
             0402040000000a04746578740a0261e91703e298ba0a013104000000726f7773",
        );
        let rows = V::Array(vec![
            V::Array(vec![1.into(), (-1).into(), 300.into(), 1.5.into(), V::Nil]),
            V::Array(vec!["text".into(), V::Binary(b"a\xe9".to_vec()), "\u{263a}".into(), "1".into()]),
        ]);
        assert_eq!(value(&thawed(&image).unwrap()), V::Map(vec![("rows".into(), rows)]));
    }

    #[test]
    fn booleans_are_what_perl_makes_of_them() {
        // As above, of { l => [1 == 1, 1 == 0, undef] }, with perl 5.40 and Storable 3.32.
        let image = native("03010000000402030000002223050100 00006c".replace(' ', "").as_str());
        let list = V::Array(vec!["1".into(), "".into(), V::Nil]);
        assert_eq!(value(&thawed(&image).unwrap()), V::Map(vec![("l".into(), list)]));
    }

    #[test]
    fn digits_that_are_no_number_beyond_63_bits_are_text() {
        for text in [
            "9223372036854775807",
            "18446744073709551616",
            "09223372036854775808",
            "-9223372036854775808",
            "+9223372036854775808",
        ] {
            let mut image = native("0301000000");
            image.extend([10, text.len() as u8]);
            image.extend(text.bytes());
            image.extend([1, 0, 0, 0, b'a']);
            assert_eq!(value(&thawed(&image).unwrap()), V::Map(vec![("a".into(), text.into())]));
        }
    }

    #[test]
    fn keys_are_characters() {
        // Latin-1 without flags; with them UTF-8, and Latin-1 that was UTF-8.
        assert_eq!(
            thawed(&native("0301000000050100 0000e9".replace(' ', "").as_str())).unwrap(),
            b"\x81\xa2\xc3\xa9\xc0"
        );
        assert_eq!(
            thawed(&native("1900010000000501 02000000c3a9".replace(' ', "").as_str())).unwrap(),
            b"\x81\xa2\xc3\xa9\xc0"
        );
        assert_eq!(
            thawed(&native("1900010000000502 01000000e9".replace(' ', "").as_str())).unwrap(),
            b"\x81\xa2\xc3\xa9\xc0"
        );
        assert_eq!(thawed(&native("1900010000000501 01000000c3".replace(' ', "").as_str())), Err(Unreadable::Text));
        assert_eq!(thawed(&native("1900010000000510 0100000041".replace(' ', "").as_str())), Err(Unreadable::Type(25)));
    }

    #[test]
    fn nothing_but_plain_data_is_read() {
        assert_eq!(thawed(b""), Err(Unreadable::Header));
        assert_eq!(thawed(b"\x04\x05\x0812345678\x08\x08\x08\x08\x03\0\0\0\0"), Err(Unreadable::Header));
        for (hex, why) in [
            ("", Unreadable::Length),
            ("0200000000", Unreadable::NoMap),
            ("0a0161", Unreadable::NoMap),
            ("0300000000aa", Unreadable::Length),
            ("03ffffff7f", Unreadable::Length),
            ("03ffffffff", Unreadable::Length),
            // Another reference to the first, an object, code, a tied map, a reference to a text.
            ("0301000000000000000001000000 61", Unreadable::Type(0)),
            ("0301000000041101410300000000 0100000061", Unreadable::Type(17)),
            ("03010000001a0a0161 0100000061", Unreadable::Type(26)),
            ("03010000000b0300000000 0100000061", Unreadable::Type(11)),
            ("0301000000040a0161 0100000061", Unreadable::Type(10)),
            ("030100000017 02c328 0100000061", Unreadable::Text),
            ("03010000000a 13 39323233333732303336383534373735383038 0100000061", Unreadable::Number),
            ("03010000000a 14 3138343436373434303733373039353531363135 0100000061", Unreadable::Number),
        ] {
            assert_eq!(thawed(&native(&hex.replace(' ', ""))), Err(why), "{hex}");
        }
        let mut deep = native("0301000000");
        (0..MAX_DEPTH).for_each(|_| deep.extend([4, 2, 1, 0, 0, 0]));
        deep.extend([5, 1, 0, 0, 0, b'a']);
        assert_eq!(thawed(&deep), Err(Unreadable::Depth));
    }

    fn plain() -> impl Strategy<Value = V> {
        let leaf = prop_oneof![
            Just(V::Nil),
            any::<i64>().prop_map(V::from),
            (-200i64..70_000).prop_map(V::from),
            any::<f64>().prop_map(V::from),
            "[a-z\u{e9}\u{263a}]{0,40}".prop_map(|text| {
                // As Perl has it: characters that all fit bytes are bytes, if they are no ASCII.
                if text.is_ascii() || text.contains('\u{263a}') {
                    V::from(text)
                } else {
                    V::Binary(text.chars().map(|c| u32::from(c) as u8).collect())
                }
            }),
            proptest::collection::vec(128u8.., 1..300).prop_map(V::Binary),
        ];
        leaf.prop_recursive(4, 60, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(V::Array),
                proptest::collection::vec(("[a-z\u{e9}\u{263a}]{0,9}".prop_map(V::from), inner), 0..20)
                    .prop_map(V::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(entries in proptest::collection::vec(("[a-z\u{e9}]{0,9}".prop_map(V::from), plain()), 0..9)) {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &V::Map(entries)).unwrap();
            let image = Form::Native.freeze(&bytes).unwrap();
            prop_assert_eq!(thawed(image.as_slice()).unwrap(), bytes);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(prop_oneof![0u8..42, any::<u8>(), Just(0u8)], 0..200), is_native: bool) {
            let form = if is_native { Form::Native } else { Form::Network };
            let image = [form.header(), &body].concat();
            if let Ok(bytes) = thawed(&image) {
                prop_assert!(bytes.len() <= 2 * image.len());
                value(&bytes);
            }
        }
    }
}
