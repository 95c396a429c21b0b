//! Connections that are kept, and what they are made with: certificates, proxies.

use super::proxy::{Proxies, ProxyAddress};
use super::transport::{HeadConnector, PlainProxy, SocketConnector, is_cancelled};
use crate::protocol::{CallError, Code};
use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, NextTimeout, RustlsConnector, time};
use ureq::{Agent, Error, Proxy, ProxyProtocol, Timeout};
use url::Url;
use zeroize::Zeroizing;

/// Connections kept for one place, and for all.
const IDLE_PER_HOST: usize = 8;
const IDLE: usize = 64;
/// How long a connection is kept that nobody uses. Servers close theirs after a minute or so.
const MAX_IDLE_AGE: Duration = Duration::from_secs(15);
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Certificates and keys as they were given, in PEM form.
#[derive(Default)]
pub struct Pem {
    /// Certificate authorities in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The certificate to show, with its chain, and its key.
    pub client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

/// What TLS connections are made with.
#[derive(Default)]
pub struct Trust {
    anybody: bool,
    authorities: Option<Arc<Vec<Certificate<'static>>>>,
    client: Option<ClientCert>,
    pem: Pem,
}

impl Trust {
    /// Trusts `anybody` whatever certificate is shown, or those whom the authorities vouch for.
    ///
    /// # Errors
    /// `invalid_params` for texts without certificates or keys, and for a key that is not the certificate's.
    pub fn new(anybody: bool, pem: Pem) -> Result<Self, CallError> {
        let authorities = pem.authorities.as_deref().map(|text| certificates("ca", text)).transpose()?;
        let client = pem.client.as_ref().map(|(certificate, key)| client_certificate(certificate, key)).transpose()?;
        Ok(Self { anybody, authorities: authorities.map(Arc::new), client, pem })
    }

    /// Whether a server's certificate is not looked at.
    pub fn anybody(&self) -> bool {
        self.anybody
    }

    /// What it was made of.
    pub fn pem(&self) -> &Pem {
        &self.pem
    }
}

/// The ways to servers with one set of settings. Connections are kept a way.
pub struct Ways {
    trust: Trust,
    proxies: Proxies,
    agents: Mutex<HashMap<Way, Agent>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Way {
    Direct,
    // Requests for `http` are sent to the proxy itself.
    Plain(ProxyAddress),
    // For `https` it opens a tunnel.
    Tunnel(ProxyAddress),
}

impl Ways {
    /// Ways that connections are made on when they are first wanted.
    pub fn new(trust: Trust, proxies: Proxies) -> Self {
        Self { trust, proxies, agents: Mutex::default() }
    }

    /// What TLS connections are made with.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Which requests go through which proxy.
    pub fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// The ways of calls that name no session: the system's certificates, or none; the broker's environment's proxies.
    pub fn shared(verify: bool) -> Arc<Self> {
        static SHARED: [OnceLock<Arc<Ways>>; 2] = [OnceLock::new(), OnceLock::new()];
        let shared = SHARED[usize::from(verify)].get_or_init(|| {
            let proxies = Proxies::of_environment(|name| std::env::var(name).ok());
            Arc::new(Self::new(Trust { anybody: !verify, ..Trust::default() }, proxies))
        });
        Arc::clone(shared)
    }

    /// What takes requests to a URL.
    ///
    /// # Errors
    /// `failed` if the host has no certificate authorities to trust.
    pub fn agent(&self, url: &Url) -> Result<Agent, CallError> {
        let way = match self.proxies.of(url) {
            None => Way::Direct,
            Some(proxy) if url.scheme() == "http" => Way::Plain(proxy.clone()),
            Some(proxy) => Way::Tunnel(proxy.clone()),
        };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&way) {
            return Ok(agent.clone());
        }
        let agent = self.make(&way, url.scheme() == "https")?;
        // Without the system's certificates `http` works all the same, so what has none is not kept for `https`.
        if url.scheme() == "https" || way != Way::Direct {
            agents.insert(way, agent.clone());
            return Ok(agent);
        }
        if let Ok(agent) = self.make(&way, true) {
            agents.insert(way, agent.clone());
            return Ok(agent);
        }
        Ok(agent)
    }

    fn make(&self, way: &Way, tls: bool) -> Result<Agent, CallError> {
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
            .proxy(None);
        if tls {
            config = config.tls_config(self.tls()?);
        }
        let mut resolver = Names { instead: None };
        let mut head = HeadConnector::default();
        match way {
            Way::Direct => {}
            Way::Plain(proxy) => {
                resolver.instead = proxy.url.parse().ok();
                head.proxy = Some(PlainProxy { authorization: proxy.credentials.as_ref().map(basic) });
            }
            Way::Tunnel(proxy) => config = config.proxy(Some(tunnel(proxy)?)),
        }
        let links =
            ConnectProxyConnector::default().chain(SocketConnector).chain(RustlsConnector::default()).chain(head);
        Ok(Agent::with_parts(config.build(), links, resolver))
    }

    fn tls(&self) -> Result<TlsConfig, CallError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .client_cert(self.trust.client.clone())
            .disable_verification(self.trust.anybody);
        if !self.trust.anybody {
            let authorities = match &self.trust.authorities {
                Some(authorities) => authorities,
                None => system_authorities()?,
            };
            tls = tls.root_certs(RootCerts::Specific(Arc::clone(authorities)));
        }
        Ok(tls.build())
    }
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
pub fn basic((user, password): &(String, String)) -> String {
    format!("Basic {}", super::content::base64(format!("{user}:{password}").as_bytes()))
}

/// The system's certificate authorities, from where OpenSSL would take them; `SSL_CERT_FILE` and `SSL_CERT_DIR` say
/// otherwise. Read once.
fn system_authorities() -> Result<&'static Arc<Vec<Certificate<'static>>>, CallError> {
    static AUTHORITIES: OnceLock<Arc<Vec<Certificate<'static>>>> = OnceLock::new();
    let authorities = AUTHORITIES.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        Arc::new(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect())
    });
    if authorities.is_empty() {
        return Err(CallError::new(
            Code::Failed,
            "this host has no certificate authorities to check servers by; install its ca-certificates package, set \
             SSL_CERT_FILE for the broker, or give `ca`",
        ));
    }
    Ok(authorities)
}

/// The certificates of a PEM text, given as `parameter`.
///
/// # Errors
/// `invalid_params` naming the parameter, for a text without any.
pub fn certificates(parameter: &str, pem: &[u8]) -> Result<Vec<Certificate<'static>>, CallError> {
    let found: Vec<_> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(CallError::invalid(parameter, format!("parameter `{parameter}` holds no certificate in PEM form")));
    }
    Ok(found)
}

/// The certificate to show, with its key.
///
/// # Errors
/// `invalid_params` for texts without them, and for a key that is not the certificate's.
fn client_certificate(certificate: &[u8], key: &[u8]) -> Result<ClientCert, CallError> {
    let chain = certificates("client_cert", certificate)?;
    let wrong = |why: &str| CallError::invalid("client_key", format!("parameter `client_key` {why}"));
    let key =
        PrivateKey::from_pem(key).map_err(|_| wrong("holds no private key in PEM form, or one with a password"))?;
    // The library takes what it gets and fails late, so it is checked here.
    let der =
        rustls::pki_types::PrivateKeyDer::try_from(key.der().to_vec()).map_err(|_| wrong("holds no private key"))?;
    let signer = rustls::crypto::ring::sign::any_supported_type(&der)
        .map_err(|_| wrong("is of a kind that is not supported; RSA, ECDSA and Ed25519 are"))?;
    let der = chain.iter().map(|certificate| certificate.der().to_vec().into()).collect();
    match rustls::sign::CertifiedKey::new(der, signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => return Err(wrong("is not the certificate's")),
    }
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// Looks names up on a thread of their own: the system's way of doing so can be neither cut short nor cancelled.
#[derive(Debug)]
struct Names {
    // The proxy, where requests go to one.
    instead: Option<Uri>,
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
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody listens any more if the call is over.
        let _ = sender.send(found);
    })?;
    let mut left = match timeout.after {
        time::Duration::Exact(after) => after,
        time::Duration::NotHappening => Duration::MAX,
    };
    if let Some(inactivity) = super::transport::inactivity() {
        left = left.min(inactivity);
    }
    let begin = Instant::now();
    loop {
        match receiver.recv_timeout(NAP) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(Error::HostNotFound),
            Err(RecvTimeoutError::Timeout) if is_cancelled() => return Err(super::transport::cancelled()),
            Err(RecvTimeoutError::Timeout) if begin.elapsed() >= left => return Err(Error::Timeout(Timeout::Resolve)),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
