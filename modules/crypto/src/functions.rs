//! The functions of module `crypto`: parameters in, results out.

use super::chains::CHAIN;
use super::chains::{ChainFree, ChainNew, ChainNext, ChainOnce, chain_free, chain_new, chain_next, chain_once};
use super::crypt::CIPHER;
use super::crypt::{CleanupCipher, Decrypt, Encrypt, Raw, cleanup_cipher, decrypt, encrypt, hex_parameter};
use super::derive::{DeriveKey, derive_key};
use super::digest::{self, Hasher};
use super::key::encode_hex;
use super::new::{New, new};
use super::signature::{Scheme, public_key};
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use kit::protocol::lenient::{Bytes, Integer, Text, TextOrBytes};
use kit::{Call, Function, Module, NamedFile, Placement, random};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Parameters above this many bytes go to a worker: some tens of microseconds of the slowest cipher.
const INLINE_BYTES: usize = 4096;

/// A text, what comes of it, that in hex digits, which are two for a byte: so much of parameters is in memory at once.
const PARTS: usize = 4;

/// The module's table.
pub fn module() -> Module {
    let functions = vec![
        Function::new::<ChainFree<'static>, _>(
            "chain_free",
            "Frees a chain and wipes its key; freeing twice is no error.",
            chain_free,
        )
        .on_handle("chain_id"),
        Function::new::<ChainNew<'static>, _>(
            "chain_new",
            "Starts a block cipher in a chain mode, for data in pieces.",
            chain_new,
        ),
        Function::new::<ChainNext<'static>, _>("chain_next", "The next piece of data through a chain.", chain_next)
            .on_handle("chain_id")
            .runs(Placement::InlineUpTo(INLINE_BYTES)),
        Function::new::<ChainOnce<'static>, _>(
            "chain_once",
            "Data through a block cipher in a chain mode.",
            chain_once,
        )
        .runs(Placement::InlineUpTo(INLINE_BYTES)),
        Function::new::<CleanupCipher<'static>, _>(
            "cleanup_cipher",
            "Frees a cipher and wipes its key; freeing twice is no error.",
            cleanup_cipher,
        )
        .on_handle("cipher_id"),
        Function::new::<Decrypt<'static>, _>("decrypt", "Decrypts what encrypt made.", decrypt)
            .on_handle("cipher_id")
            .runs(Placement::InlineUpTo(INLINE_BYTES)),
        Function::new::<DeriveKey<'static>, _>("derive_key", "A key from a pass phrase or another key.", derive_key)
            .runs(Placement::Worker),
        Function::new::<Encrypt<'static>, _>("encrypt", "Encrypts under a fresh initialization vector.", encrypt)
            .on_handle("cipher_id")
            .runs(Placement::InlineUpTo(INLINE_BYTES)),
        Function::new::<GenerateKey<'static>, _>("generate_key", "A random key.", generate_key).while_locked(),
        // A lock closes what is kept here; these use none of it.
        Function::new::<Hash<'static>, _>("hash", "The digest of data.", hash)
            .while_locked()
            .runs(Placement::InlineUpTo(INLINE_BYTES)),
        Function::new::<New<'static>, _>("new", "Makes a cipher that later calls use by its cipher_id.", new)
            .runs(Placement::InlineWithout(&["key_file", "passphrase"]))
            .touches_files(&[NamedFile {
                parameter: "key_file",
                way_out: "read the file and send key_file_content",
                send_content_as: Some("key_file_content"),
            }]),
        Function::new::<RandomBytes, _>("random_bytes", "Bytes that nobody can guess.", random_bytes).while_locked(),
        Function::new::<Sign<'static>, _>("sign", "Signs data by HMAC or Ed25519.", sign)
            .runs(Placement::InlineUpTo(INLINE_BYTES)),
        Function::new::<Verify<'static>, _>("verify", "Whether a signature is right.", verify)
            .runs(Placement::InlineUpTo(INLINE_BYTES)),
    ];
    let functions = functions.into_iter().map(|function| function.keeps_secrets().unfolds(PARTS)).collect();
    Module::new("crypto", "Ciphers kept between calls, digests, signatures, keys.", functions)
        .with_kinds(vec![CIPHER.moves(), CHAIN.moves()])
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
kit::parameters!(Hash<'_>);

#[derive(Serialize, JsonSchema)]
struct Hashed {
    hash: String,
    algorithm: &'static str,
}

fn hash(call: &mut Call<'_>, params: Hash<'_>) -> Result<Hashed, CallError> {
    let name = params.algorithm.as_deref().unwrap_or("SHA256");
    let Some(algorithm) = digest::canonical(name) else {
        return Err(CallError::invalid(
            "algorithm",
            format!("Unsupported hash algorithm: {}. Supported: {}", quote(name), digest::NAMES.join(", ")),
        ));
    };
    let mut hasher = Hasher::new(algorithm);
    Pieces::of(call).each(&params.data, |piece| hasher.update(piece))?;
    Ok(Hashed { hash: encode_hex(&hasher.finish()), algorithm })
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
kit::parameters!(GenerateKey<'_>);

#[derive(Serialize, JsonSchema)]
struct GeneratedKey {
    #[schemars(with = "String")]
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
struct RandomBytes {
    /// How many, 1 to 4096; 32 if not given.
    #[serde(default)]
    length: Option<Integer>,
}
kit::parameters!(RandomBytes);

#[derive(Serialize, JsonSchema)]
struct Random {
    bytes: Raw,
    #[schemars(with = "String")]
    bytes_hex: Zeroizing<String>,
    length: usize,
}

fn random_bytes(_: &mut Call<'_>, params: RandomBytes) -> Result<Random, CallError> {
    const MOST: i64 = 4096;
    let length = match params.length.unwrap_or(Integer(32)) {
        Integer(length @ 1..=MOST) => length as usize,
        _ => return Err(CallError::invalid("length", format!("parameter `length` must be from 1 to {MOST}"))),
    };
    let mut bytes = Zeroizing::new(vec![0; length]);
    random::fill(&mut bytes)?;
    Ok(Random { bytes_hex: Zeroizing::new(encode_hex(&bytes)), length, bytes: Raw(bytes) })
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
kit::parameters!(Sign<'_>);

#[derive(Serialize, JsonSchema)]
struct Signed {
    signature: String,
    algorithm: &'static str,
}

fn sign(call: &mut Call<'_>, params: Sign<'_>) -> Result<Signed, CallError> {
    let scheme = Scheme::of_name(params.algorithm.as_deref())?;
    let signature = scheme.sign(&params.key, &params.data, &Pieces::of(call))?;
    Ok(Signed { signature: encode_hex(&signature), algorithm: scheme.name() })
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
kit::parameters!(Verify<'_>);

#[derive(Serialize, JsonSchema)]
struct Verified {
    valid: bool,
    algorithm: &'static str,
}

fn verify(call: &mut Call<'_>, params: Verify<'_>) -> Result<Verified, CallError> {
    let scheme = Scheme::of_name(params.algorithm.as_deref())?;
    let pieces = Pieces::of(call);
    let signature = hex_parameter("signature", &params.signature, &pieces)?;
    Ok(Verified { valid: scheme.verify(&params.key, &params.data, &signature, &pieces)?, algorithm: scheme.name() })
}
