//! How many sockets to elsewhere there may be, and how many threads that look names up.
//!
//! Both are the process's, which needs descriptors for its clients too. A permit is counted for the user whose call took it
//! and given back when it is dropped, wherever that is: with the connection, or at the end of the look-up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Whom something is counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub uid: u32,
    /// Whether the bound for each guest is not for this one.
    pub privileged: bool,
}

/// What there may be so many of.
#[derive(Debug)]
pub struct Bound {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: usize,
    per_guest: usize,
    taken: usize,
    by_guest: Option<HashMap<u32, usize>>,
}

/// Which bound was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That for all together.
    Total,
    /// That for one guest.
    Guest,
}

/// Sockets to elsewhere.
pub static SOCKETS: Bound = Bound::of(usize::MAX, usize::MAX);
/// Threads that look names up. The system's way of doing so can't be cut short: a thread may outlive the call that it
/// works for by half a minute.
pub static RESOLVERS: Bound = Bound::of(128, 32);

impl Bound {
    const fn of(total: usize, per_guest: usize) -> Self {
        Self { state: Mutex::new(State { total, per_guest, taken: 0, by_guest: None }) }
    }

    /// Sets the bounds; what is taken stays taken.
    pub fn set(&self, total: usize, per_guest: usize) {
        let mut state = self.lock();
        (state.total, state.per_guest) = (total, per_guest);
    }

    /// Takes one.
    ///
    /// # Errors
    /// The bound that was met.
    pub fn take(&'static self, holder: Holder) -> Result<Permit, Full> {
        let mut state = self.lock();
        if state.taken >= state.total {
            return Err(Full::Total);
        }
        let per_guest = state.per_guest;
        if !holder.privileged {
            let held = state.by_guest.get_or_insert_default().entry(holder.uid).or_default();
            if *held >= per_guest {
                return Err(Full::Guest);
            }
            *held += 1;
        }
        state.taken += 1;
        Ok(Permit { of: self, holder })
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of what is bounded; given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    of: &'static Bound,
    holder: Holder,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        state.taken -= 1;
        if self.holder.privileged {
            return;
        }
        if let Some(by_guest) = &mut state.by_guest
            && let Some(held) = by_guest.get_mut(&self.holder.uid)
        {
            *held -= 1;
            if *held == 0 {
                by_guest.remove(&self.holder.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_counted_in_total_and_for_each_guest() {
        static BOUND: Bound = Bound::of(3, 2);
        let (owner, alice) = (Holder { uid: 0, privileged: true }, Holder { uid: 1, privileged: false });
        let first = BOUND.take(alice).unwrap();
        let _second = BOUND.take(alice).unwrap();
        assert_eq!(BOUND.take(alice).unwrap_err(), Full::Guest);
        let _third = BOUND.take(owner).unwrap();
        assert_eq!(BOUND.take(owner).unwrap_err(), Full::Total);
        drop(first);
        assert_eq!(BOUND.taken(), 2);
        let _again = BOUND.take(alice).unwrap();
        BOUND.set(2, 1);
        assert_eq!(BOUND.take(Holder { uid: 2, privileged: false }).unwrap_err(), Full::Total);
    }
}
