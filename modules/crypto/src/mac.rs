//! HMAC (RFC 2104, by ring) over keys and data of any length, in pieces.

use kit::pieces::Pieces;
use kit::protocol::CallError;
use ring::{digest, hmac};
use zeroize::Zeroizing;

/// The key of an HMAC. One that is longer than a block of the digest stands for its digest (RFC 2104, section 2), which is
/// made here, because ring would make it in one go.
///
/// # Errors
/// `cancelled`.
pub fn key(algorithm: hmac::Algorithm, key: &[u8], pieces: &Pieces) -> Result<hmac::Key, CallError> {
    let long = algorithm.digest_algorithm();
    if key.len() <= long.block_len() {
        return Ok(hmac::Key::new(algorithm, key));
    }
    let mut digest = digest::Context::new(long);
    pieces.each(key, |piece| digest.update(piece))?;
    Ok(hmac::Key::new(algorithm, digest.finish().as_ref()))
}

/// The same for an HMAC that is not ring's: a key that is no longer than a block.
///
/// # Errors
/// `cancelled`.
pub fn short_key(
    algorithm: &'static digest::Algorithm,
    key: &[u8],
    pieces: &Pieces,
) -> Result<Zeroizing<Vec<u8>>, CallError> {
    if key.len() <= algorithm.block_len() {
        return Ok(Zeroizing::new(key.to_vec()));
    }
    let mut digest = digest::Context::new(algorithm);
    pieces.each(key, |piece| digest.update(piece))?;
    Ok(Zeroizing::new(digest.finish().as_ref().to_vec()))
}

/// The HMAC of data.
///
/// # Errors
/// `cancelled`.
pub fn sign(key: &hmac::Key, data: &[u8], pieces: &Pieces) -> Result<hmac::Tag, CallError> {
    let mut context = hmac::Context::with_key(key);
    pieces.each(data, |piece| context.update(piece))?;
    Ok(context.sign())
}

/// Whether a tag is the one that was made here, in constant time. ring compares tags only together with making them, so the
/// two are compared by their own tags under a key that is no secret.
pub fn is_same(made: &hmac::Tag, given: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[]);
    given.len() == made.as_ref().len() && hmac::verify(&key, given, hmac::sign(&key, made.as_ref()).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::encode_hex;

    #[test]
    fn a_long_key_stands_for_its_digest() {
        // RFC 4231, test case 6.
        let pieces = Pieces::of_no_call();
        let data = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let key = key(hmac::HMAC_SHA256, &[0xaa; 131], &pieces).unwrap();
        let tag = sign(&key, data, &pieces).unwrap();
        assert_eq!(encode_hex(tag.as_ref()), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
        assert!(is_same(&tag, tag.as_ref()));
        for bit in 0..256 {
            let mut changed = tag.as_ref().to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_same(&tag, &changed));
        }
        assert!(!is_same(&tag, &tag.as_ref()[..31]) && !is_same(&tag, b""));
    }
}
