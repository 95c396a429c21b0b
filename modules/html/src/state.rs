//! What is to be known of a document up to here, which callers keep between calls as bytes that mean nothing to them.

use crate::entities::Chars;
use kit::protocol::CallError;
use serde::{Deserialize, Serialize};

/// Elements whose content is text alone, and how: which they are, whether character references in it are none, and what becomes of one that
/// does not end.
pub(crate) struct Literal {
    pub(crate) name: &'static str,
    pub(crate) is_cdata: bool,
    pub(crate) unended: Unended,
}

/// What becomes of an element of text alone that the document's end is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unended {
    /// All of the rest is its text.
    IsText,
    /// It ends at once; the rest is looked at again.
    EndsBefore,
    /// It ends before what comes next and is not text; the rest is looked at again.
    EndsBeforeMarkup,
}

pub(crate) const LITERALS: [Literal; 7] = [
    Literal { name: "script", is_cdata: true, unended: Unended::EndsBefore },
    Literal { name: "style", is_cdata: true, unended: Unended::EndsBefore },
    Literal { name: "xmp", is_cdata: true, unended: Unended::IsText },
    Literal { name: "iframe", is_cdata: true, unended: Unended::IsText },
    Literal { name: "plaintext", is_cdata: true, unended: Unended::IsText },
    Literal { name: "title", is_cdata: false, unended: Unended::EndsBeforeMarkup },
    Literal { name: "textarea", is_cdata: false, unended: Unended::IsText },
];

/// The index in [`LITERALS`] of the one that only a closing tag ends which the option `closing_plaintext` asks for.
pub(crate) const PLAINTEXT: u8 = 4;

/// What a marked section makes of what is in it, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Section {
    Nothing,
    Include,
    Rcdata,
    Cdata,
    Ignore,
}

/// Text that waits for what it goes on with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) text: Chars,
    pub(crate) is_cdata: bool,
    pub(crate) place: Place,
}

/// Where in a document something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Characters before it.
    pub(crate) offset: u64,
    /// From 1 on; 0 as long as nobody wanted to know.
    pub(crate) line: u64,
    /// Characters before it in its line.
    pub(crate) column: u64,
}

/// An element that is ignored with what is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ignored {
    #[serde(with = "serde_bytes")]
    pub(crate) name: Vec<u8>,
    pub(crate) depth: u64,
}

/// What is to be known of a document up to here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) has_started: bool,
    pub(crate) place: Place,
    /// An index in [`LITERALS`].
    pub(crate) literal: Option<u8>,
    pub(crate) is_cdata: bool,
    /// Whether a comment ends at the first `>`, because one did not end otherwise.
    pub(crate) ends_comments_early: bool,
    /// An index in [`LITERALS`]: an end tag that is reported before what comes next.
    pub(crate) pending_end: Option<u8>,
    pub(crate) pending: Option<Pending>,
    pub(crate) skipped: Option<Chars>,
    /// Each with those around it.
    pub(crate) sections: Vec<Section>,
    pub(crate) ignored: Option<Ignored>,
}

impl State {
    /// # Errors
    /// What is no state.
    pub(crate) fn unpack(packed: &[u8]) -> Result<Self, CallError> {
        if packed.is_empty() {
            return Ok(Self::default());
        }
        let state: Self = rmp_serde::from_slice(packed).map_err(|_| no_state())?;
        let literals = [state.literal, state.pending_end];
        let are_literals = literals.iter().flatten().all(|index| usize::from(*index) < LITERALS.len());
        let texts = [state.pending.as_ref().map(|pending| &pending.text), state.skipped.as_ref()];
        let are_texts = texts.iter().flatten().all(|text| !text.is_wide || std::str::from_utf8(&text.bytes).is_ok());
        let Place { offset, line, column } = state.place;
        // Far from where adding to them would overflow.
        let are_counts = [offset, line, column].iter().all(|count| *count < 1 << 62);
        if are_literals && are_texts && are_counts { Ok(state) } else { Err(no_state()) }
    }

    pub(crate) fn pack(&self) -> Result<Vec<u8>, CallError> {
        rmp_serde::to_vec(self).map_err(|error| CallError::failed(format!("the state can't be written: {error}")))
    }

    /// What the marked sections make of what is here.
    pub(crate) fn section(&self) -> Section {
        self.sections.last().copied().unwrap_or(Section::Nothing)
    }
}

fn no_state() -> CallError {
    CallError::invalid("state", "parameter `state` is not what an earlier call gave")
}
