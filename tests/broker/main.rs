//! The broker as its clients meet it: the real program on a real socket.
//!
//! Each file is named after what it shows. `support` starts a broker in a directory of its own and speaks the protocol.

mod support;

mod access;
mod authority;
mod background;
mod bad_input;
mod calls;
mod chain_modes;
mod commands;
mod connections;
mod crypto;
mod ending;
mod faults;
mod get;
mod health;
mod hostile_web;
mod http;
mod impostors;
mod legacy_cipher;
mod life_cycle;
mod listener;
mod locks;
mod log;
mod longest_turn;
mod monitoring;
mod odd_bodies;
mod oneshot;
mod operators;
mod overload;
mod protocol_page;
mod quotas;
mod random_calls;
mod reload;
mod report;
mod secrets;
mod service;
mod settings;
mod sizes;
mod tls;
mod top;
mod transfers;
mod web;
