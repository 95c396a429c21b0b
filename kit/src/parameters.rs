//! What functions take and give, read off their types, as `describe`, `system.modules` and error messages say it.

use crate::protocol::lenient::TYPE_NAME;
use crate::protocol::message::MapEntries;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One parameter, as `system.modules` and error messages describe it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The kind of value it takes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a call must give it.
    pub required: bool,
    /// What holds when it is not given.
    pub default: Option<serde_json::Value>,
    /// One line on what it is for.
    pub doc: String,
}

/// What a call gives, as `system.modules` describes it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Returns {
    /// What it is: a map, a list of maps, a text, nothing.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the map, or each map of the list, has.
    pub fields: Vec<Field>,
}

/// One entry of a result.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The kind of value.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is always there.
    pub always: bool,
    /// One line on what it says; empty where the name says it.
    pub doc: String,
}

/// A struct of parameters. `Of<'p>` is the same struct borrowing from parameters that live for `'p`.
///
/// Implemented by [`parameters!`](crate::parameters).
pub trait Parameters: 'static {
    /// The struct, borrowing from the message.
    type Of<'p>: Deserialize<'p> + JsonSchema;
}

/// Declares structs to be parameters: `parameters!(Plain, Borrowing<'_>)`.
#[macro_export]
macro_rules! parameters {
    ($($name:ident $(<$lifetime:lifetime>)?),* $(,)?) => { $( $crate::parameters!(@one $name $($lifetime)?); )* };
    (@one $name:ident) => {
        impl $crate::Parameters for $name { type Of<'p> = $name; }
    };
    (@one $name:ident $lifetime:lifetime) => {
        impl $crate::Parameters for $name<'static> { type Of<'p> = $name<'p>; }
    };
}

/// No parameters at all.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}
parameters!(NoParameters);

/// Reads the description of a parameter struct off its type, so that the two can't differ.
pub(super) fn describe<P: Parameters>() -> Vec<Parameter> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<P::Of<'static>>().to_value();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    properties
        .iter()
        .map(|(name, property)| Parameter {
            name: name.clone(),
            kind: kind_of(property),
            required: required.contains(&name.as_str()),
            default: property.get("default").filter(|default| !default.is_null()).cloned(),
            doc: property["description"].as_str().unwrap_or_default().replace('\n', " "),
        })
        .collect()
}

pub(super) fn argument<'p>(params: &'p [u8], name: &str) -> Option<&'p [u8]> {
    MapEntries::of(params)?.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Reads the description of a result off its type.
pub(super) fn returns<R: JsonSchema>() -> Returns {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<R>().to_value();
    let (kind, described) = match kind_of(&schema).as_str() {
        "list" => (format!("list of {}s", kind_of(&schema["items"])), &schema["items"]),
        kind => (kind.to_owned(), &schema),
    };
    let required: Vec<&str> =
        described["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = described["properties"].as_object().into_iter().flatten();
    let fields = properties.map(|(name, property)| Field {
        name: name.clone(),
        kind: kind_of(property),
        always: required.contains(&name.as_str()),
        doc: property["description"].as_str().unwrap_or_default().replace('\n', " "),
    });
    Returns { kind, fields: fields.collect() }
}

/// The kind of value that a schema is about, in the words of callers.
fn kind_of(schema: &Value) -> String {
    if let Some(kind) = schema[TYPE_NAME].as_str() {
        return kind.to_owned();
    }
    // What may be missing is described as "this type, or null".
    let alternatives = ["anyOf", "oneOf"].iter().filter_map(|name| schema[*name].as_array()).flatten();
    if let Some(kind) = alternatives.map(kind_of).find(|kind| kind != "nothing") {
        return kind;
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").cloned().unwrap_or_default(),
        kind => kind.clone(),
    };
    match kinds.as_str() {
        Some("string") => "text",
        Some("object") => "map",
        Some("array") => "list",
        Some("null") => "nothing",
        Some(kind) => return kind.to_owned(),
        None if schema["enum"].is_array() || schema["const"].is_string() => "text",
        None => "value",
    }
    .to_owned()
}
