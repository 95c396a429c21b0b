//! What is handed over: MessagePack, maps with names, so that a later program may know more.

use super::HandoverError;
use crate::broker::locks::Lock;
use crate::stats::{PackedStats, Window};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};
use std::os::fd::RawFd;
use std::time::{Duration, SystemTime};

/// The number of the state's form. It changes when an earlier program could not make sense of it, or would lose something.
pub const FORMAT: u32 = 1;

/// The whole state of a broker. It holds keys; its bytes are wiped by whoever has them.
///
/// Times are durations since the broker's start, as everywhere in the loop.
#[derive(Serialize, Deserialize)]
pub struct State<'a> {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// The process it is for.
    pub pid: u32,
    /// The path that the broker was started from; where a later program is looked for.
    pub program: ByteBuf,
    /// The directory that it was started in.
    pub directory: ByteBuf,
    /// Since when calls of workers are held up for the handover.
    pub held_since: Duration,
    /// Time since the start.
    pub uptime: Duration,
    /// The monotonic clock at that time, which goes on in the new program.
    pub clock: Duration,
    /// When the broker started.
    #[serde(serialize_with = "since_1970")]
    pub started_at: SystemTime,
    /// The socket.
    pub listener: ListenerState,
    /// Everything counted.
    pub stats: PackedStats,
    /// What happened in the last minutes; nothing from programs that did not hand it on.
    #[serde(default)]
    pub lately: Window,
    /// Every connection.
    #[serde(borrow)]
    pub connections: Vec<ConnectionState<'a>>,
    /// Calls that wait for a worker, in their order.
    #[serde(borrow)]
    pub jobs: Vec<JobState<'a>>,
    /// Live handles.
    #[serde(borrow)]
    pub handles: Vec<HandleState<'a>>,
    /// Which scripts made handles; none from programs that did not hand it on.
    #[serde(default)]
    pub makers: Vec<(i32, String)>,
    /// What modules remember beside handles, by their names; nothing from programs that did not hand it on.
    #[serde(default)]
    pub memories: Vec<(String, ByteBuf)>,
    /// What users have locked.
    pub locks: Vec<(u32, Lock)>,
    /// The number of the broker's life that its handles carry; none from programs that had none.
    #[serde(default)]
    pub life: Option<u32>,
    /// Handles made and expired since the start.
    pub handle_totals: (u64, u64),
    /// Calls of `system.reload` that are answered when it is done: connection and message id.
    pub waiting: Vec<(u64, u32)>,
}

/// A time before 1970, which serde has no form for, moves to its beginning: a clock that stood wrong prevents no reload.
fn since_1970<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    (*time).max(SystemTime::UNIX_EPOCH).serialize(serializer)
}

/// The listening socket.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListenerState {
    /// Its descriptor.
    pub socket: RawFd,
    /// Its path.
    pub path: ByteBuf,
    /// The descriptor of its lock's file, and device and number of its own; none if a service manager owns the place.
    pub place: Option<(RawFd, (u64, u64))>,
}

/// One connection. Readiness is not handed over: the kernel reports it anew.
#[derive(Serialize, Deserialize)]
pub struct ConnectionState<'a> {
    /// Its descriptor.
    pub socket: RawFd,
    /// Its number.
    pub serial: u64,
    /// `open`, `half_closed`, or the reason for which it is being closed.
    pub state: String,
    /// Whether messages have a length in front; none if the client has not shown.
    pub framed: Option<bool>,
    /// Whether reading is paused.
    pub paused: bool,
    /// Bytes that were read and not served.
    pub input: &'a Bytes,
    /// Answers that were not sent.
    #[serde(borrow)]
    pub output: &'a Bytes,
    /// Calls made.
    pub requests: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// When it was accepted.
    pub accepted: Duration,
    /// When a byte last came or went.
    pub last_activity: Duration,
    /// When the unfinished message began.
    pub frame_since: Option<Duration>,
    /// Since when the client takes nothing.
    pub blocked_since: Option<Duration>,
}

/// A call that waits for a worker.
#[derive(Serialize, Deserialize)]
pub struct JobState<'a> {
    /// The connection's number.
    pub connection: u64,
    /// The caller's number for the call.
    pub msgid: Option<u32>,
    /// What to run.
    pub method: String,
    /// With what.
    #[serde(borrow)]
    pub params: &'a Bytes,
    /// Whether the caller asked for progress.
    pub progress: bool,
    /// When the caller stops waiting.
    pub deadline: Option<Duration>,
    /// How long it has waited.
    pub waited: Duration,
}

/// A live handle.
#[derive(Serialize, Deserialize)]
pub struct HandleState<'a> {
    /// Its name.
    pub id: String,
    /// The user whose it is.
    pub owner: u32,
    /// The process that made it; programs that did not hand that on name none.
    #[serde(default)]
    pub maker: Option<i32>,
    /// Its kind.
    pub kind: String,
    /// When it was last used.
    pub last_used: Duration,
    /// What its module packed.
    #[serde(borrow)]
    pub state: &'a Bytes,
}

#[derive(Deserialize)]
struct Preamble {
    format: u32,
}

impl<'a> State<'a> {
    /// Reads a state.
    ///
    /// # Errors
    /// [`HandoverError::Format`] for one of another form, [`HandoverError::Unreadable`] for nonsense.
    pub fn read(bytes: &'a [u8]) -> Result<Self, HandoverError> {
        let unreadable = |error: rmp_serde::decode::Error| HandoverError::Unreadable(error.to_string());
        let Preamble { format } = rmp_serde::from_slice(bytes).map_err(unreadable)?;
        if format != FORMAT {
            return Err(HandoverError::Format { found: format, read: FORMAT });
        }
        rmp_serde::from_slice(bytes).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn another_format_is_told_from_nonsense() {
        let later = rmp_serde::to_vec_named(&std::collections::BTreeMap::from([("format", FORMAT + 1)])).unwrap();
        assert!(matches!(State::read(&later), Err(HandoverError::Format { found, .. }) if found == FORMAT + 1));
        assert!(matches!(State::read(b"\x80"), Err(HandoverError::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(bytes: Vec<u8>) {
            prop_assert!(State::read(&bytes).is_err());
        }
    }
}
