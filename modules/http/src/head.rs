//! The head of an answer, as the server wrote it.

use ureq::Body;
use ureq::http::Response;

/// The head of an answer, as the server wrote it.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The reason phrase, in whatever encoding; the standard one if the server sent none.
    pub reason: Vec<u8>,
    /// Names in the server's own case, in its order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// Reads the head off the bytes that came; what the library made of it stands in where they were not seen.
    pub fn read(bytes: &[u8], response: &Response<Body>) -> Self {
        let status = response.status();
        let mut head = Self::parse(bytes, status.as_u16()).unwrap_or_else(|| {
            let headers = response.headers().iter();
            let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
            Self { status: status.as_u16(), reason: Vec::new(), headers }
        });
        if head.reason.is_empty() {
            head.reason = status.canonical_reason().unwrap_or("Unknown").as_bytes().to_vec();
        }
        head
    }

    fn parse(bytes: &[u8], status: u16) -> Option<Self> {
        let first = lines(bytes).next()?;
        let mut words = first.splitn(3, |byte| *byte == b' ');
        let (_, code, reason) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        if code != status.to_string().as_bytes() {
            return None;
        }
        Some(Self { status, reason: reason.trim_ascii().to_vec(), headers: fields(bytes)? })
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice())
    }

    /// The first value of a header, as text.
    pub fn first(&self, name: &str) -> &str {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    }
}

/// The lines of a head, without their ends, up to the empty one.
pub fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| !line.is_empty())
}

/// The headers of a head, status line aside, if all its lines are some.
pub fn fields(head: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name.trim().to_owned(), line[colon + 1..].trim_ascii().to_vec()))
    };
    lines(head).skip(1).map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_stays_as_the_server_wrote_it() {
        let bytes =
            b"HTTP/1.1 404 No such thing\r\nETag: \"x\"\r\nX-ODD :  a b \r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n";
        let head = Head::parse(bytes, 404).unwrap();
        assert_eq!(head.reason, b"No such thing");
        let names: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ETag", "X-ODD", "set-cookie", "set-cookie"]);
        assert_eq!(head.first("x-odd"), "a b");
        assert_eq!(head.all("Set-Cookie").count(), 2);
        assert!(Head::parse(bytes, 200).is_none(), "that of another answer");
        assert_eq!(Head::parse(b"HTTP/1.1 200\r\n\r\n", 200).unwrap().reason, b"");
    }
}
