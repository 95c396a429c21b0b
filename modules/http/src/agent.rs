//! Connections that are kept, and what they are made with.

use super::link::{Leads, TlsConnector};
use super::resolver::Names;
use super::transport::{HeadConnector, INPUT, OUTPUT, PlainProxy, SocketConnector};
use kit::protocol::CallError;
use net::limits::{Full, Holder};
use net::proxy::{Proxies, ProxyAddress};
use net::tls::{Terms, Trust};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use ureq::http::Uri;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Error, Proxy, ProxyProtocol};
use url::Url;

/// Connections kept for one place, and for all.
const IDLE_PER_HOST: usize = 8;
const IDLE: usize = 64;
/// How long a connection is kept that nobody uses. Servers close theirs after a minute or so.
const MAX_IDLE_AGE: Duration = Duration::from_secs(15);
/// What an agent takes besides its connections, in bytes.
const AGENT_BYTES: usize = 4 << 10;

/// The ways to servers with one set of settings. Connections are kept a way.
pub struct Ways {
    trust: Trust,
    proxies: Proxies,
    owner: Option<u32>,
    agents: Mutex<HashMap<Way, Agent>>,
    // Made when TLS is first spoken.
    terms: OnceLock<Terms>,
    open: Arc<AtomicUsize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Way {
    // Addresses on one link are others than those on another.
    Direct { tls: bool, zone: Option<u32> },
    // Requests for `http` are sent to the proxy itself.
    Plain(ProxyAddress),
    // For `https` it opens a tunnel.
    Tunnel(ProxyAddress),
}

/// All ways there are, for when their connections are in the way.
static ALL: Mutex<Vec<Weak<Ways>>> = Mutex::new(Vec::new());

impl Ways {
    /// Ways that connections are made on when they are first wanted; `owner` is the user whose they are, if that is known.
    pub fn new(trust: Trust, proxies: Proxies, owner: Option<u32>) -> Arc<Self> {
        let ways = Arc::new(Self {
            trust,
            proxies,
            owner,
            agents: Mutex::default(),
            terms: OnceLock::new(),
            open: Arc::default(),
        });
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        // The list grows, so it is swept when it would.
        if all.len() == all.capacity() {
            all.retain(|other| other.strong_count() > 0);
        }
        all.push(Arc::downgrade(&ways));
        ways
    }

    /// What TLS connections are made with.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Which requests go through which proxy.
    pub fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// How many connections are open, in use or kept.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The bytes that all but the connections takes.
    pub fn size(&self) -> usize {
        // One agent for each kind of way, and the table.
        self.trust.size() + self.proxies.size() + 4 * AGENT_BYTES
    }

    /// Gives up connections that are kept for later, so that there is room for one that is needed now: those that a guest
    /// may have taken, or all.
    pub fn give_up_idle(full: Full, holder: Holder) {
        let all: Vec<Arc<Self>> =
            ALL.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
        for ways in all {
            if full == Full::Total || ways.owner.is_none_or(|owner| owner == holder.uid) {
                let agents = std::mem::take(&mut *ways.agents.lock().unwrap_or_else(PoisonError::into_inner));
                // Dropped without the lock: closing takes system calls.
                drop(agents);
            }
        }
    }

    /// The ways of calls that name no session: the system's certificates, or none; the broker's environment's proxies.
    pub fn shared(verify: bool) -> Arc<Self> {
        static SHARED: [OnceLock<Arc<Ways>>; 2] = [OnceLock::new(), OnceLock::new()];
        let shared = SHARED[usize::from(verify)].get_or_init(|| {
            let proxies = Proxies::of_environment(|name| std::env::var(name).ok());
            Self::new(Trust::plain(!verify), proxies, None)
        });
        Arc::clone(shared)
    }

    /// What takes requests to a URL, whose address is on that link if it is on one alone.
    ///
    /// # Errors
    /// `failed` if the host has no certificate authorities to trust.
    pub fn agent(&self, url: &Url, zone: Option<u32>) -> Result<Agent, CallError> {
        let tls = url.scheme() == "https";
        let way = match self.proxies.of(url) {
            None => Way::Direct { tls, zone },
            Some(proxy) if tls => Way::Tunnel(proxy.clone()),
            Some(proxy) => Way::Plain(proxy.clone()),
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&way) {
            return Ok(agent.clone());
        }
        let agent = self.make(&way)?;
        agents.insert(way, agent.clone());
        Ok(agent)
    }

    fn make(&self, way: &Way) -> Result<Agent, CallError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .user_agent(concat!("cpan-bridge/", env!("CARGO_PKG_VERSION")))
            .accept("")
            .accept_encoding("")
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE_PER_HOST)
            .max_idle_age(MAX_IDLE_AGE)
            .input_buffer_size(INPUT)
            .output_buffer_size(OUTPUT)
            .proxy(None);
        let mut resolver = Names::default();
        let mut head = HeadConnector::default();
        let mut link = TlsConnector { leads: Leads::Direct, terms: None };
        match way {
            Way::Direct { tls, zone } => {
                resolver.zone = *zone;
                if *tls {
                    link.terms = Some(self.terms()?);
                }
            }
            Way::Plain(proxy) => {
                resolver.instead = proxy.url.parse().ok();
                head.proxy = Some(PlainProxy { authorization: proxy.credentials.as_ref().map(proxy_credentials) });
                let host = proxy.tls_host();
                if host.is_some() {
                    link.terms = Some(self.terms()?);
                }
                link.leads = Leads::ToProxy(host);
            }
            Way::Tunnel(proxy) => {
                config = config.proxy(Some(tunnel(proxy)?));
                link = TlsConnector { leads: Leads::Through, terms: Some(self.terms()?) };
                head.tunnel = true;
            }
        }
        let sockets = SocketConnector { open: Arc::clone(&self.open), make_room: Self::give_up_idle };
        let links = ConnectProxyConnector::default().chain(sockets).chain(link).chain(head);
        Ok(Agent::with_parts(config.build(), links, resolver))
    }

    fn terms(&self) -> Result<Terms, CallError> {
        if let Some(terms) = self.terms.get() {
            return Ok(terms.clone());
        }
        let made = self.trust.terms()?;
        Ok(self.terms.get_or_init(|| made).clone())
    }
}

fn proxy_credentials((user, password): &(String, String)) -> String {
    basic(&(user.as_bytes().to_vec(), password.as_bytes().to_vec()))
}

fn tunnel(proxy: &ProxyAddress) -> Result<Proxy, CallError> {
    let wrong = |error: Error| CallError::invalid("proxy", format!("parameter `proxy`: {error}"));
    let uri: Uri = proxy.url.parse().map_err(|_| wrong(Error::InvalidProxyUrl))?;
    let protocol = if uri.scheme_str() == Some("https") { ProxyProtocol::Https } else { ProxyProtocol::Http };
    let mut builder = Proxy::builder(protocol).host(uri.host().unwrap_or_default());
    if let Some(port) = uri.port_u16() {
        builder = builder.port(port);
    }
    if let Some((user, password)) = &proxy.credentials {
        builder = builder.username(user).password(password);
    }
    builder.build().map_err(wrong)
}

/// The value of `Authorization` for a user and a password (RFC 7617).
pub fn basic((user, password): &(Vec<u8>, Vec<u8>)) -> String {
    let pair = zeroize::Zeroizing::new([user, &b":"[..], password].concat());
    format!("Basic {}", super::content::base64(&pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Payload, Reply, Trouble, run};
    use crate::request::Wanted;
    use crate::session::Session;
    use crate::watch::watched;
    use kit::protocol::Code;
    use net::limits::SOCKETS;
    use net::wait::Wait;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that keeps its connections.
    fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(mut client) = client else { return };
                std::thread::spawn(move || {
                    let mut request = [0; 4096];
                    while client.read(&mut request).is_ok_and(|count| count > 0) {
                        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
                    }
                });
            }
        });
        url
    }

    fn fetch(session: &Arc<Session>, url: &str) -> Result<Reply, Trouble> {
        let wanted = Wanted::of(Arc::clone(session), None, None).unwrap();
        let order = wanted.order("GET", url, None, None, Payload::Nothing).unwrap();
        watched(Wait { inactivity: Some(Duration::from_secs(10)), ..Wait::default() }, || {
            run(session, order, &mut |_| {})
        })
    }

    fn session() -> Arc<Session> {
        let ways = Ways::new(Trust::plain(false), Proxies::default(), None);
        Arc::new(Session { ways, ..Session::none(true) })
    }

    #[test]
    fn kept_connections_make_room_and_used_ones_do_not() {
        let (here, there) = (server(), server());
        let (first, second) = (session(), session());
        SOCKETS.set(1, usize::MAX);
        let mut body = String::new();
        fetch(&first, &here).unwrap().body.read_to_string(&mut body).unwrap();
        assert_eq!((body.as_str(), first.ways.open()), ("hi", 1), "kept for the next request");
        assert!(first.size() >= crate::transport::CONNECTION_BYTES);
        let in_use = fetch(&second, &there).unwrap();
        assert_eq!((first.ways.open(), second.ways.open()), (0, 1), "given up for one that is needed");
        match fetch(&first, &here) {
            Err(Trouble::Call(error)) => {
                assert_eq!(error.code, Code::Overloaded);
                assert!(error.message.contains("connections"), "{}", error.message);
            }
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("a socket too many"),
        }
        drop(in_use);
        assert!(fetch(&first, &here).is_ok());
        SOCKETS.set(usize::MAX, usize::MAX);
    }
}
