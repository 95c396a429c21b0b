//! The servers that calls did not reach lately, and whose calls those were.

use super::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many are remembered.
const REMEMBERED: usize = 64;

/// A server that could not be reached, or broke off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unreached {
    /// Its name and port, as the caller has them.
    pub server: String,
    /// How often for this user.
    pub calls: u64,
    /// The last time, ISO 8601 in local time.
    pub timestamp: String,
    /// What was called then.
    pub module_function: String,
    /// The user.
    pub peer_uid: u32,
    /// The process then.
    pub peer_pid: i32,
    /// The script that it ran, where that is known.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub script: Script,
}

/// The latest of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UnreachedServers(Vec<Unreached>);

impl UnreachedServers {
    /// Adds one; it is the latest then.
    pub fn add(&mut self, one: Unreached) {
        let is_same = |other: &Unreached| (&other.server, other.peer_uid) == (&one.server, one.peer_uid);
        let before = self.0.iter().position(is_same).map_or(0, |place| self.0.remove(place).calls);
        if self.0.len() == REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(Unreached { calls: before + one.calls, ..one });
    }

    /// Those of users who concern somebody, the latest first.
    pub fn report(&self, concerns: impl Fn(u32) -> bool) -> Vec<Unreached> {
        self.0.iter().rev().filter(|one| concerns(one.peer_uid)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_come_first_and_are_counted_for_each_user() {
        let one = |server: &str, peer_uid| Unreached {
            server: server.to_owned(),
            calls: 1,
            timestamp: String::new(),
            module_function: "http_helper.get".to_owned(),
            peer_uid,
            peer_pid: 1,
            script: Script::default(),
        };
        let mut servers = UnreachedServers::default();
        for (server, uid) in [("a:80", 1), ("b:80", 1), ("a:80", 2), ("a:80", 1)] {
            servers.add(one(server, uid));
        }
        let seen: Vec<_> = servers.report(|uid| uid == 1).into_iter().map(|one| (one.server, one.calls)).collect();
        assert_eq!(seen, [("a:80".to_owned(), 2), ("b:80".to_owned(), 1)]);
        (0..2 * REMEMBERED).for_each(|number| servers.add(one(&format!("{number}:80"), 1)));
        assert_eq!(servers.report(|_| true).len(), REMEMBERED);
    }
}
