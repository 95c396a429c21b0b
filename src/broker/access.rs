//! Who may connect: the broker's own user, root, and whom the settings name.

use crate::config::Config;
use kit::Caller;
use mio::net::UnixStream;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Group, Uid, User};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// A name in the settings that stands for no user or group.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No such user or group on this host.
    #[error("{setting}: no {what} `{name}` on this host")]
    Unknown {
        /// The setting.
        setting: &'static str,
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// The users whom a setting names, or all who may connect.
enum Named {
    All,
    Users(Vec<u32>),
}

impl Named {
    fn new(setting: &'static str, names: &[String]) -> Result<Self, AccessError> {
        if names.iter().any(|name| name == "*") {
            return Ok(Self::All);
        }
        names.iter().map(|name| user_id(setting, name)).collect::<Result<_, _>>().map(Self::Users)
    }

    fn includes(&self, uid: u32) -> bool {
        match self {
            Self::All => true,
            Self::Users(users) => users.contains(&uid),
        }
    }
}

/// The users and groups that may connect, and what they may do. Names are looked up once, at the start: looking up a name can take seconds.
pub struct Access {
    own: u32,
    users: Vec<u32>,
    groups: Vec<u32>,
    files: Named,
    network: Named,
}

impl Access {
    /// What the settings allow.
    ///
    /// # Errors
    /// A name that stands for nobody.
    pub fn new(config: &Config) -> Result<Self, AccessError> {
        let users = config.allow_user.iter().map(|name| user_id("allow_user", name)).collect::<Result<_, _>>()?;
        let groups = config.allow_group.iter().map(|name| group_id("allow_group", name)).collect::<Result<_, _>>()?;
        let files = Named::new("allow_files", &config.allow_files)?;
        let network = Named::new("allow_network", &config.allow_network)?;
        Ok(Self { own: Uid::effective().as_raw(), users, groups, files, network })
    }

    /// Whether somebody besides the broker's own user and root may connect.
    pub fn is_shared(&self) -> bool {
        !self.users.is_empty() || !self.groups.is_empty()
    }

    /// Whether this is the broker's own user or root.
    pub fn is_own(&self, uid: u32) -> bool {
        uid == self.own || uid == 0
    }

    /// Who is at the other end, by the kernel's word, and whether he may make calls.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn peer(&self, stream: &UnixStream) -> io::Result<(Caller, bool)> {
        let credentials = getsockopt(&stream.as_fd(), PeerCredentials)?;
        let uid = credentials.uid();
        let privileged = self.is_own(uid);
        let caller = Caller {
            uid,
            pid: credentials.pid(),
            privileged,
            files: privileged || self.files.includes(uid),
            network: privileged || self.network.includes(uid),
        };
        let allowed = caller.privileged
            || self.users.contains(&uid)
            || (!self.groups.is_empty()
                && (self.groups.contains(&credentials.gid())
                    || supplementary_groups(stream)?.iter().any(|group| self.groups.contains(group))));
        Ok((caller, allowed))
    }
}

/// The user whose process listens at the other end of a connection, by the kernel's word.
///
/// # Errors
/// Those of `getsockopt(2)`.
pub fn listening_user(stream: &std::os::unix::net::UnixStream) -> io::Result<u32> {
    listening_process(stream).map(|(uid, _)| uid)
}

/// The user and the process that listen at the other end of a connection, by the kernel's word.
///
/// # Errors
/// Those of `getsockopt(2)`.
pub fn listening_process(stream: &std::os::unix::net::UnixStream) -> io::Result<(u32, i32)> {
    let credentials = getsockopt(&stream.as_fd(), PeerCredentials)?;
    Ok((credentials.uid(), credentials.pid()))
}

/// A user as messages name it: name and number, or the number of one who has no name.
pub fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("{} ({uid})", user.name),
        _ => uid.to_string(),
    }
}

/// The number of a user by name or number; none for a name that stands for nobody.
pub fn user_of(name: &str) -> Option<u32> {
    user_id("", name).ok()
}

fn user_id(setting: &'static str, name: &str) -> Result<u32, AccessError> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let user = User::from_name(name).ok().flatten();
    user.map(|user| user.uid.as_raw()).ok_or(AccessError::Unknown { setting, what: "user", name: name.to_owned() })
}

/// The number of a group by name or number.
///
/// # Errors
/// [`AccessError::Unknown`], naming the setting it came from.
pub fn group_id(setting: &'static str, name: &str) -> Result<u32, AccessError> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let group = Group::from_name(name).ok().flatten();
    group.map(|group| group.gid.as_raw()).ok_or(AccessError::Unknown { setting, what: "group", name: name.to_owned() })
}

/// The groups the peer's process had when it connected, besides its first (SO_PEERGROUPS, see unix(7)).
fn supplementary_groups(stream: &UnixStream) -> io::Result<Vec<libc::gid_t>> {
    // Few processes have more; as many as the kernel allows one.
    match groups_up_to(64, stream) {
        Err(error) if error.raw_os_error() == Some(libc::ERANGE) => groups_up_to(65_536, stream),
        result => result,
    }
}

fn groups_up_to(most: usize, stream: &UnixStream) -> io::Result<Vec<libc::gid_t>> {
    let mut groups: Vec<libc::gid_t> = vec![0; most];
    let mut size = (most * size_of::<libc::gid_t>()) as libc::socklen_t;
    // SAFETY: `groups` is `size` bytes of initialised, writable memory for the whole call; the kernel writes at most
    // `size` bytes to it and the number written to `size`. The descriptor is open: `stream` is borrowed.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(size as usize / size_of::<libc::gid_t>());
    Ok(groups)
}
