//! `cpan-bridge check-config`, `completions` and `man`: what is needed when a broker is set up.

use super::say::{self, say};
use super::{command, configure, fail, settings_flags};
use crate::broker::{self, Findings};
use crate::config::settings::TABLE;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// `check-config`.
pub fn check_command() -> Command {
    Command::new("check-config")
        .about("Checks settings without starting anything")
        .long_about(
            "Reads the settings as `serve` would, with the same flags, says what is wrong with them, on this host and for this user, \
             and lists those in force that are not the default, each with where it comes from. Exit status 2 if something is wrong.",
        )
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("Lists the defaults as well"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Prints JSON, for programs"))
        .args(settings_flags(|_| true))
}

/// `completions`.
pub fn completions_command() -> Command {
    Command::new("completions")
        .about("Prints completions for a shell")
        .long_about(
            "Prints completions for a shell. `make install` puts them in place; by hand, for bash:\n\n  \
             cpan-bridge completions bash > ~/.local/share/bash-completion/completions/cpan-bridge",
        )
        .arg(Arg::new("shell").required(true).value_parser(["bash", "zsh", "fish"]))
}

/// `man`, for `make install`.
pub fn man_command() -> Command {
    Command::new("man")
        .hide(true)
        .about("Writes the manual pages into a directory")
        .arg(Arg::new("directory").required(true).value_parser(value_parser!(PathBuf)))
}

/// Runs `check-config`.
pub fn check(flags: &ArgMatches) -> ExitCode {
    let mut config = match configure(flags) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    // As `serve` has them.
    config.socket = std::path::absolute(&config.socket).unwrap_or(config.socket);
    let Findings { wrong, doubtful } = broker::check(&config);
    for line in wrong.iter().chain(&doubtful) {
        say::complain(&format!("cpan-bridge: {line}"));
    }
    let wanted = |source: &str| flags.get_flag("all") || source != "default";
    let shown = config.values.in_force().into_iter().filter(|(_, _, source)| wanted(source));
    if flags.get_flag("json") {
        let settings =
            shown.map(|(name, value, source)| (name.to_owned(), json!({ "value": value, "source": source })));
        let settings: serde_json::Map<String, serde_json::Value> = settings.collect();
        say!(
            "{}",
            say::json(
                &json!({ "socket": config.socket, "settings": settings, "wrong": wrong, "doubtful": doubtful }),
                false
            )
        );
        return if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    for (name, value, source) in shown {
        say!("{name} = {value:?}  ({source})");
    }
    if !wrong.is_empty() {
        say!("`serve` would refuse these settings");
        return ExitCode::from(2);
    }
    if !doubtful.is_empty() {
        say!("`serve` would start with these settings, and warn of that; the socket is {}", config.socket.display());
        return ExitCode::SUCCESS;
    }
    say!("The settings are sound; the socket is {}", config.socket.display());
    ExitCode::SUCCESS
}

/// Runs `completions`.
pub fn completions(flags: &ArgMatches) -> ExitCode {
    let shell = match flags.get_one::<String>("shell").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "cpan-bridge", &mut text);
    if shell == Shell::Bash {
        text = with_one_spelling(&String::from_utf8_lossy(&text)).into_bytes();
    }
    say::note(io::stdout().write_all(&text));
    ExitCode::SUCCESS
}

/// The generator spells the program's name, which has a hyphen, in two ways: one where a subcommand is recognised, the other
/// where its flags are listed, so that none were ever offered.
fn with_one_spelling(script: &str) -> String {
    script.replace("cpan__subcmd__bridge", "cpan__bridge")
}

/// Runs `man`.
pub fn man(flags: &ArgMatches) -> ExitCode {
    let Some(directory) = flags.get_one::<PathBuf>("directory") else { return ExitCode::from(2) };
    let settings = std::fs::write(directory.join("cpan-bridge.toml.5"), settings_page());
    match settings.and_then(|()| clap_mangen::generate_to(command(), directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// `cpan-bridge.toml.5`, made from the table of settings.
fn settings_page() -> String {
    let mut page = String::from(
        ".TH CPAN-BRIDGE.TOML 5 \"\" \"cpan-bridge\" \"CPAN Bridge\"\n.SH NAME\ncpan-bridge.toml \\- settings of cpan-bridge\n\
         .SH DESCRIPTION\nA TOML file of settings, named by\n.B \\-\\-config\nor\n.BR CPAN_BRIDGE_CONFIG .\n\
         Each can as well be a flag of\n.BR cpan-bridge-serve (1)\nor a variable: health_interval,\n\
         .BR \\-\\-health\\-interval ,\n.BR CPAN_BRIDGE_HEALTH_INTERVAL .\nFlags win over the environment, the \
         environment over the file.\n.PP\nDurations are seconds (90, 0.5) or carry a unit (250ms, 90s, 15m, 1h); 0 or off \
         means never. Sizes are bytes or carry a unit (64KiB, 16MiB).\n.SH SETTINGS\n",
    );
    for setting in TABLE.iter().filter(|setting| setting.name != "test_faults") {
        let default = if setting.default.is_empty() { String::new() } else { format!(" [{}]", setting.default) };
        let words = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
        page.push_str(&format!(
            ".TP\n.BR {} \"{}\"\n{}. {}\n",
            setting.name,
            words(&default),
            words(setting.doc),
            words(setting.reason)
        ));
    }
    page.push_str(".SH SEE ALSO\n.BR cpan-bridge (1),\n.BR cpan-bridge (7)\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_bash_completion_is_one_that_it_knows() {
        let mut text = Vec::new();
        clap_complete::generate(Shell::Bash, &mut command(), "cpan-bridge", &mut text);
        let script = with_one_spelling(&String::from_utf8(text).unwrap());
        let states: Vec<&str> = script
            .split("cmd=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|s| !s.is_empty())
            .collect();
        assert!(states.len() > 20, "{states:?}");
        for state in states {
            assert!(script.contains(&format!("\n        {state})\n")), "{state}");
        }
    }
}
