//! What handles keep beside sessions: bodies that are read, and bodies that are put together.

use super::content::Stream;
use super::session::Session;
use super::trailers::Place;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A body that is read in pieces.
pub struct Open {
    /// What is left of it.
    pub body: Stream,
    /// How long the server may do nothing.
    pub timeout: Duration,
    /// The session whose settings the connection holds on to, also when it has ended.
    pub session: Arc<Session>,
    /// Whose it is: name and port.
    pub server: String,
    /// What comes behind it.
    pub trailers: Place,
    /// What the next call is told.
    pub broken: Option<std::io::Error>,
}

impl Open {
    /// The rest of a body that came in a session.
    pub fn new(body: Stream, trailers: Place, timeout: Duration, session: Arc<Session>, server: String) -> Self {
        session.lent.fetch_add(1, Ordering::Relaxed);
        Self { body, timeout, session, server, trailers, broken: None }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.session.lent.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that is put together from pieces, and the session that it is to be sent in.
pub struct Collected {
    /// What there is of it. Pieces are not put together: a large body would have to be copied again and again.
    pub pieces: Vec<Vec<u8>>,
    /// How many bytes that is.
    pub length: usize,
    /// Sessions can't be reached by the call that sends it: a call works on one handle.
    pub session: Arc<Session>,
}
