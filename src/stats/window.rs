//! What happened lately, as against since the start: a burst of errors an hour ago says nothing about now.
//!
//! Totals are remembered every few seconds, when the loop turns anyway; a broker that sleeps is not woken for it. What happened
//! within a span is the difference between now and the first totals of that span.

use super::ratio;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Time between two samples at least.
const STEP: Duration = Duration::from_secs(5);
/// A share of the CPU is told of so much time at least: starting takes all of it for a moment, which says nothing.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest span that can be asked for.
pub const LONGEST: Duration = Duration::from_secs(300);

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Calls answered.
    pub requests: u64,
    /// Calls answered with an error.
    pub failed: u64,
    /// CPU time used, seconds.
    pub cpu: f64,
}

/// What happened within a span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lately {
    /// Calls answered.
    pub requests: u64,
    /// Calls answered with an error.
    pub failed: u64,
    /// Percent of one core.
    pub cpu_percent: f64,
}

/// The latest totals. Times are durations since the broker's start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    samples: VecDeque<(Duration, Totals)>,
    next: Duration,
}

impl Window {
    /// Whether it is time for [`Window::remember`].
    #[inline]
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Remembers the totals of this moment, before anything of it is counted.
    pub fn remember(&mut self, now: Duration, totals: Totals) {
        while self.samples.front().is_some_and(|(at, _)| *at + LONGEST < now) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, totals));
        self.next = now + STEP;
    }

    /// What happened within the last `span` (at most [`LONGEST`]), or since the first sample if that is later.
    pub fn lately(&self, now: Duration, totals: Totals, span: Duration) -> Lately {
        let begin = now.saturating_sub(span);
        // Between a sample and the next the loop may have slept: what was counted then is of the earlier end.
        let first = self.samples.iter().find(|(at, _)| *at >= begin);
        let (at, before) = first.copied().unwrap_or((now, totals));
        Lately {
            requests: totals.requests.saturating_sub(before.requests),
            failed: totals.failed.saturating_sub(before.failed),
            cpu_percent: ratio(
                (totals.cpu - before.cpu).max(0.0) * 100.0,
                now.saturating_sub(at).max(SHORTEST).as_secs_f64(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn totals(requests: u64, failed: u64) -> Totals {
        Totals { requests, failed, cpu: requests as f64 / 10.0 }
    }

    #[test]
    fn what_is_over_is_not_lately() {
        let mut window = Window::default();
        assert!(window.is_due(at(0)));
        window.remember(at(0), totals(0, 0));
        assert!(!window.is_due(at(4)) && window.is_due(at(5)));
        // Two calls in the first second are two in the last minute, not as many as it might have become.
        let first = window.lately(at(1), totals(2, 1), MINUTE);
        assert_eq!((first.requests, first.failed), (2, 1));
        // Nobody called for an hour: the totals are remembered when somebody does.
        window.remember(at(3600), totals(50, 50));
        let now = window.lately(at(3601), totals(51, 50), MINUTE);
        assert_eq!((now.requests, now.failed), (1, 0));
        assert_eq!(window.samples.len(), 1, "what is older than the longest span is forgotten");
    }

    #[test]
    fn the_first_moment_is_not_told_as_if_it_lasted() {
        let mut window = Window::default();
        window.remember(at(0), totals(0, 0));
        let lately = window.lately(Duration::from_millis(10), totals(1, 0), MINUTE);
        assert!((lately.cpu_percent - 10.0).abs() < 1e-9, "{lately:?}");
    }

    #[test]
    fn a_steady_rate_is_told_as_it_is() {
        let mut window = Window::default();
        for second in 0..1000 {
            if window.is_due(at(second)) {
                window.remember(at(second), totals(second * 3, 0));
            }
        }
        let lately = window.lately(at(1000), totals(3000, 0), MINUTE);
        assert!((165..=180).contains(&lately.requests), "{lately:?}");
        assert!((lately.cpu_percent - 30.0).abs() < 1e-9, "{lately:?}");
        assert!(window.samples.len() <= 62, "{}", window.samples.len());
    }

    #[test]
    fn without_a_sample_nothing_happened() {
        assert_eq!(Window::default().lately(at(9), totals(5, 5), MINUTE), Lately::default());
    }
}
