//! Between what people type and read and what goes over the wire.

use kit::protocol::error::quote;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::io::{self, Read};

/// A result as JSON. Bytes that are UTF-8 are text, others `{"base64": "..."}`.
pub struct Json(pub Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
                Ok(Json(Value::Null))
            }

            fn visit_none<E: de::Error>(self) -> Result<Json, E> {
                Ok(Json(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
                Json::deserialize(deserializer)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json(value.into()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
                Ok(Json(value.into()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
                Ok(Json(value.into()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
                // JSON has no word for what is no number.
                Ok(Json(Number::from_f64(value).map_or(Value::Null, Value::Number)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
                Ok(Json(value.into()))
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Json, E> {
                use base64::Engine as _;
                Ok(Json(match std::str::from_utf8(value) {
                    Ok(text) => text.into(),
                    Err(_) => serde_json::json!({ "base64": base64::engine::general_purpose::STANDARD.encode(value) }),
                }))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                let mut values = Vec::new();
                while let Some(Json(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Json(Value::Array(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut values = Map::new();
                while let Some((Json(key), Json(value))) = map.next_entry()? {
                    let key = match key {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    values.insert(key, value);
                }
                Ok(Json(Value::Object(values)))
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

/// The parameters of a call, as somebody typed them.
#[derive(Debug, PartialEq)]
pub struct Arguments(Vec<(String, Argument)>);

#[derive(Debug, PartialEq)]
enum Argument {
    Json(Value),
    Bytes(Vec<u8>),
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, argument) in &self.0 {
            match argument {
                Argument::Json(value) => map.serialize_entry(name, value)?,
                Argument::Bytes(bytes) => map.serialize_entry(name, serde_bytes::Bytes::new(bytes))?,
            }
        }
        map.end()
    }
}

impl Arguments {
    /// Reads `name=text`, `name:=JSON`, `name=@file`, or one JSON object for all, `-` standing for standard input. Numbers may be given as text: functions
    /// take them so.
    ///
    /// # Errors
    /// What is none of these, in words.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let stdin = || io::read_to_string(io::stdin()).map_err(|error| format!("standard input: {error}"));
        if let [whole] = texts
            && (whole == "-" || whole.trim_start().starts_with('{'))
        {
            let whole = &if whole == "-" { stdin()? } else { whole.clone() };
            let map: Map<String, Value> =
                serde_json::from_str(whole).map_err(|error| format!("no JSON object: {error}"))?;
            return Ok(Self(map.into_iter().map(|(name, value)| (name, Argument::Json(value))).collect()));
        }
        texts.iter().map(|text| argument(text)).collect::<Result<_, _>>().map(Self)
    }
}

fn argument(text: &str) -> Result<(String, Argument), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        // A whole object is one argument, and the only one.
        let is_object = text.trim_start().starts_with('{');
        let why = if is_object {
            "stands for all parameters, so nothing else may stand beside it"
        } else {
            "is neither name=value nor a JSON object"
        };
        format!("`{}` {why}", quote(text))
    })?;
    if let Some(name) = name.strip_suffix(':') {
        let value = serde_json::from_str(value).map_err(|error| format!("{name}: no JSON: {error}"))?;
        return Ok((name.to_owned(), Argument::Json(value)));
    }
    if let Some(path) = value.strip_prefix('@') {
        let mut bytes = Vec::new();
        let read = match path {
            "-" => io::stdin().read_to_end(&mut bytes).map(drop),
            path => std::fs::read(path).map(|content| bytes = content),
        };
        read.map_err(|error| format!("{name}: can't read {path}: {error}"))?;
        return Ok((name.to_owned(), Argument::Bytes(bytes)));
    }
    Ok((name.to_owned(), Argument::Json(value.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_people_type() {
        let json = |value: Value| Argument::Json(value);
        assert_eq!(
            parse(&["a=1", "b:=[1,null]", "c=x=y", "d="]).unwrap(),
            Arguments(vec![
                ("a".into(), json("1".into())),
                ("b".into(), json(serde_json::json!([1, null]))),
                ("c".into(), json("x=y".into())),
                ("d".into(), json("".into())),
            ])
        );
        assert_eq!(parse(&[r#" {"a": {"b": 1}}"#]).unwrap(), parse(&[r#"a:={"b":1}"#]).unwrap());
        assert_eq!(parse(&[]).unwrap(), Arguments(Vec::new()));
        for wrong in ["a", "=1", "a:=x", "a=@/nonexistent/file", "{x"] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_people_read() {
        let read = |bytes: &[u8]| rmp_serde::from_slice::<Json>(bytes).unwrap().0;
        assert_eq!(read(b"\x82\xa1a\xc4\x02ok\x01\xc0"), serde_json::json!({ "a": "ok", "1": null }));
        assert_eq!(read(b"\x92\xc4\x01\xff\xcb\x7f\xf8\0\0\0\0\0\0"), serde_json::json!([{ "base64": "/w==" }, null]));
    }
}
