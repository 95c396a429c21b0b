//! How far a chain has come, in terms that a new chain can go on from.
//!
//! The crates of the modes do not all show their inner state. It need not be shown: at every whole block a chain is as one
//! that begins there with another initialization vector, which follows from the last block that went in and the last that
//! came out (NIST SP 800-38A, section 6). What came since is given to the new chain once more.

use super::mode::{Direction, Mode};
use zeroize::Zeroize;

/// Bytes of the largest block.
const BLOCK: usize = 16;
/// The end of a piece of data that matters: what is left of a block, and the block before it.
const TAIL: usize = 2 * BLOCK;

/// Where a chain is. Wipes itself: it holds plaintext.
#[derive(Clone)]
pub struct Position {
    iv: [u8; BLOCK],
    block_size: usize,
    // What came since the last whole block, and what was made of it.
    given: [u8; BLOCK],
    made: [u8; BLOCK],
    filled: usize,
}

/// The end of what a chain is about to be given, before it is overwritten by what is made of it.
pub struct Ending {
    bytes: [u8; TAIL],
    kept: usize,
    whole: usize,
}

impl Position {
    /// At the beginning. `iv` is one block.
    pub fn new(iv: &[u8]) -> Self {
        let mut position =
            Self { iv: [0; BLOCK], block_size: iv.len(), given: [0; BLOCK], made: [0; BLOCK], filled: 0 };
        position.iv[..iv.len()].copy_from_slice(iv);
        position
    }

    /// The initialization vector of a chain that begins at the last whole block.
    pub fn iv(&self) -> &[u8] {
        &self.iv[..self.block_size]
    }

    /// What that chain has to be given to be here.
    pub fn given(&self) -> &[u8] {
        &self.given[..self.filled]
    }

    /// Remembers what `data` ends with.
    pub fn look_at(&self, data: &[u8]) -> Ending {
        let kept = data.len().min(2 * self.block_size);
        let mut ending = Ending { bytes: [0; TAIL], kept, whole: data.len() };
        ending.bytes[..kept].copy_from_slice(&data[data.len() - kept..]);
        ending
    }

    /// Moves on: `ending` was given, and `made` has come of it.
    pub fn advance(&mut self, mode: Mode, direction: Direction, ending: &Ending, made: &[u8]) {
        let total = self.filled + ending.whole;
        let (blocks, rest) = (total / self.block_size, total % self.block_size);
        let filled = if ending.kept == ending.whole { self.filled } else { 0 };
        let (mut input, length) = joined(&self.given[..filled], &ending.bytes[..ending.kept]);
        let (mut output, _) = joined(&self.made[..filled], &made[ending.whole - ending.kept..]);
        let whole = length - rest;
        if blocks > 0 {
            let block = whole - self.block_size..whole;
            self.chain(mode, direction, blocks, &input[block.clone()], &output[block]);
        }
        self.given[..rest].copy_from_slice(&input[whole..length]);
        self.made[..rest].copy_from_slice(&output[whole..length]);
        self.filled = rest;
        input.zeroize();
        output.zeroize();
    }

    fn chain(&mut self, mode: Mode, direction: Direction, blocks: usize, input: &[u8], output: &[u8]) {
        let ciphertext = if direction == Direction::Encrypt { output } else { input };
        let iv = &mut self.iv[..self.block_size];
        match mode {
            Mode::Ecb => {}
            Mode::Cbc | Mode::Cfb => iv.copy_from_slice(ciphertext),
            // For output feedback this is the key stream, for propagating chaining the definition.
            Mode::Pcbc | Mode::Ofb => {
                iv.iter_mut().zip(input.iter().zip(output)).for_each(|(iv, (a, b))| *iv = a ^ b);
            }
            Mode::Ctr => {
                let mut carry = blocks as u128;
                for byte in iv.iter_mut().rev() {
                    carry += u128::from(*byte);
                    *byte = carry as u8;
                    carry >>= 8;
                }
            }
        }
    }
}

fn joined(before: &[u8], after: &[u8]) -> ([u8; BLOCK + TAIL], usize) {
    let mut bytes = [0; BLOCK + TAIL];
    let length = before.len() + after.len();
    bytes[..before.len()].copy_from_slice(before);
    bytes[before.len()..length].copy_from_slice(after);
    (bytes, length)
}

impl Drop for Position {
    fn drop(&mut self) {
        self.iv.zeroize();
        self.given.zeroize();
        self.made.zeroize();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}
