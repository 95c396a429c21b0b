//! `http_helper.session_new` and its kin: sessions, as callers make, look into and end them.

use super::agent::Ways;
use super::fields::{Fields, List};
use super::moved::unpack_session;
use super::session::Session;
use super::session::{MAX_REDIRECT, TIMEOUT};
use cookie_store::CookieStore;
use kit::Call;
use kit::Kind;
use kit::files::Wanted as WantedFile;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use kit::protocol::lenient::{Bytes, FileName, Flag, Integer, Number, Text};
use net::proxy::{Proxies, ProxyAddress, exemptions};
use net::tls::{Pem, Trust, Wishes, certificates};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::HeaderName;
use zeroize::Zeroizing;

/// What a session's handle is called in the statistics.
pub const SESSION: Kind<Arc<Session>> =
    Kind::new("http session", "no such HTTP session: it ended, expired, or is not yours").that_moves(unpack_session);

/// The largest file of certificates or keys that is read.
const MAX_PEM: u64 = 4 << 20;

/// The session that a call names, or the one of calls that name none.
///
/// # Errors
/// `not_found` for a session that is not the caller's, or ended; `invalid_params` for `verify_ssl` beside a session.
pub fn find(call: &mut Call<'_>, id: Option<&str>, verify: Option<Flag>) -> Result<Arc<Session>, CallError> {
    let Some(id) = id else {
        return Ok(Arc::new(Session::none(verify.is_none_or(|flag| flag.0))));
    };
    if verify.is_some() {
        let message = "parameter `verify_ssl` belongs to http_helper.session_new: connections of a session are kept";
        return Err(CallError::invalid("verify_ssl", message));
    }
    SESSION.get(call, id).map(|session| Arc::clone(session))
}

/// The parameters of `http_helper.session_new`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionNew<'a> {
    /// Headers of every request that does not give its own.
    #[serde(default)]
    headers: Option<Fields>,
    /// Names of headers that do not go to another server after a redirect, besides Authorization, Cookie and
    /// Proxy-Authorization.
    #[serde(default)]
    private_headers: Option<List>,
    /// User name for basic authentication.
    #[serde(borrow, default)]
    user: Option<Bytes<'a>>,
    /// Password for basic authentication.
    #[serde(borrow, default)]
    password: Option<Bytes<'a>>,
    /// Whether cookies are kept and sent; true if not given.
    #[serde(default)]
    cookies: Option<Flag>,
    /// The proxy for http and https, http://[user:password@]host:port; empty for none, whatever the environment says.
    #[serde(borrow, default)]
    proxy: Option<Text<'a>>,
    /// The proxy for http alone.
    #[serde(borrow, default)]
    http_proxy: Option<Text<'a>>,
    /// The proxy for https alone.
    #[serde(borrow, default)]
    https_proxy: Option<Text<'a>>,
    /// Hosts that are reached without a proxy, separated by commas.
    #[serde(borrow, default)]
    no_proxy: Option<Text<'a>>,
    /// Whether servers' certificates are checked; true if not given. Fingerprints are compared all the same.
    #[serde(default)]
    verify_ssl: Option<Flag>,
    /// Whether a certificate has to be for the server's name; true if not given.
    #[serde(default)]
    verify_hostname: Option<Flag>,
    /// The name that certificates have to be for, in place of the URL's.
    #[serde(borrow, default)]
    verify_name: Option<Text<'a>>,
    /// The rules for names in certificates, as SSL_verifycn_scheme has them: http, default, ldap, smtp, ..., none. Without
    /// it only the subjectAltName counts.
    #[serde(borrow, default)]
    verify_cn: Option<Text<'a>>,
    /// The name that servers are told (SNI), in place of the URL's; empty for none.
    #[serde(borrow, default)]
    server_name: Option<Text<'a>>,
    /// Fingerprints of certificates (sha256$HEX) or of their keys (sha256$pub$HEX). A certificate that has one of them is
    /// believed, every other one refused.
    #[serde(default)]
    fingerprint: Option<List>,
    /// Versions of TLS that are spoken, of 1.2 and 1.3; both if not given.
    #[serde(default)]
    tls_versions: Option<List>,
    /// Ciphers for TLS 1.2, as a list of OpenSSL's.
    #[serde(borrow, default)]
    ciphers: Option<Text<'a>>,
    /// Cipher suites for TLS 1.3, as a list of OpenSSL's; empty for none.
    #[serde(borrow, default)]
    ciphersuites: Option<Text<'a>>,
    /// Curves for the exchange of keys, as a list of OpenSSL's.
    #[serde(borrow, default)]
    curves: Option<Text<'a>>,
    /// Certificate authorities in place of the system's, PEM.
    #[serde(borrow, default)]
    ca: Option<Bytes<'a>>,
    /// A file of certificate authorities, PEM; only for the broker's own user.
    #[serde(borrow, default)]
    ca_file: Option<FileName<'a>>,
    /// The certificate to show to servers, with its chain, PEM.
    #[serde(borrow, default)]
    client_cert: Option<Bytes<'a>>,
    /// The certificate's key, PEM without a password.
    #[serde(borrow, default)]
    client_key: Option<Bytes<'a>>,
    /// How many redirects are followed, 0 to 100; 7 if not given.
    #[serde(default)]
    max_redirect: Option<Integer>,
    /// The longest body that is taken, in bytes.
    #[serde(default)]
    max_size: Option<Integer>,
    /// Whether compressed bodies are asked for and undone.
    #[serde(default)]
    decode: Option<Flag>,
    /// Seconds that a server may do nothing; 180 if not given.
    #[serde(default)]
    timeout: Option<Number>,
}

/// The parameters of `http_helper.session_free`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionFree<'a> {
    /// The session.
    #[serde(borrow)]
    session_id: Text<'a>,
}

/// The parameters of `http_helper.session_cookies`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionCookies<'a> {
    /// The session.
    #[serde(borrow)]
    session_id: Text<'a>,
}

kit::parameters!(SessionNew<'_>, SessionFree<'_>, SessionCookies<'_>);

/// The result of `http_helper.session_new`.
#[derive(Serialize, JsonSchema)]
pub struct Made {
    session_id: String,
}

/// `http_helper.session_new`.
///
/// # Errors
/// `invalid_params` naming what is of no use, `denied` for a file of another user's, `overloaded` above the quota of handles.
pub fn session_new(call: &mut Call<'_>, params: SessionNew<'_>) -> Result<Made, CallError> {
    let trust = trust(&params)?;
    let proxies = proxies(&params)?;
    let fields = params.headers.unwrap_or_default();
    let mut session = Session {
        ways: Ways::new(trust, proxies, Some(call.caller.uid)),
        names: fields.names().map(str::to_owned).collect(),
        headers: fields.headers()?,
        private: private(params.private_headers)?,
        credentials: params
            .user
            .map(|user| (user.to_vec(), params.password.map(|password| password.to_vec()).unwrap_or_default())),
        cookies: params.cookies.is_none_or(|flag| flag.0).then(|| Mutex::new(CookieStore::default())),
        timeout: params.timeout.map_or(Ok(TIMEOUT), |seconds| inactivity(seconds.0))?,
        max_redirect: max_redirect(params.max_redirect)?.unwrap_or(MAX_REDIRECT),
        max_size: max_size(params.max_size)?,
        decode: params.decode.map(|flag| flag.0),
        weight: 0,
        cookie_bytes: AtomicUsize::new(0),
        lent: AtomicUsize::new(0),
    };
    session.weigh();
    // It may be larger than what it was made of: certificates are kept as text, as bytes, and read.
    call.may_grow(session.size())?;
    let id = SESSION.keep(call, Arc::new(session))?;
    Ok(Made { session_id: id.to_string() })
}

fn trust(params: &SessionNew<'_>) -> Result<Trust, CallError> {
    let authorities = match (&params.ca, &params.ca_file) {
        (Some(pem), _) => Some(pem.to_vec()),
        (None, Some(path)) => {
            let pem = read_pem("ca_file", path)?;
            // Looked at here as well, for an error that names the right parameter.
            certificates("ca_file", &pem)?;
            Some(pem)
        }
        (None, None) => None,
    };
    let client = match (&params.client_cert, &params.client_key) {
        (Some(certificate), Some(key)) => Some((certificate.to_vec(), Zeroizing::new(key.to_vec()))),
        (None, None) => None,
        _ => {
            let message = "client_cert and client_key belong together: give both";
            return Err(CallError::invalid("client_cert", message));
        }
    };
    Trust::new(wishes(params)?, Pem { authorities, client })
}

fn wishes(params: &SessionNew<'_>) -> Result<Wishes, CallError> {
    let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.to_string());
    let list = |parameter: &str, list: &Option<List>| match list {
        Some(List(texts)) if texts.is_empty() => {
            // Taken for none it would allow what it was to forbid.
            Err(CallError::invalid(parameter, format!("parameter `{parameter}` is an empty list")))
        }
        Some(List(texts)) => Ok(texts.clone()),
        None => Ok(Vec::new()),
    };
    Ok(Wishes {
        anybody: params.verify_ssl.is_some_and(|verify| !verify.0),
        any_name: params.verify_hostname.is_some_and(|verify| !verify.0),
        verify_name: text(&params.verify_name),
        server_name: text(&params.server_name),
        verify_cn: text(&params.verify_cn),
        fingerprints: list("fingerprint", &params.fingerprint)?,
        versions: list("tls_versions", &params.tls_versions)?,
        ciphers: text(&params.ciphers),
        ciphersuites: text(&params.ciphersuites),
        curves: text(&params.curves),
    })
}

/// The parameter `private_headers`.
///
/// # Errors
/// `invalid_params` for what can be no header's name.
pub fn private(names: Option<List>) -> Result<Vec<String>, CallError> {
    let names = names.unwrap_or_default().0;
    let parsed = names.iter().map(|name| match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => {
            let message = format!("parameter `private_headers`: {} is no header's name", quote(name));
            Err(CallError::invalid("private_headers", message))
        }
    });
    parsed.collect()
}

fn read_pem(parameter: &str, path: &Path) -> Result<Vec<u8>, CallError> {
    let wanted = WantedFile { parameter, path, failed: "Failed to read the file", most: MAX_PEM };
    Ok(wanted.read()?.to_vec())
}

fn proxies(params: &SessionNew<'_>) -> Result<Proxies, CallError> {
    let mut proxies = Proxies::of_environment(|name| std::env::var(name).ok());
    let address = |text: &str| if text.is_empty() { Ok(None) } else { ProxyAddress::parse(text).map(Some) };
    if let Some(both) = &params.proxy {
        proxies.http = address(both)?;
        proxies.https.clone_from(&proxies.http);
    }
    if let Some(http) = &params.http_proxy {
        proxies.http = address(http)?;
    }
    if let Some(https) = &params.https_proxy {
        proxies.https = address(https)?;
    }
    if let Some(exempt) = &params.no_proxy {
        proxies.exempt = exemptions(exempt);
    }
    Ok(proxies)
}

/// The parameter `max_redirect`.
///
/// # Errors
/// `invalid_params` out of range.
pub fn max_redirect(value: Option<Integer>) -> Result<Option<u32>, CallError> {
    match value.map(|value| value.0) {
        None => Ok(None),
        Some(count @ 0..=100) => Ok(Some(count as u32)),
        Some(_) => Err(CallError::invalid("max_redirect", "parameter `max_redirect` must be from 0 to 100")),
    }
}

/// The parameter `max_size`.
///
/// # Errors
/// `invalid_params` out of range.
pub fn max_size(value: Option<Integer>) -> Result<Option<u64>, CallError> {
    value
        .map(|value| u64::try_from(value.0))
        .transpose()
        .map_err(|_| CallError::invalid("max_size", "parameter `max_size` must not be negative"))
}

/// The result of `http_helper.session_free` and `http_helper.close`.
#[derive(Serialize, JsonSchema)]
pub struct Freed {
    /// Whether there was one.
    pub freed: bool,
}

/// `http_helper.session_free`; freeing twice is no error.
///
/// # Errors
/// `failed` without a broker.
pub fn session_free(call: &mut Call<'_>, params: SessionFree<'_>) -> Result<Freed, CallError> {
    Ok(Freed { freed: SESSION.free(call, &params.session_id)? })
}

/// One cookie of a session.
#[derive(Serialize, JsonSchema)]
pub struct CookieReport {
    name: String,
    value: String,
    domain: String,
    path: String,
    secure: bool,
    http_only: bool,
}

/// `http_helper.session_cookies`.
///
/// # Errors
/// `not_found` for a session that is not the caller's, or ended.
pub fn session_cookies(call: &mut Call<'_>, params: SessionCookies<'_>) -> Result<Vec<CookieReport>, CallError> {
    let session = find(call, Some(&params.session_id), None)?;
    let Some(jar) = &session.cookies else { return Ok(Vec::new()) };
    let jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
    let report = |cookie: &cookie_store::Cookie<'_>| CookieReport {
        name: cookie.name().to_owned(),
        value: cookie.value().to_owned(),
        domain: String::from(&cookie.domain),
        path: String::from(&cookie.path),
        secure: cookie.secure().unwrap_or(false),
        http_only: cookie.http_only().unwrap_or(false),
    };
    Ok(jar.iter_unexpired().map(report).collect())
}

/// How long a call waits for a server that does nothing, in seconds.
///
/// # Errors
/// `invalid_params` for what is no such time.
pub fn inactivity(seconds: f64) -> Result<Duration, CallError> {
    const LONGEST: f64 = 86_400.0;
    if seconds > 0.0 && seconds <= LONGEST {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(CallError::invalid("timeout", "parameter `timeout` must be more than 0 and at most 86400 seconds"))
}
