//! Looking names up for the library.

use super::transport::stopped;
use super::watch;
use net::resolve::look_up;
use net::wait::Stop;
use std::net::SocketAddr;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, time};
use ureq::{Error, Timeout};

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Names as the system knows them.
#[derive(Debug, Default)]
pub struct Names {
    /// The proxy, where requests go to one.
    pub instead: Option<Uri>,
    /// The link that addresses are on.
    pub zone: Option<u32>,
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let uri = self.instead.as_ref().unwrap_or(uri);
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let most = match timeout.after {
            time::Duration::Exact(after) => Some(after),
            time::Duration::NotHappening => None,
        };
        let found = look_up(&watch::wait(), host, port, most).map_err(|stop| match stop {
            Stop::TimedOut => Error::Timeout(Timeout::Resolve),
            other => stopped(other, timeout.reason),
        })?;
        let mut addresses = self.empty();
        for mut address in found.into_iter().take(MAX_ADDRESSES) {
            if let (SocketAddr::V6(address), Some(zone)) = (&mut address, self.zone) {
                address.set_scope_id(zone);
            }
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}
