//! Says what is wrong with parameters that a function could not read.
//!
//! Runs only after reading failed. Messages are made from the description of the parameters and from the types of what
//! came, never from values: a value may be a key.

use super::parameters::{Parameter, Parameters};
use crate::protocol::error::{CallError, nearest, quote};
use crate::protocol::head::Head;
use crate::protocol::message::MapEntries;

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
    let came = Head::read(value).map_or("nothing", |(head, _)| head.type_name());
    let remark = match (parameter.kind.as_str(), came) {
        ("integer" | "number", "text") => "a text that is no such number",
        ("integer", "float") => "a number with a fraction or beyond 2^53",
        ("boolean", "integer" | "text") => "a value that is neither 0 nor 1",
        _ => came,
    };
    CallError::invalid(name, format!("parameter `{name}` must be {}, not {remark}", parameter.kind))
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
        ] {
            let (named, message) = error_of(pairs);
            assert_eq!(named.as_deref(), Some(parameter), "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn values_are_never_quoted() {
        let (_, message) = error_of(vec![("data", V::from("x")), ("times", V::from("hunter2"))]);
        assert!(!message.contains("hunter2"), "{message}");
    }
}
