//! Bodies in chunks (RFC 9112, 7.1), as servers write them.
//!
//! The library takes chunks whose lines are short and end with CR LF, waits for ever where one ends otherwise, and throws away what comes
//! behind the last. Here is read whatever can be understood in one way only: lines that end with LF alone, blanks around a length,
//! leading zeros, extensions. Nothing of a body is kept, of a line no more than [`MOST_OF_A_LINE`], of all trailers no more than
//! [`MOST_OF_TRAILERS`].

use std::fmt;

/// The longest line, extensions included.
pub const MOST_OF_A_LINE: usize = 8 << 10;
/// The most bytes of trailers.
pub const MOST_OF_TRAILERS: usize = 64 << 10;

/// A body in chunks that is being read.
#[derive(Debug, Default)]
pub struct Chunks {
    at: At,
    // What has come of the line that is being read.
    line: Vec<u8>,
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Length,
    // So many bytes of a chunk are to come.
    Data(u64),
    EndOfData,
    Trailers,
    End,
}

/// Why a body's chunks can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A line where a chunk's length should be.
    Length(String),
    /// A chunk that is longer than it said.
    TooMuch,
    /// A line without end.
    LongLine,
    /// Trailers without end.
    LongTrailers,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(line) => write!(f, "{line} stands where the length of a chunk should be"),
            Self::TooMuch => f.write_str("a chunk goes on behind its length"),
            Self::LongLine => write!(f, "a line between chunks is longer than {MOST_OF_A_LINE} bytes"),
            Self::LongTrailers => write!(f, "there are more than {MOST_OF_TRAILERS} bytes of trailers"),
        }
    }
}

impl std::error::Error for Wrong {}

impl Chunks {
    /// Reads what came, and adds up to `most` bytes of the body to `body`. Tells how much of `input` was read: all of it, unless the body is
    /// over or `most` was reached.
    ///
    /// # Errors
    /// [`Wrong`], after which nothing more can be read.
    pub fn read(&mut self, input: &[u8], body: &mut Vec<u8>, most: usize) -> Result<usize, Wrong> {
        let mut rest = input;
        let mut room = most;
        while !rest.is_empty() && self.at != At::End {
            if let At::Data(left) = self.at {
                let count = rest.len().min(room).min(usize::try_from(left).unwrap_or(usize::MAX));
                if count == 0 {
                    break;
                }
                body.extend_from_slice(&rest[..count]);
                room -= count;
                rest = &rest[count..];
                self.at = if left == count as u64 { At::EndOfData } else { At::Data(left - count as u64) };
                continue;
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(rest.len(), |end| end + 1);
            if self.line.len() + taken > MOST_OF_A_LINE {
                return Err(Wrong::LongLine);
            }
            self.line.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if end.is_some() {
                self.end_line()?;
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Whether the body is over, trailers included.
    pub fn is_over(&self) -> bool {
        self.at == At::End
    }

    /// Whether nothing is missing of a body whose connection has ended here. Servers close instead of sending the empty line.
    pub fn is_whole(&self) -> bool {
        matches!(self.at, At::Trailers | At::End)
    }

    /// The lines behind the last chunk, each with its end, as they came.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    fn end_line(&mut self) -> Result<(), Wrong> {
        let line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        self.at = match self.at {
            At::Length => match length(text)? {
                0 => At::Trailers,
                length => At::Data(length),
            },
            At::EndOfData if text.is_empty() => At::Length,
            At::EndOfData => return Err(Wrong::TooMuch),
            At::Trailers if text.is_empty() => At::End,
            At::Trailers if self.trailers.len() + line.len() > MOST_OF_TRAILERS => return Err(Wrong::LongTrailers),
            At::Trailers => {
                self.trailers.extend_from_slice(&line);
                At::Trailers
            }
            at @ (At::Data(_) | At::End) => at,
        };
        Ok(())
    }
}

/// The length that a line gives: hexadecimal digits, blanks around them, and extensions, which say nothing to us.
fn length(line: &[u8]) -> Result<u64, Wrong> {
    let wrong = || {
        let shown: String = line.iter().take(40).map(|byte| char::from(*byte)).collect();
        Wrong::Length(kit::protocol::error::quote(&shown))
    };
    // A bare CR ends a line for some.
    if line.contains(&b'\r') {
        return Err(wrong());
    }
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
    // What parses numbers would take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u64::from_str_radix(digits, 16).ok().filter(|length| *length <= i64::MAX as u64).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body, what is left behind it, and the trailers.
    type Whole = (Vec<u8>, Vec<u8>, Vec<u8>);

    /// Reads in pieces of this length, with this much room.
    fn read(input: &[u8], piece: usize, room: usize) -> Result<Option<Whole>, Wrong> {
        let (mut chunks, mut body, mut at) = (Chunks::default(), Vec::new(), 0);
        while at < input.len() && !chunks.is_over() {
            at += chunks.read(&input[at..input.len().min(at + piece)], &mut body, room)?;
        }
        Ok(chunks.is_over().then(|| (body, input[at..].to_vec(), chunks.trailers().to_vec())))
    }

    fn body(input: &str) -> Result<Option<String>, Wrong> {
        Ok(read(input.as_bytes(), usize::MAX / 2, usize::MAX)?.map(|(body, _, _)| String::from_utf8(body).unwrap()))
    }

    #[test]
    fn what_has_one_meaning_is_read() {
        for input in [
            "4\r\nbody\r\n0\r\n\r\n",
            "4\nbody\n0\n\n",
            "4\nbody\r\n0\r\n\n",
            " 4 \r\nbody\r\n0\t\r\n\r\n",
            "0000000000000000000000000004\r\nbody\r\n000\r\n\r\n",
            "4;name=\"a;b\"\r\nbody\r\n0;last\r\n\r\n",
            "4 ; name = value\r\nbody\r\n0\r\n\r\n",
            "1\r\nb\r\n3\r\nody\r\n0\r\n\r\n",
        ] {
            assert_eq!(body(input).unwrap().as_deref(), Some("body"), "{input:?}");
        }
        assert_eq!(body("A\n0123456789\n0\n\n").unwrap().as_deref(), Some("0123456789"));
        assert_eq!(body("4\r\nbody\r\n0\r\n").unwrap(), None, "not over yet");
    }

    #[test]
    fn what_has_none_is_refused() {
        for line in
            ["", ";x", "+4", "-4", "0x4", "4 4", "4,", "xyz", "4\rx", "ffffffffffffffff", "10000000000000000", "\u{e4}"]
        {
            let wrong = body(&format!("{line}\r\nbody\r\n0\r\n\r\n")).unwrap_err();
            assert!(matches!(wrong, Wrong::Length(_)), "{line:?}: {wrong}");
        }
        assert_eq!(body("4\r\nbodies\r\n0\r\n\r\n"), Err(Wrong::TooMuch));
        assert_eq!(body(&format!("4;{}\r\nbody", "x".repeat(MOST_OF_A_LINE))), Err(Wrong::LongLine));
        assert_eq!(body(&"4".repeat(MOST_OF_A_LINE + 1)), Err(Wrong::LongLine), "also without an end");
        let trailers = "A: b\r\n".repeat(MOST_OF_TRAILERS / 6 + 1);
        assert_eq!(body(&format!("0\r\n{trailers}\r\n")), Err(Wrong::LongTrailers));
    }

    #[test]
    fn what_stands_behind_is_left() {
        let (body, rest, trailers) =
            read(b"1\r\nx\r\n0\r\nA: b\r\n C\r\n\r\nHTTP/1.1 200", 1_000, 1_000).unwrap().unwrap();
        assert_eq!((body, rest, trailers), (b"x".to_vec(), b"HTTP/1.1 200".to_vec(), b"A: b\r\n C\r\n".to_vec()));
        let mut chunks = Chunks::default();
        chunks.read(b"1\r\nx\r\n0\r\nA: ", &mut Vec::new(), 9).unwrap();
        assert!(chunks.is_whole() && !chunks.is_over());
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(input in "[04aAxX; \\r\\n]{0,60}", piece in 1_usize..9, room in 1_usize..9) {
            let (whole, pieces) = (read(input.as_bytes(), 1_000, 1_000), read(input.as_bytes(), piece, room));
            prop_assert_eq!(whole, pieces);
        }

        #[test]
        fn what_was_put_in_chunks_comes_out(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
            end in prop_oneof![Just("\n"), Just("\r\n")],
            zeros in 0_usize..30,
            piece in 1_usize..400,
        ) {
            let mut input = Vec::new();
            for data in &pieces {
                input.extend_from_slice(format!("{}{:x};e{end}", "0".repeat(zeros), data.len()).as_bytes());
                input.extend_from_slice(data);
                input.extend_from_slice(end.as_bytes());
            }
            input.extend_from_slice(format!("0{end}T: 1{end}{end}behind").as_bytes());
            let (body, rest, trailers) = read(&input, piece, usize::MAX).unwrap().unwrap();
            prop_assert_eq!(body, pieces.concat());
            prop_assert_eq!(rest, b"behind");
            prop_assert_eq!(trailers, format!("T: 1{end}").into_bytes());
        }
    }
}
