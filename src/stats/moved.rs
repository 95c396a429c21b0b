//! Counters on their way to the program that takes this one's place.

use super::history::PackedHistory;
use super::security::Security;
use super::times::PackedTimes;
use super::{CloseReason, FunctionStats, RecentError, Stats, Times, UnreachedServers};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything a broker has counted. Functions and reasons go by name, because another program may number them otherwise.
#[derive(Serialize, Deserialize)]
pub struct PackedStats {
    functions: Vec<PackedFunction>,
    recent_errors: Vec<RecentError>,
    closed: BTreeMap<String, u64>,
    counters: BTreeMap<String, u64>,
    last_cleanup: f64,
    worker_wait: PackedTimes,
    worker_run: PackedTimes,
    // Programs that kept none hand over none.
    #[serde(default)]
    history: PackedHistory,
    #[serde(default)]
    security: Security,
    #[serde(default)]
    unreached: UnreachedServers,
}

#[derive(Serialize, Deserialize)]
struct PackedFunction {
    method: String,
    errors: u64,
    #[serde(default)]
    unreached: u64,
    times: PackedTimes,
}

impl Stats {
    /// Packs everything.
    pub fn pack(&mut self) -> PackedStats {
        let functions = self.functions.iter().enumerate().filter(|(_, stats)| stats.times.count() > 0);
        let functions = functions.map(|(index, stats)| PackedFunction {
            method: self.method(Some(kit::FunctionId(index))).to_owned(),
            errors: stats.errors,
            unreached: stats.unreached,
            times: stats.times.pack(),
        });
        let functions = functions.collect();
        PackedStats {
            functions,
            recent_errors: self.recent_errors(),
            closed: self.closes().into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
            counters: self.counters().into_iter().map(|(name, counter)| (name.to_owned(), *counter)).collect(),
            last_cleanup: self.last_cleanup,
            worker_wait: self.worker_wait.pack(),
            worker_run: self.worker_run.pack(),
            history: self.pack_history(),
            security: self.security.clone(),
            unreached: self.unreached.clone(),
        }
    }

    /// Goes on with what another program has counted, for the functions that there are here. Calls of functions that are
    /// gone count as those of unknown ones.
    pub fn unpack(methods: Vec<String>, packed: &PackedStats) -> Self {
        let mut stats = Self::new(methods);
        for function in &packed.functions {
            let index = stats.methods.iter().position(|method| *method == function.method);
            let known: &mut FunctionStats = &mut stats.functions[index.unwrap_or(stats.methods.len())];
            known.errors += function.errors;
            known.unreached += function.unreached;
            known.times.add(&Times::unpack(&function.times));
        }
        stats.sum_up();
        stats.recent_errors.extend(packed.recent_errors.iter().cloned());
        for reason in CloseReason::ALL {
            stats.closed[reason as usize] = packed.closed.get(reason.as_str()).copied().unwrap_or(0);
        }
        for (name, counter) in stats.counters() {
            *counter = packed.counters.get(name).copied().unwrap_or(0);
        }
        stats.last_cleanup = packed.last_cleanup;
        stats.worker_wait = Times::unpack(&packed.worker_wait);
        stats.worker_run = Times::unpack(&packed.worker_run);
        stats.unpack_history(&packed.history);
        stats.security = packed.security.clone();
        stats.unreached = packed.unreached.clone();
        stats
    }

    /// Every plain counter under a name.
    fn counters(&mut self) -> Vec<(&'static str, &mut u64)> {
        vec![
            ("requests", &mut self.requests),
            ("failed", &mut self.failed),
            ("rejected", &mut self.rejected),
            ("invalid", &mut self.invalid),
            ("connections", &mut self.connections),
            ("connections_rejected", &mut self.connections_rejected),
            ("connections_crowded", &mut self.connections_crowded),
            ("peak_connections", &mut self.peak_connections),
            ("bytes_in", &mut self.bytes_in),
            ("bytes_out", &mut self.bytes_out),
            ("panics", &mut self.panics),
            ("peak_queued", &mut self.peak_queued),
            ("overloaded", &mut self.overloaded),
            ("reloads", &mut self.reloads),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Outcome;
    use std::time::Duration;

    #[test]
    fn counting_goes_on() {
        let mut before = Stats::new(vec!["test.ping".to_owned(), "test.gone".to_owned()]);
        for _ in 0..3 {
            before.record(Some(kit::FunctionId(0)), Duration::from_millis(5), Outcome::Success);
        }
        before.record(Some(kit::FunctionId(1)), Duration::from_millis(7), Outcome::Failure);
        let server = crate::stats::Unreached {
            server: "db.example:443".to_owned(),
            calls: 1,
            timestamp: String::new(),
            module_function: "test.ping".to_owned(),
            peer_uid: 7,
            peer_pid: 8,
            script: crate::stats::Script::known_as("nightly.pl".to_owned()),
        };
        before.count_unreached(kit::FunctionId(0), server.clone());
        before.closed(CloseReason::Idle);
        for (number, (_, counter)) in before.counters().into_iter().enumerate() {
            *counter += 1000 - number as u64;
        }
        let packed = rmp_serde::to_vec_named(&before.pack()).unwrap();
        let packed: PackedStats = rmp_serde::from_slice(&packed).unwrap();
        let mut after = Stats::unpack(vec!["test.new".to_owned(), "test.ping".to_owned()], &packed);
        assert_eq!(after.closes(), before.closes());
        let busiest = after.busiest();
        assert_eq!((busiest[0].module_function.as_str(), busiest[0].requests), ("test.ping", 3));
        assert_eq!((busiest[0].unreached, after.unreached.report(|_| true)), (1, vec![server]));
        assert_eq!((busiest[1].module_function.as_str(), busiest[1].error_rate), ("(unknown)", 100.0));
        assert_eq!(
            after.performance(Duration::from_secs(1)).max_response_time,
            before.performance(Duration::from_secs(1)).max_response_time
        );
        assert_eq!(after.counters(), before.counters());
    }
}
