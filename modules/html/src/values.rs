//! What handlers are called with, as it is kept until it is written: texts are places in the document, lists and maps a head with what
//! is in them behind it.

use crate::entities::{Chars, latin1_as_utf8};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::cell::Cell;
use std::ops::Range;

/// One value, or the head of a list or a map.
pub(crate) enum Value {
    Undefined,
    Number(u64),
    /// A part of the document.
    Part(Range<usize>),
    /// A part of the document, in lower case.
    Lower(Range<usize>),
    /// Made for it.
    Made(Chars),
    /// A list of so many values, which come next.
    List(usize),
    /// A map of so many keys and values, which come next in turns.
    Map(usize),
}

/// Values in the order in which handlers take them.
#[derive(Default)]
pub(crate) struct Values {
    text: Vec<u8>,
    is_wide: bool,
    items: Vec<Value>,
    // Those that are in no other.
    outer: usize,
}

kit::protocol::lenient::described_as!(Values, "list");

impl Values {
    /// Adds values that are one of their own each.
    pub(crate) fn push(&mut self, value: Value) {
        self.items.push(value);
    }

    /// Counts so many of what was pushed as values in no other.
    pub(crate) fn count(&mut self, outer: usize) {
        self.outer += outer;
    }

    /// Where the next value will be.
    pub(crate) fn mark(&self) -> usize {
        self.items.len()
    }

    /// Says how long a list is whose head stands there.
    pub(crate) fn set_list(&mut self, mark: usize, length: usize) {
        self.items[mark] = Value::List(length);
    }

    /// Says how many pairs a map has whose head stands there.
    pub(crate) fn set_map(&mut self, mark: usize, pairs: usize) {
        self.items[mark] = Value::Map(pairs);
    }

    /// With the document that its parts are of.
    pub(crate) fn of(self, text: Vec<u8>, is_wide: bool) -> Self {
        Self { text, is_wide, ..self }
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let next = Cell::new(0);
        let mut list = serializer.serialize_seq(Some(self.outer))?;
        for _ in 0..self.outer {
            list.serialize_element(&Next { values: self, next: &next, is_key: false })?;
        }
        list.end()
    }
}

/// The next value, with what is in it.
struct Next<'v> {
    values: &'v Values,
    next: &'v Cell<usize>,
    is_key: bool,
}

impl Next<'_> {
    fn inner(&self, is_key: bool) -> Self {
        Self { values: self.values, next: self.next, is_key }
    }

    /// Bytes that are a character each go as bytes, which cost Perl least; keys are texts in any case.
    fn text<S: Serializer>(&self, serializer: S, bytes: &[u8], is_wide: bool) -> Result<S::Ok, S::Error> {
        if !is_wide && !self.is_key {
            return serializer.serialize_bytes(bytes);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if is_wide || bytes.is_ascii() => serializer.serialize_str(text),
            _ if is_wide => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            _ => serializer.serialize_str(&String::from_utf8_lossy(&latin1_as_utf8(bytes))),
        }
    }
}

impl Serialize for Next<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.values;
        let Some(value) = values.items.get(self.next.replace(self.next.get() + 1)) else {
            return serializer.serialize_unit();
        };
        match value {
            Value::Undefined => serializer.serialize_unit(),
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Part(part) => self.text(serializer, &values.text[part.clone()], values.is_wide),
            Value::Lower(part) => {
                let bytes = &values.text[part.clone()];
                if !bytes.iter().any(u8::is_ascii_uppercase) {
                    return self.text(serializer, bytes, values.is_wide);
                }
                self.text(serializer, &bytes.to_ascii_lowercase(), values.is_wide)
            }
            Value::Made(made) => self.text(serializer, &made.bytes, made.is_wide),
            Value::List(length) => {
                let mut list = serializer.serialize_seq(Some(*length))?;
                for _ in 0..*length {
                    list.serialize_element(&self.inner(false))?;
                }
                list.end()
            }
            Value::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(*pairs))?;
                for _ in 0..*pairs {
                    map.serialize_entry(&self.inner(true), &self.inner(false))?;
                }
                map.end()
            }
        }
    }
}
