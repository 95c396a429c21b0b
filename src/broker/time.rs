//! What happens when a deadline comes.

use super::deadlines::Timer;
use super::{Broker, allocator};
use crate::health::{self, Leak};
use slog::{debug, info, warn};
use std::time::Duration;

/// How long freed memory is kept for the calls that come next.
const TRIM_AFTER: Duration = Duration::from_secs(5);

impl Broker {
    /// Serves every deadline that has come.
    pub(super) fn serve_deadlines(&mut self) {
        while let Some(timer) = self.deadlines.due(self.now) {
            match timer {
                Timer::Health => self.tick(),
                Timer::Connection(slot) => self.check_connection(slot),
                Timer::Job(slot) => self.check_job(slot),
                Timer::Handles => {
                    let locks = &self.work.locks;
                    if let Some(next) = self.work.handles.expire(self.now, |owner| locks.is_locked(owner)) {
                        self.deadlines.want(Timer::Handles, next);
                    }
                }
                Timer::Trim => self.trim(),
                Timer::Place => self.check_place(),
                Timer::IdleExit => self.check_idle(),
                Timer::AcceptAgain => self.lines.gate.try_again(),
                Timer::ShutdownGrace => self.end_grace(),
                Timer::Metrics => self.write_metrics(),
                Timer::History => self.end_span(),
                Timer::Watchdog => self.tell_alive(),
                Timer::Reload => self.check_reload(),
            }
        }
    }

    /// Ends a span of the history.
    fn end_span(&mut self) {
        let gauges = self.gauges();
        self.figures.stats.end_span(self.now, gauges);
        self.deadlines.want(Timer::History, self.now + self.figures.stats.span());
    }

    /// Logs the health line and the verdict on the number of connections.
    fn tick(&mut self) {
        let figures = self.figures();
        let line = health::line(&figures);
        info!(self.log.logger, "{}", line);
        self.tell_status(&line);
        match health::leak(&figures) {
            Leak::None => {}
            Leak::Elevated(line) => info!(self.log.logger, "{}", line),
            Leak::High(line) => warn!(self.log.logger, "{}", line),
        }
        self.figures.trend.advance(self.now);
        if let Some(interval) = self.config.health_interval {
            self.deadlines.want(Timer::Health, self.now + interval);
        }
    }

    fn check_connection(&mut self, slot: u32) {
        let Some(id) = self.lines.connections.in_slot(slot) else { return };
        let (now, config) = (self.now, &self.config);
        let Some(connection) = self.lines.connections.get(id) else { return };
        connection.timer_at = None;
        match connection.next_deadline(config) {
            Some((at, reason)) if at <= now => {
                debug!(self.log.logger, "A connection reached its limit"; "connection" => connection.serial,
                    "limit" => reason.as_str());
                self.close(id, reason);
            }
            _ => self.watch_limits(id),
        }
    }

    /// Has what was freed given back to the system, once in a while as long as there is work that frees.
    pub(super) fn expect_to_trim(&mut self) {
        if self.deadlines.wanted(Timer::Trim).is_none() {
            allocator::keep();
            self.deadlines.want(Timer::Trim, self.now + TRIM_AFTER);
        }
    }

    fn trim(&mut self) {
        allocator::give_back();
        self.work.workers.trim();
        self.work.reaper.trim();
    }

    /// Has handles that nobody uses looked at, as soon as there are any.
    pub(super) fn expect_handles_to_expire(&mut self) {
        if !self.work.handles.is_empty()
            && self.deadlines.wanted(Timer::Handles).is_none()
            && let Some(timeout) = self.config.handle_idle_timeout
        {
            self.deadlines.want(Timer::Handles, self.now + timeout);
        }
    }
}
