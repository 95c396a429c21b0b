//! Character references: the names of HTML 4 (W3C, HTML 4.01, section 24) and of XML, and numbers.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;

/// What names stand for. A name that ends with `;` is one only with it.
pub(crate) enum Names {
    /// Those of HTML 4, and `apos`. Characters of Latin-1 need no `;`, as browsers have it.
    Html4,
    /// A caller's own.
    Own {
        /// By name.
        values: HashMap<Vec<u8>, String>,
        /// Bytes of the longest name.
        longest: usize,
    },
}

/// Longest name of HTML 4, in bytes: `thetasym`, `upsih`.
const LONGEST: usize = 8;

impl Names {
    /// A caller's own.
    pub(crate) fn own(values: HashMap<Vec<u8>, String>) -> Self {
        let longest = values.keys().map(Vec::len).max().unwrap_or(0);
        Self::Own { values, longest }
    }

    /// What a name stands for that `;` comes after, or not.
    fn find(&self, name: &[u8], is_ended: bool) -> Option<Cow<'_, str>> {
        match self {
            Self::Html4 => {
                let place = HTML4.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
                let code = HTML4[place].1;
                (is_ended || code <= 0xff).then(|| char::from_u32(code)).flatten().map(|c| c.to_string().into())
            }
            Self::Own { values, .. } => {
                let ended = || values.get([name, b";"].concat().as_slice()).filter(|_| is_ended);
                values.get(name).or_else(ended).map(|value| value.as_str().into())
            }
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Html4 => LONGEST,
            Self::Own { longest, .. } => *longest,
        }
    }

    /// The longest beginning of a name, shorter than itself, that is a name without `;`. Returns how long it is as well.
    fn find_beginning(&self, name: &[u8]) -> Option<(usize, Cow<'_, str>)> {
        let most = name.len().saturating_sub(1).min(self.longest());
        (1..=most).rev().find_map(|length| Some((length, self.find(&name[..length], false)?)))
    }
}

/// Text as Perl has it: bytes that are a character each, or UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chars {
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_wide: bool,
}

impl Chars {
    fn new(is_wide: bool, capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), is_wide }
    }

    /// The same characters in UTF-8.
    pub(crate) fn widen(&mut self) {
        if !self.is_wide {
            self.bytes = latin1_as_utf8(&self.bytes);
            self.is_wide = true;
        }
    }

    /// Adds text. What is not all Latin-1 makes the whole UTF-8.
    pub(crate) fn push(&mut self, bytes: &[u8], is_wide: bool) {
        match (self.is_wide, is_wide) {
            (false, true) => {
                self.widen();
                self.bytes.extend_from_slice(bytes);
            }
            (true, false) => bytes.iter().for_each(|byte| self.push_char(char::from(*byte))),
            _ => self.bytes.extend_from_slice(bytes),
        }
    }

    fn push_char(&mut self, c: char) {
        match u8::try_from(u32::from(c)) {
            Ok(byte) if !self.is_wide => self.bytes.push(byte),
            _ => {
                self.widen();
                self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// UTF-8 of bytes that are a character each.
pub(crate) fn latin1_as_utf8(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_ascii() {
        return bytes.to_vec();
    }
    bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()
}

/// Text with its references replaced by what they stand for. What stands for nothing is left as it is. None where there is nothing to replace.
///
/// With `expands_beginnings` a name that is none may begin with one: `&nbspx`.
pub(crate) fn decode(text: &[u8], is_wide: bool, names: &Names, expands_beginnings: bool) -> Option<Chars> {
    let first = memchr::memchr(b'&', text)?;
    let mut out = Chars::new(is_wide, text.len());
    out.push(&text[..first], is_wide);
    let mut rest = &text[first..];
    // The first half of a pair of UTF-16 (surrogates) that U+FFFD was written for just before.
    let mut half: Option<u32> = None;
    while let Some((_, behind)) = rest.split_first() {
        let (size, mut value) = match behind.first() {
            Some(b'#') => {
                let (digits, number) = number(&behind[1..]);
                (1 + digits, number.and_then(|number| numbered(number, !out.is_wide, &mut half, &mut out)))
            }
            _ => {
                half = None;
                named(behind, names, expands_beginnings)
            }
        };
        let mut end = size;
        if value.is_some() {
            end += usize::from(behind.get(size) == Some(&b';'));
        }
        if value.is_none() || behind.get(end) != Some(&b'&') {
            half = None;
        }
        match value.take() {
            Some(Value::Char(c)) => out.push_char(c),
            Some(Value::Text(text)) => text.chars().for_each(|c| out.push_char(c)),
            None => out.push(&rest[..1 + size], is_wide),
        }
        rest = &behind[end..];
        let next = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        out.push(&rest[..next], is_wide);
        rest = &rest[next..];
    }
    Some(out)
}

enum Value<'n> {
    Char(char),
    Text(Cow<'n, str>),
}

/// How many bytes of digits there are, with the `x` of hexadecimal ones, and the number. None where there are none, or too many.
fn number(text: &[u8]) -> (usize, Option<u32>) {
    let (radix, digits, before) = match text {
        [b'x' | b'X', digits @ ..] => (16, digits, 1),
        digits => (10, digits, 0),
    };
    let mut number = 0;
    for (index, byte) in digits.iter().enumerate() {
        let Some(digit) = char::from(*byte).to_digit(radix) else {
            return (before + index, (index > 0).then_some(number));
        };
        number = number * radix + digit;
        if number > LAST {
            return (before + index, None);
        }
    }
    (before + digits.len(), (!digits.is_empty()).then_some(number))
}

/// The last number of a character.
const LAST: u32 = 0x10_ffff;

fn numbered<'n>(number: u32, is_narrow: bool, half: &mut Option<u32>, out: &mut Chars) -> Option<Value<'n>> {
    if number == 0 {
        return None;
    }
    if is_narrow && number <= 0xff {
        return char::from_u32(number).map(Value::Char);
    }
    let number = match number {
        0xfffe | 0xffff => return None,
        0xdc00..=0xdfff => match half.take() {
            Some(first) => {
                // In place of the U+FFFD.
                out.bytes.truncate(out.bytes.len().saturating_sub(3));
                ((first - 0xd800) << 10) + (number - 0xdc00) + 0x1_0000
            }
            None => 0xfffd,
        },
        0xd800..=0xdbff => {
            *half = Some(number);
            0xfffd
        }
        _ => {
            *half = None;
            let is_no_character = (0xfdd0..=0xfdef).contains(&number) || number & 0xfffe == 0xfffe;
            if is_no_character { 0xfffd } else { number }
        }
    };
    char::from_u32(number).map(Value::Char)
}

fn named<'n>(text: &[u8], names: &'n Names, expands_beginnings: bool) -> (usize, Option<Value<'n>>) {
    let length = text.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len());
    let name = &text[..length];
    if name.is_empty() {
        return (0, None);
    }
    let is_ended = text.get(length) == Some(&b';');
    if let Some(value) = (length <= names.longest()).then(|| names.find(name, is_ended)).flatten() {
        return (length, Some(Value::Text(value)));
    }
    match expands_beginnings.then(|| names.find_beginning(name)).flatten() {
        Some((length, value)) => (length, Some(Value::Text(value))),
        None => (length, None),
    }
}

/// Sorted by name.
#[rustfmt::skip]
const HTML4: &[(&str, u32)] = &[
    ("AElig", 0xc6), ("Aacute", 0xc1), ("Acirc", 0xc2), ("Agrave", 0xc0), ("Alpha", 0x391), ("Aring", 0xc5),
    ("Atilde", 0xc3), ("Auml", 0xc4), ("Beta", 0x392), ("Ccedil", 0xc7), ("Chi", 0x3a7), ("Dagger", 0x2021),
    ("Delta", 0x394), ("ETH", 0xd0), ("Eacute", 0xc9), ("Ecirc", 0xca), ("Egrave", 0xc8), ("Epsilon", 0x395),
    ("Eta", 0x397), ("Euml", 0xcb), ("Gamma", 0x393), ("Iacute", 0xcd), ("Icirc", 0xce), ("Igrave", 0xcc),
    ("Iota", 0x399), ("Iuml", 0xcf), ("Kappa", 0x39a), ("Lambda", 0x39b), ("Mu", 0x39c), ("Ntilde", 0xd1),
    ("Nu", 0x39d), ("OElig", 0x152), ("Oacute", 0xd3), ("Ocirc", 0xd4), ("Ograve", 0xd2), ("Omega", 0x3a9),
    ("Omicron", 0x39f), ("Oslash", 0xd8), ("Otilde", 0xd5), ("Ouml", 0xd6), ("Phi", 0x3a6), ("Pi", 0x3a0),
    ("Prime", 0x2033), ("Psi", 0x3a8), ("Rho", 0x3a1), ("Scaron", 0x160), ("Sigma", 0x3a3), ("THORN", 0xde),
    ("Tau", 0x3a4), ("Theta", 0x398), ("Uacute", 0xda), ("Ucirc", 0xdb), ("Ugrave", 0xd9), ("Upsilon", 0x3a5),
    ("Uuml", 0xdc), ("Xi", 0x39e), ("Yacute", 0xdd), ("Yuml", 0x178), ("Zeta", 0x396), ("aacute", 0xe1),
    ("acirc", 0xe2), ("acute", 0xb4), ("aelig", 0xe6), ("agrave", 0xe0), ("alefsym", 0x2135), ("alpha", 0x3b1),
    ("amp", 0x26), ("and", 0x2227), ("ang", 0x2220), ("apos", 0x27), ("aring", 0xe5), ("asymp", 0x2248),
    ("atilde", 0xe3), ("auml", 0xe4), ("bdquo", 0x201e), ("beta", 0x3b2), ("brvbar", 0xa6), ("bull", 0x2022),
    ("cap", 0x2229), ("ccedil", 0xe7), ("cedil", 0xb8), ("cent", 0xa2), ("chi", 0x3c7), ("circ", 0x2c6),
    ("clubs", 0x2663), ("cong", 0x2245), ("copy", 0xa9), ("crarr", 0x21b5), ("cup", 0x222a), ("curren", 0xa4),
    ("dArr", 0x21d3), ("dagger", 0x2020), ("darr", 0x2193), ("deg", 0xb0), ("delta", 0x3b4), ("diams", 0x2666),
    ("divide", 0xf7), ("eacute", 0xe9), ("ecirc", 0xea), ("egrave", 0xe8), ("empty", 0x2205), ("emsp", 0x2003),
    ("ensp", 0x2002), ("epsilon", 0x3b5), ("equiv", 0x2261), ("eta", 0x3b7), ("eth", 0xf0), ("euml", 0xeb),
    ("euro", 0x20ac), ("exist", 0x2203), ("fnof", 0x192), ("forall", 0x2200), ("frac12", 0xbd), ("frac14", 0xbc),
    ("frac34", 0xbe), ("frasl", 0x2044), ("gamma", 0x3b3), ("ge", 0x2265), ("gt", 0x3e), ("hArr", 0x21d4),
    ("harr", 0x2194), ("hearts", 0x2665), ("hellip", 0x2026), ("iacute", 0xed), ("icirc", 0xee), ("iexcl", 0xa1),
    ("igrave", 0xec), ("image", 0x2111), ("infin", 0x221e), ("int", 0x222b), ("iota", 0x3b9), ("iquest", 0xbf),
    ("isin", 0x2208), ("iuml", 0xef), ("kappa", 0x3ba), ("lArr", 0x21d0), ("lambda", 0x3bb), ("lang", 0x2329),
    ("laquo", 0xab), ("larr", 0x2190), ("lceil", 0x2308), ("ldquo", 0x201c), ("le", 0x2264), ("lfloor", 0x230a),
    ("lowast", 0x2217), ("loz", 0x25ca), ("lrm", 0x200e), ("lsaquo", 0x2039), ("lsquo", 0x2018), ("lt", 0x3c),
    ("macr", 0xaf), ("mdash", 0x2014), ("micro", 0xb5), ("middot", 0xb7), ("minus", 0x2212), ("mu", 0x3bc),
    ("nabla", 0x2207), ("nbsp", 0xa0), ("ndash", 0x2013), ("ne", 0x2260), ("ni", 0x220b), ("not", 0xac),
    ("notin", 0x2209), ("nsub", 0x2284), ("ntilde", 0xf1), ("nu", 0x3bd), ("oacute", 0xf3), ("ocirc", 0xf4),
    ("oelig", 0x153), ("ograve", 0xf2), ("oline", 0x203e), ("omega", 0x3c9), ("omicron", 0x3bf), ("oplus", 0x2295),
    ("or", 0x2228), ("ordf", 0xaa), ("ordm", 0xba), ("oslash", 0xf8), ("otilde", 0xf5), ("otimes", 0x2297),
    ("ouml", 0xf6), ("para", 0xb6), ("part", 0x2202), ("permil", 0x2030), ("perp", 0x22a5), ("phi", 0x3c6),
    ("pi", 0x3c0), ("piv", 0x3d6), ("plusmn", 0xb1), ("pound", 0xa3), ("prime", 0x2032), ("prod", 0x220f),
    ("prop", 0x221d), ("psi", 0x3c8), ("quot", 0x22), ("rArr", 0x21d2), ("radic", 0x221a), ("rang", 0x232a),
    ("raquo", 0xbb), ("rarr", 0x2192), ("rceil", 0x2309), ("rdquo", 0x201d), ("real", 0x211c), ("reg", 0xae),
    ("rfloor", 0x230b), ("rho", 0x3c1), ("rlm", 0x200f), ("rsaquo", 0x203a), ("rsquo", 0x2019), ("sbquo", 0x201a),
    ("scaron", 0x161), ("sdot", 0x22c5), ("sect", 0xa7), ("shy", 0xad), ("sigma", 0x3c3), ("sigmaf", 0x3c2),
    ("sim", 0x223c), ("spades", 0x2660), ("sub", 0x2282), ("sube", 0x2286), ("sum", 0x2211), ("sup", 0x2283),
    ("sup1", 0xb9), ("sup2", 0xb2), ("sup3", 0xb3), ("supe", 0x2287), ("szlig", 0xdf), ("tau", 0x3c4),
    ("there4", 0x2234), ("theta", 0x3b8), ("thetasym", 0x3d1), ("thinsp", 0x2009), ("thorn", 0xfe), ("tilde", 0x2dc),
    ("times", 0xd7), ("trade", 0x2122), ("uArr", 0x21d1), ("uacute", 0xfa), ("uarr", 0x2191), ("ucirc", 0xfb),
    ("ugrave", 0xf9), ("uml", 0xa8), ("upsih", 0x3d2), ("upsilon", 0x3c5), ("uuml", 0xfc), ("weierp", 0x2118),
    ("xi", 0x3be), ("yacute", 0xfd), ("yen", 0xa5), ("yuml", 0xff), ("zeta", 0x3b6), ("zwj", 0x200d),
    ("zwnj", 0x200c),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> String {
        decode(text.as_bytes(), true, &Names::Html4, false)
            .map_or(text.to_owned(), |decoded| String::from_utf8(decoded.bytes).unwrap())
    }

    #[test]
    fn the_table_is_what_it_says() {
        assert!(HTML4.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(HTML4.len(), 253);
        assert_eq!(HTML4.iter().map(|(name, _)| name.len()).max(), Some(LONGEST));
    }

    #[test]
    fn references() {
        for (given, expected) in [
            ("a &amp; b &lt", "a & b <"),
            ("&euro;&euro &eacute;&eacutex", "€&euro é&eacutex"),
            ("&#65;&#x41&#X263a;&#0;&#x110000;&#99999999999;", "AA☺&#0;&#x110000;&#99999999999;"),
            ("&#xD83D;&#xDE00;", "😀"),
            ("&#xD83D;&#0;&#xDE00;", "\u{fffd}&#0;\u{fffd}"),
            ("&#xFFFE;&#xFDD0;&#x1FFFF;", "&#xFFFE;\u{fffd}\u{fffd}"),
            ("&", "&"),
            ("&&#;&#x;&;", "&&#;&#x;&;"),
        ] {
            assert_eq!(text(given), expected, "{given}");
        }
    }

    #[test]
    fn bytes_become_characters_where_they_have_to() {
        let decoded = decode(b"\xe9&eacute;", false, &Names::Html4, false).unwrap();
        assert_eq!((decoded.bytes.as_slice(), decoded.is_wide), (&b"\xe9\xe9"[..], false));
        let decoded = decode(b"\xe9&euro;\xe9&#233;", false, &Names::Html4, false).unwrap();
        assert_eq!((decoded.bytes.as_slice(), decoded.is_wide), ("é€éé".as_bytes(), true));
    }

    proptest! {
        #[test]
        fn whatever_there_is(text in "(&|#|x|[a-f0-9]{1,3}|;|amp|D83D;|&#xDE00;|é|\\PC){0,40}", expands: bool) {
            if let Some(decoded) = decode(text.as_bytes(), true, &Names::Html4, expands) {
                prop_assert!(std::str::from_utf8(&decoded.bytes).is_ok());
            }
            let _ = decode(text.as_bytes(), false, &Names::Html4, expands);
        }
    }
}
