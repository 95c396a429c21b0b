//! Keys from pass phrases and from other keys.
//!
//! PBKDF2 (RFC 8018) makes guessing slow; HKDF (RFC 5869) is for keys that can't be guessed anyway; OpenSSL's
//! EVP_BytesToKey is what `openssl enc` and Crypt::CBC did for years, kept for the data that they made.

use super::key::encode_hex;
use super::{digest, kdf};
use kit::Call;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use kit::protocol::lenient::{Bytes, Integer, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// What OWASP advises for PBKDF2 with SHA-256 (Password Storage Cheat Sheet, 2023).
pub const DEFAULT_ITERATIONS: u32 = 600_000;
/// As many as there are hashes in all; a key of more than one block takes as many for each ([`kdf::Cost`]).
const MOST_ITERATIONS: i64 = kdf::MOST_HASHES as i64;
/// The longest key.
const LONGEST: i64 = 4096;

/// A way to derive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// With this many iterations.
    Pbkdf2(NonZeroU32),
    /// One pass.
    Hkdf,
    /// With this many rounds; OpenSSL itself does one.
    EvpBytesToKey(NonZeroU32),
}

impl Method {
    /// The method of a name, PBKDF2 if none is given.
    ///
    /// # Errors
    /// `invalid_params` for an unknown name, or iterations out of range or of no use.
    pub fn of_name(name: Option<&str>, iterations: Option<Integer>) -> Result<Self, CallError> {
        let squeezed: String =
            name.unwrap_or("PBKDF2").chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect();
        let rounds = |default: u32| match iterations {
            None => Ok(NonZeroU32::new(default).unwrap_or(NonZeroU32::MIN)),
            Some(Integer(count @ 1..=MOST_ITERATIONS)) => {
                Ok(u32::try_from(count).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN))
            }
            Some(_) => Err(CallError::invalid(
                "iterations",
                format!("parameter `iterations` must be from 1 to {MOST_ITERATIONS}"),
            )),
        };
        match squeezed.as_str() {
            "pbkdf2" => Ok(Self::Pbkdf2(rounds(DEFAULT_ITERATIONS)?)),
            "hkdf" if iterations.is_some() => Err(CallError::invalid("iterations", "HKDF has no iterations")),
            "hkdf" => Ok(Self::Hkdf),
            "evpbytestokey" | "openssl" => Ok(Self::EvpBytesToKey(rounds(1)?)),
            _ => Err(CallError::invalid(
                "kdf",
                format!(
                    "Unsupported key derivation: {}. Supported: PBKDF2, HKDF, EVP_BytesToKey",
                    quote(name.unwrap_or_default())
                ),
            )),
        }
    }

    /// Derives `length` bytes. `info` is HKDF's.
    ///
    /// # Errors
    /// `invalid_params` for a digest that the method does not take, more bytes than it can give, or more work than may be
    /// done; `too_large` for a salt or an info beyond measure; `cancelled`.
    pub fn derive(
        self,
        digest: Option<&str>,
        secret: &[u8],
        salt: &[u8],
        info: &[u8],
        length: usize,
        pieces: &Pieces,
    ) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let name = digest.unwrap_or("SHA256");
        let unsupported = || {
            CallError::invalid(
                "digest",
                format!(
                    "{} with this key derivation is not supported; SHA1, SHA256, SHA384 and SHA512 are",
                    quote(name)
                ),
            )
        };
        let canonical = digest::canonical(name).ok_or_else(unsupported)?;
        kdf::check_length("salt", salt)?;
        kdf::check_length("info", info)?;
        let mut key = Zeroizing::new(vec![0; length]);
        match self {
            Self::Pbkdf2(rounds) => {
                kdf::pbkdf2(canonical, secret, salt, rounds, &mut key, pieces).ok_or_else(unsupported)??;
            }
            Self::Hkdf => kdf::hkdf(canonical, secret, salt, info, &mut key, pieces).ok_or_else(unsupported)??,
            Self::EvpBytesToKey(rounds) => {
                kdf::evp_bytes_to_key(canonical, secret, salt, rounds, &mut key, pieces)?;
            }
        }
        Ok(key)
    }
}

/// The parameters of `crypto.derive_key`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeriveKey<'a> {
    /// The pass phrase, or for HKDF the key, to derive from.
    #[serde(borrow)]
    passphrase: Bytes<'a>,
    /// The salt; may be empty.
    #[serde(borrow, default)]
    salt: Option<Bytes<'a>>,
    /// PBKDF2 (if not given), HKDF or EVP_BytesToKey.
    #[serde(borrow, default)]
    kdf: Option<Text<'a>>,
    /// How often; 600000 for PBKDF2 and 1 for EVP_BytesToKey if not given.
    #[serde(default)]
    iterations: Option<Integer>,
    /// SHA256 (if not given), SHA1, SHA384, SHA512; for EVP_BytesToKey also MD5 and SHA224.
    #[serde(borrow, default)]
    digest: Option<Text<'a>>,
    /// What the key is for; HKDF only.
    #[serde(borrow, default)]
    info: Option<Bytes<'a>>,
    /// How many bytes, 1 to 4096; 32 if not given.
    #[serde(default)]
    length: Option<Integer>,
}
kit::parameters!(DeriveKey<'_>);

/// The result of `crypto.derive_key`.
#[derive(Serialize, JsonSchema)]
pub struct DerivedKey {
    #[schemars(with = "String")]
    key_hex: Zeroizing<String>,
    length: usize,
}

/// `crypto.derive_key`. Takes its time, so it runs on a worker.
///
/// # Errors
/// As [`Method::of_name`] and [`Method::derive`].
pub fn derive_key(call: &mut Call<'_>, params: DeriveKey<'_>) -> Result<DerivedKey, CallError> {
    let method = Method::of_name(params.kdf.as_deref(), params.iterations)?;
    if params.info.is_some() && method != Method::Hkdf {
        return Err(CallError::invalid("info", "parameter `info` is HKDF's alone"));
    }
    let length = match params.length.unwrap_or(Integer(32)) {
        Integer(length @ 1..=LONGEST) => length as usize,
        _ => return Err(CallError::invalid("length", format!("parameter `length` must be from 1 to {LONGEST}"))),
    };
    let salt = params.salt.unwrap_or_default();
    let info = params.info.unwrap_or_default();
    let pieces = Pieces::of(call);
    let key = method.derive(params.digest.as_deref(), &params.passphrase, &salt, &info, length, &pieces)?;
    Ok(DerivedKey { key_hex: Zeroizing::new(encode_hex(&key)), length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::decode_hex;

    fn hex(text: &str) -> Vec<u8> {
        decode_hex(text.as_bytes()).unwrap().to_vec()
    }

    fn rounds(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn pbkdf2_as_the_standards_have_it() {
        let derive = |digest, count, length| {
            let key = Method::Pbkdf2(rounds(count))
                .derive(Some(digest), b"password", b"salt", b"", length, &Pieces::of_no_call())
                .unwrap();
            encode_hex(&key)
        };
        // RFC 6070.
        assert_eq!(derive("SHA1", 1, 20), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
        assert_eq!(derive("SHA1", 2, 20), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        assert_eq!(derive("SHA1", 4096, 20), "4b007901b765489abead49d926f721d065a429c1");
        // RFC 7914, section 11.
        let key = Method::Pbkdf2(rounds(1)).derive(None, b"passwd", b"salt", b"", 64, &Pieces::of_no_call()).unwrap();
        assert_eq!(
            encode_hex(&key),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
             49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
        );
    }

    #[test]
    fn hkdf_as_the_standard_has_it() {
        // RFC 5869, appendix A.1.
        let key = Method::Hkdf
            .derive(
                None,
                &hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                &hex("000102030405060708090a0b0c"),
                &hex("f0f1f2f3f4f5f6f7f8f9"),
                42,
                &Pieces::of_no_call(),
            )
            .unwrap();
        assert_eq!(
            encode_hex(&key),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        assert!(Method::Hkdf.derive(None, b"k", b"", b"", 255 * 32 + 1, &Pieces::of_no_call()).is_err());
    }

    #[test]
    fn evp_bytes_to_key_as_openssl_has_it() {
        // openssl enc -aes-256-cbc -md md5 (then sha256) -k secret -S 0001020304050607 -P, of OpenSSL 3.0.19.
        let derive = |digest| {
            let salt = hex("0001020304050607");
            let key = Method::EvpBytesToKey(rounds(1))
                .derive(Some(digest), b"secret", &salt, b"", 48, &Pieces::of_no_call())
                .unwrap();
            encode_hex(&key).to_uppercase()
        };
        assert_eq!(
            derive("MD5"),
            "035FB8145B73CF111570DC936112BE9C375A5D3D8B915BC213BDBEF9DBFB78511D112C3C48B1D30DBCEEAFF080816BE4"
        );
        assert_eq!(
            derive("SHA256"),
            "9407A397F39FD21FFE27F6FAA71ED3F0B2CF77F4319AD49B0C3BE4F1D8E3449190DB0C64E023A2DC02BF53C56837D1F0"
        );
        // And with -pbkdf2 -iter 10000.
        let salt = hex("0001020304050607");
        let key =
            Method::Pbkdf2(rounds(10_000)).derive(None, b"secret", &salt, b"", 48, &Pieces::of_no_call()).unwrap();
        assert_eq!(
            encode_hex(&key).to_uppercase(),
            "5405E260909794EEFA989175E5695C5A082FD19968AED316DEE1688769B94ADF8DCDC66E9CCD154E5A6165ABC88AE8A5"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(Method::of_name(Some("scrypt"), None).is_err());
        assert!(Method::of_name(Some("HKDF"), Some(Integer(5))).is_err());
        assert!(Method::of_name(None, Some(Integer(0))).is_err());
        assert!(Method::Hkdf.derive(Some("MD5"), b"k", b"", b"", 16, &Pieces::of_no_call()).is_err());
        assert_eq!(Method::of_name(Some("evp_bytestokey"), None).unwrap(), Method::EvpBytesToKey(rounds(1)));
    }
}
