//! The ways to derive a key, each in pieces: whoever gave up its call has the work end within milliseconds.
//!
//! Every loop here is bounded by [`Cost::check`] before it begins, and looks at the call's cancellation inside.

use super::digest::Hasher;
use super::mac;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use kit::pieces::{PIECE, Pieces};
use kit::protocol::{CallError, Code};
use ring::hmac as ring_hmac;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// Hashes that one derivation may take in all: some ten seconds of a worker.
pub const MOST_HASHES: u64 = 20_000_000;
/// Rounds between two looks at the cancellation: a millisecond or two.
const ROUNDS: u32 = 2048;
/// Bytes of the longest digest.
const LONGEST_DIGEST: usize = 64;
/// Bytes of a block that the digests compress at a time, or more.
const BLOCK: u64 = 64;

/// What a derivation takes: as many blocks as the key needs, each of so many rounds, beginning with so many bytes.
pub struct Cost {
    /// Bytes of the key.
    pub length: usize,
    /// Bytes that a block gives.
    pub size: usize,
    /// Rounds for a block.
    pub rounds: u32,
    /// Bytes that are hashed anew for each block.
    pub again: usize,
}

impl Cost {
    /// Whether this may be done. Neither rounds nor length alone says how long it takes, so their product is bounded.
    ///
    /// # Errors
    /// `invalid_params`, saying what would be possible.
    pub fn check(&self) -> Result<(), CallError> {
        let blocks = self.length.div_ceil(self.size) as u64;
        let for_a_block = u64::from(self.rounds) + self.again as u64 / BLOCK;
        let hashes = blocks.saturating_mul(for_a_block);
        if hashes <= MOST_HASHES {
            return Ok(());
        }
        let most = (MOST_HASHES / blocks).saturating_sub(self.again as u64 / BLOCK);
        Err(CallError::invalid(
            "iterations",
            format!(
                "a key of {} bytes takes {blocks} blocks of {} bytes, and so {hashes} hashes in all, but at most \
                 {MOST_HASHES} are made; at most {most} iterations are possible here, or take a shorter key",
                self.length, self.size
            ),
        ))
    }
}

/// Refuses a salt or an info that is longer than anybody's; each block is begun by hashing it.
///
/// # Errors
/// `too_large`.
pub fn check_length(parameter: &str, bytes: &[u8]) -> Result<(), CallError> {
    if bytes.len() <= PIECE {
        return Ok(());
    }
    let message = format!("parameter `{parameter}` is {} bytes long; at most {PIECE} are taken", bytes.len());
    Err(CallError::new(Code::TooLarge, message))
}

/// A keyed function that is applied again and again.
trait Prf {
    /// Bytes that it gives.
    const SIZE: usize;
    /// Applies it to these parts, one after the other. `out` has [`Prf::SIZE`] bytes, and may be one of them.
    fn apply(&self, parts: &[&[u8]], out: &mut [u8; LONGEST_DIGEST]);
}

/// HMAC with SHA-2, by RustCrypto: takes half as long as ring's, and time is all that this is made of.
impl<D: EagerHash> Prf for Hmac<D>
where
    Self: Mac + Clone,
{
    const SIZE: usize = <<Self as hmac::digest::OutputSizeUser>::OutputSize as hmac::digest::typenum::Unsigned>::USIZE;

    fn apply(&self, parts: &[&[u8]], out: &mut [u8; LONGEST_DIGEST]) {
        let mut mac = self.clone();
        for part in parts {
            Mac::update(&mut mac, part);
        }
        out[..Self::SIZE].copy_from_slice(&mac.finalize().as_bytes()[..]);
    }
}

/// HMAC with SHA-1, which only ring has here.
struct HmacSha1(ring_hmac::Key);

impl Prf for HmacSha1 {
    const SIZE: usize = 20;

    fn apply(&self, parts: &[&[u8]], out: &mut [u8; LONGEST_DIGEST]) {
        let mut context = ring_hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        out[..Self::SIZE].copy_from_slice(context.sign().as_ref());
    }
}

/// PBKDF2 (RFC 8018, section 5.2) with HMAC of this digest; `None` for a digest that it is not done with.
///
/// # Errors
/// `invalid_params` for more work than may be done, `cancelled`.
pub fn pbkdf2(
    digest: &str,
    secret: &[u8],
    salt: &[u8],
    rounds: NonZeroU32,
    key: &mut [u8],
    pieces: &Pieces,
) -> Option<Result<(), CallError>> {
    let with_sha2 = |algorithm| mac::short_key(algorithm, secret, pieces);
    fn keyed<D: EagerHash>(secret: &[u8]) -> Result<Hmac<D>, CallError>
    where
        Hmac<D>: KeyInit,
    {
        <Hmac<D> as KeyInit>::new_from_slice(secret)
            .map_err(|_| CallError::new(Code::Internal, "HMAC takes a key of any length"))
    }
    macro_rules! derive {
        ($digest:ty, $algorithm:expr) => {
            with_sha2($algorithm)
                .and_then(|secret| keyed::<$digest>(&secret))
                .and_then(|prf| stretch(&prf, salt, rounds.get(), key, pieces))
        };
    }
    Some(match digest {
        "SHA1" => mac::key(ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, pieces)
            .and_then(|secret| stretch(&HmacSha1(secret), salt, rounds.get(), key, pieces)),
        "SHA256" => derive!(sha2::Sha256, &ring::digest::SHA256),
        "SHA384" => derive!(sha2::Sha384, &ring::digest::SHA384),
        "SHA512" => derive!(sha2::Sha512, &ring::digest::SHA512),
        _ => return None,
    })
}

/// T_i = U_1 xor U_2 xor ... xor U_c, with U_1 = PRF(salt || i) and U_j = PRF(U_(j-1)); the key is T_1 || T_2 || ...
fn stretch<P: Prf>(prf: &P, salt: &[u8], rounds: u32, key: &mut [u8], pieces: &Pieces) -> Result<(), CallError> {
    Cost { length: key.len(), size: P::SIZE, rounds, again: salt.len() }.check()?;
    for (index, block) in (1_u32..).zip(key.chunks_mut(P::SIZE)) {
        pieces.begin()?;
        let mut last = Zeroizing::new([0; LONGEST_DIGEST]);
        prf.apply(&[salt, &index.to_be_bytes()], &mut last);
        let mut sum = Zeroizing::new(*last);
        for round in 1..rounds {
            if round.is_multiple_of(ROUNDS) {
                pieces.begin()?;
            }
            let previous = *last;
            prf.apply(&[&previous[..P::SIZE]], &mut last);
            sum[..P::SIZE].iter_mut().zip(&last[..P::SIZE]).for_each(|(sum, byte)| *sum ^= byte);
        }
        block.copy_from_slice(&sum[..block.len()]);
    }
    Ok(())
}

/// HKDF (RFC 5869): PRK = HMAC(salt, secret), T(i) = HMAC(PRK, T(i-1) || info || i), the key is T(1) || T(2) || ...
/// `None` for a digest that it is not done with.
///
/// # Errors
/// `invalid_params` for a longer key than 255 blocks, `cancelled`.
pub fn hkdf(
    digest: &str,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    key: &mut [u8],
    pieces: &Pieces,
) -> Option<Result<(), CallError>> {
    let algorithm = match digest {
        "SHA1" => ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA256" => ring_hmac::HMAC_SHA256,
        "SHA384" => ring_hmac::HMAC_SHA384,
        "SHA512" => ring_hmac::HMAC_SHA512,
        _ => return None,
    };
    Some(expand(algorithm, secret, salt, info, key, pieces))
}

fn expand(
    algorithm: ring_hmac::Algorithm,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    key: &mut [u8],
    pieces: &Pieces,
) -> Result<(), CallError> {
    let size = algorithm.digest_algorithm().output_len();
    let most = usize::from(u8::MAX) * size;
    if key.len() > most {
        return Err(CallError::invalid("length", format!("HKDF with this digest gives at most {most} bytes")));
    }
    Cost { length: key.len(), size, rounds: 1, again: info.len() }.check()?;
    let extracted = mac::sign(&mac::key(algorithm, salt, pieces)?, secret, pieces)?;
    let extracted = ring_hmac::Key::new(algorithm, extracted.as_ref());
    let mut last: Option<ring_hmac::Tag> = None;
    for (index, block) in (1_u8..=u8::MAX).zip(key.chunks_mut(size)) {
        let mut context = ring_hmac::Context::with_key(&extracted);
        if let Some(last) = &last {
            context.update(last.as_ref());
        }
        pieces.begin()?;
        context.update(info);
        context.update(&[index]);
        let tag = context.sign();
        block.copy_from_slice(&tag.as_ref()[..block.len()]);
        last = Some(tag);
    }
    Ok(())
}

/// EVP_BytesToKey(3): D_1 = H(secret || salt), D_i = H(D_(i-1) || secret || salt), each hashed `rounds` times; the key is
/// D_1 || D_2 || ...
///
/// # Errors
/// `invalid_params` for more work than may be done, `cancelled`.
pub fn evp_bytes_to_key(
    digest: &'static str,
    secret: &[u8],
    salt: &[u8],
    rounds: NonZeroU32,
    key: &mut [u8],
    pieces: &Pieces,
) -> Result<(), CallError> {
    let size = Hasher::new(digest).finish().len();
    Cost { length: key.len(), size, rounds: rounds.get(), again: secret.len() + salt.len() }.check()?;
    let mut last = Zeroizing::new(Vec::new());
    for block in key.chunks_mut(size) {
        let mut hasher = Hasher::new(digest);
        hasher.update(&last);
        pieces.each(secret, |piece| hasher.update(piece))?;
        hasher.update(salt);
        pieces.begin()?;
        last = Zeroizing::new(hasher.finish());
        for round in 1..rounds.get() {
            if round.is_multiple_of(ROUNDS) {
                pieces.begin()?;
            }
            last = Zeroizing::new(super::digest::digest(digest, &last));
        }
        block.copy_from_slice(&last[..block.len()]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_work_is_bounded_as_a_whole() {
        let cost = |length, size, rounds, again| Cost { length, size, rounds, again }.check();
        assert!(cost(32, 32, 20_000_000, 0).is_ok());
        assert!(cost(33, 32, 10_000_000, 0).is_ok());
        assert!(cost(4096, 32, 156_250, 0).is_ok());
        assert!(cost(4096, 32, 156_250, 64).is_err());
        let error = cost(4096, 32, 20_000_000, 0).unwrap_err();
        assert!(error.message.contains("128 blocks") && error.message.contains("at most 156250 iterations"), "{error}");
        // A round is not all that a block takes.
        assert!(cost(4096, 16, 1, 16 << 20).is_err());
        assert!(cost(usize::MAX, 1, u32::MAX, usize::MAX).is_err());
    }

    proptest! {
        /// ring does the same in one go.
        #[test]
        fn pbkdf2_is_rings(
            secret in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 0..100),
            rounds in 1_u32..40,
            length in 1_usize..150,
            which in 0_usize..4,
        ) {
            use ring::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512};
            let (name, algorithm) = [("SHA1", PBKDF2_HMAC_SHA1), ("SHA256", PBKDF2_HMAC_SHA256),
                ("SHA384", PBKDF2_HMAC_SHA384), ("SHA512", PBKDF2_HMAC_SHA512)][which];
            let rounds = NonZeroU32::new(rounds).unwrap();
            let (mut ours, mut rings) = (vec![0; length], vec![0; length]);
            super::pbkdf2(name, &secret, &salt, rounds, &mut ours, &Pieces::of_no_call()).unwrap().unwrap();
            pbkdf2::derive(algorithm, rounds, &salt, &secret, &mut rings);
            prop_assert_eq!(ours, rings);
        }

        #[test]
        fn hkdf_is_rings(
            secret in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 0..200),
            info in prop::collection::vec(any::<u8>(), 0..100),
            length in 1_usize..300,
        ) {
            struct Length(usize);
            impl ring::hkdf::KeyType for Length {
                fn len(&self) -> usize {
                    self.0
                }
            }
            let (mut ours, mut rings) = (vec![0; length], vec![0; length]);
            super::hkdf("SHA384", &secret, &salt, &info, &mut ours, &Pieces::of_no_call()).unwrap().unwrap();
            let extracted = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA384, &salt).extract(&secret);
            extracted.expand(&[&info], Length(length)).unwrap().fill(&mut rings).unwrap();
            prop_assert_eq!(ours, rings);
        }
    }
}
