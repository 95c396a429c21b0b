//! `cpan-bridge call`: one call from the command line.

use super::client::{Client, ClientError};
use super::json::{Arguments, Json};
use super::say::{json, note};
use super::{configure_client, connection_flags, fail};
use clap::{Arg, ArgMatches, Command};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    Command::new("call")
        .about("Calls a function and prints its result as JSON")
        .long_about(
            "Calls a function of a running broker and prints its result as JSON, indented on a terminal and on one line \
             otherwise.\n\n\
             Parameters: name=text (numbers may be given so), name:=JSON, name=@FILE for the bytes of a file, or one JSON \
             object. Keys and passwords stand in lists of processes if they are given so: - alone reads the JSON object from \
             standard input, name=@- the bytes of one parameter. Bytes in results are text where they are UTF-8, else {\"base64\": \"...\"}.\n\n\
             Exit status: 0 success; 1 the operation failed; 2 the command line makes no sense; 3 no broker; 4 unknown \
             function or wrong parameters; 5 denied; 6 no such handle; 7 overloaded or shutting down, worth another try; \
             8 timeout or cancelled; 9 a defect of the broker.",
        )
        .after_help(
            "Examples:\n  cpan-bridge call test.echo greeting=hello\n  \
             cpan-bridge call crypto.hash algorithm=SHA256 data=@/etc/hostname\n  \
             cpan-bridge call http.get '{\"url\": \"https://www.example.com/\"}'\n  \
             cpan-bridge call crypto.new cipher=AES key=@- < key-file",
        )
        .arg(Arg::new("method").value_name("MODULE.FUNCTION").required(true).help("What to call"))
        .arg(Arg::new("params").value_name("PARAMETER").num_args(0..).help("With what"))
        .args(connection_flags())
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let texts: Vec<String> = flags.get_many("params").into_iter().flatten().cloned().collect();
    let arguments = match Arguments::parse(&texts) {
        Ok(arguments) => arguments,
        Err(why) => return fail(2, &why),
    };
    let method = flags.get_one::<String>("method").map_or("", String::as_str);
    match Client::connect(&address).and_then(|broker| broker.patient().call::<Option<Json>>(method, &arguments)) {
        Ok(result) => print(result.map_or(serde_json::Value::Null, |Json(value)| value)),
        Err(error) => fail(error.exit_status(), &error),
    }
}

fn print(value: serde_json::Value) -> ExitCode {
    let mut out = io::stdout();
    let text = json(&value, out.is_terminal());
    note(writeln!(out, "{text}"));
    ExitCode::SUCCESS
}

impl ClientError {
    /// The exit status that tells a script what kind of error it was.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Unreachable { .. } | Self::Foreign { .. } | Self::Closed | Self::Silent => 3,
            Self::Refused { code, .. } => match code.as_str() {
                "unknown_module" | "unknown_function" | "invalid_params" | "too_large" => 4,
                "denied" => 5,
                "not_found" => 6,
                "overloaded" | "unavailable" => 7,
                "timeout" | "cancelled" => 8,
                "internal" | "protocol" => 9,
                _ => 1,
            },
            Self::Unreadable(_) => 9,
            Self::Io(_) => 1,
        }
    }
}
