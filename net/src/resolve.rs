//! Looking names up.

use crate::limits::RESOLVERS;
use crate::wait::{Stop, Wait};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How often the call is looked at while the system looks a name up.
const NAP: Duration = Duration::from_millis(50);

/// The addresses of a host, by name or as they stand there, in the system's order: on a thread of its own, because the
/// system's way of doing so can be neither cut short nor cancelled.
///
/// # Errors
/// [`Stop::NoSuchHost`]; [`Stop::TimedOut`] after `most` or the wait's inactivity; [`Stop::Cancelled`]; [`Stop::Refused`]
/// where too many names are being looked up.
pub fn look_up(wait: &Wait, host: &str, port: u16, most: Option<Duration>) -> Result<Vec<SocketAddr>, Stop> {
    let host = host.trim_matches(['[', ']']);
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let permit = RESOLVERS.take(wait.holder).map_err(|_| {
        Stop::overloaded("too many names are being looked up at this time; the name server may not answer")
    })?;
    let (sender, receiver) = sync_channel(1);
    let name = host.to_owned();
    std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let _permit = permit;
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody listens any more if the call is over.
        let _ = sender.send(found);
    })?;
    let until = wait.until(most);
    loop {
        match receiver.recv_timeout(NAP) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(Stop::NoSuchHost),
            Err(RecvTimeoutError::Timeout) if wait.is_cancelled() => return Err(Stop::Cancelled),
            Err(RecvTimeoutError::Timeout) if until.is_some_and(|until| Instant::now() >= until) => {
                return Err(Stop::TimedOut);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_no_looking_up_and_names_are_looked_up() {
        let wait = Wait::default();
        let addresses = |host| look_up(&wait, host, 80, Some(Duration::from_secs(20)));
        assert_eq!(addresses("127.0.0.1").unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(addresses("[::1]").unwrap(), ["[::1]:80".parse().unwrap()]);
        assert!(addresses("localhost").unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(matches!(addresses("no such host"), Err(Stop::NoSuchHost)));
    }
}
