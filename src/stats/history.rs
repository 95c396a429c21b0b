//! How things went over the broker's life, in so many points whatever its length: when there are twice as many as wanted, two and
//! two become one, and each new one covers twice the time.

use super::{Stats, Times, ratio};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Points kept at least, once there are so many.
const POINTS: usize = 240;
/// What the first points cover.
const FIRST_SPAN: Duration = Duration::from_secs(10);

/// What is counted at a moment, and not over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Connections now.
    pub connections: u64,
    /// Resident memory, MB.
    pub memory_mb: f64,
    /// Live handles.
    pub handles: u64,
    /// Calls waiting for a worker.
    pub queued: u64,
}

/// One point: a span of time, and what happened in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The end of the span, seconds since the broker's start.
    pub at: f64,
    /// Its length.
    pub seconds: f64,
    /// Calls answered.
    pub requests: u64,
    /// Those answered with an error.
    pub failed: u64,
    /// Median time of a call, seconds; of spans that became one, the mean by calls.
    pub p50: f64,
    /// 95th percentile; of spans that became one, the larger.
    pub p95: f64,
    /// 99th percentile; of spans that became one, the larger.
    pub p99: f64,
    /// Connections at the end of the span; of spans that became one, the larger number, as with what follows.
    pub connections: u64,
    /// Resident memory, MB.
    pub memory_mb: f64,
    /// Live handles.
    pub handles: u64,
    /// Calls waiting for a worker.
    pub queued: u64,
}

impl Point {
    /// Two spans, one after the other, as one.
    fn join(&self, later: &Self) -> Self {
        let requests = self.requests + later.requests;
        let weighed = self.p50 * self.requests as f64 + later.p50 * later.requests as f64;
        Self {
            at: later.at,
            seconds: self.seconds + later.seconds,
            requests,
            failed: self.failed + later.failed,
            p50: ratio(weighed, requests as f64),
            p95: self.p95.max(later.p95),
            p99: self.p99.max(later.p99),
            connections: self.connections.max(later.connections),
            memory_mb: self.memory_mb.max(later.memory_mb),
            handles: self.handles.max(later.handles),
            queued: self.queued.max(later.queued),
        }
    }
}

/// The points so far, and what was counted when the last was made.
#[derive(Default)]
pub struct History {
    points: Vec<Point>,
    doublings: u32,
    begun: Duration,
    requests: u64,
    failed: u64,
    times: Times,
}

/// A history on its way to another program. The counters at its last point are those of its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PackedHistory {
    points: Vec<Point>,
    doublings: u32,
}

impl Stats {
    /// What a point covers now.
    pub fn span(&self) -> Duration {
        FIRST_SPAN * 2_u32.saturating_pow(self.history.doublings)
    }

    /// Ends a span; `now` is the time since the broker's start.
    pub fn end_span(&mut self, now: Duration, gauges: Gauges) {
        let times = self.all.clone();
        let point = self.point(now, gauges, &times);
        let history = &mut self.history;
        history.points.push(point);
        if history.points.len() >= 2 * POINTS {
            history.points = history.points.chunks(2).map(joined).collect();
            history.doublings += 1;
        }
        history.begun = now;
        (history.requests, history.failed, history.times) = (self.requests, self.failed, times);
    }

    /// Every point, the span that has not ended included.
    pub fn points(&self, now: Duration, gauges: Gauges) -> Vec<Point> {
        let last = self.point(now, gauges, &self.all);
        self.history.points.iter().cloned().chain([last]).collect()
    }

    fn point(&self, now: Duration, gauges: Gauges, times: &Times) -> Point {
        let before = &self.history;
        let times = times.since(&before.times).report();
        Point {
            at: now.as_secs_f64(),
            seconds: now.saturating_sub(before.begun).as_secs_f64(),
            requests: self.requests - before.requests,
            failed: self.failed - before.failed,
            p50: times.p50,
            p95: times.p95,
            p99: times.p99,
            connections: gauges.connections,
            memory_mb: gauges.memory_mb,
            handles: gauges.handles,
            queued: gauges.queued,
        }
    }

    /// Packs the points. Who packs has ended the last span.
    pub(super) fn pack_history(&self) -> PackedHistory {
        PackedHistory { points: self.history.points.clone(), doublings: self.history.doublings }
    }

    /// Goes on where another program ended its last span; the counters are there already.
    pub(super) fn unpack_history(&mut self, packed: &PackedHistory) {
        let begun = packed.points.last().map_or(0.0, |point| point.at);
        self.history = History {
            points: packed.points.clone(),
            doublings: packed.doublings.min(30),
            begun: Duration::try_from_secs_f64(begun).unwrap_or_default(),
            requests: self.requests,
            failed: self.failed,
            times: self.all.clone(),
        };
    }
}

fn joined(pair: &[Point]) -> Point {
    match pair {
        [earlier, later] => earlier.join(later),
        _ => pair[0].clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Outcome;

    fn count(stats: &mut Stats, calls: u64, milliseconds: u64) {
        for _ in 0..calls {
            stats.record(Some(kit::FunctionId(0)), Duration::from_millis(milliseconds), Outcome::Success);
        }
    }

    #[test]
    fn a_point_is_what_happened_since_the_one_before() {
        let mut stats = Stats::new(vec!["test.ping".to_owned()]);
        count(&mut stats, 100, 50);
        stats.end_span(Duration::from_secs(10), Gauges { connections: 3, ..Gauges::default() });
        count(&mut stats, 10, 1);
        stats.record(Some(kit::FunctionId(0)), Duration::from_millis(1), Outcome::Failure);
        let points = stats.points(Duration::from_secs(14), Gauges::default());
        assert_eq!(points.len(), 2);
        assert_eq!((points[0].requests, points[0].failed, points[0].connections), (100, 0, 3));
        assert_eq!((points[1].requests, points[1].failed, points[1].seconds, points[1].at), (11, 1, 4.0, 14.0));
        assert!(points[0].p99 > 0.049 && points[1].p99 < 0.002, "{points:?}");
    }

    #[test]
    fn however_long_it_goes_on_the_points_are_few_and_nothing_is_lost() {
        let mut stats = Stats::new(vec!["test.ping".to_owned()]);
        let mut now = Duration::ZERO;
        for _ in 0..5000 {
            now += stats.span();
            count(&mut stats, 2, 1);
            stats.end_span(now, Gauges { handles: 7, ..Gauges::default() });
        }
        let points = stats.points(now, Gauges::default());
        assert!((POINTS..=2 * POINTS).contains(&points.len()), "{}", points.len());
        assert_eq!(points.iter().map(|point| point.requests).sum::<u64>(), 10_000);
        let covered: f64 = points.iter().map(|point| point.seconds).sum();
        assert!((covered - now.as_secs_f64()).abs() < 1e-3, "{covered}");
        assert!(points.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].handles == 7));
    }

    #[test]
    fn it_goes_on_in_another_program() {
        let mut before = Stats::new(vec!["test.ping".to_owned()]);
        count(&mut before, 5, 1);
        before.end_span(Duration::from_secs(10), Gauges::default());
        let packed = rmp_serde::to_vec_named(&before.pack()).unwrap();
        let mut after = Stats::unpack(vec!["test.ping".to_owned()], &rmp_serde::from_slice(&packed).unwrap());
        count(&mut after, 3, 1);
        let points = after.points(Duration::from_secs(11), Gauges::default());
        assert_eq!(points.iter().map(|point| point.requests).collect::<Vec<_>>(), [5, 3]);
        assert_eq!(points[1].seconds, 1.0);
    }
}
