//! One timerfd for everything that has a time limit.
//!
//! Each timer has at most one entry that counts. An entry is never taken out: whoever is woken looks whether its limit
//! has really come and asks again if not. So the many connections that come and go within their limits cost nothing, and
//! the heap stays as small as the number of slots ever used at once.

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// The health line.
    Health,
    /// The limits of the connection in this slot.
    Connection(u32),
    /// The deadline of the job in this slot.
    Job(u32),
    /// Handles that nobody used for long.
    Handles,
    /// Memory that workers have freed and the allocator keeps.
    Trim,
    /// Whether the socket's file is still in its place.
    Place,
    /// Nobody connected for long.
    IdleExit,
    /// Accepting again after the descriptors ran out.
    AcceptAgain,
    /// The end of the time that running calls have at shutdown.
    ShutdownGrace,
    /// The metrics file.
    Metrics,
    /// A point of the history.
    History,
    /// Telling the service manager that the loop turns.
    Watchdog,
    /// The end of the time that a reload has.
    Reload,
}

/// Pending deadlines. Times are durations since the broker's start.
pub struct Deadlines {
    fd: TimerFd,
    heap: BinaryHeap<Reverse<(Duration, Timer)>>,
    wanted: HashMap<Timer, Duration>,
    armed: Option<Duration>,
}

impl Deadlines {
    /// No deadlines yet.
    ///
    /// # Errors
    /// Those of `timerfd_create(2)`.
    pub fn new() -> io::Result<Self> {
        let fd = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { fd, heap: BinaryHeap::new(), wanted: HashMap::new(), armed: None })
    }

    /// The descriptor that becomes readable when a deadline has come.
    pub fn descriptor(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }

    /// Wakes `timer` at `at`, or earlier if it is to be woken earlier already. Returns when that is.
    pub fn want(&mut self, timer: Timer, at: Duration) -> Duration {
        match self.wanted.get(&timer) {
            Some(&earlier) if earlier <= at => earlier,
            _ => {
                self.wanted.insert(timer, at);
                self.heap.push(Reverse((at, timer)));
                at
            }
        }
    }

    /// When `timer` is to be woken, if at all.
    pub fn wanted(&self, timer: Timer) -> Option<Duration> {
        self.wanted.get(&timer).copied()
    }

    /// The next timer whose time has come.
    pub fn due(&mut self, now: Duration) -> Option<Timer> {
        while let Some(&Reverse((at, timer))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            if self.wanted.get(&timer) == Some(&at) {
                self.wanted.remove(&timer);
                return Some(timer);
            }
        }
        None
    }

    /// Sets the timerfd to the earliest deadline, if it is not set to it already.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`.
    pub fn arm(&mut self, now: Duration) -> io::Result<()> {
        let Some(&Reverse((next, _))) = self.heap.peek() else { return Ok(()) };
        if self.armed.is_some_and(|armed| armed <= next) {
            return Ok(());
        }
        // A time of zero would disarm it.
        let from_now = next.saturating_sub(now).max(Duration::from_micros(1));
        self.fd.set(Expiration::OneShot(TimeSpec::from_duration(from_now)), TimerSetTimeFlags::empty())?;
        self.armed = Some(next);
        Ok(())
    }

    /// Takes note that the timerfd went off.
    pub fn fired(&mut self) {
        self.armed = None;
        // Reading resets it; it is non-blocking, and a spurious wake-up leaves nothing to read.
        let _ = nix::unistd::read(self.fd.as_fd(), &mut [0; 8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_timer_is_woken_once_at_its_earliest_time() {
        let mut deadlines = Deadlines::new().unwrap();
        assert_eq!(deadlines.want(Timer::Connection(1), ms(50)), ms(50));
        assert_eq!(deadlines.want(Timer::Connection(1), ms(80)), ms(50));
        assert_eq!(deadlines.want(Timer::Connection(1), ms(20)), ms(20));
        deadlines.want(Timer::Health, ms(30));
        assert_eq!(deadlines.due(ms(10)), None);
        assert_eq!(deadlines.due(ms(60)), Some(Timer::Connection(1)));
        assert_eq!(deadlines.due(ms(60)), Some(Timer::Health));
        assert_eq!(deadlines.due(ms(60)), None);
    }

    #[test]
    fn connections_that_come_and_go_in_one_slot_leave_one_entry() {
        let mut deadlines = Deadlines::new().unwrap();
        for now in 0..100_000 {
            deadlines.want(Timer::Connection(0), ms(now + 300_000));
        }
        assert_eq!(deadlines.heap.len(), 1);
    }
}
