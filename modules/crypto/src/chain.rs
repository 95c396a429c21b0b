//! Block ciphers in the chain modes that data of ten years was written in (NIST SP 800-38A; PCBC as in Kerberos 4).
//!
//! A chain is a keyed cipher, a mode, a direction, and how far it has come: data may be given to it in any number of
//! pieces, so a file of any size passes through bounded memory. Padding is the caller's; ECB, CBC and PCBC take whole blocks,
//! the others any number of bytes.

pub use super::mode::{Direction, Mode};
use super::position::Position;
use aes::{Aes128, Aes192, Aes256};
use blowfish::Blowfish;
use cast5::Cast5;
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit,
    KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use ctr::CtrCore;
use ctr::flavors::{Ctr64BE, Ctr128BE};
use des::{Des, TdesEde3};
use idea::Idea;
use kit::pieces::{PIECE, Pieces};
use kit::protocol::CallError;
use kit::protocol::error::quote;
use twofish::Twofish;
use zeroize::Zeroizing;

/// Bytes of the largest block there is.
const LARGEST_BLOCK: usize = 16;

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES, which is Rijndael with blocks of 16 bytes: keys of 16, 24 or 32 bytes.
    Aes,
    /// Blowfish: keys of 4 to 56 bytes.
    Blowfish,
    /// CAST-128 (RFC 2144): keys of 5 to 16 bytes.
    Cast5,
    /// DES: 8 bytes.
    Des,
    /// Triple DES, encrypt-decrypt-encrypt with three keys: 24 bytes.
    DesEde3,
    /// IDEA: 16 bytes.
    Idea,
    /// Twofish: keys of 16, 24 or 32 bytes.
    Twofish,
}

impl Algorithm {
    /// The names that callers may use; `Rijndael` stands for AES and `3DES` for DES_EDE3 as well.
    pub const NAMES: [&'static str; 7] = ["AES", "Blowfish", "CAST5", "DES", "DES_EDE3", "IDEA", "Twofish"];

    /// The name among [`Algorithm::NAMES`].
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The algorithm of a name, in whatever case it is written.
    ///
    /// # Errors
    /// `invalid_params` listing what there is.
    pub fn of_name(name: &str) -> Result<Self, CallError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "aes" | "rijndael" => Self::Aes,
            "blowfish" => Self::Blowfish,
            "cast5" => Self::Cast5,
            "des" => Self::Des,
            "des_ede3" | "3des" => Self::DesEde3,
            "idea" => Self::Idea,
            "twofish" => Self::Twofish,
            _ => {
                let known = Self::NAMES.join(", ");
                let message = format!("Unsupported cipher algorithm: {}. Supported: {known}", quote(name));
                return Err(CallError::invalid("cipher", message));
            }
        })
    }
}

/// Something that turns bytes into as many other bytes, in place, and remembers where it is. Wipes itself when dropped.
trait Transform: Send {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven>;
}

/// Data that is not whole blocks, for a mode that takes only those.
struct Uneven;

/// A cipher under way.
pub struct Chain {
    transform: Box<dyn Transform>,
    algorithm: Algorithm,
    mode: Mode,
    direction: Direction,
    // What another program needs to go on with it.
    key: Zeroizing<Vec<u8>>,
    position: Position,
    block_size: usize,
}

impl Chain {
    /// Keys a cipher and takes an initialization vector of one block; ECB has none, and makes nothing of one.
    ///
    /// # Errors
    /// `invalid_params` for a key or an initialization vector of the wrong size.
    pub fn new(
        algorithm: Algorithm,
        mode: Mode,
        direction: Direction,
        key: &[u8],
        iv: &[u8],
    ) -> Result<Self, CallError> {
        macro_rules! keyed {
            ($cipher:ty, $ctr:ident) => {{
                let block_size = <$cipher as BlockSizeUser>::block_size();
                let cipher = <$cipher as KeyInit>::new_from_slice(key).map_err(|_| wrong_key(algorithm, key))?;
                let iv = if mode == Mode::Ecb && iv.is_empty() { &[0; LARGEST_BLOCK][..block_size] } else { iv };
                if iv.len() != block_size {
                    return Err(CallError::invalid(
                        "iv",
                        format!("the initialization vector must be {block_size} bytes, not {}", iv.len()),
                    ));
                }
                // The sizes are right from here on; the crates ask for proof all the same.
                let wrong = |_| CallError::invalid("iv", "the initialization vector is not one block");
                let transform: Box<dyn Transform> = match (mode, direction) {
                    (Mode::Ecb, Direction::Encrypt) => Box::new(EachEncrypted(cipher)),
                    (Mode::Ecb, Direction::Decrypt) => Box::new(EachDecrypted(cipher)),
                    (Mode::Cbc, Direction::Encrypt) => {
                        Box::new(Encrypting(cbc::Encryptor::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?))
                    }
                    (Mode::Cbc, Direction::Decrypt) => {
                        Box::new(Decrypting(cbc::Decryptor::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?))
                    }
                    (Mode::Pcbc, Direction::Encrypt) => Box::new(Encrypting(
                        pcbc::Encryptor::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?,
                    )),
                    (Mode::Pcbc, Direction::Decrypt) => Box::new(Decrypting(
                        pcbc::Decryptor::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?,
                    )),
                    (Mode::Cfb, Direction::Encrypt) => {
                        Box::new(cfb_mode::BufEncryptor::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?)
                    }
                    (Mode::Cfb, Direction::Decrypt) => {
                        Box::new(cfb_mode::BufDecryptor::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?)
                    }
                    (Mode::Ofb, _) => Box::new(Streaming(StreamCipherCoreWrapper::from_core(
                        ofb::OfbCore::<$cipher>::inner_iv_slice_init(cipher, iv).map_err(wrong)?,
                    ))),
                    (Mode::Ctr, _) => Box::new(Streaming(StreamCipherCoreWrapper::from_core(
                        CtrCore::<$cipher, $ctr>::inner_iv_slice_init(cipher, iv).map_err(wrong)?,
                    ))),
                };
                let (key, position) = (Zeroizing::new(key.to_vec()), Position::new(iv));
                Ok(Self { transform, algorithm, mode, direction, key, position, block_size })
            }};
        }
        match (algorithm, key.len()) {
            (Algorithm::Aes, 16) => keyed!(Aes128, Ctr128BE),
            (Algorithm::Aes, 24) => keyed!(Aes192, Ctr128BE),
            (Algorithm::Aes, _) => keyed!(Aes256, Ctr128BE),
            (Algorithm::Blowfish, _) => keyed!(Blowfish, Ctr64BE),
            (Algorithm::Cast5, _) => keyed!(Cast5, Ctr64BE),
            (Algorithm::Des, _) => keyed!(Des, Ctr64BE),
            (Algorithm::DesEde3, _) => keyed!(TdesEde3, Ctr64BE),
            (Algorithm::Idea, _) => keyed!(Idea, Ctr64BE),
            (Algorithm::Twofish, _) => keyed!(Twofish, Ctr128BE),
        }
    }

    /// Bytes that it holds on the heap: the cipher, the key, and where it has come to.
    pub fn held(&self) -> usize {
        size_of_val(&*self.transform) + self.key.capacity()
    }

    /// Bytes of a block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Takes the next piece of data, in place.
    ///
    /// # Errors
    /// `invalid_params` for data that is not whole blocks, in ECB, CBC and PCBC.
    pub fn apply(&mut self, data: &mut [u8]) -> Result<(), CallError> {
        self.apply_in_pieces(data, &Pieces::of_no_call())
    }

    /// As [`Chain::apply`], for data of any length.
    ///
    /// # Errors
    /// As [`Chain::apply`]; `cancelled`. In both cases the chain is as it was before.
    pub fn apply_in_pieces(&mut self, data: &mut [u8], pieces: &Pieces) -> Result<(), CallError> {
        let takes_blocks = matches!(self.mode, Mode::Ecb | Mode::Cbc | Mode::Pcbc);
        if takes_blocks && !data.len().is_multiple_of(self.block_size) {
            return Err(self.uneven(data.len()));
        }
        let mut before = None;
        for (index, piece) in data.chunks_mut(PIECE).enumerate() {
            match (pieces.begin(), &before) {
                (Ok(()), _) if index == 0 => before = Some(self.position.clone()),
                (Ok(()), _) => {}
                (Err(given_up), Some(before)) => {
                    self.go_back(before)?;
                    return Err(given_up);
                }
                (Err(given_up), None) => return Err(given_up),
            }
            self.take(piece)?;
        }
        Ok(())
    }

    fn take(&mut self, data: &mut [u8]) -> Result<(), CallError> {
        let ending = self.position.look_at(data);
        self.transform.apply(data).map_err(|Uneven| self.uneven(data.len()))?;
        self.position.advance(self.mode, self.direction, &ending, data);
        Ok(())
    }

    /// Becomes what it was at an earlier position: a caller that gave up a piece may send it again.
    fn go_back(&mut self, to: &Position) -> Result<(), CallError> {
        let mut chain = Self::new(self.algorithm, self.mode, self.direction, &self.key, to.iv())?;
        let mut given = Zeroizing::new(to.given().to_vec());
        chain.take(&mut given)?;
        *self = chain;
        Ok(())
    }

    fn uneven(&self, length: usize) -> CallError {
        CallError::invalid(
            "data",
            format!("this chain mode takes whole blocks of {} bytes, not {length} bytes", self.block_size),
        )
    }

    /// What it does.
    pub fn kind(&self) -> (Algorithm, Mode, Direction) {
        (self.algorithm, self.mode, self.direction)
    }

    /// The key, as it was given.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// How far it has come.
    pub fn position(&self) -> &Position {
        &self.position
    }
}

fn wrong_key(algorithm: Algorithm, key: &[u8]) -> CallError {
    let takes = match algorithm {
        Algorithm::Aes | Algorithm::Twofish => "16, 24 or 32",
        Algorithm::Blowfish => "4 to 56",
        Algorithm::Cast5 => "5 to 16",
        Algorithm::Des => "8",
        Algorithm::DesEde3 => "24",
        Algorithm::Idea => "16",
    };
    let name = algorithm.name();
    CallError::invalid("key", format!("{name} takes a key of {takes} bytes, not {}", key.len()))
}

struct EachEncrypted<C>(C);

impl<C: BlockCipherEncrypt + Send> Transform for EachEncrypted<C> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        let (blocks, []) = Array::slice_as_chunks_mut(data) else { return Err(Uneven) };
        self.0.encrypt_blocks(blocks);
        Ok(())
    }
}

struct EachDecrypted<C>(C);

impl<C: BlockCipherDecrypt + Send> Transform for EachDecrypted<C> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        let (blocks, []) = Array::slice_as_chunks_mut(data) else { return Err(Uneven) };
        self.0.decrypt_blocks(blocks);
        Ok(())
    }
}

struct Encrypting<M>(M);

impl<M: BlockModeEncrypt + Send> Transform for Encrypting<M> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        let (blocks, []) = Array::slice_as_chunks_mut(data) else { return Err(Uneven) };
        self.0.encrypt_blocks(blocks);
        Ok(())
    }
}

struct Decrypting<M>(M);

impl<M: BlockModeDecrypt + Send> Transform for Decrypting<M> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        let (blocks, []) = Array::slice_as_chunks_mut(data) else { return Err(Uneven) };
        self.0.decrypt_blocks(blocks);
        Ok(())
    }
}

struct Streaming<M>(M);

impl<M: StreamCipher + Send> Transform for Streaming<M> {
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        // Only a counter that has run through all of its values would fail, after 2^64 blocks.
        self.0.try_apply_keystream(data).map_err(|_| Uneven)
    }
}

impl<C> Transform for cfb_mode::BufEncryptor<C>
where
    C: cbc::cipher::BlockCipherEncrypt + Send,
{
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        self.encrypt(data);
        Ok(())
    }
}

impl<C> Transform for cfb_mode::BufDecryptor<C>
where
    C: cbc::cipher::BlockCipherEncrypt + Send,
{
    fn apply(&mut self, data: &mut [u8]) -> Result<(), Uneven> {
        self.decrypt(data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{decode_hex, encode_hex};

    fn hex(text: &str) -> Vec<u8> {
        decode_hex(text.as_bytes()).unwrap().to_vec()
    }

    /// NIST SP 800-38A, appendix F: AES-128, two blocks of each mode.
    #[test]
    fn vectors_of_the_standard() {
        const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
        const PLAINTEXT: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
        const IV: &str = "000102030405060708090a0b0c0d0e0f";
        for (mode, iv, ciphertext) in [
            (Mode::Ecb, "", "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"),
            (Mode::Cbc, IV, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
            (Mode::Cfb, IV, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"),
            (Mode::Ofb, IV, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"),
            (
                Mode::Ctr,
                "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff",
            ),
        ] {
            for (direction, from, to) in
                [(Direction::Encrypt, PLAINTEXT, ciphertext), (Direction::Decrypt, ciphertext, PLAINTEXT)]
            {
                let mut chain = Chain::new(Algorithm::Aes, mode, direction, &hex(KEY), &hex(iv)).unwrap();
                let mut data = hex(from);
                chain.apply(&mut data).unwrap();
                assert_eq!(encode_hex(&data), to, "{mode:?} {direction:?}");
            }
        }
    }

    /// The ciphers' own vectors, one block each: FIPS 81 (DES), RFC 2144 (CAST5), Schneier's for Blowfish and Twofish.
    #[test]
    fn vectors_of_the_ciphers() {
        for (algorithm, key, plaintext, ciphertext) in [
            (Algorithm::Des, "0123456789abcdef", "4e6f772069732074", "3fa40e8a984d4815"),
            (Algorithm::Cast5, "0123456712345678234567893456789a", "0123456789abcdef", "238b4fe5847e44b2"),
            (Algorithm::Blowfish, "0000000000000000", "0000000000000000", "4ef997456198dd78"),
            (
                Algorithm::Twofish,
                "00000000000000000000000000000000",
                "00000000000000000000000000000000",
                "9f589f5cf6122c32b6bfec2f2ae8c35a",
            ),
        ] {
            // One block in CBC under a vector of zeroes is the block cipher itself.
            let iv = vec![0; plaintext.len() / 2];
            let mut chain = Chain::new(algorithm, Mode::Cbc, Direction::Encrypt, &hex(key), &iv).unwrap();
            let mut data = hex(plaintext);
            chain.apply(&mut data).unwrap();
            assert_eq!(encode_hex(&data), ciphertext, "{algorithm:?}");
        }
    }
}
