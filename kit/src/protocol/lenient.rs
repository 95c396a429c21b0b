//! Parameter types that forgive what Perl leaves vague, and nothing else.
//!
//! Perl has one kind of scalar. Whether `"42"` or `42` arrives depends on how the script last used the variable, so a
//! number is also taken from a numeric text, a boolean from 0, 1, "0", "1" and "", bytes from text, and text and bytes from a
//! number, as Perl would write it. A text that comes as bytes is UTF-8 if it can be, because Perl reads files as bytes; else each
//! byte is a character, because that is what Perl takes it for. Each type describes itself for `system.modules`.

use super::head::Head;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The schema key under which a type's name for callers stands.
pub const TYPE_NAME: &str = "x-type";

/// Describes a type to callers by a word of theirs: `described_as!(Raw, "bytes")`.
#[macro_export]
macro_rules! described_as {
    ($type:ty, $name:literal) => {
        impl $crate::schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut $crate::schemars::SchemaGenerator) -> $crate::schemars::Schema {
                $crate::schemars::json_schema!({ "x-type": $name })
            }
        }
    };
}
pub use described_as;

/// Text. Bytes are taken as well, see the head of this file, and numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

described_as!(Text<'_>, "text");

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match TextOrBytes::deserialize(deserializer)? {
            TextOrBytes::Text(text) => text,
            TextOrBytes::Bytes(Cow::Borrowed(bytes)) => text_of_bytes(bytes),
            TextOrBytes::Bytes(Cow::Owned(bytes)) => Cow::Owned(text_of_bytes(&bytes).into_owned()),
        }))
    }
}

/// The text that bytes of Perl's stand for: UTF-8 if they are that, else a character each (Latin-1).
pub fn text_of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// A double as Perl writes it: with up to 15 significant digits, `%.15g` (perlnumber(1)).
pub fn number_as_text(number: f64) -> String {
    const DIGITS: i32 = 15;
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    // Rounded to so many digits, which may add one to the exponent.
    let scientific = format!("{number:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

/// Bytes: `bin`, or the UTF-8 bytes of a text; of a number what Perl would write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes<'a>(pub Cow<'a, [u8]>);

described_as!(Bytes<'_>, "bytes");

impl std::ops::Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match TextOrBytes::deserialize(deserializer)? {
            TextOrBytes::Text(Cow::Borrowed(text)) => Self(Cow::Borrowed(text.as_bytes())),
            TextOrBytes::Text(Cow::Owned(text)) => Self(Cow::Owned(text.into_bytes())),
            TextOrBytes::Bytes(bytes) => Self(bytes),
        })
    }
}

/// Text or bytes, where the difference matters (a key text is decoded, key bytes are used as they are).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOrBytes<'a> {
    /// Sent as `str`.
    Text(Cow<'a, str>),
    /// Sent as `bin`.
    Bytes(Cow<'a, [u8]>),
}

described_as!(TextOrBytes<'_>, "text or bytes");

impl TextOrBytes<'_> {
    /// The bytes, or the text's UTF-8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TextOrBytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrBytesVisitor;
        impl<'de> Visitor<'de> for TextOrBytesVisitor {
            type Value = TextOrBytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or bytes")
            }

            fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Text(Cow::Owned(value.to_owned())))
            }

            fn visit_borrowed_bytes<E: de::Error>(self, value: &'de [u8]) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Bytes(Cow::Borrowed(value)))
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Bytes(Cow::Owned(value.to_owned())))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Text(Cow::Owned(value.to_string())))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Text(Cow::Owned(value.to_string())))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(TextOrBytes::Text(Cow::Owned(number_as_text(value))))
            }
        }
        deserializer.deserialize_any(TextOrBytesVisitor)
    }
}

impl Serialize for TextOrBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

/// The name of a file: bytes to the system, so those that were given, and of a text the UTF-8 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName<'a>(pub TextOrBytes<'a>);

described_as!(FileName<'_>, "text");

impl FileName<'_> {
    /// As it was given, to be told.
    pub fn to_owned(&self) -> TextOrBytes<'static> {
        match &self.0 {
            TextOrBytes::Text(text) => TextOrBytes::Text(Cow::Owned(text.to_string())),
            TextOrBytes::Bytes(bytes) => TextOrBytes::Bytes(Cow::Owned(bytes.to_vec())),
        }
    }
}

impl std::ops::Deref for FileName<'_> {
    type Target = Path;

    fn deref(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_bytes()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FileName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrBytes::deserialize(deserializer).map(Self)
    }
}

/// A whole number; a float without fraction and a numeric text are taken as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integer(pub i64);

described_as!(Integer, "integer");

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(number) = Number::deserialize(deserializer)?;
        // Beyond 2^53 a double has no unit digit, so it is no integer anybody wrote.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            Ok(Self(number as i64))
        } else {
            Err(de::Error::custom("not a whole number"))
        }
    }
}

/// A finite number; a numeric text is taken as well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Number(pub f64);

described_as!(Number, "number");

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("number")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                if value.is_finite() { Ok(Number(value)) } else { Err(E::custom("not a finite number")) }
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
                let text = value.trim_ascii();
                // parse() also takes "inf", "nan" and "infinity".
                match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => Ok(Number(number)),
                    _ => Err(E::custom("not a number")),
                }
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// True or false; 0, 1, "0", "1" and "" are taken as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

described_as!(Flag, "boolean");

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("boolean")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Flag, E> {
                match value {
                    0 => Ok(Flag(false)),
                    1 => Ok(Flag(true)),
                    _ => Err(E::custom("neither 0 nor 1")),
                }
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Flag, E> {
                match value {
                    "" | "0" => Ok(Flag(false)),
                    "1" => Ok(Flag(true)),
                    _ => Err(E::custom("neither 0 nor 1")),
                }
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// The boolean that a complete MessagePack value stands for, by the rule of [`Flag`].
pub fn boolean(value: &[u8]) -> Option<bool> {
    match Head::read(value) {
        Ok((Head::Bool(flag), _)) => Some(flag),
        Ok((Head::Uint(0), _)) => Some(false),
        Ok((Head::Uint(1), _)) => Some(true),
        Ok((Head::Str(_), _)) => match super::head::text(value) {
            Some("" | "0") => Some(false),
            Some("1") => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// Any value at all: a parameter that is accepted and has no effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored;

described_as!(Ignored, "any");

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmpv::Value as V;

    fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
        rmp_serde::from_slice(bytes).ok()
    }

    fn bytes(value: impl Into<V>) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value.into()).unwrap();
        bytes
    }

    #[test]
    fn numbers_come_as_perl_sends_them() {
        for (value, expected) in [
            (bytes(42), Some(42)),
            (bytes("42"), Some(42)),
            (bytes(" 42\n"), Some(42)),
            (bytes("4.2e1"), Some(42)),
            (bytes(42.0), Some(42)),
            (bytes(-7), Some(-7)),
            (bytes("42.5"), None),
            (bytes("abc"), None),
            (bytes("nan"), None),
            (bytes(""), None),
            (bytes(V::Nil), None),
            (bytes(true), None),
        ] {
            assert_eq!(read::<Integer>(&value).map(|n| n.0), expected, "{value:?}");
        }
        assert_eq!(read::<Number>(&bytes("1.5")), Some(Number(1.5)));
        assert_eq!(read::<Number>(&bytes("inf")), None);
    }

    #[test]
    fn booleans_come_as_perl_sends_them() {
        for (value, expected) in [
            (bytes(true), Some(true)),
            (bytes(0), Some(false)),
            (bytes("1"), Some(true)),
            (bytes(""), Some(false)),
            (bytes("0"), Some(false)),
            (bytes(2), None),
            (bytes("yes"), None),
        ] {
            assert_eq!(read::<Flag>(&value).map(|flag| flag.0), expected);
            assert_eq!(boolean(&value), expected);
        }
    }

    #[test]
    fn bytes_and_text_stand_in_for_each_other_where_that_is_safe() {
        assert_eq!(&*read::<Bytes>(&bytes("é")).unwrap(), "é".as_bytes());
        assert_eq!(&*read::<Text>(&bytes(V::Binary("é".into()))).unwrap(), "é");
        assert_eq!(&*read::<Text>(&bytes(V::Binary(vec![b'a', 0xe4]))).unwrap(), "aä");
        assert!(read::<Text>(&bytes(V::Nil)).is_none() && read::<Bytes>(&bytes(true)).is_none());
        assert!(read::<Bytes>(&bytes(V::Array(vec![V::from(1)]))).is_none());
    }

    /// What `perl -e 'print $_, "\n" for ...'` of Perl 5.36 wrote.
    #[test]
    fn a_number_is_the_text_that_perl_would_write() {
        for (number, text) in [
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1.0 / 3.0, "0.333333333333333"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e100, "1e+100"),
            (0.999_999_999_999_999_9, "1"),
            (100.0, "100"),
        ] {
            assert_eq!(number_as_text(number), text);
        }
        assert_eq!(&*read::<Text>(&bytes(42)).unwrap(), "42");
        assert_eq!(&*read::<Bytes>(&bytes(-7)).unwrap(), b"-7");
        assert_eq!(&*read::<Bytes>(&bytes(2.5)).unwrap(), b"2.5");
        assert_eq!(&*read::<Text>(&bytes(u64::MAX)).unwrap(), "18446744073709551615");
    }
}
