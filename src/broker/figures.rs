//! What is counted and timed, and what is known of those who are named beside the figures.

use super::makers::Makers;
use super::script::Namer;
use super::stopwatch::Stopwatch;
use super::view::Trend;
use crate::logging::Throttle;
use crate::stats::{Stats, Window};
use std::time::Instant;

/// See the module.
pub struct Figures {
    /// Counters and times, by function.
    pub stats: Stats,
    /// How long calls take, with few looks at the clock.
    pub stopwatch: Stopwatch,
    /// What the health verdict looks back on.
    pub window: Window,
    /// How memory has gone.
    pub trend: Trend,
    /// Which script a process runs.
    pub namer: Namer,
    /// Who made handles.
    pub makers: Makers,
    /// What others can have logged as often as they like.
    pub throttle: Throttle,
}

impl Figures {
    /// At the start of a broker's life, or of the part of it that this program has.
    pub fn new(stats: Stats) -> Self {
        Self {
            stats,
            stopwatch: Stopwatch::new(Instant::now()),
            window: Window::default(),
            trend: Trend::default(),
            namer: Namer::default(),
            makers: Makers::default(),
            throttle: Throttle::default(),
        }
    }
}
