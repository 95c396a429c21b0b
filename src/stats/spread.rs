//! How often each length of time came: a histogram with buckets that widen with what they hold.
//!
//! Every call that is answered is counted in two of them by the loop itself, which is why this is not a library's: a bucket is found by
//! a shift and an addition, once for both. The layout is HdrHistogram's (Tene, 2012): groups of buckets as wide as each other, each
//! group's twice as wide as those before.

use std::time::Duration;

/// The longest time told apart: an hour, in nanoseconds. What took longer is counted with that.
const LONGEST: u64 = 3_600_000_000_000;
/// The width of the narrowest buckets, as a power of two: 512 ns.
const NARROWEST: u32 = 9;
/// Buckets of one width, as a power of two. A time is told to within one part in so many.
const GROUP: u32 = 7;
/// All buckets up to the one that holds the longest time.
const BUCKETS: usize = Length::of(LONGEST).bucket() + 1;

/// A length of time, and the bucket that counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    nanoseconds: u64,
    bucket: u32,
}

impl Length {
    /// A number of nanoseconds.
    pub const fn of(nanoseconds: u64) -> Self {
        let units = if nanoseconds < LONGEST { nanoseconds } else { LONGEST } >> NARROWEST;
        // How many times the buckets have doubled their width: none for the first two groups.
        let doubled = (u64::BITS - (units >> GROUP).leading_zeros()).saturating_sub(1);
        Self { nanoseconds, bucket: (doubled << GROUP) + (units >> doubled) as u32 }
    }

    const fn bucket(self) -> usize {
        self.bucket as usize
    }

    /// In nanoseconds.
    pub const fn nanoseconds(self) -> u64 {
        self.nanoseconds
    }
}

impl From<Duration> for Length {
    fn from(took: Duration) -> Self {
        let seconds = took.as_secs().saturating_mul(1_000_000_000);
        Self::of(seconds.saturating_add(u64::from(took.subsec_nanos())))
    }
}

/// The longest time that a bucket counts, in nanoseconds.
const fn longest_in(bucket: usize) -> u64 {
    let doubled = (bucket >> GROUP).saturating_sub(1);
    let units = bucket - (doubled << GROUP);
    (((units as u64 + 1) << doubled) << NARROWEST) - 1
}

/// The histogram. A busy broker counts more of one length than 32 bits hold within a day.
#[derive(Clone)]
pub struct Spread {
    counts: Box<[u64; BUCKETS]>,
    // The sum of the counts: reports, of which a turn of the loop has time for one, would add them up for every function.
    counted: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), counted: 0 }
    }
}

impl Spread {
    /// Counts so many times of one length.
    #[inline]
    pub fn record(&mut self, length: Length, times: u64) {
        self.change(length.bucket(), |count| count.saturating_add(times));
    }

    /// Counts all that another has counted.
    pub fn add(&mut self, other: &Self) {
        for (bucket, more) in other.counted_in() {
            self.change(bucket, |count| count.saturating_add(more));
        }
    }

    /// Takes away what an earlier state of the same had counted.
    pub fn subtract(&mut self, earlier: &Self) {
        for (bucket, less) in earlier.counted_in() {
            self.change(bucket, |count| count.saturating_sub(less));
        }
    }

    #[inline]
    fn change(&mut self, bucket: usize, to: impl FnOnce(u64) -> u64) {
        let Some(count) = self.counts.get_mut(bucket) else { return };
        let before = std::mem::replace(count, to(*count));
        self.counted = (self.counted - before).saturating_add(*count);
    }

    /// The buckets that count something, and how often.
    fn counted_in(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// What so large parts of the times are at most, in nanoseconds; 0 if none was counted. The parts are given in ascending order,
    /// so that one walk finds them all; 1.0 asks for the longest.
    pub fn at<const PARTS: usize>(&self, parts: [f64; PARTS]) -> [u64; PARTS] {
        let mut buckets = self.counted_in();
        let (mut so_far, mut longest) = (0, 0);
        parts.map(|part| {
            let wanted = ((part * self.counted as f64).ceil() as u64).max(1);
            while so_far < wanted
                && let Some((bucket, count)) = buckets.next()
            {
                so_far += count;
                longest = longest_in(bucket);
            }
            longest
        })
    }

    /// Every length that was counted, in nanoseconds, and how often.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counted_in().map(|(bucket, count)| (longest_in(bucket), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_what_is_counted_there_and_nothing_else(nanoseconds in 0..=LONGEST) {
            let bucket = Length::of(nanoseconds).bucket();
            prop_assert!(bucket < BUCKETS && nanoseconds <= longest_in(bucket));
            prop_assert!(bucket == 0 || nanoseconds > longest_in(bucket - 1));
            // To within one part in 128, or 512 ns.
            prop_assert!(longest_in(bucket) - nanoseconds < (1 << NARROWEST).max(nanoseconds >> GROUP));
        }

        #[test]
        fn quantiles_are_those_of_hdr_histogram(
            times in prop::collection::vec((0..42u32, 1..u64::MAX, 1..5u64), 1..200), quantile in 0.0..=1.0, other in 0.0..=1.0
        ) {
            let (mut ours, mut theirs) = (Spread::default(), Histogram::<u64>::new_with_bounds(1_000, LONGEST, 2).unwrap());
            for (bits, seed, count) in times {
                let nanoseconds = (seed % (1 << bits)).min(LONGEST);
                ours.record(Length::of(nanoseconds), count);
                theirs.record_n(nanoseconds, count).unwrap();
            }
            let mut parts = [quantile, other, 1.0];
            parts.sort_by(f64::total_cmp);
            prop_assert_eq!(ours.at(parts), parts.map(|part| theirs.value_at_quantile(part)));
            let recorded = theirs.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
            prop_assert_eq!(ours.recorded().collect::<Vec<_>>(), recorded.collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_counted_before_is_taken_away() {
        let mut spread = Spread::default();
        spread.record(Duration::from_secs(5).into(), 2);
        let earlier = spread.clone();
        spread.record(Duration::from_millis(3).into(), 1);
        spread.subtract(&earlier);
        assert_eq!(spread.recorded().map(|(_, count)| count).collect::<Vec<_>>(), [1]);
        let [median, longest] = spread.at([0.5, 1.0]);
        assert!((3_000_000..3_040_000).contains(&longest) && median == longest);
    }

    #[test]
    fn counts_and_times_have_their_bounds() {
        let mut spread = Spread::default();
        for _ in 0..2 {
            spread.record(Duration::MAX.into(), u64::from(u32::MAX));
        }
        assert_eq!(spread.recorded().collect::<Vec<_>>(), [(longest_in(BUCKETS - 1), 2 * u64::from(u32::MAX))]);
        assert_eq!(spread.at([0.5, 1.0]), [longest_in(BUCKETS - 1); 2]);
        assert_eq!(Spread::default().at([0.5, 1.0]), [0, 0]);
    }
}
