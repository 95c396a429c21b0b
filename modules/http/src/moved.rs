//! Sessions and bodies on their way to the program that takes this one's place. What is packed holds passwords, cookies and
//! keys.
//!
//! Connections to servers do not move: the first request there makes new ones. Streams can't move, being such a connection;
//! a reload waits for their end.

use super::agent::Ways;
use super::kept::{Collected, Open};
use super::session::Session;
use super::transport::CONNECTION_BYTES;
use cookie_store::{CookieStore, serde::json};
use kit::keep::{Keep, Shared, pack, text_bytes, unpack, unreadable};
use kit::protocol::{Buffer, CallError};
use net::proxy::{Proxies, ProxyAddress};
use net::tls::{Pem, Trust, Wishes};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue};

#[derive(Serialize, Deserialize)]
struct PackedSession {
    // The same for handles that share the session.
    number: u64,
    headers: Vec<(String, ByteBuf)>,
    names: Vec<String>,
    #[serde(default)]
    private: Vec<String>,
    credentials: Option<(Packed, Packed)>,
    cookies: Option<ByteBuf>,
    timeout: Duration,
    max_redirect: u32,
    max_size: Option<u64>,
    decode: Option<bool>,
    anybody: bool,
    // None from an earlier program, which knew of no others.
    #[serde(default)]
    wishes: Option<Wishes>,
    authorities: Option<ByteBuf>,
    client: Option<(ByteBuf, ByteBuf)>,
    http_proxy: Option<PackedProxy>,
    https_proxy: Option<PackedProxy>,
    exempt: Vec<String>,
}

/// Bytes; an earlier program packed text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Packed {
    Bytes(ByteBuf),
    Text(String),
}

impl Packed {
    fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.into_vec(),
            Self::Text(text) => text.into_bytes(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PackedProxy {
    url: String,
    credentials: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct PackedBody<'a> {
    session: PackedSession,
    #[serde(borrow)]
    pieces: Vec<&'a Bytes>,
}

impl Keep for Session {
    fn size(&self) -> usize {
        Session::size(self)
    }

    fn pack(&self) -> Result<Buffer, CallError> {
        pack(&packed(self)?)
    }
}

impl Keep for Collected {
    fn size(&self) -> usize {
        // The session may be its alone.
        self.length + self.pieces.len() * text_bytes(0) + self.session.size()
    }

    fn pack(&self) -> Result<Buffer, CallError> {
        let pieces = self.pieces.iter().map(|piece| Bytes::new(piece)).collect();
        pack(&PackedBody { session: packed(&self.session)?, pieces })
    }
}

impl Keep for Open {
    fn size(&self) -> usize {
        // As above; the connection holds on to it.
        CONNECTION_BYTES + self.session.size()
    }
}

/// Makes a session of what another program packed.
///
/// # Errors
/// `internal` for what is no such thing.
pub fn unpack_session(packed: &[u8], shared: &mut Shared) -> Result<Arc<Session>, CallError> {
    made(unpack(packed)?, shared)
}

/// Makes a body of what another program packed.
///
/// # Errors
/// `internal` for what is no such thing.
pub fn unpack_body(packed: &[u8], shared: &mut Shared) -> Result<Collected, CallError> {
    let PackedBody { session, pieces } = unpack(packed)?;
    let pieces: Vec<Vec<u8>> = pieces.into_iter().map(|piece| piece.to_vec()).collect();
    let length = pieces.iter().map(Vec::len).sum();
    Ok(Collected { pieces, length, session: made(session, shared)? })
}

fn packed(session: &Session) -> Result<PackedSession, CallError> {
    let bytes = |bytes: &[u8]| ByteBuf::from(bytes);
    let proxy = |proxy: &Option<ProxyAddress>| {
        proxy.as_ref().map(|proxy| PackedProxy { url: proxy.url.clone(), credentials: proxy.credentials.clone() })
    };
    let (trust, proxies) = (session.ways.trust(), session.ways.proxies());
    let Pem { authorities, client } = trust.pem();
    Ok(PackedSession {
        number: std::ptr::from_ref(session) as u64,
        headers: session.headers.iter().map(|(name, value)| (name.to_string(), bytes(value.as_bytes()))).collect(),
        names: session.names.clone(),
        private: session.private.clone(),
        credentials: session
            .credentials
            .as_ref()
            .map(|(user, password)| (Packed::Bytes(bytes(user)), Packed::Bytes(bytes(password)))),
        cookies: session.cookies.as_ref().map(packed_cookies).transpose()?,
        timeout: session.timeout,
        max_redirect: session.max_redirect,
        max_size: session.max_size,
        decode: session.decode,
        anybody: trust.wishes().anybody,
        wishes: Some(trust.wishes().clone()),
        authorities: authorities.as_deref().map(bytes),
        client: client.as_ref().map(|(certificate, key)| (bytes(certificate), bytes(key))),
        http_proxy: proxy(&proxies.http),
        https_proxy: proxy(&proxies.https),
        exempt: proxies.exempt.clone(),
    })
}

fn packed_cookies(jar: &Mutex<CookieStore>) -> Result<ByteBuf, CallError> {
    let jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = Vec::new();
    // Cookies without an end last as long as the session, which goes on.
    json::save_incl_expired_and_nonpersistent(&jar, &mut text)
        .map_err(|error| CallError::failed(format!("cookies can't be packed: {error}")))?;
    Ok(ByteBuf::from(text))
}

fn made(packed: PackedSession, shared: &mut Shared) -> Result<Arc<Session>, CallError> {
    shared.get_or_make(packed.number, || {
        let proxy = |packed: Option<PackedProxy>| {
            packed.map(|PackedProxy { url, credentials }| ProxyAddress { url, credentials })
        };
        let pem = Pem {
            authorities: packed.authorities.map(ByteBuf::into_vec),
            client: packed.client.map(|(certificate, key)| (certificate.into_vec(), key.into_vec().into())),
        };
        let proxies =
            Proxies { http: proxy(packed.http_proxy), https: proxy(packed.https_proxy), exempt: packed.exempt };
        let wishes = packed.wishes.unwrap_or(Wishes { anybody: packed.anybody, ..Wishes::default() });
        let mut session = Session {
            ways: Ways::new(Trust::new(wishes, pem)?, proxies, None),
            headers: packed.headers.iter().map(header).collect::<Result<_, _>>()?,
            names: packed.names,
            private: packed.private,
            credentials: packed.credentials.map(|(user, password)| (user.into_vec(), password.into_vec())),
            cookies: packed.cookies.map(|text| cookies(&text)).transpose()?.map(Mutex::new),
            timeout: packed.timeout,
            max_redirect: packed.max_redirect,
            max_size: packed.max_size,
            decode: packed.decode,
            weight: 0,
            cookie_bytes: AtomicUsize::new(0),
            lent: AtomicUsize::new(0),
        };
        session.weigh();
        Ok(session)
    })
}

fn header((name, value): &(String, ByteBuf)) -> Result<(HeaderName, HeaderValue), CallError> {
    let unreadable = || unreadable("an HTTP session's headers");
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unreadable())?;
    Ok((name, HeaderValue::from_bytes(value).map_err(|_| unreadable())?))
}

fn cookies(text: &[u8]) -> Result<CookieStore, CallError> {
    json::load_all(text).map_err(|_| unreadable("an HTTP session's cookies"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    fn session() -> Arc<Session> {
        let mut jar = CookieStore::default();
        let url = Url::parse("https://www.example.com/a/").unwrap();
        for cookie in
            ["sid=1; HttpOnly", "kept=2; Max-Age=3600; Secure; Domain=example.com; Path=/", "gone=3; Max-Age=0"]
        {
            jar.parse(cookie, &url).map(|_| ()).unwrap_or_default();
        }
        let proxy = ProxyAddress::parse("http://user:secret@proxy.example:3128").unwrap();
        let proxies = Proxies { http: Some(proxy), https: None, exempt: vec!["localhost".to_owned()] };
        let mut session = Session::none(true);
        let wishes = Wishes {
            any_name: true,
            verify_name: Some("other.example".to_owned()),
            server_name: Some(String::new()),
            verify_cn: Some("http".to_owned()),
            fingerprints: vec![format!("sha256${}", "0".repeat(64))],
            versions: vec!["1.3".to_owned()],
            ciphers: Some("HIGH:!CHACHA20".to_owned()),
            ..Wishes::default()
        };
        session.ways = Ways::new(Trust::new(wishes, Pem::default()).unwrap(), proxies, None);
        session.private = vec!["x-api-key".to_owned()];
        session.headers = vec![(HeaderName::from_static("x-odd"), HeaderValue::from_bytes(b"caf\xe9").unwrap())];
        session.names = vec!["X-Odd".to_owned()];
        session.credentials = Some((b"alice".to_vec(), b"s\xe4cret".to_vec()));
        session.cookies = Some(Mutex::new(jar));
        session.timeout = Duration::from_millis(1500);
        session.max_redirect = 3;
        session.max_size = Some(1 << 40);
        session.decode = Some(false);
        Arc::new(session)
    }

    fn sent(session: &Session, url: &str) -> Vec<String> {
        let jar = session.cookies.as_ref().unwrap().lock().unwrap();
        let mut sent: Vec<String> =
            jar.get_request_values(&Url::parse(url).unwrap()).map(|(name, value)| format!("{name}={value}")).collect();
        sent.sort();
        sent
    }

    #[test]
    fn a_session_arrives_as_it_left() {
        let before = session();
        let after = unpack_session(before.pack().unwrap().as_slice(), &mut Shared::default()).unwrap();
        assert_eq!(
            (&after.headers, &after.names, &after.credentials),
            (&before.headers, &before.names, &before.credentials)
        );
        assert_eq!(
            (after.timeout, after.max_redirect, after.max_size, after.decode),
            (before.timeout, before.max_redirect, before.max_size, before.decode)
        );
        assert_eq!(after.private, before.private);
        assert_eq!(after.ways.trust().wishes(), before.ways.trust().wishes());
        let proxies = (after.ways.proxies(), before.ways.proxies());
        assert_eq!(
            (&proxies.0.http, &proxies.0.https, &proxies.0.exempt),
            (&proxies.1.http, &proxies.1.https, &proxies.1.exempt)
        );
        for url in [
            "https://www.example.com/a/b",
            "http://www.example.com/a/",
            "https://example.com/",
            "https://other.example/",
        ] {
            assert_eq!(sent(&after, url), sent(&before, url), "{url}");
        }
        assert_eq!(sent(&after, "https://www.example.com/a/b"), ["kept=2", "sid=1"]);
    }

    #[test]
    fn a_body_and_its_session_stay_together() {
        let session = session();
        let body = Collected { pieces: vec![b"ab".to_vec(), b"c".to_vec()], length: 3, session: Arc::clone(&session) };
        let (body, session) = (body.pack().unwrap(), session.pack().unwrap());
        let mut shared = Shared::default();
        let session = unpack_session(session.as_slice(), &mut shared).unwrap();
        let body = unpack_body(body.as_slice(), &mut shared).unwrap();
        assert!(Arc::ptr_eq(&session, &body.session), "cookies are kept for both");
        assert_eq!((body.length, body.pieces.concat()), (3, b"abc".to_vec()));
    }
}
