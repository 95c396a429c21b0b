//! What each user has of the broker, and how much that may be.
//!
//! The totals (`max_connections`, `worker_queue`, `max_memory`) bound everybody together. Users whom `allow_user` and
//! `allow_group` let in have a share of their own beside that, so that none of them can take everything from the others or
//! from the broker's own user.

use crate::config::Config;
use kit::Caller;
use kit::protocol::{CallError, Code};
use std::collections::HashMap;

/// What a connection, and the parameters of a call, may always be: a shortage is for those who caused it.
pub const MODEST: usize = 64 * 1024;
/// Connections of users who may make no calls, or no further ones, that get an answer at least: of all of them, and of each.
/// Further ones are closed without.
const TURNED_AWAY: usize = 32;
const TURNED_AWAY_OF_USER: usize = 8;

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
    welcome: usize,
    turned_away: usize,
    held: usize,
}

/// What all users have.
pub struct Quotas {
    user_connections: usize,
    user_queue: usize,
    user_memory: usize,
    max_memory: usize,
    // Connections that guests may have together: the rest is for the broker's own user and root.
    most_guests: usize,
    users: HashMap<u32, Usage>,
    guests: usize,
    turned_away: usize,
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
            most_guests: config.max_connections - (config.max_connections / 10).clamp(1, config.max_connections),
            users: HashMap::new(),
            guests: 0,
            turned_away: 0,
            held: 0,
        }
    }

    /// Counts a connection. Whether it may stay is the answer; it counts until [`Quotas::leave`] either way.
    pub fn enter(&mut self, caller: Caller, allowed: bool) -> Standing {
        let usage = self.users.entry(caller.uid).or_default();
        let is_crowd =
            !caller.privileged && (usage.welcome >= self.user_connections || self.guests >= self.most_guests);
        if allowed && !is_crowd {
            self.welcome(caller);
            return Standing::Welcome;
        }
        usage.turned_away += 1;
        self.turned_away += 1;
        match (usage.turned_away > TURNED_AWAY_OF_USER || self.turned_away > TURNED_AWAY, allowed) {
            (true, _) => Standing::Flood,
            (false, true) => Standing::Crowd,
            (false, false) => Standing::Stranger,
        }
    }

    /// Counts a connection that is there already, whatever the limits are now.
    pub fn enter_again(&mut self, caller: Caller, allowed: bool) -> Standing {
        if allowed {
            self.welcome(caller);
            return Standing::Welcome;
        }
        self.users.entry(caller.uid).or_default().turned_away += 1;
        self.turned_away += 1;
        Standing::Stranger
    }

    fn welcome(&mut self, caller: Caller) {
        self.users.entry(caller.uid).or_default().welcome += 1;
        self.guests += usize::from(!caller.privileged);
    }

    /// A connection is gone, and with it what was held for it.
    pub fn leave(&mut self, caller: Caller, standing: Standing, held: usize) {
        self.hold(caller.uid, held, 0);
        let Some(usage) = self.users.get_mut(&caller.uid) else { return };
        if standing == Standing::Welcome {
            usage.welcome -= 1;
            self.guests -= usize::from(!caller.privileged);
        } else {
            usage.turned_away -= 1;
            self.turned_away -= 1;
        }
        if usage.welcome + usage.turned_away == 0 {
            self.users.remove(&caller.uid);
        }
    }

    /// Connections that may make no calls.
    pub fn turned_away(&self) -> usize {
        self.turned_away
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
        let standings: Vec<Standing> = (0..12).map(|_| quotas.enter(GUEST, true)).collect();
        assert_eq!(standings[..3], [Standing::Welcome, Standing::Welcome, Standing::Crowd]);
        assert_eq!((standings[9], standings[10]), (Standing::Crowd, Standing::Flood));
        assert_eq!(quotas.enter(OWNER, true), Standing::Welcome);
        assert_eq!(quotas.enter(Caller { uid: 8, ..GUEST }, false), Standing::Stranger);
        assert_eq!(quotas.turned_away(), 11);
        standings.iter().for_each(|standing| quotas.leave(GUEST, *standing, 0));
        assert_eq!((quotas.turned_away(), quotas.guests), (1, 0));
        assert_eq!(quotas.enter(GUEST, true), Standing::Welcome);
        assert!(quotas.may_queue(GUEST, 2).is_ok() && quotas.may_queue(GUEST, 3).is_err());
        assert!(quotas.may_queue(OWNER, 1000).is_ok());
    }

    #[test]
    fn all_guests_together_leave_places_for_the_owner_and_strangers_take_none() {
        let mut quotas = quotas();
        let most = quotas.most_guests;
        assert_eq!(most, 9_000);
        let standing = |quotas: &mut Quotas, uid| quotas.enter(Caller { uid, ..GUEST }, true);
        (0..most as u32).for_each(|uid| assert_eq!(standing(&mut quotas, uid + 100), Standing::Welcome));
        assert_eq!(standing(&mut quotas, 50), Standing::Crowd);
        assert_eq!(quotas.enter(OWNER, true), Standing::Welcome);
        let strangers: Vec<Standing> =
            (0..40).map(|uid| quotas.enter(Caller { uid: 100_000 + uid, ..GUEST }, false)).collect();
        let answered = strangers.iter().filter(|standing| **standing == Standing::Stranger).count();
        assert_eq!(answered, TURNED_AWAY - 1);
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
        quotas.leave(GUEST, Standing::Welcome, 100);
        assert_eq!(quotas.held(), 0);
        quotas.leave(GUEST, Standing::Welcome, 0);
        quotas.leave(OWNER, Standing::Welcome, 0);
        assert!(quotas.users.is_empty());
    }
}
