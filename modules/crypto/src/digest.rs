//! Message digests: ring where it has them, RustCrypto for the two it leaves out.

use md5::Md5;
use ring::digest;
use sha2::{Digest, Sha224};

/// The names that callers may use.
pub const NAMES: [&str; 6] = ["SHA256", "SHA1", "SHA224", "SHA384", "SHA512", "MD5"];

/// The canonical name for however a caller writes it (`sha-256`, `SHA256`).
pub fn canonical(name: &str) -> Option<&'static str> {
    let squeezed: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(&squeezed))
}

/// A digest under way.
pub enum Hasher {
    /// By ring.
    Ring(digest::Context),
    /// MD5.
    Md5(Md5),
    /// SHA-224.
    Sha224(Sha224),
}

impl Hasher {
    /// By the algorithm of a canonical name.
    pub fn new(algorithm: &str) -> Self {
        let by_ring = |algorithm| Self::Ring(digest::Context::new(algorithm));
        match algorithm {
            "MD5" => Self::Md5(Md5::new()),
            "SHA1" => by_ring(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            "SHA224" => Self::Sha224(Sha224::new()),
            "SHA384" => by_ring(&digest::SHA384),
            "SHA512" => by_ring(&digest::SHA512),
            _ => by_ring(&digest::SHA256),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Ring(context) => context.update(bytes),
            Self::Md5(md5) => md5.update(bytes),
            Self::Sha224(sha224) => sha224.update(bytes),
        }
    }

    /// The digest of all of them.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Ring(context) => context.finish().as_ref().to_vec(),
            Self::Md5(md5) => md5.finalize().to_vec(),
            Self::Sha224(sha224) => sha224.finalize().to_vec(),
        }
    }
}

/// The digest of `data` by the algorithm of a canonical name.
pub fn digest(algorithm: &str, data: &[u8]) -> Vec<u8> {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(data);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::encode_hex;

    /// FIPS 180-2 appendix ("abc") and RFC 1321, A.5.
    #[test]
    fn published_vectors() {
        for (name, expected) in [
            ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
            ("SHA1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("SHA224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            ("SHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "SHA384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
        ] {
            assert_eq!(encode_hex(&digest(name, b"abc")), expected, "{name}");
        }
        assert!(encode_hex(&digest("SHA512", b"abc")).starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn names_are_forgiving() {
        assert_eq!(canonical("sha-256"), Some("SHA256"));
        assert_eq!(canonical("Md5"), Some("MD5"));
        assert_eq!(canonical("SHA3"), None);
    }
}
