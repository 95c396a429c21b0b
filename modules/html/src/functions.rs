//! The module's table.

use crate::rules::{Rules, Settings};
use crate::scan::{Ending, Parser};
use crate::state::State;
use crate::values::Values;
use kit::protocol::CallError;
use kit::protocol::lenient::{Bytes, Flag, Integer, Text, described_as};
use kit::pieces::Pieces;
use kit::{Call, Function, Module, Placement, parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The module's table.
pub fn module() -> Module {
    let doc = "Finds the tokens of a piece of an HTML document, as arguments for the handlers of HTML::Parser.";
    let tokens = Function::new::<Tokens<'static>, _>("tokens", doc, tokens).runs(Placement::InlineUpTo(MOST_IN_LOOP)).unfolds(PARTS);
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

/// The result of `html.tokens`.
#[derive(Serialize, JsonSchema)]
struct Found {
    /// A byte each: 0 declaration, 1 comment, 2 start, 3 end, 4 text, 5 process, 6 start_document, 7 end_document.
    events: Raw,
    /// What the handlers of these are called with, one after the other.
    values: Values,
    /// Bytes of the piece that are done with; the others come again with the next.
    consumed: u64,
    /// Whether to call again at once, with what is left: that would have taken too long for one call.
    is_paused: bool,
    /// For the next call.
    state: Raw,
    /// A character without which nothing is found in what is left, whatever comes behind it.
    needs: Option<char>,
}

/// Bytes.
struct Raw(Vec<u8>);

described_as!(Raw, "bytes");

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

fn tokens(call: &mut Call<'_>, params: Tokens<'_>) -> Result<Found, CallError> {
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
    let place = parser.parse(ending, &pieces)?;
    Ok(Found {
        consumed: place as u64,
        is_paused: parser.is_paused(),
        state: Raw(parser.state.pack()?),
        needs: if ending == Ending::Piece { parser.needs(place).map(char::from) } else { None },
        events: Raw(parser.events),
        values: parser.values.of(text.to_vec(), is_wide),
    })
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
