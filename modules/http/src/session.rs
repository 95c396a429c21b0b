//! Sessions: what stays the same from request to request.

use super::agent::Ways;
use super::transport::CONNECTION_BYTES;
use cookie_store::CookieStore;
use kit::keep::text_bytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue};

/// Redirects that are followed if nothing is said, as LWP has it.
pub const MAX_REDIRECT: u32 = 7;

/// How long a server may do nothing if nothing is said, as LWP has it.
pub const TIMEOUT: Duration = Duration::from_secs(180);

/// What requests have in common.
pub struct Session {
    /// How servers are reached.
    pub ways: Arc<Ways>,
    /// Headers of every request that does not have its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The names of those as they were written.
    pub names: Vec<String>,
    /// Names of headers, in lower case, that do not go to another server, besides those that never do.
    pub private: Vec<String>,
    /// User and password for the servers that requests are for.
    pub credentials: Option<(Vec<u8>, Vec<u8>)>,
    /// Cookies that servers set, if they are kept.
    pub cookies: Option<Mutex<CookieStore>>,
    /// How long a server may do nothing.
    pub timeout: Duration,
    /// How many redirects are followed.
    pub max_redirect: u32,
    /// The longest body that is taken, in bytes, if there is a limit of the session's.
    pub max_size: Option<u64>,
    /// Whether compressed bodies are asked for and undone.
    pub decode: Option<bool>,
    /// What all of it but cookies and connections takes, in bytes; see [`Session::weigh`].
    pub weight: usize,
    /// What its cookies take, in bytes.
    pub cookie_bytes: AtomicUsize,
    /// Connections that bodies which are read in pieces have, and count.
    pub lent: AtomicUsize,
}

impl Session {
    /// The bytes that it takes, with the connections that are kept for it.
    pub fn size(&self) -> usize {
        let connections = self.ways.open().saturating_sub(self.lent.load(Ordering::Relaxed)) * CONNECTION_BYTES;
        self.weight + self.cookie_bytes.load(Ordering::Relaxed) + connections
    }

    /// Weighs what does not change any more. The loop asks for the size after each call, so it is not reckoned then.
    pub fn weigh(&mut self) {
        // One name and value in the library's form, besides their bytes.
        const HEADER: usize = 128;
        let headers: usize = self.headers.iter().map(|(name, value)| HEADER + name.as_str().len() + value.len()).sum();
        let names: usize = self.names.iter().chain(&self.private).map(|name| text_bytes(name.len())).sum();
        let credentials = self.credentials.as_ref().map_or(0, |(user, password)| user.len() + password.len());
        self.weight = size_of::<Self>() + headers + names + credentials + self.ways.size();
        if let Some(jar) = &self.cookies {
            self.weigh_cookies(&jar.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Weighs the cookies, as they were changed.
    pub fn weigh_cookies(&self, jar: &CookieStore) {
        // In maps by domain and path, and with a domain, a path and times of its own.
        const COOKIE: usize = 768;
        let weight = |cookie: &cookie_store::Cookie<'_>| {
            let (domain, path) = (String::from(&cookie.domain), String::from(&cookie.path));
            COOKIE + 2 * (cookie.name().len() + cookie.value().len() + domain.len() + path.len())
        };
        self.cookie_bytes.store(jar.iter_any().map(weight).sum(), Ordering::Relaxed);
    }

    /// What a call without a session goes by.
    pub fn none(verify: bool) -> Self {
        Self {
            ways: Ways::shared(verify),
            headers: Vec::new(),
            names: Vec::new(),
            private: Vec::new(),
            credentials: None,
            cookies: None,
            timeout: TIMEOUT,
            max_redirect: MAX_REDIRECT,
            max_size: None,
            decode: None,
            // Nobody's: it is there once for all.
            weight: 0,
            cookie_bytes: AtomicUsize::new(0),
            lent: AtomicUsize::new(0),
        }
    }
}
