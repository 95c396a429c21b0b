//! What each user has of the broker, and how much that may be.
//!
//! The totals (`max_connections`, `worker_queue`, `max_memory`) bound everybody together. Users whom `allow_user` and
//! `allow_group` let in have a share of their own beside that, so that none of them can take everything from the others or
//! from the broker's own user.

use super::connection::Connection;
use crate::config::Config;
use crate::modules::Caller;
use crate::protocol::{CallError, Code};
use std::collections::HashMap;

/// What a connection, and the parameters of a call, may always be: a shortage is for those who caused it.
pub const MODEST: usize = 64 * 1024;
/// Connections above a user's share that get an answer at least; further ones are closed without.
const TURNED_AWAY: usize = 64;

/// Whether a newcomer may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// He may make calls.
    Welcome,
    /// He may not connect at all (`allow_user`, `allow_group`).
    Stranger,
    /// His user has as many connections as he may.
    Crowd,
    /// The same, and many more.
    Flood,
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    setting: &'static str,
}

impl Shortage {
    /// What the caller is told.
    pub fn error(self) -> CallError {
        let Self { setting } = self;
        CallError::new(
            Code::Overloaded,
            format!(
                "the broker holds as many bytes for you as it may (setting {setting}); read your answers and try again"
            ),
        )
    }
}

#[derive(Default)]
struct Usage {
    connections: usize,
    held: usize,
}

/// What all users have.
pub struct Quotas {
    user_connections: usize,
    user_queue: usize,
    user_memory: usize,
    max_memory: usize,
    users: HashMap<u32, Usage>,
    held: usize,
}

impl Quotas {
    /// Nothing is in use yet.
    pub fn new(config: &Config) -> Self {
        Self {
            user_connections: config.user_connections,
            user_queue: config.user_queue,
            user_memory: config.user_memory,
            max_memory: config.max_memory,
            users: HashMap::new(),
            held: 0,
        }
    }

    /// Counts a connection. Whether it may stay is the answer; it counts until [`Quotas::leave`] either way.
    pub fn enter(&mut self, caller: Caller, allowed: bool) -> Standing {
        let usage = self.users.entry(caller.uid).or_default();
        usage.connections += 1;
        match usage.connections.saturating_sub(self.user_connections) {
            _ if !allowed => Standing::Stranger,
            _ if caller.privileged => Standing::Welcome,
            0 => Standing::Welcome,
            1..=TURNED_AWAY => Standing::Crowd,
            _ => Standing::Flood,
        }
    }

    /// A connection is gone, and with it what was held for it.
    pub fn leave(&mut self, uid: u32, held: usize) {
        self.hold(uid, held, 0);
        if let Some(usage) = self.users.get_mut(&uid) {
            usage.connections -= 1;
            if usage.connections == 0 {
                self.users.remove(&uid);
            }
        }
    }

    /// So many bytes are held for one of a user's connections where it was `before`.
    pub fn hold(&mut self, uid: u32, before: usize, now: usize) {
        if before != now {
            self.held = self.held + now - before;
            if let Some(usage) = self.users.get_mut(&uid) {
                usage.held = usage.held + now - before;
            }
        }
    }

    /// Bytes held for all connections.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether so many bytes `more` would be too many for a caller. `handles` is what handles hold: his, and all.
    pub fn shortage(&self, caller: Caller, more: usize, handles: (usize, usize)) -> Option<Shortage> {
        let own = self.users.get(&caller.uid).map_or(0, |usage| usage.held);
        if !caller.privileged && own + handles.0 + more > self.user_memory {
            return Some(Shortage { setting: "user_memory" });
        }
        (self.held + handles.1 + more > self.max_memory).then_some(Shortage { setting: "max_memory" })
    }

    /// Whether a user who has so many calls waiting may have one more.
    ///
    /// # Errors
    /// `overloaded`.
    pub fn may_queue(&self, caller: Caller, waiting: usize) -> Result<(), CallError> {
        if caller.privileged || waiting < self.user_queue {
            return Ok(());
        }
        let message = format!("{waiting} of your calls wait for a worker already (setting user_queue); try again");
        Err(CallError::new(Code::Overloaded, message))
    }
}

impl Connection {
    /// Bytes that are kept for it from turn to turn.
    pub fn holds(&self) -> usize {
        self.input.len() + self.output.len() + self.job_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    const GUEST: Caller = Caller { uid: 7, pid: 1, privileged: false, files: false, network: false };
    const OWNER: Caller = Caller { uid: 1, privileged: true, ..GUEST };

    fn quotas() -> Quotas {
        let mut values = Values::defaults();
        for (name, value) in
            [("user_connections", "2"), ("user_queue", "3"), ("user_memory", "1MiB"), ("max_memory", "4MiB")]
        {
            values.set_flag(name, value.to_owned());
        }
        Quotas::new(&Config::new(values).unwrap())
    }

    #[test]
    fn a_guest_has_his_share_and_the_owner_what_there_is() {
        let mut quotas = quotas();
        let standings: Vec<Standing> = (0..70).map(|_| quotas.enter(GUEST, true)).collect();
        assert_eq!(standings[..3], [Standing::Welcome, Standing::Welcome, Standing::Crowd]);
        assert_eq!((standings[65], standings[66]), (Standing::Crowd, Standing::Flood));
        assert_eq!(quotas.enter(OWNER, true), Standing::Welcome);
        assert_eq!(quotas.enter(Caller { uid: 8, ..GUEST }, false), Standing::Stranger);
        (0..69).for_each(|_| quotas.leave(GUEST.uid, 0));
        assert_eq!(quotas.enter(GUEST, true), Standing::Welcome);
        assert!(quotas.may_queue(GUEST, 2).is_ok() && quotas.may_queue(GUEST, 3).is_err());
        assert!(quotas.may_queue(OWNER, 1000).is_ok());
    }

    #[test]
    fn memory_is_reckoned_by_user_and_in_all() {
        let mut quotas = quotas();
        for caller in [GUEST, GUEST, OWNER] {
            quotas.enter(caller, true);
        }
        quotas.hold(GUEST.uid, 0, 600 << 10);
        assert_eq!(quotas.shortage(GUEST, 400 << 10, (0, 0)), None);
        assert_eq!(
            quotas.shortage(GUEST, 400 << 10, (100 << 10, 100 << 10)),
            Some(Shortage { setting: "user_memory" })
        );
        assert_eq!(quotas.shortage(OWNER, 3 << 20, (0, 0)), None);
        assert_eq!(quotas.shortage(OWNER, 4 << 20, (0, 0)), Some(Shortage { setting: "max_memory" }));
        quotas.hold(GUEST.uid, 600 << 10, 100);
        quotas.leave(GUEST.uid, 100);
        assert_eq!(quotas.held(), 0);
        quotas.leave(GUEST.uid, 0);
        quotas.leave(OWNER.uid, 0);
        assert!(quotas.users.is_empty());
    }
}
