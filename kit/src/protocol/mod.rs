//! The wire: bytes to messages and back, nothing else.
//!
//! No socket, no clock and no thread is known here, so everything can be tested and fuzzed on bytes alone.
//! `docs/protocol.md` is the specification that this code follows.

pub mod buffer;
pub mod error;
pub mod framing;
pub mod frozen;
pub mod head;
pub mod image;
pub mod lenient;
pub mod message;
pub mod reply;
pub mod scanner;
pub mod thawed;

pub use buffer::Buffer;
pub use error::{CallError, Code};

/// The version of the wire protocol, as `system.info` reports it.
pub const PROTOCOL_VERSION: u32 = 1;

/// How deeply arrays and maps of one message may nest, the envelope's own array included.
pub const MAX_DEPTH: usize = 64;
