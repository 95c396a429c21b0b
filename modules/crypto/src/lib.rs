//! Module `crypto`: ciphers kept between calls, digests, signatures, keys.
//!
//! The data format behind `crypto.new` is that of the Python daemon this program replaces; data at rest exists in it.
//! Authenticated ciphers ([`aead`]) are for new data.
//! See [`key`] for how a key text becomes key bytes and [`cipher`] for the format of a ciphertext.

pub mod aead;
pub mod chain;
pub mod cipher;
pub mod key;

mod chains;
mod crypt;
mod derive;
mod digest;
mod functions;
mod kdf;
mod kept;
mod mac;
mod mode;
mod moved;
mod new;
mod position;
mod signature;

pub use functions::module;
