//! A Unix domain socket broker for Perl scripts that have only core Perl.
//!
//! The crate has three rooms with one-way doors (a test holds them):
//! [`protocol`] turns bytes into messages, [`modules`] says what callers can do,
//! [`broker`] owns the event loop and the sockets. [`cli`] opens them.
//! `docs/architecture.md` shows the whole house, `docs/life-of-a-call.md` one call's way through it.

pub mod broker;
pub mod cli;
pub mod config;
pub mod health;
pub mod logging;
pub mod modules;
pub mod protocol;
pub mod stats;

/// The version of the program, as `daemon_version` in answers and `--version` show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The walk through adding a module, compiled and run as it stands.
#[cfg(doctest)]
#[doc = include_str!("../docs/adding-a-module.md")]
struct AddingAModule;
