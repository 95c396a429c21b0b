//! Settings: defaults, then the TOML file, then `CPAN_BRIDGE_*` in the environment, then flags. The last that says
//! something wins.
//!
//! A setting has one name three ways: `health_interval` in the file, `--health-interval` as a flag,
//! `CPAN_BRIDGE_HEALTH_INTERVAL` in the environment. [`settings::TABLE`] is the one list of them; help, documentation and
//! `system.info` are made from it.

mod directories;
pub mod settings;
mod values;

pub use directories::{default_socket, login_directory, private_socket, runtime_directory};
pub use values::{Measure, SettingError, Source, Values};

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set, checked and typed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Path of the socket.
    pub socket: PathBuf,
    /// Whether it was given, and is not the place where brokers and clients look by themselves.
    pub socket_named: bool,
    /// Permission bits of the socket.
    pub socket_mode: u32,
    /// Group of the socket.
    pub socket_group: Option<String>,
    /// Users that may connect besides the broker's own and root.
    pub allow_user: Vec<String>,
    /// Groups whose members may connect.
    pub allow_group: Vec<String>,
    /// Users for whom files are opened.
    pub allow_files: Vec<String>,
    /// Users who may reach the network.
    pub allow_network: Vec<String>,
    /// The most connections at one time.
    pub max_connections: usize,
    /// The largest message, in bytes.
    pub max_frame: usize,
    /// The most calls of one connection in work.
    pub max_outstanding: usize,
    /// Closes a connection with nothing outstanding and no byte for that long.
    pub stale_timeout: Option<Duration>,
    /// How long a begun message may take to arrive.
    pub frame_timeout: Option<Duration>,
    /// How long a client may take no byte of its answers.
    pub write_timeout: Option<Duration>,
    /// Unsent bytes at which a connection is no longer read.
    pub high_water: usize,
    /// Unsent bytes at which it is read again.
    pub low_water: usize,
    /// Worker threads.
    pub workers: usize,
    /// Calls that may wait for a worker.
    pub worker_queue: usize,
    /// Bytes that may be held for all callers.
    pub max_memory: usize,
    /// The most connections of one user who is let in.
    pub user_connections: usize,
    /// Calls of one such user that may wait for a worker.
    pub user_queue: usize,
    /// Workers that calls of one such user may have.
    pub user_running: usize,
    /// Bytes that may be held for one such user.
    pub user_memory: usize,
    /// How often the health line is logged.
    pub health_interval: Option<Duration>,
    /// Where figures are written for Prometheus.
    pub metrics_file: Option<PathBuf>,
    /// How often.
    pub metrics_interval: Option<Duration>,
    /// Where figures are served.
    pub metrics_listen: Option<MetricsListen>,
    /// More connections are worth a line.
    pub elevated_connections: u64,
    /// More connections are worth a warning.
    pub high_connections: u64,
    /// A handle not used for that long ends.
    pub handle_idle_timeout: Option<Duration>,
    /// The most live handles of one user.
    pub max_handles: usize,
    /// How long running calls may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// How long a reload waits for running calls.
    pub reload_grace: Duration,
    /// How long calls are held up for a reload at a time.
    pub reload_hold: Duration,
    /// How often the socket's place is looked at; none for never.
    pub socket_check: Option<Duration>,
    /// How long the loop looks for events before it sleeps.
    pub busy_poll: Option<Duration>,
    /// Exits after that long without a connection.
    pub idle_exit: Option<Duration>,
    /// What is logged.
    pub log_level: slog::Level,
    /// Where to.
    pub log_file: Option<PathBuf>,
    /// In which form.
    pub log_format: LogFormat,
    /// Whether to go on in the background.
    pub daemonize: bool,
    /// Whether functions that fail on purpose are offered.
    pub test_faults: bool,
    /// Where each value came from, for `system.info`.
    pub values: Values,
}

impl Config {
    /// Types the values.
    ///
    /// # Errors
    /// The first value that is none of its setting's, saying which, where it came from and what is allowed.
    pub fn new(values: Values) -> Result<Self, SettingError> {
        let config = Self {
            socket: values.path("socket").unwrap_or_else(default_socket),
            socket_named: values.path("socket").is_some(),
            socket_mode: values.mode("socket_mode")?,
            socket_group: values.text("socket_group"),
            allow_user: values.list("allow_user"),
            allow_group: values.list("allow_group"),
            allow_files: values.list("allow_files"),
            allow_network: values.list("allow_network"),
            max_connections: values.count("max_connections")?,
            max_frame: values.size("max_frame")?,
            max_outstanding: values.count("max_outstanding")?,
            stale_timeout: values.optional_duration("stale_timeout")?,
            frame_timeout: values.optional_duration("frame_timeout")?,
            write_timeout: values.optional_duration("write_timeout")?,
            high_water: values.size("high_water")?,
            low_water: values.size("low_water")?,
            workers: values.count("workers")?,
            worker_queue: values.count("worker_queue")?,
            max_memory: values.size("max_memory")?,
            user_connections: values.count("user_connections")?,
            user_queue: values.count("user_queue")?,
            user_running: values.count("user_running")?,
            user_memory: values.size("user_memory")?,
            health_interval: values.optional_duration("health_interval")?,
            metrics_file: values.path("metrics_file"),
            metrics_interval: values.optional_duration("metrics_interval")?,
            metrics_listen: MetricsListen::of(&values)?,
            elevated_connections: values.count("elevated_connections")? as u64,
            high_connections: values.count("high_connections")? as u64,
            handle_idle_timeout: values.optional_duration("handle_idle_timeout")?,
            max_handles: values.count("max_handles")?,
            shutdown_grace: values.optional_duration("shutdown_grace")?.unwrap_or_default(),
            reload_grace: values.optional_duration("reload_grace")?.unwrap_or_default(),
            reload_hold: values.optional_duration("reload_hold")?.unwrap_or_default(),
            socket_check: values.optional_duration("socket_check")?,
            busy_poll: values.optional_duration("busy_poll")?,
            idle_exit: values.optional_duration("idle_exit")?,
            log_level: values.level("log_level")?,
            log_file: values.path("log_file"),
            log_format: LogFormat::of(values.choice("log_format")?),
            daemonize: values.flag("daemonize")?,
            test_faults: values.flag("test_faults")?,
            values,
        };
        if config.low_water > config.high_water {
            return Err(config.values.error("low_water", "a size of at most high_water"));
        }
        if config.log_file.is_some() && matches!(config.log_format, LogFormat::Journal | LogFormat::Terminal) {
            return Err(config.values.error("log_format", "auto, plain or json with a log_file"));
        }
        Ok(config)
    }
}

/// Where figures are served over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsListen {
    /// A loopback address.
    Address(SocketAddr),
    /// A socket at this path.
    Socket(PathBuf),
}

impl MetricsListen {
    fn of(values: &Values) -> Result<Option<Self>, SettingError> {
        let Some(text) = values.text("metrics_listen") else { return Ok(None) };
        if text.starts_with('/') {
            return Ok(Some(Self::Socket(PathBuf::from(text))));
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Some(Self::Address(address))),
            _ => Err(values.error(
                "metrics_listen",
                "a loopback address with a port (127.0.0.1:9464, [::1]:9464) or an absolute path",
            )),
        }
    }
}

impl fmt::Display for MetricsListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The one that suits where it goes.
    Auto,
    /// Lines, coloured.
    Terminal,
    /// Lines.
    Plain,
    /// A JSON object a line.
    Json,
    /// Fields, to systemd's journal.
    Journal,
}

impl LogFormat {
    fn of(word: &str) -> Self {
        match word {
            "terminal" => Self::Terminal,
            "plain" => Self::Plain,
            "json" => Self::Json,
            "journal" => Self::Journal,
            _ => Self::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(
        flags: &[(&'static str, &str)],
        environment: &[(&str, &str)],
        file: &str,
    ) -> Result<Config, SettingError> {
        let mut values = Values::defaults();
        values.merge_toml("test.toml", file)?;
        values.merge_environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        for (name, value) in flags {
            values.set_flag(name, (*value).to_owned());
        }
        Config::new(values)
    }

    #[test]
    fn the_defaults_are_sound() {
        let config = config(&[], &[], "").unwrap();
        assert_eq!(config.max_connections, 10_000);
        assert_eq!(config.max_frame, 16 << 20);
        assert_eq!(config.socket_mode, 0o600);
        assert_eq!(config.stale_timeout, Some(Duration::from_secs(300)));
        assert_eq!(config.idle_exit, None);
        assert!(!config.daemonize);
    }

    #[test]
    fn later_sources_win() {
        let file = "health_interval = \"15m\"\nmax_connections = 5\nallow_user = [\"alice\", \"bob\"]\n";
        let environment = [("CPAN_BRIDGE_MAX_CONNECTIONS", "6"), ("HOME", "/")];
        let config = config(&[("max_handles", "7")], &environment, file).unwrap();
        assert_eq!(config.health_interval, Some(Duration::from_secs(900)));
        assert_eq!((config.max_connections, config.max_handles), (6, 7));
        assert_eq!(config.allow_user, ["alice", "bob"]);
        let shown = config.values.in_force();
        let source = |name: &str| shown.iter().find(|setting| setting.0 == name).unwrap().2.clone();
        assert_eq!(source("max_connections"), "environment CPAN_BRIDGE_MAX_CONNECTIONS");
        assert_eq!(source("health_interval"), "file test.toml, line 1");
        assert_eq!(source("max_handles"), "flag --max-handles");
        assert_eq!(source("workers"), "default");
    }

    #[test]
    fn old_names_still_work_and_new_ones_win() {
        let old =
            [("CPAN_BRIDGE_MAX_REQUEST_SIZE", "10485760"), ("CPAN_BRIDGE_DEBUG", "1"), ("CPAN_BRIDGE_TIMEOUT", "1800")];
        let seen = config(&[], &old, "").unwrap();
        assert_eq!((seen.max_frame, seen.log_level), (10_485_760, slog::Level::Debug));
        assert_eq!(seen.stale_timeout, Some(Duration::from_secs(1800)));
        let both = [("CPAN_BRIDGE_MAX_REQUEST_SIZE", "1MiB"), ("CPAN_BRIDGE_MAX_FRAME", "2MiB")];
        assert_eq!(config(&[], &both, "").unwrap().max_frame, 2 << 20);
        assert_eq!(config(&[], &[("CPAN_BRIDGE_DEBUG", "0")], "").unwrap().log_level, slog::Level::Info);
    }

    #[test]
    fn a_wrong_value_is_said_with_its_place_and_what_is_allowed() {
        type Pairs<'a> = &'a [(&'static str, &'a str)];
        let cases: [(Pairs<'_>, Pairs<'_>, &str, &str); 8] = [
            (&[("metrics_listen", "0.0.0.0:9464")], &[], "", "must be a loopback address with a port"),
            (&[("metrics_listen", "metrics.sock")], &[], "", "or an absolute path"),
            (&[("workers", "many")], &[], "", "workers = \"many\" (flag --workers): must be a number from 1 to 1024"),
            (&[], &[("CPAN_BRIDGE_MAX_FRAME", "16MX")], "", "(environment CPAN_BRIDGE_MAX_FRAME): must be a size"),
            (&[], &[], "stale_timeout = -1", "stale_timeout = \"-1\" (file test.toml, line 1): must be a duration"),
            (&[], &[], "stale_timout = 1", "stale_timout"),
            (&[("low_water", "2MiB"), ("high_water", "1MiB")], &[], "", "at most high_water"),
            (&[("socket_mode", "999")], &[], "", "an octal mode"),
        ];
        for (flags, environment, file, expected) in cases {
            let message = config(flags, environment, file).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn an_unknown_setting_in_the_file_names_the_nearest() {
        let message = config(&[], &[], "stale_timout = 1").unwrap_err().to_string();
        assert!(message.contains("did you mean `stale_timeout`?"), "{message}");
    }
}
