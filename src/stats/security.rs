//! What may be somebody trying doors: peers and calls refused for who they are, names that do not exist, streams that are no
//! messages. Counted by kind, and the latest remembered; never with anything that was sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How many of them are remembered.
const REMEMBERED: usize = 20;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityEvent {
    /// When, ISO 8601 in local time.
    pub timestamp: String,
    /// What happened: `unauthorized_module`, `unauthorized_function`, `unauthorized_call`, `unauthorized_peer`, `protocol_error`.
    pub event_type: String,
    /// Whose it was.
    pub peer_uid: u32,
    /// The process, when it connected.
    pub peer_pid: i32,
}

/// Events since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Security {
    by_type: BTreeMap<String, u64>,
    recent: VecDeque<SecurityEvent>,
}

/// `security_metrics`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SecurityReport {
    /// All of them.
    pub total_events: u64,
    /// By kind.
    pub events_by_type: BTreeMap<String, u64>,
    /// The latest, oldest first.
    pub recent_events: Vec<SecurityEvent>,
}

impl Security {
    /// Counts one.
    pub fn add(&mut self, event: SecurityEvent) {
        *self.by_type.entry(event.event_type.clone()).or_insert(0) += 1;
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(event);
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.by_type.values().sum()
    }

    /// What is told to somebody: all of the counters, and of the events those that concern him.
    pub fn report(&self, concerns: impl Fn(u32) -> bool) -> SecurityReport {
        SecurityReport {
            total_events: self.total(),
            events_by_type: self.by_type.clone(),
            recent_events: self.recent.iter().filter(|event| concerns(event.peer_uid)).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_kind_and_shown_to_whom_they_concern() {
        let mut security = Security::default();
        for number in 0..30 {
            security.add(SecurityEvent {
                timestamp: String::new(),
                event_type: if number % 3 == 0 { "unauthorized_module" } else { "protocol_error" }.to_owned(),
                peer_uid: number % 2,
                peer_pid: 1,
            });
        }
        let report = security.report(|uid| uid == 1);
        assert_eq!((report.total_events, report.events_by_type["unauthorized_module"]), (30, 10));
        assert_eq!(report.recent_events.len(), REMEMBERED / 2);
        assert!(report.recent_events.iter().all(|event| event.peer_uid == 1));
    }
}
