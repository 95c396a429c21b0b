//! A cipher that is kept between calls.
//!
//! A ciphertext is a random initialization vector of one block, followed by the plaintext in CBC mode with PKCS#7 padding
//! (RFC 5652, section 6.3).

use aes::{Aes128, Aes192, Aes256};
use blowfish::Blowfish;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit,
    KeyInit,
};
use cbc::{Decryptor, Encryptor};
use des::{Des, TdesEde3};
use kit::pieces::{PIECE, Pieces};
use kit::protocol::CallError;
use zeroize::Zeroizing;

/// A block cipher of the old data format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Blowfish, keys of 4 to 56 bytes.
    Blowfish,
    /// AES, keys of 16, 24 or 32 bytes. Also called Rijndael.
    Aes,
    /// DES, 8 bytes.
    Des,
    /// DES in EDE mode with three keys, 24 bytes.
    TripleDes,
}

impl Algorithm {
    /// The names that callers may use.
    pub const NAMES: [&'static str; 5] = ["Blowfish", "AES", "Rijndael", "DES", "3DES"];

    /// The algorithm of a name, in whatever case it is written.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "blowfish" => Self::Blowfish,
            "aes" | "rijndael" => Self::Aes,
            "des" => Self::Des,
            "3des" => Self::TripleDes,
            _ => return None,
        })
    }

    /// The name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blowfish => "Blowfish",
            Self::Aes => "AES",
            Self::Des => "DES",
            Self::TripleDes => "3DES",
        }
    }
}

/// A keyed cipher. Key and key schedule wipe themselves when dropped.
pub struct Cipher {
    algorithm: Algorithm,
    // Key schedules can't be moved to another program; the key can.
    key: Zeroizing<Vec<u8>>,
    keyed: Keyed,
}

enum Keyed {
    // Boxed: Blowfish's schedule is 4 KiB and would be copied with every move.
    Blowfish(Box<Blowfish>),
    Aes128(Box<Aes128>),
    Aes192(Box<Aes192>),
    Aes256(Box<Aes256>),
    Des(Box<Des>),
    TripleDes(Box<TdesEde3>),
}

/// Runs the same lines for whichever cipher is keyed.
macro_rules! with_cipher {
    ($keyed:expr, $cipher:ident => $body:expr) => {
        match $keyed {
            Keyed::Blowfish($cipher) => $body,
            Keyed::Aes128($cipher) => $body,
            Keyed::Aes192($cipher) => $body,
            Keyed::Aes256($cipher) => $body,
            Keyed::Des($cipher) => $body,
            Keyed::TripleDes($cipher) => $body,
        }
    };
}

impl Cipher {
    /// Keys a cipher. `key` is what [`super::key::prepare`] made of the caller's key.
    ///
    /// # Errors
    /// `failed` for a key of a size that the algorithm does not take.
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, CallError> {
        let keyed = match (algorithm, key.len()) {
            (Algorithm::Blowfish, _) => KeyInit::new_from_slice(key).map(|cipher| Keyed::Blowfish(Box::new(cipher))),
            (Algorithm::Aes, 16) => KeyInit::new_from_slice(key).map(|cipher| Keyed::Aes128(Box::new(cipher))),
            (Algorithm::Aes, 24) => KeyInit::new_from_slice(key).map(|cipher| Keyed::Aes192(Box::new(cipher))),
            (Algorithm::Aes, _) => KeyInit::new_from_slice(key).map(|cipher| Keyed::Aes256(Box::new(cipher))),
            (Algorithm::Des, _) => KeyInit::new_from_slice(key).map(|cipher| Keyed::Des(Box::new(cipher))),
            (Algorithm::TripleDes, _) => KeyInit::new_from_slice(key).map(|cipher| Keyed::TripleDes(Box::new(cipher))),
        };
        match keyed {
            Ok(keyed) => Ok(Self { algorithm, key: Zeroizing::new(key.to_vec()), keyed }),
            Err(_) => Err(CallError::failed(format!("{} takes no key of {} bytes", algorithm.name(), key.len()))),
        }
    }

    /// Bytes that it holds on the heap: the key and what was made of it.
    pub fn held(&self) -> usize {
        self.key.capacity() + with_cipher!(&self.keyed, cipher => size_of_val(&**cipher))
    }

    /// What it is.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key, as [`Cipher::new`] got it.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Bytes of a block, and so of the initialization vector.
    pub fn block_size(&self) -> usize {
        match self.keyed {
            Keyed::Blowfish(_) | Keyed::Des(_) | Keyed::TripleDes(_) => 8,
            Keyed::Aes128(_) | Keyed::Aes192(_) | Keyed::Aes256(_) => 16,
        }
    }

    /// Encrypts under a given initialization vector of one block.
    ///
    /// # Errors
    /// `failed` if `iv` is not one block, `cancelled`.
    pub fn encrypt(&self, iv: &[u8], plaintext: &[u8], pieces: &Pieces) -> Result<Vec<u8>, CallError> {
        with_cipher!(&self.keyed, cipher => encrypt_with(cipher.as_ref(), iv, plaintext, pieces))
    }

    /// Decrypts what [`Cipher::encrypt`] made.
    ///
    /// # Errors
    /// `failed` if it is not whole blocks behind an initialization vector, or its padding is wrong (most likely the key
    /// is not the one it was encrypted with). The two kinds of wrong padding are not told apart. `cancelled`.
    pub fn decrypt(&self, ciphertext: &[u8], pieces: &Pieces) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let block = self.block_size();
        if ciphertext.len() < 2 * block || !ciphertext.len().is_multiple_of(block) {
            return Err(CallError::failed(format!(
                "Decryption failed: the ciphertext is {} bytes, but {} gives an initialization vector and at least one \
                 block, {block} bytes each",
                ciphertext.len(),
                self.algorithm.name()
            )));
        }
        let (iv, blocks) = ciphertext.split_at(block);
        with_cipher!(&self.keyed, cipher => decrypt_with(cipher.as_ref(), iv, blocks, pieces))
    }
}

fn encrypt_with<C: BlockCipherEncrypt + BlockSizeUser>(
    cipher: &C,
    iv: &[u8],
    plaintext: &[u8],
    pieces: &Pieces,
) -> Result<Vec<u8>, CallError> {
    let mut mode = Encryptor::inner_iv_slice_init(cipher, iv)
        .map_err(|_| CallError::failed("the initialization vector is not one block"))?;
    let block = C::block_size();
    let mut ciphertext = vec![0; iv.len() + (plaintext.len() / block + 1) * block];
    let (head, body) = ciphertext.split_at_mut(iv.len());
    head.copy_from_slice(iv);
    let (whole, rest) = plaintext.split_at(plaintext.len() / block * block);
    let (whole_body, padded) = body.split_at_mut(whole.len());
    for (from, to) in whole.chunks(PIECE).zip(whole_body.chunks_mut(PIECE)) {
        pieces.begin()?;
        mode.encrypt_blocks_b2b(Array::slice_as_chunks(from).0, Array::slice_as_chunks_mut(to).0)
            .map_err(|_| CallError::failed("Encryption failed"))?;
    }
    mode.encrypt_padded_b2b::<Pkcs7>(rest, padded).map_err(|_| CallError::failed("Encryption failed"))?;
    Ok(ciphertext)
}

fn decrypt_with<C: BlockCipherDecrypt + BlockSizeUser>(
    cipher: &C,
    iv: &[u8],
    blocks: &[u8],
    pieces: &Pieces,
) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let mut mode = Decryptor::inner_iv_slice_init(cipher, iv)
        .map_err(|_| CallError::failed("the initialization vector is not one block"))?;
    let mut plaintext = Zeroizing::new(vec![0; blocks.len()]);
    let wrong = || CallError::failed("Decryption failed: wrong key, or not a ciphertext of this cipher");
    // The last block has the padding.
    let whole = blocks.len().saturating_sub(C::block_size());
    let (before, last) = plaintext.split_at_mut(whole);
    for (from, to) in blocks[..whole].chunks(PIECE).zip(before.chunks_mut(PIECE)) {
        pieces.begin()?;
        mode.decrypt_blocks_b2b(Array::slice_as_chunks(from).0, Array::slice_as_chunks_mut(to).0)
            .map_err(|_| wrong())?;
    }
    let kept = mode.decrypt_padded_b2b::<Pkcs7>(&blocks[whole..], last).map_err(|_| wrong())?.len();
    plaintext.truncate(whole + kept);
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{decode_hex, encode_hex};
    use proptest::prelude::*;

    fn cipher(algorithm: Algorithm, key_hex: &str) -> Cipher {
        Cipher::new(algorithm, &decode_hex(key_hex.as_bytes()).unwrap()).unwrap()
    }

    /// NIST SP 800-38A, F.2.1, F.2.3 and F.2.5: the first two blocks of CBC-AES.
    #[test]
    fn nist_cbc_vectors() {
        let iv = decode_hex(b"000102030405060708090a0b0c0d0e0f").unwrap();
        let plaintext = decode_hex(b"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51").unwrap();
        for (key, expected) in [
            ("2b7e151628aed2a6abf7158809cf4f3c", "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
            ),
        ] {
            let ciphertext = cipher(Algorithm::Aes, key).encrypt(&iv, &plaintext, &Pieces::of_no_call()).unwrap();
            assert_eq!(encode_hex(&ciphertext[16..48]), expected);
        }
    }

    #[test]
    fn tampered_and_short_ciphertexts_fail() {
        let cipher = cipher(Algorithm::Blowfish, "00112233445566778899");
        let good = cipher.encrypt(&[1; 8], b"hello", &Pieces::of_no_call()).unwrap();
        for length in 0..good.len() {
            assert!(cipher.decrypt(&good[..length], &Pieces::of_no_call()).is_err());
        }
        let mut bad = good.clone();
        // Flips the last byte of the padding through the IV, which is one block before.
        bad[7] ^= 0xff;
        assert!(cipher.decrypt(&bad, &Pieces::of_no_call()).is_err());
        assert_eq!(*cipher.decrypt(&good, &Pieces::of_no_call()).unwrap(), b"hello");
    }

    proptest! {
        #[test]
        fn round_trip(plaintext in prop::collection::vec(any::<u8>(), 0..100), which in 0usize..6) {
            let (algorithm, key) = [
                (Algorithm::Blowfish, 5), (Algorithm::Aes, 16), (Algorithm::Aes, 24), (Algorithm::Aes, 32),
                (Algorithm::Des, 8), (Algorithm::TripleDes, 24),
            ][which];
            let cipher = Cipher::new(algorithm, &vec![9; key]).unwrap();
            let iv = vec![3; cipher.block_size()];
            let ciphertext = cipher.encrypt(&iv, &plaintext, &Pieces::of_no_call()).unwrap();
            prop_assert_eq!(ciphertext.len() % cipher.block_size(), 0);
            prop_assert_eq!(&*cipher.decrypt(&ciphertext, &Pieces::of_no_call()).unwrap(), &plaintext);
        }
    }
}
