//! Bytes that nobody can guess.

use crate::protocol::CallError;

/// Fills memory from the system's random source.
///
/// # Errors
/// `failed` if the system has no randomness to give.
pub fn fill(bytes: &mut [u8]) -> Result<(), CallError> {
    getrandom::fill(bytes).map_err(|_| CallError::failed("the system's random source gave nothing"))
}
