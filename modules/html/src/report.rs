//! What is said of a token: whether anybody wants to know, and the arguments that a handler is called with.

use crate::entities::{Chars, decode, latin1_as_utf8};
use crate::markup::Token;
use crate::rules::{Argument, EVENTS, Event, Report};
use crate::scan::{Parser, Part};
use crate::state::{Ignored, LITERALS, Pending, Place, Section};
use crate::values::Values;
use std::borrow::Cow;
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
        if self.is_over() {
            return;
        }
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
            let mut values = std::mem::take(&mut self.values);
            if let Some(report) = &self.rules.reports[said.event as usize] {
                self.write(report, said, &mut values);
            }
            self.values = values;
        }
        if self.changes.front().is_some_and(|(after, _)| *after == self.seen)
            && let Some((_, rules)) = self.changes.pop_front()
        {
            self.rules = rules;
            self.source.forget_dead_ends();
            self.obey_rules();
        }
    }

    fn write(&self, report: &Report, said: &Said<'_>, values: &mut Values) {
        if !report.is_list {
            values.count(report.arguments.len());
        } else {
            values.count(1);
            let lists = report.arguments.iter().filter(|argument| **argument == Argument::AttributeList).count();
            let attributes = if said.event == Event::Start { said.tokens.len().saturating_sub(1) } else { 0 };
            values.list(report.arguments.len() - lists + lists * attributes);
        }
        for (index, argument) in report.arguments.iter().enumerate() {
            // It is taken by who asks for it first.
            if *argument == Argument::SkippedText && report.arguments[..index].contains(argument) {
                values.text(b"", false);
            } else {
                self.argument(argument, said, report.is_list, values);
            }
        }
    }

    fn argument(&self, argument: &Argument, said: &Said<'_>, is_in_list: bool, values: &mut Values) {
        let (event, place, tokens) = (said.event, said.place, said.tokens);
        let is_lower = !self.rules.is_case_sensitive;
        match argument {
            Argument::TagName | Argument::Token0 if !tokens.is_empty() => {
                self.write_token(&tokens[0], is_lower && *argument == Argument::TagName, values);
            }
            Argument::Tag if !tokens.is_empty() => self.tag(event, &tokens[0], values),
            Argument::Attributes if event == Event::Start => self.attributes(said, values),
            Argument::AttributeNames if event == Event::Start => {
                values.list(Self::pairs(said).len());
                Self::pairs(said).for_each(|pair| self.write_token(&pair[0], is_lower, values));
            }
            Argument::AttributeList => self.attribute_list(said, is_in_list, values),
            Argument::Text => self.write_part(said.part, values),
            Argument::DecodedText if event == Event::Text => self.decoded_text(said.part, values),
            Argument::IsCdata if event == Event::Text => {
                // Perl's own truth and falsehood.
                if self.state.is_cdata { values.number(1) } else { values.text(b"", false) }
            }
            Argument::SkippedText => match &self.state.skipped {
                Some(skipped) => values.chars(skipped),
                None => values.nil(),
            },
            Argument::Tokens if !tokens.is_empty() => self.write_tokens(said, values),
            Argument::TokenPositions => self.positions(said, values),
            Argument::Offset => values.number(place.offset),
            Argument::OffsetEnd => values.number(place.offset + self.length_of(said.part)),
            Argument::Length => values.number(self.length_of(said.part)),
            Argument::Line => values.number(place.line),
            Argument::Column => values.number(place.column),
            Argument::Event => values.text(EVENTS[event as usize].as_bytes(), false),
            Argument::Literal(text) => values.text(text.as_bytes(), !text.is_ascii()),
            _ => values.nil(),
        }
    }

    fn length_of(&self, part: &Part) -> u64 {
        let (bytes, is_wide) = self.bytes_of(part);
        characters(bytes, is_wide)
    }

    fn write_part(&self, part: &Part, values: &mut Values) {
        let (bytes, is_wide) = self.bytes_of(part);
        values.text(bytes, is_wide);
    }

    fn write_token(&self, token: &Token, is_lower: bool, values: &mut Values) {
        let (bytes, is_wide) = self.token(Some(token));
        if is_lower && bytes.iter().any(u8::is_ascii_uppercase) {
            values.text(&bytes.to_ascii_lowercase(), is_wide);
        } else {
            values.text(bytes, is_wide);
        }
    }

    fn tag(&self, event: Event, token: &Token, values: &mut Values) {
        let is_lower = !self.rules.is_case_sensitive;
        let mark = match event {
            Event::Start => return self.write_token(token, is_lower, values),
            Event::Declaration => b'!',
            Event::End => b'/',
            Event::Process => b'?',
            _ => b'#',
        };
        let (name, is_wide) = self.token(Some(token));
        let mut tag = [&[mark], name].concat();
        if is_lower {
            tag.make_ascii_lowercase();
        }
        values.text(&tag, is_wide);
    }

    fn decoded_text(&self, part: &Part, values: &mut Values) {
        let (bytes, is_wide) = self.bytes_of(part);
        if self.state.is_cdata { values.text(bytes, is_wide) } else { self.decoded(bytes, is_wide, true, values) }
    }

    /// Writes text with its references decoded.
    fn decoded(&self, bytes: &[u8], is_wide: bool, is_text: bool, values: &mut Values) {
        if self.rules.is_utf8_mode {
            // What is no UTF-8 is Latin-1.
            let wide =
                if std::str::from_utf8(bytes).is_ok() { Cow::Borrowed(bytes) } else { latin1_as_utf8(bytes).into() };
            let decoded = decode(&wide, true, &self.rules.names, is_text);
            return values.text(decoded.as_ref().map_or(&wide, |decoded| &decoded.bytes), false);
        }
        match decode(bytes, is_wide, &self.rules.names, is_text) {
            Some(decoded) => values.chars(&decoded),
            None => values.text(bytes, is_wide),
        }
    }

    // --- Lists and maps

    /// Names and values of attributes, two tokens each.
    fn pairs<'s>(said: &'s Said<'_>) -> std::slice::ChunksExact<'s, Token> {
        said.tokens.get(1..).unwrap_or_default().chunks_exact(2)
    }

    fn attribute_value(&self, name: &Token, value: &Token, values: &mut Values) {
        let Token::Part(range) = value else {
            return match &self.rules.boolean_value {
                None => self.write_token(name, false, values),
                Some(None) => values.nil(),
                Some(Some(value)) => values.chars(value),
            };
        };
        let bytes = self.unquoted(range);
        if self.rules.keeps_attributes_encoded {
            values.text(bytes, self.is_wide);
        } else {
            self.decoded(bytes, self.is_wide, false, values);
        }
    }

    fn unquoted(&self, range: &Range<usize>) -> &[u8] {
        match &self.source.text()[range.clone()] {
            [b'"' | b'\'', inside @ .., _] => inside,
            [b'`', inside @ .., _] if self.rules.is_backquote_quote => inside,
            all => all,
        }
    }

    /// The first attribute of a name counts.
    fn attributes(&self, said: &Said<'_>, values: &mut Values) {
        let is_lower = !self.rules.is_case_sensitive;
        let names = Self::pairs(said).map(|pair| {
            let (name, _) = self.token(Some(&pair[0]));
            if is_lower && name.iter().any(u8::is_ascii_uppercase) {
                name.to_ascii_lowercase().into()
            } else {
                Cow::Borrowed(name)
            }
        });
        let firsts = firsts(names);
        values.map(firsts.len());
        for (name, index) in firsts {
            let (name_token, value) = (&said.tokens[1 + 2 * index], &said.tokens[2 + 2 * index]);
            values.key(&name, self.is_wide);
            self.attribute_value(name_token, value, values);
        }
    }

    fn attribute_list(&self, said: &Said<'_>, is_in_list: bool, values: &mut Values) {
        let pairs = if said.event == Event::Start { Self::pairs(said) } else { [].chunks_exact(2) };
        if !is_in_list {
            values.list(2 * pairs.len());
        }
        for pair in pairs {
            self.write_token(&pair[0], !self.rules.is_case_sensitive, values);
            self.attribute_value(&pair[0], &pair[1], values);
        }
    }

    fn write_tokens(&self, said: &Said<'_>, values: &mut Values) {
        values.list(said.tokens.len());
        let mut previous = None;
        for token in said.tokens {
            match (token, &self.rules.boolean_value) {
                (Token::NoValue, None) => match previous {
                    Some(name) => self.write_token(name, false, values),
                    None => values.nil(),
                },
                (Token::NoValue, Some(None)) => values.nil(),
                (Token::NoValue, Some(Some(value))) => values.chars(value),
                (token, _) => {
                    previous = Some(token);
                    self.write_token(token, false, values);
                }
            }
        }
    }

    /// Nothing where the tokens do not stand in the document.
    fn positions(&self, said: &Said<'_>, values: &mut Values) {
        let part = match (said.part, said.tokens.first()) {
            (Part::Of(part), Some(Token::Part(first))) if first.start >= part.start => part,
            _ => return values.nil(),
        };
        let text = self.source.text();
        values.list(2 * said.tokens.len());
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
            values.number(offset);
            values.number(length);
        }
    }
}

fn characters(bytes: &[u8], is_wide: bool) -> u64 {
    if !is_wide {
        return bytes.len() as u64;
    }
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// Attributes that a set of names is made for; of fewer, which is nearly always, looking at each is faster.
const MANY: usize = 16;

/// The names without those that came before, and where each is.
fn firsts<'n>(names: impl ExactSizeIterator<Item = Cow<'n, [u8]>>) -> Vec<(Cow<'n, [u8]>, usize)> {
    let mut firsts: Vec<(Cow<'n, [u8]>, usize)> = Vec::with_capacity(names.len());
    let mut seen = HashSet::new();
    let are_many = names.len() > MANY;
    for (index, name) in names.enumerate() {
        let is_new = if are_many { seen.insert(name.clone()) } else { !firsts.iter().any(|(first, _)| *first == name) };
        if is_new {
            firsts.push((name, index));
        }
    }
    firsts
}
