//! What modules reach other systems with: looking names up and connecting so that the end of a call ends the wait, whom TLS
//! trusts and what it offers, which proxy is for which place.
//!
//! Nothing here speaks a protocol of its own, and nothing knows the broker's loop: who works, for which call, is told by a
//! [`Wait`].

pub mod connect;
pub mod limits;
pub mod proxy;
pub mod resolve;
pub mod tls;
pub mod wait;
