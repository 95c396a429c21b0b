//! What a script gets for an answer.

use super::content::text_or_bytes;
use super::exchange::{Reply, Trouble, server_of};
use super::head::Head;
use kit::Call;
use kit::protocol::CallError;
use kit::protocol::lenient::TextOrBytes;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::time::Instant;

/// Headers as scripts of the old daemon read them: repeated ones joined by `, `, except `Set-Cookie`, which is a list.
struct Joined<'a>(&'a [(String, Vec<u8>)]);

fn text_or_latin(value: &[u8]) -> TextOrBytes<'_> {
    match std::str::from_utf8(value) {
        Ok(text) => TextOrBytes::Text(Cow::Borrowed(text)),
        Err(_) => TextOrBytes::Bytes(Cow::Borrowed(value)),
    }
}

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut grouped: Vec<(&str, Vec<&[u8]>)> = Vec::new();
        for (name, value) in self.0 {
            match grouped.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                Some((_, values)) => values.push(value),
                None => grouped.push((name, vec![value])),
            }
        }
        let mut map = serializer.serialize_map(Some(grouped.len()))?;
        for (name, values) in grouped {
            if name.eq_ignore_ascii_case("set-cookie") {
                let list: Vec<_> = values.into_iter().map(text_or_latin).collect();
                map.serialize_entry(name, &list)?;
            } else {
                map.serialize_entry(name, &text_or_latin(&values.join(&b", "[..])))?;
            }
        }
        map.end()
    }
}

/// Headers as they came: a list of names and values in turn, which costs a client less to read than one of pairs.
struct Pairs<'a>(&'a [(String, Vec<u8>)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(2 * self.0.len()))?;
        for (name, value) in self.0 {
            list.serialize_element(name)?;
            list.serialize_element(&text_or_latin(value))?;
        }
        list.end()
    }
}

/// What a body becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text where it is text; headers joined. What scripts of the old daemon read.
    Friendly,
    /// Bytes as they came; headers as a list. What the stand-ins build on.
    Exact,
}

/// The answer to a call.
pub struct Answer {
    shape: Shape,
    head: Head,
    url: String,
    redirects: Vec<String>,
    content: Vec<u8>,
    error: Option<String>,
    begun: Instant,
    /// Why the body breaks off, if it does.
    pub aborted: Option<String>,
    /// The stream that the rest of the body comes by.
    pub stream_id: Option<String>,
    /// The file that the body went to or came from, and its length.
    pub file: Option<(String, u64)>,
}

impl Answer {
    /// An answer that came, with its body or what there is of it.
    pub fn of(shape: Shape, begun: Instant, reply: &Reply, content: Vec<u8>) -> Self {
        let head = reply.head.clone();
        let error = if reply.one_too_many {
            Some(format!("Too many redirects (max_redirect = {})", reply.redirects.len()))
        } else if head.status >= 400 {
            Some(format!("HTTP {}: {}", head.status, head.reason))
        } else {
            None
        };
        let redirects = reply.redirects.iter().map(ToString::to_string).collect();
        Self {
            shape,
            head,
            url: reply.url.to_string(),
            redirects,
            content,
            error,
            begun,
            aborted: None,
            stream_id: None,
            file: None,
        }
    }

    /// No answer: that is one too, in the form that LWP gave it.
    ///
    /// # Errors
    /// What the call itself is to blame for.
    pub fn of_trouble(
        call: &Call<'_>,
        shape: Shape,
        begun: Instant,
        url: &str,
        trouble: Trouble,
    ) -> Result<Self, CallError> {
        let why = match trouble {
            Trouble::Call(error) => return Err(error),
            Trouble::Network(why) => why,
        };
        call.note_unreached(&server_of(url));
        let head = Head { status: 500, reason: why.clone(), headers: Vec::new() };
        Ok(Self {
            shape,
            head,
            url: url.to_owned(),
            redirects: Vec::new(),
            content: Vec::new(),
            error: Some(format!("Connection failed: {why}")),
            begun,
            aborted: None,
            stream_id: None,
            file: None,
        })
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let friendly = self.shape == Shape::Friendly;
        // What the stand-ins do not read is left out of what they get.
        let told = friendly || !self.redirects.is_empty();
        let optional = 3 * usize::from(friendly)
            + usize::from(told)
            + usize::from(self.error.is_some())
            + usize::from(self.aborted.is_some())
            + usize::from(self.stream_id.is_some())
            + 2 * usize::from(self.file.is_some());
        let mut map = serializer.serialize_map(Some(6 + optional))?;
        map.serialize_entry("status_code", &self.head.status)?;
        map.serialize_entry("reason", &self.head.reason)?;
        if friendly {
            map.serialize_entry("success", &(200..300).contains(&self.head.status))?;
            map.serialize_entry("status_line", &format!("{} {}", self.head.status, self.head.reason))?;
            let content = text_or_bytes(self.head.first("content-type"), &self.content);
            map.serialize_entry("content", &content)?;
            map.serialize_entry("body", &content)?;
            map.serialize_entry("headers", &Joined(&self.head.headers))?;
        } else {
            map.serialize_entry("content", &TextOrBytes::Bytes(Cow::Borrowed(&self.content)))?;
            map.serialize_entry("headers", &Pairs(&self.head.headers))?;
        }
        map.serialize_entry("url", &self.url)?;
        if told {
            map.serialize_entry("redirects", &self.redirects)?;
        }
        map.serialize_entry("elapsed", &self.begun.elapsed().as_secs_f64())?;
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        if let Some(aborted) = &self.aborted {
            map.serialize_entry("aborted", aborted)?;
        }
        if let Some(stream_id) = &self.stream_id {
            map.serialize_entry("stream_id", stream_id)?;
        }
        if let Some((path, bytes)) = &self.file {
            map.serialize_entry("path", path)?;
            map.serialize_entry("bytes", bytes)?;
        }
        map.end()
    }
}
