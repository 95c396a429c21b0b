//! From the key that a script gives to the bytes a cipher takes.
//!
//! The rules are those of the Python daemon: a text is tried as base64, then as hex, then taken as it is. They are odd (a
//! pass phrase of twelve letters is taken as base64) but data at rest depends on every one of them.

use super::cipher::Algorithm;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::lenient::TextOrBytes;
use zeroize::Zeroizing;

/// The bytes a cipher is keyed with, for a key given as text or bytes. Bytes are used as they are, text is decoded.
pub fn prepare(key: &TextOrBytes<'_>, algorithm: Algorithm) -> Zeroizing<Vec<u8>> {
    let decoded = match key {
        TextOrBytes::Bytes(bytes) => Zeroizing::new(bytes.to_vec()),
        TextOrBytes::Text(text) => decode_text(text),
    };
    fit(decoded, algorithm)
}

/// The key text that a key file holds: lines that begin and end with a dash (PEM armour) are emptied, then newlines are
/// removed. A file without valid UTF-8 has its bytes taken as Latin-1.
pub fn text_of_file(content: &[u8]) -> Zeroizing<String> {
    let text = match std::str::from_utf8(content) {
        Ok(text) => Zeroizing::new(text.to_owned()),
        Err(_) => Zeroizing::new(content.iter().map(|&byte| char::from(byte)).collect()),
    };
    // Python opens text files with universal newlines.
    let unified = Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n"));
    let mut key = Zeroizing::new(String::with_capacity(unified.len()));
    for line in unified.split('\n') {
        let armour = line.len() >= 2 && line.starts_with('-') && line.ends_with('-');
        if !armour {
            key.push_str(line);
        }
    }
    key
}

fn decode_text(text: &str) -> Zeroizing<Vec<u8>> {
    if let Some(bytes) = base64_as_python(text) {
        return bytes;
    }
    if let Some(bytes) = decode_hex(text.as_bytes()) {
        return bytes;
    }
    Zeroizing::new(text.as_bytes().to_vec())
}

/// Base64 the way `base64.b64decode` of Python reads it without `validate`: characters outside the alphabet are passed
/// over, padding ends the data, data without its padding is none. Text beyond ASCII is refused as a whole.
///
/// Source: `binascii.a2b_base64` of CPython 3.11, `Modules/binascii.c`, as documented and as run by
/// `tests/data/legacy-cipher/generate.py`.
fn base64_as_python(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if !text.is_ascii() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let (mut in_quad, mut pads, mut left) = (0u8, 0u8, 0u8);
    for byte in text.bytes() {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                if in_quad >= 2 {
                    pads += 1;
                    if in_quad + pads >= 4 {
                        return Some(bytes);
                    }
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        match in_quad {
            0 => left = sextet,
            1 => {
                bytes.push(left << 2 | sextet >> 4);
                left = sextet & 0x0f;
            }
            2 => {
                bytes.push(left << 4 | sextet >> 2);
                left = sextet & 0x03;
            }
            _ => bytes.push(left << 6 | sextet),
        }
        in_quad = (in_quad + 1) % 4;
    }
    if in_quad == 0 { Some(bytes) } else { None }
}

/// Standard base64 (RFC 4648, section 4) with its padding, nothing else.
pub fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.trim_end_matches('=');
    let standard = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let well_formed = text.len().is_multiple_of(4) && text.len() - digits.len() <= 2 && digits.bytes().all(standard);
    if well_formed { base64_as_python(text) } else { None }
}

/// Hex digits of either case, an even number of them, nothing else.
pub fn decode_hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    decode_hex_in_pieces(text, &Pieces::of_no_call()).ok().flatten()
}

/// As [`decode_hex`], for texts of any length.
///
/// # Errors
/// `cancelled`.
pub fn decode_hex_in_pieces(text: &[u8], pieces: &Pieces) -> Result<Option<Zeroizing<Vec<u8>>>, CallError> {
    if !text.len().is_multiple_of(2) {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    let mut is_hex = true;
    // A piece is an even number of bytes.
    pieces.each(text, |piece| is_hex = is_hex && push_hex(piece, &mut bytes).is_some())?;
    Ok(if is_hex { Some(bytes) } else { None })
}

fn push_hex(digits: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    for pair in digits.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(())
}

/// Lower-case hex digits.
pub fn encode_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push_digits(bytes, &mut text);
    text
}

/// As [`encode_hex`], for any number of bytes.
///
/// # Errors
/// `cancelled`.
pub fn encode_hex_in_pieces(bytes: &[u8], pieces: &Pieces) -> Result<Zeroizing<String>, CallError> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    pieces.each(bytes, |piece| push_digits(piece, &mut text))?;
    Ok(text)
}

fn push_digits(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
    }
}

/// Cuts or pads with zero bytes to a size the cipher takes.
fn fit(mut key: Zeroizing<Vec<u8>>, algorithm: Algorithm) -> Zeroizing<Vec<u8>> {
    let size = match (algorithm, key.len()) {
        (Algorithm::Blowfish, length) => length.clamp(4, 56),
        (Algorithm::Aes, 0..=16) => 16,
        (Algorithm::Aes, 17..=24) => 24,
        (Algorithm::Aes, _) => 32,
        (Algorithm::Des, _) => 8,
        (Algorithm::TripleDes, _) => 24,
    };
    if size > key.capacity() {
        // Growing in place would leave a copy of the key behind.
        let mut larger = Zeroizing::new(Vec::with_capacity(size));
        larger.extend_from_slice(&key);
        key = larger;
    }
    key.resize(size, 0);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Vec<u8> {
        decode_text(text).to_vec()
    }

    #[test]
    fn text_is_base64_then_hex_then_itself() {
        assert_eq!(decoded("c2VjcmV0"), b"secret");
        assert_eq!(decoded("c2Vj cmV0\n"), b"secret");
        assert_eq!(decoded("c2VjcmV0LQ=="), b"secret-");
        // Twelve letters are three quads.
        assert_eq!(decoded("TestPassword").len(), 9);
        // Six hex digits are no base64.
        assert_eq!(decoded("00ff10"), [0, 255, 16]);
        // Four are.
        assert_eq!(decoded("00ff").len(), 3);
        assert_eq!(decoded("TestKey123"), b"TestKey123");
        assert_eq!(decoded("clé"), "clé".as_bytes());
    }

    #[test]
    fn sizes() {
        for (algorithm, sizes) in [
            (Algorithm::Blowfish, [(0, 4), (3, 4), (9, 9), (60, 56)].as_slice()),
            (Algorithm::Aes, &[(0, 16), (16, 16), (17, 24), (25, 32), (48, 32)]),
            (Algorithm::Des, &[(0, 8), (9, 8)]),
            (Algorithm::TripleDes, &[(8, 24), (30, 24)]),
        ] {
            for &(given, expected) in sizes {
                let key = TextOrBytes::Bytes(vec![7; given].into());
                let key = prepare(&key, algorithm);
                assert_eq!(key.len(), expected);
                assert!(key.iter().take(given).all(|&byte| byte == 7) && key.iter().skip(given).all(|&byte| byte == 0));
            }
        }
    }

    #[test]
    fn armour_and_newlines_go() {
        let file = b"-----BEGIN KEY-----\r\nc2Vj\r\ncmV0\r\n-----END KEY-----\r\n";
        assert_eq!(*text_of_file(file), "c2VjcmV0");
        assert_eq!(*text_of_file(b"-\n--\n- a\n-b-\n"), "-- a");
    }

    proptest! {
        #[test]
        fn hex_round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(decode_hex(encode_hex(&bytes).as_bytes()).unwrap().to_vec(), bytes);
        }

        #[test]
        fn any_text_gives_some_key(text in ".{0,100}") {
            let _ = prepare(&TextOrBytes::Text(text.into()), Algorithm::Aes);
        }
    }
}
