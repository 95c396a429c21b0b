//! Module `html`: what HTML::Parser was compiled code for.
//!
//! A document comes in pieces, and its tokens go back as the arguments that a script's handlers are called with, so that Perl has nothing left
//! to do but to call them. Nothing is kept between calls: what is to be known of a document up to here ([`state`]) goes to the caller
//! and comes back, so that parsers survive reloads, forks and other brokers.
//!
//! What is a token is said by the manual of HTML::Parser 3.86 (public, on metacpan.org) and by what that module does with
//! what the manual is silent about; `perl/t/html_parser.t` holds recorded answers of it.

mod classes;
mod entities;
mod functions;
mod markup;
mod report;
mod rules;
mod scan;
mod state;
mod values;

pub use functions::module;
