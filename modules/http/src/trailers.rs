//! What comes behind the last chunk of a body: headers that a server knew only then.
//!
//! They say something of the body, a digest or how long it took. What decides how a message is read, where it goes, who may see it or
//! what the client keeps has to be known before it (RFC 9110, 6.5.1), so it is not believed here: neither a length nor a cookie.

use super::head::fields;
use super::odd_heads::mended;
use std::sync::{Arc, OnceLock};

/// Headers as they came: names and values.
pub type Headers = Vec<(String, Vec<u8>)>;

/// Where an answer's trailers are put when its body is over; whoever reads that may be another thread than the one that asked.
pub type Place = Arc<OnceLock<Headers>>;

/// More lines than that are no server's way of telling something.
const MOST: usize = 128;

/// Names that mean nothing behind a body.
const NOT_HERE: [&str; 36] = [
    // How messages are read, and what becomes of the connection.
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // What the client is to do, or to keep.
    "age",
    "alt-svc",
    "cache-control",
    "clear-site-data",
    "date",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "pragma",
    "refresh",
    "retry-after",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "vary",
    "warning",
    "www-authenticate",
    "proxy-authenticate",
    // Who is who.
    "authentication-info",
    "authorization",
    "cookie",
    "proxy-authentication-info",
    "proxy-authorization",
];

/// How names begin of which none stands behind a body: the client's own notes, what the body is, and what browsers are to permit.
const FAMILIES: &[&str] = &["access-control-", "client-", "content-", "cross-origin-", "x-died", "x-meta-"];

/// The headers in these lines that may stand here. Lines that are none are left out; so are all, where one could be read as two.
pub fn headers_of(lines: &[u8]) -> Headers {
    let is_clear = lines.split(|byte| *byte == b'\n').all(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        !line.contains(&b'\r') && !line.contains(&0)
    });
    if lines.is_empty() || !is_clear {
        return Headers::new();
    }
    // Read by the rules for heads.
    let head = [b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"].concat();
    let head = mended(&head).unwrap_or(head);
    let mut headers = fields(&head).unwrap_or_default();
    headers.truncate(MOST);
    headers.retain(|(name, _)| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        !name.is_empty()
            && !NOT_HERE.contains(&name.as_str())
            && !FAMILIES.iter().any(|family| name.starts_with(family))
    });
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(lines: &[u8]) -> String {
        let all =
            headers_of(lines).into_iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(&value)));
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_tells_of_the_body_is_taken() {
        assert_eq!(text(b"Digest: x\r\nX-Took : 5\nX-Long: a\r\n b\r\n"), "Digest=x X-Took=5 X-Long=a b");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn what_had_to_be_known_before_is_not() {
        let hostile = b"Set-Cookie: a=1\r\nCONTENT-LENGTH: 3\r\nTransfer-Encoding : chunked\r\nLocation: http://evil/\r\nX-A: b\r\n";
        assert_eq!(text(hostile), "X-A=b");
        let notes = b"Client-Peer: 1.2.3.4\r\nX-Died: x\r\nContent_Type: text/evil\r\nContent-Base: http://evil/\r\nETag: e\r\nX-A: b\r\n";
        assert_eq!(text(notes), "X-A=b");
        assert_eq!(text(b"no colon\r\nX-A: b\r\nClient-Junk: c\r\n"), "X-A=b");
        for unclear in [&b"X-A: b\rSet-Cookie: c\r\n"[..], b"X-A: b\0\r\n", b"\r\r\nX-A: b\r\n"] {
            assert_eq!(text(unclear), "");
        }
        assert_eq!(headers_of(&b"A: b\n".repeat(MOST + 1)).len(), MOST);
        assert!(NOT_HERE.iter().all(|name| *name == name.to_ascii_lowercase()));
    }

    proptest! {
        #[test]
        fn nothing_hurts(lines in "[aT: \\t\\r\\n\\x00]{0,40}") {
            for (name, value) in headers_of(lines.as_bytes()) {
                prop_assert!(!name.is_empty() && !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')), "{:?}", value);
            }
        }
    }
}
