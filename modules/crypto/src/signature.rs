//! HMAC (RFC 2104) and Ed25519 (RFC 8032), both by ring.

use super::key::decode_hex;
use super::mac;
use kit::pieces::{PIECE, Pieces};
use kit::protocol::error::quote;
use kit::protocol::lenient::TextOrBytes;
use kit::protocol::{CallError, Code};
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Ways to sign.
#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    /// A keyed digest.
    Hmac(hmac::Algorithm, &'static str),
    /// A public-key signature.
    Ed25519,
}

impl Scheme {
    /// The scheme of a name: `SHA256` or `HMAC-SHA256` (the default), `SHA1`, `SHA384`, `SHA512`, `Ed25519`.
    ///
    /// # Errors
    /// `invalid_params` naming what there is.
    pub fn of_name(name: Option<&str>) -> Result<Self, CallError> {
        let name = name.unwrap_or("SHA256");
        let squeezed: String = name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_uppercase).collect();
        Ok(match squeezed.strip_prefix("HMAC").unwrap_or(&squeezed) {
            "SHA1" => Self::Hmac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, "HMAC-SHA1"),
            "SHA256" | "" => Self::Hmac(hmac::HMAC_SHA256, "HMAC-SHA256"),
            "SHA384" => Self::Hmac(hmac::HMAC_SHA384, "HMAC-SHA384"),
            "SHA512" => Self::Hmac(hmac::HMAC_SHA512, "HMAC-SHA512"),
            "ED25519" => Self::Ed25519,
            _ => {
                return Err(CallError::invalid(
                    "algorithm",
                    format!(
                        "Unsupported signature algorithm: {}. Supported: HMAC-SHA256, HMAC-SHA1, HMAC-SHA384, HMAC-SHA512, Ed25519",
                        quote(name)
                    ),
                ));
            }
        })
    }

    /// The name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hmac(_, name) => name,
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Signs. An HMAC key is used as it is; an Ed25519 key is a seed of 32 bytes (or 64 hex digits) or PKCS#8.
    ///
    /// # Errors
    /// `invalid_params` for a key that is none, `too_large` for more data than Ed25519 takes, `cancelled`.
    pub fn sign(self, key: &TextOrBytes<'_>, data: &[u8], pieces: &Pieces) -> Result<Vec<u8>, CallError> {
        match self {
            Self::Hmac(algorithm, _) => {
                let key = mac::key(algorithm, key.as_bytes(), pieces)?;
                Ok(mac::sign(&key, data, pieces)?.as_ref().to_vec())
            }
            Self::Ed25519 => {
                one_go("data", data.len(), pieces)?;
                Ok(key_pair(key)?.sign(data).as_ref().to_vec())
            }
        }
    }

    /// Whether a signature is right, compared in constant time. For Ed25519 the key is the public one: 32 bytes or 64 hex
    /// digits.
    ///
    /// # Errors
    /// As [`Scheme::sign`].
    pub fn verify(
        self,
        key: &TextOrBytes<'_>,
        data: &[u8],
        signature: &[u8],
        pieces: &Pieces,
    ) -> Result<bool, CallError> {
        match self {
            Self::Hmac(algorithm, _) => {
                let key = mac::key(algorithm, key.as_bytes(), pieces)?;
                Ok(mac::is_same(&mac::sign(&key, data, pieces)?, signature))
            }
            Self::Ed25519 => {
                one_go("data", data.len(), pieces)?;
                let raw = raw_key(key);
                if raw.len() != 32 {
                    return Err(CallError::invalid("key", "an Ed25519 public key is 32 bytes, or 64 hex digits"));
                }
                Ok(UnparsedPublicKey::new(&ED25519, raw.as_slice()).verify(data, signature).is_ok())
            }
        }
    }
}

/// The public key that belongs to an Ed25519 seed.
///
/// # Errors
/// `invalid_params` for a seed that is not 32 bytes.
pub fn public_key(seed: &[u8]) -> Result<Vec<u8>, CallError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| wrong_key())?;
    Ok(pair.public_key().as_ref().to_vec())
}

fn key_pair(key: &TextOrBytes<'_>) -> Result<Ed25519KeyPair, CallError> {
    let raw = raw_key(key);
    let pair = match raw.len() {
        32 => Ed25519KeyPair::from_seed_unchecked(&raw),
        _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&raw),
    };
    pair.map_err(|_| wrong_key())
}

/// Bytes that ring takes in one go at most: some tenths of a second.
const MOST_AT_ONCE: usize = 64 << 20;

/// Before work that ring does in one go, which can't be stopped once it has begun.
///
/// # Errors
/// `too_large` for more than can be waited for, `cancelled`.
pub fn one_go(parameter: &str, length: usize, pieces: &Pieces) -> Result<(), CallError> {
    if length > MOST_AT_ONCE {
        let message =
            format!("parameter `{parameter}` is {length} bytes long; at most {MOST_AT_ONCE} are taken at once");
        return Err(CallError::new(Code::TooLarge, message));
    }
    pieces.begin()
}

fn wrong_key() -> CallError {
    CallError::invalid("key", "an Ed25519 private key is a seed of 32 bytes (or 64 hex digits), or PKCS#8 DER")
}

fn raw_key(key: &TextOrBytes<'_>) -> zeroize::Zeroizing<Vec<u8>> {
    match key {
        // Anything longer than the longest PKCS#8 is refused by its length.
        TextOrBytes::Text(text) if text.len() != 32 && text.len() < PIECE => {
            decode_hex(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec().into())
        }
        other => other.as_bytes().to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::encode_hex;

    fn text(text: &str) -> TextOrBytes<'_> {
        TextOrBytes::Text(text.into())
    }

    /// RFC 4231, test case 2, and RFC 2202, test case 2 for SHA-1.
    #[test]
    fn hmac_vectors() {
        for (name, expected) in [
            (None, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (Some("hmac-sha1"), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ] {
            let scheme = Scheme::of_name(name).unwrap();
            let signature = scheme.sign(&text("Jefe"), b"what do ya want for nothing?", &Pieces::of_no_call()).unwrap();
            assert_eq!(encode_hex(&signature), expected);
            assert!(
                scheme
                    .verify(&text("Jefe"), b"what do ya want for nothing?", &signature, &Pieces::of_no_call())
                    .unwrap()
            );
            assert!(!scheme.verify(&text("Jefe"), b"something else", &signature, &Pieces::of_no_call()).unwrap());
        }
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn ed25519_vector() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = Scheme::Ed25519.sign(&text(seed), &[0x72], &Pieces::of_no_call()).unwrap();
        assert!(encode_hex(&signature).starts_with("92a009a9f0d4cab8720e820b5f642540"));
        assert!(Scheme::Ed25519.verify(&text(public), &[0x72], &signature, &Pieces::of_no_call()).unwrap());
        assert!(!Scheme::Ed25519.verify(&text(public), &[0x73], &signature, &Pieces::of_no_call()).unwrap());
        assert_eq!(encode_hex(&public_key(&decode_hex(seed.as_bytes()).unwrap()).unwrap()), public);
        assert!(Scheme::Ed25519.sign(&text("short"), b"", &Pieces::of_no_call()).is_err());
    }
}
