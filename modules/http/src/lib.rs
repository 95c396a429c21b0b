//! Module `http_helper`, also called as `http`: requests to web servers.
//!
//! The library (ureq, with rustls on ring) speaks the protocol; here is what makes it the module that scripts expect: who may
//! open which file, what ends a wait, how redirects go, what a connection that failed looks like. Every function that
//! touches the network runs on a worker.

mod agent;
mod answer;
mod bodies;
pub mod chunks;
mod content;
mod described;
mod exact;
mod exchange;
mod fields;
mod framing;
mod functions;
mod head;
mod incoming;
mod json;
mod kept;
mod link;
mod moved;
mod odd_heads;
mod part;
mod past_end;
mod place;
mod request;
mod resolver;
mod session;
mod sessions;
mod spelling;
mod streams;
mod teller;
mod trailers;
mod transfer;
mod transport;
mod watch;
mod zone;

pub use functions::module;
