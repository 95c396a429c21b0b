//! `crypto.encrypt`, `crypto.decrypt` and `crypto.cleanup_cipher`: work with a cipher that is kept.

pub use super::kept::Kept;
use super::key::{decode_hex_in_pieces, encode_hex_in_pieces};
use super::moved::unpack_cipher;
use kit::Kind;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::lenient::{Bytes, Text};
use kit::{Call, random};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The kind of handle that a cipher is.
pub const CIPHER: Kind<Kept> = Kind::new("cipher", "Invalid cipher ID or cipher expired").that_moves(unpack_cipher);

/// The parameters of `crypto.encrypt`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encrypt<'a> {
    /// The cipher, as `new` named it.
    #[serde(borrow)]
    cipher_id: Text<'a>,
    /// The plaintext; may be empty.
    #[serde(borrow, default)]
    plaintext: Option<Bytes<'a>>,
    /// The plaintext as hex digits; wins over `plaintext`.
    #[serde(borrow, default)]
    plaintext_hex: Option<Bytes<'a>>,
    /// For the authenticated ciphers: what is authenticated besides, and has to be given again to decrypt.
    #[serde(borrow, default)]
    aad: Option<Bytes<'a>>,
}
kit::parameters!(Encrypt<'_>);

/// The result of `crypto.encrypt`.
#[derive(Serialize, JsonSchema)]
pub struct Encrypted {
    #[schemars(with = "String")]
    encrypted: Zeroizing<String>,
    length: usize,
    algorithm: &'static str,
}

/// `crypto.encrypt`.
///
/// # Errors
/// `not_found` for an unknown handle, `invalid_params`, `failed`, `too_large`, `cancelled`.
pub fn encrypt(call: &mut Call<'_>, params: Encrypt<'_>) -> Result<Encrypted, CallError> {
    let pieces = Pieces::of(call);
    let kept = CIPHER.get(call, &params.cipher_id)?;
    let decoded;
    let plaintext: &[u8] = match (&params.plaintext_hex, &params.plaintext) {
        (Some(hex), _) => {
            decoded = hex_parameter("plaintext_hex", hex, &pieces)?;
            &decoded
        }
        (None, Some(plaintext)) => plaintext,
        (None, None) => {
            return Err(CallError::invalid("plaintext", "either plaintext or plaintext_hex must be given"));
        }
    };
    let (ciphertext, algorithm) = match kept {
        Kept::Legacy(cipher) => {
            refuse_aad(params.aad.as_ref())?;
            let mut iv = [0; 16];
            let iv = &mut iv[..cipher.block_size()];
            random::fill(iv)?;
            (cipher.encrypt(iv, plaintext, &pieces)?, cipher.algorithm().name())
        }
        Kept::Sealer(sealer) => {
            (sealer.seal(params.aad.as_deref().unwrap_or_default(), plaintext, &pieces)?, sealer.algorithm().name())
        }
    };
    let encrypted = encode_hex_in_pieces(&ciphertext, &pieces)?;
    Ok(Encrypted { length: encrypted.len(), encrypted, algorithm })
}

fn refuse_aad(aad: Option<&Bytes<'_>>) -> Result<(), CallError> {
    match aad {
        None => Ok(()),
        Some(_) => Err(CallError::invalid("aad", "parameter `aad` is for the authenticated ciphers")),
    }
}

/// The bytes of a parameter that holds hex digits.
///
/// # Errors
/// `invalid_params`, saying what is wrong with them; `cancelled`.
pub fn hex_parameter(name: &str, hex: &[u8], pieces: &Pieces) -> Result<Zeroizing<Vec<u8>>, CallError> {
    decode_hex_in_pieces(hex, pieces)?.ok_or_else(|| {
        let why = if hex.len() % 2 == 1 { "an odd number of digits" } else { "a character that is no hex digit" };
        CallError::invalid(name, format!("Invalid hex input: {why}"))
    })
}

/// The parameters of `crypto.decrypt`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decrypt<'a> {
    /// The cipher, as `new` named it.
    #[serde(borrow)]
    cipher_id: Text<'a>,
    /// What encrypt gave as `encrypted`.
    #[serde(borrow)]
    hex_ciphertext: Bytes<'a>,
    /// What was authenticated besides.
    #[serde(borrow, default)]
    aad: Option<Bytes<'a>>,
}
kit::parameters!(Decrypt<'_>);

/// Bytes that are `bin` on the wire whatever they look like.
pub struct Raw(pub Zeroizing<Vec<u8>>);

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

kit::protocol::lenient::described_as!(Raw, "bytes");

/// The result of `crypto.decrypt`.
#[derive(Serialize, JsonSchema)]
pub struct Decrypted {
    decrypted: Raw,
    #[schemars(with = "String")]
    decrypted_hex: Zeroizing<String>,
    length: usize,
    algorithm: &'static str,
}

/// `crypto.decrypt`.
///
/// # Errors
/// `not_found` for an unknown handle, `invalid_params`, `failed`, `too_large`, `cancelled`.
pub fn decrypt(call: &mut Call<'_>, params: Decrypt<'_>) -> Result<Decrypted, CallError> {
    let pieces = Pieces::of(call);
    let kept = CIPHER.get(call, &params.cipher_id)?;
    let ciphertext = hex_parameter("hex_ciphertext", &params.hex_ciphertext, &pieces)?;
    let (plaintext, algorithm) = match kept {
        Kept::Legacy(cipher) => {
            refuse_aad(params.aad.as_ref())?;
            (cipher.decrypt(&ciphertext, &pieces)?, cipher.algorithm().name())
        }
        Kept::Sealer(sealer) => {
            (sealer.open(params.aad.as_deref().unwrap_or_default(), &ciphertext, &pieces)?, sealer.algorithm().name())
        }
    };
    Ok(Decrypted {
        decrypted_hex: encode_hex_in_pieces(&plaintext, &pieces)?,
        length: plaintext.len(),
        algorithm,
        decrypted: Raw(plaintext),
    })
}

/// The parameters of `crypto.cleanup_cipher`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanupCipher<'a> {
    /// The cipher, as `new` named it.
    #[serde(borrow)]
    cipher_id: Text<'a>,
}
kit::parameters!(CleanupCipher<'_>);

/// The result of `crypto.cleanup_cipher`.
#[derive(Serialize, JsonSchema)]
pub struct CleanedUp {
    cipher_id: String,
    cleaned_up: bool,
}

/// `crypto.cleanup_cipher`.
///
/// # Errors
/// `failed` without a broker.
pub fn cleanup_cipher(call: &mut Call<'_>, params: CleanupCipher<'_>) -> Result<CleanedUp, CallError> {
    CIPHER.free(call, &params.cipher_id)?;
    Ok(CleanedUp { cipher_id: params.cipher_id.0.into_owned(), cleaned_up: true })
}
