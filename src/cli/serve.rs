//! `cpan-bridge serve`: the broker, in the foreground or not.

use super::background::{self, READY};
use super::places::Worth;
use super::{configure, fail, places, settings_flags};
use crate::broker::{self, Broker, Inheritance, Orders, Origin};
use crate::config::{Config, LogFormat, runtime_directory};
use crate::logging::Log;
use crate::modules::{Offer, registry};
use clap::{Arg, ArgAction, ArgMatches, Command};
use kit::Registry;
use nix::unistd::{close, dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    let hidden = |name: &'static str| Arg::new(name).long(name).hide(true);
    Command::new("serve")
        .about("Runs the broker")
        .long_about(
            "Runs the broker in the foreground, logging to standard error.\n\n\
             Durations are seconds (90, 0.5) or carry a unit (250ms, 90s, 15m, 1h); 0 or off means never. Sizes are bytes \
             or carry a unit (64KiB, 16MiB). A setting has one name three ways: health_interval in the file, \
             --health-interval, CPAN_BRIDGE_HEALTH_INTERVAL. Flags win over the environment, the environment over the \
             file. Also taken from the environment, as the old daemon did: CPAN_BRIDGE_MAX_REQUEST_SIZE (max_frame), \
             CPAN_BRIDGE_TIMEOUT (stale_timeout), CPAN_BRIDGE_DEBUG (log_level).",
        )
        .args(settings_flags(|_| true))
        .arg(hidden("ready-fd").value_parser(clap::value_parser!(i32).range(1..)))
        // How a broker started its successor before it did so by the environment.
        .arg(hidden("detached").action(ArgAction::SetTrue))
        .arg(hidden("handover").value_parser(clap::value_parser!(i32).range(0..)))
        .arg(hidden("rehearsal").action(ArgAction::SetTrue))
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    broker::take_name();
    let orders = orders(flags);
    match orders.handover {
        None => start(flags, orders),
        Some(_) if orders.rehearsal => try_out(flags, orders),
        Some(memory) => take_over(flags, orders, memory),
    }
}

/// What the program that started this one has told it.
fn orders(flags: &ArgMatches) -> Orders {
    let orders = Orders::of_environment(|name| std::env::var_os(name));
    Orders {
        detached: orders.detached || flags.get_flag("detached"),
        handover: orders.handover.or(flags.get_one::<i32>("handover").copied()),
        rehearsal: orders.rehearsal || flags.get_flag("rehearsal"),
    }
}

fn start(flags: &ArgMatches, orders: Orders) -> ExitCode {
    let mut config = match configure(flags) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    let detached = orders.detached;
    let ready_fd = flags.get_one::<i32>("ready-fd").copied();
    if config.daemonize && !detached {
        return background::start(ready_fd);
    }
    let place = match find_place(&mut config) {
        Ok(place) => place,
        Err(error) => return fail(1, &error),
    };
    // Before the directory is left that it was started in.
    let origin = match Origin::of_this_process(orders) {
        Ok(origin) => origin,
        Err(error) => return fail(1, &format!("finding this program's own file: {error}")),
    };
    let settled = settle_in(&mut config, detached).and_then(|()| if detached { lead_a_session() } else { Ok(()) });
    if let Err(error) = settled {
        return fail(1, &error);
    }
    let ready_fd = ready_fd.or(detached.then_some(1));
    match serve(config, origin, ready_fd, detached, place) {
        Ok(code) => code,
        Err(error) => fail(1, &error),
    }
}

/// Finds out whether this program could take over from the one that started it, and says so on standard output.
fn try_out(flags: &ArgMatches, orders: Orders) -> ExitCode {
    let rehearsed = broker::keep_secrets().map_err(Into::into).and_then(|()| {
        let mut config = configure(flags)?;
        find_place(&mut config)?;
        settle_in(&mut config, orders.detached)?;
        broker::rehearse(&config, &modules_of(&config))?;
        Log::new(&config)?;
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    match rehearsed {
        Ok(()) => {
            println!("{}", broker::READY);
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &error),
    }
}

/// Goes on where another program in this process has come to. Secrets come with the first step, so the process is closed to
/// inspection before it; descriptors are taken before anything is opened.
fn take_over(flags: &ArgMatches, orders: Orders, memory: i32) -> ExitCode {
    let resumed = broker::keep_secrets().map_err(Into::into).and_then(|()| {
        let inheritance = Inheritance::accept(memory, orders)?;
        let mut config = configure(flags)?;
        find_place(&mut config)?;
        settle_in(&mut config, orders.detached)?;
        broker::block_signals()?;
        broker::fit_allocator();
        let (log, registry) = (Log::new(&config)?, modules_of(&config));
        Ok::<_, Box<dyn std::error::Error>>(Broker::resume(config, registry, log, inheritance)?.run()?)
    });
    match resumed {
        Ok(code) => code,
        Err(error) => fail(1, &error),
    }
}

fn serve(
    config: Config,
    origin: Origin,
    ready_fd: Option<i32>,
    detached: bool,
    place: Place,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Opened anew before the process closes itself to inspection, which includes its own descriptors' names.
    let ready = ready_fd.map(|fd| OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}"))).transpose()?;
    broker::block_signals()?;
    broker::fit_allocator();
    let log = Log::new(&config)?;
    if let Some(why) = place.unusable {
        slog::warn!(log.logger, "XDG_RUNTIME_DIR is not used"; "why" => why, "socket" => %config.socket.display());
    }
    if let Some((place, uid)) = place.taken {
        slog::warn!(log.logger, "The usual place is another user's; listening in a directory of its own beside it";
            "taken" => %place.display(), "by" => broker::user_name(uid), "socket" => %config.socket.display());
    }
    let registry = modules_of(&config);
    let broker = Broker::new(config, registry, log, origin)?;
    if let (Some(mut ready), Some(fd)) = (ready, ready_fd) {
        // Who started the broker may be gone already; it serves all the same.
        let _ = ready.write_all(READY);
        drop(ready);
        release(fd, detached)?;
    }
    Ok(broker.run()?)
}

fn modules_of(config: &Config) -> Registry {
    registry(Offer { faults: config.test_faults })
}

/// Lets go of the descriptor that readiness was told on, so that its reader sees the end; in the background also of the
/// starter's others, so that whoever waits for the end of its output is not kept waiting.
fn release(fd: i32, detached: bool) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    match fd {
        1 => dup2_stdout(&null)?,
        2 => dup2_stderr(&null)?,
        _ => close(fd)?,
    }
    if detached {
        dup2_stdin(&null)?;
        dup2_stderr(&null)?;
    }
    Ok(())
}

/// Why a socket that nobody named is where it is.
#[derive(Default)]
struct Place {
    /// The usual directory, and whose it is, if somebody else has taken that.
    taken: Option<(PathBuf, u32)>,
    /// Why `XDG_RUNTIME_DIR` does not count.
    unusable: Option<String>,
}

/// Chooses the socket's place if nobody named it.
fn find_place(config: &mut Config) -> io::Result<Place> {
    if config.socket_named {
        return Ok(Place::default());
    }
    let (socket, taken) = places::to_listen()?;
    config.socket = socket;
    Ok(Place { taken, unusable: runtime_directory().err() })
}

/// Paths are those of the place the broker was started from, also after it has left that place.
fn settle_in(config: &mut Config, detached: bool) -> io::Result<()> {
    config.socket = absolute(&config.socket)?;
    config.log_file = config.log_file.as_ref().map(absolute).transpose()?;
    config.metrics_file = config.metrics_file.as_ref().map(absolute).transpose()?;
    if detached {
        if config.log_file.is_none() && config.log_format != LogFormat::Journal {
            config.log_file = log_beside(&config.socket);
        }
        // Not to hold on to a directory that somebody wants to unmount.
        std::env::set_current_dir("/")?;
    }
    Ok(())
}

/// Where a broker in the background logs that was not told where: beside its socket, if nobody else can put anything there. What is
/// long is put aside, so that it does not grow for ever.
fn log_beside(socket: &Path) -> Option<PathBuf> {
    const LONG: u64 = 1 << 20;
    let directory = socket.parent()?;
    if places::judge(directory) == Worth::Absent {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).ok()?;
    }
    if places::judge(directory) != Worth::Ours {
        return None;
    }
    let file = socket.with_extension("log");
    if fs::metadata(&file).is_ok_and(|metadata| metadata.len() > LONG) {
        // If that fails the old file goes on growing.
        let _ = fs::rename(&file, socket.with_extension("log.old"));
    }
    Some(file)
}

fn lead_a_session() -> io::Result<()> {
    setsid()?;
    Ok(())
}
