//! The envelope: what one message asks for.
//!
//! MessagePack-RPC (<https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md>) with named parameters and, for
//! our clients, a fifth element with options.

use super::error::{CallError, Code, quote};
use super::head::Head;
use super::scanner::{Scan, ScanError, Scanner};

/// A message from a client. Text and parameters are borrowed from the bytes it came in.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// A call that wants an answer.
    Request {
        /// The caller's number for this call; the answer carries it.
        msgid: u32,
        /// `module.function`.
        method: &'a str,
        /// What the call is given, or what is wrong with it.
        arguments: Result<Arguments<'a>, CallError>,
    },
    /// A call without an answer.
    Notification {
        /// `module.function`.
        method: &'a str,
        /// What the call is given, or what is wrong with it.
        arguments: Result<Arguments<'a>, CallError>,
    },
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
/// [`Malformed`] for what is no message. A message that is one but whose parameters or options are of no use is
/// returned with the error in its `arguments`, so that it can be answered.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    parse_after(bytes, "")
}

/// As [`parse`], for who probably calls the same method as last time: comparing with one text takes less than to find out whether bytes
/// are one.
///
/// Inlined with all that most messages need, because what is handed on by value is several words: through memory it costs more than
/// to read them.
///
/// # Errors
/// Those of `parse`.
#[inline(always)]
pub fn parse_after<'a>(bytes: &'a [u8], last: &'a str) -> Result<Message<'a>, Malformed> {
    let mut cursor = Cursor { bytes, at: 0 };
    let arity = cursor.arity()?;
    if arity == 0 {
        return Err(Malformed::WrongArity(0));
    }
    let kind = match cursor.uint()? {
        Some(kind @ (REQUEST | NOTIFICATION)) => kind,
        _ => return Err(Malformed::UnknownType),
    };
    match (kind, arity) {
        (REQUEST, 4 | 5) => {
            let msgid = cursor.uint()?.and_then(|msgid| u32::try_from(msgid).ok()).ok_or(Malformed::WrongMsgid)?;
            let method = cursor.text(last)?;
            let params = cursor.value()?;
            let options = if arity == 5 { Some(cursor.value()?) } else { None };
            cursor.finish()?;
            Ok(Message::Request { msgid, method, arguments: arguments(params, options) })
        }
        (NOTIFICATION, 3) => {
            let method = cursor.text(last)?;
            let params = cursor.value()?;
            cursor.finish()?;
            if method == "rpc.cancel" {
                return Ok(Message::Cancel { msgid: cancelled_msgid(params.bytes).ok_or(Malformed::WrongCancel)? });
            }
            Ok(Message::Notification { method, arguments: arguments(params, None) })
        }
        _ => Err(Malformed::WrongArity(arity)),
    }
}

/// A complete value within a message.
#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    invalid_utf8: bool,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    #[inline(never)]
    fn head(&mut self) -> Result<Head, Malformed> {
        let (head, size) = Head::read(self.rest()).map_err(|error| match error {
            super::head::HeadError::Short => Malformed::EndsEarly,
            super::head::HeadError::Reserved => Malformed::Scan(ScanError::Reserved),
        })?;
        self.at += size;
        Ok(head)
    }

    #[inline(always)]
    fn arity(&mut self) -> Result<usize, Malformed> {
        if let [short @ 0x90..=0x9f, ..] = *self.rest() {
            self.at += 1;
            return Ok(usize::from(short & 0x0f));
        }
        match self.head()? {
            Head::Array(arity) => Ok(arity),
            other => Err(Malformed::NoArray(other.type_name())),
        }
    }

    /// An integer of at least zero; `None` for any other value. The two forms that most clients use are read in place.
    #[inline(always)]
    fn uint(&mut self) -> Result<Option<u64>, Malformed> {
        match *self.rest() {
            [small @ 0..=0x7f, ..] => {
                self.at += 1;
                Ok(Some(u64::from(small)))
            }
            [0xce, a, b, c, d, ..] => {
                self.at += 5;
                Ok(Some(u64::from(u32::from_be_bytes([a, b, c, d]))))
            }
            _ => Ok(if let Head::Uint(number) = self.head()? { Some(number) } else { None }),
        }
    }

    #[inline(always)]
    fn text(&mut self, expected: &'a str) -> Result<&'a str, Malformed> {
        let length = match *self.rest() {
            [short @ 0xa0..=0xbf, ..] => {
                self.at += 1;
                usize::from(short & 0x1f)
            }
            _ => match self.head()? {
                Head::Str(length) | Head::Bin(length) => length,
                _ => return Err(Malformed::WrongMethod),
            },
        };
        let bytes = self.rest().get(..length).ok_or(Malformed::EndsEarly)?;
        self.at += length;
        if bytes == expected.as_bytes() {
            return Ok(expected);
        }
        std::str::from_utf8(bytes).map_err(|_| Malformed::WrongMethod)
    }

    #[inline(always)]
    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        // Calls without parameters are frequent, and need no scanner.
        if let Some(empty @ &[0x80 | 0x90]) = self.rest().get(..1) {
            self.at += 1;
            return Ok(Value { bytes: empty, invalid_utf8: false });
        }
        self.scanned()
    }

    #[inline(never)]
    fn scanned(&mut self) -> Result<Value<'a>, Malformed> {
        let rest = self.rest();
        let mut scanner = Scanner::inside(1);
        match scanner.scan(rest, rest.len())? {
            Scan::Incomplete => Err(Malformed::EndsEarly),
            Scan::Complete(end) => {
                self.at += end;
                Ok(Value { bytes: &rest[..end], invalid_utf8: scanner.invalid_utf8() })
            }
        }
    }

    fn finish(&self) -> Result<(), Malformed> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            trailing => Err(Malformed::TrailingBytes(trailing)),
        }
    }
}

#[inline(always)]
fn arguments<'a>(params: Value<'a>, options: Option<Value<'a>>) -> Result<Arguments<'a>, CallError> {
    let mut arguments = Arguments { params: named(params)?, timeout_ms: None, progress: false };
    if let Some(options) = options {
        read_options(options.bytes, &mut arguments)?;
    }
    Ok(arguments)
}

/// The map of named parameters: as it is, alone in an array, or an empty array for none.
#[inline(always)]
fn named(params: Value<'_>) -> Result<&[u8], CallError> {
    if let [0x80..=0x8f, ..] = params.bytes
        && !params.invalid_utf8
    {
        return Ok(params.bytes);
    }
    other_named(params)
}

fn other_named(params: Value<'_>) -> Result<&[u8], CallError> {
    if params.invalid_utf8 {
        return Err(CallError::new(
            Code::InvalidParams,
            "a text among the parameters is not valid UTF-8; send bytes as bin",
        ));
    }
    let wrong = |what: &str| {
        CallError::new(Code::InvalidParams, format!("params must be a map of named parameters, not {what}"))
    };
    match Head::read(params.bytes) {
        Ok((Head::Map(_), _)) => Ok(params.bytes),
        Ok((Head::Array(0), _)) => Ok(EMPTY_MAP),
        Ok((Head::Array(1), size)) => match Head::read(&params.bytes[size..]) {
            Ok((Head::Map(_), _)) => Ok(&params.bytes[size..]),
            Ok((other, _)) => Err(wrong(&format!("an array that holds {}", other.type_name()))),
            Err(_) => Err(wrong("this")),
        },
        Ok((Head::Array(count), _)) => Err(wrong(&format!("an array of {count} positional parameters"))),
        Ok((other, _)) => Err(wrong(other.type_name())),
        Err(_) => Err(wrong("this")),
    }
}

fn read_options(bytes: &[u8], arguments: &mut Arguments<'_>) -> Result<(), CallError> {
    let entries = match MapEntries::of(bytes) {
        Some(entries) => entries,
        None if matches!(Head::read(bytes), Ok((Head::Nil, _))) => return Ok(()),
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
            other => {
                return Err(CallError::invalid(
                    other,
                    format!("unknown option `{}`; known are timeout_ms and progress", quote(other)),
                ));
            }
        }
    }
    Ok(())
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

/// The text that a complete value holds, if it is text (or bytes that are text).
pub fn text(value: &[u8]) -> Option<&str> {
    match Head::read(value) {
        Ok((Head::Str(length) | Head::Bin(length), size)) => std::str::from_utf8(value.get(size..size + length)?).ok(),
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
            let Ok(Message::Request { msgid: 7, method: "test.echo", arguments: Ok(arguments) }) = parse(&message)
            else {
                panic!("{:?}", parse(&message));
            };
            assert_eq!(arguments.params, bytes(&map));
        }
        let message = request(V::Array(vec![]));
        let Ok(Message::Request { arguments: Ok(arguments), .. }) = parse(&message) else { panic!() };
        assert_eq!(arguments.params, EMPTY_MAP);
    }

    #[test]
    fn the_last_method_changes_nothing() {
        let message = request(V::Map(vec![]));
        for last in ["", "test.echo", "test.ech", "test.echo.", "other.one"] {
            assert_eq!(parse_after(&message, last), parse(&message), "{last}");
        }
        let wrong = [0x94, 0, 7, 0xa2, 0xff, 0xff, 0x80];
        assert_eq!(parse_after(&wrong, "test.echo"), Err(Malformed::WrongMethod));
    }

    #[test]
    fn parameters_of_no_use_are_answered_not_punished() {
        for params in [V::from(1), V::Nil, V::Array(vec![V::from(1)]), V::Array(vec![V::Nil, V::Nil])] {
            let message = request(params);
            assert!(matches!(parse(&message), Ok(Message::Request { arguments: Err(_), .. })));
        }
        let invalid = [0x94, 0, 7, 0xa1, b'a', 0x81, 0xa1, b'k', 0xa1, 0xff];
        assert!(matches!(parse(&invalid), Ok(Message::Request { arguments: Err(_), .. })));
    }

    #[test]
    fn options_are_read() {
        let options = V::Map(vec![(V::from("timeout_ms"), V::from("250")), (V::from("progress"), V::from(1))]);
        let message = bytes(&V::Array(vec![V::from(0), V::from(7), V::from("a.b"), V::Map(vec![]), options]));
        let Ok(Message::Request { arguments: Ok(arguments), .. }) = parse(&message) else { panic!() };
        assert_eq!((arguments.timeout_ms, arguments.progress), (Some(250), true));
        let options = V::Map(vec![(V::from("timeout"), V::from(1))]);
        let message = bytes(&V::Array(vec![V::from(0), V::from(7), V::from("a.b"), V::Map(vec![]), options]));
        let Ok(Message::Request { arguments: Err(error), .. }) = parse(&message) else { panic!() };
        assert_eq!(error.code, Code::InvalidParams);
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
            assert_eq!(parse(&bytes(&value)), Err(expected), "{value}");
        }
        let mut trailing = request(V::Map(vec![]));
        trailing.push(0xc0);
        assert_eq!(parse(&trailing), Err(Malformed::TrailingBytes(1)));
        let whole = request(V::Map(vec![(V::from("key"), V::from("value"))]));
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn damaged_messages_never_panic(position: prop::sample::Index, byte: u8) {
            let params = V::Map(vec![(V::from("key"), V::from("value")), (V::from("n"), V::from(300))]);
            let mut message = request(params);
            let at = position.index(message.len());
            message[at] = byte;
            let _ = parse(&message);
        }
    }
}
