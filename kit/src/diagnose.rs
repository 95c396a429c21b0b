//! Says what is wrong with parameters that a function could not read.
//!
//! Runs only after reading failed. Messages are made from the description of the parameters and from the types of what
//! came, never from values: a value may be a key.

use super::parameters::{Parameter, Parameters};
use crate::protocol::error::{CallError, nearest, quote};
use crate::protocol::head::Head;
use crate::protocol::message::{MapEntries, element};
use serde_path_to_error::{Path, Segment};

/// The error for parameters that are no `P`.
pub fn params<P: Parameters>(params: &[u8], described: &[Parameter]) -> CallError {
    let Some(entries) = MapEntries::of(params) else {
        return CallError::new(crate::protocol::Code::InvalidParams, "parameters are a map");
    };
    let given: Vec<(&str, &[u8])> = entries.collect();
    for (index, (name, _)) in given.iter().enumerate() {
        if !described.iter().any(|parameter| parameter.name == *name) {
            return unknown(name, described);
        }
        if given[..index].iter().any(|(earlier, _)| earlier == name) {
            return CallError::invalid(name, format!("parameter `{name}` is given twice"));
        }
    }
    for parameter in described.iter().filter(|parameter| parameter.required) {
        if !given.iter().any(|(name, _)| *name == parameter.name) {
            return CallError::invalid(
                &parameter.name,
                format!("parameter `{}` ({}) is missing: {}", parameter.name, parameter.kind, parameter.doc),
            );
        }
    }
    wrong_type::<P>(params, &given, described)
}

fn unknown(name: &str, described: &[Parameter]) -> CallError {
    let names: Vec<String> = described.iter().map(|parameter| parameter.name.clone()).collect();
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None if names.is_empty() => "; this function takes none".to_owned(),
        None => format!("; known are {}", names.join(", ")),
    };
    CallError::invalid(name, format!("unknown parameter `{}`{hint}", quote(name))).with_available(names)
}

fn wrong_type<P: Parameters>(params: &[u8], given: &[(&str, &[u8])], described: &[Parameter]) -> CallError {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(params);
    let Err(error) = serde_path_to_error::deserialize::<_, P::Of<'_>>(&mut deserializer) else {
        return CallError::new(crate::protocol::Code::Internal, "parameters could be read the second time only");
    };
    let path = error.path().to_string();
    let name = path.split(['.', '[']).next().unwrap_or_default();
    let (Some(parameter), Some((_, value))) = (
        described.iter().find(|parameter| parameter.name == name),
        given.iter().find(|(given_name, _)| *given_name == name),
    ) else {
        return CallError::new(
            crate::protocol::Code::InvalidParams,
            "the parameters are not what this function takes; `system.modules` describes them",
        );
    };
    let came = type_of(value);
    // A parameter of the right kind may hold something of a wrong one.
    if let Some((place, inner)) = inside(error.path(), value) {
        let kind = &parameter.kind;
        let message = format!("parameter `{name}` is a {kind} of other values: {place} can't be {}", type_of(inner));
        return CallError::invalid(name, message);
    }
    let remark = match (parameter.kind.as_str(), came) {
        ("integer" | "number", "text") => "a text that is no such number",
        ("integer", "float") => "a number with a fraction or beyond 2^53",
        ("boolean", "integer" | "text") => "a value that is neither 0 nor 1",
        _ => came,
    };
    CallError::invalid(name, format!("parameter `{name}` must be {}, not {remark}", parameter.kind))
}

fn type_of(value: &[u8]) -> &'static str {
    Head::read(value).map_or("nothing", |(head, _)| head.type_name())
}

/// The value at fault within a parameter's, and where it stands; nothing if it is the parameter itself.
fn inside<'a>(path: &Path, parameter: &'a [u8]) -> Option<(String, &'a [u8])> {
    let (mut places, mut value) = (Vec::new(), parameter);
    for segment in path.iter().skip(1) {
        let (place, inner) = match segment {
            Segment::Seq { index } => (format!("number {index} (counted from 0)"), element(value, *index)?),
            Segment::Map { key } => (
                format!("`{}`", quote(key)),
                MapEntries::of(value)?.find_map(|(name, value)| (name == key).then_some(value))?,
            ),
            Segment::Enum { .. } | Segment::Unknown => return None,
        };
        places.push(place);
        value = inner;
    }
    places.reverse();
    (!places.is_empty()).then(|| (places.join(" in "), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::Function;
    use crate::protocol::lenient::{Bytes, Flag, Integer};
    use crate::protocol::{Buffer, Code};
    use crate::{Call, Caller};
    use rmpv::Value as V;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample<'a> {
        /// The data.
        #[serde(borrow)]
        data: Bytes<'a>,
        /// How often.
        #[serde(default)]
        times: Option<Integer>,
        /// Whether.
        #[serde(default)]
        really: Option<Flag>,
        /// Some.
        #[serde(default)]
        some: Vec<Integer>,
        /// Named.
        #[serde(default)]
        named: BTreeMap<String, Vec<Integer>>,
    }
    crate::parameters!(Sample<'_>);

    fn error_of(pairs: Vec<(&str, V)>) -> (Option<String>, String) {
        fn run(_: &mut Call<'_>, _: Sample<'_>) -> Result<bool, CallError> {
            Ok(true)
        }
        let function = Function::new::<Sample<'static>, _>("sample", "A sample.", run);
        let map = V::Map(pairs.into_iter().map(|(name, value)| (V::from(name), value)).collect());
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &map).unwrap();
        let mut out = Buffer::new();
        let mut call = Call::detached(Caller::default(), &mut out);
        let error = function.run(&mut call, &bytes).unwrap_err();
        assert_eq!(error.code, Code::InvalidParams);
        (error.data.clone().and_then(|data| data.parameter), error.message.clone())
    }

    #[test]
    fn the_parameter_at_fault_is_named() {
        for (pairs, parameter, part) in [
            (vec![], "data", "is missing: The data."),
            (vec![("dta", V::from("x"))], "dta", "did you mean `data`?"),
            (vec![("data", V::Nil)], "data", "must be bytes, not nil"),
            (vec![("data", V::from("x")), ("times", V::from("often"))], "times", "must be integer, not a text"),
            (vec![("data", V::from("x")), ("times", V::from(1.5))], "times", "with a fraction"),
            (vec![("data", V::from("x")), ("really", V::from(2))], "really", "neither 0 nor 1"),
            (vec![("data", V::Map(vec![]))], "data", "must be bytes, not map"),
            (vec![("data", V::from("x")), ("data", V::from("x"))], "data", "given twice"),
            (vec![("data", V::from("x")), ("some", V::from("x"))], "some", "must be list, not text"),
            (
                vec![("data", V::from("x")), ("some", list())],
                "some",
                "is a list of other values: number 1 (counted from 0) can't be text",
            ),
            (
                vec![
                    ("data", V::from("x")),
                    ("named", V::Map(vec![(V::from("a"), V::Array(vec![])), (V::from("b"), list())])),
                ],
                "named",
                "is a map of other values: number 1 (counted from 0) in `b` can't be text",
            ),
        ] {
            let (named, message) = error_of(pairs);
            assert_eq!(named.as_deref(), Some(parameter), "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    fn list() -> V {
        V::Array(vec![V::from(1), V::from("hunter2"), V::from(3)])
    }

    #[test]
    fn long_names_are_cut() {
        let (named, message) = error_of(vec![(&"e".repeat(100_000), V::from("x"))]);
        assert!(named.unwrap().len() < 80 && message.len() < 300);
    }

    #[test]
    fn values_are_never_quoted() {
        let (_, message) = error_of(vec![("data", V::from("x")), ("times", V::from("hunter2"))]);
        assert!(!message.contains("hunter2"), "{message}");
    }
}
