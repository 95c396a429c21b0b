//! Cuts the byte stream of one client into messages.
//!
//! Two framings are told apart by the first byte a client sends: messages with a length in front (our clients), and
//! messages back to back (any MessagePack-RPC client).

use super::head::Head;
use super::scanner::{Scan, ScanError, Scanner};

/// How a client marks where its messages end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A 4-byte big-endian length, then one message of that many bytes.
    Framed,
    /// Messages back to back.
    Bare,
}

/// Bytes of the length that stands before a framed message.
pub const FRAME_HEADER: usize = 4;

impl Framing {
    /// The framing that a stream beginning with `first` uses.
    pub const fn of_first_byte(first: u8) -> Option<Self> {
        match first {
            0x00..=0x7f => Some(Self::Framed),
            0x90..=0x9f | 0xdc | 0xdd => Some(Self::Bare),
            _ => None,
        }
    }
}

/// Why a byte stream can't be cut into messages any further. The connection is beyond repair after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The first byte is none that a client may begin with.
    #[error(
        "the first byte {0:#04x} begins neither a frame (a 4-byte big-endian length) nor a MessagePack-RPC message (an array)"
    )]
    UnknownFraming(u8),
    /// A frame of length zero.
    #[error("a frame of length 0 holds no message")]
    EmptyFrame,
    /// A frame or a bare message above the limit.
    #[error("a message of {claimed} bytes is above max_frame ({limit} bytes)")]
    TooLarge {
        /// The size that the frame's header claims.
        claimed: usize,
        /// The limit in force.
        limit: usize,
    },
    /// A bare message above the limit, its size being unknown.
    #[error("a message is above max_frame ({0} bytes)")]
    BareTooLarge(usize),
    /// No MessagePack.
    #[error("no MessagePack message: {0}")]
    Scan(#[from] ScanError),
    /// A bare message that is no array.
    #[error("a MessagePack-RPC message is an array, not {0}")]
    NoArray(&'static str),
}

/// What stands at the front of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing whole yet.
    Incomplete,
    /// One message: where it starts, and where the next one does.
    Message {
        /// Offset of the message's first byte.
        start: usize,
        /// Offset of the byte after it.
        end: usize,
    },
}

/// Cuts messages off a stream; keeps only what a message under way needs.
#[derive(Default)]
pub struct Cutter {
    framing: Option<Framing>,
    // Boxed, because it is large and only a bare message that came in pieces needs it.
    partial: Option<Box<Scanner>>,
}

impl Cutter {
    /// The framing the client chose, once its first byte is seen.
    pub fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// A cutter for the rest of a stream that another one was cutting, at the beginning of a message.
    pub fn of_framing(framing: Option<Framing>) -> Self {
        Self { framing, partial: None }
    }

    /// Looks for a whole message at the front of `bytes`.
    ///
    /// `bytes` always starts at the beginning of a message; after [`Cut::Message`] the caller drops what was cut off.
    ///
    /// # Errors
    /// [`FramingError`] when no further message can come of the stream. The length of a frame is judged before any of
    /// its bytes arrive.
    pub fn cut(&mut self, bytes: &[u8], max_frame: usize) -> Result<Cut, FramingError> {
        let Some(&first) = bytes.first() else { return Ok(Cut::Incomplete) };
        let framing = match self.framing {
            Some(framing) => framing,
            None => *self.framing.insert(Framing::of_first_byte(first).ok_or(FramingError::UnknownFraming(first))?),
        };
        match framing {
            Framing::Framed => cut_framed(bytes, max_frame),
            Framing::Bare => self.cut_bare(bytes, max_frame),
        }
    }

    fn cut_bare(&mut self, bytes: &[u8], max_frame: usize) -> Result<Cut, FramingError> {
        if let Ok((head, _)) = Head::read(bytes)
            && !matches!(head, Head::Array(_))
        {
            return Err(FramingError::NoArray(head.type_name()));
        }
        // Most messages come in one piece: their scanner lives here, and costs no memory that has to be asked for.
        let mut begun = self.partial.take();
        let mut fresh = None;
        let scanner = match &mut begun {
            Some(scanner) => scanner.as_mut(),
            None => fresh.insert(Scanner::inside(0)),
        };
        match scanner.scan(bytes, max_frame) {
            Ok(Scan::Complete(end)) if end <= max_frame => Ok(Cut::Message { start: 0, end }),
            Ok(Scan::Complete(_)) => Err(FramingError::BareTooLarge(max_frame)),
            Ok(Scan::Incomplete) => {
                self.partial = begun.or_else(|| fresh.map(Box::new));
                Ok(Cut::Incomplete)
            }
            Err(ScanError::Unbacked) => Err(FramingError::BareTooLarge(max_frame)),
            Err(error) => Err(error.into()),
        }
    }
}

#[inline]
fn cut_framed(bytes: &[u8], max_frame: usize) -> Result<Cut, FramingError> {
    let Some((header, body)) = bytes.split_first_chunk::<FRAME_HEADER>() else { return Ok(Cut::Incomplete) };
    let length = u32::from_be_bytes(*header) as usize;
    match length {
        0 => Err(FramingError::EmptyFrame),
        _ if length > max_frame => Err(FramingError::TooLarge { claimed: length, limit: max_frame }),
        _ if length > body.len() => Ok(Cut::Incomplete),
        _ => Ok(Cut::Message { start: FRAME_HEADER, end: FRAME_HEADER + length }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut_all(stream: &[u8], chunks: &[usize], max_frame: usize) -> Result<Vec<Vec<u8>>, FramingError> {
        let mut cutter = Cutter::default();
        let mut buffered = Vec::new();
        let mut messages = Vec::new();
        let mut rest = stream;
        for &chunk in chunks.iter().chain([&usize::MAX]) {
            let (now, later) = rest.split_at(chunk.min(rest.len()));
            buffered.extend_from_slice(now);
            rest = later;
            while let Cut::Message { start, end } = cutter.cut(&buffered, max_frame)? {
                messages.push(buffered[start..end].to_vec());
                buffered.drain(..end);
            }
        }
        Ok(messages)
    }

    proptest! {
        #[test]
        fn any_split_of_a_stream_gives_the_same_messages(
            bodies in prop::collection::vec(prop::collection::vec(0u8..0x80, 1..15), 1..10),
            chunks in prop::collection::vec(1usize..9, 0..80),
            framed: bool,
        ) {
            let mut stream = Vec::new();
            let mut messages = Vec::new();
            for body in &bodies {
                // An array of small integers is its own MessagePack encoding.
                let mut message = vec![0x90 | body.len() as u8];
                message.extend_from_slice(body);
                if framed {
                    stream.extend_from_slice(&(message.len() as u32).to_be_bytes());
                }
                stream.extend_from_slice(&message);
                messages.push(message);
            }
            prop_assert_eq!(cut_all(&stream, &chunks, 1000).unwrap(), messages);
        }

        #[test]
        fn random_streams_never_panic(stream: Vec<u8>, chunks in prop::collection::vec(1usize..9, 0..20)) {
            let _ = cut_all(&stream, &chunks, 100);
        }
    }

    #[test]
    fn lengths_are_judged_before_the_bytes_arrive() {
        let mut cutter = Cutter::default();
        assert_eq!(cutter.cut(&[0, 0, 0, 101], 100), Err(FramingError::TooLarge { claimed: 101, limit: 100 }));
        assert_eq!(Cutter::default().cut(&[0, 0, 0, 0], 100), Err(FramingError::EmptyFrame));
        assert_eq!(Cutter::default().cut(&[0, 0, 0, 100], 100), Ok(Cut::Incomplete));
        assert_eq!(Cutter::default().cut(&[0xdd, 0xff, 0xff, 0xff, 0xff], 100), Err(FramingError::BareTooLarge(100)));
    }

    #[test]
    fn other_first_bytes_are_refused() {
        for first in [0x80, 0x8f, 0xa0, 0xc0, 0xc1, 0xc4, 0xde, 0xe0, 0xff] {
            assert_eq!(Cutter::default().cut(&[first], 100), Err(FramingError::UnknownFraming(first)));
        }
    }

    #[test]
    fn a_later_bare_message_that_is_no_array_is_refused() {
        let mut cutter = Cutter::default();
        assert_eq!(cutter.cut(&[0x90], 100), Ok(Cut::Message { start: 0, end: 1 }));
        assert_eq!(cutter.cut(&[0x05], 100), Err(FramingError::NoArray("integer")));
    }
}
