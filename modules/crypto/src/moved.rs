//! Ciphers and chains on their way to the program that takes this one's place. What is packed holds keys.

use super::aead::{self, Sealer};
use super::chain::{self, Chain};
use super::cipher::{self, Cipher};
use super::kept::Kept;
use super::mode::{Direction, Mode};
use kit::keep::{Keep, Shared, pack, unpack, unreadable};
use kit::protocol::{Buffer, CallError};
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
struct PackedCipher<'a> {
    algorithm: &'a str,
    #[serde(borrow)]
    key: &'a Bytes,
    // An authenticated cipher's nonces go on where they were: none may come twice.
    #[serde(default)]
    first_nonce: [u8; 16],
    #[serde(default)]
    sealed: u64,
}

impl Keep for Kept {
    fn size(&self) -> usize {
        let held = match self {
            Self::Legacy(cipher) => cipher.held(),
            Self::Sealer(sealer) => sealer.held(),
        };
        size_of::<Self>() + held
    }

    fn describe(&self) -> String {
        match self {
            Self::Legacy(cipher) => cipher.algorithm().name().to_owned(),
            Self::Sealer(sealer) => sealer.algorithm().name().to_owned(),
        }
    }

    fn is_light(&self) -> bool {
        true
    }

    fn pack(&self) -> Result<Buffer, CallError> {
        match self {
            Self::Legacy(cipher) => pack(&PackedCipher {
                algorithm: cipher.algorithm().name(),
                key: Bytes::new(cipher.key()),
                first_nonce: [0; 16],
                sealed: 0,
            }),
            Self::Sealer(sealer) => {
                let (first_nonce, sealed) = sealer.nonces();
                let (algorithm, key) = (sealer.algorithm().name(), Bytes::new(sealer.key()));
                pack(&PackedCipher { algorithm, key, first_nonce: first_nonce.to_be_bytes(), sealed })
            }
        }
    }
}

/// Makes a cipher of what another program packed.
///
/// # Errors
/// `internal` for what is no such thing.
pub fn unpack_cipher(packed: &[u8], _: &mut Shared) -> Result<Kept, CallError> {
    let PackedCipher { algorithm, key, first_nonce, sealed } = unpack(packed)?;
    Ok(match (cipher::Algorithm::of_name(algorithm), aead::Algorithm::of_name(algorithm)) {
        (Some(algorithm), _) => Kept::Legacy(Cipher::new(algorithm, key)?),
        (None, Some(algorithm)) => {
            Kept::Sealer(Sealer::going_on(algorithm, key, u128::from_be_bytes(first_nonce), sealed)?)
        }
        (None, None) => return Err(unreadable("a cipher")),
    })
}

#[derive(Serialize, Deserialize)]
struct PackedChain<'a> {
    cipher: &'a str,
    mode: &'a str,
    direction: &'a str,
    #[serde(borrow)]
    key: &'a Bytes,
    iv: &'a Bytes,
    given: &'a Bytes,
}

impl Keep for Chain {
    fn size(&self) -> usize {
        size_of::<Self>() + self.held()
    }

    fn describe(&self) -> String {
        let (algorithm, mode, direction) = self.kind();
        format!("{} {} {}", algorithm.name(), mode.name(), direction.name())
    }

    fn is_light(&self) -> bool {
        true
    }

    fn pack(&self) -> Result<Buffer, CallError> {
        let (algorithm, mode, direction) = self.kind();
        pack(&PackedChain {
            cipher: algorithm.name(),
            mode: mode.name(),
            direction: direction.name(),
            key: Bytes::new(self.key()),
            iv: Bytes::new(self.position().iv()),
            given: Bytes::new(self.position().given()),
        })
    }
}

/// Makes a chain of what another program packed, where that one was.
///
/// # Errors
/// `internal` for what is no such thing.
pub fn unpack_chain(packed: &[u8], _: &mut Shared) -> Result<Chain, CallError> {
    let PackedChain { cipher, mode, direction, key, iv, given } = unpack(packed)?;
    let (algorithm, mode) = (chain::Algorithm::of_name(cipher)?, Mode::of_name(mode)?);
    let mut chain = Chain::new(algorithm, mode, Direction::of_name(direction)?, key, iv)?;
    chain.apply(&mut Zeroizing::new(given.to_vec()))?;
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kit::pieces::Pieces;
    use proptest::prelude::*;

    fn moved<T: Keep>(kept: &T, unpack: fn(&[u8], &mut Shared) -> Result<T, CallError>) -> T {
        unpack(kept.pack().unwrap().as_slice(), &mut Shared::default()).unwrap()
    }

    #[test]
    fn a_legacy_cipher_is_the_same_one() {
        for (algorithm, size) in [
            (cipher::Algorithm::Blowfish, 11),
            (cipher::Algorithm::Aes, 24),
            (cipher::Algorithm::Des, 8),
            (cipher::Algorithm::TripleDes, 24),
        ] {
            let key: Vec<u8> = (1..=size).map(|byte| byte * 7).collect();
            let cipher = Cipher::new(algorithm, &key).unwrap();
            let message = cipher.encrypt(&vec![5; cipher.block_size()], b"before", &Pieces::of_no_call()).unwrap();
            let kept = moved(&Kept::Legacy(cipher), unpack_cipher);
            let Kept::Legacy(cipher) = kept else { panic!("another kind") };
            assert_eq!(&*cipher.decrypt(&message, &Pieces::of_no_call()).unwrap(), b"before");
        }
    }

    #[test]
    fn an_authenticated_cipher_never_uses_a_nonce_again() {
        for algorithm in [aead::Algorithm::Aes128Gcm, aead::Algorithm::Aes256Gcm, aead::Algorithm::ChaCha20Poly1305] {
            let mut sealer = Sealer::new(algorithm, &vec![9; algorithm.key_size()]).unwrap();
            let before: Vec<_> = (0..3).map(|_| sealer.seal(b"aad", b"text", &Pieces::of_no_call()).unwrap()).collect();
            let kept = moved(&Kept::Sealer(sealer), unpack_cipher);
            let Kept::Sealer(mut sealer) = kept else { panic!("another kind") };
            assert_eq!(&*sealer.open(b"aad", &before[0], &Pieces::of_no_call()).unwrap(), b"text");
            let after = sealer.seal(b"aad", b"text", &Pieces::of_no_call()).unwrap();
            let number = |message: &[u8]| u32::from_be_bytes(message[8..12].try_into().unwrap());
            assert_eq!(number(&after), number(&before[2]).wrapping_add(1));
        }
    }

    proptest! {
        /// Wherever a chain is interrupted, what comes out is what an uninterrupted one gives.
        #[test]
        fn a_chain_goes_on_anywhere(
            cipher in 0..chain::Algorithm::NAMES.len(),
            mode in prop::sample::select(vec!["ecb", "cbc", "pcbc", "cfb", "ofb", "ctr"]),
            direction in prop::sample::select(vec!["encrypt", "decrypt"]),
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 1..12),
            iv in any::<[u8; 16]>(),
        ) {
            let algorithm = chain::Algorithm::of_name(chain::Algorithm::NAMES[cipher]).unwrap();
            let mode = Mode::of_name(mode).unwrap();
            let direction = Direction::of_name(direction).unwrap();
            let key: Vec<u8> = (0..32).collect();
            let sizes = [32, 20, 16, 8, 24, 16, 32];
            let key = &key[..sizes[cipher]];
            let block = if matches!(algorithm, chain::Algorithm::Aes | chain::Algorithm::Twofish) { 16 } else { 8 };
            let new = || Chain::new(algorithm, mode, direction, key, &iv[..block]).unwrap();
            let (mut straight, mut moving) = (new(), new());
            for mut piece in pieces {
                if matches!(mode, Mode::Ecb | Mode::Cbc | Mode::Pcbc) {
                    piece.truncate(piece.len() / block * block);
                }
                let mut expected = piece.clone();
                straight.apply(&mut expected).unwrap();
                moving.apply(&mut piece).unwrap();
                prop_assert_eq!(&piece, &expected);
                moving = moved(&moving, unpack_chain);
            }
        }
    }

    #[test]
    fn a_counter_goes_on_over_its_end() {
        let new = || Chain::new(chain::Algorithm::Aes, Mode::Ctr, Direction::Encrypt, &[1; 16], &[0xff; 16]).unwrap();
        let (mut straight, mut moving) = (new(), new());
        let (mut expected, mut data) = (vec![0; 70], vec![0; 70]);
        straight.apply(&mut expected).unwrap();
        moving.apply(&mut data[..37]).unwrap();
        moved(&moving, unpack_chain).apply(&mut data[37..]).unwrap();
        assert_eq!(data, expected);
    }

    #[test]
    fn nonsense_is_refused() {
        for packed in [&b""[..], b"\x80", b"\xc0", b"\x81\xa9algorithm\xa1x"] {
            assert!(unpack_cipher(packed, &mut Shared::default()).is_err());
            assert!(unpack_chain(packed, &mut Shared::default()).is_err());
        }
    }
}
