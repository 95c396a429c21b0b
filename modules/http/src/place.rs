//! A socket's place among those there may be.

use super::agent::Ways;
use super::limits::{Full, Permit, SOCKETS};
use super::transport::{holder, refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use ureq::Error;

/// The place; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    open: Arc<AtomicUsize>,
    _permit: Permit,
}

impl Place {
    /// Takes one; connections that are kept only in case that they are wanted again make room.
    ///
    /// # Errors
    /// `overloaded`, on its way through the library, if there is none left.
    pub fn take(open: &Arc<AtomicUsize>) -> Result<Self, Error> {
        let holder = holder();
        let permit = SOCKETS.take(holder).or_else(|full| {
            Ways::give_up_idle(full, holder);
            SOCKETS.take(holder)
        });
        let permit = permit.map_err(|full| match full {
            Full::Total => {
                refused("all connections to other servers that the broker may have are in use; try again later")
            }
            Full::Guest => {
                refused("you have as many connections to other servers as one user may have; end some first")
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
