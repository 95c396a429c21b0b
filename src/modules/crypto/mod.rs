//! Module `crypto`: ciphers kept between calls, digests, signatures, keys.
//!
//! The data format behind `crypto.new` is that of the Python daemon this program replaces; data at rest exists in it.
//! See [`key`] for how a key text becomes key bytes and [`cipher`] for the format of a ciphertext.

pub mod cipher;
mod digest;
mod functions;
pub mod key;
mod signature;

pub use functions::module;
