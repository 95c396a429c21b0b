//! `cpan-bridge describe`: what scripts can call, from `system.modules`.

use super::client::{Address, Client, ClientError};
use super::say::{self, Text, say};
use super::{configure_client, connection_flags, fail};
use crate::modules::{Offer, registry, system};
use anstyle::Style;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::ExitCode;

const BOLD: Style = Style::new().bold();

/// The subcommand.
pub fn command() -> Command {
    Command::new("describe")
        .visible_alias("modules")
        .about("Says what scripts can call, with parameters and results")
        .long_about(
            "Says what scripts can call: all modules and functions, one module's functions with their parameters and results, or one \
             function. The running broker is asked; where none runs, this program says what it would offer.",
        )
        .after_help("Examples:\n  cpan-bridge describe\n  cpan-bridge describe crypto\n  cpan-bridge describe crypto.encrypt")
        .arg(Arg::new("what").value_name("MODULE[.FUNCTION]").help("Only this module or function"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON, for programs"))
        .args(connection_flags())
}

/// One module, as `system.modules` describes it.
#[derive(Debug, Deserialize, Serialize)]
struct Module {
    name: String,
    // Older brokers tell none.
    #[serde(default)]
    aliases: Vec<String>,
    doc: String,
    functions: Vec<Function>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Function {
    name: String,
    doc: String,
    parameters: Vec<Parameter>,
    // An older broker does not say.
    #[serde(default)]
    returns: Returns,
    runs: String,
    touches: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Parameter {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    default: Option<serde_json::Value>,
    doc: String,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Returns {
    #[serde(rename = "type")]
    kind: String,
    fields: Vec<Field>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    always: bool,
    doc: String,
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let address = match configure_client(flags) {
        Ok(address) => address,
        Err(error) => return fail(2, &error),
    };
    let all = match offered(&address) {
        Ok(all) => all,
        Err(error) => return fail(error.exit_status(), &error),
    };
    let wanted = flags.get_one::<String>("what").map(String::as_str);
    let chosen = match choose(all, wanted) {
        Ok(chosen) => chosen,
        Err(why) => return fail(1, &why),
    };
    if flags.get_flag("json") {
        match serde_json::to_value(&chosen) {
            Ok(value) => say!("{}", say::json(&value, false)),
            Err(error) => return fail(1, &error),
        }
    } else {
        in_words(&chosen, wanted.is_some()).print();
    }
    ExitCode::SUCCESS
}

/// What the running broker offers, or this program where none runs.
fn offered(address: &Address) -> Result<Vec<Module>, ClientError> {
    match Client::connect(address) {
        Ok(mut broker) => broker.call("system.modules", &BTreeMap::<String, String>::new()),
        Err(ClientError::Unreachable { .. }) => own(),
        Err(error) => Err(error),
    }
}

fn own() -> Result<Vec<Module>, ClientError> {
    let unreadable = |error: serde_json::Error| ClientError::Unreadable(error.to_string());
    let described = serde_json::to_value(system::describe(&registry(Offer::default()))).map_err(unreadable)?;
    serde_json::from_value(described).map_err(unreadable)
}

/// The module or function of this name; all without one.
fn choose(all: Vec<Module>, wanted: Option<&str>) -> Result<Vec<Module>, String> {
    let Some(wanted) = wanted else { return Ok(all) };
    let (name, function) = wanted.split_once('.').map_or((wanted, None), |(name, function)| (name, Some(function)));
    let known: Vec<String> = all.iter().map(|module| module.name.clone()).collect();
    let is_wanted = |module: &Module| module.name == name || module.aliases.iter().any(|alias| alias == name);
    let Some(mut module) = all.into_iter().find(is_wanted) else {
        return Err(format!("no module {name}; there are {}", known.join(", ")));
    };
    if let Some(function) = function {
        let known: Vec<String> = module.functions.iter().map(|one| one.name.clone()).collect();
        module.functions.retain(|one| one.name == function);
        if module.functions.is_empty() {
            return Err(format!("no function {function} in {name}; there are {}", known.join(", ")));
        }
    }
    Ok(vec![module])
}

fn in_words(modules: &[Module], with_parameters: bool) -> Text {
    let mut text = Text::default();
    for (index, module) in modules.iter().enumerate() {
        let gap = if index > 0 { "\n\n" } else { "" };
        text = text.plain(gap).styled(BOLD, &module.name).plain(format_args!(": {}\n", module.doc));
        text = if with_parameters {
            module.functions.iter().fold(text, |text, function| describe(text, &module.name, function))
        } else {
            list(text, module)
        };
    }
    text
}

fn list(text: Text, module: &Module) -> Text {
    let width = module.functions.iter().map(|function| function.name.len()).max().unwrap_or(0);
    module.functions.iter().fold(text, |text, function| {
        text.plain(format_args!("\n  {}.{:width$}  {}", module.name, function.name, function.doc))
    })
}

fn describe(text: Text, module: &str, function: &Function) -> Text {
    let name = format!("{module}.{}", function.name);
    let mut text = text.plain("\n  ").styled(BOLD, name).plain(format_args!("\n      {}\n", function.doc));
    let width = function.parameters.iter().map(|parameter| parameter.name.len()).max().unwrap_or(0);
    for parameter in &function.parameters {
        let default = parameter.default.as_ref().map(|default| format!(", default {default}")).unwrap_or_default();
        let required = if parameter.required { ", required" } else { "" };
        let Parameter { name, kind, doc, .. } = parameter;
        text = text.plain(format_args!("      {name:width$}  ({kind}{required}{default}) {doc}\n"));
    }
    text = result(text, &function.returns);
    let runs = if function.runs == "worker" { "on a worker" } else { &function.runs };
    let touches = match function.touches.as_str() {
        "nothing" => String::new(),
        what => format!("; touches {what}"),
    };
    text.plain(format_args!("      Runs {runs}{touches}.\n"))
}

fn result(mut text: Text, returns: &Returns) -> Text {
    if !returns.kind.is_empty() {
        text = text.plain(format_args!("      Gives: {}\n", returns.kind));
    }
    let width = returns.fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    for Field { name, kind, always, doc } in &returns.fields {
        let always = if *always { "" } else { ", not always" };
        let line = format!("        {name:width$}  ({kind}{always}) {doc}");
        text = text.plain(format_args!("{}\n", line.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_shows_functions_and_on_request_their_parameters() {
        let short = in_words(&own().unwrap(), false).to_string();
        assert!(short.contains("crypto.decrypt") && !short.contains("hex_ciphertext"), "{short}");
        let long = in_words(&choose(own().unwrap(), Some("crypto")).unwrap(), true).to_string();
        assert!(long.contains("hex_ciphertext") && !long.contains("http_helper.get"), "{long}");
        let one = in_words(&choose(own().unwrap(), Some("http.download")).unwrap(), true).to_string();
        assert!(one.contains("touches") && !one.contains("http_helper.get"), "{one}");
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        assert!(choose(own().unwrap(), Some("cripto")).unwrap_err().contains("there are crypto, html, http"));
        assert!(choose(own().unwrap(), Some("crypto.hsh")).unwrap_err().contains("hash"));
    }
}
