//! `cpan-bridge modules`: what scripts can call, from the same tables that answer the calls.

use super::fail;
use crate::modules::function::{Function, Module, Parameter};
use crate::modules::{Offer, Registry};
use clap::{Arg, ArgMatches, Command};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    Command::new("modules")
        .about("Lists what scripts can call, with parameters")
        .arg(Arg::new("module").value_name("MODULE").help("Only this module"))
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let registry = Registry::new(Offer::default());
    let wanted = flags.get_one::<String>("module");
    if let Some(name) = wanted.filter(|name| !registry.has_module(name)) {
        let names: Vec<&str> = registry.modules().iter().map(|module| module.name).collect();
        return fail(1, &format_args!("no module {name}; there are {}", names.join(", ")));
    }
    let chosen = registry.modules().iter().filter(|module| wanted.is_none_or(|name| name == module.name));
    let text: String = chosen.map(describe).collect();
    // A pager that was closed is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn describe(module: &Module) -> String {
    let mut text = format!("{}: {}\n\n", module.name, module.doc);
    for function in &module.functions {
        describe_function(&mut text, module.name, function);
    }
    text
}

fn describe_function(text: &mut String, module: &str, function: &Function) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "  {module}.{}\n      {}", function.name, function.doc);
    let width = function.parameters.iter().map(|parameter| parameter.name.len()).max().unwrap_or(0);
    for parameter in &function.parameters {
        let _ = writeln!(text, "      {:width$}  {}", parameter.name, describe_parameter(parameter));
    }
    text.push('\n');
}

fn describe_parameter(parameter: &Parameter) -> String {
    let default = parameter.default.as_ref().map(|default| format!(", default {default}")).unwrap_or_default();
    let required = if parameter.required { ", required" } else { "" };
    format!("({}{required}{default}) {}", parameter.kind, parameter.doc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_shows_functions_and_parameters() {
        let registry = Registry::new(Offer::default());
        let crypto = registry.modules().iter().find(|module| module.name == "crypto").unwrap();
        let text = describe(crypto);
        assert!(text.contains("crypto.decrypt") && text.contains("hex_ciphertext"), "{text}");
    }
}
