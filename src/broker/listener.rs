//! The socket: where it may be, who holds its place, and how it is taken and given up.
//!
//! A lock file beside the socket says which broker holds the place; the kernel drops the lock with the process, however it
//! ends. Only who has the lock removes what is left of an earlier broker, and only what nobody listens on.

use super::access::{self, AccessError};
use crate::config::Config;
use mio::net::UnixListener;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use nix::unistd::{Gid, Uid};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes that fit a Unix socket's address, without the terminating zero (unix(7)).
const LONGEST_PATH: usize = 107;

/// Why a broker can't listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The path does not fit an address.
    #[error(
        "the socket path is {0} bytes long, and a Unix socket's can have {LONGEST_PATH} at most; choose a shorter one with --socket"
    )]
    PathTooLong(usize),
    /// The path names no file in a directory.
    #[error("{0} is no path for a socket")]
    NoFile(PathBuf),
    /// The directory is none that a socket may be in.
    #[error("refusing to listen in {directory}: {why}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another broker is there.
    #[error("another broker holds {place}{}", who(*.pid))]
    Held {
        /// The lock's file.
        place: PathBuf,
        /// The other broker's process, if it can be asked.
        pid: Option<i32>,
    },
    /// Something else listens there.
    #[error("another program listens on {0}")]
    Live(PathBuf),
    /// Something else is there.
    #[error("{0} exists and is no socket; remove it or choose another path with --socket")]
    NoSocket(PathBuf),
    /// Something else is where the lock file should be.
    #[error(
        "{0} exists and is no regular file, so it can't be the lock; remove it or choose another path with --socket"
    )]
    NoLock(PathBuf),
    /// The descriptor handed over is none to listen on.
    #[error("LISTEN_FDS: {0}")]
    Activation(String),
    /// The socket's group does not exist.
    #[error(transparent)]
    Group(#[from] AccessError),
    /// The system refused.
    #[error("{path}: {what}: {source}")]
    System {
        /// Where.
        path: PathBuf,
        /// Doing what.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl ListenError {
    fn system(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::System { path, what, source }
    }
}

/// The socket that the broker listens on, and its claim to the path.
pub struct Listener {
    /// The socket; non-blocking.
    pub socket: UnixListener,
    path: PathBuf,
    place: Option<Place>,
    // Whether an earlier broker's socket was there still.
    found_another: bool,
}

/// What is removed when the socket is given up. A socket that was handed over is its owner's to remove.
struct Place {
    lock: Flock<File>,
    lock_path: PathBuf,
    identity: Identity,
}

/// Device and number of a file.
pub type Identity = (u64, u64);

fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|metadata| identity_of(&metadata))
}

fn identity_of(metadata: &fs::Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl Listener {
    /// Whether a connection waits, as far as can be told. Accepting tells it as well, but makes a socket before it looks.
    pub fn has_waiting(&self) -> bool {
        let mut queue = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        poll(&mut queue, PollTimeout::ZERO) != Ok(0)
    }

    /// Takes the configured path, or the socket that a service manager handed over.
    ///
    /// # Errors
    /// [`ListenError`], saying which path and what would be right.
    pub fn new(config: &Config) -> Result<Self, ListenError> {
        match handed_over()? {
            Some(listener) => Ok(listener),
            None => Self::bind(config),
        }
    }

    fn bind(config: &Config) -> Result<Self, ListenError> {
        let path = config.socket.as_path();
        check_length(path)?;
        prepare_directory(directory_of(path)?)?;
        let lock_path = lock_path(path);
        let lock = take_lock(&lock_path)?;
        let (socket, identity, found_another) = take_path(path, config)?;
        let place = Place { lock, lock_path, identity };
        Ok(Self { socket, path: path.to_owned(), place: Some(place), found_another })
    }

    /// The listener of another program in this process: its socket, and if it had a place, the lock's file and the
    /// identity that [`Listener::claim`] gave.
    ///
    /// # Errors
    /// A lock that is not held.
    pub fn taken_over(socket: OwnedFd, path: PathBuf, place: Option<(OwnedFd, Identity)>) -> Result<Self, ListenError> {
        let lock = |(fd, identity)| {
            let lock_path = lock_path(&path);
            // It goes with the open file, and so it is held already: this only says so.
            let lock = Flock::lock(File::from(fd), FlockArg::LockExclusiveNonblock)
                .map_err(|(_, error)| ListenError::system(&lock_path, "locking")(error.into()))?;
            Ok::<_, ListenError>(Place { lock, lock_path, identity })
        };
        let place = place.map(lock).transpose()?;
        Ok(Self { socket: UnixListener::from_std(socket.into()), path, place, found_another: false })
    }

    /// The lock's descriptor, and which file the socket's is; none for a socket that was handed over.
    pub fn claim(&self) -> Option<(RawFd, Identity)> {
        self.place.as_ref().map(|place| (place.lock.as_raw_fd(), place.identity))
    }

    /// Whether the socket's file is where it was made. One that was handed over is its owner's to watch.
    pub fn is_in_place(&self) -> bool {
        self.place.as_ref().is_none_or(|place| identity(&self.path) == Some(place.identity))
    }

    /// Takes the place anew, after somebody removed the socket's file. Gives back the socket that nobody can reach any
    /// more; who connected to it before may still wait there.
    ///
    /// # Errors
    /// [`ListenError`]; another broker or program may have come in between.
    pub fn take_place_again(&mut self, config: &Config) -> Result<Option<UnixListener>, ListenError> {
        let Some(place) = &mut self.place else { return Ok(None) };
        prepare_directory(directory_of(&self.path)?)?;
        // The lock's file may have gone with the socket's: then another broker could hold a new one.
        let locked = place.lock.metadata().ok().map(|metadata| identity_of(&metadata));
        if locked.is_none() || locked != identity(&place.lock_path) {
            place.lock = take_lock(&place.lock_path)?;
        }
        let (socket, identity, _) = take_path(&self.path, config)?;
        place.identity = identity;
        Ok(Some(std::mem::replace(&mut self.socket, socket)))
    }

    /// The path that clients connect to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others can pass the directory to reach the socket.
    pub fn directory_is_open(&self) -> bool {
        let directory = self.path.parent().and_then(|directory| fs::metadata(directory).ok());
        directory.is_none_or(|directory| directory.mode() & 0o011 != 0)
    }

    /// Directories above the socket's that somebody else could exchange for others, each with the reason: clients would be
    /// led to another socket. The clients notice by who listens there, but they do not reach this broker.
    pub fn exchangeable_ancestors(&self) -> Vec<(PathBuf, String)> {
        let Some(directory) = self.path.parent() else { return Vec::new() };
        let own = Uid::effective().as_raw();
        let real = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        let mut found: Vec<(PathBuf, String)> = Vec::new();
        for ancestor in directory.ancestors().skip(1).chain(real.ancestors().skip(1)) {
            let Ok(metadata) = fs::metadata(ancestor) else { continue };
            let mode = metadata.mode() & 0o7777;
            let why = if metadata.uid() != own && metadata.uid() != 0 {
                format!("it belongs to user {}", access::user_name(metadata.uid()))
            } else if mode & 0o022 != 0 && mode & 0o1000 == 0 {
                format!("others can write to it (mode {mode:04o})")
            } else {
                continue;
            };
            if found.iter().all(|(known, _)| known != ancestor) {
                found.push((ancestor.to_owned(), why));
            }
        }
        found
    }

    /// Warns of what was found where it listens, once at the start: an earlier broker's socket, and such directories.
    pub fn warn_of_place(&self, logger: &slog::Logger) {
        if self.found_another {
            slog::warn!(logger, "The broker before this one did not end by itself: it was killed, or it crashed";
                "socket" => %self.path.display());
        }
        for (directory, why) in self.exchangeable_ancestors() {
            slog::warn!(logger, "Another user can exchange a directory above the socket's, and so lead clients elsewhere";
                "directory" => %directory.display(), "why" => why, "socket" => %self.path.display());
        }
    }

    /// Removes the socket's file and gives up the lock, so that another broker can take the place. Clients that
    /// connected before are still accepted. False for a socket that was handed over: it stays where it is.
    pub fn give_up_place(&mut self) -> bool {
        let Some(place) = self.place.take() else { return false };
        if identity(&self.path) == Some(place.identity) {
            let _ = fs::remove_file(&self.path);
        }
        // While it is still locked: whoever locks the old file afterwards sees that it is not the one at the path.
        let _ = fs::remove_file(&place.lock_path);
        drop(place.lock);
        true
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.give_up_place();
    }
}

fn directory_of(path: &Path) -> Result<&Path, ListenError> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) if path.file_name().is_some() => Ok(parent),
        _ => Err(ListenError::NoFile(path.to_owned())),
    }
}

/// Listens at a path that the lock says is ours.
fn take_path(path: &Path, config: &Config) -> Result<(UnixListener, Identity, bool), ListenError> {
    let was_left = remove_stale(path)?;
    let socket = listen(path)?;
    let metadata = fs::symlink_metadata(path).map_err(ListenError::system(path, "looking at the new socket"))?;
    if let Err(error) = give_access(path, config) {
        // The next start is not to take it for that of a broker that was killed.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok((socket, identity_of(&metadata), was_left))
}

fn lock_path(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// Creates the directory, private, or refuses one in which somebody else could put another socket in place of ours.
fn prepare_directory(directory: &Path) -> Result<(), ListenError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(ListenError::system(directory, "creating the socket's directory")(error)),
    }
    judge_directory(directory)
}

/// Refuses a directory in which somebody else could put another socket in place of ours.
fn judge_directory(directory: &Path) -> Result<(), ListenError> {
    let refuse = |why: String| Err(ListenError::Directory { directory: directory.to_owned(), why });
    let metadata =
        fs::symlink_metadata(directory).map_err(ListenError::system(directory, "looking at the socket's directory"))?;
    let own = Uid::effective().as_raw();
    if metadata.is_symlink() {
        return refuse(
            "it is a symbolic link, which its owner could point elsewhere; name the directory itself".into(),
        );
    }
    if !metadata.is_dir() {
        return refuse("it is no directory".into());
    }
    if metadata.uid() != own && metadata.uid() != 0 {
        return refuse(format!(
            "it belongs to user {}, and the broker runs as user {own}; choose another place with --socket, or have it removed",
            access::user_name(metadata.uid())
        ));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let advice = "choose a directory of your own below it";
        let advice = if metadata.uid() == own && mode & 0o1000 == 0 && own != 0 {
            "chmod go-w it, or choose another"
        } else {
            advice
        };
        return refuse(format!("others can write to it (mode {mode:04o}); {advice}"));
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<Flock<File>, ListenError> {
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            // A named pipe would keep us waiting for somebody who reads it.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
            .open(path)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENXIO) => ListenError::NoLock(path.to_owned()),
                _ => ListenError::system(path, "opening the lock file")(error),
            })?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(ListenError::NoLock(path.to_owned()));
        }
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(ListenError::Held { place: path.to_owned(), pid: holder(path) });
            }
            Err((_, error)) => return Err(ListenError::system(path, "locking")(error.into())),
        };
        // An earlier holder removes the file while it holds it; a lock on a removed file claims nothing.
        let locked = lock.metadata().ok().map(|metadata| identity_of(&metadata));
        if locked.is_some() && locked == identity(path) {
            return Ok(lock);
        }
    }
}

/// The process that listens where the holder of a lock does.
fn holder(lock_path: &Path) -> Option<i32> {
    let socket = lock_path.with_extension("");
    let stream = std::os::unix::net::UnixStream::connect(socket).ok()?;
    access::listening_process(&stream).ok().map(|(_, pid)| pid)
}

fn who(pid: Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(": process {pid}; `cpan-bridge status` says more"))
}

/// Whether a broker could listen where the settings say, as far as can be told without trying. A broker that listens there now is
/// no fault of the settings.
///
/// # Errors
/// [`ListenError`].
pub fn check(config: &Config) -> Result<(), ListenError> {
    let path = config.socket.as_path();
    check_length(path)?;
    let directory = directory_of(path)?;
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => check_ancestor(directory)?,
        _ => judge_directory(directory)?,
    }
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket()) {
        return Err(ListenError::NoSocket(path.to_owned()));
    }
    if let Some(name) = &config.socket_group {
        check_group(path, Gid::from_raw(access::group_id("socket_group", name)?))?;
    }
    Ok(())
}

/// Whether this process may give a file of its own to a group: root may, and who is in it.
fn check_group(path: &Path, group: Gid) -> Result<(), ListenError> {
    let is_in_it = || nix::unistd::getgroups().is_ok_and(|groups| groups.contains(&group));
    if Uid::effective().is_root() || group == Gid::effective() || is_in_it() {
        return Ok(());
    }
    Err(ListenError::system(path, "changing the socket's group")(Errno::EPERM.into()))
}

/// Whether a directory that is not there could be made.
fn check_ancestor(directory: &Path) -> Result<(), ListenError> {
    let Some(above) = directory.ancestors().skip(1).find(|above| above.exists()) else { return Ok(()) };
    nix::unistd::access(above, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
        .map_err(|error| ListenError::system(directory, "creating the socket's directory")(error.into()))
}

fn check_length(path: &Path) -> Result<(), ListenError> {
    let length = path.as_os_str().len();
    if length > LONGEST_PATH { Err(ListenError::PathTooLong(length)) } else { Ok(()) }
}

/// Removes the socket of a broker that is gone. Returns whether there was one: who ends by itself leaves none.
fn remove_stale(path: &Path) -> Result<bool, ListenError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(ListenError::system(path, "looking at what is there")(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NoSocket(path.to_owned()));
    }
    // Non-blocking: a listener whose queue is full would keep us waiting.
    let probe = new_socket().map_err(|error| ListenError::system(path, "creating a socket")(error.into()))?;
    let address = address(path)?;
    match socket::connect(probe.as_raw_fd(), &address) {
        Err(Errno::ECONNREFUSED) => {
            fs::remove_file(path).map_err(ListenError::system(path, "removing a stale socket")).map(|()| true)
        }
        Err(Errno::ENOENT) => Ok(false),
        _ => Err(ListenError::Live(path.to_owned())),
    }
}

fn new_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

fn address(path: &Path) -> Result<UnixAddr, ListenError> {
    UnixAddr::new(path).map_err(|error| ListenError::system(path, "naming the socket")(error.into()))
}

fn listen(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |what| move |error: Errno| ListenError::system(path, what)(error.into());
    let socket = new_socket().map_err(failed("creating a socket"))?;
    socket::bind(socket.as_raw_fd(), &address(path)?).map_err(failed("binding"))?;
    // As long a queue as the host allows: a thousand scripts may start in one second.
    socket::listen(&socket, Backlog::MAXALLOWABLE).map_err(failed("listening"))?;
    Ok(UnixListener::from_std(socket.into()))
}

fn give_access(path: &Path, config: &Config) -> Result<(), ListenError> {
    if let Some(name) = &config.socket_group {
        let group = Gid::from_raw(access::group_id("socket_group", name)?);
        nix::unistd::chown(path, None, Some(group))
            .map_err(|error| ListenError::system(path, "changing the socket's group")(error.into()))?;
    }
    fs::set_permissions(path, Permissions::from_mode(config.socket_mode))
        .map_err(ListenError::system(path, "changing the socket's mode"))
}

/// The socket that a service manager handed over by the protocol of sd_listen_fds(3), if it did.
fn handed_over() -> Result<Option<Listener>, ListenError> {
    const FIRST: i32 = 3;
    let variable = |name: &str| std::env::var(name).ok();
    // The variables are meant for one process; children that inherit them are not it.
    if variable("LISTEN_PID").and_then(|pid| pid.parse().ok()) != Some(std::process::id()) {
        return Ok(None);
    }
    match variable("LISTEN_FDS").as_deref() {
        None | Some("0") => return Ok(None),
        Some("1") => {}
        Some(other) => {
            return Err(ListenError::Activation(format!("{other} sockets handed over; the broker takes one")));
        }
    }
    let refuse = |why: &str| Err(ListenError::Activation(format!("descriptor {FIRST} {why}")));
    let what = fs::read_link(format!("/proc/self/fd/{FIRST}")).unwrap_or_default();
    if !what.as_os_str().as_encoded_bytes().starts_with(b"socket:") {
        return refuse("is no socket");
    }
    // SAFETY: descriptor 3 is open, and a socket: this was just looked up. The variables say that it was handed to this
    // very process; no part of the program has opened a socket before this or knows the number, and this runs once.
    let fd = unsafe { OwnedFd::from_raw_fd(FIRST) };
    match socket::getsockopt(&fd, socket::sockopt::SockType) {
        Ok(SockType::Stream) => {}
        _ => return refuse("is no stream socket"),
    }
    if !socket::getsockopt(&fd, socket::sockopt::AcceptConn).unwrap_or(false) {
        return refuse("does not listen");
    }
    let Ok(address) = socket::getsockname::<UnixAddr>(fd.as_raw_fd()) else {
        return refuse("is no Unix socket");
    };
    let path = address.path().map(Path::to_owned).unwrap_or_default();
    let socket = std::os::unix::net::UnixListener::from(fd);
    socket.set_nonblocking(true).map_err(ListenError::system(&path, "making the socket non-blocking"))?;
    Ok(Some(Listener { socket: UnixListener::from_std(socket), path, place: None, found_another: false }))
}
