//! Fits the settings to what the process may have: descriptors and memory.
//!
//! A broker that promises more than its host gives it fails where it can't say so any more: a connection that can't be
//! accepted waits without being told why, and memory that can't be had ends the process and every key with it. So what can't
//! be is lowered at the start, and the log says so.

use super::process::{self, MemoryLimit};
use crate::config::Config;
use crate::logging::Log;
use slog::warn;

/// Bytes of address space that a thread's stack takes (the standard library's default).
const STACK: u64 = 2 << 20;
/// Bytes for everything that is bounded otherwise: tables, handles' small change, the log's queue, certificates.
const RESERVE: u64 = 32 << 20;
/// The least that `max_memory` may be.
const LEAST_MEMORY: usize = 1 << 20;
/// The part of the memory that `max_memory` gets: a buffer that grows is up to twice as large as what it holds, and its old
/// memory is there until what is in it has moved.
const PART: u64 = 3;

/// Lowers what is not possible, with a warning for each.
pub fn fit(config: &mut Config, descriptors: u64, log: &Log) {
    if let Some(possible) = fit_connections(config, descriptors) {
        warn!(log.logger, "Fewer connections than max_connections are possible: the process may not open more descriptors";
            "max_connections" => possible.wished, "possible" => possible.granted, "descriptor_limit" => descriptors);
    }
    if let Some(possible) = fit_user_connections(config) {
        warn!(log.logger, "Fewer connections than user_connections are possible for each user: others need room as well";
            "user_connections" => possible.wished, "possible" => possible.granted,
            "max_connections" => config.max_connections);
    }
    let Some(limit) = process::memory_limit() else { return };
    for (setting, possible) in fit_memory(config, &limit) {
        warn!(log.logger, "Less than the setting asks for is possible: the process may not have more memory";
            "setting" => setting, "wished" => possible.wished, "possible" => possible.granted,
            "limit" => limit.bytes, "of" => limit.what);
    }
}

/// What was asked for, and what there is.
#[derive(Debug, PartialEq, Eq)]
struct Possible {
    wished: usize,
    granted: usize,
}

fn lower(setting: &mut usize, most: usize) -> Option<Possible> {
    if *setting <= most {
        return None;
    }
    let possible = Possible { wished: *setting, granted: most };
    *setting = most;
    Some(possible)
}

/// Descriptors that are left for what is no connection: the loop's own, the log, files and sockets that functions open.
fn spare(descriptors: u64) -> u64 {
    (descriptors / 4).clamp(64, 4096)
}

/// Sockets to other servers that there may be, and that one guest may have: half of the spare ones, so that files can be opened
/// still, and of that a quarter.
pub fn sockets(descriptors: u64) -> (usize, usize) {
    let total = usize::try_from(spare(descriptors) / 2).unwrap_or(usize::MAX);
    (total, (total / 4).max(1))
}

fn fit_connections(config: &mut Config, descriptors: u64) -> Option<Possible> {
    let room = usize::try_from(descriptors.saturating_sub(spare(descriptors))).unwrap_or(usize::MAX).max(1);
    lower(&mut config.max_connections, room)
}

/// One guest can't lock out the others: it gets a tenth of what is possible, or what the settings say as long as a tenth is
/// left for others. Nothing is said of a default that was lowered.
fn fit_user_connections(config: &mut Config) -> Option<Possible> {
    let tenth = (config.max_connections / 10).max(1);
    if !config.values.is_given("user_connections") {
        config.user_connections = config.user_connections.min(tenth);
        return None;
    }
    lower(&mut config.user_connections, config.max_connections.saturating_sub(tenth).max(1))
}

fn fit_memory(config: &mut Config, limit: &MemoryLimit) -> Vec<(&'static str, Possible)> {
    let mut lowered = Vec::new();
    // Stacks of all workers may take a quarter.
    let workers = usize::try_from(limit.bytes / 4 / STACK).unwrap_or(usize::MAX).max(1);
    if limit.counts_address_space {
        lowered.extend(lower(&mut config.workers, workers).map(|possible| ("workers", possible)));
    }
    let stacks = if limit.counts_address_space { config.workers as u64 * STACK } else { 0 };
    let room = limit.bytes.saturating_sub(limit.used + stacks + RESERVE) / PART;
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(LEAST_MEMORY);
    lowered.extend(lower(&mut config.max_memory, room).map(|possible| ("max_memory", possible)));
    if !config.values.is_given("user_memory") {
        config.user_memory = config.user_memory.min((config.max_memory / 4).max(LEAST_MEMORY));
    }
    lowered.extend(lower(&mut config.user_memory, config.max_memory).map(|possible| ("user_memory", possible)));
    lowered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    fn config(flags: &[(&'static str, &str)]) -> Config {
        let mut values = Values::defaults();
        flags.iter().for_each(|(name, value)| values.set_flag(name, (*value).to_owned()));
        Config::new(values).unwrap()
    }

    #[test]
    fn descriptors_are_left_for_what_is_no_connection() {
        assert_eq!([0, 100, 300, 1024, 20_000, 1 << 20].map(spare), [64, 64, 75, 256, 4096, 4096]);
        let mut settings = config(&[]);
        assert_eq!(fit_connections(&mut settings, 300), Some(Possible { wished: 10_000, granted: 225 }));
        assert_eq!(fit_connections(&mut settings, 300), None);
        assert_eq!(fit_connections(&mut config(&[]), 10).unwrap().granted, 1);
        assert_eq!(fit_connections(&mut config(&[]), 1 << 20), None);
    }

    #[test]
    fn a_guest_gets_a_tenth_of_what_is_possible() {
        for (flags, granted, said) in [
            (&[][..], 1000, false),
            (&[("max_connections", "100")], 10, false),
            (&[("max_connections", "3")], 1, false),
            (&[("max_connections", "1")], 1, false),
            (&[("max_connections", "100000")], 1000, false),
            (&[("max_connections", "100"), ("user_connections", "50")], 50, false),
            (&[("max_connections", "100"), ("user_connections", "91")], 90, true),
            (&[("max_connections", "2"), ("user_connections", "2")], 1, true),
            (&[("max_connections", "1"), ("user_connections", "1")], 1, false),
        ] {
            let mut settings = config(flags);
            assert_eq!(fit_user_connections(&mut settings).is_some(), said, "{flags:?}");
            assert_eq!(settings.user_connections, granted, "{flags:?}");
        }
    }

    #[test]
    fn memory_is_what_the_process_may_have() {
        let limit = |mib: u64, counts_address_space| MemoryLimit {
            bytes: mib << 20,
            used: 20 << 20,
            what: "RLIMIT_AS",
            counts_address_space,
        };
        let mut settings = config(&[]);
        let lowered = fit_memory(&mut settings, &limit(300, true));
        assert_eq!(settings.workers, 32);
        // 300 less 20 in use, 64 of stacks, 32 in reserve; a third of that.
        assert_eq!(settings.max_memory, (184 << 20) / 3);
        assert_eq!(settings.user_memory, settings.max_memory / 4);
        assert_eq!(lowered.len(), 1);
        // Stacks that are not used count for nothing where only what is resident counts.
        let mut settings = config(&[]);
        fit_memory(&mut settings, &limit(300, false));
        assert_eq!(settings.max_memory, (248 << 20) / 3);
        let mut settings = config(&[("user_memory", "200MiB")]);
        fit_memory(&mut settings, &limit(64, true));
        assert_eq!((settings.workers, settings.max_memory, settings.user_memory), (8, LEAST_MEMORY, LEAST_MEMORY));
        let mut settings = config(&[]);
        assert!(fit_memory(&mut settings, &limit(1 << 20, true)).is_empty());
        assert_eq!((settings.max_memory, settings.user_memory), (1 << 30, 256 << 20));
    }
}
