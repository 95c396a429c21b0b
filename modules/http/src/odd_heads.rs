//! Heads of answers that are not quite as the standard has them.
//!
//! The library refuses them whole; scripts have always had these answers, from printers, old appliances and CGI programs. What can
//! be understood in one way only is put as the standard has it, and a line that can't is set aside under the name `Client-Junk`, which is
//! LWP's. What could be read as two things (a bare CR, a NUL) is left for the library to refuse.

use std::borrow::Cow;

/// The name under which a line goes that is no header.
pub const JUNK: &str = "Client-Junk";

/// The head as the standard has it, if it is odd: folded lines joined (RFC 9112, 5.2), blanks before a colon taken out (5.1),
/// control characters in values become blanks (RFC 9110, 5.5), lines that are no headers set aside.
///
/// `head` begins with its status line and ends with the empty line.
pub fn mended(head: &[u8]) -> Option<Vec<u8>> {
    if head.contains(&0) {
        return None;
    }
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines.next()?;
    let mut fields: Vec<Cow<'_, [u8]>> = Vec::new();
    let mut is_odd = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        if line.contains(&b'\r') {
            return None;
        }
        if let (true, Some(before)) = (line[0] == b' ' || line[0] == b'\t', fields.last_mut()) {
            is_odd = true;
            let before = before.to_mut();
            before.truncate(before.trim_ascii_end().len());
            before.push(b' ');
            before.extend(line.trim_ascii().iter().map(|byte| printable(*byte)));
            continue;
        }
        let field = field(line);
        is_odd |= matches!(field, Cow::Owned(_));
        fields.push(field);
    }
    if !is_odd {
        return None;
    }
    let mut whole = [status, b"\r\n"].concat();
    for field in fields {
        whole.extend_from_slice(&field);
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(b"\r\n");
    Some(whole)
}

/// One line, as the standard has it.
fn field(line: &[u8]) -> Cow<'_, [u8]> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return aside(line) };
    let name = line[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(|byte| is_of_a_name(*byte)) {
        return aside(line);
    }
    let value = &line[colon + 1..];
    if name.len() == colon && value.iter().all(|byte| printable(*byte) == *byte) {
        return Cow::Borrowed(line);
    }
    let value = value.iter().map(|byte| printable(*byte));
    Cow::Owned(name.iter().copied().chain([b':']).chain(value).collect())
}

fn aside(line: &[u8]) -> Cow<'_, [u8]> {
    let name = JUNK.bytes().chain(*b": ");
    Cow::Owned(name.chain(line.iter().map(|byte| printable(*byte))).collect())
}

fn printable(byte: u8) -> u8 {
    if byte == b'\t' || byte >= b' ' && byte != 0x7f { byte } else { b' ' }
}

/// Whether a header's name may have it (`tchar`, RFC 9110, 5.6.2).
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(head: &[u8]) -> Option<String> {
        mended(head).map(|whole| String::from_utf8(whole).unwrap())
    }

    #[test]
    fn what_is_as_it_should_be_stays() {
        assert_eq!(text(b"HTTP/1.1 200 OK\r\nA: b\r\nX-Utf: \xc3\xa4\r\nEmpty:\r\n\r\n"), None);
        assert_eq!(text(b"HTTP/1.0 200\nA: b\n\n"), None);
    }

    #[test]
    fn what_is_odd_is_put_as_the_standard_has_it() {
        let odd = b"HTTP/1.1 200 OK\r\nA: one\r\n\ttwo  \r\n  three\r\nB : x\r\nno colon\r\nX(y): 1\r\nC: a\x01b\r\n: d\r\n\r\n";
        let expected = "HTTP/1.1 200 OK\r\nA: one two three\r\nB: x\r\nClient-Junk: no colon\r\nClient-Junk: X(y): 1\r\nC: a b\r\nClient-Junk: : d\r\n\r\n";
        assert_eq!(text(odd).unwrap(), expected);
        assert_eq!(
            text(b"HTTP/1.1 200 OK\n first\nA: b\n\n").unwrap(),
            "HTTP/1.1 200 OK\r\nClient-Junk:  first\r\nA: b\r\n\r\n"
        );
    }

    #[test]
    fn what_could_be_two_things_is_not_touched() {
        assert_eq!(text(b"HTTP/1.1 200 OK\r\nA : b\rSet-Cookie: x\r\n\r\n"), None);
        assert_eq!(text(b"HTTP/1.1 200 OK\r\nA : b\0\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn what_was_mended_is_not_odd(lines in proptest::collection::vec("[ -~\\t\\x01]{0,20}", 0..8)) {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", lines.join("\r\n"));
            if let Some(whole) = mended(head.as_bytes()) {
                prop_assert_eq!(mended(&whole), None);
            }
        }
    }
}
