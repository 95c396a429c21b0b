//! What a cipher's handle keeps.

use super::aead::Sealer;
use super::cipher::Cipher;

/// What a cipher's handle keeps.
pub enum Kept {
    /// A block cipher in the old data format.
    Legacy(Cipher),
    /// An authenticated cipher.
    Sealer(Sealer),
}
