pub mod config;
pub mod health;
pub mod logging;
pub mod modules;
pub mod protocol;
pub mod stats;
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
