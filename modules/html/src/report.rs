//! What is said of a token: whether anybody wants to know, and the arguments that a handler is called with.

use crate::entities::{Chars, decode, latin1_as_utf8};
use crate::markup::Token;
use crate::rules::{Argument, EVENTS, Event};
use crate::scan::{Parser, Part};
use crate::state::{Ignored, LITERALS, Pending, Place, Section};
use crate::values::Value;
use std::collections::HashSet;
use std::ops::Range;

/// What is known of a token beside where it is.
struct Said<'a> {
    event: Event,
    part: &'a Part,
    tokens: &'a [Token],
    place: Place,
}

impl Parser<'_> {
    /// Takes in what rules that hold from here on ask to be kept.
    pub(crate) fn obey_rules(&mut self) {
        if self.rules.wants_lines() && self.state.place.line == 0 {
            self.state.place.line = 1;
        }
        if self.rules.keeps_skipped_text && self.state.skipped.is_none() {
            self.state.skipped = Some(Chars::default());
        }
    }

    /// Says that something is there; no event is what nobody is told of.
    pub(crate) fn report(&mut self, event: Option<Event>, part: &Part, tokens: &[Token]) {
        if !matches!(event, Some(Event::Text | Event::Comment))
            && let Some(literal) = self.state.pending_end.take()
        {
            self.report(Some(Event::End), &Part::Of(0..0), &[Token::Name(literal)]);
        }
        let place = self.state.place;
        self.pass(part);
        let Some(event) = event else { return self.skip(part, false) };
        let is_text = event == Event::Text;
        if self.state.section() == Section::Ignore || self.rules.filters_tags() && self.is_filtered(event, tokens) {
            return self.skip(part, is_text);
        }
        if self.rules.silent & 1 << event as i64 != 0 {
            return;
        }
        if self.rules.reports[event as usize].is_none() {
            return self.skip(part, is_text);
        }
        if is_text && self.rules.is_text_unbroken && !self.is_flushing {
            return self.wait(part, place);
        }
        self.flush_pending();
        self.give(&Said { event, part, tokens, place });
        if let Some(skipped) = &mut self.state.skipped {
            *skipped = Chars::default();
        }
    }

    fn bytes_of<'p>(&'p self, part: &'p Part) -> (&'p [u8], bool) {
        match part {
            Part::Of(range) => (&self.source.text()[range.clone()], self.is_wide),
            Part::Made(made) => (&made.bytes, made.is_wide),
        }
    }

    /// Counts its characters and lines.
    fn pass(&mut self, part: &Part) {
        let (bytes, is_wide) = self.bytes_of(part);
        let length = characters(bytes, is_wide);
        let Place { offset, line, column } = self.state.place;
        self.state.place = if line == 0 {
            Place { offset: offset + length, line, column }
        } else {
            let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
            let behind_last = memchr::memrchr(b'\n', bytes).map(|last| characters(&bytes[last + 1..], is_wide));
            Place { offset: offset + length, line: line + lines, column: behind_last.unwrap_or(column + length) }
        };
    }

    fn is_filtered(&mut self, event: Event, tokens: &[Token]) -> bool {
        if !matches!(event, Event::Start | Event::End) {
            return self.state.ignored.is_some();
        }
        let name = self.name_as_utf8(tokens);
        if let Some(ignored) = &mut self.state.ignored {
            if ignored.name == name {
                if event == Event::Start {
                    ignored.depth += 1;
                } else {
                    ignored.depth -= 1;
                }
                if ignored.depth == 0 {
                    self.state.ignored = None;
                }
            }
            return true;
        }
        let rules = &self.rules;
        let is_of = |names: &Option<HashSet<Vec<u8>>>| names.as_ref().is_some_and(|names| names.contains(&name));
        if is_of(&rules.ignore_elements) {
            if event == Event::Start {
                self.state.ignored = Some(Ignored { name, depth: 1 });
            }
            return true;
        }
        is_of(&rules.ignore_tags) || rules.report_tags.is_some() && !is_of(&rules.report_tags)
    }

    fn name_as_utf8(&self, tokens: &[Token]) -> Vec<u8> {
        let (name, is_wide) = self.token(tokens.first());
        let mut name = if is_wide { name.to_vec() } else { latin1_as_utf8(name) };
        if !self.rules.is_case_sensitive {
            name.make_ascii_lowercase();
        }
        name
    }

    fn token(&self, token: Option<&Token>) -> (&[u8], bool) {
        match token {
            Some(Token::Part(range)) => (&self.source.text()[range.clone()], self.is_wide),
            Some(Token::Name(literal)) => (LITERALS[usize::from(*literal)].name.as_bytes(), false),
            _ => (b"", false),
        }
    }

    /// Keeps what nobody is told of, for the next who is told something.
    fn skip(&mut self, part: &Part, is_text: bool) {
        if self.state.skipped.is_none() {
            return;
        }
        if !is_text {
            self.flush_pending();
        }
        let (bytes, is_wide) = self.bytes_of(part);
        let (bytes, is_wide) = (bytes.to_vec(), is_wide);
        if let Some(skipped) = &mut self.state.skipped {
            skipped.push(&bytes, is_wide);
        }
    }

    /// Keeps text until it is known that it does not go on.
    fn wait(&mut self, part: &Part, place: Place) {
        if self.state.pending.as_ref().is_some_and(|pending| pending.is_cdata != self.state.is_cdata) {
            self.flush_pending();
        }
        let is_cdata = self.state.is_cdata;
        let mut pending = self.state.pending.take().unwrap_or(Pending { text: Chars::default(), is_cdata, place });
        let (bytes, is_wide) = self.bytes_of(part);
        pending.text.push(bytes, is_wide);
        self.state.pending = Some(pending);
    }

    pub(crate) fn flush_pending(&mut self) {
        let Some(pending) = self.state.pending.take() else { return };
        let (place, is_cdata) = (self.state.place, self.state.is_cdata);
        self.state.place = pending.place;
        self.state.is_cdata = pending.is_cdata;
        self.is_flushing = true;
        self.report(Some(Event::Text), &Part::Made(pending.text), &[]);
        self.is_flushing = false;
        self.state.place = place;
        self.state.is_cdata = is_cdata;
        self.obey_rules();
    }

    /// Gives it to the caller, unless he has it, and takes on the rules that hold from then on.
    fn give(&mut self, said: &Said<'_>) {
        self.seen += 1;
        if self.seen > self.known {
            self.events.push(said.event as u8);
            // Set back at the end: it can't be borrowed beside what is written to.
            if let Some(report) = self.rules.reports[said.event as usize].take() {
                let mark = self.values.mark();
                if report.is_list {
                    self.values.push(Value::List(0));
                }
                let mut length = 0;
                for argument in &report.arguments {
                    length += self.argument(argument, said, report.is_list);
                }
                if report.is_list {
                    self.values.set_list(mark, length);
                }
                self.values.count(if report.is_list { 1 } else { length });
                self.rules.reports[said.event as usize] = Some(report);
            }
        }
        if self.changes.front().is_some_and(|(after, _)| *after == self.seen)
            && let Some((_, rules)) = self.changes.pop_front()
        {
            self.rules = rules;
            self.obey_rules();
        }
    }

    /// Adds one argument. Gives how many values that were: one, but for a list that goes into another.
    fn argument(&mut self, argument: &Argument, said: &Said<'_>, is_in_list: bool) -> usize {
        match argument {
            Argument::AttributeList => return self.attribute_list(said, is_in_list),
            Argument::Attributes if said.event == Event::Start => self.attributes(said),
            Argument::AttributeNames if said.event == Event::Start => self.attribute_names(said),
            Argument::Tokens if !said.tokens.is_empty() => self.tokens_of(said),
            Argument::TokenPositions if self.are_there(said) => self.positions(said),
            _ => {
                let value = self.value(argument, said).unwrap_or(Value::Undefined);
                self.values.push(value);
            }
        }
        1
    }

    /// The value of an argument that is neither list nor map.
    fn value(&mut self, argument: &Argument, said: &Said<'_>) -> Option<Value> {
        let place = said.place;
        Some(match argument {
            Argument::Token0 => self.token_value(said.tokens.first()?, false),
            Argument::TagName => self.token_value(said.tokens.first()?, !self.rules.is_case_sensitive),
            Argument::Tag => self.tag(said)?,
            Argument::Text => self.text_value(said.part),
            Argument::DecodedText if said.event == Event::Text => self.decoded_text(said.part),
            Argument::IsCdata if said.event == Event::Text => self.truth(),
            Argument::SkippedText => Value::Made(self.state.skipped.as_mut().map(std::mem::take)?),
            Argument::Offset => Value::Number(place.offset),
            Argument::OffsetEnd => Value::Number(place.offset + self.length_of(said.part)),
            Argument::Length => Value::Number(self.length_of(said.part)),
            Argument::Line => Value::Number(place.line),
            Argument::Column => Value::Number(place.column),
            Argument::Event => made(EVENTS[said.event as usize].0.as_bytes().to_vec(), false),
            Argument::Literal(text) => made(text.clone().into_bytes(), true),
            _ => return None,
        })
    }

    /// Perl's own truth and falsehood.
    fn truth(&self) -> Value {
        if self.state.is_cdata { Value::Number(1) } else { made(Vec::new(), false) }
    }

    fn length_of(&self, part: &Part) -> u64 {
        let (bytes, is_wide) = self.bytes_of(part);
        characters(bytes, is_wide)
    }

    fn token_value(&self, token: &Token, is_lower: bool) -> Value {
        match token {
            Token::Part(range) if is_lower => Value::Lower(range.clone()),
            Token::Part(range) => Value::Part(range.clone()),
            token => made(self.token(Some(token)).0.to_vec(), false),
        }
    }

    fn text_value(&self, part: &Part) -> Value {
        match part {
            Part::Of(range) => Value::Part(range.clone()),
            Part::Made(made) => Value::Made(made.clone()),
        }
    }

    fn tag(&self, said: &Said<'_>) -> Option<Value> {
        let is_lower = !self.rules.is_case_sensitive;
        let mark = match said.event {
            Event::Start => return Some(self.token_value(said.tokens.first()?, is_lower)),
            Event::Declaration => b'!',
            Event::End => b'/',
            Event::Process => b'?',
            Event::Comment | Event::Text => b'#',
            Event::StartDocument | Event::EndDocument => return None,
        };
        let (name, is_wide) = self.token(Some(said.tokens.first()?));
        let mut tag = [&[mark], name].concat();
        if is_lower {
            tag.make_ascii_lowercase();
        }
        Some(made(tag, is_wide))
    }

    fn decoded_text(&self, part: &Part) -> Value {
        if self.state.is_cdata {
            return self.text_value(part);
        }
        let (bytes, is_wide) = self.bytes_of(part);
        match self.decoded(bytes, is_wide, true) {
            Some(decoded) => Value::Made(decoded),
            None => self.text_value(part),
        }
    }

    /// With references decoded; none where nothing is to be done.
    fn decoded(&self, bytes: &[u8], is_wide: bool, is_text: bool) -> Option<Chars> {
        if !self.rules.is_utf8_mode {
            return decode(bytes, is_wide, &self.rules.names, is_text);
        }
        // What is no UTF-8 is Latin-1.
        let wide = if std::str::from_utf8(bytes).is_ok() { bytes.to_vec() } else { latin1_as_utf8(bytes) };
        let bytes = decode(&wide, true, &self.rules.names, is_text).map_or(wide, |decoded| decoded.bytes);
        Some(Chars { bytes, is_wide: false })
    }

    // --- Lists and maps

    /// Names and values of attributes.
    fn pairs<'s>(said: &'s Said<'_>) -> impl Iterator<Item = (&'s Token, &'s Token)> + use<'s> {
        said.tokens.get(1..).unwrap_or_default().chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }

    fn attribute_value(&self, name: &Token, value: &Token) -> Value {
        let Token::Part(range) = value else {
            return match &self.rules.boolean_value {
                None => self.token_value(name, false),
                Some(None) => Value::Undefined,
                Some(Some(value)) => Value::Made(value.clone()),
            };
        };
        let range = self.unquoted(range);
        if self.rules.keeps_attributes_encoded {
            return Value::Part(range);
        }
        match self.decoded(&self.source.text()[range.clone()], self.is_wide, false) {
            Some(decoded) => Value::Made(decoded),
            None => Value::Part(range),
        }
    }

    fn unquoted(&self, range: &Range<usize>) -> Range<usize> {
        match self.source.text()[range.clone()] {
            [b'"' | b'\'', .., _] => range.start + 1..range.end - 1,
            [b'`', .., _] if self.rules.is_backquote_quote => range.start + 1..range.end - 1,
            _ => range.clone(),
        }
    }

    fn attributes(&mut self, said: &Said<'_>) {
        let mark = self.values.mark();
        self.values.push(Value::Map(0));
        let mut names = Names::default();
        let mut pairs = 0;
        for (name, value) in Self::pairs(said) {
            let (bytes, _) = self.token(Some(name));
            let is_lower = !self.rules.is_case_sensitive;
            // The first of a name counts.
            if !names.add(if is_lower { bytes.to_ascii_lowercase() } else { bytes.to_vec() }) {
                continue;
            }
            let (name, value) = (self.token_value(name, is_lower), self.attribute_value(name, value));
            self.values.push(name);
            self.values.push(value);
            pairs += 1;
        }
        self.values.set_map(mark, pairs);
    }

    fn attribute_list(&mut self, said: &Said<'_>, is_in_list: bool) -> usize {
        let mark = self.values.mark();
        if !is_in_list {
            self.values.push(Value::List(0));
        }
        let mut length = 0;
        if said.event == Event::Start {
            for (name, value) in Self::pairs(said) {
                let is_lower = !self.rules.is_case_sensitive;
                let (name, value) = (self.token_value(name, is_lower), self.attribute_value(name, value));
                self.values.push(name);
                self.values.push(value);
                length += 2;
            }
        }
        if is_in_list {
            return length;
        }
        self.values.set_list(mark, length);
        1
    }

    fn attribute_names(&mut self, said: &Said<'_>) {
        let names: Vec<_> = Self::pairs(said).map(|(name, _)| self.token_value(name, !self.rules.is_case_sensitive)).collect();
        self.list(names);
    }

    fn tokens_of(&mut self, said: &Said<'_>) {
        let mut previous = None;
        let mut tokens = Vec::with_capacity(said.tokens.len());
        for token in said.tokens {
            tokens.push(match (token, &self.rules.boolean_value) {
                (Token::NoValue, None) => previous.map_or(Value::Undefined, |token| self.token_value(token, false)),
                (Token::NoValue, Some(None)) => Value::Undefined,
                (Token::NoValue, Some(Some(value))) => Value::Made(value.clone()),
                (token, _) => {
                    previous = Some(token);
                    self.token_value(token, false)
                }
            });
        }
        self.list(tokens);
    }

    /// Whether its tokens stand in the document.
    fn are_there(&self, said: &Said<'_>) -> bool {
        let Part::Of(part) = said.part else { return false };
        matches!(said.tokens.first(), Some(Token::Part(range)) if range.start >= part.start)
    }

    fn positions(&mut self, said: &Said<'_>) {
        let Part::Of(part) = said.part else { return };
        let text = self.source.text();
        let mut positions = Vec::with_capacity(said.tokens.len() * 2);
        // Counted from one to the next: from the beginning each time would take as long as its square.
        let (mut place, mut passed) = (part.start, 0);
        for token in said.tokens {
            let (offset, length) = match token {
                Token::Part(range) => {
                    passed += characters(text.get(place..range.start).unwrap_or_default(), self.is_wide);
                    place = range.start;
                    (passed, characters(&text[range.clone()], self.is_wide))
                }
                _ => (0, 0),
            };
            positions.extend([Value::Number(offset), Value::Number(length)]);
        }
        self.list(positions);
    }

    fn list(&mut self, values: Vec<Value>) {
        self.values.push(Value::List(values.len()));
        for value in values {
            self.values.push(value);
        }
    }
}

fn made(bytes: Vec<u8>, is_wide: bool) -> Value {
    Value::Made(Chars { bytes, is_wide })
}

fn characters(bytes: &[u8], is_wide: bool) -> u64 {
    if !is_wide {
        return bytes.len() as u64;
    }
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// Names that were seen. Most tags have a few attributes, for which looking at each is faster than a set.
#[derive(Default)]
struct Names {
    few: Vec<Vec<u8>>,
    many: HashSet<Vec<u8>>,
}

impl Names {
    const FEW: usize = 16;

    /// Whether it is a new one.
    fn add(&mut self, name: Vec<u8>) -> bool {
        if self.many.is_empty() && self.few.len() < Self::FEW {
            let is_new = !self.few.contains(&name);
            if is_new {
                self.few.push(name);
            }
            return is_new;
        }
        if self.many.is_empty() {
            self.many.extend(self.few.drain(..));
        }
        self.many.insert(name)
    }
}
