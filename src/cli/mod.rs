//! The command line: one file a subcommand.

mod background;
mod brokers;
mod call;
mod calls;
mod client;
mod connections;
mod describe;
mod get;
mod handles;
mod installed;
mod json;
mod list;
mod lock;
mod oneshot;
mod ping;
mod places;
mod progress;
mod reload;
mod report;
mod say;
mod scripts;
mod serve;
mod setup;
mod status;
mod steer;
mod table;
mod top;
mod who;

use crate::broker;
use crate::config::settings::{Kind, Setting, TABLE};
use crate::config::{Config, SettingError, Values};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, ArgAction, ArgMatches, Command};
use client::Address;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const ABOUT: &str = "A broker that gives Perl scripts ciphers and other services over a Unix socket";

const LONG_ABOUT: &str = "A broker that gives Perl scripts ciphers and other services over a Unix socket.\n\n\
    Scripts need nothing but core Perl and the client CPANBridge.pm. They call functions by name \
    (crypto.encrypt, test.ping); `cpan-bridge describe` lists them. What a call leaves behind, a cipher say, lives on in \
    the broker and is at hand for the next call, also from another connection or process of the same user.";

const AFTER: &str = "Start a broker and try it:\n  \
    cpan-bridge serve &\n  \
    perl -MCPANBridge -e 'print CPANBridge->new->call(\"test.ping\", {})->{message}, \"\\n\"'\n\n\
    The socket is the one that --socket or $CPAN_BRIDGE_SOCKET names. Without one, clients and these commands look in \
    $XDG_RUNTIME_DIR/cpan-bridge, /run/user/<uid>/cpan-bridge, /tmp/cpan-bridge-<uid>, and then for the host's own at \
    /run/cpan-bridge/broker.sock; `cpan-bridge brokers` lists what there is. A directory that another user made is not trusted, and a broker of another user than \
    you and root is asked nothing unless --broker-user or $CPAN_BRIDGE_USER names him. Only the user who runs the broker, and root, \
    may connect unless settings allow others.\n\n\
    Signals to a broker: TERM and INT end it when running calls are done (a second one ends it at once), HUP opens \
    the log file anew, USR2 reloads: the program that is now installed takes over with everything there is.\n\n\
    Settings of `serve` are flags, CPAN_BRIDGE_* variables or lines of a TOML file: see `cpan-bridge serve --help`.";

/// Runs the program: reads the command line, does what it says. Returns the exit code: 0 for success, 1 for failure, 2 for
/// a command line or settings that make no sense.
pub fn main() -> ExitCode {
    crate::broker::survive_file_limits();
    let matches = command().get_matches();
    let code = run(&matches);
    if let Some(error) = say::failure() {
        return fail(1, &format_args!("can't write to standard output: {error}"));
    }
    code
}

fn run(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("serve", flags)) => serve::run(flags),
        Some(("oneshot", flags)) => oneshot::run(flags),
        Some(("describe", flags)) => describe::run(flags),
        Some(("report", flags)) => report::run(flags),
        Some(("get", flags)) => get::run(flags),
        Some(("call", flags)) => call::run(flags),
        Some(("status", flags)) => status::run(flags),
        Some(("top", flags)) => top::run(flags),
        Some(("ping", flags)) => ping::run(flags),
        Some(("connections", flags)) => connections::run(flags),
        Some(("calls", flags)) => calls::run(flags),
        Some(("brokers", flags)) => brokers::run(flags),
        Some(("handles", flags)) => handles::run(flags),
        Some((name @ ("stop" | "metrics"), flags)) => steer::run(name, flags),
        Some(("check-config", flags)) => setup::check(flags),
        Some(("completions", flags)) => setup::completions(flags),
        Some(("man", flags)) => setup::man(flags),
        Some(("lock", flags)) => lock::lock(flags),
        Some(("unlock", flags)) => lock::unlock(flags),
        Some(("reload", flags)) => reload::run(flags),
        _ => ExitCode::from(2),
    }
}

/// The command line, made from the table of settings.
pub fn command() -> Command {
    let styles = Styles::styled()
        .header(AnsiColor::Green.on_default().bold())
        .usage(AnsiColor::Green.on_default().bold())
        .literal(AnsiColor::Cyan.on_default().bold())
        .placeholder(AnsiColor::Cyan.on_default());
    Command::new("cpan-bridge")
        .version(crate::VERSION)
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_help(AFTER)
        .styles(styles)
        .max_term_width(110)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve::command())
        .subcommand(status::command())
        .subcommand(top::command())
        .subcommand(call::command())
        .subcommand(describe::command())
        .subcommand(ping::command())
        .subcommand(calls::command())
        .subcommand(connections::command())
        .subcommand(brokers::command())
        .subcommand(handles::command())
        .subcommand(steer::metrics_command())
        .subcommand(report::command())
        .subcommand(reload::command())
        .subcommand(steer::stop_command())
        .subcommand(lock::lock_command())
        .subcommand(lock::unlock_command())
        .subcommand(get::command())
        .subcommand(oneshot::command())
        .subcommand(setup::check_command())
        .subcommand(setup::completions_command())
        .subcommand(setup::man_command())
}

/// The flags of a command that talks to a running broker.
fn connection_flags() -> Vec<Arg> {
    let user = Arg::new("broker_user")
        .long("broker-user")
        .value_name("NAME")
        .action(ArgAction::Append)
        .help(
            "A user besides you and root whose broker may be asked, by name or number; where no socket is named it is looked for \
             at that user's usual places first [env: CPAN_BRIDGE_USER]",
        );
    settings_flags(|setting| setting.name == "socket").into_iter().chain([user]).collect()
}

/// `--config`, and a flag for each of the settings.
fn settings_flags(which: impl Fn(&Setting) -> bool) -> Vec<Arg> {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("Reads settings from this TOML file [env: CPAN_BRIDGE_CONFIG]")
        .value_parser(clap::value_parser!(PathBuf));
    std::iter::once(config).chain(TABLE.iter().filter(|setting| which(setting)).map(setting_flag)).collect()
}

fn setting_flag(setting: &Setting) -> Arg {
    let mut help = setting.doc.to_owned();
    if !setting.default.is_empty() {
        help.push_str(&format!(" [default: {}]", setting.default));
    }
    help.push_str(&format!(" [env: {}]", setting.variable()));
    let flag = Arg::new(setting.name).long(setting.flag()).help(help).value_name(placeholder(setting.kind));
    let flag = match setting.kind {
        // Given alone it means on; `--daemonize=off` takes back what a file says.
        Kind::Flag => flag.num_args(0..=1).require_equals(true).default_missing_value("on"),
        _ => flag.num_args(1).allow_hyphen_values(true),
    };
    // A list may be given name by name; anything else that is given twice is refused: which of the two was meant?
    let action = if setting.kind == Kind::List { ArgAction::Append } else { ArgAction::Set };
    flag.action(action).hide(setting.name == "test_faults")
}

const fn placeholder(kind: Kind) -> &'static str {
    match kind {
        Kind::Path => "PATH",
        Kind::Text => "NAME",
        Kind::List => "NAMES",
        Kind::Mode => "MODE",
        Kind::Count(..) => "NUMBER",
        Kind::Size(..) => "SIZE",
        Kind::Duration => "TIME",
        Kind::Level => "LEVEL",
        Kind::Choice(_) => "FORMAT",
        Kind::Flag => "on|off",
    }
}

/// Why the settings are of no use.
#[derive(Debug, thiserror::Error)]
enum ConfigError {
    /// A file that can't be read.
    #[error("can't read the settings file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name of a user who does not exist.
    #[error("--broker-user, CPAN_BRIDGE_USER: there is no user {0}")]
    NoUser(String),
    /// A value that makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// The settings in force: defaults, then file, then environment, then flags.
fn configure(flags: &ArgMatches) -> Result<Config, ConfigError> {
    let mut values = Values::defaults();
    let given = flags.get_one::<PathBuf>("config").cloned();
    let file =
        given.or_else(|| std::env::var_os("CPAN_BRIDGE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
    if let Some(path) = file {
        let content =
            std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        values.merge_toml(&path.display().to_string(), &content)?;
    }
    let text = |text: OsString| text.to_string_lossy().into_owned();
    values.merge_environment(std::env::vars_os().map(|(name, value)| (text(name), text(value))));
    for setting in TABLE {
        if let Ok(Some(given)) = flags.try_get_many::<String>(setting.name) {
            values.set_flag(setting.name, given.cloned().collect::<Vec<_>>().join(","));
        }
    }
    Ok(Config::new(values)?)
}

/// The broker that a command talks to: the one that is named, or the one where brokers are.
fn configure_client(flags: &ArgMatches) -> Result<Address, ConfigError> {
    let config = configure(flags)?;
    let given = flags.get_many::<String>("broker_user").map(|names| names.cloned().collect::<Vec<_>>().join(","));
    let is_asked_for = given.is_some();
    let names = given.or_else(|| std::env::var("CPAN_BRIDGE_USER").ok()).unwrap_or_default();
    let users = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let users = users.map(|name| broker::user_of(name).ok_or_else(|| ConfigError::NoUser(name.to_owned())));
    let users: Vec<u32> = users.collect::<Result<_, _>>()?;
    let named = config.socket_named.then_some(config.socket);
    // What the environment says is for brokers that are met; a flag asks for this user's, and no other will do.
    match (&named, users.first()) {
        (None, Some(first)) if is_asked_for => {
            let found = users.iter().find_map(|uid| places::of_user(*uid));
            Ok(found.map_or_else(|| Address::of_nobody(*first), |socket| Address::new(Some(socket), users.clone())))
        }
        _ => Ok(Address::new(named, users)),
    }
}

/// Says on standard error why the program ends, and ends it with this code.
fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    say::complain(&format!("cpan-bridge: {error}"));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_in_the_help_with_its_default() {
        let help = command().find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for setting in TABLE.iter().filter(|setting| setting.name != "test_faults") {
            assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.name);
            assert!(help.contains(&format!("[env: {}]", setting.variable())), "{}", setting.name);
            assert!(setting.default.is_empty() || help.contains(&format!("[default: {}]", setting.default)));
        }
    }
}
