//! How an answer's body is delimited, and what the library is told of that.
//!
//! The library goes by the last `Content-Length` and by whether a `Transfer-Encoding` is `chunked`; it knows nothing of other codings, of lists, and of
//! servers that call themselves HTTP/1.0. So where there is a `Transfer-Encoding`, it is given a head that leaves one reading (RFC 9112, 6.3), and a connection
//! that anything is doubtful of is not used again.

use super::head::lines;

/// What a head with a `Transfer-Encoding` comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Framing {
    /// The head that the library is given.
    pub head: Vec<u8>,
    /// Whether the body comes in chunks; else up to the length that the head gives, or to the connection's end.
    pub chunked: bool,
}

/// How the body behind this head is delimited; none where the library is right about it. `head` is one whole head with clean lines.
pub fn of(head: &[u8]) -> Option<Framing> {
    let codings = codings(head);
    if codings.is_empty() || has_no_body(head) {
        return None;
    }
    let chunked = codings.last().is_some_and(|coding| coding == "chunked");
    let old = head.starts_with(b"HTTP/1.0");
    let (mut lengths, mut fields) = (0, Vec::with_capacity(head.len() + 64));
    for line in lines(head).skip(1) {
        match name(line) {
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => continue,
            name if name.eq_ignore_ascii_case(b"content-length") => {
                lengths += 1;
                // A length beside chunks is void; and it may be somebody's try to have two answers made of one.
                if chunked {
                    continue;
                }
            }
            _ => {}
        }
        fields.extend_from_slice(line);
        fields.extend_from_slice(b"\r\n");
    }
    if chunked {
        fields.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if old || lengths > 0 || !chunked {
        fields.extend_from_slice(b"Connection: close\r\n");
    }
    let status = lines(head).next().unwrap_or_default();
    let status = status.strip_prefix(b"HTTP/1.0").map_or_else(|| status.to_vec(), |rest| [b"HTTP/1.1", rest].concat());
    Some(Framing { head: [&status, &b"\r\n"[..], &fields, b"\r\n"].concat(), chunked })
}

/// The codings of `Transfer-Encoding`, in the order in which they were applied, in lower case. `identity` is none, and `chunked` said twice is
/// said once.
fn codings(head: &[u8]) -> Vec<String> {
    let fields = lines(head).skip(1).filter(|line| name(line).eq_ignore_ascii_case(b"transfer-encoding"));
    let values = fields
        .flat_map(|line| line.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default().split(|byte| *byte == b','));
    let codings = values.map(|value| String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase());
    let mut codings: Vec<String> = codings.filter(|coding| !coding.is_empty() && coding != "identity").collect();
    codings.dedup_by(|one, other| one == other && one == "chunked");
    codings
}

/// What has to be undone of a body besides its chunks, as `Content-Encoding` would say it.
pub fn packing<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let values: Vec<_> = values.map(String::from_utf8_lossy).collect();
    let head = format!("HTTP/1.1 200\r\nTransfer-Encoding: {}\r\n", values.join(","));
    let mut codings = codings(head.as_bytes());
    if codings.last().is_some_and(|coding| coding == "chunked") {
        codings.pop();
    }
    (!codings.is_empty()).then(|| codings.join(", "))
}

fn has_no_body(head: &[u8]) -> bool {
    head.get(9..12).is_some_and(|status| status[0] == b'1' || status == b"204" || status == b"304")
}

fn name(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(fields: &str) -> Option<(String, bool)> {
        let framing = of(format!("HTTP/1.1 200 OK\r\nA: b\r\n{fields}\r\n").as_bytes())?;
        let head = String::from_utf8(framing.head).unwrap();
        let rest = head.strip_prefix("HTTP/1.1 200 OK\r\nA: b\r\n").unwrap().strip_suffix("\r\n").unwrap();
        Some((rest.replace("\r\n", "+"), framing.chunked))
    }

    #[test]
    fn the_last_coding_says_how_a_body_ends() {
        let chunks = Some(("Transfer-Encoding: chunked+".to_owned(), true));
        assert_eq!(framed(""), None);
        assert_eq!(framed("Content-Length: 5\r\n"), None);
        assert_eq!(framed("Transfer-Encoding: identity\r\nContent-Length: 5\r\n"), None);
        for same in
            ["chunked", "Chunked ", "gzip, chunked", "gzip,,chunked, chunked", "gzip\r\ntransfer-encoding:chunked"]
        {
            assert_eq!(framed(&format!("Transfer-Encoding: {same}\r\n")), chunks, "{same}");
        }
        for other in ["gzip", "chunked, gzip", "chunked;q=1", "xchunked"] {
            let closed = Some(("Connection: close+".to_owned(), false));
            assert_eq!(framed(&format!("Transfer-Encoding: {other}\r\n")), closed, "{other}");
        }
    }

    #[test]
    fn a_doubtful_connection_is_not_used_again() {
        let doubtful = Some(("Transfer-Encoding: chunked+Connection: close+".to_owned(), true));
        assert_eq!(framed("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), doubtful);
        let packed = Some(("Content-Length: 5+Connection: close+".to_owned(), false));
        assert_eq!(framed("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"), packed);
        let old = of(b"HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n").unwrap();
        assert_eq!(old.head, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        for bodyless in ["204 No", "304 No", "101 Go"] {
            assert_eq!(of(format!("HTTP/1.1 {bodyless}\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes()), None);
        }
    }

    #[test]
    fn what_is_packed_besides_is_told() {
        let packing = |values: &[&str]| packing(values.iter().map(|value| value.as_bytes()));
        assert_eq!(packing(&[]), None);
        assert_eq!(packing(&["chunked"]), None);
        assert_eq!(packing(&["gzip, Chunked"]).as_deref(), Some("gzip"));
        assert_eq!(packing(&["deflate", "gzip", "chunked"]).as_deref(), Some("deflate, gzip"));
        assert_eq!(packing(&["chunked, gzip"]).as_deref(), Some("chunked, gzip"), "nobody's, and refused by that");
    }
}
