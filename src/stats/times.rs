//! How long things take: counts, totals and spreads.

use super::ratio;
use super::spread::{Length, Spread};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long something took, time after time.
#[derive(Clone, Default)]
pub struct Times {
    count: u64,
    // Nanoseconds; centuries of them.
    total: u64,
    // Made with the first: most functions are never called.
    spread: Option<Spread>,
}

impl Times {
    /// Counts so many that took so long each.
    #[inline]
    pub fn record(&mut self, took: impl Into<Length>, times: u32) {
        if times == 0 {
            return;
        }
        let took = took.into();
        self.count += u64::from(times);
        self.total = self.total.saturating_add(took.nanoseconds().saturating_mul(u64::from(times)));
        self.spread.get_or_insert_default().record(took, u64::from(times));
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Counts all that another has counted.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        if let Some(spread) = &other.spread {
            self.spread.get_or_insert_default().add(spread);
        }
    }

    /// What was counted since an earlier state of the same.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut spread = self.spread.clone();
        if let (Some(spread), Some(before)) = (&mut spread, &earlier.spread) {
            spread.subtract(before);
        }
        Self { count: self.count - earlier.count, total: self.total.saturating_sub(earlier.total), spread }
    }

    /// Everything there is to know, for another program to go on with.
    pub fn pack(&self) -> PackedTimes {
        let spread = self.spread.iter().flat_map(Spread::recorded).collect();
        PackedTimes { count: self.count, total: Duration::from_nanos(self.total), spread }
    }

    /// Goes on with what another program has counted.
    pub fn unpack(packed: &PackedTimes) -> Self {
        let mut spread = None;
        for &(nanoseconds, count) in &packed.spread {
            spread.get_or_insert_with(Spread::default).record(Length::of(nanoseconds), count);
        }
        Self { count: packed.count, total: Length::from(packed.total).nanoseconds(), spread }
    }

    /// The figures.
    pub fn report(&self) -> TimesReport {
        let nanoseconds = self.spread.as_ref().map_or([0; 4], |spread| spread.at([0.50, 0.95, 0.99, 1.0]));
        let [p50, p95, p99, max] = nanoseconds.map(|nanoseconds| nanoseconds as f64 / 1e9);
        TimesReport { avg: ratio(self.total as f64 / 1e9, self.count as f64), p50, p95, p99, max }
    }
}

/// What [`Times`] come to, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct TimesReport {
    /// Mean.
    pub avg: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// [`Times`] on their way to another program: the histogram as its values and how often each was counted.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct PackedTimes {
    count: u64,
    total: Duration,
    spread: Vec<(u64, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_up() {
        let mut times = Times::default();
        assert_eq!(times.report(), TimesReport::default());
        for millisecond in 1..=100 {
            times.record(Duration::from_millis(millisecond), 1);
        }
        let report = times.report();
        assert!((0.050..=0.051).contains(&report.avg) && (0.094..=0.097).contains(&report.p95), "{report:?}");
        assert!(report.max >= 0.1 && report.p50 < report.p95 && report.p95 < report.p99);
    }

    #[test]
    fn packed_times_are_the_same_times() {
        let mut times = Times::default();
        for shift in 0..40 {
            times.record(Duration::from_nanos(1 << shift), 1);
        }
        let again = Times::unpack(&times.pack());
        let (again, times) = (again.pack(), times.pack());
        assert_eq!((again.count, again.total, &again.spread), (times.count, times.total, &times.spread));
        assert_eq!(Times::unpack(&Times::default().pack()).report(), TimesReport::default());
    }
}
