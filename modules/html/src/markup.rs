//! What begins with `<`: where it ends and what it is made of. Nothing is reported or changed here.

use crate::classes::{is_name, is_name_start, is_space, is_word};
use crate::rules::{Event, Rules};
use crate::state::Section;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ops::Range;

/// A part of markup that is reported by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// As it stands there.
    Part(Range<usize>),
    /// The value that an attribute does not have.
    NoValue,
    /// A name that does not stand there: an index in `LITERALS`.
    Name(u8),
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Markup up to there.
    Markup {
        event: Event,
        /// Where it ends.
        end: usize,
        tokens: Vec<Token>,
        /// Whether the element that it starts has no content.
        is_empty: bool,
    },
    /// A marked section begins; its content is from there on.
    Section { end: usize, section: Section },
    /// It may be markup, which does not end here.
    Unended,
    /// It is none: text.
    Nothing,
}

/// A document, or what is at hand of it, looked at one byte after the other. Behind its end there are zeros.
pub(crate) struct Source<'t> {
    text: &'t [u8],
    met_end: Cell<bool>,
    dead_ends: RefCell<HashSet<(Way, usize)>>,
    // The name of an end tag that was looked at last.
    end_name: RefCell<Range<usize>>,
}

/// How a place was come to: what is made of it depends on that and the rules alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    /// Where an attribute may begin.
    Attribute,
    /// Where a word of a declaration may begin.
    Word,
    /// Where the name of an end tag ends.
    EndName,
}

impl<'t> Source<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, met_end: Cell::new(false), dead_ends: RefCell::default(), end_name: RefCell::default() }
    }

    pub(crate) fn text(&self) -> &'t [u8] {
        self.text
    }

    /// Whether something was decided by where the text ends since this was asked last.
    pub(crate) fn met_end(&self) -> bool {
        self.met_end.replace(false)
    }

    /// Whether what begins before that place and comes to it that way was found to be no markup. Without this a document that is full of
    /// beginnings would take as long as the square of its length.
    fn is_dead_end(&self, way: Way, place: usize) -> bool {
        self.dead_ends.borrow().contains(&(way, place))
    }

    /// What came to these places turned out to be no markup.
    fn add_dead_ends(&self, way: Way, places: &[usize]) {
        self.dead_ends.borrow_mut().extend(places.iter().map(|place| (way, *place)));
    }

    /// What was no markup by other rules may be some.
    pub(crate) fn forget_dead_ends(&self) {
        self.dead_ends.borrow_mut().clear();
        *self.end_name.borrow_mut() = 0..0;
    }

    /// Where the name of an end tag ends that begins there. Names of one text may be within each other: `</a</a</a`.
    fn end_name_end(&self, begin: usize, class: fn(u8) -> bool) -> usize {
        let mut last = self.end_name.borrow_mut();
        if !last.contains(&begin) {
            *last = begin..self.skip(begin, class);
        }
        last.end
    }

    pub(crate) fn at(&self, place: usize) -> u8 {
        match self.text.get(place) {
            Some(byte) => *byte,
            None => {
                self.met_end.set(true);
                0
            }
        }
    }

    pub(crate) fn is_end(&self, place: usize) -> bool {
        let is_end = place >= self.text.len();
        self.met_end.set(self.met_end.get() || is_end);
        is_end
    }

    /// The first place from there on that has this byte; the end where none has.
    pub(crate) fn find(&self, from: usize, byte: u8) -> usize {
        let found = self.text.get(from..).and_then(|rest| memchr::memchr(byte, rest));
        found.map_or_else(|| self.end(), |place| from + place)
    }

    fn end(&self) -> usize {
        self.met_end.set(true);
        self.text.len()
    }

    /// The first place from there on whose byte is not of the class.
    pub(crate) fn skip(&self, from: usize, class: fn(u8) -> bool) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        match rest.iter().position(|byte| !class(*byte)) {
            Some(length) => from + length,
            None => self.end(),
        }
    }

    /// The next `>` outside of quotes; a quote counts behind white space of one kind or `=` only, as browsers had it.
    fn find_tag_end(&self, from: usize) -> usize {
        let mut quote = None;
        let mut previous = b' ';
        for (index, byte) in self.text.get(from..).unwrap_or_default().iter().enumerate() {
            match byte {
                b'>' if quote.is_none() => return from + index,
                b'"' | b'\'' if quote == Some(byte) => quote = None,
                b'"' | b'\'' if quote.is_none() && matches!(previous, b' ' | b'=') => quote = Some(byte),
                _ => {}
            }
            previous = *byte;
        }
        self.end()
    }
}

/// What stands at a `<`.
pub(crate) fn find(source: &Source<'_>, at: usize, rules: &Rules, ends_comments_early: bool) -> Found {
    match source.at(at + 1) {
        byte if is_name_start(byte) => start_tag(source, at, rules),
        b'/' => end_tag(source, at, rules),
        b'!' => declaration(source, at, rules, ends_comments_early),
        b'?' => instruction(source, at, rules),
        _ => Found::Nothing,
    }
}

fn one(event: Event, end: usize, token: Range<usize>) -> Found {
    Found::Markup { event, end, tokens: vec![Token::Part(token)], is_empty: false }
}

// --- Tags

/// Where words end within a start tag.
struct Words<'s, 't> {
    source: &'s Source<'t>,
    rules: &'s Rules,
}

impl Words<'_, '_> {
    /// Where a word ends that goes on with bytes of a class; `None` where that can't be known yet.
    fn end(&self, from: usize, class: impl Fn(u8) -> bool) -> Option<usize> {
        let mut place = from;
        while !self.source.is_end(place) && class(self.source.at(place)) {
            match self.is_empty_end(place) {
                None => return None,
                Some(true) => break,
                Some(false) => place += 1,
            }
        }
        Some(place)
    }

    /// Whether the `/>` of an empty element is there; `None` where that can't be known yet.
    fn is_empty_end(&self, place: usize) -> Option<bool> {
        if !self.rules.has_empty_elements || self.source.at(place) != b'/' {
            return Some(false);
        }
        if self.source.is_end(place + 1) { None } else { Some(self.source.at(place + 1) == b'>') }
    }

    /// The next place that is no white space, if there is one.
    fn behind_space(&self, from: usize) -> Option<usize> {
        let place = self.source.skip(from, is_space);
        (!self.source.is_end(place)).then_some(place)
    }
}

fn start_tag(source: &Source<'_>, at: usize, rules: &Rules) -> Found {
    let (mut tokens, mut begins) = (Vec::new(), Vec::new());
    let Some(place) = attributes(source, at, rules, &mut tokens, &mut begins) else { return Found::Unended };
    let is_empty = rules.has_empty_elements && source.at(place) == b'/';
    let place = place + usize::from(is_empty);
    if is_empty && source.is_end(place) {
        return Found::Unended;
    }
    match source.at(place) {
        b'>' => Found::Markup { event: Event::Start, end: place + 1, tokens, is_empty },
        _ => {
            source.add_dead_ends(Way::Attribute, &begins);
            Found::Nothing
        }
    }
}

/// The name and the attributes of a start tag, and where those begin. Gives the place behind them, or the first that is known to lead nowhere;
/// none where they do not end here.
fn attributes(
    source: &Source<'_>,
    at: usize,
    rules: &Rules,
    tokens: &mut Vec<Token>,
    begins: &mut Vec<usize>,
) -> Option<usize> {
    let words = Words { source, rules };
    let is_strict = rules.are_names_strict;
    let name_end = words.end(at + 2, if is_strict { is_name } else { is_word })?;
    tokens.push(Token::Part(at + 1..name_end));
    let mut place = words.behind_space(name_end)?;
    let begins_name: fn(u8) -> bool = if is_strict { is_name_start } else { is_word };
    let in_name: fn(u8) -> bool = if is_strict { is_name } else { |byte| is_word(byte) && byte != b'=' };
    while begins_name(source.at(place)) && !words.is_empty_end(place)? {
        if is_strict {
            if source.is_dead_end(Way::Attribute, place) {
                break;
            }
            begins.push(place);
        }
        let name_end = words.end(place + 1, in_name)?;
        if source.is_end(name_end) {
            return None;
        }
        tokens.push(Token::Part(place..name_end));
        place = words.behind_space(name_end)?;
        if source.at(place) != b'=' {
            tokens.push(Token::NoValue);
            continue;
        }
        place = words.behind_space(place + 1)?;
        let value_end = match source.at(place) {
            // As if it were `=""`.
            b'>' => {
                tokens.push(Token::Part(place..place));
                break;
            }
            quote @ (b'"' | b'\'') => quoted_end(source, place, quote)?,
            b'`' if rules.is_backquote_quote => quoted_end(source, place, b'`')?,
            _ => words.end(place, is_word).filter(|end| !source.is_end(*end))?,
        };
        tokens.push(Token::Part(place..value_end));
        place = words.behind_space(value_end)?;
    }
    Some(place)
}

fn quoted_end(source: &Source<'_>, at: usize, quote: u8) -> Option<usize> {
    let end = source.find(at + 1, quote);
    (!source.is_end(end)).then_some(end + 1)
}

fn end_tag(source: &Source<'_>, at: usize, rules: &Rules) -> Found {
    let name = at + 2;
    let begins_name = if rules.are_names_strict { is_name_start } else { is_word };
    let in_name = if rules.are_names_strict { is_name } else { is_word };
    if begins_name(source.at(name)) {
        let name_end = source.end_name_end(name + 1, in_name);
        if rules.is_end_strict && source.is_dead_end(Way::EndName, name_end) {
            return Found::Nothing;
        }
        let end = if rules.is_end_strict { source.skip(name_end, is_space) } else { source.find_tag_end(name_end) };
        return match source.at(end) {
            b'>' => one(Event::End, end + 1, name..name_end),
            _ if source.is_end(end) => Found::Unended,
            _ => {
                source.add_dead_ends(Way::EndName, &[name_end]);
                Found::Nothing
            }
        };
    }
    if rules.is_comment_strict {
        return Found::Nothing;
    }
    let end = source.find_tag_end(name);
    if source.is_end(end) { Found::Unended } else { one(Event::Comment, end + 1, name..end) }
}

// --- Everything else

fn instruction(source: &Source<'_>, at: usize, rules: &Rules) -> Found {
    let inside = at + 2;
    let mut from = inside;
    loop {
        let end = source.find(from, b'>');
        if source.is_end(end) {
            return Found::Unended;
        }
        if !rules.has_xml_instructions {
            return one(Event::Process, end + 1, inside..end);
        }
        // Those of XML end with `?>`.
        if end > inside && source.at(end - 1) == b'?' {
            return one(Event::Process, end + 1, inside..end - 1);
        }
        from = end + 1;
    }
}

fn declaration(source: &Source<'_>, at: usize, rules: &Rules, ends_comments_early: bool) -> Found {
    let place = at + 2;
    let found = match source.at(place) {
        b'-' if source.is_end(place + 1) => return Found::Unended,
        b'-' if source.at(place + 1) == b'-' => {
            return match (rules.is_comment_strict, ends_comments_early) {
                (true, _) => strict_comment(source, place + 2),
                (false, true) => comment_to(source, place + 2),
                (false, false) => comment(source, place + 2),
            };
        }
        b'[' if rules.has_marked_sections => marked_section(source, place + 1),
        // An empty comment: The SGML Handbook, 36:32.
        b'>' => return one(Event::Comment, place + 1, place..place),
        byte if byte.is_ascii_alphabetic() => known_declaration(source, place, rules),
        _ => Found::Nothing,
    };
    match found {
        Found::Nothing if !rules.is_comment_strict => comment_to(source, place),
        found => found,
    }
}

/// A comment from there to the first `>`.
fn comment_to(source: &Source<'_>, inside: usize) -> Found {
    let end = source.find(inside, b'>');
    if source.is_end(end) { Found::Unended } else { one(Event::Comment, end + 1, inside..end) }
}

/// A comment to the first `--`, white space or none, `>`.
fn comment(source: &Source<'_>, inside: usize) -> Found {
    let mut from = inside;
    loop {
        let dash = source.find(from, b'-');
        if source.is_end(dash) {
            return Found::Unended;
        }
        if source.at(dash + 1) == b'-' {
            let end = source.skip(dash + 2, is_space);
            if source.at(end) == b'>' {
                return one(Event::Comment, end + 1, inside..dash);
            }
        }
        from = dash + 1;
    }
}

/// Comments as SGML has them: each between two `--`, with anything but `>` from one to the next.
fn strict_comment(source: &Source<'_>, inside: usize) -> Found {
    let mut tokens = Vec::new();
    let mut begin = Some(inside);
    let mut place = inside;
    loop {
        let found = source.text().get(place..).and_then(|rest| memchr::memchr2(b'-', b'>', rest));
        let Some(distance) = found else {
            source.end();
            return Found::Unended;
        };
        place += distance + 1;
        if source.at(place - 1) == b'>' {
            if begin.is_none() {
                return Found::Markup { event: Event::Comment, end: place, tokens, is_empty: false };
            }
        } else if source.at(place) == b'-' {
            place += 1;
            begin = match begin {
                Some(begin) => {
                    tokens.push(Token::Part(begin..place - 2));
                    None
                }
                None => Some(place),
            };
        }
    }
}

/// A declaration of those that are known by name: DOCTYPE and ENTITY.
fn known_declaration(source: &Source<'_>, name: usize, rules: &Rules) -> Found {
    let name_end = source.skip(name + 1, is_name);
    if source.is_end(name_end) {
        return Found::Unended;
    }
    let word = &source.text()[name..name_end];
    let is_one = |known: &[u8]| if rules.is_case_sensitive { word == known } else { word.eq_ignore_ascii_case(known) };
    if !is_one(b"DOCTYPE") && !is_one(b"ENTITY") {
        return Found::Nothing;
    }
    let mut tokens = vec![Token::Part(name..name_end)];
    let mut begins = Vec::new();
    let mut place = name_end;
    loop {
        place = source.skip(place, is_space);
        if rules.is_comment_strict {
            if source.is_dead_end(Way::Word, place) {
                return Found::Nothing;
            }
            begins.push(place);
        }
        let end = match source.at(place) {
            _ if source.is_end(place) => return Found::Unended,
            b'>' => return Found::Markup { event: Event::Declaration, end: place + 1, tokens, is_empty: false },
            quote @ (b'"' | b'\'') => quoted_end(source, place, quote),
            b'`' if rules.is_backquote_quote => quoted_end(source, place, b'`'),
            b'-' if source.is_end(place + 1) => None,
            b'-' if source.at(place + 1) != b'-' => {
                source.add_dead_ends(Way::Word, &begins);
                return Found::Nothing;
            }
            b'-' => dashes_end(source, place + 2),
            _ => Some(source.skip(place + 1, is_word)).filter(|end| !source.is_end(*end)),
        };
        let Some(end) = end else { return Found::Unended };
        tokens.push(Token::Part(place..end));
        place = end;
    }
}

/// Where the next `--` ends.
fn dashes_end(source: &Source<'_>, from: usize) -> Option<usize> {
    let found = source.text().get(from..).and_then(|rest| memchr::memmem::find(rest, b"--"));
    if found.is_none() {
        source.end();
    }
    found.map(|place| from + place + 2)
}

fn marked_section(source: &Source<'_>, inside: usize) -> Found {
    let mut section = None;
    let mut place = inside;
    loop {
        place = source.skip(place, is_space);
        while is_name_start(source.at(place)) {
            let end = source.skip(place + 1, is_name);
            let word = &source.text()[place..end];
            place = source.skip(end, is_space);
            if source.is_end(place) {
                return Found::Unended;
            }
            let known = match word.to_ascii_lowercase().as_slice() {
                b"include" => Section::Include,
                b"rcdata" => Section::Rcdata,
                b"cdata" => Section::Cdata,
                b"ignore" => Section::Ignore,
                _ => Section::Nothing,
            };
            section = section.max(Some(known));
        }
        match source.at(place) {
            b'[' => return Found::Section { end: place + 1, section: section.unwrap_or(Section::Include) },
            b'-' if source.at(place + 1) == b'-' => match dashes_end(source, place + 2) {
                Some(end) => place = end,
                None => return Found::Unended,
            },
            _ => return Found::Nothing,
        }
    }
}
