//! The module's table.

use crate::rules::{Rules, Settings};
use crate::scan::{Ending, Parser};
use crate::state::State;
use crate::values::Values;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::head::Head;
use kit::protocol::lenient::{Bytes, Flag, Integer, Text, described_as};
use kit::protocol::reply::write_map_header;
use kit::{Call, Function, Module, Placement, parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The module's table.
pub fn module() -> Module {
    let doc = "Finds the tokens of a piece of an HTML document, as arguments for the handlers of HTML::Parser.";
    let tokens = Function::writing::<Tokens<'static>, Found>("tokens", doc, tokens)
        .runs(Placement::InlineUpTo(MOST_IN_LOOP))
        .unfolds(PARTS);
    Module::new("html", "HTML documents, for the stand-in of HTML::Parser.", vec![tokens])
}

/// Bytes of parameters whose tokens take the loop less than about 100 microseconds.
const MOST_IN_LOOP: usize = 4 << 10;

/// What a call holds while it runs, in parts of its parameters: every text may be reported several times.
const PARTS: usize = 12;

/// The parameters of `html.tokens`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tokens<'a> {
    /// The piece, behind what was left of the one before it.
    #[serde(borrow)]
    text: Bytes<'a>,
    /// Whether that is UTF-8; else each byte is a character.
    #[serde(default)]
    is_utf8: Flag,
    /// What it ends with: `cut` (more is there), `piece` (more may come) or `document`.
    #[serde(borrow)]
    ending: Text<'a>,
    /// What the call before gave; empty for a new document.
    #[serde(borrow)]
    state: Bytes<'a>,
    /// What the parser is set to: `options` (bits), `reports` (a list of eight: what handlers of the events are called with, in the order of their
    /// numbers, as an argspec of HTML::Parser), `silent`, `report_tags`, `ignore_tags`, `ignore_elements`, `boolean_value`, `entities`.
    #[serde(borrow)]
    rules: Settings<'a>,
    /// Other rules, each from the end of a report on, in the order of these.
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
    /// The number of the report after which there is to be no other: the rest of the piece is left.
    #[serde(default)]
    last: Option<Integer>,
}
parameters!(Tokens<'_>);

/// Rules that hold from the end of a report on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change<'a> {
    /// After how many reports; those are not given again.
    after: Integer,
    /// The rules.
    #[serde(borrow)]
    rules: Settings<'a>,
}

/// The result of `html.tokens`, as it is described; [`write`] writes it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "a description")]
struct Found {
    /// A byte each: 0 declaration, 1 comment, 2 start, 3 end, 4 text, 5 process, 6 start_document, 7 end_document.
    events: Described,
    /// What the handlers of these are called with, one after the other.
    values: DescribedList,
    /// Bytes of the piece that are done with; the others come again with the next.
    consumed: u64,
    /// For the next call.
    state: Described,
    /// A text as those of a document of characters come: marked as such, or not, if they are ASCII.
    sample: Text<'static>,
    /// What nothing is found in what is left without, whatever comes behind it: `>`; `--`, which ends a comment; white space or `<` (a blank); or
    /// the end tag of the element that is named.
    needs: Option<Text<'static>>,
    /// Whether to call again at once with what is left: so much was found that another call has the rest.
    is_paused: bool,
}

struct Described;
described_as!(Described, "bytes");

struct DescribedList;
described_as!(DescribedList, "list");

fn tokens(call: &mut Call<'_>, params: Tokens<'_>) -> Result<(), CallError> {
    let ending = match &*params.ending {
        "cut" => Ending::Cut,
        "piece" => Ending::Piece,
        "document" => Ending::Document,
        _ => return Err(CallError::invalid("ending", "parameter `ending` must be `cut`, `piece` or `document`")),
    };
    let pieces = Pieces::of(call);
    pieces.begin()?;
    let (text, is_wide) = (&*params.text, params.is_utf8.0);
    if is_wide && std::str::from_utf8(text).is_err() {
        return Err(CallError::invalid("text", "parameter `text` is no UTF-8, which `is_utf8` says it is"));
    }
    let mut parser = Parser::new(text, is_wide, State::unpack(&params.state)?, Rules::new(params.rules)?);
    parser.changes = changes(params.changes)?;
    parser.known = parser.changes.back().map_or(0, |(after, _)| *after);
    if let Some(last) = params.last {
        parser.last =
            u64::try_from(last.0).map_err(|_| CallError::invalid("last", "parameter `last` must not be below 0"))?;
        parser.known = parser.last;
    }
    let place = parser.parse(ending, &pieces)?;
    write(call, parser, ending, place)
}

/// Writes a result, of so many bytes that are done with. The values are there as they are to be sent.
fn write(call: &mut Call<'_>, parser: Parser<'_>, ending: Ending, consumed: usize) -> Result<(), CallError> {
    let is_paused = parser.is_paused();
    let needs = if ending == Ending::Piece && !is_paused { parser.needs(consumed) } else { None };
    let state = parser.state.pack()?;
    let (count, values) = parser.values.finish();
    let mut sample = Values::default();
    sample.text(b"a", true);
    let out = call.out();
    out.reserve(values.len() + parser.events.len() + state.len() + HEADS);
    write_map_header(out, 7);
    write_pair(call, "events", serde_bytes::Bytes::new(&parser.events))?;
    write_pair(call, "consumed", &consumed)?;
    write_pair(call, "state", serde_bytes::Bytes::new(&state))?;
    write_pair(call, "needs", &needs)?;
    write_pair(call, "is_paused", &is_paused)?;
    call.write("sample")?;
    call.out().push(&sample.finish().1);
    call.write("values")?;
    let out = call.out();
    out.push(&Head::Array(count).write());
    out.push(&values);
    Ok(())
}

/// Bytes of the names and heads in a result, and more.
const HEADS: usize = 128;

fn write_pair<T: Serialize + ?Sized>(call: &mut Call<'_>, name: &str, value: &T) -> Result<(), CallError> {
    call.write(name)?;
    call.write(value)
}

fn changes(changes: Vec<Change<'_>>) -> Result<VecDeque<(u64, Rules)>, CallError> {
    let mut last = 0;
    let mut read = VecDeque::with_capacity(changes.len());
    for change in changes {
        let after = u64::try_from(change.after.0).ok().filter(|after| *after > last);
        last = after.ok_or_else(|| CallError::invalid("changes", "`after` of `changes` must be above 0 and rise"))?;
        read.push_back((last, Rules::new(change.rules)?));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::protocol::{Buffer, Code};
    use kit::{Caller, Function};
    use proptest::prelude::*;
    use rmpv::Value;

    const REPORT: &str = "[event,tagname,attr,@attr,text,dtext,tokens,tokenpos,offset,line,column,is_cdata]";

    fn function() -> Function {
        module().functions.remove(0)
    }

    fn map(pairs: Vec<(&str, Value)>) -> Value {
        Value::Map(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    fn call(params: &Value) -> Result<Value, CallError> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, params).unwrap();
        let mut out = Buffer::new();
        function().run(&mut Call::detached(Caller::owner(1, 1), &mut out), &bytes)?;
        Ok(rmpv::decode::read_value(&mut out.as_slice()).unwrap())
    }

    fn rules(options: i64) -> Value {
        map(vec![("options", options.into()), ("reports", Value::Array(vec![REPORT.into(); 8]))])
    }

    fn asked(text: &[u8], ending: &str, state: &[u8], options: i64) -> Value {
        map(vec![
            ("text", Value::Binary(text.to_vec())),
            ("is_utf8", true.into()),
            ("ending", ending.into()),
            ("state", Value::Binary(state.to_vec())),
            ("rules", rules(options)),
        ])
    }

    /// The reports of a document whose pieces have so many characters, `cut` or whole to who parses them.
    fn reports(text: &str, size: usize, options: i64, ending: &str) -> Vec<Value> {
        let characters: Vec<char> = text.chars().collect();
        let (mut rest, mut state, mut seen) = (String::new(), Vec::new(), Vec::new());
        let mut pieces: Vec<(String, &str)> =
            characters.chunks(size).map(|piece| (piece.iter().collect(), ending)).collect();
        if let Some((_, last)) = pieces.last_mut() {
            *last = "piece";
        }
        pieces.push((String::new(), "document"));
        for (piece, ending) in pieces {
            rest.push_str(&piece);
            let found = call(&asked(rest.as_bytes(), ending, &state, options)).unwrap();
            assert_eq!(found["is_paused"], Value::from(false));
            seen.extend(found["values"].as_array().unwrap().iter().cloned());
            assert_eq!(found["events"].as_slice().unwrap().len(), found["values"].as_array().unwrap().len());
            state = found["state"].as_slice().unwrap().to_vec();
            rest.drain(..found["consumed"].as_u64().unwrap() as usize);
        }
        assert!(rest.is_empty() && !state.is_empty());
        seen
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = asked(b"<p>", "piece", b"", 0);
        assert!(call(&good).is_ok());
        for (name, value, parameter) in [
            ("ending", "somewhere".into(), "ending"),
            ("state", Value::Binary(b"none".to_vec()), "state"),
            ("text", Value::Binary(b"\xff".to_vec()), "text"),
            ("rules", rules(1 << 20), "rules"),
            ("rules", map(vec![("reports", Value::Array(vec!["nothing".into(); 8]))]), "rules"),
            ("rules", map(vec![("reports", Value::Array(vec!["'open".into(); 8]))]), "rules"),
            ("rules", map(vec![("reports", Value::Array(Vec::new()))]), "rules"),
            ("changes", Value::Array(vec![map(vec![("after", 0.into()), ("rules", rules(0))])]), "changes"),
            ("last", (-1).into(), "last"),
        ] {
            let mut bad = good.as_map().unwrap().clone();
            bad.retain(|(known, _)| known.as_str() != Some(name));
            bad.push((name.into(), value));
            let error = call(&Value::Map(bad)).unwrap_err();
            assert_eq!(error.code, Code::InvalidParams, "{name}");
            assert_eq!(error.data.as_ref().unwrap().parameter.as_deref(), Some(parameter));
        }
    }

    /// Each would take as long as the square of its length if every beginning were looked at to its end: minutes.
    #[test]
    fn documents_full_of_beginnings() {
        let (comment, names, xml, end) = (1, 1 << 1, 1 << 2, 1 << 7);
        for (text, options) in [
            ("<a b=".repeat(100_000) + "x 1", names),
            ("<a b=".repeat(100_000) + "x 1", xml),
            ("<!DOCTYPE ".repeat(100_000) + "-x", comment),
            ("</a".repeat(100_000) + " x", end),
            ("<!--".repeat(100_000), 0),
            ("<!--".repeat(100_000), comment),
            ("<![a ".repeat(100_000), 1 << 4 | comment),
            ("<a b='".repeat(100_000), 0),
            ("<script>".repeat(100_000), 0),
            ("<title>".repeat(100_000), 0),
            ("<title></titl".repeat(100_000), 0),
        ] {
            assert!(call(&asked(text.as_bytes(), "document", b"", options)).is_ok(), "{}", &text[..10]);
        }
    }

    #[test]
    fn it_says_what_it_waits_for() {
        for (text, options, needs) in [
            ("<p title='x", 0, Some(">")),
            ("<!-- x", 0, Some("--")),
            ("<script>var x", 0, Some("script")),
            ("text and", 0, Some(" ")),
            ("<t", 0, None),
            ("<p title='x", 1 << 1, None),
            ("<![CDATA[x", 1 << 4, None),
        ] {
            let found = call(&asked(text.as_bytes(), "piece", b"", options)).unwrap();
            assert_eq!(found["needs"].as_str(), needs, "{text}");
        }
    }

    #[test]
    fn new_rules_hold_from_the_end_of_a_report_on() {
        let mut params = asked(b"<A><B></B><script><i></script>", "document", b"", 0).as_map().unwrap().clone();
        params.retain(|(name, _)| name.as_str() != Some("rules"));
        let tags =
            |options: i64| map(vec![("options", options.into()), ("reports", Value::Array(vec!["tagname".into(); 8]))]);
        params.push(("rules".into(), tags(0)));
        // Behind the document's start and the first tag: cases count, and there is no script.
        params.push(("changes".into(), Value::Array(vec![map(vec![("after", 2.into()), ("rules", tags(1 << 2))])])));
        let found = call(&Value::Map(params)).unwrap();
        let names: Vec<_> =
            found["values"].as_array().unwrap().iter().map(|name| name.as_str().unwrap_or("-")).collect();
        assert_eq!(names, ["B", "B", "script", "i", "script", "-"]);
    }

    const PARTS: &str = "(<|>|/|</|<!--|--|-->|<!|<\\?|\\?>|[a-c]{1,3}|<script>|</script>|<title>|</title>|<a b='c'|<![A-Z]{1,3}|<!DOCTYPE x|<!\\[CDATA\\[|<!\\[IGNORE\\[|\\]\\]>|\\]| |\n|=|'|\"|`|&amp;|&#x263a|é|€|\0)";

    proptest! {
        /// Where a document is cut for the way to the broker makes no difference.
        #[test]
        fn cuts_make_no_difference(parts in prop::collection::vec(PARTS, 0..30), size in 1_usize..40, options in 0_i64..1 << 9) {
            let text = parts.concat();
            prop_assert_eq!(reports(&text, size, options, "cut"), reports(&text, usize::MAX, options, "cut"));
        }

        /// Nor do pieces that the document comes in, where text is reported once it is whole.
        #[test]
        fn pieces_make_no_difference(parts in prop::collection::vec(PARTS, 0..30), size in 1_usize..40) {
            let text = parts.concat();
            let unbroken = 1 << 3;
            prop_assert_eq!(reports(&text, size, unbroken, "piece"), reports(&text, usize::MAX, unbroken, "piece"));
        }

        #[test]
        fn whatever_a_state_is(state in prop::collection::vec(any::<u8>(), 0..60), text in "\\PC{0,30}") {
            let _ = call(&asked(text.as_bytes(), "document", &state, 0));
        }
    }
}
