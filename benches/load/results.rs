//! Results as lines for `benches/report.pl`: topic, place, cell, who, what, median, least, most, separated by tabs.

use hdrhistogram::Histogram;

/// Where results are told from.
#[derive(Clone)]
pub struct Results {
    /// What is measured.
    pub topic: String,
    /// On how many CPUs.
    pub place: String,
}

impl Results {
    /// Tells one result, which several rounds had.
    pub fn tell(&self, cell: &str, who: &str, what: &str, values: &[f64]) {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let Self { topic, place } = self;
        println!("{topic}\t{place}\t{cell}\t{who}\t{what}\t{:.4}\t{least:.4}\t{most:.4}", median(values));
    }

    /// Tells percentiles of times, in microseconds.
    pub fn tell_latency(&self, cell: &str, who: &str, latency: &Histogram<u64>) {
        for (what, quantile) in [("p50 us", 0.5), ("p90 us", 0.9), ("p99 us", 0.99), ("p99.9 us", 0.999)] {
            self.tell(cell, who, what, &[latency.value_at_quantile(quantile) as f64 / 1e3]);
        }
    }
}

/// A histogram from a nanosecond to a minute.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("constant bounds are valid")
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}
