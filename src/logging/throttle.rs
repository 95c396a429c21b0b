//! Holds back lines that an outsider can cause at will, so that nobody fills the log (and the disk) from outside.
//!
//! What is counted is a kind of line and the user who causes it. The first few such lines are written; then one in ten
//! seconds, which says how many were left out. When nothing of the kind came for ten seconds, all is as at the beginning.
//! The memory of it is bounded: with more keys than fit, those are forgotten that were heard of least lately.

use std::collections::HashMap;
use std::time::Duration;

/// Lines of a kind and user that are written before any is held back.
const BURST: u32 = 5;
/// Time between two lines of a kind and user after that.
const PAUSE: Duration = Duration::from_secs(10);
/// Kinds and users that are remembered.
const MOST_KEYS: usize = 1024;

/// What was written of each kind of line and user, and what was left out.
#[derive(Debug, Default)]
pub struct Throttle {
    seen: HashMap<(&'static str, u32), Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    written: u32,
    left_out: u64,
    // When the last line was written, and when the last was asked for, whether it was written or not.
    last_written: Duration,
    last_asked: Duration,
}

impl Throttle {
    /// Whether a line of this kind, caused by this user, is to be written now, and if so how many like it were left out
    /// since the last one that was. `now` is the time since a fixed moment; it never goes back.
    pub fn admit(&mut self, kind: &'static str, uid: u32, now: Duration) -> Option<u64> {
        if !self.seen.contains_key(&(kind, uid)) && self.seen.len() >= MOST_KEYS {
            self.make_room(now);
        }
        let fresh = Seen { written: 0, left_out: 0, last_written: now, last_asked: now };
        let seen = self.seen.entry((kind, uid)).or_insert(fresh);
        let is_quiet = now.saturating_sub(seen.last_asked) >= PAUSE;
        seen.last_asked = now;
        if is_quiet {
            seen.written = 0;
        }
        if seen.written >= BURST && now.saturating_sub(seen.last_written) < PAUSE {
            seen.left_out += 1;
            return None;
        }
        seen.written = seen.written.saturating_add(1);
        seen.last_written = now;
        Some(std::mem::take(&mut seen.left_out))
    }

    /// Forgets whoever was quiet for long; if everybody is loud, the quarter that was heard of least lately.
    fn make_room(&mut self, now: Duration) {
        self.seen.retain(|_, seen| now.saturating_sub(seen.last_asked) < PAUSE);
        if self.seen.len() < MOST_KEYS {
            return;
        }
        let mut times: Vec<Duration> = self.seen.values().map(|seen| seen.last_asked).collect();
        times.sort_unstable();
        let limit = times[MOST_KEYS / 4];
        let mut surplus = MOST_KEYS / 4;
        self.seen.retain(|_, seen| {
            let goes = surplus > 0 && seen.last_asked <= limit;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_is_written_then_one_line_in_ten_seconds_that_tells_what_is_missing() {
        let mut throttle = Throttle::default();
        for _ in 0..BURST {
            assert_eq!(throttle.admit("denied", 7, at(0)), Some(0));
        }
        // A thousand a second for a minute.
        let written: Vec<u64> = (0..60_000).filter_map(|ms| throttle.admit("denied", 7, at(ms))).collect();
        assert_eq!(written, [10_000, 9_999, 9_999, 9_999, 9_999]);
    }

    #[test]
    fn after_a_pause_all_is_as_at_the_beginning_and_nothing_is_lost_from_the_count() {
        let mut throttle = Throttle::default();
        let first: Vec<_> = (0..8).map(|_| throttle.admit("denied", 7, at(0))).collect();
        assert_eq!(first, [Some(0), Some(0), Some(0), Some(0), Some(0), None, None, None]);
        let later: Vec<_> = (0..6).map(|_| throttle.admit("denied", 7, at(10_000))).collect();
        assert_eq!(later, [Some(3), Some(0), Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn kinds_and_users_are_apart() {
        let mut throttle = Throttle::default();
        while throttle.admit("denied", 7, at(0)).is_some() {}
        assert_eq!(throttle.admit("denied", 8, at(0)), Some(0));
        assert_eq!(throttle.admit("protocol", 7, at(0)), Some(0));
        assert_eq!(throttle.admit("denied", 7, at(0)), None);
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let mut throttle = Throttle::default();
        for uid in 0..100_000 {
            throttle.admit("denied", uid, at(0));
            assert!(throttle.seen.len() <= MOST_KEYS);
        }
        // The last is remembered, however many came before.
        let last: Vec<_> = (0..5).map(|_| throttle.admit("denied", 99_999, at(1))).collect();
        assert_eq!(last, [Some(0), Some(0), Some(0), Some(0), None]);
        throttle.admit("denied", 200_000, at(20_000));
        assert!(throttle.seen.len() <= MOST_KEYS);
    }
}
