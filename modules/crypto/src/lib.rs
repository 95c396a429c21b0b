//! Module `crypto`: ciphers kept between calls, digests, signatures, keys.
//!
//! The data format behind `crypto.new` is that of the Python daemon this program replaces; data at rest exists in it.
//! Authenticated ciphers ([`aead`]) are for new data.
//! See [`key`] for how a key text becomes key bytes and [`cipher`] for the format of a ciphertext.

pub mod aead;
pub mod chain;
mod chains;
pub mod cipher;
mod crypt;
mod derive;
mod digest;
mod functions;
mod kdf;
pub mod key;
mod mac;
mod moved;
mod new;
mod position;
mod signature;

pub use functions::module;
