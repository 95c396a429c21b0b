//! Connecting to one of several addresses.

use crate::wait::{Stop, Wait};
use nix::poll::PollFlags;
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The least time that one of several addresses gets to answer.
const LEAST_FOR_ADDRESS: Duration = Duration::from_secs(2);

/// A connection to the first address that answers, without blocking of its own ([`Wait::ready`] waits for it) and without
/// Nagle's delay. An address that does not answer takes its share of the time until `until`, and not that of those behind it.
///
/// # Errors
/// Those of the last address; [`Stop::Cancelled`] at once; [`Stop::NoSuchHost`] where there is no address.
pub fn connect(wait: &Wait, addresses: &[SocketAddr], until: Option<Instant>) -> Result<TcpStream, Stop> {
    let mut last = Stop::NoSuchHost;
    for (index, address) in addresses.iter().enumerate() {
        match connect_to(wait, *address, until, addresses.len() - index - 1) {
            Ok(stream) => return Ok(stream),
            Err(error) if wait.is_cancelled() => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_to(wait: &Wait, address: SocketAddr, until: Option<Instant>, others: usize) -> Result<TcpStream, Stop> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {
            let mut until = until;
            if let (Some(end), true) = (until, others > 0) {
                let now = Instant::now();
                let share = end.saturating_duration_since(now) / (u32::try_from(others).unwrap_or(u32::MAX - 1) + 1);
                until = Some((now + share.max(LEAST_FOR_ADDRESS)).min(end));
            }
            wait.ready(&socket, PollFlags::POLLOUT, until)?;
            if let Some(error) = socket.take_error()? {
                return Err(Stop::Io(error));
            }
        }
        Err(error) => return Err(Stop::Io(error)),
    }
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_first_that_answers_is_taken() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let wait = Wait::default();
        let until = Some(Instant::now() + Duration::from_secs(20));
        let stream = connect(&wait, &[gone, there.local_addr().unwrap()], until).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there.local_addr().unwrap());
        let refused = connect(&wait, &[gone], until).unwrap_err();
        assert!(
            matches!(&refused, Stop::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused),
            "{refused}"
        );
        assert!(matches!(connect(&wait, &[], until), Err(Stop::NoSuchHost)));
    }
}
