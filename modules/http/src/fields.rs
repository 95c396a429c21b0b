//! Headers and form fields: maps whose values are a scalar or a list of them.

use kit::protocol::CallError;
use kit::protocol::error::quote;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use ureq::http::{HeaderName, HeaderValue};

/// Names with one or more values each, in the order given. A value that is nil is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(Vec<u8>, Vec<u8>)>);

/// Texts: a list of them, or one in which they are separated by commas or blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Vec<String>);

/// What bytes say: UTF-8 if they are, else Latin-1, as Perl has it.
pub fn characters(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A name: a text, or its bytes.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Values::deserialize(deserializer)?.0 {
            mut values if values.len() == 1 => Ok(Self(values.remove(0))),
            _ => Err(de::Error::custom("a name that is no text")),
        }
    }
}

impl JsonSchema for List {
    fn schema_name() -> Cow<'static, str> {
        "list".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-type": "list" })
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Values(values) = Values::deserialize(deserializer)?;
        let texts = values.iter().flat_map(|value| {
            let text = characters(value);
            text.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        });
        Ok(Self(texts.collect()))
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "map".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-type": "map" })
    }
}

struct Values(Vec<Vec<u8>>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, or a list of them")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Values, E> {
                Ok(Values(vec![value.as_bytes().to_vec()]))
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Values, E> {
                Ok(Values(vec![value.to_vec()]))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Values, E> {
                Ok(Values(vec![value.to_string().into_bytes()]))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Values, E> {
                Ok(Values(vec![value.to_string().into_bytes()]))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Values, E> {
                Ok(Values(vec![value.to_string().into_bytes()]))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Values, E> {
                Ok(Values(vec![u8::from(value).to_string().into_bytes()]))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Values, E> {
                Ok(Values(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut all = Vec::new();
                while let Some(Values(values)) = list.next_element()? {
                    all.extend(values);
                }
                Ok(Values(all))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), Values(values))) = map.next_entry()? {
                    fields.extend(values.into_iter().map(|value| (name.clone(), value)));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

impl Fields {
    /// Those of names and values in turn, each on a line of its own; none where a name has no value.
    pub fn of_lines(lines: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        let mut rest = (!lines.is_empty()).then(|| lines.split(|byte| *byte == b'\n')).into_iter().flatten();
        while let Some(name) = rest.next() {
            fields.push((name.to_vec(), rest.next()?.to_vec()));
        }
        Some(Self(fields))
    }

    /// As a form's body, `application/x-www-form-urlencoded`.
    pub fn encoded(&self) -> String {
        let escape = |bytes: &[u8]| url::form_urlencoded::byte_serialize(bytes).collect::<String>();
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        pairs.join("&")
    }

    /// The names as they were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // What is no text is no header's name either, and refused as such.
        self.0.iter().map(|(name, _)| std::str::from_utf8(name).unwrap_or_default())
    }

    /// As headers of a request. Those that the body decides are left out, whatever the script says of them.
    ///
    /// # Errors
    /// `invalid_params` for a name that is none, and for a value with line ends or other control characters: with them one
    /// header could pose as two.
    pub fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, CallError> {
        let mut headers = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let wrong = |why: &str| {
                CallError::invalid("headers", format!("parameter `headers`: {} {why}", quote(&characters(name))))
            };
            let name = HeaderName::from_bytes(name).map_err(|_| wrong("is no header's name"))?;
            let value = HeaderValue::from_bytes(value)
                .map_err(|_| wrong("has a value with line ends or other control characters"))?;
            // Of what is about the connection only its end is the script's to say.
            let is_close = name == "connection" && value.as_bytes().eq_ignore_ascii_case(b"close");
            if is_close || !["content-length", "transfer-encoding", "connection", "upgrade"].contains(&name.as_str()) {
                headers.push((name, value));
            }
        }
        // A map of Perl's has no order, and requests are to be the same each time. Equal names stay in theirs.
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmpv::Value;

    fn fields(value: Value) -> Option<Fields> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).unwrap();
        rmp_serde::from_slice(&bytes).ok()
    }

    #[test]
    fn lines_are_names_and_values_in_turn() {
        let of = |lines: &[u8]| Fields::of_lines(lines).map(|fields| fields.0);
        let field = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(of(b""), Some(vec![]));
        assert_eq!(of(b"A\n1\nB\n"), Some(vec![field(b"A", b"1"), field(b"B", b"")]));
        assert_eq!(of(b"A\n\xff"), Some(vec![field(b"A", b"\xff")]));
        for odd in [&b"A"[..], b"A\n1\nB", b"A\n1\n"] {
            assert_eq!(of(odd), None);
        }
        // A name or a value that is none is refused as ever.
        assert!(Fields::of_lines(b"A\n1\r").unwrap().headers().is_err());
        assert!(Fields::of_lines(b"A B\n1").unwrap().headers().is_err());
    }

    #[test]
    fn a_value_is_a_scalar_or_a_list() {
        let map = Value::Map(vec![
            ("a".into(), "x y&".into()),
            ("b".into(), Value::Array(vec![1.into(), Value::Binary(vec![0xff]), Value::Nil])),
            ("c".into(), Value::Nil),
            ("d".into(), 1.5.into()),
        ]);
        let fields = fields(map).unwrap();
        assert_eq!(fields.encoded(), "a=x+y%26&b=1&b=%FF&d=1.5");
        assert!(super::tests::fields(Value::Array(vec![])).is_none());
        assert!(super::tests::fields(Value::Map(vec![("a".into(), Value::Map(vec![]))])).is_none());
    }

    #[test]
    fn a_header_stays_one_header() {
        let header = |name: &str, value: &[u8]| Fields(vec![(name.as_bytes().to_vec(), value.to_vec())]).headers();
        assert_eq!(header("X-A", b"b").unwrap().len(), 1);
        assert_eq!(header("Content-Length", b"5").unwrap().len(), 0);
        assert_eq!(header("Connection", b"Upgrade").unwrap().len(), 0);
        assert_eq!(header("Connection", b"Close").unwrap().len(), 1);
        for (name, value) in
            [("X-A", &b"b\r\nX-B: c"[..]), ("X-A", b"b\nc"), ("X-A\r\nX-B", b"c"), ("X A", b"c"), ("", b"c")]
        {
            assert!(header(name, value).is_err(), "{name:?} {value:?}");
        }
    }
}
