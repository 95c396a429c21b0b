//! Handing everything over to a new program in the same process.
//!
//! The broker packs all that it knows into a memory file that nobody can change any more, and executes the new program in its
//! own place: the process id stays, and so do the descriptors that are named in the file: the listening socket, its lock,
//! every connection. The new program reads the file and goes on.
//!
//! Nothing of this is undone once the new program runs, so it is tried out first: as a child, with a copy of the state, it
//! has to start, understand the settings and the state, and say so (a rehearsal).
//!
//! | file | owns |
//! | --- | --- |
//! | `state` | what is handed over, and its form |
//! | `memory` | the sealed memory file |
//! | `orders` | what a program is told that is started for it |
//! | `program` | the program: which file, whether it can be trusted, trying it out, executing it |
//! | `capture` | from a broker to its state |
//! | `resume` | from a state to a broker |

mod capture;
mod memory;
mod orders;
mod program;
mod resume;
mod state;

pub use orders::Orders;
pub use program::{Origin, Program, READY, Rehearsal};
pub use resume::{Inheritance, rehearse};

use kit::protocol::CallError;
use std::io;

/// Why a handover does not work. None of these says anything of what is handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The program's file is none to execute.
    #[error("{path} {why}")]
    Program {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The new program was tried out and did not come up.
    #[error("the new program does not take over: {0}")]
    Rehearsal(String),
    /// The state was written by a program that speaks another form of it.
    #[error("the state is of format {found}, and this program reads format {read}")]
    Format {
        /// The format of the state.
        found: u32,
        /// The format that this program reads.
        read: u32,
    },
    /// The state makes no sense.
    #[error("the state can't be read: {0}")]
    Unreadable(String),
    /// A handle can't be packed or unpacked.
    #[error("a handle can't be moved: {0}")]
    Handle(#[from] CallError),
    /// The system refused.
    #[error("{what}: {source}")]
    System {
        /// Doing what.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl HandoverError {
    fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}
