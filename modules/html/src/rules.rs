//! What a parser is set to: its options, which tags it reports, and what its handlers are called with.

use crate::entities::{Chars, Names};
use kit::protocol::CallError;
use kit::protocol::lenient::{Integer, Text, TextOrBytes};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// What a parser is set to, as it is sent. What is left out is off.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings<'a> {
    /// A bit an option, from the lowest on: strict_comment, strict_names, xml_mode, unbroken_text, marked_sections, attr_encoded, case_sensitive,
    /// strict_end, closing_plaintext, utf8_mode, empty_element_tags, xml_pic, backquote (as HTML::Parser has them), and skipped_text: whether what
    /// is not reported is kept for the next report.
    #[serde(default)]
    options: Option<Integer>,
    /// What is reported of declaration, comment, start, end, text, process, start_document and end_document: names as in an argspec of
    /// HTML::Parser, in brackets for a list of them, or nothing.
    #[serde(borrow)]
    reports: Vec<Option<Text<'a>>>,
    /// A bit an event that is not reported and does not count as skipped.
    #[serde(default)]
    silent: Option<Integer>,
    /// The only tags to report.
    #[serde(borrow, default)]
    report_tags: Option<Vec<TextOrBytes<'a>>>,
    /// Tags not to report.
    #[serde(borrow, default)]
    ignore_tags: Option<Vec<TextOrBytes<'a>>>,
    /// Tags not to report, with what is within them.
    #[serde(borrow, default)]
    ignore_elements: Option<Vec<TextOrBytes<'a>>>,
    /// The value of attributes without one, if not their name: a list of it, or of nothing.
    #[serde(borrow, default)]
    boolean_value: Option<Vec<Option<TextOrBytes<'a>>>>,
    /// What names of characters stand for, if not what they do in HTML 4: pairs of a name and a text.
    #[serde(borrow, default)]
    entities: Option<Vec<(Text<'a>, TextOrBytes<'a>)>>,
}

/// Names of the options, from the lowest bit on.
pub(crate) const OPTIONS: [&str; 14] = [
    "strict_comment",
    "strict_names",
    "xml_mode",
    "unbroken_text",
    "marked_sections",
    "attr_encoded",
    "case_sensitive",
    "strict_end",
    "closing_plaintext",
    "utf8_mode",
    "empty_element_tags",
    "xml_pic",
    "backquote",
    "skipped_text",
];

/// Events, by their place in `reports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Declaration,
    Comment,
    Start,
    End,
    Text,
    Process,
    StartDocument,
    EndDocument,
}

/// Their names, in the same order.
pub(crate) const EVENTS: [&str; 8] =
    ["declaration", "comment", "start", "end", "text", "process", "start_document", "end_document"];

/// One of what a handler is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    Tokens,
    TokenPositions,
    Token0,
    TagName,
    Tag,
    Attributes,
    AttributeList,
    AttributeNames,
    Text,
    DecodedText,
    IsCdata,
    SkippedText,
    Offset,
    OffsetEnd,
    Length,
    Line,
    Column,
    Event,
    Undefined,
    Literal(String),
}

/// What is reported of an event.
pub(crate) struct Report {
    /// Whether it is one list.
    pub(crate) is_list: bool,
    pub(crate) arguments: Vec<Argument>,
}

/// What a parser is set to, ready for use.
pub(crate) struct Rules {
    pub(crate) is_comment_strict: bool,
    pub(crate) are_names_strict: bool,
    pub(crate) is_xml: bool,
    pub(crate) is_text_unbroken: bool,
    pub(crate) has_marked_sections: bool,
    pub(crate) keeps_attributes_encoded: bool,
    pub(crate) is_case_sensitive: bool,
    pub(crate) is_end_strict: bool,
    pub(crate) closes_plaintext: bool,
    pub(crate) is_utf8_mode: bool,
    pub(crate) has_empty_elements: bool,
    pub(crate) has_xml_instructions: bool,
    pub(crate) is_backquote_quote: bool,
    pub(crate) keeps_skipped_text: bool,
    pub(crate) reports: Vec<Option<Report>>,
    pub(crate) silent: i64,
    pub(crate) report_tags: Option<HashSet<Vec<u8>>>,
    pub(crate) ignore_tags: Option<HashSet<Vec<u8>>>,
    pub(crate) ignore_elements: Option<HashSet<Vec<u8>>>,
    /// None where it is the attribute's name, and nothing within where it is undefined.
    pub(crate) boolean_value: Option<Option<Chars>>,
    pub(crate) names: Names,
}

impl Rules {
    /// # Errors
    /// What the settings say that is none.
    pub(crate) fn new(settings: Settings<'_>) -> Result<Self, CallError> {
        let bits = settings.options.map_or(0, |bits| bits.0);
        if bits >> OPTIONS.len() != 0 {
            return Err(CallError::invalid("rules", "`options` of the rules has a bit that is no option"));
        }
        let is_set =
            |name: &str| OPTIONS.iter().position(|known| *known == name).is_some_and(|bit| bits & 1 << bit != 0);
        if settings.reports.len() != EVENTS.len() {
            return Err(CallError::invalid("rules", "`reports` of the rules must have eight elements"));
        }
        let reports = settings.reports.iter().map(|report| report.as_ref().map(|text| Report::read(text)).transpose());
        Ok(Self {
            is_comment_strict: is_set("strict_comment"),
            are_names_strict: is_set("strict_names") || is_set("xml_mode"),
            is_xml: is_set("xml_mode"),
            is_text_unbroken: is_set("unbroken_text"),
            has_marked_sections: is_set("marked_sections"),
            keeps_attributes_encoded: is_set("attr_encoded"),
            is_case_sensitive: is_set("case_sensitive") || is_set("xml_mode"),
            is_end_strict: is_set("strict_end"),
            closes_plaintext: is_set("closing_plaintext"),
            is_utf8_mode: is_set("utf8_mode"),
            has_empty_elements: is_set("empty_element_tags") || is_set("xml_mode"),
            has_xml_instructions: is_set("xml_pic") || is_set("xml_mode"),
            is_backquote_quote: is_set("backquote"),
            keeps_skipped_text: is_set("skipped_text"),
            reports: reports.collect::<Result<_, _>>()?,
            silent: settings.silent.map_or(0, |bits| bits.0),
            report_tags: settings.report_tags.map(tag_names),
            ignore_tags: settings.ignore_tags.map(tag_names),
            ignore_elements: settings.ignore_elements.map(tag_names),
            boolean_value: settings.boolean_value.map(|value| value.first().and_then(Option::as_ref).map(chars)),
            names: settings.entities.map_or(Names::Html4, |pairs| Names::own(own_names(pairs))),
        })
    }

    pub(crate) fn filters_tags(&self) -> bool {
        self.report_tags.is_some() || self.ignore_tags.is_some() || self.ignore_elements.is_some()
    }

    pub(crate) fn wants_lines(&self) -> bool {
        let mut arguments = self.reports.iter().flatten().flat_map(|report| &report.arguments);
        arguments.any(|argument| matches!(argument, Argument::Line | Argument::Column))
    }
}

fn chars(text: &TextOrBytes<'_>) -> Chars {
    Chars { is_wide: matches!(text, TextOrBytes::Text(_)), bytes: text.as_bytes().to_vec() }
}

/// Tags as UTF-8, whatever they came as: those of documents are made the same to be looked up.
fn tag_names(names: Vec<TextOrBytes<'_>>) -> HashSet<Vec<u8>> {
    let of = |name: &TextOrBytes<'_>| match name {
        TextOrBytes::Text(text) => text.as_bytes().to_vec(),
        TextOrBytes::Bytes(bytes) => crate::entities::latin1_as_utf8(bytes),
    };
    names.iter().map(of).collect()
}

fn own_names(pairs: Vec<(Text<'_>, TextOrBytes<'_>)>) -> HashMap<Vec<u8>, String> {
    let text = |value: TextOrBytes<'_>| match value {
        TextOrBytes::Text(text) => text.into_owned(),
        TextOrBytes::Bytes(bytes) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    pairs.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), text(value))).collect()
}

impl Report {
    fn read(text: &str) -> Result<Self, CallError> {
        let (is_list, mut rest) = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(text) => (true, text),
            None => (false, text),
        };
        let mut arguments = Vec::new();
        while !rest.is_empty() {
            let (argument, behind) = Argument::read(rest)?;
            arguments.push(argument);
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        Ok(Self { is_list, arguments })
    }
}

impl Argument {
    /// The first of several, with what is behind it.
    fn read(text: &str) -> Result<(Self, &str), CallError> {
        if let Some(quote @ ('"' | '\'')) = text.chars().next() {
            let Some((literal, behind)) = text[1..].split_once(quote) else {
                return Err(CallError::invalid("rules", "a literal text in `reports` does not end"));
            };
            return Ok((Self::Literal(literal.to_owned()), behind));
        }
        let (name, behind) = text.split_at(text.find(',').unwrap_or(text.len()));
        let argument = match name {
            "tokens" => Self::Tokens,
            "tokenpos" => Self::TokenPositions,
            "token0" => Self::Token0,
            "tagname" => Self::TagName,
            "tag" => Self::Tag,
            "attr" => Self::Attributes,
            "@attr" => Self::AttributeList,
            "attrseq" => Self::AttributeNames,
            "text" => Self::Text,
            "dtext" => Self::DecodedText,
            "is_cdata" => Self::IsCdata,
            "skipped_text" => Self::SkippedText,
            "offset" => Self::Offset,
            "offset_end" => Self::OffsetEnd,
            "length" => Self::Length,
            "line" => Self::Line,
            "column" => Self::Column,
            "event" => Self::Event,
            "undef" => Self::Undefined,
            _ => return Err(CallError::invalid("rules", format!("`reports` asks for `{name}`, which is not known"))),
        };
        Ok((argument, behind))
    }
}
