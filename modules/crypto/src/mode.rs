//! How blocks are chained, and which way data goes through the chain (NIST SP 800-38A).

use kit::protocol::CallError;
use kit::protocol::error::quote;

/// How blocks are chained, or that they are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Electronic codebook: every block by itself, as the cipher alone does it. What modules of one block a call are made of.
    Ecb,
    /// Cipher block chaining.
    Cbc,
    /// Propagating cipher block chaining.
    Pcbc,
    /// Cipher feedback of whole blocks.
    Cfb,
    /// Output feedback.
    Ofb,
    /// Counter: the initialization vector as a big-endian number as wide as a block.
    Ctr,
}

impl Mode {
    /// The name that [`Mode::of_name`] knows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecb => "ecb",
            Self::Cbc => "cbc",
            Self::Pcbc => "pcbc",
            Self::Cfb => "cfb",
            Self::Ofb => "ofb",
            Self::Ctr => "ctr",
        }
    }

    /// The mode of a name.
    ///
    /// # Errors
    /// `invalid_params` listing what there is.
    pub fn of_name(name: &str) -> Result<Self, CallError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "ecb" => Self::Ecb,
            "cbc" => Self::Cbc,
            "pcbc" => Self::Pcbc,
            "cfb" => Self::Cfb,
            "ofb" => Self::Ofb,
            "ctr" => Self::Ctr,
            _ => {
                let message =
                    format!("Unsupported chain mode: {}. Supported: ecb, cbc, pcbc, cfb, ofb, ctr", quote(name));
                return Err(CallError::invalid("chain_mode", message));
            }
        })
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Plaintext to ciphertext.
    Encrypt,
    /// Ciphertext to plaintext.
    Decrypt,
}

impl Direction {
    /// The name that [`Direction::of_name`] knows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }

    /// The direction of a name.
    ///
    /// # Errors
    /// `invalid_params` for another one.
    pub fn of_name(name: &str) -> Result<Self, CallError> {
        match name {
            "encrypt" => Ok(Self::Encrypt),
            "decrypt" => Ok(Self::Decrypt),
            _ => Err(CallError::invalid("direction", "parameter `direction` must be encrypt or decrypt")),
        }
    }
}
