//! Locking what a user keeps in the broker with a passphrase, as `ssh-add -x` locks an agent.
//!
//! While a user's things are locked, calls of theirs that could use a key are refused; who sits down at an open terminal can
//! do nothing with the keys of who left it. The passphrase itself is not kept, and guessing is slow.

use kit::Function;
use kit::protocol::{CallError, Code};
use kit::random;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// How much longer each wrong passphrase makes the wait for the next try, and how long that becomes at most. As ssh-agent's.
const DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What tells a passphrase: a random key, and the passphrase's code under it (RFC 2104, with SHA-256).
#[derive(Clone, Serialize, Deserialize)]
pub struct Lock {
    key: [u8; 32],
    code: Vec<u8>,
    failures: u32,
    // When the next try is looked at, as time since the broker's start.
    next_try: Duration,
}

/// The locks of all users.
#[derive(Default)]
pub struct Locks(HashMap<u32, Lock>);

impl Locks {
    /// Whether a user's things are locked.
    #[inline]
    pub fn is_locked(&self, uid: u32) -> bool {
        !self.0.is_empty() && self.0.contains_key(&uid)
    }

    /// Whether a user's things are locked, and this function could use a key.
    #[inline]
    pub fn hold_back(&self, uid: u32, function: &Function) -> bool {
        !function.while_locked && self.is_locked(uid)
    }

    /// Locks a user's things.
    ///
    /// # Errors
    /// `invalid_params` for an empty passphrase, `failed` if they are locked.
    pub fn lock(&mut self, uid: u32, passphrase: &[u8]) -> Result<(), CallError> {
        if passphrase.is_empty() {
            return Err(CallError::invalid("passphrase", "parameter `passphrase` must not be empty"));
        }
        if self.is_locked(uid) {
            return Err(CallError::failed("it is locked already"));
        }
        let mut key = [0; 32];
        random::fill(&mut key)?;
        let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), passphrase).as_ref().to_vec();
        self.0.insert(uid, Lock { key, code, failures: 0, next_try: Duration::ZERO });
        Ok(())
    }

    /// Unlocks them with the same passphrase. `now` is the time since the broker's start.
    ///
    /// # Errors
    /// `denied` for another passphrase, and for a try that comes too soon after one; `failed` if they are not locked.
    pub fn unlock(&mut self, uid: u32, passphrase: &[u8], now: Duration) -> Result<(), CallError> {
        let Some(lock) = self.0.get_mut(&uid) else { return Err(CallError::failed("it is not locked")) };
        if let Some(wait) = lock.next_try.checked_sub(now).filter(|wait| !wait.is_zero()) {
            let message = format!("wrong passphrases were given; the next try is in {:.1} seconds", wait.as_secs_f64());
            return Err(CallError::new(Code::Denied, message));
        }
        let right = hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &lock.key), passphrase, &lock.code).is_ok();
        if !right {
            lock.failures = lock.failures.saturating_add(1);
            lock.next_try = now + LONGEST_DELAY.min(DELAY.saturating_mul(lock.failures));
            return Err(CallError::new(Code::Denied, "that is not the passphrase it was locked with"));
        }
        self.0.remove(&uid);
        Ok(())
    }

    /// What another program needs to keep them locked.
    pub fn pack(&self) -> Vec<(u32, Lock)> {
        self.0.iter().map(|(uid, lock)| (*uid, lock.clone())).collect()
    }

    /// The locks of another program.
    pub fn unpack(packed: Vec<(u32, Lock)>) -> Self {
        Self(packed.into_iter().collect())
    }
}

/// The error for a call that has to wait until its caller's things are unlocked.
pub fn locked() -> CallError {
    CallError::new(Code::Denied, "your keys in this broker are locked; `cpan-bridge unlock` unlocks them")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_the_passphrase_unlocks_and_only_its_user() {
        let mut locks = Locks::default();
        assert_eq!(locks.lock(1, b"").unwrap_err().code, Code::InvalidParams);
        locks.lock(1, b"right").unwrap();
        assert!(locks.is_locked(1) && !locks.is_locked(2));
        assert_eq!(locks.lock(1, b"other").unwrap_err().code, Code::Failed);
        assert_eq!(locks.unlock(2, b"right", seconds(0)).unwrap_err().code, Code::Failed);
        assert_eq!(locks.unlock(1, b"wrong", seconds(0)).unwrap_err().code, Code::Denied);
        let mut moved = Locks::unpack(locks.pack());
        for locks in [&mut locks, &mut moved] {
            assert!(locks.unlock(1, b"right", seconds(0)).unwrap_err().message.contains("0.1 seconds"));
            locks.unlock(1, b"right", seconds(1)).unwrap();
            assert!(!locks.is_locked(1));
        }
    }

    #[test]
    fn guessing_becomes_slow_but_never_hopeless() {
        let mut locks = Locks::default();
        locks.lock(1, b"right").unwrap();
        let mut now = seconds(0);
        let mut tries = 0;
        while now < seconds(3600) {
            match locks.unlock(1, b"wrong", now).unwrap_err().message.contains("next try") {
                true => now += Duration::from_millis(50),
                false => tries += 1,
            }
        }
        assert!((300..450).contains(&tries), "{tries} tries in an hour");
        locks.unlock(1, b"right", now + seconds(10)).unwrap();
    }
}
