//! `cpan-bridge ping`: how long a call takes, again and again, as ping(8) has it for hosts.

use super::client::{Address, Client, ClientError};
use super::say::say;
use super::{configure_client, connection_flags, fail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The subcommand.
pub fn command() -> Command {
    Command::new("ping")
        .about("Measures how long a call takes, again and again")
        .long_about(
            "Calls test.ping again and again and says how long each call took, until it is interrupted or has done as many \
             as asked for; then sums up. Exit status 0 if every call was answered.",
        )
        .arg(Arg::new("count").short('c').long("count").value_name("NUMBER").value_parser(value_parser!(u64).range(1..)).help("Stops after so many calls"))
        .arg(
            Arg::new("interval")
                .short('i')
                .long("interval")
                .value_name("SECONDS")
                .value_parser(value_parser!(f64))
                .default_value("1")
                .help("Time between two calls"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints the summary alone, as JSON, for programs"))
        .args(connection_flags())
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let interval = flags.get_one::<f64>("interval").copied().unwrap_or(1.0);
    let Ok(interval) = Duration::try_from_secs_f64(interval) else {
        return fail(2, &"the interval must be a number of seconds");
    };
    let most = flags.get_one::<u64>("count").copied().unwrap_or(u64::MAX);
    match ping(&address, interval, most, flags.get_flag("json")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(error.exit_status(), &error),
    }
}

fn ping(address: &Address, interval: Duration, most: u64, as_json: bool) -> Result<bool, ClientError> {
    let mut broker = Client::connect(address)?;
    let interrupt: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    interrupt.thread_block().map_err(std::io::Error::from)?;
    let interrupted = SignalFd::with_flags(&interrupt, SfdFlags::SFD_CLOEXEC).map_err(std::io::Error::from)?;
    if !as_json {
        say!("PING {}", address.socket.display());
    }
    let none: BTreeMap<String, String> = BTreeMap::new();
    let (mut times, mut sent): (Vec<f64>, u64) = (Vec::new(), 0);
    while sent < most {
        sent += 1;
        let begin = Instant::now();
        let answer = broker.call::<IgnoredAny>("test.ping", &none);
        let took = begin.elapsed();
        match answer {
            Ok(_) => {
                if !as_json {
                    say!("answer {sent}: time={:.3} ms", took.as_secs_f64() * 1e3);
                }
                times.push(took.as_secs_f64() * 1e3);
            }
            Err(error) => {
                if !as_json {
                    say!("call {sent}: {error}");
                }
                // A broker that was started again is found again.
                if let Ok(again) = Client::connect(address) {
                    broker = again;
                }
            }
        }
        if sent < most && is_interrupted(&interrupted, interval.saturating_sub(took)) {
            break;
        }
    }
    let lost = (sent - times.len() as u64) as f64 * 100.0 / sent as f64;
    let spread = Spread::of(&times);
    if as_json {
        say!("{}", json!({ "calls": sent, "answers": times.len(), "lost_percent": lost, "time_ms": spread }));
        return Ok(times.len() as u64 == sent);
    }
    say!("\n--- {} ping statistics ---", address.socket.display());
    say!("{sent} calls, {} answers, {lost:.0}% lost", times.len());
    if let Some(Spread { min, avg, max, mdev }) = spread {
        say!("min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms");
    }
    Ok(times.len() as u64 == sent)
}

fn is_interrupted(signals: &SignalFd, within: Duration) -> bool {
    let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
}

/// How long calls took, milliseconds; `mdev` as ping(8) has it.
#[derive(Debug, PartialEq, Serialize)]
struct Spread {
    min: f64,
    avg: f64,
    max: f64,
    mdev: f64,
}

impl Spread {
    fn of(times: &[f64]) -> Option<Self> {
        let min = times.iter().copied().min_by(f64::total_cmp)?;
        let max = times.iter().copied().max_by(f64::total_cmp)?;
        let count = times.len() as f64;
        let avg = times.iter().sum::<f64>() / count;
        let mdev = (times.iter().map(|time| (time - avg).powi(2)).sum::<f64>() / count).sqrt();
        Some(Self { min, avg, max, mdev })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_that_of_ping() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.avg, spread.max), (1.0, 2.0, 3.0));
        assert!((spread.mdev - 0.816).abs() < 0.001, "{spread:?}");
        assert_eq!(Spread::of(&[]), None);
    }
}
