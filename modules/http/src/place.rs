//! A socket's place among those there may be.

use net::limits::{Full, Holder, Permit, SOCKETS};
use net::wait::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The place; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    open: Arc<AtomicUsize>,
    _permit: Permit,
}

impl Place {
    /// Takes one; `make_room` gives up connections that are kept only in case that they are wanted again.
    ///
    /// # Errors
    /// `overloaded` if there is none left.
    pub fn take(open: &Arc<AtomicUsize>, holder: Holder, make_room: fn(Full, Holder)) -> Result<Self, Stop> {
        let permit = SOCKETS.take(holder).or_else(|full| {
            make_room(full, holder);
            SOCKETS.take(holder)
        });
        let permit = permit.map_err(|full| match full {
            Full::Total => Stop::overloaded(
                "all connections to other servers that the broker may have are in use; try again later",
            ),
            Full::Guest => {
                Stop::overloaded("you have as many connections to other servers as one user may have; end some first")
            }
        })?;
        open.fetch_add(1, Ordering::Relaxed);
        Ok(Self { open: Arc::clone(open), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
