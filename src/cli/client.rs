//! Calls to a running broker from the command line: one connection, one call at a time, as the protocol has it
//! (`docs/protocol.md`).

use super::places::{self, host_user};
use super::say::clean_line;
use crate::broker;
use crate::config::{default_socket, private_socket};
use kit::protocol::Buffer;
use kit::protocol::framing::FRAME_HEADER;
use kit::protocol::reply::write_value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of an answer at most; a broker's own limit is below it.
const LONGEST_ANSWER: usize = 64 << 20;
/// How long an answer may take where nobody asked for what takes long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first byte of an answer: an array of four. Notifications are arrays of three.
const ANSWER: u8 = 0x94;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error("no broker at {}: {why}", socket.display())]
    Unreachable {
        /// Where.
        socket: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// Somebody else listens there. Nothing was sent.
    #[error(
        "{} is listened on by user {user}, who is neither you nor root and would see what is sent; if that is the broker that \
         you mean, name its user: --broker-user {uid} (or CPAN_BRIDGE_USER={uid})", socket.display()
    )]
    Foreign {
        /// Where.
        socket: PathBuf,
        /// Who, by name and number.
        user: String,
        /// By number alone.
        uid: u32,
    },
    /// The broker answered with an error.
    #[error("{message}")]
    Refused {
        /// The code on the wire.
        code: String,
        /// What the broker says.
        message: String,
    },
    /// Nothing came.
    #[error("the broker did not answer within {} seconds; is it stopped, or is something else there?", PATIENCE.as_secs())]
    Silent,
    /// The connection broke.
    #[error("the broker closed the connection without an answer; its log says why")]
    Closed,
    /// What came is no answer.
    #[error("the broker's answer can't be read: {0}")]
    Unreadable(String),
    /// The connection failed.
    #[error("talking to the broker: {0}")]
    Io(#[from] io::Error),
}

#[derive(Deserialize)]
struct WireError {
    code: String,
    message: String,
}

/// How far a call has come.
#[derive(Debug, Deserialize)]
pub struct Progress {
    /// So much is done, in the unit of the function.
    pub done: u64,
    /// Of so much, if that is known.
    pub total: Option<u64>,
}

/// Which broker is to be asked.
#[derive(Debug, Default)]
pub struct Address {
    /// Its socket.
    pub socket: PathBuf,
    // Whether nobody named it, and nothing was found.
    is_absent: bool,
    // Why it is absent, where that is not for want of a socket at the place.
    absence: Option<String>,
    // Places that were looked for and not tried, and why.
    untried: Vec<String>,
    // Users besides one's own and root who may listen there.
    users: Vec<u32>,
}

impl Address {
    /// The broker at a socket that somebody named, or the one that is found where brokers are. `users` are those who may listen
    /// there besides one's own and root.
    pub fn new(named: Option<PathBuf>, users: Vec<u32>) -> Self {
        if let Some(socket) = named {
            return Self { socket, users, ..Self::default() };
        }
        let found = places::find(|socket| Client::connect(&Self::new(Some(socket.to_owned()), users.clone())).is_ok());
        // What was not tried matters only where nothing was found.
        let untried = if found.is_there { Vec::new() } else { found.untried };
        Self { socket: found.socket, is_absent: !found.is_there, absence: None, untried, users }
    }

    /// The broker of a user who has none at the places where that user's would be.
    pub fn of_nobody(uid: u32) -> Self {
        let places = places::directories_of(uid);
        let [login, usual] = places.each_ref().map(|directory| directory.display());
        let absence = format!(
            "user {} has no broker in {login}, {usual}; `cpan-bridge brokers` lists those there are",
            broker::user_name(uid)
        );
        let socket = places[1].join("broker.sock");
        Self { socket, is_absent: true, absence: Some(absence), ..Self::default() }
    }

    /// Refuses a listener who is not the one that is meant.
    fn check(&self, stream: &UnixStream) -> Result<(), ClientError> {
        let uid = broker::listening_user(stream)?;
        let own = nix::unistd::Uid::effective().as_raw();
        let accepted = uid == own || uid == 0 || self.users.contains(&uid);
        if accepted || places::host_user(&self.socket) == Some(uid) {
            return Ok(());
        }
        Err(ClientError::Foreign { socket: self.socket.clone(), user: broker::user_name(uid), uid })
    }
}

/// A connection to a broker.
pub struct Client {
    stream: UnixStream,
    last: u32,
    // How long an answer may take; none where it may take its time.
    patience: Option<Duration>,
}

impl Client {
    /// Connects to a broker, and asks the kernel who listens before a byte is sent.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] and [`ClientError::Foreign`], saying what to do.
    pub fn connect(address: &Address) -> Result<Self, ClientError> {
        let socket = &address.socket;
        // What was not there is not tried: somebody else may have put something there just now.
        let stream = if address.is_absent { Err(ErrorKind::NotFound.into()) } else { UnixStream::connect(socket) };
        let stream = stream.map_err(|error| {
            let first = address.absence.clone().unwrap_or_else(|| why(socket, &error));
            let untried = address.untried.iter().map(|place| format!("; {place}"));
            let why = std::iter::once(first).chain(untried).collect();
            ClientError::Unreachable { socket: socket.clone(), why }
        })?;
        address.check(&stream)?;
        Ok(Self { stream, last: 0, patience: Some(PATIENCE) })
    }

    /// The same, waiting for each answer for so long.
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// The same, waiting for each answer as long as it takes.
    pub fn patient(self) -> Self {
        Self { patience: None, ..self }
    }

    /// Calls a function and waits for its result.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn call<R: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<R, ClientError> {
        self.last += 1;
        self.ask(&(0_u8, self.last, method, params), None)
    }

    /// The same for what takes long: how far it is goes to `tell`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn call_with_progress<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<R, ClientError> {
        self.last += 1;
        self.ask(&(0_u8, self.last, method, params, BTreeMap::from([("progress", true)])), Some(tell))
    }

    fn ask<R: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
        mut tell: Option<&mut dyn FnMut(Progress)>,
    ) -> Result<R, ClientError> {
        let mut message = Buffer::new();
        message.push(&[0; FRAME_HEADER]);
        write_value(&mut message, request).map_err(|error| ClientError::Unreadable(error.to_string()))?;
        let length =
            u32::try_from(message.len() - FRAME_HEADER).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        message.set_u32(0, length);
        let until = self.patience.map(|patience| Instant::now() + patience);
        self.stream.set_write_timeout(self.patience)?;
        self.stream.write_all(message.as_slice()).map_err(closed)?;
        loop {
            let answer = self.receive(until)?;
            if answer.as_slice().first() == Some(&ANSWER) {
                return self.read(answer.as_slice());
            }
            if let (Some(tell), Ok((_, _, (progress,)))) =
                (&mut tell, rmp_serde::from_slice::<(u8, String, (Progress,))>(answer.as_slice()))
            {
                tell(progress);
            }
        }
    }

    /// Waits until the broker closes the connection.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn wait_for_end(&mut self) -> Result<(), ClientError> {
        loop {
            match self.receive(None) {
                Ok(_) => {}
                Err(ClientError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&mut self, until: Option<Instant>) -> Result<Buffer, ClientError> {
        let mut header = [0; FRAME_HEADER];
        self.read_exact(&mut header, until)?;
        let length = u32::from_be_bytes(header) as usize;
        if length > LONGEST_ANSWER {
            return Err(ClientError::Unreadable(format!("it claims to be {length} bytes long")));
        }
        let mut answer = Buffer::new();
        let mut piece = [0; 16 * 1024];
        while answer.len() < length {
            let wanted = piece.len().min(length - answer.len());
            self.read_exact(&mut piece[..wanted], until)?;
            answer.push(&piece[..wanted]);
        }
        Ok(answer)
    }

    /// Fills a piece, until a point of time however slowly it trickles in.
    fn read_exact(&mut self, mut piece: &mut [u8], until: Option<Instant>) -> Result<(), ClientError> {
        while !piece.is_empty() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(ClientError::Silent);
            }
            self.stream.set_read_timeout(left)?;
            match self.stream.read(piece) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => piece = &mut piece[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(closed(error)),
            }
        }
        Ok(())
    }

    fn read<R: DeserializeOwned>(&self, answer: &[u8]) -> Result<R, ClientError> {
        type Answer<R> = (u8, Option<u32>, Option<WireError>, Option<R>);
        let unreadable = |error: rmp_serde::decode::Error| ClientError::Unreadable(error.to_string());
        let (_, msgid, error, result): Answer<R> = rmp_serde::from_slice(answer).map_err(unreadable)?;
        match (error, result) {
            (Some(WireError { code, message }), _) => {
                Err(ClientError::Refused { code, message: clean_line(&message).into_owned() })
            }
            (None, Some(result)) if msgid == Some(self.last) => Ok(result),
            _ => Err(ClientError::Unreadable("it is not to this call, or holds nothing".to_owned())),
        }
    }
}

/// Why there is no connection, and what to do.
fn why(socket: &Path, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("there is no such socket; {}", how_to_start(socket)),
        ErrorKind::ConnectionRefused => format!("nobody listens there any more; {}", how_to_start(socket)),
        ErrorKind::PermissionDenied => match group_of(socket) {
            Some(group) => format!(
                "you may not connect to it; it is for group {group}. To be let in: `sudo usermod -aG {group} $USER`, then log in anew"
            ),
            None => "its permissions keep you out; it is another user's, who can let you in (allow_user with a socket_mode or socket_group that lets you reach it)".to_owned(),
        },
        _ => error.to_string(),
    }
}

fn how_to_start(socket: &Path) -> String {
    if !scripts_start_one_at(socket) && host_user(socket).is_none() {
        return format!("start one there with `cpan-bridge serve --socket {}`", socket.display());
    }
    let own = "start one with `cpan-bridge serve`";
    let is_installed = |directory: &str| Path::new(directory).join("cpan-bridge.socket").exists();
    let units = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];
    if Path::new("/run/systemd/system").exists() && units.into_iter().any(is_installed) {
        return format!("{own}, or one for the whole host with `sudo systemctl enable --now cpan-bridge.socket`");
    }
    // What the client goes by as well.
    let autostart = std::env::var("CPAN_BRIDGE_AUTOSTART").unwrap_or_default();
    if ["0", "no", "off", "false"].iter().any(|no| autostart.eq_ignore_ascii_case(no)) {
        return format!("{own}; Perl scripts start none, because CPAN_BRIDGE_AUTOSTART={autostart}");
    }
    format!("{own}; Perl scripts start one by themselves")
}

/// Whether scripts that find no broker at a socket start one there: where this user's own is expected, not where one was named.
pub fn scripts_start_one_at(socket: &Path) -> bool {
    [default_socket(), private_socket()].iter().any(|usual| usual == socket)
}

/// The group that a socket is for, if it is for one.
fn group_of(socket: &Path) -> Option<String> {
    let metadata = std::fs::metadata(socket).ok().filter(|metadata| metadata.mode() & 0o060 == 0o060)?;
    nix::unistd::Group::from_gid(metadata.gid().into()).ok()?.map(|group| group.name)
}

fn closed(error: io::Error) -> ClientError {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => ClientError::Closed,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::Silent,
        _ => ClientError::Io(error),
    }
}
