//! What a script gets for an answer.

use super::content::text_or_bytes;
use super::exchange::{Reply, Trouble, server_of};
use super::head::Head;
use super::trailers::Headers;
use super::watch::Connection;
use kit::Call;
use kit::protocol::CallError;
use kit::protocol::lenient::TextOrBytes;
use net::tls::Peer;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

/// Headers as scripts of the old daemon read them: repeated ones joined by `, `, except `Set-Cookie`, which is a list.
struct Joined<'a>(&'a [(String, Vec<u8>)]);

/// What a server says in a head: bytes, whose encoding nobody names. So they are bytes to a script also where they happen to be UTF-8;
/// which are text to some scripts and bytes to others would be of no use to either.
fn as_said(value: &[u8]) -> TextOrBytes<'_> {
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => TextOrBytes::Text(Cow::Borrowed(text)),
        _ => TextOrBytes::Bytes(Cow::Borrowed(value)),
    }
}

/// The same, to be kept.
fn said(value: Vec<u8>) -> TextOrBytes<'static> {
    match String::from_utf8(value) {
        Ok(text) if text.is_ascii() => TextOrBytes::Text(Cow::Owned(text)),
        Ok(text) => TextOrBytes::Bytes(Cow::Owned(text.into_bytes())),
        Err(error) => TextOrBytes::Bytes(Cow::Owned(error.into_bytes())),
    }
}

/// Something of ours before what a server says.
fn before(text: &str, said_by_server: &[u8]) -> TextOrBytes<'static> {
    said([text.as_bytes(), said_by_server].concat())
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
                let list: Vec<_> = values.into_iter().map(as_said).collect();
                map.serialize_entry(name, &list)?;
            } else {
                map.serialize_entry(name, &as_said(&values.join(&b", "[..])))?;
            }
        }
        map.end()
    }
}

/// Headers as they came: a list of names and values in turn, which costs a client less to read than one of pairs.
pub struct Pairs<'a>(pub &'a [(String, Vec<u8>)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(2 * self.0.len()))?;
        for (name, value) in self.0 {
            list.serialize_element(name)?;
            list.serialize_element(&as_said(value))?;
        }
        list.end()
    }
}

/// What a script may want to know of a connection.
fn told_of(connection: &Connection) -> Vec<(&'static str, Cow<'_, str>)> {
    let mut told = vec![("answers", connection.answers.to_string().into())];
    if let Some(address) = connection.address {
        told.push(("peer", format!("{}:{}", address.ip(), address.port()).into()));
    }
    if let Some(tls) = connection.tls.as_deref() {
        let Peer { version, cipher, subject, issuer } = tls;
        told.extend([("version", Cow::Borrowed(*version)), ("cipher", Cow::Borrowed(*cipher))]);
        let names = [("subject", subject), ("issuer", issuer)];
        told.extend(names.into_iter().filter_map(|(what, name)| Some((what, name.as_deref()?.into()))));
    }
    told
}

/// What a body becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text where it is text; headers joined. What scripts of the old daemon read.
    Friendly,
    /// Bytes as they came; headers as a list. What the stand-ins build on.
    Exact,
    /// The same in a map without further ones within, which is what a client in Perl reads fastest.
    Flat,
}

/// Names and values in turn, each on a line of its own; none if one has line ends.
fn lines<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = fields.flat_map(|(name, value)| [name.as_bytes(), value]).collect();
    (!lines.iter().any(|line| line.contains(&b'\n'))).then(|| lines.join(&b'\n'))
}

/// The answer to a call.
pub struct Answer {
    shape: Shape,
    head: Head,
    // Of the head. What we say ourselves is text.
    reason: TextOrBytes<'static>,
    url: String,
    redirects: Vec<String>,
    content: Vec<u8>,
    error: Option<TextOrBytes<'static>>,
    begun: Instant,
    connection: Option<Connection>,
    /// Why the body breaks off, if it does.
    pub aborted: Option<String>,
    /// What came behind the body, if that is all there.
    pub trailers: Headers,
    /// The stream that the rest of the body comes by.
    pub stream_id: Option<String>,
    /// The file that the body went to or came from, and its length.
    pub file: Option<(TextOrBytes<'static>, u64)>,
}

impl Answer {
    /// An answer that came, with its body or what there is of it.
    pub fn of(shape: Shape, begun: Instant, reply: &Reply, content: Vec<u8>) -> Self {
        let head = reply.head.clone();
        let error = if reply.one_too_many {
            let text = format!("Too many redirects (max_redirect = {})", reply.redirects.len());
            Some(TextOrBytes::Text(text.into()))
        } else if head.status >= 400 {
            Some(before(&format!("HTTP {}: ", head.status), &head.reason))
        } else {
            None
        };
        let redirects = reply.redirects.iter().map(ToString::to_string).collect();
        Self {
            shape,
            reason: said(head.reason.clone()),
            head,
            url: reply.url.to_string(),
            redirects,
            content,
            error,
            begun,
            connection: Some(reply.connection.clone()),
            aborted: None,
            trailers: reply.trailers.get().cloned().unwrap_or_default(),
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
        let error = format!("Connection failed: {why}");
        Ok(Self {
            shape,
            head: Head { status: 500, reason: why.clone().into_bytes(), headers: Vec::new() },
            reason: TextOrBytes::Text(why.into()),
            url: url.to_owned(),
            redirects: Vec::new(),
            content: Vec::new(),
            error: Some(TextOrBytes::Text(error.into())),
            begun,
            connection: None,
            aborted: None,
            trailers: Headers::new(),
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
        let flat = self.shape == Shape::Flat;
        let connection = self.connection.as_ref().filter(|_| !friendly);
        let optional = 3 * usize::from(friendly)
            + usize::from(!flat)
            + usize::from(connection.is_some())
            + usize::from(told)
            + usize::from(self.error.is_some())
            + usize::from(self.aborted.is_some())
            + usize::from(!self.trailers.is_empty())
            + usize::from(self.stream_id.is_some())
            + 2 * usize::from(self.file.is_some());
        let mut map = serializer.serialize_map(Some(5 + optional))?;
        if flat {
            map.serialize_entry("status_code", &self.head.status.to_string())?;
        } else {
            map.serialize_entry("status_code", &self.head.status)?;
        }
        map.serialize_entry("reason", &self.reason)?;
        if friendly {
            map.serialize_entry("success", &(200..300).contains(&self.head.status))?;
            let status = format!("{} ", self.head.status);
            let line = match &self.reason {
                TextOrBytes::Text(reason) => TextOrBytes::Text((status + reason).into()),
                TextOrBytes::Bytes(reason) => before(&status, reason),
            };
            map.serialize_entry("status_line", &line)?;
            let content = text_or_bytes(self.head.first("content-type"), &self.content);
            map.serialize_entry("content", &content)?;
            map.serialize_entry("body", &content)?;
            map.serialize_entry("headers", &Joined(&self.head.headers))?;
        } else {
            map.serialize_entry("content", &TextOrBytes::Bytes(Cow::Borrowed(&self.content)))?;
            let fields = self.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            match flat.then(|| lines(fields)).flatten() {
                Some(lines) => map.serialize_entry("headers", &as_said(&lines))?,
                None => map.serialize_entry("headers", &Pairs(&self.head.headers))?,
            }
        }
        if let Some(connection) = connection {
            let told = told_of(connection);
            let fields = told.iter().map(|(name, value)| (*name, value.as_bytes()));
            match flat.then(|| lines(fields)).flatten() {
                Some(lines) => map.serialize_entry("connection", &String::from_utf8_lossy(&lines))?,
                None => map.serialize_entry("connection", &told.into_iter().collect::<BTreeMap<_, _>>())?,
            }
        }
        map.serialize_entry("url", &self.url)?;
        if told {
            map.serialize_entry("redirects", &self.redirects)?;
        }
        if !flat {
            map.serialize_entry("elapsed", &self.begun.elapsed().as_secs_f64())?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        if let Some(aborted) = &self.aborted {
            map.serialize_entry("aborted", aborted)?;
        }
        if !self.trailers.is_empty() {
            match self.shape {
                Shape::Friendly => map.serialize_entry("trailers", &Joined(&self.trailers))?,
                Shape::Exact | Shape::Flat => map.serialize_entry("trailers", &Pairs(&self.trailers))?,
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_place_for_every_name_and_value() {
        let of = |fields: &[(&str, &str)]| {
            let lines = lines(fields.iter().map(|(name, value)| (*name, value.as_bytes())));
            lines.map(|lines| String::from_utf8(lines).unwrap())
        };
        assert_eq!(of(&[]).as_deref(), Some(""));
        assert_eq!(of(&[("", "1"), ("B", "")]).as_deref(), Some("\n1\nB\n"));
        assert_eq!((of(&[("A", "1\n2")]), of(&[("A\n", "1")])), (None, None));
    }
}
