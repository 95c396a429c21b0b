//! Keeping the socket's file in its place.
//!
//! Who cleans up /tmp, or removes a directory by mistake, cuts a broker off: nobody can connect any more, and another broker
//! would be started beside it. So it looks now and then, and makes the file anew. Connections that are there notice nothing.

use super::deadlines::Timer;
use super::ending::Phase;
use super::{Broker, LISTENER};
use mio::Interest;
use slog::{info, warn};

impl Broker {
    /// Looks whether clients can still find the socket.
    pub(super) fn check_place(&mut self) {
        let Some(interval) = self.config.socket_check else { return };
        if self.phase != Phase::Serving {
            return;
        }
        if !self.lines.gate.listener.is_in_place() {
            self.take_place_again();
        }
        self.deadlines.want(Timer::Place, self.now + interval);
    }

    fn take_place_again(&mut self) {
        // Those who connected before it was gone are the old socket's.
        self.lines.gate.ready = true;
        self.accept_some();
        let path = self.socket_path().display().to_string();
        let outcome = match self.lines.gate.listener.take_place_again(&self.config) {
            Ok(old) => self.listen_on_new_socket(old).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => {
                self.lost_place = None;
                warn!(self.log.logger, "The socket's file was removed; it is made anew"; "socket" => path);
            }
            Err(why) if self.lost_place.as_ref() == Some(&why) => {}
            Err(why) => {
                warn!(self.log.logger, "The socket's file was removed and can't be made anew; connections that are there \
                    are served"; "socket" => path, "why" => &why);
                self.lost_place = Some(why);
            }
        }
    }

    fn listen_on_new_socket(&mut self, old: Option<mio::net::UnixListener>) -> std::io::Result<()> {
        let events = self.lines.poll.registry();
        if let Some(mut old) = old {
            events.deregister(&mut old)?;
        }
        events.register(&mut self.lines.gate.listener.socket, LISTENER, Interest::READABLE)?;
        // Somebody may have come before it was registered.
        self.lines.gate.ready = true;
        info!(self.log.logger, "Serving again"; "socket" => %self.socket_path().display());
        Ok(())
    }
}
