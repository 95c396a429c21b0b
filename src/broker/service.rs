//! What the service manager that started the broker, if one did, is told: sd_notify(3).

use super::Broker;
use super::deadlines::Timer;
use sd_notify::NotifyState;
use slog::debug;

impl Broker {
    /// It listens. Begins to tell that it is alive, if the service manager wants to know (`WatchdogSec`).
    pub(super) fn tell_ready(&mut self) {
        let status = format!("Serving at {}", self.socket_path().display());
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.tell_alive();
    }

    /// The loop turns.
    pub(super) fn tell_alive(&mut self) {
        let Some(interval) = sd_notify::watchdog_enabled() else { return };
        self.tell(&[NotifyState::Watchdog]);
        // Twice as often as it must, so that a late one does no harm.
        self.deadlines.want(Timer::Watchdog, self.now + interval / 2);
    }

    /// Another program takes over in the same process; it says when it is ready.
    pub(super) fn tell_reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
    }

    /// A reload came to nothing, and the broker serves as before.
    pub(super) fn tell_ready_again(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// It ends.
    pub(super) fn tell_stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// How it is.
    pub(super) fn tell_status(&self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    fn tell(&self, state: &[NotifyState<'_>]) {
        // Without a service manager this does nothing.
        if let Err(error) = sd_notify::notify(state) {
            debug!(self.log.logger, "The service manager could not be told"; "error" => %error);
        }
    }
}
