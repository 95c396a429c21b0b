//! How the names of a request's headers are spelt.
//!
//! To HTTP it makes no difference, and the library writes all of them in lower case; but there are servers, and scripts that
//! play one, to which it does. So they are sent as the script wrote them, and the library's own as everybody writes them.

/// The spellings of one request's names.
#[derive(Debug, Default)]
pub struct Spelling {
    given: Vec<String>,
}

impl Spelling {
    /// The names as the script wrote them.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self { given: names.map(str::to_owned).collect() }
    }

    /// Respells the names in a request's head, in place. What stands behind the head is left alone.
    pub fn apply(&self, head: &mut [u8]) {
        let mut at = 0;
        let mut first = true;
        while let Some(length) = head[at..].iter().position(|byte| *byte == b'\n') {
            let line = &mut head[at..at + length];
            if line == b"\r" || line.is_empty() {
                return;
            }
            if let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|_| !first) {
                self.respell(&mut line[..colon]);
            }
            first = false;
            at += length + 1;
        }
    }

    fn respell(&self, name: &mut [u8]) {
        if let Some(given) = self.given.iter().find(|given| given.as_bytes().eq_ignore_ascii_case(name)) {
            return name.copy_from_slice(given.as_bytes());
        }
        let mut begins = true;
        for byte in name {
            if begins {
                byte.make_ascii_uppercase();
            }
            begins = *byte == b'-';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_given_or_as_usual() {
        let spelling = Spelling::of(["SOAPAction", "x-lower"].into_iter());
        let mut head =
            *b"POST /a:b HTTP/1.1\r\nhost: h\r\nsoapaction: x:y\r\nX-Lower: 1\r\ncontent-length: 4\r\n\r\na-b: c\r\n";
        spelling.apply(&mut head);
        let expected =
            b"POST /a:b HTTP/1.1\r\nHost: h\r\nSOAPAction: x:y\r\nx-lower: 1\r\nContent-Length: 4\r\n\r\na-b: c\r\n";
        assert_eq!(head.as_slice(), expected.as_slice());
        for cut in 0..head.len() {
            spelling.apply(&mut head[..cut]);
        }
        assert_eq!(head.as_slice(), expected.as_slice());
    }
}
