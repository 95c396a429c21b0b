//! Sessions: what stays the same from request to request.

use super::agent::{Pem, Trust, Ways, certificates};
use super::exchange::inactivity;
use super::fields::Fields;
use super::proxy::{Proxies, ProxyAddress, exemptions};
use crate::modules::Call;
use crate::modules::files::Wanted as WantedFile;
use crate::protocol::lenient::{Bytes, Flag, Integer, Number, Text};
use crate::protocol::{CallError, Code};
use cookie_store::CookieStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// What a session's handle is called in the statistics.
pub const KIND: &str = "http session";
/// Redirects that are followed if nothing is said, as LWP has it.
const MAX_REDIRECT: u32 = 7;
/// How long a server may do nothing if nothing is said, as LWP has it.
const TIMEOUT: Duration = Duration::from_secs(180);
/// The largest file of certificates or keys that is read.
const MAX_PEM: u64 = 4 << 20;

/// What requests have in common.
pub struct Session {
    /// How servers are reached.
    pub ways: Arc<Ways>,
    /// Headers of every request that does not have its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The names of those as they were written.
    pub names: Vec<String>,
    /// User and password for the servers that requests are for.
    pub credentials: Option<(String, String)>,
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
}

impl Session {
    /// What a call without a session goes by.
    pub fn none(verify: bool) -> Self {
        Self {
            ways: Ways::shared(verify),
            headers: Vec::new(),
            names: Vec::new(),
            credentials: None,
            cookies: None,
            timeout: TIMEOUT,
            max_redirect: MAX_REDIRECT,
            max_size: None,
            decode: None,
        }
    }
}

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
    match call.handles().get::<Arc<Session>>(id)? {
        Some(session) => Ok(Arc::clone(session)),
        None => Err(CallError::new(Code::NotFound, "no such HTTP session: it ended, expired, or is not yours")),
    }
}

/// The parameters of `http_helper.session_new`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionNew<'a> {
    /// Headers of every request that does not give its own.
    #[serde(default)]
    headers: Option<Fields>,
    /// User name for basic authentication.
    #[serde(borrow, default)]
    user: Option<Text<'a>>,
    /// Password for basic authentication.
    #[serde(borrow, default)]
    password: Option<Text<'a>>,
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
    /// Whether servers' certificates are checked; true if not given.
    #[serde(default)]
    verify_ssl: Option<Flag>,
    /// Certificate authorities in place of the system's, PEM.
    #[serde(borrow, default)]
    ca: Option<Bytes<'a>>,
    /// A file of certificate authorities, PEM; only for the broker's own user.
    #[serde(borrow, default)]
    ca_file: Option<Text<'a>>,
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
crate::parameters!(SessionNew<'_>, SessionFree<'_>, SessionCookies<'_>);

/// The result of `http_helper.session_new`.
#[derive(Serialize)]
pub struct Made {
    session_id: String,
}

/// `http_helper.session_new`.
///
/// # Errors
/// `invalid_params` naming what is of no use, `denied` for a file of another user's, `overloaded` above the quota of handles.
pub fn session_new(call: &mut Call<'_>, params: SessionNew<'_>) -> Result<Made, CallError> {
    let trust = trust(call, &params)?;
    let proxies = proxies(&params)?;
    let fields = params.headers.unwrap_or_default();
    let session = Session {
        ways: Arc::new(Ways::new(trust, proxies)),
        names: fields.names().map(str::to_owned).collect(),
        headers: fields.headers()?,
        credentials: params
            .user
            .map(|user| (user.to_string(), params.password.map(|password| password.to_string()).unwrap_or_default())),
        cookies: params.cookies.is_none_or(|flag| flag.0).then(|| Mutex::new(CookieStore::default())),
        timeout: params.timeout.map_or(Ok(TIMEOUT), |seconds| inactivity(seconds.0))?,
        max_redirect: max_redirect(params.max_redirect)?.unwrap_or(MAX_REDIRECT),
        max_size: max_size(params.max_size)?,
        decode: params.decode.map(|flag| flag.0),
    };
    let id = call.handles().insert(KIND, Arc::new(session))?;
    Ok(Made { session_id: id.to_string() })
}

fn trust(call: &Call<'_>, params: &SessionNew<'_>) -> Result<Trust, CallError> {
    let authorities = match (&params.ca, &params.ca_file) {
        (Some(pem), _) => Some(pem.to_vec()),
        (None, Some(path)) => {
            let pem = read_pem(call, "ca_file", path)?;
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
    Trust::new(params.verify_ssl.is_some_and(|verify| !verify.0), Pem { authorities, client })
}

fn read_pem(call: &Call<'_>, parameter: &str, path: &str) -> Result<Vec<u8>, CallError> {
    let wanted = WantedFile {
        parameter,
        path,
        failed: "Failed to read the file",
        most: MAX_PEM,
        way_out: "read the file and send `ca`",
        send_content_as: None,
    };
    Ok(wanted.read(call)?.to_vec())
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

/// The parameters of `http_helper.session_free`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionFree<'a> {
    /// The session.
    #[serde(borrow)]
    session_id: Text<'a>,
}

/// The result of `http_helper.session_free` and `http_helper.close`.
#[derive(Serialize)]
pub struct Freed {
    /// Whether there was one.
    pub freed: bool,
}

/// `http_helper.session_free`; freeing twice is no error.
///
/// # Errors
/// `failed` without a broker.
pub fn session_free(call: &mut Call<'_>, params: SessionFree<'_>) -> Result<Freed, CallError> {
    Ok(Freed { freed: call.handles().remove(KIND, &params.session_id)? })
}

/// The parameters of `http_helper.session_cookies`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionCookies<'a> {
    /// The session.
    #[serde(borrow)]
    session_id: Text<'a>,
}

/// One cookie of a session.
#[derive(Serialize)]
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
