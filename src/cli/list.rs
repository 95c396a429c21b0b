//! What the commands that list things have in common: a whole list is asked for in answers of bounded length.

use super::client::{Address, Client, ClientError};
use super::json::Json;
use super::say::{self, say};
use super::{configure_client, connection_flags};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A command that talks to a broker.
pub fn with_socket(command: Command) -> Command {
    command.args(connection_flags())
}

/// `--json`.
pub fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON, for programs")
}

/// Does something with the broker that the flags name. An error comes with the exit status that goes with it.
///
/// # Errors
/// Settings that make no sense, and those of `work`.
pub fn with_address(
    flags: &ArgMatches,
    work: impl FnOnce(&Address) -> Result<(), ClientError>,
) -> Result<(), (u8, String)> {
    let address = configure_client(flags).map_err(|error| (2, error.to_string()))?;
    work(&address).map_err(|error| (error.exit_status(), error.to_string()))
}

/// One call.
///
/// # Errors
/// Those of the connection and of the call.
pub fn call(address: &Address, method: &str, params: &impl Serialize) -> Result<Value, ClientError> {
    Client::connect(address)?.call::<Json>(method, params).map(|Json(value)| value)
}

/// What a list is asked for behind one of its entries, and what names that entry.
pub type Behind = (&'static str, &'static str);

/// Prints a whole list, as JSON or as `show` has it.
///
/// # Errors
/// Those of the calls.
pub fn show(
    address: &Address,
    method: &str,
    behind: Behind,
    as_json: bool,
    show: fn(&Value) -> String,
) -> Result<(), ClientError> {
    let answer = whole_list(address, method, BTreeMap::new(), behind)?;
    if as_json {
        say!("{}", say::json(&answer, false));
    } else {
        say!("{}", show(&answer).trim_end());
    }
    Ok(())
}

/// A whole list, which comes in answers of bounded length: all of the first answer, with the entries of the later ones.
///
/// # Errors
/// Those of the calls.
pub fn whole_list(
    address: &Address,
    method: &str,
    mut params: BTreeMap<&'static str, Value>,
    (parameter, name): Behind,
) -> Result<Value, ClientError> {
    let mut client = Client::connect(address)?;
    let mut ask = |params: &BTreeMap<&str, Value>| client.call::<Json>(method, params).map(|Json(value)| value);
    let mut whole = ask(&params)?;
    let mut last = entries(&mut whole).and_then(|all| all.last().map(|one| one[name].clone()));
    while let Some(behind) = last {
        params.insert(parameter, behind);
        let mut more = ask(&params)?;
        let Some(more) = entries(&mut more).map(std::mem::take).filter(|more| !more.is_empty()) else { break };
        last = more.last().map(|one| one[name].clone());
        if let Some(all) = entries(&mut whole) {
            all.extend(more);
        }
    }
    Ok(whole)
}

/// The entries of a list's answer: all of it, or what it has under `connections`.
fn entries(answer: &mut Value) -> Option<&mut Vec<Value>> {
    match answer {
        Value::Array(all) => Some(all),
        answer => answer.get_mut("connections")?.as_array_mut(),
    }
}

/// A row of a table.
pub fn row<const N: usize>(cells: [String; N]) -> Vec<String> {
    cells.to_vec()
}
