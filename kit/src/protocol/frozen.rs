//! Results as Perl itself keeps data frozen: an image that core Perl's Storable reads in C, in a seventh of the time that reading
//! MessagePack in Perl takes (`docs/protocol.md`, Frozen answers).
//!
//! The format is Storable's of major version 2, minor 5, which every Perl from 5.10.1 on reads: see `Storable.xs` of the Perl sources. Of its
//! types those for plain data are written, and no others: nothing blessed, tied, shared or executable.
//!
//! Perl keeps text as bytes or as characters, which are equal where they are ASCII but not the same to `utf8::is_utf8`. ASCII becomes bytes, which
//! are faster, unless its head in the MessagePack is longer than it has to be: by that a function says that it is to be characters.

use super::buffer::Buffer;
use super::head::Head;
use super::image::{EXT_TYPE, Form, kind};

/// How a caller wants a long result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// For its Perl.
    pub form: Form,
    /// Bytes of MessagePack that a result may have to stay as it is.
    pub over: usize,
    /// Bytes that what is written may have, with all that stands before the image: images are up to six times as long as the result.
    pub most: usize,
}

impl Form {
    /// The image of a list or map whose MessagePack bytes these are. None for another value, or one that an image has no form for.
    pub fn freeze(self, value: &[u8]) -> Option<Buffer> {
        let (Head::Array(_) | Head::Map(_), _) = Head::read(value).ok()? else { return None };
        let mut image = Buffer::new();
        image.push(self.header());
        let mut writer = Writer {
            image,
            is_native: self == Self::Native,
            head_size: 0,
            rest: value,
            wide_maps: wide_maps(value)?.into_iter(),
        };
        writer.value(false)?;
        writer.rest.is_empty().then_some(writer.image)
    }
}

impl Wish {
    /// Puts the image in place of a result that begins there and is long enough, as ext type 1, if it has one that is not too long.
    pub fn freeze_result(self, out: &mut Buffer, start: usize) {
        if out.len().saturating_sub(start) <= self.over {
            return;
        }
        let Some(image) = self.form.freeze(&out.as_slice()[start..]) else { return };
        let Ok(length) = u32::try_from(image.len()) else { return };
        if start + EXT_HEAD + image.len() > self.most {
            return;
        }
        out.truncate(start);
        out.push(&[0xc9]);
        out.push(&length.to_be_bytes());
        out.push(&[EXT_TYPE]);
        out.push(image.as_slice());
    }
}

/// Bytes before an image: ext 32, a length, the type.
const EXT_HEAD: usize = 6;

/// Whether each map of a value, in the order in which they begin, has a key beyond Latin-1: such a map is written in another form, which
/// has to be known before its first key is written. One pass for all of them, as looking ahead at each map would pass over what is inside
/// once for every level. Empty where no map can have one, which is nearly always. None for what is no value.
fn wide_maps(value: &[u8]) -> Option<Vec<bool>> {
    // What begins a character beyond Latin-1 in UTF-8: a byte from 0xc4 on. Heads of texts and numbers may be such bytes as well.
    if !value.iter().any(|byte| *byte >= 0xc4) {
        return Some(Vec::new());
    }
    let mut seen = Vec::new();
    // Maps and lists that are open: how many values they still have, and, of a map, its place in `seen`.
    let mut open: Vec<(usize, Option<usize>)> = vec![(1, None)];
    let mut rest = value;
    while let Some((left, map)) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        if let Some(place) = *map {
            let is_wide = read_key(&mut rest)?.chars().any(|c| u32::from(c) > 0xff);
            seen[place] |= is_wide;
        }
        let (head, size) = Head::read(rest).ok()?;
        rest = rest.get(size..)?;
        match head {
            Head::Str(length) | Head::Bin(length) | Head::Ext(length) => rest = rest.get(length..)?,
            Head::Array(count) => open.push((count, None)),
            Head::Map(count) => {
                open.push((count, Some(seen.len())));
                seen.push(false);
            }
            _ => {}
        }
    }
    Some(seen)
}

/// A key as Perl has it: text, or a number's digits.
fn read_key<'v>(rest: &mut &'v [u8]) -> Option<std::borrow::Cow<'v, str>> {
    let (head, size) = Head::read(rest).ok()?;
    *rest = rest.get(size..)?;
    Some(match head {
        Head::Str(length) => {
            let (bytes, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            std::str::from_utf8(bytes).ok()?.into()
        }
        Head::Uint(number) => number.to_string().into(),
        Head::Int(number) => number.to_string().into(),
        _ => return None,
    })
}

struct Writer<'v> {
    image: Buffer,
    is_native: bool,
    // Bytes of the head that was read last.
    head_size: usize,
    rest: &'v [u8],
    wide_maps: std::vec::IntoIter<bool>,
}

impl<'v> Writer<'v> {
    fn head(&mut self) -> Option<Head> {
        let (head, size) = Head::read(self.rest).ok()?;
        self.rest = self.rest.get(size..)?;
        self.head_size = size;
        Some(head)
    }

    fn take(&mut self, length: usize) -> Option<&'v [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The root is what the reference points to that thawing gives; within it containers are behind references. Depth is that of a result,
    /// which our own functions make.
    fn value(&mut self, is_nested: bool) -> Option<()> {
        match self.head()? {
            Head::Nil => self.image.push(&[kind::UNDEF]),
            Head::Bool(flag) => self.integer(i64::from(flag)),
            // Storable has no form for larger ones but their digits, which would make texts of them.
            Head::Uint(number) => self.integer(i64::try_from(number).ok()?),
            Head::Int(number) => self.integer(number),
            Head::Float(number) => self.float(number)?,
            Head::Str(length) => {
                let text = self.take(length)?;
                let is_characters = self.head_size > Head::Str(length).write().len() || !text.is_ascii();
                if is_characters { self.counted(kind::UTF8, kind::LONG_UTF8, text)? } else { self.scalar(text)? }
            }
            Head::Bin(length) => {
                let bytes = self.take(length)?;
                self.scalar(bytes)?;
            }
            Head::Array(count) => {
                self.container(is_nested, kind::ARRAY, count)?;
                for _ in 0..count {
                    self.value(true)?;
                }
            }
            Head::Map(count) => self.map(is_nested, count)?,
            Head::Ext(_) => return None,
        }
        Some(())
    }

    fn container(&mut self, is_nested: bool, kind: u8, count: usize) -> Option<()> {
        if is_nested {
            self.image.push(&[kind::REFERENCE]);
        }
        self.image.push(&[kind]);
        self.length(count)
    }

    fn map(&mut self, is_nested: bool, count: usize) -> Option<()> {
        // Only a key beyond Latin-1 wants flags, and then all have them.
        let has_flags = self.wide_maps.next().unwrap_or(false);
        if is_nested {
            self.image.push(&[kind::REFERENCE]);
        }
        self.image.push(if has_flags { &[kind::FLAG_HASH, 0][..] } else { &[kind::HASH][..] });
        self.length(count)?;
        for _ in 0..count {
            let key = read_key(&mut self.rest)?;
            self.value(true)?;
            let latin: Option<Vec<u8>> = key.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            if has_flags {
                self.image.push(&[if latin.is_some() { 0 } else { kind::KEY_IS_UTF8 }]);
            }
            let bytes = latin.as_deref().unwrap_or(key.as_bytes());
            self.length(bytes.len())?;
            self.image.push(bytes);
        }
        Some(())
    }

    fn integer(&mut self, number: i64) {
        match (i8::try_from(number), i32::try_from(number)) {
            (Ok(small), _) => self.image.push(&[kind::BYTE, (small as u8).wrapping_add(128)]),
            (_, Ok(number)) if !self.is_native => {
                self.image.push(&[kind::NETWORK_INTEGER]);
                self.image.push(&number.to_be_bytes());
            }
            _ if self.is_native => {
                self.image.push(&[kind::INTEGER]);
                self.image.push(&number.to_le_bytes());
            }
            // Its digits are short enough for any length.
            _ => drop(self.scalar(number.to_string().as_bytes())),
        }
    }

    fn float(&mut self, number: f64) -> Option<()> {
        if self.is_native {
            self.image.push(&[kind::DOUBLE]);
            self.image.push(&number.to_le_bytes());
            return Some(());
        }
        // As Perl writes them; the shortest digits that are this number and no other.
        let text = match number {
            number if number.is_nan() => "NaN".to_owned(),
            number if number.is_infinite() => if number > 0.0 { "Inf" } else { "-Inf" }.to_owned(),
            number if number == 0.0 || (1e-4..1e15).contains(&number.abs()) => number.to_string(),
            number => format!("{number:e}"),
        };
        self.scalar(text.as_bytes())
    }

    fn scalar(&mut self, bytes: &[u8]) -> Option<()> {
        self.counted(kind::SCALAR, kind::LONG_SCALAR, bytes)
    }

    fn counted(&mut self, short: u8, long: u8, bytes: &[u8]) -> Option<()> {
        match u8::try_from(bytes.len()) {
            Ok(length) => self.image.push(&[short, length]),
            Err(_) => {
                self.image.push(&[long]);
                self.length(bytes.len())?;
            }
        }
        self.image.push(bytes);
        Some(())
    }

    fn length(&mut self, length: usize) -> Option<()> {
        // It is a signed number to Storable.
        let length = i32::try_from(length).ok()?;
        self.image.push(&if self.is_native { length.to_le_bytes() } else { length.to_be_bytes() });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::reply::write_value;
    use proptest::prelude::*;

    const NATIVE: &[u8] = b"\x04\x0b\x0812345678\x04\x08\x08\x08";

    fn frozen(header: &[u8], value: &rmpv::Value) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        Form::of_header(header).unwrap().freeze(&bytes).map(|image| image.as_slice().to_vec())
    }

    #[test]
    fn images_are_those_of_storable() {
        use rmpv::Value as V;
        // perl -MStorable -e 'print unpack "H*", Storable::freeze([1, "x", "\x{100}", 1.5, -3, 2**40, { a => undef }])', its minor version
        // aside.
        let list = V::Array(vec![
            1.into(),
            "x".into(),
            "\u{100}".into(),
            1.5.into(),
            (-3).into(),
            (1_i64 << 40).into(),
            V::Map(vec![("a".into(), V::Nil)]),
        ]);
        let expected = b"\x04\x05\x0812345678\x04\x08\x08\x08\
            \x02\x07\0\0\0\x08\x81\x0a\x01x\x17\x02\xc4\x80\x07\0\0\0\0\0\0\xf8\x3f\x08\x7d\x06\0\0\0\0\0\x01\0\0\
            \x04\x03\x01\0\0\0\x05\x01\0\0\0a";
        assert_eq!(frozen(NATIVE, &list).unwrap(), expected);
        let network = frozen(b"\x05\x0b", &V::Array(vec![1.into(), (-200).into(), (1_i64 << 40).into()])).unwrap();
        assert_eq!(network, b"\x05\x05\x02\0\0\0\x03\x08\x81\x09\xff\xff\xff\x38\x0a\x0d1099511627776");
    }

    #[test]
    fn what_has_no_image_has_none() {
        for header in [&b""[..], b"\x04", b"\x04\x0b\x0887654321\x04\x08\x08\x08", b"\x06\x0b", &[4; 100]] {
            assert_eq!(Form::of_header(header), None, "{header:?}");
        }
        let form = Form::of_header(NATIVE).unwrap();
        for value in [&b"\xa1x"[..], b"\x92\x01", b"\x91\xd4\x01x", b"\x81\xc0\x01", b"\x90\x00", b"\x91\xd9\xff"] {
            assert!(form.freeze(value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn a_result_that_is_long_is_replaced() {
        let mut out = Buffer::new();
        out.push(b"head");
        write_value(&mut out, &vec!["text"; 10]).unwrap();
        let (before, form) = (out.as_slice().to_vec(), Form::of_header(NATIVE).unwrap());
        let wish = Wish { form, over: 1000, most: 1 << 20 };
        wish.freeze_result(&mut out, 4);
        assert_eq!(out.as_slice(), before);
        Wish { over: 10, most: 40, ..wish }.freeze_result(&mut out, 4);
        assert_eq!(out.as_slice(), before, "an image that is too long is left out");
        Wish { over: 10, ..wish }.freeze_result(&mut out, 4);
        let (head, size) = Head::read(&out.as_slice()[4..]).unwrap();
        assert_eq!(head, Head::Ext(out.len() - 4 - size));
        assert_eq!(out.as_slice()[4 + size], EXT_TYPE);
        assert!(out.as_slice()[4 + size + 1..].starts_with(b"\x04\x05\x08"));
    }

    #[test]
    fn numbers_stay_numbers() {
        use rmpv::Value as V;
        let network = |value: V| {
            let image = frozen(b"\x05\x0b", &V::Array(vec![value]))?;
            Some(String::from_utf8(image[9..].to_vec()).unwrap())
        };
        for (number, text) in
            [(0.0, "0"), (1.0, "1"), (-2.5, "-2.5"), (1e300, "1e300"), (1e-7, "1e-7"), (123456.75, "123456.75")]
        {
            assert_eq!(network(V::F64(number)).unwrap(), text);
        }
        assert_eq!(frozen(NATIVE, &V::Array(vec![u64::MAX.into()])), None);
        assert!(frozen(NATIVE, &V::Array(vec![i64::MAX.into(), i64::MIN.into()])).is_some());
    }

    #[test]
    fn keys_beyond_latin_1_are_found_in_the_map_that_has_them() {
        use rmpv::Value as V;
        let inner = |key: &str| {
            V::Map(vec![("plain".into(), V::Map(vec![(key.into(), V::Nil)])), ("z".into(), V::Array(vec![]))])
        };
        for (outer, key, expected) in [
            ("a", "b", vec![]),
            ("\u{e9}", "b", vec![]),
            ("a", "\u{263a}", vec![false, false, true]),
            ("\u{263a}", "b", vec![true, false, false]),
        ] {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &V::Map(vec![(outer.into(), inner(key))])).unwrap();
            let found = wide_maps(&bytes).unwrap();
            assert!(found == expected || expected.is_empty() && !found.contains(&true), "{outer} {key}: {found:?}");
            assert!(Form::of_header(NATIVE).unwrap().freeze(&bytes).is_some());
        }
    }

    proptest! {
        #[test]
        fn nonsense_has_no_image_or_a_whole_one(bytes: Vec<u8>) {
            for header in [NATIVE, b"\x05\x0b"] {
                if let Some(image) = Form::of_header(header).unwrap().freeze(&bytes) {
                    prop_assert!(image.len() >= 2);
                }
            }
        }
    }
}
