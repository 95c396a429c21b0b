//! How long things take: counts, totals and spreads.

use super::ratio;
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest time a histogram tells apart: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// How long something took, time after time.
#[derive(Clone, Default)]
pub struct Times {
    count: u64,
    total: Duration,
    // Made with the first: most functions are never called.
    spread: Option<Box<Histogram<u32>>>,
}

impl Times {
    /// Counts so many that took so long each.
    pub fn record(&mut self, took: Duration, times: u32) {
        if times == 0 {
            return;
        }
        self.count += u64::from(times);
        self.total += took * times;
        let spread = self.spread.get_or_insert_with(|| Box::new(new_histogram()));
        spread.saturating_record_n(nanoseconds(took), times);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Counts all that another has counted.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total += other.total;
        if let Some(spread) = &other.spread {
            // All histograms have the same bounds, so they can be added.
            let _ = self.spread.get_or_insert_with(|| Box::new(new_histogram())).add(spread.as_ref());
        }
    }

    /// What was counted since an earlier state of the same.
    pub fn since(&self, earlier: &Self) -> Self {
        let spread = self.spread.as_ref().map(|now| {
            let mut spread = now.clone();
            if let Some(before) = &earlier.spread {
                // An earlier state of the same counters has no more than they have now.
                let _ = spread.subtract(before.as_ref());
            }
            spread
        });
        Self { count: self.count - earlier.count, total: self.total.saturating_sub(earlier.total), spread }
    }

    /// Everything there is to know, for another program to go on with.
    pub fn pack(&self) -> PackedTimes {
        let spread = self.spread.iter().flat_map(|spread| spread.iter_recorded());
        let spread = spread.map(|step| (step.value_iterated_to(), step.count_at_value())).collect();
        PackedTimes { count: self.count, total: self.total, spread }
    }

    /// Goes on with what another program has counted.
    pub fn unpack(packed: &PackedTimes) -> Self {
        let mut times = Self { count: packed.count, total: packed.total, spread: None };
        for &(value, count) in &packed.spread {
            let spread = times.spread.get_or_insert_with(|| Box::new(new_histogram()));
            spread.saturating_record_n(value.clamp(1, LONGEST), count);
        }
        times
    }

    /// The mean, in seconds.
    pub fn mean(&self) -> f64 {
        ratio(self.total.as_secs_f64(), self.count as f64)
    }

    /// What so large a part is at most, in seconds.
    pub fn at(&self, quantile: f64) -> f64 {
        self.spread.as_ref().map_or(0.0, |spread| seconds_at(spread, quantile))
    }

    /// The figures.
    pub fn report(&self) -> TimesReport {
        TimesReport {
            avg: self.mean(),
            p50: self.at(0.50),
            p95: self.at(0.95),
            p99: self.at(0.99),
            max: self.spread.as_ref().map_or(0.0, |spread| spread.max() as f64 / 1e9),
        }
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
    spread: Vec<(u64, u32)>,
}

fn nanoseconds(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

fn new_histogram() -> Histogram<u32> {
    // Two significant digits over nine decades; the bounds are constants that the crate accepts.
    Histogram::new_with_bounds(1_000, LONGEST, 2).expect("constant histogram bounds are valid")
}

fn seconds_at(latency: &Histogram<u32>, quantile: f64) -> f64 {
    if latency.is_empty() { 0.0 } else { latency.value_at_quantile(quantile) as f64 / 1e9 }
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
        assert_eq!((again.count(), again.report()), (times.count(), times.report()));
        assert_eq!(Times::unpack(&Times::default().pack()).report(), TimesReport::default());
    }
}
