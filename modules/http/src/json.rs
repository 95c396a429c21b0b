//! Any structure of a call's, as JSON.

use super::fields::characters;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;

/// A structure. Bytes in it are characters: UTF-8 if they are, else Latin-1, since Perl does not tell them from text.
pub struct Json(pub Value);

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "any".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-type": "any" })
    }
}

/// The name of a member.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)?.0 {
            Value::String(name) => Ok(Self(name)),
            Value::Number(name) => Ok(Self(name.to_string())),
            _ => Err(de::Error::custom("a name that is no text")),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("what JSON has a form for")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
                Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Value, E> {
                Ok(characters(value).into())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut all = Vec::new();
                while let Some(Json(value)) = list.next_element()? {
                    all.push(value);
                }
                Ok(all.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut all = Map::new();
                while let Some((Name(name), Json(value))) = map.next_entry()? {
                    all.insert(name, value);
                }
                Ok(all.into())
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmpv::Value as V;

    #[test]
    fn bytes_are_characters() {
        let list = V::Array(vec![V::Binary("€".into()), 1.into(), true.into(), V::Nil, (-1.5).into()]);
        let value = V::Map(vec![(V::Binary(b"n\xe4me".to_vec()), list), ("f".into(), V::F64(f64::NAN))]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).unwrap();
        let Json(json) = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(json, serde_json::json!({ "näme": ["€", 1, true, null, -1.5], "f": null }));
    }
}
