//! Servers side by side: each is driven for a moment, in turn, round after round. On a shared machine what a moment yields
//! wanders; what one yields to the other in the same round does not, so ratios are taken round by round, and the median of them is
//! told with its spread.

use crate::drive::{Driver, Run, ask};
use crate::exchange::{Contestant, Exchange};
use crate::results::{Results, histogram, median};
use hdrhistogram::Histogram;
use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How to compare.
pub struct Contest {
    /// Who; ratios are of the first to each of the others.
    pub contestants: Vec<Contestant>,
    /// How many bytes requests and answers carry.
    pub size: usize,
    /// How often each has its turn.
    pub rounds: usize,
    /// How long a turn is.
    pub slice: Duration,
    /// Where to tell what came of it.
    pub results: Results,
}

/// Somebody with work under way.
trait Lane {
    /// Works for a time.
    fn run(&mut self, slice: Duration) -> Result<Run, Box<dyn Error>>;
}

/// Connections that stay from turn to turn, unless they are so many that descriptors would not do for all contestants.
struct Persistent {
    socket: PathBuf,
    exchange: Exchange,
    connections: usize,
    in_flight: usize,
    kept: Option<Driver>,
}

/// The most connections that a contestant keeps while others have their turn.
const KEPT: usize = 2_000;

impl Lane for Persistent {
    fn run(&mut self, slice: Duration) -> Result<Run, Box<dyn Error>> {
        let mut driver = match self.kept.take() {
            Some(driver) => driver,
            None => {
                let mut driver = Driver::connect(&self.socket, self.connections, self.exchange.clone())?;
                driver.run(self.in_flight, slice / 4)?;
                driver
            }
        };
        let run = driver.run(self.in_flight, slice)?;
        self.kept = Some(driver).filter(|_| self.connections <= KEPT);
        Ok(run)
    }
}

/// A connection for each request.
struct OneShot {
    socket: PathBuf,
    exchange: Exchange,
}

impl Lane for OneShot {
    fn run(&mut self, slice: Duration) -> Result<Run, Box<dyn Error>> {
        let mut latency = histogram();
        let mut answer = vec![0; self.exchange.answer];
        let begin = Instant::now();
        let mut last = begin;
        while last - begin < slice {
            ask(&mut UnixStream::connect(&self.socket)?, &self.exchange.request, &mut answer)?;
            let now = Instant::now();
            latency.saturating_record((now - last).as_nanos() as u64);
            last = now;
        }
        Ok(Run { answers: latency.len(), took: last - begin, latency })
    }
}

/// What became of one contestant.
#[derive(Default)]
struct Score {
    rates: Vec<f64>,
    latency: Option<Histogram<u64>>,
}

impl Contest {
    /// Holds it for these connections with so many requests in flight on each.
    pub fn hold(&self, connections: usize, in_flight: usize) -> Result<(), Box<dyn Error>> {
        let mut lanes: Vec<Box<dyn Lane>> = Vec::new();
        for contestant in &self.contestants {
            let (socket, exchange) = (contestant.socket.clone(), contestant.kind.exchange(self.size));
            lanes.push(Box::new(Persistent { socket, exchange, connections, in_flight, kept: None }));
        }
        let size = if self.size > 0 { format!(" size={}", self.size) } else { String::new() };
        self.compare(&format!("C={connections} P={in_flight}{size}"), lanes)
    }

    /// Holds it with a connection for each request.
    pub fn hold_one_shot(&self) -> Result<(), Box<dyn Error>> {
        let lane = |contestant: &Contestant| -> Box<dyn Lane> {
            let exchange = contestant.kind.exchange(self.size);
            Box::new(OneShot { socket: contestant.socket.clone(), exchange })
        };
        self.compare("one-shot", self.contestants.iter().map(lane).collect())
    }

    /// How each fares at a part of what it can carry: latencies at so many percent of its own rate of this run.
    pub fn hold_paced(&self, connections: usize, tick: Duration, percents: &[usize]) -> Result<(), Box<dyn Error>> {
        for contestant in &self.contestants {
            let exchange = contestant.kind.exchange(self.size);
            let mut driver = Driver::connect(&contestant.socket, connections, exchange)?;
            driver.run(1, self.slice / 2)?;
            // What it carries when each connection asks again as soon as it is answered.
            let rates: Vec<f64> =
                (0..3).map(|_| Ok(driver.run(1, self.slice)?.rate())).collect::<Result<_, std::io::Error>>()?;
            let capacity = median(&rates);
            self.results.tell("100 %", &contestant.label, "capacity /s", &rates);
            for percent in percents {
                let run = driver.run_paced(capacity * *percent as f64 / 100.0, tick, self.slice)?;
                self.results.tell_latency(&format!("{percent} %"), &contestant.label, &run.latency);
            }
        }
        Ok(())
    }

    fn compare(&self, cell: &str, mut lanes: Vec<Box<dyn Lane>>) -> Result<(), Box<dyn Error>> {
        let mut scores: Vec<Score> = lanes.iter().map(|_| Score::default()).collect();
        for lane in &mut lanes {
            // Caches and buffers are warm for everybody before anything counts.
            lane.run(self.slice / 4)?;
        }
        for _ in 0..self.rounds {
            for (lane, score) in lanes.iter_mut().zip(&mut scores) {
                let run = lane.run(self.slice)?;
                score.rates.push(run.rate());
                score.latency.get_or_insert_with(histogram).add(&run.latency)?;
            }
        }
        let ours = scores.first().map(|score| score.rates.clone()).unwrap_or_default();
        for (index, (score, contestant)) in scores.iter().zip(&self.contestants).enumerate() {
            self.results.tell(cell, &contestant.label, "rate", &score.rates);
            if let Some(latency) = &score.latency {
                self.results.tell_latency(cell, &contestant.label, latency);
            }
            if index > 0 {
                let ratios: Vec<f64> = ours.iter().zip(&score.rates).map(|(ours, theirs)| ours / theirs).collect();
                self.results.tell(cell, &contestant.label, "ratio", &ratios);
            }
        }
        Ok(())
    }
}
