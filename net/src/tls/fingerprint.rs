//! Fingerprints: a certificate, or its key, by its digest.

use super::certificate::Facts;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use ring::digest;
use sha2::Digest;

/// A fingerprint as scripts write it: `sha256$AB:CD...`, `sha1$pub$abcd...`, or the digits alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    kind: Kind,
    of_key: bool,
    digest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

const KINDS: [(&str, Kind, usize); 6] = [
    ("md5", Kind::Md5, 16),
    ("sha1", Kind::Sha1, 20),
    ("sha224", Kind::Sha224, 28),
    ("sha256", Kind::Sha256, 32),
    ("sha384", Kind::Sha384, 48),
    ("sha512", Kind::Sha512, 64),
];

impl Fingerprint {
    /// Reads a fingerprint. Digits without the name of a digest are of the one that is as long.
    ///
    /// # Errors
    /// `invalid_params` for what can be no certificate's.
    pub fn parse(text: &str) -> Result<Self, CallError> {
        let wrong =
            |why: &str| CallError::invalid("fingerprint", format!("parameter `fingerprint`: {} {why}", quote(text)));
        let parts: Vec<&str> = text.split('$').collect();
        let (name, of_key, digits) = match parts[..] {
            [digits] => (None, false, digits),
            [of, digits] if of.eq_ignore_ascii_case("pub") => (None, true, digits),
            [name, digits] => (Some(name), false, digits),
            [name, of, digits] if of.eq_ignore_ascii_case("pub") => (Some(name), true, digits),
            _ => return Err(wrong("is not written as ALGORITHM$HEX or ALGORITHM$pub$HEX")),
        };
        let digits = digits.replace(':', "");
        let digest = hex(&digits).ok_or_else(|| wrong("holds what is no hexadecimal digit, or half a byte"))?;
        let found = match name {
            None => KINDS.iter().find(|(_, _, length)| *length == digest.len()),
            Some(name) => {
                let name = name.to_ascii_lowercase().replace('-', "");
                let known = KINDS.iter().find(|(known, ..)| *known == name);
                Some(known.ok_or_else(|| wrong("is of a digest that is not known; sha256 is"))?)
            }
        };
        match found {
            Some((_, kind, length)) if *length == digest.len() => Ok(Self { kind: *kind, of_key, digest }),
            _ => Err(wrong("is too long or too short for its digest")),
        }
    }

    /// Whether it is this certificate's, or its key's.
    pub fn fits(&self, certificate: &[u8], facts: Option<&Facts>) -> bool {
        let of = match (self.of_key, facts) {
            (false, _) => certificate,
            (true, Some(facts)) => facts.key_bits(),
            (true, None) => return false,
        };
        self.kind.digest(of) == self.digest
    }
}

impl Kind {
    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return md5::Md5::digest(bytes).to_vec(),
            Self::Sha224 => return sha2::Sha224::digest(bytes).to_vec(),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// A certificate's fingerprint, to show.
pub fn shown(certificate: &[u8]) -> String {
    let digits: String = Kind::Sha256.digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256${digits}")
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_told_by_name_or_by_length() {
        let text = b"abc";
        for (written, kind) in [
            ("900150983cd24fb0d6963f7d28e17f72", Kind::Md5),
            ("A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D", Kind::Sha1),
            ("SHA256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Kind::Sha256),
            ("sha-1$a9993e364706816aba3e25717850c26c9cd0d89d", Kind::Sha1),
        ] {
            let fingerprint = Fingerprint::parse(written).unwrap();
            assert_eq!(fingerprint.kind, kind);
            assert!(fingerprint.fits(text, None), "{written}");
            assert!(!fingerprint.fits(b"abd", None));
        }
        assert!(Fingerprint::parse(&shown(text)).unwrap().fits(text, None));
        let of_key = Fingerprint::parse(&shown(text).replace('$', "$pub$")).unwrap();
        assert!(of_key.of_key && !of_key.fits(text, None));
        for wrong in
            ["", "$", "sha256$", "sha256$abc", "sha256$abcd", "abcd", "blake$00", "sha1$key$00", "zz", "a$b$c$d"]
        {
            assert!(Fingerprint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
