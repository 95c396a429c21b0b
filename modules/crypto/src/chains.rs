//! `crypto.chain_*`: a block cipher in a chain mode, piece by piece or at once. What the stand-in for Crypt::CBC is made of.

use super::chain::{Algorithm, Chain, Direction, Mode};
use super::crypt::Raw;
use super::moved::unpack_chain;
use kit::Call;
use kit::Kind;
use kit::pieces::Pieces;
use kit::protocol::CallError;
use kit::protocol::lenient::{Bytes, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The kind of handle that a chain is.
pub const CHAIN: Kind<Chain> = Kind::new("chain", "Invalid chain ID or chain expired").that_moves(unpack_chain);

/// The parameters of `crypto.chain_new`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainNew<'a> {
    /// AES, Blowfish, CAST5, DES, DES_EDE3, IDEA or Twofish.
    #[serde(borrow)]
    cipher: Text<'a>,
    /// The key, as it is: of a size that the cipher takes.
    #[serde(borrow)]
    key: Bytes<'a>,
    /// ecb, cbc, pcbc, cfb, ofb or ctr.
    #[serde(borrow)]
    chain_mode: Text<'a>,
    /// The initialization vector: one block; ecb needs none.
    #[serde(borrow, default)]
    iv: Option<Bytes<'a>>,
    /// encrypt or decrypt.
    #[serde(borrow)]
    direction: Text<'a>,
}
kit::parameters!(ChainNew<'_>);

/// The result of `crypto.chain_new`.
#[derive(Serialize, JsonSchema)]
pub struct ChainMade {
    chain_id: String,
    block_size: usize,
}

/// `crypto.chain_new`.
///
/// # Errors
/// `invalid_params` for an unknown name or a wrong size, `overloaded` above the quota of handles.
pub fn chain_new(call: &mut Call<'_>, params: ChainNew<'_>) -> Result<ChainMade, CallError> {
    let chain = start(&params.cipher, &params.key, &params.chain_mode, params.iv.as_deref(), &params.direction)?;
    let block_size = chain.block_size();
    let id = CHAIN.keep(call, chain)?;
    Ok(ChainMade { chain_id: id.to_string(), block_size })
}

fn start(cipher: &str, key: &[u8], mode: &str, iv: Option<&[u8]>, direction: &str) -> Result<Chain, CallError> {
    let (algorithm, mode, direction) =
        (Algorithm::of_name(cipher)?, Mode::of_name(mode)?, Direction::of_name(direction)?);
    Chain::new(algorithm, mode, direction, key, iv.unwrap_or_default())
}

/// The parameters of `crypto.chain_next`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainNext<'a> {
    /// The chain, as `chain_new` named it.
    #[serde(borrow)]
    chain_id: Text<'a>,
    /// The next piece: whole blocks in ecb, cbc and pcbc; padding is the caller's.
    #[serde(borrow)]
    data: Bytes<'a>,
}
kit::parameters!(ChainNext<'_>);

/// The result of `crypto.chain_next` and `crypto.chain_once`.
#[derive(Serialize, JsonSchema)]
pub struct Chained {
    data: Raw,
}

/// `crypto.chain_next`.
///
/// # Errors
/// `not_found` for an unknown chain, `invalid_params` for a piece that is not whole blocks, `cancelled`; the chain is then as
/// it was before.
pub fn chain_next(call: &mut Call<'_>, params: ChainNext<'_>) -> Result<Chained, CallError> {
    let pieces = Pieces::of(call);
    let chain = CHAIN.get(call, &params.chain_id)?;
    apply(chain, &params.data, &pieces)
}

fn apply(chain: &mut Chain, data: &[u8], pieces: &Pieces) -> Result<Chained, CallError> {
    let mut data = Zeroizing::new(data.to_vec());
    chain.apply_in_pieces(&mut data, pieces)?;
    Ok(Chained { data: Raw(data) })
}

/// The parameters of `crypto.chain_once`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainOnce<'a> {
    /// As for chain_new.
    #[serde(borrow)]
    cipher: Text<'a>,
    /// As for chain_new.
    #[serde(borrow)]
    key: Bytes<'a>,
    /// As for chain_new.
    #[serde(borrow)]
    chain_mode: Text<'a>,
    /// As for chain_new.
    #[serde(borrow, default)]
    iv: Option<Bytes<'a>>,
    /// As for chain_new.
    #[serde(borrow)]
    direction: Text<'a>,
    /// All of the data.
    #[serde(borrow)]
    data: Bytes<'a>,
}
kit::parameters!(ChainOnce<'_>);

/// `crypto.chain_once`: all at once, nothing kept.
///
/// # Errors
/// As [`chain_new`] and [`chain_next`].
pub fn chain_once(call: &mut Call<'_>, params: ChainOnce<'_>) -> Result<Chained, CallError> {
    let mut chain = start(&params.cipher, &params.key, &params.chain_mode, params.iv.as_deref(), &params.direction)?;
    apply(&mut chain, &params.data, &Pieces::of(call))
}

/// The parameters of `crypto.chain_free`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainFree<'a> {
    /// The chain, as `chain_new` named it.
    #[serde(borrow)]
    chain_id: Text<'a>,
}
kit::parameters!(ChainFree<'_>);

/// The result of `crypto.chain_free`.
#[derive(Serialize, JsonSchema)]
pub struct ChainFreed {
    freed: bool,
}

/// `crypto.chain_free`.
///
/// # Errors
/// `failed` without a broker.
pub fn chain_free(call: &mut Call<'_>, params: ChainFree<'_>) -> Result<ChainFreed, CallError> {
    CHAIN.free(call, &params.chain_id)?;
    Ok(ChainFreed { freed: true })
}
