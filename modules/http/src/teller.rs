//! Progress of a transfer, told while it goes on.

use kit::Call;
use std::time::{Duration, Instant};

/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);

/// Tells how far a transfer has come, not more often than anybody looks.
pub struct Teller<'c, 'a> {
    call: &'c Call<'a>,
    total: Option<u64>,
    next: Instant,
}

impl<'c, 'a> Teller<'c, 'a> {
    /// A teller for a transfer of so many bytes.
    pub fn new(call: &'c Call<'a>, total: Option<u64>) -> Self {
        Self { call, total, next: Instant::now() }
    }

    /// So much is done.
    pub fn tell(&mut self, done: u64) {
        if self.call.wants_progress() && (Some(done) == self.total || Instant::now() >= self.next) {
            self.call.progress(done, self.total, "bytes");
            self.next = Instant::now() + TELL;
        }
    }
}
