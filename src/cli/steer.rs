//! `cpan-bridge stop` and `metrics`: small commands that steer or show a running broker.

use super::client::{Address, Client, ClientError, scripts_start_one_at};
use super::fail;
use super::json::Json;
use super::list::{with_address, with_socket};
use super::say::say;
use clap::{Arg, ArgMatches, Command};
use std::collections::BTreeMap;
use std::process::ExitCode;

type Nothing = BTreeMap<String, String>;

/// `stop`.
pub fn stop_command() -> Command {
    with_socket(Command::new("stop"))
        .about("Ends the broker when running calls are done")
        .long_about(
            "Ends the broker when running calls are done (shutdown_grace), and waits for its end. Its ciphers and sessions end with \
             it. The next script that needs a broker starts one, unless it names a socket or CPAN_BRIDGE_AUTOSTART=0 says not to; \
             for the host's broker it is systemd that does (`systemctl stop cpan-bridge.socket cpan-bridge.service`).",
        )
}

/// `metrics`.
pub fn metrics_command() -> Command {
    let format = Arg::new("format").long("format").value_name("FORMAT").value_parser(["openmetrics", "prometheus"]);
    with_socket(Command::new("metrics")).about("Prints every figure for Prometheus and its kin").arg(
        format
            .default_value("openmetrics")
            .help("The text format: node_exporter's textfile collector wants prometheus"),
    )
}

/// Runs one of them.
pub fn run(name: &str, flags: &ArgMatches) -> ExitCode {
    let done = with_address(flags, |address| match name {
        "metrics" => metrics(address, flags),
        _ => stop(address),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => fail(code, &error),
    }
}

fn metrics(address: &Address, flags: &ArgMatches) -> Result<(), ClientError> {
    let format = flags.get_one::<String>("format").map_or("openmetrics", String::as_str);
    let text: String = Client::connect(address)?.call("system.openmetrics", &BTreeMap::from([("format", format)]))?;
    say!("{}", text.trim_end());
    Ok(())
}

fn stop(address: &Address) -> Result<(), ClientError> {
    let mut broker = Client::connect(address)?;
    broker.call::<Json>("system.shutdown", &Nothing::new())?;
    // It closes the connection when it ends.
    broker.wait_for_end()?;
    if scripts_start_one_at(&address.socket) {
        say!(
            "Stopped; the next script that needs a broker starts another, unless CPAN_BRIDGE_AUTOSTART=0 is set for it"
        );
    } else {
        say!("Stopped");
    }
    Ok(())
}
