//! The envelope: what one message asks for.
//!
//! MessagePack-RPC (<https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md>) with named parameters and, for
//! our clients, a fifth element with options.

use super::buffer::Buffer;
use super::error::{CallError, Code, quote};
use super::frozen::Wish;
pub use super::head::text;
use super::head::{Head, HeadError};
use super::image::{EXT_TYPE, Form};
use super::scanner::{Scan, ScanError, Scanner};
use super::thawed::thaw;

/// A message from a client. Text and parameters are borrowed from the bytes it came in.
///
/// Flat, and with nothing judged that need not be judged yet: what is handed on as one enum within another is copied in words after it was
/// written in bytes, and every such copy has to wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// `module.function`.
    pub method: &'a str,
    // The MessagePack bytes of whatever stands where parameters and options are expected.
    params: &'a [u8],
    options: Option<&'a [u8]>,
    // Whether a text among the parameters is none.
    invalid_utf8: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call that wants an answer.
    Request {
        /// The caller's number for this call; the answer carries it.
        msgid: u32,
    },
    /// A call without an answer.
    Notification,
    /// `rpc.cancel`: the caller gives up a call.
    Cancel {
        /// The call given up.
        msgid: u32,
    },
}

/// What a call is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arguments<'a> {
    /// The parameters: the MessagePack bytes of one complete map.
    pub params: &'a [u8],
    /// The caller's deadline in milliseconds from now.
    pub timeout_ms: Option<u64>,
    /// Whether the caller asks for progress notifications.
    pub progress: bool,
    /// How the caller asks for long results.
    pub freeze: Option<Freeze<'a>>,
}

/// Asks for results beyond a length as an image for Storable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze<'a> {
    /// How images of the asking Perl begin.
    pub header: &'a [u8],
    /// Bytes of MessagePack that a result may have to stay as it is.
    pub over: u32,
}

impl Freeze<'_> {
    /// The wish, if there is such a form, with at most so many bytes written.
    pub fn wish(self, most: usize) -> Option<Wish> {
        Some(Wish { form: Form::of_header(self.header)?, over: self.over as usize, most })
    }
}

/// Why bytes are no MessagePack-RPC message. The connection is closed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No MessagePack at all.
    #[error("no MessagePack message: {0}")]
    Scan(#[from] ScanError),
    /// The message ends in the middle of a value.
    #[error("the message ends in the middle of a value")]
    EndsEarly,
    /// Bytes behind the message.
    #[error("{0} bytes follow the message within its frame")]
    TrailingBytes(usize),
    /// Not an array.
    #[error("a MessagePack-RPC message is an array, not {0}")]
    NoArray(&'static str),
    /// A type other than request and notification.
    #[error("the message type must be 0 (request) or 2 (notification)")]
    UnknownType,
    /// The wrong number of elements.
    #[error("a request has 4 elements (5 with options) and a notification 3; this message has {0}")]
    WrongArity(usize),
    /// The msgid is no unsigned 32-bit integer.
    #[error("the msgid must be an integer from 0 to 4294967295")]
    WrongMsgid,
    /// The method is no text.
    #[error("the method must be a text of the form module.function")]
    WrongMethod,
    /// `rpc.cancel` without a msgid.
    #[error("the parameters of rpc.cancel are an array that holds one msgid")]
    WrongCancel,
}

const REQUEST: u64 = 0;
const NOTIFICATION: u64 = 2;
const EMPTY_MAP: &[u8] = &[0x80];

/// Reads one message that fills `bytes` exactly.
///
/// # Errors
/// [`Malformed`] for what is no message. One that is a message but whose parameters or options are of no use is returned: see
/// [`Message::arguments`].
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Message<'_>, Box<Malformed>> {
    parse_after(bytes, "")
}

/// As [`parse`], for who probably calls the same method as last time: comparing with one text takes less than to find out whether bytes
/// are one.
///
/// # Errors
/// Those of `parse`. They are boxed because the way of every message that has none would lead past their size.
#[inline(always)]
pub fn parse_after<'a>(bytes: &'a [u8], last: &'a str) -> Result<Message<'a>, Box<Malformed>> {
    let mut cursor = Cursor { rest: bytes };
    let arity = cursor.arity()?;
    if arity == 0 {
        return Err(Box::new(Malformed::WrongArity(0)));
    }
    let kind = match cursor.uint()? {
        Some(kind @ (REQUEST | NOTIFICATION)) => kind,
        _ => return Err(Box::new(Malformed::UnknownType)),
    };
    match (kind, arity) {
        (REQUEST, 4 | 5) => {
            let msgid = cursor.uint()?.and_then(|msgid| u32::try_from(msgid).ok());
            let Some(msgid) = msgid else { return Err(Box::new(Malformed::WrongMsgid)) };
            let method = cursor.text(last)?;
            let (params, invalid_utf8) = cursor.value()?;
            let options = if arity == 5 { Some(cursor.value()?.0) } else { None };
            cursor.finish()?;
            Ok(Message { kind: Kind::Request { msgid }, method, params, options, invalid_utf8 })
        }
        (NOTIFICATION, 3) => {
            let method = cursor.text(last)?;
            let (params, invalid_utf8) = cursor.value()?;
            cursor.finish()?;
            let kind = if method == "rpc.cancel" {
                Kind::Cancel { msgid: cancelled_msgid(params).ok_or(Malformed::WrongCancel)? }
            } else {
                Kind::Notification
            };
            Ok(Message { kind, method, params, options: None, invalid_utf8 })
        }
        _ => Err(Box::new(Malformed::WrongArity(arity))),
    }
}

impl<'a> Message<'a> {
    /// The same with parameters that are no image: as they are, or what one of Perl's Storable holds, of at most [`LARGEST_IMAGE`] bytes. That is
    /// written to `room`.
    ///
    /// # Errors
    /// `invalid_params`, saying what is wrong with the image.
    #[inline(always)]
    pub fn thawed<'r>(self, room: &'r mut Buffer) -> Result<Message<'r>, CallError>
    where
        'a: 'r,
    {
        match self.params {
            [0xc7..=0xc9 | 0xd4..=0xd8, ..] => Ok(Message { params: thawed(self.params, room)?, ..self }),
            _ => Ok(self),
        }
    }

    /// What the call is given.
    ///
    /// # Errors
    /// `invalid_params`, saying what is wrong with it.
    #[inline(always)]
    pub fn arguments(&self) -> Result<Arguments<'a>, CallError> {
        let params = self.named_params()?;
        match self.options {
            None => Ok(Arguments { params, timeout_ms: None, progress: false, freeze: None }),
            Some(options) => read_options(options, params),
        }
    }

    /// The map of named parameters: as it is, alone in an array, or an empty array for none.
    #[inline(always)]
    fn named_params(&self) -> Result<&'a [u8], CallError> {
        match self.params {
            [0x80..=0x8f, ..] if !self.invalid_utf8 => Ok(self.params),
            _ => other_named(self.params, self.invalid_utf8),
        }
    }
}

/// What is left of a message. What is not inlined is given the bytes and not the cursor, so that this can stay in registers.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    fn head(&mut self) -> Result<Head, Box<Malformed>> {
        let (head, size) = read_head(self.rest)?;
        self.rest = &self.rest[size..];
        Ok(head)
    }

    #[inline(always)]
    fn arity(&mut self) -> Result<usize, Box<Malformed>> {
        if let [short @ 0x90..=0x9f, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(usize::from(short & 0x0f));
        }
        match self.head()? {
            Head::Array(arity) => Ok(arity),
            other => Err(Box::new(Malformed::NoArray(other.type_name()))),
        }
    }

    /// An integer of at least zero; `None` for any other value. The two forms that most clients use are read in place.
    #[inline(always)]
    fn uint(&mut self) -> Result<Option<u64>, Box<Malformed>> {
        match self.rest {
            [small @ 0..=0x7f, rest @ ..] => {
                self.rest = rest;
                Ok(Some(u64::from(*small)))
            }
            [0xce, a, b, c, d, rest @ ..] => {
                self.rest = rest;
                Ok(Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))))
            }
            _ => Ok(if let Head::Uint(number) = self.head()? { Some(number) } else { None }),
        }
    }

    #[inline(always)]
    fn text(&mut self, expected: &'a str) -> Result<&'a str, Box<Malformed>> {
        let length = match self.rest {
            [short @ 0xa0..=0xbf, rest @ ..] => {
                self.rest = rest;
                usize::from(short & 0x1f)
            }
            _ => match self.head()? {
                Head::Str(length) | Head::Bin(length) => length,
                _ => return Err(Box::new(Malformed::WrongMethod)),
            },
        };
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(Box::new(Malformed::EndsEarly));
        };
        self.rest = rest;
        if bytes == expected.as_bytes() {
            return Ok(expected);
        }
        std::str::from_utf8(bytes).map_err(|_| Box::new(Malformed::WrongMethod))
    }

    /// The bytes of a complete value, and whether a text in it is none.
    #[inline(always)]
    fn value(&mut self) -> Result<(&'a [u8], bool), Box<Malformed>> {
        // Calls without parameters are frequent, and need no scanner.
        let (end, invalid_utf8) = match self.rest {
            [0x80 | 0x90, ..] => (1, false),
            rest => scan(rest)?,
        };
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok((value, invalid_utf8))
    }

    #[inline(always)]
    fn finish(&self) -> Result<(), Box<Malformed>> {
        match self.rest.len() {
            0 => Ok(()),
            trailing => Err(Box::new(Malformed::TrailingBytes(trailing))),
        }
    }
}

#[inline(never)]
fn read_head(bytes: &[u8]) -> Result<(Head, usize), Box<Malformed>> {
    Head::read(bytes).map_err(|error| {
        Box::new(match error {
            HeadError::Short => Malformed::EndsEarly,
            HeadError::Reserved => Malformed::Scan(ScanError::Reserved),
        })
    })
}

/// Where the value at the front of `bytes` ends, and whether a text in it is none.
#[inline(never)]
fn scan(bytes: &[u8]) -> Result<(usize, bool), Box<Malformed>> {
    let mut scanner = Scanner::inside(1);
    match scanner.scan(bytes, bytes.len()).map_err(Malformed::from)? {
        Scan::Incomplete => Err(Box::new(Malformed::EndsEarly)),
        Scan::Complete(end) => Ok((end, scanner.invalid_utf8())),
    }
}

/// The longest image that is read. It is read in the loop, where so many bytes take about as long as
/// those of a map do: 0.8 milliseconds for rows, up to 2 for the worst that was tried.
pub const LARGEST_IMAGE: usize = 256 << 10;

#[cold]
fn thawed<'r>(params: &'r [u8], room: &'r mut Buffer) -> Result<&'r [u8], CallError> {
    let Ok((Head::Ext(_), size)) = Head::read(params) else { return Ok(params) };
    let Some([EXT_TYPE, image @ ..]) = params.get(size..) else { return Ok(params) };
    if image.len() > LARGEST_IMAGE {
        let message =
            format!("an image of parameters may have {LARGEST_IMAGE} bytes, not {}; send them as a map", image.len());
        return Err(CallError::new(Code::InvalidParams, message));
    }
    match thaw(image, room) {
        Ok(()) => Ok(room.as_slice()),
        Err(why) => {
            let message = format!("the parameters' image can't be read: {why}; send them as a map");
            Err(CallError::new(Code::InvalidParams, message))
        }
    }
}

fn other_named(params: &[u8], invalid_utf8: bool) -> Result<&[u8], CallError> {
    if invalid_utf8 {
        return Err(CallError::new(
            Code::InvalidParams,
            "a text among the parameters is not valid UTF-8; send bytes as bin",
        ));
    }
    let wrong = |what: &str| {
        CallError::new(Code::InvalidParams, format!("params must be a map of named parameters, not {what}"))
    };
    match Head::read(params) {
        Ok((Head::Map(_), _)) => Ok(params),
        Ok((Head::Array(0), _)) => Ok(EMPTY_MAP),
        Ok((Head::Array(1), size)) => match Head::read(&params[size..]) {
            Ok((Head::Map(_), _)) => Ok(&params[size..]),
            Ok((other, _)) => Err(wrong(&format!("an array that holds {}", other.type_name()))),
            Err(_) => Err(wrong("this")),
        },
        Ok((Head::Array(count), _)) => Err(wrong(&format!("an array of {count} positional parameters"))),
        Ok((other, _)) => Err(wrong(other.type_name())),
        Err(_) => Err(wrong("this")),
    }
}

/// The parameters with the options of a request.
#[inline(never)]
fn read_options<'a>(bytes: &'a [u8], params: &'a [u8]) -> Result<Arguments<'a>, CallError> {
    let mut arguments = Arguments { params, timeout_ms: None, progress: false, freeze: None };
    let (mut header, mut over) = (None, 0);
    let entries = match MapEntries::of(bytes) {
        Some(entries) => entries,
        None if matches!(Head::read(bytes), Ok((Head::Nil, _))) => return Ok(arguments),
        None => return Err(CallError::new(Code::InvalidParams, "the options of a request are a map")),
    };
    for (key, value) in entries {
        match key {
            "timeout_ms" => {
                arguments.timeout_ms = Some(whole_number(value).ok_or_else(|| {
                    CallError::invalid(
                        "timeout_ms",
                        "option timeout_ms must be a whole number of milliseconds, at least 0",
                    )
                })?)
            }
            "progress" => {
                arguments.progress = super::lenient::boolean(value)
                    .ok_or_else(|| CallError::invalid("progress", "option progress must be true or false"))?;
            }
            "frozen" => {
                header = Some(bytes_of(value).ok_or_else(|| {
                    CallError::invalid(
                        "frozen",
                        "option frozen must be the bytes that an image of Storable begins with",
                    )
                })?);
            }
            "frozen_over" => {
                let wrong = || CallError::invalid("frozen_over", "option frozen_over must be a number of bytes");
                over = whole_number(value).and_then(|over| u32::try_from(over).ok()).ok_or_else(wrong)?;
            }
            other => {
                return Err(CallError::invalid(
                    other,
                    format!(
                        "unknown option `{}`; known are timeout_ms, progress, frozen and frozen_over",
                        quote(other)
                    ),
                ));
            }
        }
    }
    arguments.freeze = header.map(|header| Freeze { header, over });
    Ok(arguments)
}

fn whole_number(value: &[u8]) -> Option<u64> {
    match Head::read(value) {
        Ok((Head::Uint(number), _)) => Some(number),
        // A deadline of half a second from a caller that counts in fractions.
        Ok((Head::Float(number), _)) if (0.0..9e15).contains(&number) => Some(number.ceil() as u64),
        Ok((Head::Str(length), size)) => std::str::from_utf8(value.get(size..size + length)?).ok()?.parse().ok(),
        _ => None,
    }
}

fn cancelled_msgid(params: &[u8]) -> Option<u32> {
    let Ok((Head::Array(1), size)) = Head::read(params) else { return None };
    let Ok((Head::Uint(msgid), _)) = Head::read(&params[size..]) else { return None };
    u32::try_from(msgid).ok()
}

/// Walks the pairs of a map whose bytes a [`Scanner`] has accepted.
///
/// Keys that are no text are passed over.
pub struct MapEntries<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> MapEntries<'a> {
    /// The pairs of the map at the front of `bytes`; `None` if there is no map.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        match Head::read(bytes) {
            Ok((Head::Map(left), size)) => Some(Self { rest: &bytes[size..], left }),
            _ => None,
        }
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let Ok(Scan::Complete(end)) = Scanner::inside(0).scan(self.rest, self.rest.len()) else { return None };
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(value)
    }
}

impl<'a> Iterator for MapEntries<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            self.left -= 1;
            let key = self.value()?;
            let value = self.value()?;
            if let Some(key) = text(key) {
                return Some((key, value));
            }
        }
        None
    }
}

/// The element of a list whose bytes a [`Scanner`] has accepted.
pub(crate) fn element(list: &[u8], index: usize) -> Option<&[u8]> {
    let Ok((Head::Array(count), size)) = Head::read(list) else { return None };
    let mut elements = MapEntries { rest: &list[size..], left: 0 };
    if index >= count {
        return None;
    }
    for _ in 0..index {
        elements.value()?;
    }
    elements.value()
}

fn bytes_of(value: &[u8]) -> Option<&[u8]> {
    match Head::read(value) {
        Ok((Head::Str(length) | Head::Bin(length), size)) => value.get(size..size + length),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rmpv::Value as V;

    fn bytes(value: &V) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        bytes
    }

    fn request(params: V) -> Vec<u8> {
        bytes(&V::Array(vec![V::from(0), V::from(7), V::from("test.echo"), params]))
    }

    #[test]
    fn the_three_forms_of_parameters() {
        let map = V::Map(vec![(V::from("a"), V::from(1))]);
        for params in [map.clone(), V::Array(vec![map.clone()])] {
            let message = request(params);
            let message = parse(&message).unwrap();
            assert_eq!((message.kind, message.method), (Kind::Request { msgid: 7 }, "test.echo"));
            assert_eq!(message.arguments().unwrap().params, bytes(&map));
        }
        let message = request(V::Array(vec![]));
        assert_eq!(parse(&message).unwrap().arguments().unwrap().params, EMPTY_MAP);
    }

    #[test]
    fn the_last_method_changes_nothing() {
        let message = request(V::Map(vec![]));
        for last in ["", "test.echo", "test.ech", "test.echo.", "other.one"] {
            assert_eq!(parse_after(&message, last), parse(&message), "{last}");
        }
        let wrong = [0x94, 0, 7, 0xa2, 0xff, 0xff, 0x80];
        assert_eq!(*parse_after(&wrong, "test.echo").unwrap_err(), Malformed::WrongMethod);
    }

    #[test]
    fn parameters_of_no_use_are_answered_not_punished() {
        for params in [V::from(1), V::Nil, V::Array(vec![V::from(1)]), V::Array(vec![V::Nil, V::Nil])] {
            let message = request(params);
            assert_eq!(parse(&message).unwrap().arguments().unwrap_err().code, Code::InvalidParams);
        }
        let invalid = [0x94, 0, 7, 0xa1, b'a', 0x81, 0xa1, b'k', 0xa1, 0xff];
        assert_eq!(parse(&invalid).unwrap().arguments().unwrap_err().code, Code::InvalidParams);
    }

    #[test]
    fn options_are_read() {
        let options = V::Map(vec![(V::from("timeout_ms"), V::from("250")), (V::from("progress"), V::from(1))]);
        let message = bytes(&V::Array(vec![V::from(0), V::from(7), V::from("a.b"), V::Map(vec![]), options]));
        let arguments = parse(&message).unwrap().arguments().unwrap();
        assert_eq!((arguments.timeout_ms, arguments.progress, arguments.freeze), (Some(250), true, None));
        let options = V::Map(vec![(V::from("timeout"), V::from(1))]);
        let message = bytes(&V::Array(vec![V::from(0), V::from(7), V::from("a.b"), V::Map(vec![]), options]));
        assert_eq!(parse(&message).unwrap().arguments().unwrap_err().code, Code::InvalidParams);
    }

    #[test]
    fn what_is_no_message_is_said_precisely() {
        let cases: [(V, Malformed); 8] = [
            (V::Array(vec![]), Malformed::WrongArity(0)),
            (V::Array(vec![V::from(1), V::from(1), V::Nil, V::Nil]), Malformed::UnknownType),
            (V::Array(vec![V::from(3)]), Malformed::UnknownType),
            (V::Array(vec![V::from(0), V::from(1), V::from("a.b")]), Malformed::WrongArity(3)),
            (V::Array(vec![V::from(0), V::from("1"), V::from("a.b"), V::Map(vec![])]), Malformed::WrongMsgid),
            (V::Array(vec![V::from(0), V::from(1u64 << 32), V::from("a.b"), V::Map(vec![])]), Malformed::WrongMsgid),
            (V::Array(vec![V::from(0), V::from(1), V::from(5), V::Map(vec![])]), Malformed::WrongMethod),
            (V::Array(vec![V::from(2), V::from("rpc.cancel"), V::Map(vec![])]), Malformed::WrongCancel),
        ];
        for (value, expected) in cases {
            assert_eq!(*parse(&bytes(&value)).unwrap_err(), expected, "{value}");
        }
        let mut trailing = request(V::Map(vec![]));
        trailing.push(0xc0);
        assert_eq!(*parse(&trailing).unwrap_err(), Malformed::TrailingBytes(1));
        let whole = request(V::Map(vec![(V::from("key"), V::from("value"))]));
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes).map(|message| message.arguments());
        }

        #[test]
        fn damaged_messages_never_panic(position: prop::sample::Index, byte: u8) {
            let params = V::Map(vec![(V::from("key"), V::from("value")), (V::from("n"), V::from(300))]);
            let mut message = request(params);
            let at = position.index(message.len());
            message[at] = byte;
            let _ = parse(&message).map(|message| message.arguments());
        }
    }
}
