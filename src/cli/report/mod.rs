//! `cpan-bridge report`: a broker's life on one page, for people who would rather look.

mod chart;
mod page;

use super::client::{Address, Client, ClientError};
use super::json::Json;
use super::say::{self, say};
use super::top::Sample;
use super::{configure_client, connection_flags, fail};
use clap::{Arg, ArgMatches, Command};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where a report goes that is not told where.
const DEFAULT_FILE: &str = "cpan-bridge-report.html";

/// The subcommand.
pub fn command() -> Command {
    Command::new("report")
        .about("Writes a page with charts and tables of the broker's life")
        .long_about(
            "Writes one HTML page with charts and tables of the broker's life: calls, response times, connections, memory, \
             handles, the busiest functions, recent errors, the verdict. It needs nothing beside itself, no script and no \
             network, so it can be mailed or put on a share.",
        )
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("FILE")
                .num_args(0..=1)
                .default_value(DEFAULT_FILE)
                .default_missing_value(DEFAULT_FILE)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Where to; - for standard output"),
        )
        .args(connection_flags())
}

/// What a broker says of itself, and how that came to be.
#[derive(Default)]
struct Answers {
    /// The host's name: what is mailed is read elsewhere.
    host: String,
    now: Sample,
    history: Value,
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let Some(file) = flags.get_one::<PathBuf>("html") else { return ExitCode::from(2) };
    let page = match ask(&address) {
        Ok(answers) => page::render(&answers),
        Err(error) => return fail(error.exit_status(), &error),
    };
    match write(file, &page) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format_args!("{}: {error}", file.display())),
    }
}

fn ask(address: &Address) -> Result<Answers, ClientError> {
    let mut broker = Client::connect(address)?;
    let now = Sample::take(&mut broker)?;
    let Json(history) = broker.call("system.history", &BTreeMap::<String, String>::new())?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim_end().to_owned();
    Ok(Answers { host, now, history })
}

fn write(file: &Path, page: &str) -> io::Result<()> {
    if file == Path::new("-") {
        say::note(io::stdout().write_all(page.as_bytes()));
        return Ok(());
    }
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(file)?.write_all(page.as_bytes())?;
    say!("{}", file.display());
    Ok(())
}
