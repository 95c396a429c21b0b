//! A document, or what is at hand of it, token by token.

use crate::classes::is_space;
use crate::entities::Chars;
use crate::markup::{Found, Source, Token, find};
use crate::rules::{Event, Rules};
use crate::state::{LITERALS, PLAINTEXT, Section, State, Unended};
use crate::values::Values;
use kit::pieces::{PIECE, Pieces};
use kit::protocol::CallError;
use std::collections::VecDeque;
use std::ops::Range;

/// What the text that is at hand ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing: more of it is there, and was not sent.
    Cut,
    /// What the document's maker had to give so far.
    Piece,
    /// The document.
    Document,
}

/// Where reported text is.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Of(Range<usize>),
    Made(Chars),
}

/// A parser of one document, as long as a call lasts.
pub(crate) struct Parser<'t> {
    pub(crate) source: Source<'t>,
    pub(crate) is_wide: bool,
    pub(crate) state: State,
    pub(crate) rules: Rules,
    /// Other rules, and the number of the report after which they hold.
    pub(crate) changes: VecDeque<(u64, Rules)>,
    /// Reports so far, and how many of them the caller has already.
    pub(crate) seen: u64,
    pub(crate) known: u64,
    /// A byte an event that is given.
    pub(crate) events: Vec<u8>,
    pub(crate) values: Values,
    /// The number of the report after which nothing is reported any more.
    pub(crate) last: u64,
    /// A bit an index in `LITERALS`: whether no end of such an element is in what is left.
    unended: u8,
    /// Where it is looked whether anybody still waits for the call.
    next_piece: usize,
    /// Whether the text that waited is reported.
    pub(crate) is_flushing: bool,
}

/// Bytes of values after which a call ends.
const MOST_FOUND: usize = 1 << 20;

/// Bytes of the shortest markup.
const SHORTEST: usize = 3;

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t [u8], is_wide: bool, state: State, rules: Rules) -> Self {
        let mut parser = Self {
            source: Source::new(text),
            is_wide,
            state,
            rules,
            changes: VecDeque::new(),
            seen: 0,
            known: 0,
            events: Vec::new(),
            values: Values::default(),
            last: u64::MAX,
            unended: 0,
            next_piece: PIECE,
            is_flushing: false,
        };
        parser.obey_rules();
        parser
    }

    /// Reports what there is. Gives how many bytes that was; the rest is for the next call.
    ///
    /// # Errors
    /// `cancelled` if nobody waits for it any more.
    pub(crate) fn parse(&mut self, ending: Ending, pieces: &Pieces) -> Result<usize, CallError> {
        if !self.state.has_started {
            self.state.has_started = true;
            self.report(Some(Event::StartDocument), &Part::Of(0..0), &[]);
        }
        let place = self.tokens(0, ending, pieces)?;
        if ending == Ending::Document && !self.is_paused() { self.rest(place, pieces) } else { Ok(place) }
    }

    /// Whether so much was found that the rest is for another call: an answer is to have room in a message.
    pub(crate) fn is_paused(&self) -> bool {
        self.values.size() > MOST_FOUND
    }

    pub(crate) fn is_over(&self) -> bool {
        self.seen >= self.last
    }

    /// Reports tokens as long as they are whole. Gives the place of what is not.
    fn tokens(&mut self, from: usize, ending: Ending, pieces: &Pieces) -> Result<usize, CallError> {
        // Text begins at the one; at the other it is known how it goes on.
        let (mut begin, mut place) = (from, from);
        loop {
            if self.is_over() || begin == place && self.is_paused() {
                return Ok(begin);
            }
            if place > self.next_piece {
                pieces.begin()?;
                self.next_piece = place + PIECE;
            }
            if let Some(literal) = self.state.literal {
                match self.literal(literal, begin) {
                    Some(end) => (begin, place) = (end, end),
                    None => return Ok(begin),
                }
                continue;
            }
            if matches!(self.state.section(), Section::Cdata | Section::Rcdata) {
                match self.section_end(begin) {
                    Some(end) => (begin, place) = (end, end),
                    None => return Ok(begin),
                }
                continue;
            }
            let next = self.text_end(&mut begin, place);
            if next >= self.source.text().len() {
                return Ok(if ending == Ending::Cut { begin } else { self.last_text(begin) });
            }
            place = next;
            if begin != place {
                self.report(Some(Event::Text), &Part::Of(begin..place), &[]);
                begin = place;
            }
            if self.source.text().len() - place < SHORTEST {
                return Ok(begin);
            }
            match self.markup(place, ending) {
                Some(end) if end > place => (begin, place) = (end, end),
                Some(_) => place += 1,
                None => return Ok(begin),
            }
        }
    }

    /// Where text ends that goes on from there: at a `<`, or with all that is at hand. Ends marked sections on the way.
    fn text_end(&mut self, begin: &mut usize, from: usize) -> usize {
        let mut place = from;
        loop {
            let text = self.source.text();
            let rest = &text[place.min(text.len())..];
            if self.state.section() == Section::Nothing {
                return place + memchr::memchr(b'<', rest).unwrap_or(rest.len());
            }
            place += memchr::memchr2(b'<', b']', rest).unwrap_or(rest.len());
            if text.get(place) != Some(&b']') {
                return place;
            }
            if text[place..].starts_with(b"]]>") {
                self.report(Some(Event::Text), &Part::Of(*begin..place), &[]);
                self.end_section(place);
                place += 3;
                *begin = place;
            } else {
                place += 1;
            }
        }
    }

    /// Reports text that is all there is, but for its last word and the space before: it may go on. Gives the place of those.
    fn last_text(&mut self, begin: usize) -> usize {
        let text = &self.source.text()[begin..];
        let end_of =
            |length: usize| text[..length].iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        let length = match text.last() {
            Some(last) if is_space(*last) => end_of(text.len()),
            _ => end_of(text.iter().rposition(|byte| is_space(*byte)).map_or(0, |last| last + 1)),
        };
        if length > 0 {
            self.report(Some(Event::Text), &Part::Of(begin..begin + length), &[]);
        }
        begin + length
    }

    /// Reports the markup at a `<`. Gives where it ends, which is there if it is none; nothing if it is not whole.
    fn markup(&mut self, at: usize, ending: Ending) -> Option<usize> {
        self.source.met_end();
        let found = find(&self.source, at, &self.rules, self.state.ends_comments_early);
        if self.source.met_end() && ending == Ending::Cut {
            return None;
        }
        match found {
            Found::Unended => None,
            Found::Nothing => Some(at),
            Found::Section { end, section } => {
                self.state.sections.push(section.max(self.state.section()));
                self.obey_section();
                self.report(None, &Part::Of(at..end), &[]);
                Some(end)
            }
            Found::Markup { event, end, tokens, is_empty } => {
                self.report(Some(event), &Part::Of(at..end), &tokens);
                if event == Event::Start {
                    if is_empty {
                        self.report(Some(Event::End), &Part::Of(end..end), &tokens[..1]);
                    } else if !self.rules.is_xml {
                        self.begin_literal(&tokens);
                    }
                }
                Some(end)
            }
        }
    }

    fn begin_literal(&mut self, tokens: &[Token]) {
        let Some(Token::Part(name)) = tokens.first() else { return };
        let name = &self.source.text()[name.clone()];
        if let Some(index) = LITERALS.iter().position(|literal| name.eq_ignore_ascii_case(literal.name.as_bytes())) {
            self.state.literal = Some(index as u8);
            self.state.is_cdata = LITERALS[index].is_cdata;
        }
    }

    /// Reports the content of an element of text alone, and its end. Gives where that is; nothing if it does not end here.
    fn literal(&mut self, literal: u8, begin: usize) -> Option<usize> {
        if self.unended & 1 << literal != 0 {
            return None;
        }
        let text = self.source.text();
        let name = LITERALS[usize::from(literal)].name.as_bytes();
        let may_end = literal != PLAINTEXT || self.rules.closes_plaintext;
        for at in memchr::memchr_iter(b'<', &text[begin..]).map(|found| begin + found) {
            let name_at = at + 2;
            let is_end = text.get(at + 1) == Some(&b'/')
                && text.get(name_at..name_at + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
            if !is_end || !may_end {
                continue;
            }
            let name_end = name_at + name.len();
            let end = self.source.skip(name_end, is_space);
            if text.get(end) != Some(&b'>') {
                continue;
            }
            if begin != at {
                self.report(Some(Event::Text), &Part::Of(begin..at), &[]);
            }
            self.report(Some(Event::End), &Part::Of(at..end + 1), &[Token::Part(name_at..name_end)]);
            self.state.literal = None;
            self.state.is_cdata = false;
            return Some(end + 1);
        }
        // Nor is there one for elements that begin behind this one.
        self.unended |= u8::from(may_end) << literal;
        None
    }

    /// Reports the content of a marked section that is text alone, and passes over its end. Gives where that is; nothing if it does not end here.
    fn section_end(&mut self, begin: usize) -> Option<usize> {
        let at = begin + memchr::memmem::find(&self.source.text()[begin..], b"]]>")?;
        if begin != at {
            self.report(Some(Event::Text), &Part::Of(begin..at), &[]);
        }
        self.end_section(at);
        Some(at + 3)
    }

    fn end_section(&mut self, at: usize) {
        self.report(None, &Part::Of(at..at + 3), &[]);
        self.state.sections.pop();
        self.obey_section();
    }

    fn obey_section(&mut self) {
        self.state.is_cdata = self.state.section() == Section::Cdata;
    }

    /// Makes the best of what is not whole at the document's end, and ends it.
    fn rest(&mut self, from: usize, pieces: &Pieces) -> Result<usize, CallError> {
        let end = self.source.text().len();
        let mut place = from;
        while place < end {
            if self.is_paused() {
                return Ok(place);
            }
            if let Some(literal) = self.state.literal {
                match LITERALS[usize::from(literal)].unended {
                    Unended::IsText => break,
                    Unended::EndsBefore => {
                        self.report(Some(Event::End), &Part::Of(place..place), &[Token::Name(literal)])
                    }
                    Unended::EndsBeforeMarkup => self.state.pending_end = Some(literal),
                }
                self.state.literal = None;
                place = self.tokens(place, Ending::Document, pieces)?;
            } else if !self.rules.is_comment_strict && !self.state.ends_comments_early && self.source.at(place) == b'<'
            {
                self.state.ends_comments_early = true;
                place = self.tokens(place, Ending::Document, pieces)?;
            } else {
                break;
            }
        }
        if place < end && self.is_unended_markup(place) {
            self.report(Some(Event::Comment), &Part::Of(place..end), &[Token::Part(place + 1..end)]);
        } else if place < end {
            self.report(Some(Event::Text), &Part::Of(place..end), &[]);
        }
        self.flush_pending();
        self.state.ignored = None;
        self.report(Some(Event::EndDocument), &Part::Of(end..end), &[]);
        self.state = State::default();
        Ok(end)
    }

    fn is_unended_markup(&self, at: usize) -> bool {
        let begins_markup = |byte: &u8| crate::classes::is_name_start(*byte) || matches!(byte, b'/' | b'!' | b'?');
        let text = self.source.text();
        // Where text alone is, `<` is nothing else.
        self.state.literal.is_none()
            && !self.rules.is_comment_strict
            && text[at] == b'<'
            && text.get(at + 1).is_none_or(begins_markup)
    }

    /// What has to come before more is found: what is left can't end without it. A character, or one of the names that are here.
    pub(crate) fn needs(&self, place: usize) -> Option<&'static str> {
        let rest = &self.source.text()[place..];
        if let Some(literal) = self.state.literal {
            return Some(LITERALS[usize::from(literal)].name);
        }
        let is_strict = self.rules.are_names_strict || self.rules.is_comment_strict || self.rules.is_end_strict;
        if self.rules.has_marked_sections || !self.state.sections.is_empty() {
            return None;
        }
        match rest {
            [b'<', b'!', b'-', b'-', ..] if !is_strict && !self.state.ends_comments_early => Some("--"),
            [b'<', b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'!' | b'?', _, ..] if !is_strict => Some(">"),
            [] | [b'<', ..] => None,
            _ => Some(" "),
        }
    }
}
