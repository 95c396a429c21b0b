//! Servers side by side: each is driven for a moment, in turn, round after round. On a shared machine what a moment yields
//! wanders; what one yields to the other in the same round does not, so ratios are taken round by round, and the median of them is
//! told with its spread.

use crate::drive::{Driver, histogram};
use crate::exchange::{Contestant, Kind};
use hdrhistogram::Histogram;
use std::error::Error;
use std::time::Duration;

/// How to compare.
pub struct Contest {
    /// Who; ratios are of the first to each of the others.
    pub contestants: Vec<Contestant>,
    /// Numbers of connections.
    pub connections: Vec<usize>,
    /// Requests in flight on each.
    pub in_flight: Vec<usize>,
    /// How often each has its turn.
    pub rounds: usize,
    /// How long a turn is.
    pub slice: Duration,
}

/// What became of one contestant in one cell.
struct Score {
    kind: Kind,
    rates: Vec<f64>,
    latency: Histogram<u64>,
}

impl Contest {
    /// Holds it, and prints a line for each contestant in each cell.
    pub fn hold(&self) -> Result<(), Box<dyn Error>> {
        println!(
            "connections  in flight  who         calls/s  p50 us  p99 us  of it, by round: median (least to most)"
        );
        for &connections in &self.connections {
            for &in_flight in &self.in_flight {
                print(connections, in_flight, &self.cell(connections, in_flight)?);
            }
        }
        Ok(())
    }

    fn cell(&self, connections: usize, in_flight: usize) -> Result<Vec<Score>, Box<dyn Error>> {
        let mut lanes = Vec::new();
        for contestant in &self.contestants {
            let mut driver = Driver::connect(&contestant.socket, connections, contestant.kind.exchange())?;
            // Caches and buffers are warm for everybody before anything counts.
            driver.run(in_flight, self.slice / 4)?;
            lanes.push((driver, Score { kind: contestant.kind, rates: Vec::new(), latency: histogram() }));
        }
        for _ in 0..self.rounds {
            for (driver, score) in &mut lanes {
                let run = driver.run(in_flight, self.slice)?;
                score.rates.push(run.rate());
                score.latency.add(&run.latency)?;
            }
        }
        Ok(lanes.into_iter().map(|(_, score)| score).collect())
    }
}

fn print(connections: usize, in_flight: usize, scores: &[Score]) {
    let Some((first, others)) = scores.split_first() else { return };
    for score in scores {
        let micros = |quantile: f64| score.latency.value_at_quantile(quantile) as f64 / 1e3;
        print!(
            "{connections:>11}  {in_flight:>9}  {:<8} {:>10.0} {:>7.1} {:>7.1}",
            score.kind.name(),
            median(&score.rates),
            micros(0.5),
            micros(0.99)
        );
        if others.iter().any(|other| other.kind == score.kind) {
            let ratios: Vec<f64> = first.rates.iter().zip(&score.rates).map(|(ours, theirs)| ours / theirs).collect();
            let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let most = ratios.iter().copied().fold(0.0, f64::max);
            print!("  {} has {:.2} ({least:.2} to {most:.2})", first.kind.name(), median(&ratios));
        }
        println!();
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}
