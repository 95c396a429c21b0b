//! The module's table.

use crate::rules::{Rules, Settings};
use crate::scan::{Ending, Parser};
use crate::state::State;
use crate::values::Values;
use kit::protocol::reply::write_map_header;
use kit::protocol::{CallError, Code};
use kit::protocol::lenient::{Bytes, Flag, Integer, Text, described_as};
use kit::pieces::Pieces;
use kit::{Call, Function, Module, Placement, parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The module's table.
pub fn module() -> Module {
    let doc = "Finds the tokens of a piece of an HTML document, as arguments for the handlers of HTML::Parser.";
    let tokens = Function::writing::<Tokens<'static>, Found>("tokens", doc, tokens).runs(Placement::InlineUpTo(MOST_IN_LOOP)).unfolds(PARTS);
    Module::new("html", "HTML documents, for the stand-in of HTML::Parser.", vec![tokens])
}

/// Bytes of parameters whose tokens take the loop less than about 100 microseconds.
const MOST_IN_LOOP: usize = 8 << 10;

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
    /// What the parser is set to: `options`, `reports`, and what tags it knows.
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
    /// Whether to call again at once, with what is left: that would have taken too long for one call.
    is_paused: bool,
    /// For the next call.
    state: Described,
    /// A text as those of a document of characters come: marked as such, or not, if they are ASCII.
    sample: Text<'static>,
    /// A character without which nothing is found in what is left, whatever comes behind it.
    needs: Option<char>,
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
        parser.last = u64::try_from(last.0).map_err(|_| CallError::invalid("last", "parameter `last` must not be below 0"))?;
        parser.known = parser.last;
    }
    let place = parser.parse(ending, &pieces)?;
    let needs = if ending == Ending::Piece { parser.needs(place) } else { None };
    let is_paused = parser.is_paused();
    let state = parser.state.pack()?;
    write(call, parser, &Rest { consumed: place as u64, is_paused, state: &state, needs: needs.map(char::from) })
}

/// All of a result but the events and their values.
#[derive(Serialize)]
struct Rest<'r> {
    consumed: u64,
    is_paused: bool,
    #[serde(with = "serde_bytes")]
    state: &'r [u8],
    needs: Option<char>,
}

/// What one value may have that others are in, in MessagePack.
const MOST_VALUES: u32 = u32::MAX;

/// Writes a result. The values are there as they are to be sent.
fn write(call: &mut Call<'_>, parser: Parser<'_>, rest: &Rest<'_>) -> Result<(), CallError> {
    let (count, values) = parser.values.finish();
    if count == MOST_VALUES {
        return Err(CallError::new(Code::TooLarge, "the piece has more values than one answer may have"));
    }
    let out = call.out();
    out.reserve(values.len() + parser.events.len() + rest.state.len() + HEADS);
    write_map_header(out, 7);
    write_pair(call, "events", serde_bytes::Bytes::new(&parser.events))?;
    write_pair(call, "consumed", &rest.consumed)?;
    write_pair(call, "is_paused", &rest.is_paused)?;
    write_pair(call, "state", serde_bytes::Bytes::new(rest.state))?;
    write_pair(call, "needs", &rest.needs)?;
    call.write("sample")?;
    let mut sample = Values::default();
    sample.text(b"a", true);
    let (_, sample) = sample.finish();
    call.out().push(&sample);
    call.write("values")?;
    let out = call.out();
    out.push(&[0xdd]);
    out.push(&count.to_be_bytes());
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
