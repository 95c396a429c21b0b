//! When a reload holds calls up, and for how long at a time.
//!
//! A broker can be replaced only while no call runs. Where calls follow upon each other, such a moment has to be made: for a while
//! none is begun. If one of those that run takes long, that would hold up everybody for as long as it takes. So calls are held
//! up for a moment only, then they go on for some times that long, then they are held up for a longer moment, up to a limit. While
//! a call runs that has taken longer than the limit already, nobody is held up: it would most likely be in vain.

use std::time::Duration;

/// How long the first moment is: most calls take less.
const FIRST: Duration = Duration::from_millis(50);
/// How many times as long calls go on afterwards.
const REST: u32 = 4;
/// How often it is looked whether the calls that took too long have ended.
const LOOK: Duration = Duration::from_millis(50);

/// The times at which calls are held up. All are durations since the broker's start.
pub struct Quiet {
    /// When the wait for a quiet moment began.
    pub begun: Duration,
    turn: Turn,
    patience: Duration,
    longest: Duration,
}

#[derive(Clone, Copy)]
enum Turn {
    Held { since: Duration, until: Duration },
    Open { until: Duration },
}

impl Quiet {
    /// Begins with a hold at the first [`Quiet::advance`]. No hold is longer than `longest`; with nothing there is none at all.
    pub fn begin(now: Duration, longest: Duration) -> Self {
        Self { begun: now, turn: Turn::Open { until: now }, patience: FIRST.min(longest), longest }
    }

    /// Since when calls are held up, if they are.
    pub fn held_since(&self) -> Option<Duration> {
        match self.turn {
            Turn::Held { since, .. } => Some(since),
            Turn::Open { .. } => None,
        }
    }

    /// When to call [`Quiet::advance`] next.
    pub fn until(&self) -> Duration {
        match self.turn {
            Turn::Held { until, .. } | Turn::Open { until } => until,
        }
    }

    /// What the time brings. `oldest` is for how long the call has run that began first of those that are waited for. Returns
    /// whether calls that were held up go on now.
    pub fn advance(&mut self, now: Duration, oldest: Option<Duration>) -> bool {
        if now < self.until() {
            return false;
        }
        let (turn, goes_on) = match self.turn {
            Turn::Held { since, .. } => {
                self.patience = (self.patience * 2).min(self.longest);
                (Turn::Open { until: now + REST * (now - since) }, true)
            }
            Turn::Open { .. } if self.longest.is_zero() || oldest.is_some_and(|age| age > self.longest) => {
                (Turn::Open { until: now + LOOK }, false)
            }
            Turn::Open { .. } => (Turn::Held { since: now, until: now + self.patience }, false),
        };
        self.turn = turn;
        goes_on
    }

    /// Holds calls up until a time, because what was waited for was just told to end.
    pub fn hold_until(&mut self, now: Duration, until: Duration) {
        self.turn = Turn::Held { since: self.held_since().unwrap_or(now), until };
    }

    /// Looks again at this time at the latest.
    pub fn look_at(&mut self, time: Duration) {
        if let Turn::Open { until } = &mut self.turn {
            *until = time.min(*until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // The moments at which calls were held up, from when to when, in milliseconds.
    fn holds(longest: Duration, until: Duration, oldest: impl Fn(Duration) -> Option<Duration>) -> Vec<(u128, u128)> {
        let mut quiet = Quiet::begin(Duration::ZERO, longest);
        let (mut now, mut held) = (Duration::ZERO, Vec::new());
        while now < until {
            let since = quiet.held_since();
            if quiet.advance(now, oldest(now)) {
                held.push((since.expect("was held").as_millis(), now.as_millis()));
            }
            now = quiet.until();
        }
        held
    }

    #[test]
    fn moments_grow_up_to_a_limit_with_rests_between_them() {
        let expected = [(0, 50), (250, 350), (750, 950), (1750, 2150), (3750, 4550), (7750, 8750), (12750, 13750)];
        assert_eq!(holds(SECOND, 14 * SECOND, |_| None), expected);
    }

    #[test]
    fn nobody_is_held_up_behind_a_call_that_takes_long() {
        let long_call_until = 20 * SECOND;
        let oldest = |now| (now < long_call_until).then(|| now + 3 * SECOND);
        let held = holds(SECOND, 21 * SECOND, oldest);
        assert_eq!(held.first(), Some(&(20_000, 20_050)));
    }

    #[test]
    fn with_no_time_for_it_nobody_is_held_up() {
        assert_eq!(holds(Duration::ZERO, SECOND, |_| None), []);
    }
}
