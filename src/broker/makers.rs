//! Which scripts made handles: those of a night have ended when somebody asks, and their processes' numbers say nothing then.

use crate::stats::Script;
use std::collections::{HashMap, VecDeque};

/// Processes that are remembered; of those before them only the number is told.
const REMEMBERED: usize = 4096;

/// The scripts of the processes that made handles lately.
#[derive(Default)]
pub struct Makers {
    scripts: HashMap<i32, Script>,
    order: VecDeque<i32>,
}

impl Makers {
    /// This process made one. A number that comes again is another process's.
    pub fn note(&mut self, pid: i32, script: Script) {
        if self.scripts.insert(pid, script).is_none() {
            self.order.push_back(pid);
            if self.order.len() > REMEMBERED
                && let Some(first) = self.order.pop_front()
            {
                self.scripts.remove(&first);
            }
        }
    }

    /// The script that a process ran.
    pub fn script(&self, pid: i32) -> Option<&str> {
        self.scripts.get(&pid)?.name()
    }

    /// All that is known, for another program to go on with.
    pub fn pack(&self) -> Vec<(i32, String)> {
        self.order.iter().filter_map(|pid| Some((*pid, self.script(*pid)?.to_owned()))).collect()
    }

    /// What another program knew.
    pub fn unpack(packed: &[(i32, String)]) -> Self {
        let mut makers = Self::default();
        for (pid, name) in packed {
            makers.note(*pid, Script::known_as(name.clone()));
        }
        makers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let mut makers = Makers::default();
        for pid in 1..=REMEMBERED as i32 + 1 {
            makers.note(pid, Script::known_as(format!("{pid}.pl")));
        }
        makers.note(7, Script::known_as("again.pl".to_owned()));
        let makers = Makers::unpack(&makers.pack());
        assert_eq!((makers.script(1), makers.script(2), makers.script(7)), (None, Some("2.pl"), Some("again.pl")));
        assert_eq!(makers.scripts.len(), REMEMBERED);
    }
}
