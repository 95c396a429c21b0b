//! Module `text`: what a module looks like.

use kit::files::Wanted;
use kit::keep::{Keep, Shared, pack, unpack};
use kit::protocol::lenient::{FileName, Integer, Text};
use kit::protocol::{Buffer, CallError};
use kit::{Call, Function, Kind, Module, NamedFile, Placement};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The module's table.
pub fn module() -> Module {
    let functions = vec![
        Function::new::<Repeat<'static>, _>("repeat", "Repeats a text.", repeat).runs(Placement::InlineUpTo(10_000)),
        Function::new::<Open<'static>, _>("open", "Begins to count words.", open),
        Function::new::<Count<'static>, _>("count", "Counts more words.", count)
            .runs(Placement::InlineUpTo(10_000))
            .on_handle("counter_id"),
        Function::new::<CountFile<'static>, _>("count_file", "Counts a file's words.", count_file)
            .touches_files(&[NamedFile {
                parameter: "file",
                way_out: "read it and send its text to text.count",
                send_content_as: None,
            }])
            .on_handle("counter_id"),
        Function::new::<Close<'static>, _>("close", "Ends a count; ending it twice is no error.", close)
            .on_handle("counter_id"),
    ];
    Module::new("text", "Work on texts.", functions).with_kinds(vec![COUNTER.moves()])
}

// --- A function of its own

/// The parameters of `text.repeat`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Repeat<'a> {
    /// What to repeat.
    #[serde(borrow)]
    text: Text<'a>,
    /// How often, at most 100; once if not given.
    #[serde(default)]
    times: Option<Integer>,
}

/// The result of `text.repeat`.
#[derive(Serialize, JsonSchema)]
struct Repeated {
    /// The text, repeated.
    text: String,
}

fn repeat(_: &mut Call<'_>, params: Repeat<'_>) -> Result<Repeated, CallError> {
    match params.times.map_or(1, |times| times.0) {
        times @ 0..=100 => Ok(Repeated { text: params.text.repeat(times as usize) }),
        _ => Err(CallError::invalid("times", "parameter `times` must be from 0 to 100")),
    }
}

// --- A state that lives on between calls

/// Words counted so far, of those that begin with a prefix.
#[derive(Serialize, Deserialize)]
struct Counter {
    prefix: String,
    words: u64,
}

const COUNTER: Kind<Counter> =
    Kind::new("word counter", "no such counter: it ended, expired, or is not yours").that_moves(unpacked);

impl Keep for Counter {
    fn size(&self) -> usize {
        size_of::<Self>() + self.prefix.len()
    }

    fn is_light(&self) -> bool {
        true
    }

    fn pack(&self) -> Result<Buffer, CallError> {
        pack(self)
    }
}

fn unpacked(packed: &[u8], _: &mut Shared) -> Result<Counter, CallError> {
    unpack(packed)
}

/// The parameters of `text.open`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Open<'a> {
    /// Only words that begin so are counted; all if not given.
    #[serde(borrow, default)]
    prefix: Option<Text<'a>>,
}

/// The result of `text.open`.
#[derive(Serialize, JsonSchema)]
struct Opened {
    /// What the other functions call it by.
    counter_id: String,
}

fn open(call: &mut Call<'_>, params: Open<'_>) -> Result<Opened, CallError> {
    let prefix = params.prefix.map(|prefix| prefix.to_string()).unwrap_or_default();
    let id = COUNTER.keep(call, Counter { prefix, words: 0 })?;
    Ok(Opened { counter_id: id.to_string() })
}

/// The parameters of `text.count`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count<'a> {
    /// The counter.
    #[serde(borrow)]
    counter_id: Text<'a>,
    /// More text.
    #[serde(borrow)]
    text: Text<'a>,
}

/// The result of `text.count`.
#[derive(Serialize, JsonSchema)]
struct Counted {
    /// Words so far.
    words: u64,
}

fn count(call: &mut Call<'_>, params: Count<'_>) -> Result<Counted, CallError> {
    count_words(call, &params.counter_id, &params.text)
}

fn count_words(call: &mut Call<'_>, counter_id: &str, text: &str) -> Result<Counted, CallError> {
    let counter = COUNTER.get(call, counter_id)?;
    let words = text.split_whitespace().filter(|word| word.starts_with(&counter.prefix));
    counter.words += words.count() as u64;
    Ok(Counted { words: counter.words })
}

// --- A file that a caller names

/// The parameters of `text.count_file`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountFile<'a> {
    /// The counter.
    #[serde(borrow)]
    counter_id: Text<'a>,
    /// Its absolute path; at most a MiB of text.
    #[serde(borrow)]
    file: FileName<'a>,
}

fn count_file(call: &mut Call<'_>, params: CountFile<'_>) -> Result<Counted, CallError> {
    let wanted =
        Wanted { parameter: "file", path: &params.file, failed: "the words can't be counted", most: 1024 * 1024 };
    let content = wanted.read()?;
    match str::from_utf8(&content) {
        Ok(text) => count_words(call, &params.counter_id, text),
        Err(_) => Err(CallError::invalid("file", "the words can't be counted: it is no UTF-8")),
    }
}

// --- The state's end

/// The parameters of `text.close`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Close<'a> {
    /// The counter.
    #[serde(borrow)]
    counter_id: Text<'a>,
}

/// The result of `text.close`.
#[derive(Serialize, JsonSchema)]
struct Closed {
    /// Whether there was one.
    closed: bool,
}

fn close(call: &mut Call<'_>, params: Close<'_>) -> Result<Closed, CallError> {
    Ok(Closed { closed: COUNTER.free(call, &params.counter_id)? })
}

kit::parameters!(Repeat<'_>, Open<'_>, Count<'_>, CountFile<'_>, Close<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use kit::Caller;

    #[test]
    fn a_function_is_called_as_a_broker_would() {
        let module = module();
        let function = &module.functions[0];
        assert_eq!(function.parameters[1].doc, "How often, at most 100; once if not given.");
        let params = b"\x82\xa4text\xa2ab\xa5times\xa13"; // {"text": "ab", "times": "3"}
        let mut out = Buffer::new();
        function.run(&mut Call::detached(Caller::default(), &mut out), params).unwrap();
        assert_eq!(out.as_slice(), b"\x81\xa4text\xa6ababab");
    }
}
