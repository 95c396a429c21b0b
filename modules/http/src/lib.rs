//! Module `http_helper`, also called as `http`: requests to web servers.
//!
//! The library (ureq, with rustls on ring) speaks the protocol; here is what makes it the module that scripts expect: who may
//! open which file, what ends a wait, how redirects go, what a connection that failed looks like. Every function that
//! touches the network runs on a worker.

mod agent;
mod answer;
mod content;
mod described;
mod exact;
mod exchange;
mod fields;
mod functions;
mod json;
mod limits;
mod moved;
mod part;
mod past_end;
mod place;
mod proxy;
mod resolver;
mod session;
mod spelling;
mod tls;
mod transfer;
mod transport;

pub use functions::module;
