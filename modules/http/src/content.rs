//! Bodies: undoing what a server did to them, and telling text from bytes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::{self, Cursor, Read};

use super::watch::Cancellable;
use kit::protocol::lenient::TextOrBytes;

/// The codings that are undone, as `Accept-Encoding` says it.
pub const CODINGS: &str = "gzip, deflate, br";
/// More codings than this around one body are no server's way of saving bytes.
const MOST_CODINGS: usize = 4;

/// Base64 with padding (RFC 4648, 4).
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A body as it comes.
pub type Stream = Box<dyn Read + Send>;

/// Undoes the codings that `Content-Encoding` names (RFC 9110, 8.4). Nothing is undone ahead of what is read, so a small
/// body that stands for an endless one costs only what its reader takes.
///
/// # Errors
/// A coding that is not known, or too many.
pub fn decoded(encoding: &str, body: Stream) -> io::Result<Stream> {
    let codings: Vec<String> = encoding
        .split(',')
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty())
        .collect();
    if codings.len() > MOST_CODINGS {
        return Err(io::Error::other(format!("the body is encoded {} times over", codings.len())));
    }
    // The call may end while a body is undone that gives little or nothing for much.
    let mut body: Stream = if codings.is_empty() { body } else { Box::new(Cancellable(body)) };
    for coding in codings.iter().rev() {
        body = match coding.as_str() {
            "identity" => body,
            "gzip" | "x-gzip" => Box::new(Cancellable(MultiGzDecoder::new(body))),
            "deflate" => inflated(body)?,
            "br" => Box::new(Cancellable(brotli_decompressor::Decompressor::new(body, 8 << 10))),
            other => {
                let shown = kit::protocol::error::quote(other);
                return Err(io::Error::other(format!("the body is encoded as {shown}, which is not known here")));
            }
        };
    }
    Ok(body)
}

/// Undoes the codings that a server put on for the way (RFC 9112, 7.2), if all of them are known. They are none of the content's, so whoever asked gets
/// the body without them. One that is packed wrongly is an error of the body, not of the answer, whose head is worth having.
pub fn unpacked(packing: Option<String>, body: Stream) -> Stream {
    const KNOWN: [&str; 4] = ["gzip", "x-gzip", "deflate", "br"];
    let Some(packing) = packing.filter(|packing| packing.split(", ").all(|coding| KNOWN.contains(&coding))) else {
        return body;
    };
    /// A body that is made when it is first read: what it begins with says what it is.
    enum Packed {
        Begun(Stream),
        Not(String, Option<Stream>),
    }
    impl Read for Packed {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if let Self::Not(packing, body) = self {
                let body = body.take().unwrap_or_else(|| Box::new(io::empty()));
                let wrong = |error: io::Error| io::Error::new(error.kind(), format!("Transfer-Encoding: {error}"));
                *self = Self::Begun(decoded(packing, body).map_err(wrong)?);
            }
            match self {
                Self::Begun(body) => body.read(buffer),
                Self::Not(..) => Ok(0),
            }
        }
    }
    Box::new(Packed::Not(packing, Some(body)))
}

/// `deflate` is zlib's format by the standard, and bare deflate by some servers.
fn inflated(mut body: Stream) -> io::Result<Stream> {
    let mut first = Vec::with_capacity(2);
    body.by_ref().take(2).read_to_end(&mut first)?;
    let zlib = matches!(first[..], [method, flags] if method & 0x0f == 8 && (u16::from(method) << 8 | u16::from(flags)) % 31 == 0);
    let whole = Cursor::new(first).chain(body);
    Ok(if zlib {
        Box::new(Cancellable(ZlibDecoder::new(whole)))
    } else {
        Box::new(Cancellable(DeflateDecoder::new(whole)))
    })
}

/// What a body is to a script: text by the charset of its `Content-Type` (UTF-8 if that names none), or bytes.
pub fn text_or_bytes<'a>(content_type: &str, body: &'a [u8]) -> TextOrBytes<'a> {
    let mut parts = content_type.split(';');
    let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    });
    if charset.is_none() && !is_text(&kind, body) {
        return TextOrBytes::Bytes(Cow::Borrowed(body));
    }
    let encoding = match &charset {
        None => Some(encoding_rs::UTF_8),
        Some(name) => encoding_rs::Encoding::for_label(name.as_bytes()),
    };
    match encoding.map(|encoding| encoding.decode(body)) {
        // What the charset does not cover stays as it is: half a text would be worse.
        Some((text, _, false)) => TextOrBytes::Text(text),
        _ => TextOrBytes::Bytes(Cow::Borrowed(body)),
    }
}

fn is_text(kind: &str, body: &[u8]) -> bool {
    const TEXTS: [&str; 8] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/x-www-form-urlencoded",
        "application/x-ndjson",
        "image/svg+xml",
    ];
    // Without a type a body is text if it looks like it.
    let unknown = kind.is_empty() && !body.contains(&0);
    unknown || kind.starts_with("text/") || TEXTS.contains(&kind) || kind.ends_with("+json") || kind.ends_with("+xml")
}

/// Reads a whole body of at most `limit` bytes. The flag says whether there was more.
///
/// # Errors
/// Whatever reading brings.
pub fn read_up_to(body: impl Read, limit: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut body = Cancellable(body);
    let mut bytes = Vec::new();
    body.by_ref().take(limit).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 == limit && {
        let mut next = [0];
        loop {
            match body.read(&mut next) {
                Ok(count) => break count > 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    Ok((bytes, more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn stream(bytes: Vec<u8>) -> Stream {
        Box::new(Cursor::new(bytes))
    }

    fn read(encoding: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        decoded(encoding, stream(bytes))?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn codings_are_undone_in_their_order() {
        let text = b"a text that is compressed, and compressed again".repeat(20);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(read("gzip", gzip.clone()).unwrap(), text);
        assert_eq!(read(" X-GZIP ,identity", gzip.clone()).unwrap(), text);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&gzip).unwrap();
        assert_eq!(read("gzip, deflate", zlib.finish().unwrap()).unwrap(), text);
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(&text).unwrap();
        assert_eq!(read("deflate", bare.finish().unwrap()).unwrap(), text);
        // printf 'brotli\n' | brotli -c
        let brotli = vec![0x0b, 0x03, 0x80, b'b', b'r', b'o', b't', b'l', b'i', b'\n', 0x03];
        assert_eq!(read("br", brotli).unwrap(), b"brotli\n");
        assert_eq!(read("", text.clone()).unwrap(), text);
        assert!(read("gzip", text.clone()).is_err());
        assert!(read("compress", text.clone()).is_err());
        assert!(read("gzip,gzip,gzip,gzip,gzip", text).is_err());
        assert!(read("gzip", gzip[..gzip.len() / 2].to_vec()).is_err(), "a body that is cut off");
    }

    #[test]
    fn the_content_type_says_what_is_text() {
        let text = |kind: &str, body: &[u8]| match text_or_bytes(kind, body) {
            TextOrBytes::Text(text) => Some(text.into_owned()),
            TextOrBytes::Bytes(_) => None,
        };
        assert_eq!(text("text/html", "ä".as_bytes()).as_deref(), Some("ä"));
        assert_eq!(text("text/html; charset=ISO-8859-1", &[0xe4]).as_deref(), Some("ä"));
        assert_eq!(text("Text/Plain; Charset=\"utf-8\"", "ä".as_bytes()).as_deref(), Some("ä"));
        assert_eq!(text("application/problem+json", b"{}").as_deref(), Some("{}"));
        assert_eq!(text("", b"hello").as_deref(), Some("hello"));
        assert_eq!(text("", b"hel\0lo"), None);
        assert_eq!(text("text/html", &[0xe4]), None, "not UTF-8 after all");
        assert_eq!(text("text/html; charset=klingon", b"hello"), None);
        assert_eq!(text("application/octet-stream", b"hello"), None);
        assert_eq!(text("image/png", "ä".as_bytes()), None);
    }

    #[test]
    fn no_more_is_read_than_wanted() {
        assert_eq!(read_up_to(stream(vec![1; 10]), 10).unwrap(), (vec![1; 10], false));
        assert_eq!(read_up_to(stream(vec![1; 11]), 10).unwrap(), (vec![1; 10], true));
        assert_eq!(read_up_to(stream(vec![]), 10).unwrap(), (vec![], false));
        assert_eq!(read_up_to(io::repeat(1), 10).unwrap(), (vec![1; 10], true));
    }
}
