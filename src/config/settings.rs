//! The one list of settings: name, kind of value, default, what it does, why it is so.

use kit::protocol::error::{nearest, quote};

/// What kind of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A path; without a default of its own.
    Path,
    /// A text; empty for none.
    Text,
    /// Texts, separated by commas.
    List,
    /// Octal permission bits.
    Mode,
    /// A number between two bounds.
    Count(usize, usize),
    /// A number of bytes between two bounds, with or without a unit.
    Size(usize, usize),
    /// Seconds, or a number with a unit; 0 and `off` switch it off.
    Duration,
    /// A log level.
    Level,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// On or off.
    Flag,
}

impl Kind {
    /// What is allowed, as messages and help say it.
    pub fn allowed(self) -> String {
        match self {
            Self::Path => "a path".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::List => "names, separated by commas".to_owned(),
            Self::Mode => "an octal mode such as 0600".to_owned(),
            Self::Count(least, most) => format!("a number from {least} to {most}"),
            Self::Size(least, most) => {
                format!("a size from {least} to {most} bytes, plain or with a unit (64KiB, 16MiB)")
            }
            Self::Duration => {
                "a duration: seconds (90, 0.5) or with a unit (250ms, 90s, 15m, 1h); 0 or off for never".to_owned()
            }
            Self::Level => "one of critical, error, warning, info, debug, trace".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Flag => "one of 1, 0, true, false, on, off, yes, no".to_owned(),
        }
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file; flags and environment are derived from it.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its default, as one would write it.
    pub default: &'static str,
    /// What it does: one sentence for the help.
    pub doc: &'static str,
    /// Why the default is what it is.
    pub reason: &'static str,
    /// A name of the old daemon that means the same, in the environment.
    pub old_variable: Option<&'static str>,
}

impl Setting {
    /// The name as a flag, without the dashes before it.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The name in the environment.
    pub fn variable(&self) -> String {
        format!("CPAN_BRIDGE_{}", self.name.to_ascii_uppercase())
    }
}

/// Variables that begin as settings do and are none: the clients', the installation's, and those that a broker gives to the next.
const OTHER_VARIABLES: [&str; 14] = [
    "ANSWER_MEMORY",
    "AUTOSTART",
    "BIN",
    "CONFIG",
    "DAEMON",
    "DAEMON_TIMEOUT",
    "DEBUG",
    "DETACHED",
    "FALLBACK",
    "HANDOVER",
    "REHEARSAL",
    "STARTUP_TIMEOUT",
    "TIMEOUT",
    "USER",
];

/// What is wrong with the names of variables that are meant to be settings: nobody reads them.
pub fn misspelt(variables: impl IntoIterator<Item = String>) -> Vec<String> {
    let is_known = |variable: &str, name: &str| {
        let is_setting = |setting: &Setting| setting.variable() == variable || setting.old_variable == Some(variable);
        OTHER_VARIABLES.contains(&name) || TABLE.iter().any(is_setting)
    };
    let mut wrong = Vec::new();
    for variable in variables {
        let Some(name) = variable.strip_prefix("CPAN_BRIDGE_") else { continue };
        if is_known(&variable, name) {
            continue;
        }
        let name = name.to_ascii_lowercase();
        let hint = nearest(&name, TABLE.iter().map(|setting| setting.name)).map_or_else(String::new, |nearest| {
            format!("; did you mean CPAN_BRIDGE_{}?", nearest.to_ascii_uppercase())
        });
        wrong.push(format!("environment {}: no setting has that name{hint}", quote(&variable)));
    }
    wrong.sort();
    wrong
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    reason: &'static str,
) -> Setting {
    Setting { name, kind, default, doc, reason, old_variable: None }
}

const fn with_old(mut setting: Setting, variable: &'static str) -> Setting {
    setting.old_variable = Some(variable);
    setting
}

const GIB: usize = 1 << 30;

/// Every setting, in the order in which help and documentation show them.
pub const TABLE: &[Setting] = &[
    setting(
        "socket",
        Kind::Path,
        "",
        "Path of the socket; if not given /tmp/cpan-bridge-<uid>/broker.sock, or $XDG_RUNTIME_DIR/cpan-bridge/broker.sock where that is not /run/user/<uid>",
        "Clients look in all of these places; /run/user/<uid> goes with the user's last login.",
    ),
    setting("socket_mode", Kind::Mode, "0600", "Permission bits of the socket", "Nobody but the broker's own user."),
    setting("socket_group", Kind::Text, "", "Group of the socket, by name or number", "The broker's own."),
    setting(
        "allow_user",
        Kind::List,
        "",
        "Users that may connect besides the broker's own and root, by name or number",
        "A broker holds keys: others are let in by name only. The socket's mode must let them reach it as well.",
    ),
    setting("allow_group", Kind::List, "", "Groups whose members may connect, by name or number", "As for allow_user."),
    setting(
        "allow_files",
        Kind::List,
        "",
        "Users besides the broker's own and root for whom it opens files, as its own user; * for all who may connect",
        "Who can have the broker open files sees what its user sees.",
    ),
    setting(
        "allow_network",
        Kind::List,
        "",
        "Users besides the broker's own and root who may reach the network through it; * for all who may connect",
        "Servers see the broker's host and user, whoever asked.",
    ),
    setting(
        "max_connections",
        Kind::Count(1, 1_000_000),
        "10000",
        "The most connections at one time; further ones wait in the listen queue",
        "An idle connection costs well under 1 KiB; the descriptor limit is raised to the hard limit to make room, and a quarter of it is left for everything else.",
    ),
    with_old(
        setting(
            "max_frame",
            Kind::Size(1024, GIB),
            "16MiB",
            "The largest message, request or answer",
            "Large enough for documents, small enough that a few clients can't fill the memory.",
        ),
        "CPAN_BRIDGE_MAX_REQUEST_SIZE",
    ),
    setting(
        "max_outstanding",
        Kind::Count(1, 1_000_000),
        "1024",
        "Calls of one connection in work; beyond it the connection is not read until some are answered",
        "Deep enough for any pipeline.",
    ),
    with_old(
        setting(
            "stale_timeout",
            Kind::Duration,
            "300s",
            "Closes a connection with nothing outstanding and no byte for that long",
            "A script that forgot its connection should not hold it for ever; clients reconnect by themselves.",
        ),
        "CPAN_BRIDGE_TIMEOUT",
    ),
    setting(
        "frame_timeout",
        Kind::Duration,
        "30s",
        "Closes a connection whose begun message is not complete after that long",
        "A message crosses a local socket in milliseconds.",
    ),
    setting(
        "write_timeout",
        Kind::Duration,
        "30s",
        "Closes a connection that takes no byte of its answers for that long",
        "A client that does not read holds memory.",
    ),
    setting(
        "high_water",
        Kind::Size(1, GIB),
        "1MiB",
        "Unsent answers at which a connection is no longer read",
        "Bounds what a client that reads slowly can make the broker hold.",
    ),
    setting(
        "low_water",
        Kind::Size(0, GIB),
        "256KiB",
        "Unsent answers at which it is read again",
        "Far enough below high_water that reading does not start and stop with every answer.",
    ),
    setting(
        "workers",
        Kind::Count(1, 1024),
        "32",
        "Threads for calls that wait or burn CPU",
        "Most of them wait for a web server. A thread is started when it is first needed and gives way to the loop.",
    ),
    setting(
        "worker_queue",
        Kind::Count(1, 1_000_000),
        "1024",
        "Calls that may wait for a worker; beyond it they are answered `overloaded`",
        "Refusing early beats answering late.",
    ),
    setting(
        "max_memory",
        Kind::Size(1 << 20, 1 << 40),
        "1GiB",
        "What messages, answers and bodies under way may hold in memory, for all callers together; beyond it large ones are refused",
        "Ten thousand clients with a message of 16 MiB each would take 160 GiB. Lowered at the start to a third of what the process may have (ulimit -v, control group).",
    ),
    setting(
        "user_connections",
        Kind::Count(1, 1_000_000),
        "1000",
        "The most connections of each user whom allow_user or allow_group lets in",
        "A tenth of max_connections, also where that is lower or the process may open fewer descriptors: one guest can't lock out the others. The broker's own user and root may have all.",
    ),
    setting(
        "user_queue",
        Kind::Count(1, 1_000_000),
        "256",
        "Calls that may wait for a worker for each such user",
        "A quarter of worker_queue.",
    ),
    setting(
        "user_running",
        Kind::Count(1, 1024),
        "8",
        "Workers that calls of each such user may have at one time; all such users together leave a quarter of the workers to others",
        "A quarter of workers: one guest's long calls, or what becomes of them when he hangs up, hold up nobody else.",
    ),
    setting(
        "user_memory",
        Kind::Size(1 << 20, 1 << 40),
        "256MiB",
        "What messages, answers and bodies under way may hold in memory for each such user",
        "A quarter of max_memory.",
    ),
    setting(
        "health_interval",
        Kind::Duration,
        "60s",
        "How often the health line is logged",
        "One line a minute is enough to see a trend.",
    ),
    setting(
        "metrics_file",
        Kind::Path,
        "",
        "Writes every figure to this file, as Prometheus' node_exporter reads them (textfile collector)",
        "Only hosts that are watched so have a use for it. The name has to end in .prom for the collector.",
    ),
    setting(
        "metrics_interval",
        Kind::Duration,
        "15s",
        "How often metrics_file is written",
        "As often as Prometheus usually asks.",
    ),
    setting(
        "metrics_listen",
        Kind::Text,
        "",
        "Serves every figure over HTTP at /metrics: a loopback address with its port (127.0.0.1:9464), or the path of a socket",
        "Figures are no secret, but the network has no business here; a proxy or an agent on the host passes them on.",
    ),
    setting(
        "elevated_connections",
        Kind::Count(0, 1_000_000),
        "20",
        "More connections than this are worth an info line with the health line",
        "Batch hosts run a few scripts at a time.",
    ),
    setting(
        "high_connections",
        Kind::Count(0, 1_000_000),
        "50",
        "More connections than this are worth a warning with the health line",
        "The old daemon's leak showed from about here on.",
    ),
    setting(
        "handle_idle_timeout",
        Kind::Duration,
        "1h",
        "A handle (a cipher, say) that no call used for that long ends",
        "Longer than a batch job pauses; a key should not live on after its job.",
    ),
    setting(
        "max_handles",
        Kind::Count(1, 10_000_000),
        "10000",
        "Live handles of one user; beyond it new ones are refused, live ones are never dropped to make room",
        "A script that leaks handles is told so before memory is short.",
    ),
    setting(
        "shutdown_grace",
        Kind::Duration,
        "10s",
        "How long running calls may take to finish at shutdown; 0 or off drops them at once",
        "Shorter than what service managers wait before they kill.",
    ),
    setting(
        "reload_grace",
        Kind::Duration,
        "60s",
        "How long a reload waits for the new program to come up, and then for running calls; else there is no reload",
        "Long enough for most transfers; meanwhile calls go on, see `reload_hold`.",
    ),
    setting(
        "reload_hold",
        Kind::Duration,
        "1s",
        "How long calls that need a worker are held up at a time to make a quiet moment for a reload; 0 or off never does",
        "Shorter than the time limits of scripts. While a call runs that takes longer already, none are held up.",
    ),
    setting(
        "socket_check",
        Kind::Duration,
        "5s",
        "How often the broker looks whether its socket's file is still there, and makes it anew if not",
        "Something that cleans up /tmp should not cut a broker off for long; a look costs microseconds.",
    ),
    setting(
        "busy_poll",
        Kind::Duration,
        "off",
        "Looks for the next request for that long before the broker sleeps (50us, say), on a CPU of its own",
        "Waking a process on another CPU takes longer than a small call; not to sleep costs that CPU while calls come.",
    ),
    setting(
        "idle_exit",
        Kind::Duration,
        "off",
        "Exits after that long without a connection and without a live handle",
        "For brokers that clients start by themselves.",
    ),
    with_old(
        setting("log_level", Kind::Level, "info", "What is logged", "One line per connection only at debug."),
        "CPAN_BRIDGE_DEBUG",
    ),
    setting(
        "log_file",
        Kind::Path,
        "",
        "Logs to this file instead of standard error; SIGHUP re-opens it",
        "Service managers collect standard error.",
    ),
    setting(
        "log_format",
        Kind::Choice(&["auto", "terminal", "plain", "json", "journal"]),
        "auto",
        "How lines are logged: coloured for a terminal, plain, JSON objects, or straight to systemd's journal; auto suits where they go",
        "A terminal, a file and the journal each want another form.",
    ),
    setting(
        "daemonize",
        Kind::Flag,
        "off",
        "Goes on in the background once it listens",
        "A foreground process is easier to supervise.",
    ),
    setting(
        "test_faults",
        Kind::Flag,
        "off",
        "Offers functions that fail on purpose (test.panic, test.panic_worker)",
        "For the broker's own tests.",
    ),
];

/// The setting of a name.
pub fn find(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

/// `docs/settings.md`, made from the table.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         <!-- Made from src/config/settings.rs; `UPDATE_DOCS=1 cargo test settings_page` writes it anew. -->\n\n\
         A setting has one name three ways: `health_interval` in the configuration file, `--health-interval` as a flag of\n\
         `cpan-bridge serve`, `CPAN_BRIDGE_HEALTH_INTERVAL` in the environment. Defaults give way to the file (`--config FILE` or\n\
         `CPAN_BRIDGE_CONFIG`, TOML), the file to the environment, the environment to flags. `system.info` shows every value in\n\
         force and where it came from.\n\n\
         Durations are seconds (`90`, `0.5`) or carry a unit (`250ms`, `90s`, `15m`, `1h`); `0` or `off` means never. Sizes are\n\
         bytes or carry a unit (`64KiB`, `16MiB`).\n\n\
         | setting | default | what it does | why |\n\
         | --- | --- | --- | --- |\n",
    );
    for setting in TABLE {
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let doc = setting.doc.replace('<', "&lt;");
        let old = setting.old_variable.map(|name| format!(" Also taken from `{name}`.")).unwrap_or_default();
        text.push_str(&format!("| `{}` | {default} | {doc}. | {}{old} |\n", setting.name, setting.reason));
    }
    text.push_str(
        "\n`CPAN_BRIDGE_DEBUG` is the old daemon's: 0 stands for `info`, anything above for `debug`. Its limits on requests a\n\
         minute and on the length of texts and lists have no successor: they rejected honest work.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_documented() {
        for (index, setting) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|earlier| earlier.name != setting.name));
            assert!(!setting.doc.is_empty() && !setting.reason.is_empty());
            assert!(!setting.doc.ends_with('.'), "{}", setting.name);
        }
    }

    #[test]
    fn variables_that_nobody_reads_are_told() {
        let known =
            TABLE.iter().flat_map(|setting| [Some(setting.variable()), setting.old_variable.map(str::to_owned)]);
        let others = ["CPAN_BRIDGE_TIMEOUT", "CPAN_BRIDGE_BIN", "HOME", "CPANBRIDGE"].map(str::to_owned);
        assert_eq!(misspelt(known.flatten().chain(others)), Vec::<String>::new());
        assert_eq!(
            misspelt(["CPAN_BRIDGE_WORKRS".to_owned(), "CPAN_BRIDGE_QQQQ".to_owned()]),
            [
                "environment CPAN_BRIDGE_QQQQ: no setting has that name",
                "environment CPAN_BRIDGE_WORKRS: no setting has that name; did you mean CPAN_BRIDGE_WORKERS?"
            ]
        );
    }

    #[test]
    fn the_settings_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(
            page == markdown(),
            "docs/settings.md differs from the table: run UPDATE_DOCS=1 cargo test settings_page"
        );
    }
}
