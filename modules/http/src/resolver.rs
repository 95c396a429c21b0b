//! Looking names up.

use super::limits::RESOLVERS;
use super::transport::{cancelled, holder, inactivity, is_cancelled, refused};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, time};
use ureq::{Error, Timeout};

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Looks names up on a thread of their own: the system's way of doing so can be neither cut short nor cancelled.
#[derive(Debug)]
pub struct Names {
    /// The proxy, where requests go to one.
    pub instead: Option<Uri>,
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let uri = self.instead.as_ref().unwrap_or(uri);
        let host = uri.host().ok_or(Error::HostNotFound)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut addresses = self.empty();
        let found = match host.parse() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => look_up(host, port, timeout)?,
        };
        for address in found.into_iter().take(MAX_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

fn look_up(host: String, port: u16, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    const NAP: Duration = Duration::from_millis(50);
    let permit = RESOLVERS
        .take(holder())
        .map_err(|_| refused("too many names are being looked up at this time; the name server may not answer"))?;
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let _permit = permit;
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody listens any more if the call is over.
        let _ = sender.send(found);
    })?;
    let mut left = match timeout.after {
        time::Duration::Exact(after) => after,
        time::Duration::NotHappening => Duration::MAX,
    };
    if let Some(inactivity) = inactivity() {
        left = left.min(inactivity);
    }
    let begin = Instant::now();
    loop {
        match receiver.recv_timeout(NAP) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(Error::HostNotFound),
            Err(RecvTimeoutError::Timeout) if is_cancelled() => return Err(cancelled()),
            Err(RecvTimeoutError::Timeout) if begin.elapsed() >= left => return Err(Error::Timeout(Timeout::Resolve)),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
