//! Functions and modules as data: what they are called, what they take, where they run.

use super::call::Call;
use super::diagnose;
use super::handles::HandleId;
use super::kind::Movable;
use crate::protocol::buffer::wipe_stack;
use crate::protocol::error::{CallError, Code};
use crate::protocol::lenient::TYPE_NAME;
use crate::protocol::message::MapEntries;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A named table of functions.
pub struct Module {
    /// The name callers use.
    pub name: &'static str,
    /// One line on what it is for.
    pub doc: &'static str,
    /// Its functions.
    pub functions: Vec<Function>,
    /// The kinds of its handles that can move to the program that takes this one's place.
    pub kinds: Vec<Movable>,
    /// Other names that callers may use.
    pub aliases: &'static [&'static str],
    /// Told once how much of what the host has the module may take.
    pub fit: fn(Room),
}

/// How much of what the host has a module may take.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Sockets to elsewhere.
    pub sockets: usize,
    /// Those for each user who is neither the broker's own nor root.
    pub sockets_of_guest: usize,
}

impl Module {
    /// A module with these functions.
    pub fn new(name: &'static str, doc: &'static str, functions: Vec<Function>) -> Self {
        Self { name, doc, functions, kinds: Vec::new(), aliases: &[], fit: |_| {} }
    }

    /// The same module, with handles of these kinds that can move.
    pub fn with_kinds(self, kinds: Vec<Movable>) -> Self {
        Self { kinds, ..self }
    }

    /// The same module, called by these names as well.
    pub fn with_aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The same module, which is told how much room there is.
    pub fn that_fits(self, fit: fn(Room)) -> Self {
        Self { fit, ..self }
    }

    /// Every name that callers may use, its own last.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.aliases.iter().copied().chain([self.name])
    }
}

/// Where a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the event loop: never more than about 100 microseconds.
    Inline,
    /// On a worker: may wait, or burn CPU.
    Worker,
    /// In the event loop unless its parameters are larger than so many bytes.
    InlineUpTo(usize),
    /// In the event loop unless one of these parameters is given, or all together are larger than [`MOST_INLINE`].
    InlineWithout(&'static [&'static str]),
}

/// Bytes of parameters that a function reads in the loop which goes to a worker for other reasons.
pub const MOST_INLINE: usize = 4096;

/// The largest parameters of a function that runs inline whatever they are, in bytes; those that take anything as it is (`test.echo`)
/// take any.
pub const LARGEST_INLINE: usize = 64 * 1024;

/// What a function may touch beyond its parameters and handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Touches {
    /// Nothing.
    Nothing,
    /// Files, as the broker's user.
    Files,
    /// The network.
    Network,
}

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

type Run = Box<dyn Fn(&mut Call<'_>, &[u8]) -> Result<(), CallError> + Send + Sync>;

/// One function that callers can call.
pub struct Function {
    /// The name after the module's.
    pub name: &'static str,
    /// One line on what it does.
    pub doc: &'static str,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// What it gives. Made when it is asked for: programs that answer one call have no use for it.
    pub returns: fn() -> Returns,
    /// Where it runs.
    pub placement: Placement,
    /// What it may touch.
    pub touches: Touches,
    /// The parameter that names the handle it works on. Calls on one handle run in the order sent.
    pub handle_parameter: Option<&'static str>,
    /// Whether it runs also while its caller's things are locked.
    pub while_locked: bool,
    /// For how many further calls it counts in a connection's turn: what takes long inline ends the turn, so that a flood of it
    /// holds up others no longer than one.
    pub weight: usize,
    /// What a call takes while it runs on a worker, in parts of its parameters: one is these themselves.
    pub parts: usize,
    /// Whether its answer comes later, by another way, unless it fails at once.
    pub answers_later: bool,
    // Whether it takes any parameters as they are, without looking at them.
    takes_anything: bool,
    // Whether it works with keys and plaintexts, which must not stay behind.
    secret: bool,
    run: Run,
}

impl Function {
    /// A function with typed parameters `P` and a result that is serialised.
    pub fn new<P: Parameters, R: Serialize + JsonSchema + 'static>(
        name: &'static str,
        doc: &'static str,
        function: for<'c, 'p> fn(&mut Call<'c>, P::Of<'p>) -> Result<R, CallError>,
    ) -> Self {
        let parameters = describe::<P>();
        let described = parameters.clone();
        let run: Run = Box::new(move |call, params| {
            let arguments = match rmp_serde::from_slice::<P::Of<'_>>(params) {
                Ok(arguments) => arguments,
                Err(_) => return Err(diagnose::params::<P>(params, &described)),
            };
            let result = function(call, arguments)?;
            call.write(&result)
        });
        Self { returns: returns::<R>, ..Self::with_run(name, doc, parameters, run) }
    }

    /// A function that takes any parameters as they are and writes its result itself.
    pub fn raw(
        name: &'static str,
        doc: &'static str,
        function: fn(&mut Call<'_>, &[u8]) -> Result<(), CallError>,
    ) -> Self {
        Self { takes_anything: true, ..Self::with_run(name, doc, Vec::new(), Box::new(function)) }
    }

    fn with_run(name: &'static str, doc: &'static str, parameters: Vec<Parameter>, run: Run) -> Self {
        let (placement, touches) = (Placement::Inline, Touches::Nothing);
        Self {
            name,
            doc,
            parameters,
            returns: || Returns { kind: "what was given, or as its description says".to_owned(), fields: Vec::new() },
            placement,
            touches,
            handle_parameter: None,
            while_locked: false,
            weight: 0,
            parts: 1,
            answers_later: false,
            takes_anything: false,
            secret: false,
            run,
        }
    }

    /// The same function, running elsewhere.
    pub fn runs(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// The same function, touching something.
    pub fn touches(mut self, touches: Touches) -> Self {
        self.touches = touches;
        self
    }

    /// The same function, working on the handle that this parameter names.
    pub fn on_handle(mut self, parameter: &'static str) -> Self {
        self.handle_parameter = Some(parameter);
        self
    }

    /// The same function, running also while its caller's things are locked: it can use no key.
    pub fn while_locked(mut self) -> Self {
        self.while_locked = true;
        self
    }

    /// The same function, as one that a turn has time for once: it makes a long report.
    pub fn fills_a_turn(mut self) -> Self {
        self.weight = usize::MAX;
        self
    }

    /// The same function, making as much of its parameters as so many times these, themselves included.
    pub fn unfolds(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// The same function, whose result is what begins: whoever knows the end answers.
    pub fn answers_later(mut self) -> Self {
        self.answers_later = true;
        self
    }

    /// The same function, leaving nothing on the stack of the keys and plaintexts that it works with.
    pub fn keeps_secrets(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Whether a call with these parameters has to run on a worker.
    pub fn wants_worker(&self, params: &[u8]) -> bool {
        match self.placement {
            Placement::Inline => false,
            Placement::Worker => true,
            Placement::InlineUpTo(limit) => params.len() > limit,
            Placement::InlineWithout(parameters) => {
                params.len() > MOST_INLINE || parameters.iter().any(|name| argument(params, name).is_some())
            }
        }
    }

    /// Whether parameters of so many bytes are more than a function takes that always runs in the loop: reading them, if only to say
    /// what is wrong with them, would take long.
    pub fn takes_too_long_to_read(&self, length: usize) -> bool {
        length > LARGEST_INLINE && self.placement == Placement::Inline && !self.takes_anything
    }

    /// The handle that these parameters name, if the function works on one.
    pub fn handle(&self, params: &[u8]) -> Option<HandleId> {
        argument(params, self.handle_parameter?).and_then(crate::protocol::message::text).and_then(HandleId::parse)
    }

    /// Runs the function. Its result is written to the call.
    ///
    /// # Errors
    /// Whatever the caller is to be told.
    pub fn run(&self, call: &mut Call<'_>, params: &[u8]) -> Result<(), CallError> {
        let result = (self.run)(call, params);
        if self.secret {
            wipe_stack();
        }
        result
    }
}

fn argument<'p>(params: &'p [u8], name: &str) -> Option<&'p [u8]> {
    MapEntries::of(params)?.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Reads the description of a parameter struct off its type, so that the two can't differ.
fn describe<P: Parameters>() -> Vec<Parameter> {
    let schema = schemars::schema_for!(P::Of<'static>).to_value();
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

/// Reads the description of a result off its type.
fn returns<R: JsonSchema>() -> Returns {
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

/// The error for a function that needs a running broker, called without one.
pub fn needs_broker() -> CallError {
    CallError::new(
        Code::Failed,
        "this call keeps or needs state between calls, which only a running broker has; start one with `cpan-bridge serve` \
         (this call was answered by a process of its own)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::lenient::{Bytes, Integer, Text};

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample<'a> {
        /// What to
        /// do it to.
        #[serde(borrow)]
        data: Bytes<'a>,
        /// How.
        #[serde(borrow, default)]
        how: Option<Text<'a>>,
        /// How often.
        #[serde(default)]
        times: Option<Integer>,
    }
    parameters!(Sample<'_>);

    #[test]
    fn parameters_describe_themselves() {
        let parameters = describe::<Sample<'static>>();
        let seen: Vec<_> =
            parameters.iter().map(|p| (p.name.as_str(), p.kind.as_str(), p.required, p.doc.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("data", "bytes", true, "What to do it to."),
                ("how", "text", false, "How."),
                ("times", "integer", false, "How often."),
            ]
        );
    }
}
