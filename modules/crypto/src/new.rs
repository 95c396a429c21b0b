//! `crypto.new`: from what a script gives to a cipher that is kept.

use super::aead::{self, Sealer};
use super::cipher::{Algorithm, Cipher};
use super::crypt::{CIPHER, Kept};
use super::derive::Method;
use super::key::{prepare, text_of_file};
use kit::Call;
use kit::files::Wanted;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use kit::protocol::lenient::{Bytes, FileName, Ignored, Integer, Text, TextOrBytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest key file that is read.
const MAX_KEY_FILE: u64 = 1 << 20;
/// The shortest salt for a pass phrase, in bytes.
const SHORTEST_SALT: usize = 8;

/// The parameters of `crypto.new`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct New<'a> {
    /// The key. Text is tried as base64, then as hex, then taken as it is; bytes are taken as they are.
    #[serde(borrow, default)]
    key: Option<TextOrBytes<'a>>,
    /// A file with the key text, PEM armour allowed; only for the broker's own user.
    #[serde(borrow, default)]
    key_file: Option<FileName<'a>>,
    /// The content of a key file, read by the caller.
    #[serde(borrow, default)]
    key_file_content: Option<Bytes<'a>>,
    /// Blowfish (if not given), AES, Rijndael, DES or 3DES; for new data AES-128-GCM, AES-256-GCM or ChaCha20-Poly1305.
    #[serde(borrow, default)]
    cipher: Option<Text<'a>>,
    /// In place of a key, for the authenticated ciphers: what a key is derived from.
    #[serde(borrow, default)]
    passphrase: Option<Bytes<'a>>,
    /// The salt to derive with: random, at least 8 bytes, kept beside the data.
    #[serde(borrow, default)]
    salt: Option<Bytes<'a>>,
    /// PBKDF2 (if not given) or HKDF, with SHA-256.
    #[serde(borrow, default)]
    kdf: Option<Text<'a>>,
    /// Iterations of PBKDF2; 600000 if not given.
    #[serde(default)]
    iterations: Option<Integer>,
    /// Taken and not used: every ciphertext has an initialization vector of its own.
    #[serde(default, rename = "iv")]
    _iv: Option<Ignored>,
    /// Taken and not used: the initialization vector stands before the ciphertext.
    #[serde(default, rename = "header")]
    _header: Option<Ignored>,
    /// Taken and not used: padding is PKCS#7.
    #[serde(default, rename = "padding_mode")]
    _padding_mode: Option<Ignored>,
}
kit::parameters!(New<'_>);

/// The result of `crypto.new`.
#[derive(Serialize, JsonSchema)]
pub struct Made {
    cipher_id: String,
    cipher: String,
    key_length: usize,
}

/// `crypto.new`.
///
/// # Errors
/// `invalid_params` naming what is wrong with key or cipher, `denied` for files of another user's, `overloaded` above the
/// quota of handles.
pub fn new(call: &mut Call<'_>, params: New<'_>) -> Result<Made, CallError> {
    let name = params.cipher.as_deref().unwrap_or("Blowfish").to_owned();
    let (kept, key_length) = match (Algorithm::of_name(&name), aead::Algorithm::of_name(&name)) {
        (Some(algorithm), _) => new_legacy(algorithm, params)?,
        (None, Some(algorithm)) => new_sealer(call, algorithm, params)?,
        (None, None) => {
            let known = [&Algorithm::NAMES[..], &aead::Algorithm::NAMES[..]].concat().join(", ");
            let message = format!("Unsupported cipher algorithm: {}. Supported: {known}", quote(&name));
            return Err(CallError::invalid("cipher", message));
        }
    };
    let id = CIPHER.keep(call, kept)?;
    Ok(Made { cipher_id: id.to_string(), cipher: name, key_length })
}

/// A key as a script gives it, from wherever it gives it.
enum GivenKey<'a> {
    Here(TextOrBytes<'a>),
    File(Zeroizing<String>),
}

impl GivenKey<'_> {
    /// # Errors
    /// `invalid_params` for none, or a file that is of no use.
    fn of<'a>(
        key: Option<TextOrBytes<'a>>,
        content: Option<Bytes<'a>>,
        path: Option<FileName<'a>>,
    ) -> Result<GivenKey<'a>, CallError> {
        // An empty key counts as none, as it always did.
        match (key.filter(|key| !key.as_bytes().is_empty()), content, path) {
            (Some(key), _, _) => Ok(GivenKey::Here(key)),
            (None, Some(content), _) => Ok(GivenKey::File(key_text(&content)?)),
            (None, None, Some(path)) => Ok(GivenKey::File(key_text(&read_key_file(&path)?)?)),
            (None, None, None) => Err(CallError::invalid("key", "Either key or key_file must be provided")),
        }
    }

    fn with<T>(&self, take: impl FnOnce(&TextOrBytes<'_>) -> T) -> T {
        match self {
            Self::Here(key) => take(key),
            Self::File(text) => take(&TextOrBytes::Text(text.as_str().into())),
        }
    }
}

fn new_legacy(algorithm: Algorithm, params: New<'_>) -> Result<(Kept, usize), CallError> {
    if params.passphrase.is_some() {
        return Err(CallError::invalid(
            "passphrase",
            format!("{} takes a key; a pass phrase is for {}", algorithm.name(), aead::Algorithm::NAMES.join(", ")),
        ));
    }
    let given = GivenKey::of(params.key, params.key_file_content, params.key_file)?;
    let (key, key_length) = given.with(|key| (prepare(key, algorithm), length(key)));
    Ok((Kept::Legacy(Cipher::new(algorithm, &key)?), key_length))
}

fn new_sealer(call: &Call<'_>, algorithm: aead::Algorithm, params: New<'_>) -> Result<(Kept, usize), CallError> {
    let Some(passphrase) = params.passphrase else {
        let given = GivenKey::of(params.key, params.key_file_content, params.key_file)?;
        let key = given.with(|key| algorithm.exact_key(key))?;
        return Ok((Kept::Sealer(Sealer::new(algorithm, &key)?), given.with(length)));
    };
    if params.key.is_some() || params.key_file.is_some() || params.key_file_content.is_some() {
        return Err(CallError::invalid("passphrase", "give a key or a passphrase, not both"));
    }
    let salt = params.salt.filter(|salt| salt.len() >= SHORTEST_SALT).ok_or_else(|| {
        CallError::invalid(
            "salt",
            "a passphrase needs a random salt of at least 8 bytes; crypto.random_bytes makes one",
        )
    })?;
    let method = match Method::of_name(params.kdf.as_deref(), params.iterations)? {
        Method::EvpBytesToKey(_) => {
            return Err(CallError::invalid("kdf", "EVP_BytesToKey is for old data only; use PBKDF2 or HKDF"));
        }
        method => method,
    };
    let key = method.derive(None, &passphrase, &salt, b"", algorithm.key_size(), &Pieces::of(call))?;
    Ok((Kept::Sealer(Sealer::new(algorithm, &key)?), key.len()))
}

/// The length of a key as given: characters of a text, bytes otherwise.
fn length(key: &TextOrBytes<'_>) -> usize {
    match key {
        TextOrBytes::Text(text) => text.chars().count(),
        TextOrBytes::Bytes(bytes) => bytes.len(),
    }
}

fn key_text(content: &[u8]) -> Result<Zeroizing<String>, CallError> {
    let text = text_of_file(content);
    if text.is_empty() {
        return Err(CallError::invalid("key_file", "Failed to read key from file: it holds no key"));
    }
    Ok(text)
}

fn read_key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let wanted = Wanted { parameter: "key_file", path, failed: "Failed to read key from file", most: MAX_KEY_FILE };
    wanted.read()
}
