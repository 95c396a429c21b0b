//! What a module of functions is written against.
//!
//! A module is a table of functions; a function is a Rust function with typed parameters, a place to run and a word on what it
//! touches. Nothing here sees a socket, the event loop, a clock or a setting, and nothing is compiled from C: a function gets a
//! [`Call`] and returns a value. `docs/adding-a-module.md` walks through making a module and a program that has it.

pub mod call;
pub mod caller;
pub mod cancellation;
mod diagnose;
pub mod files;
pub mod function;
mod handle;
pub mod handles;
mod host;
pub mod keep;
mod kind;
pub mod parameters;
pub mod pieces;
pub mod protocol;
pub mod random;
mod registry;
pub mod store;

pub use call::Call;
pub use caller::Caller;
pub use function::{Function, Memory, Module, NamedFile, NoParameters, Parameters, Placement, Room, Touches};
pub use host::Host;
pub use kind::{Kind, Movable};
pub use registry::{FunctionId, Registry};
#[doc(hidden)]
pub use schemars;
