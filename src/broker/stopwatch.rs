//! Times calls that run one after the other with few looks at the clock.
//!
//! A look at the clock takes about as long as half a small call. So calls of one function that are short are timed in groups: the
//! time of a group is told as that many equal parts. As soon as a group takes longer than short calls do, the time beyond the usual
//! is one call's, and calls are timed one by one again. What that can hide is a call of less than [`SHORT_GROUP`] among shorter
//! ones, told as the mean of its group; and of two slow calls within one group, the first to be so, the sum is told as one.

use kit::FunctionId;
use std::time::{Duration, Instant};

/// Up to this a call is short.
const SHORT: Duration = Duration::from_micros(1);
/// Up to this a group holds short calls only.
const SHORT_GROUP: Duration = Duration::from_micros(8);
/// The most calls that are timed together.
const LARGEST: u32 = 32;

/// Calls of one function that were timed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lap {
    /// The function; `None` for calls that name none there is.
    pub function: Option<FunctionId>,
    /// How many calls took the usual time.
    pub usual_calls: u32,
    /// That time.
    pub usual: Duration,
    /// How long the last call took.
    pub last: Duration,
}

/// A stopwatch for one call after the other.
pub struct Stopwatch {
    since: Instant,
    function: Option<FunctionId>,
    calls: u32,
    // How many calls are timed together now.
    group: u32,
    // What a call of the last group took, if that was short.
    usual: Duration,
}

impl Stopwatch {
    /// A stopwatch that begins at a time.
    pub fn new(now: Instant) -> Self {
        Self { since: now, function: None, calls: 0, group: 1, usual: Duration::ZERO }
    }

    /// Begins anew: what went before was no call.
    pub fn begin(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When the clock was last looked at.
    pub fn looked_at(&self) -> Instant {
        self.since
    }

    /// Whether there are calls that were not told yet.
    pub fn is_running(&self) -> bool {
        self.calls > 0
    }

    /// Whether calls of another function are still to be timed before this one runs.
    #[inline]
    pub fn must_end_before(&self, function: Option<FunctionId>) -> bool {
        self.calls > 0 && self.function != function
    }

    /// A call of this function, for which [`Stopwatch::must_end_before`] does not hold, has ended. Whether the group ends with it.
    #[inline]
    pub fn count(&mut self, function: Option<FunctionId>) -> bool {
        if self.function != function {
            // What is usual for one function is not for another.
            self.function = function;
            self.group = 1;
        }
        self.calls += 1;
        self.calls >= self.group
    }

    /// Ends the group; `None` if there was no call.
    pub fn end(&mut self, now: Instant) -> Option<Lap> {
        let took = now - self.since;
        self.since = now;
        let calls = std::mem::take(&mut self.calls);
        let usual_calls = calls.checked_sub(1)?;
        let mean = took / calls;
        if mean <= SHORT && took <= SHORT_GROUP {
            // As many as are short together.
            let may_grow = calls == self.group && took * 2 <= SHORT_GROUP;
            self.group = (self.group << u32::from(may_grow)).min(LARGEST);
            self.usual = mean;
            return Some(Lap { function: self.function, usual_calls, usual: mean, last: took - mean * usual_calls });
        }
        let usual = self.usual;
        self.group = 1;
        Some(Lap { function: self.function, usual_calls, usual, last: took.saturating_sub(usual * usual_calls) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Runs calls of these times; what was told, one by one, and how often the clock was looked at.
    fn run(times: &[(usize, Duration)]) -> (Vec<(usize, Duration)>, usize) {
        let mut now = Instant::now();
        let mut watch = Stopwatch::new(now);
        let mut told = Vec::new();
        let mut looks = 0;
        let mut end = |watch: &mut Stopwatch, now| {
            looks += 1;
            let lap = watch.end(now).unwrap();
            told.extend(std::iter::repeat_n((lap.function.unwrap().0, lap.usual), lap.usual_calls as usize));
            told.push((lap.function.unwrap().0, lap.last));
        };
        for &(function, took) in times {
            if watch.must_end_before(Some(FunctionId(function))) {
                end(&mut watch, now);
            }
            now += took;
            if watch.count(Some(FunctionId(function))) {
                end(&mut watch, now);
            }
        }
        if watch.must_end_before(None) {
            end(&mut watch, now);
        }
        assert_eq!(watch.end(now), None);
        (told, looks)
    }

    #[test]
    fn long_calls_are_timed_one_by_one() {
        let times: Vec<_> = (1..50).map(|count| (count % 3, micros(10 + count as u64))).collect();
        assert_eq!(run(&times), (times.clone(), times.len()));
    }

    #[test]
    fn short_calls_are_timed_together() {
        let times = vec![(0, Duration::from_nanos(200)); 64];
        // 1, 2, 4, 8, 16 and then 32 at a time; one is left.
        assert_eq!(run(&times), (times.clone(), 6 + 1));
    }

    #[test]
    fn one_slow_call_among_short_ones_is_told_alone() {
        let mut times = vec![(0, Duration::from_nanos(200)); 64];
        times[40].1 = micros(700);
        let (mut told, _) = run(&times);
        told.sort_unstable();
        times.sort_unstable();
        assert_eq!(told, times);
    }

    #[test]
    fn calls_that_are_not_so_short_are_timed_in_smaller_groups() {
        let times = vec![(0, Duration::from_nanos(900)); 63];
        // 1, 2, 4 and then 8 at a time.
        assert_eq!(run(&times), (times.clone(), 3 + 7));
    }

    #[test]
    fn what_is_usual_for_one_function_is_not_for_another() {
        let mut times = vec![(0, Duration::from_nanos(200)); 64];
        times.extend([(1, micros(50)); 8]);
        assert_eq!(run(&times).0, times);
    }

    #[test]
    fn nothing_is_lost_and_functions_are_kept_apart() {
        let times: Vec<_> =
            (0..200).map(|count| (count / 7 % 2, Duration::from_nanos(100 + count as u64 * 13))).collect();
        let (told, _) = run(&times);
        for function in [0, 1] {
            let sum = |times: &[(usize, Duration)]| -> (usize, Duration) {
                let of_it = times.iter().filter(|(which, _)| *which == function);
                (of_it.clone().count(), of_it.map(|(_, took)| *took).sum())
            };
            assert_eq!(sum(&told), sum(&times));
        }
    }
}
