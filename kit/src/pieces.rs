//! Long work in pieces, so that a call that nobody waits for any more ends soon.
//!
//! A worker can't be stopped from outside. Whatever takes longer the more a caller sends looks at the call's cancellation
//! before each piece, and a piece takes some milliseconds, by its size or its number of rounds. A program's test asks every function of
//! its registry whether it does.

use super::Call;
use super::cancellation::Cancellation;
use crate::protocol::{CallError, Code};
use std::sync::Arc;

/// Bytes of a piece: some tens of milliseconds of the slowest cipher. Whole blocks of every cipher.
pub const PIECE: usize = 1 << 20;

/// The pieces of one call's work.
pub struct Pieces {
    cancellation: Option<Arc<Cancellation>>,
}

impl Pieces {
    /// The pieces of a call's work. In the loop they are never cancelled: only little work is done there.
    pub fn of(call: &Call<'_>) -> Self {
        Self { cancellation: call.cancellation().cloned() }
    }

    /// Work that belongs to no call.
    pub const fn of_no_call() -> Self {
        Self { cancellation: None }
    }

    /// Before each piece.
    ///
    /// # Errors
    /// `cancelled` if nobody waits for the call any more.
    pub fn begin(&self) -> Result<(), CallError> {
        #[cfg(feature = "testing")]
        watch::note();
        match &self.cancellation {
            Some(cancellation) if cancellation.is_set() => {
                Err(CallError::new(Code::Cancelled, "the call was given up before it was done"))
            }
            _ => Ok(()),
        }
    }

    /// Does work on bytes, piece by piece.
    ///
    /// # Errors
    /// As [`Pieces::begin`].
    pub fn each(&self, bytes: &[u8], mut work: impl FnMut(&[u8])) -> Result<(), CallError> {
        for piece in bytes.chunks(PIECE) {
            self.begin()?;
            work(piece);
        }
        Ok(())
    }
}

/// For tests of what functions do: counts the pieces of this thread, and cancels before one of them.
#[cfg(feature = "testing")]
pub mod watch {
    use super::Cancellation;
    use std::cell::RefCell;
    use std::sync::Arc;

    #[derive(Default)]
    struct Seen {
        pieces: u64,
        cancel: Option<(u64, Arc<Cancellation>)>,
    }

    thread_local!(static SEEN: RefCell<Seen> = RefCell::default());

    /// Begins to count; `cancel` is before which piece what is cancelled, counted from one.
    pub fn begin(cancel: Option<(u64, Arc<Cancellation>)>) {
        SEEN.set(Seen { pieces: 0, cancel });
    }

    /// How many pieces there were since.
    pub fn pieces() -> u64 {
        SEEN.take().pieces
    }

    pub(super) fn note() {
        SEEN.with_borrow_mut(|seen| {
            seen.pieces += 1;
            match &seen.cancel {
                Some((at, cancellation)) if *at == seen.pieces => cancellation.cancel(),
                _ => {}
            }
        });
    }
}
