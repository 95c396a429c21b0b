//! Authenticated ciphers (RFC 5116), by ring: what is recommended for new data.
//!
//! A sealed message is a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes. Who changes a bit of it, or opens it with
//! other associated data, gets an error and not a byte of plaintext.

use super::key::decode_hex;
use super::signature::one_go;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::lenient::TextOrBytes;
use kit::random;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::mem::MaybeUninit;
use zeroize::{Zeroize, Zeroizing};

/// Messages that one key may seal (NIST SP 800-38D, section 8.3).
const MOST_MESSAGES: u64 = 1 << 32;

/// An authenticated cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES-128 in Galois/Counter Mode.
    Aes128Gcm,
    /// AES-256 in Galois/Counter Mode.
    Aes256Gcm,
    /// ChaCha20 with Poly1305 (RFC 8439).
    ChaCha20Poly1305,
}

impl Algorithm {
    /// The names that callers may use.
    pub const NAMES: [&'static str; 3] = ["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"];

    const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// The algorithm of a name, in whatever case it is written.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The name in results.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Bytes of a key.
    pub const fn key_size(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    fn ring(self) -> &'static ring::aead::Algorithm {
        match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }

    /// The bytes of a key that is given as bytes, hex or base64. It has to have exactly the right length: a key that is
    /// padded or cut is weaker than its owner thinks.
    ///
    /// # Errors
    /// `invalid_params`, saying what would be right.
    pub fn exact_key(self, key: &TextOrBytes<'_>) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let size = self.key_size();
        let raw = key.as_bytes();
        let candidates = match key {
            TextOrBytes::Bytes(_) => [None, None],
            TextOrBytes::Text(text) => [decode_hex(raw), super::key::decode_base64(text)],
        };
        let decoded = candidates.into_iter().flatten().find(|bytes| bytes.len() == size);
        match decoded {
            Some(bytes) => Ok(bytes),
            None if raw.len() == size => Ok(Zeroizing::new(raw.to_vec())),
            None => Err(CallError::invalid(
                "key",
                format!(
                    "{} takes a key of exactly {size} bytes: as {} hex digits, as base64, or as bytes; for a pass phrase \
                     give passphrase and salt",
                    self.name(),
                    2 * size
                ),
            )),
        }
    }
}

/// A keyed authenticated cipher. Its key is wiped when it is dropped.
pub struct Sealer {
    algorithm: Algorithm,
    keyed: WipedKey,
    // What it was keyed with: ring's own form can't be moved to another program.
    key: Zeroizing<Vec<u8>>,
    // Nonces count up from a random beginning: none comes twice here, and two sealers with one key do not meet.
    first_nonce: u128,
    sealed: u64,
}

impl Sealer {
    /// Keys a cipher.
    ///
    /// # Errors
    /// `failed` for a key of another size, or without randomness.
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, CallError> {
        let mut first_nonce = [0; 16];
        random::fill(&mut first_nonce)?;
        Self::going_on(algorithm, key, u128::from_be_bytes(first_nonce), 0)
    }

    /// Keys a cipher that goes on where another one, which is used no more, has come to.
    ///
    /// # Errors
    /// `failed` for a key of another size.
    pub fn going_on(algorithm: Algorithm, key: &[u8], first_nonce: u128, sealed: u64) -> Result<Self, CallError> {
        let keyed = WipedKey::new(algorithm, key)?;
        Ok(Self { algorithm, keyed, key: Zeroizing::new(key.to_vec()), first_nonce, sealed })
    }

    /// Bytes that it holds on the heap: the key and what was made of it.
    pub fn held(&self) -> usize {
        self.key.capacity() + size_of::<LessSafeKey>()
    }

    /// The key, as it was given.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The first nonce, and how many messages were sealed.
    pub fn nonces(&self) -> (u128, u64) {
        (self.first_nonce, self.sealed)
    }

    /// What it is.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Seals a message; `aad` is authenticated and not part of it.
    ///
    /// # Errors
    /// `failed` after 2^32 messages: the key has to be replaced then; `too_large` for more than ring can be left alone with,
    /// `cancelled`.
    pub fn seal(&mut self, aad: &[u8], plaintext: &[u8], pieces: &Pieces) -> Result<Vec<u8>, CallError> {
        one_go("plaintext", plaintext.len() + aad.len(), pieces)?;
        if self.sealed >= MOST_MESSAGES {
            return Err(CallError::failed(
                "the cipher has sealed 2^32 messages, as many as one key may; use a new key",
            ));
        }
        let nonce = self.next_nonce();
        let tag_size = self.algorithm.ring().tag_len();
        let mut message = Vec::with_capacity(NONCE_LEN + plaintext.len() + tag_size);
        message.extend_from_slice(&nonce);
        message.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.keyed.get().seal_in_place_separate_tag(nonce, Aad::from(aad), &mut message[NONCE_LEN..]);
        let Ok(tag) = sealed else {
            message.zeroize();
            return Err(CallError::failed("Encryption failed: the plaintext is too long for this cipher"));
        };
        message.extend_from_slice(tag.as_ref());
        Ok(message)
    }

    /// Opens what [`Sealer::seal`] made.
    ///
    /// # Errors
    /// `failed` if it was changed, cut, sealed with another key or other associated data: the four are not told apart;
    /// `too_large` and `cancelled` as for sealing.
    pub fn open(&self, aad: &[u8], message: &[u8], pieces: &Pieces) -> Result<Zeroizing<Vec<u8>>, CallError> {
        one_go("hex_ciphertext", message.len() + aad.len(), pieces)?;
        let wrong = || CallError::failed("Decryption failed: wrong key or aad, or the ciphertext was changed");
        let (nonce, sealed) = message.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let mut plaintext = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.keyed.get().open_in_place(nonce, Aad::from(aad), &mut plaintext).map_err(|_| wrong())?.len();
        plaintext.truncate(length);
        Ok(plaintext)
    }

    fn next_nonce(&mut self) -> [u8; NONCE_LEN] {
        let count = self.first_nonce.wrapping_add(u128::from(self.sealed));
        self.sealed += 1;
        let [_, _, _, _, nonce @ ..] = count.to_be_bytes();
        nonce
    }
}

/// ring's key, which does not wipe itself.
struct WipedKey(Box<MaybeUninit<LessSafeKey>>);

// What is wiped must not be needed by a destructor.
const _: () = assert!(!std::mem::needs_drop::<LessSafeKey>());

impl WipedKey {
    fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, CallError> {
        let unbound = UnboundKey::new(algorithm.ring(), key).map_err(|_| {
            CallError::failed(format!("{} takes a key of {} bytes", algorithm.name(), algorithm.key_size()))
        })?;
        Ok(Self(Box::new(MaybeUninit::new(LessSafeKey::new(unbound)))))
    }

    fn get(&self) -> &LessSafeKey {
        // SAFETY: `new`, the only place that makes one, initialises it, and only `drop` takes that back.
        unsafe { self.0.assume_init_ref() }
    }
}

impl Drop for WipedKey {
    fn drop(&mut self) {
        // `MaybeUninit` may hold any bytes, so wiping it needs no proof; the key has no destructor that would miss them.
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        decode_hex(text.replace(' ', "").as_bytes()).unwrap().to_vec()
    }

    /// Opens a message whose parts a standard gives.
    fn opened(algorithm: Algorithm, key: &str, nonce: &str, aad: &str, sealed: &str) -> Vec<u8> {
        let sealer = Sealer::new(algorithm, &hex(key)).unwrap();
        sealer.open(&hex(aad), &[hex(nonce), hex(sealed)].concat(), &Pieces::of_no_call()).unwrap().to_vec()
    }

    #[test]
    fn vectors_of_the_standards() {
        // RFC 8439, section 2.8.2.
        let plaintext = opened(
            Algorithm::ChaCha20Poly1305,
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            "070000004041424344454647",
            "50515253c0c1c2c3c4c5c6c7",
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e06\
             0b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d265\
             86cec64b61161ae10b594f09e26a7e902ecbd0600691",
        );
        assert!(plaintext.starts_with(b"Ladies and Gentlemen of the class of '99"));
        // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16.
        let plaintext = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                         b16aedf5aa0de657ba637b39";
        let aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
        let case_4 = opened(
            Algorithm::Aes128Gcm,
            "feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            aad,
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0a\
             ac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
        );
        assert_eq!(case_4, hex(plaintext));
        let case_16 = opened(
            Algorithm::Aes256Gcm,
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            aad,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba\
             7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        );
        assert_eq!(case_16, hex(plaintext));
    }

    #[test]
    fn a_change_of_any_bit_is_noticed() {
        let mut sealer = Sealer::new(Algorithm::Aes256Gcm, &[7; 32]).unwrap();
        let message = sealer.seal(b"about", b"Hello", &Pieces::of_no_call()).unwrap();
        assert_eq!(*sealer.open(b"about", &message, &Pieces::of_no_call()).unwrap(), b"Hello");
        assert!(sealer.open(b"other", &message, &Pieces::of_no_call()).is_err());
        for bit in 0..message.len() * 8 {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open(b"about", &changed, &Pieces::of_no_call()).is_err(), "bit {bit}");
        }
        for length in 0..message.len() {
            assert!(sealer.open(b"about", &message[..length], &Pieces::of_no_call()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mut sealer = Sealer::new(Algorithm::ChaCha20Poly1305, &[7; 32]).unwrap();
        // Across the point where the counter wraps.
        sealer.first_nonce = u128::MAX - 500;
        let nonces: std::collections::HashSet<_> = (0..1000).map(|_| sealer.next_nonce()).collect();
        assert_eq!(nonces.len(), 1000);
        sealer.sealed = MOST_MESSAGES;
        assert!(sealer.seal(b"", b"one more", &Pieces::of_no_call()).is_err());
    }

    #[test]
    fn a_key_has_exactly_the_right_length() {
        let bytes = [0xfe; 16];
        let key = |key: &str| Algorithm::Aes128Gcm.exact_key(&TextOrBytes::Text(key.into())).map(|key| key.to_vec());
        assert_eq!(key(&"fe".repeat(16)).unwrap(), bytes);
        assert_eq!(key("/v7+/v7+/v7+/v7+/v7+/g==").unwrap(), bytes);
        assert_eq!(key("sixteen letters!").unwrap(), b"sixteen letters!");
        for wrong in ["", "short", &"fe".repeat(15), &"fe".repeat(17), "/v7+/v7+/v7+/v7+/v7+/g"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
        assert!(Algorithm::Aes256Gcm.exact_key(&TextOrBytes::Bytes((&bytes[..]).into())).is_err());
    }
}
