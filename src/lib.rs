//! A Unix domain socket broker for Perl scripts that have only core Perl.
//!
//! Rooms with one-way doors (a test holds them): [`broker`] owns the event loop and the sockets, [`modules`] is the list of what
//! callers can do, [`cli`] opens them. What a module is written against is a crate of its own, `kit`, and each module is one.
//! `docs/architecture.md` shows the whole house, `docs/life-of-a-call.md` one call's way through it.

pub mod broker;
pub mod cli;
pub mod config;
pub mod health;
pub mod logging;
pub mod modules;
pub mod stats;

/// The version of the program, as `daemon_version` in answers and `--version` show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
