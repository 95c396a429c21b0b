//! The functions of module `crypto`: parameters in, results out.

use super::cipher::{Algorithm, Cipher};
use super::digest;
use super::key::{decode_hex, encode_hex, prepare, text_of_file};
use super::signature::{Scheme, public_key};
use crate::modules::random;
use crate::modules::{Call, Function, Module, Placement, Touches};
use crate::protocol::error::{ErrorData, quote};
use crate::protocol::lenient::{Bytes, Ignored, Integer, Text, TextOrBytes};
use crate::protocol::{CallError, Code};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The kind of handle that a cipher is.
const KIND: &str = "cipher";

/// Parameters above this many bytes go to a worker: some tens of microseconds of the slowest cipher.
const INLINE_BYTES: usize = 4096;

/// The largest key file that is read.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The module's table.
pub fn module() -> Module {
    Module {
        name: "crypto",
        doc: "Ciphers kept between calls, digests, signatures, keys.",
        functions: vec![
            Function::new::<CleanupCipher<'static>, _>(
                "cleanup_cipher",
                "Frees a cipher and wipes its key; freeing twice is no error.",
                cleanup_cipher,
            )
            .on_handle("cipher_id"),
            Function::new::<Decrypt<'static>, _>("decrypt", "Decrypts what encrypt made.", decrypt)
                .on_handle("cipher_id")
                .runs(Placement::InlineUpTo(INLINE_BYTES)),
            Function::new::<Encrypt<'static>, _>("encrypt", "Encrypts under a fresh initialization vector.", encrypt)
                .on_handle("cipher_id")
                .runs(Placement::InlineUpTo(INLINE_BYTES)),
            Function::new::<GenerateKey<'static>, _>("generate_key", "A random key.", generate_key),
            Function::new::<Hash<'static>, _>("hash", "The digest of data.", hash)
                .runs(Placement::InlineUpTo(INLINE_BYTES)),
            Function::new::<New<'static>, _>("new", "Makes a cipher that later calls use by its cipher_id.", new)
                .runs(Placement::InlineWithout("key_file"))
                .touches(Touches::Files),
            Function::new::<Sign<'static>, _>("sign", "Signs data by HMAC or Ed25519.", sign)
                .runs(Placement::InlineUpTo(INLINE_BYTES)),
            Function::new::<Verify<'static>, _>("verify", "Whether a signature is right.", verify)
                .runs(Placement::InlineUpTo(INLINE_BYTES)),
        ],
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New<'a> {
    /// The key. Text is tried as base64, then as hex, then taken as it is; bytes are taken as they are.
    #[serde(borrow, default)]
    key: Option<TextOrBytes<'a>>,
    /// A file with the key text, PEM armour allowed; only for the broker's own user.
    #[serde(borrow, default)]
    key_file: Option<Text<'a>>,
    /// The content of a key file, read by the caller.
    #[serde(borrow, default)]
    key_file_content: Option<Bytes<'a>>,
    /// Blowfish (if not given), AES, Rijndael, DES or 3DES.
    #[serde(borrow, default)]
    cipher: Option<Text<'a>>,
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
crate::parameters!(New<'_>);

#[derive(Serialize)]
struct Made {
    cipher_id: String,
    cipher: String,
    key_length: usize,
}

fn new(call: &mut Call<'_>, params: New<'_>) -> Result<Made, CallError> {
    let name = params.cipher.as_deref().unwrap_or("Blowfish");
    let Some(algorithm) = Algorithm::of_name(name) else {
        return Err(CallError::invalid(
            "cipher",
            format!("Unsupported cipher algorithm: {}. Supported: {}", quote(name), Algorithm::NAMES.join(", ")),
        ));
    };
    // An empty key counts as none, as it always did.
    let given = params.key.filter(|key| !key.as_bytes().is_empty());
    let (key, key_length) = match (given, params.key_file_content, params.key_file) {
        (Some(key), _, _) => (prepare(&key, algorithm), length(&key)),
        (None, Some(content), _) => from_file_content(&content, algorithm)?,
        (None, None, Some(path)) => from_file_content(&read_key_file(call, &path)?, algorithm)?,
        (None, None, None) => return Err(CallError::invalid("key", "Either key or key_file must be provided")),
    };
    let cipher = Cipher::new(algorithm, &key)?;
    let id = call.handles().insert(KIND, cipher)?;
    Ok(Made { cipher_id: id.to_string(), cipher: name.to_owned(), key_length })
}

/// The length of a key as given: characters of a text, bytes otherwise.
fn length(key: &TextOrBytes<'_>) -> usize {
    match key {
        TextOrBytes::Text(text) => text.chars().count(),
        TextOrBytes::Bytes(bytes) => bytes.len(),
    }
}

fn from_file_content(content: &[u8], algorithm: Algorithm) -> Result<(Zeroizing<Vec<u8>>, usize), CallError> {
    let text = text_of_file(content);
    if text.is_empty() {
        return Err(CallError::invalid("key_file", "Failed to read key from file: it holds no key"));
    }
    let key = prepare(&TextOrBytes::Text(text.as_str().into()), algorithm);
    Ok((key, text.chars().count()))
}

fn read_key_file(call: &Call<'_>, path: &str) -> Result<Zeroizing<Vec<u8>>, CallError> {
    use std::io::Read;
    if !call.caller.privileged {
        let data = ErrorData {
            parameter: Some("key_file".to_owned()),
            send_content_as: Some("key_file_content".to_owned()),
            ..ErrorData::default()
        };
        return Err(CallError {
            code: Code::Denied,
            message: "the broker runs as another user and opens no files for you; read the file and send \
                      key_file_content"
                .to_owned(),
            data: Some(Box::new(data)),
        });
    }
    let failed =
        |why: String| CallError::invalid("key_file", format!("Failed to read key from file: {}: {why}", quote(path)));
    // The broker's working directory is not the caller's.
    if !path.starts_with('/') {
        return Err(failed("the path must be absolute".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > MAX_KEY_FILE {
        return Err(failed(format!("not a file of at most {MAX_KEY_FILE} bytes")));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(MAX_KEY_FILE).read_to_end(&mut content).map_err(|error| failed(error.to_string()))?;
    Ok(content)
}

fn find<'c>(call: &'c mut Call<'_>, cipher_id: &str) -> Result<&'c mut Cipher, CallError> {
    call.handles()
        .get::<Cipher>(cipher_id)?
        .ok_or_else(|| CallError::new(Code::NotFound, "Invalid cipher ID or cipher expired"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Encrypt<'a> {
    /// The cipher, as `new` named it.
    #[serde(borrow)]
    cipher_id: Text<'a>,
    /// The plaintext; may be empty.
    #[serde(borrow, default)]
    plaintext: Option<Bytes<'a>>,
    /// The plaintext as hex digits; wins over `plaintext`.
    #[serde(borrow, default)]
    plaintext_hex: Option<Bytes<'a>>,
}
crate::parameters!(Encrypt<'_>);

#[derive(Serialize)]
struct Encrypted {
    encrypted: String,
    length: usize,
    algorithm: &'static str,
}

fn encrypt(call: &mut Call<'_>, params: Encrypt<'_>) -> Result<Encrypted, CallError> {
    let cipher = find(call, &params.cipher_id)?;
    let mut iv = [0; 16];
    let iv = &mut iv[..cipher.block_size()];
    random::fill(iv)?;
    let ciphertext = match (&params.plaintext_hex, &params.plaintext) {
        (Some(hex), _) => cipher.encrypt(iv, &hex_parameter("plaintext_hex", hex)?)?,
        (None, Some(plaintext)) => cipher.encrypt(iv, plaintext)?,
        (None, None) => {
            return Err(CallError::invalid("plaintext", "either plaintext or plaintext_hex must be given"));
        }
    };
    let encrypted = encode_hex(&ciphertext);
    Ok(Encrypted { length: encrypted.len(), encrypted, algorithm: cipher.algorithm().name() })
}

fn hex_parameter(name: &str, hex: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError> {
    decode_hex(hex).ok_or_else(|| {
        let why = if hex.len() % 2 == 1 { "an odd number of digits" } else { "a character that is no hex digit" };
        CallError::invalid(name, format!("Invalid hex input: {why}"))
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Decrypt<'a> {
    /// The cipher, as `new` named it.
    #[serde(borrow)]
    cipher_id: Text<'a>,
    /// What encrypt gave as `encrypted`.
    #[serde(borrow)]
    hex_ciphertext: Bytes<'a>,
}
crate::parameters!(Decrypt<'_>);

struct Plaintext(Zeroizing<Vec<u8>>);

impl Serialize for Plaintext {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(&self.0),
        }
    }
}

#[derive(Serialize)]
struct Decrypted {
    decrypted: Plaintext,
    decrypted_hex: Zeroizing<String>,
    length: usize,
    algorithm: &'static str,
}

fn decrypt(call: &mut Call<'_>, params: Decrypt<'_>) -> Result<Decrypted, CallError> {
    let cipher = find(call, &params.cipher_id)?;
    let ciphertext = hex_parameter("hex_ciphertext", &params.hex_ciphertext)?;
    let plaintext = cipher.decrypt(&ciphertext)?;
    Ok(Decrypted {
        decrypted_hex: Zeroizing::new(encode_hex(&plaintext)),
        length: plaintext.len(),
        algorithm: cipher.algorithm().name(),
        decrypted: Plaintext(plaintext),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CleanupCipher<'a> {
    /// The cipher, as `new` named it.
    #[serde(borrow)]
    cipher_id: Text<'a>,
}
crate::parameters!(CleanupCipher<'_>);

#[derive(Serialize)]
struct CleanedUp {
    cipher_id: String,
    cleaned_up: bool,
}

fn cleanup_cipher(call: &mut Call<'_>, params: CleanupCipher<'_>) -> Result<CleanedUp, CallError> {
    call.handles().remove(KIND, &params.cipher_id)?;
    Ok(CleanedUp { cipher_id: params.cipher_id.0.into_owned(), cleaned_up: true })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hash<'a> {
    /// What to digest.
    #[serde(borrow)]
    data: Bytes<'a>,
    /// SHA256 (if not given), SHA1, SHA224, SHA384, SHA512 or MD5.
    #[serde(borrow, default)]
    algorithm: Option<Text<'a>>,
}
crate::parameters!(Hash<'_>);

#[derive(Serialize)]
struct Hashed {
    hash: String,
    algorithm: &'static str,
}

fn hash(_: &mut Call<'_>, params: Hash<'_>) -> Result<Hashed, CallError> {
    let name = params.algorithm.as_deref().unwrap_or("SHA256");
    let Some(algorithm) = digest::canonical(name) else {
        return Err(CallError::invalid(
            "algorithm",
            format!("Unsupported hash algorithm: {}. Supported: {}", quote(name), digest::NAMES.join(", ")),
        ));
    };
    Ok(Hashed { hash: encode_hex(&digest::digest(algorithm, &params.data)), algorithm })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GenerateKey<'a> {
    /// The algorithm the key is for; gives the length. Ed25519 gives a public key besides.
    #[serde(borrow, default)]
    algorithm: Option<Text<'a>>,
    /// How many bytes, 1 to 4096; wins over the algorithm's usual length. 32 if neither is given.
    #[serde(default)]
    length: Option<Integer>,
}
crate::parameters!(GenerateKey<'_>);

#[derive(Serialize)]
struct GeneratedKey {
    key_hex: Zeroizing<String>,
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_hex: Option<String>,
}

fn generate_key(_: &mut Call<'_>, params: GenerateKey<'_>) -> Result<GeneratedKey, CallError> {
    const LONGEST: i64 = 4096;
    let algorithm = params.algorithm.as_deref().map(str::to_ascii_lowercase);
    let usual = match algorithm.as_deref() {
        None | Some("aes" | "aes-256" | "rijndael" | "aes-256-gcm" | "chacha20-poly1305" | "ed25519") => 32,
        Some("aes-128" | "aes-128-gcm") => 16,
        Some("aes-192" | "3des") => 24,
        Some("blowfish") => 56,
        Some("des") => 8,
        Some("hmac-sha256") => 32,
        Some(_) => {
            return Err(CallError::invalid(
                "algorithm",
                "no usual key length is known for this algorithm; give `length` instead",
            ));
        }
    };
    let is_ed25519 = algorithm.as_deref() == Some("ed25519");
    let length = match params.length {
        None => usual,
        Some(Integer(length)) if is_ed25519 && length != 32 => {
            return Err(CallError::invalid("length", "an Ed25519 key is 32 bytes"));
        }
        Some(Integer(length @ 1..=LONGEST)) => length as usize,
        Some(_) => return Err(CallError::invalid("length", format!("parameter `length` must be from 1 to {LONGEST}"))),
    };
    let mut key = Zeroizing::new(vec![0; length]);
    random::fill(&mut key)?;
    let public_key_hex = if is_ed25519 { Some(encode_hex(&public_key(&key)?)) } else { None };
    Ok(GeneratedKey { key_hex: Zeroizing::new(encode_hex(&key)), length, public_key_hex })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sign<'a> {
    /// The key: any bytes for HMAC, a seed or PKCS#8 for Ed25519.
    #[serde(borrow)]
    key: TextOrBytes<'a>,
    /// What to sign.
    #[serde(borrow)]
    data: Bytes<'a>,
    /// HMAC-SHA256 (if not given), HMAC-SHA1, HMAC-SHA384, HMAC-SHA512 or Ed25519.
    #[serde(borrow, default)]
    algorithm: Option<Text<'a>>,
}
crate::parameters!(Sign<'_>);

#[derive(Serialize)]
struct Signed {
    signature: String,
    algorithm: &'static str,
}

fn sign(_: &mut Call<'_>, params: Sign<'_>) -> Result<Signed, CallError> {
    let scheme = Scheme::of_name(params.algorithm.as_deref())?;
    Ok(Signed { signature: encode_hex(&scheme.sign(&params.key, &params.data)?), algorithm: scheme.name() })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Verify<'a> {
    /// The key: the same for HMAC, the public one for Ed25519.
    #[serde(borrow)]
    key: TextOrBytes<'a>,
    /// What was signed.
    #[serde(borrow)]
    data: Bytes<'a>,
    /// The signature as hex digits.
    #[serde(borrow)]
    signature: Bytes<'a>,
    /// As for sign.
    #[serde(borrow, default)]
    algorithm: Option<Text<'a>>,
}
crate::parameters!(Verify<'_>);

#[derive(Serialize)]
struct Verified {
    valid: bool,
    algorithm: &'static str,
}

fn verify(_: &mut Call<'_>, params: Verify<'_>) -> Result<Verified, CallError> {
    let scheme = Scheme::of_name(params.algorithm.as_deref())?;
    let signature = hex_parameter("signature", &params.signature)?;
    Ok(Verified { valid: scheme.verify(&params.key, &params.data, &signature)?, algorithm: scheme.name() })
}
