//! TLS: what a caller asks of servers, and what connections are made with.
//!
//! Libraries check everything or nothing. Here it is done as IO::Socket::SSL documents it: who vouches, for which name, which fingerprints, versions and ciphers are told apart, and nothing that a
//! caller asks for is left out without a word.

mod authorities;
mod certificate;
mod ciphers;
mod fingerprint;
mod names;
mod peer;
mod verifier;
pub mod words;

pub use authorities::Authorities;
pub use peer::Peer;

use fingerprint::Fingerprint;
use kit::protocol::CallError;
use kit::protocol::error::quote;
use names::{Rules, Scheme};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, SupportedProtocolVersion, version};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use verifier::Verifier;
use zeroize::Zeroizing;

/// Certificates and keys as they were given, in PEM form.
#[derive(Default)]
pub struct Pem {
    /// Certificate authorities in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The certificate to show, with its chain, and its key.
    pub client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl Pem {
    fn size(&self) -> usize {
        let client = self.client.as_ref().map_or(0, |(certificate, key)| certificate.len() + key.len());
        self.authorities.as_ref().map_or(0, Vec::len) + client
    }
}

/// What a session says of TLS, as it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// Nobody has to vouch for a server, and its name is not compared.
    pub anybody: bool,
    /// A server's name is not compared.
    pub any_name: bool,
    /// The name to compare with, in place of the URL's.
    pub verify_name: Option<String>,
    /// The name to tell the server, in place of the URL's; empty for none.
    pub server_name: Option<String>,
    /// The rules for names.
    pub verify_cn: Option<String>,
    /// Fingerprints of the certificates that are believed.
    pub fingerprints: Vec<String>,
    /// Versions of TLS.
    pub versions: Vec<String>,
    /// Ciphers for TLS 1.2, in OpenSSL's form.
    pub ciphers: Option<String>,
    /// Cipher suites for TLS 1.3, in OpenSSL's form.
    pub ciphersuites: Option<String>,
    /// Curves.
    pub curves: Option<String>,
}

impl Wishes {
    fn size(&self) -> usize {
        let texts =
            [&self.verify_name, &self.server_name, &self.verify_cn, &self.ciphers, &self.ciphersuites, &self.curves];
        let lists = self.fingerprints.iter().chain(&self.versions).map(|text| 48 + 2 * text.len());
        texts.into_iter().flatten().map(String::len).sum::<usize>() + lists.sum::<usize>()
    }
}

/// What TLS is spoken with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// With servers.
    pub server: Arc<ClientConfig>,
    /// The name to tell a server, in place of its own (RFC 6066, 3).
    pub server_name: Option<ServerName<'static>>,
    /// With proxies that are spoken to by TLS themselves: what is said of servers is not meant for them.
    pub proxy: Arc<ClientConfig>,
}

/// What TLS connections are made with.
pub struct Trust {
    wishes: Wishes,
    pem: Pem,
    authorities: Option<Arc<Authorities>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    name: Option<ServerName<'static>>,
    server_name: Option<ServerName<'static>>,
    by_name: bool,
    rules: Option<Rules>,
    fingerprints: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Trust {
    /// What wishes and certificates come to.
    ///
    /// # Errors
    /// `invalid_params` for texts without certificates or keys, for a key that is not the certificate's, and for wishes that
    /// can't be granted.
    pub fn new(wishes: Wishes, pem: Pem) -> Result<Self, CallError> {
        let authorities = pem.authorities.as_deref().map(|text| certificates("ca", text)).transpose()?;
        let client = pem.client.as_ref().map(|(certificate, key)| client_certificate(certificate, key)).transpose()?;
        let scheme = wishes.verify_cn.as_deref().map(scheme).transpose()?;
        let fingerprints = wishes.fingerprints.iter().map(|text| Fingerprint::parse(text)).collect::<Result<_, _>>()?;
        let server_name = wishes.server_name.as_deref().filter(|name| !name.is_empty());
        // As IO::Socket::SSL has it, the name that is told is the one that is compared with, if there is no other.
        let name = wishes.verify_name.as_deref().map(|name| named("verify_name", name));
        let (provider, versions) = cryptography(&wishes)?;
        Ok(Self {
            authorities: authorities.map(|certificates| Arc::new(Authorities::new(certificates))),
            client,
            name: name.transpose()?,
            server_name: server_name.map(|name| named("server_name", name)).transpose()?,
            by_name: !wishes.any_name && scheme != Some(Scheme::None),
            rules: match scheme {
                Some(Scheme::By(rules)) => Some(rules),
                Some(Scheme::None) | None => None,
            },
            fingerprints,
            provider: Arc::new(provider),
            versions,
            wishes,
            pem,
        })
    }

    /// What it was made of.
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// The certificates that it was made of.
    pub fn pem(&self) -> &Pem {
        &self.pem
    }

    /// The bytes that it takes.
    pub fn size(&self) -> usize {
        let client = self.client.as_ref().map_or(0, |(chain, _)| chain.iter().map(|one| one.len() + 64).sum());
        let authorities = self.authorities.as_ref().map_or(0, |authorities| authorities.size());
        self.pem.size() + 2 * self.wishes.size() + authorities + client
    }

    /// For callers who say nothing of TLS; with `anybody`, nobody has to vouch for a server.
    pub fn plain(anybody: bool) -> Self {
        let wishes = Wishes { anybody, ..Wishes::default() };
        Self::new(wishes, Pem::default()).expect("no wish of these can be refused")
    }

    /// What connections are made with.
    ///
    /// # Errors
    /// `failed` if the host has no certificate authorities to trust.
    pub fn terms(&self) -> Result<Terms, CallError> {
        let authorities = if self.wishes.anybody {
            None
        } else {
            Some(match &self.authorities {
                Some(authorities) => Arc::clone(authorities),
                // Fingerprints decide alone: nobody has to vouch.
                None if !self.fingerprints.is_empty() => Arc::new(Authorities::new(Vec::new())),
                None => Authorities::of_system()?,
            })
        };
        let algorithms = self.provider.signature_verification_algorithms;
        let for_servers = Verifier {
            authorities: authorities.clone(),
            by_name: self.by_name,
            name: self.name.clone(),
            rules: self.rules,
            fingerprints: self.fingerprints.clone(),
            algorithms,
        };
        let for_proxies =
            Verifier { authorities, by_name: true, name: None, rules: None, fingerprints: Vec::new(), algorithms };
        let mut server = self.config(for_servers)?;
        server.enable_sni = self.wishes.server_name.as_deref() != Some("");
        Ok(Terms {
            server: Arc::new(server),
            server_name: self.server_name.clone(),
            proxy: Arc::new(self.config(for_proxies)?),
        })
    }

    fn config(&self, verifier: Verifier) -> Result<ClientConfig, CallError> {
        let failed = |error: rustls::Error| CallError::failed(words::of_error(&error));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&self.versions).map_err(failed)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        match &self.client {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(failed),
        }
    }
}

fn named(parameter: &str, name: &str) -> Result<ServerName<'static>, CallError> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        CallError::invalid(parameter, format!("parameter `{parameter}`: {} is no host's name or address", quote(name)))
    })
}

fn scheme(name: &str) -> Result<Scheme, CallError> {
    Scheme::named(name).ok_or_else(|| {
        let message = format!("parameter `verify_cn`: {} is no scheme that is known; http and none are", quote(name));
        CallError::invalid("verify_cn", message)
    })
}

/// The ciphers, curves and versions that wishes leave.
fn cryptography(wishes: &Wishes) -> Result<(CryptoProvider, Vec<&'static SupportedProtocolVersion>), CallError> {
    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    for text in &wishes.versions {
        let version = match text.as_str() {
            "1.2" => &version::TLS12,
            "1.3" => &version::TLS13,
            _ => {
                let message = format!("parameter `tls_versions`: {} is not spoken here; 1.2 and 1.3 are", quote(text));
                return Err(CallError::invalid("tls_versions", message));
            }
        };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    if versions.is_empty() {
        versions = rustls::ALL_VERSIONS.to_vec();
    }
    let old = wishes.ciphers.as_deref().map_or_else(|| Ok(ciphers::usual_old()), ciphers::old)?;
    let new = wishes.ciphersuites.as_deref().map_or_else(|| Ok(ciphers::usual_new()), ciphers::new)?;
    let kx_groups = wishes.curves.as_deref().map_or_else(|| Ok(ciphers::usual_curves()), ciphers::curves)?;
    let mut cipher_suites = new;
    cipher_suites.extend(old);
    versions.retain(|version| cipher_suites.iter().any(|suite| suite.version() == *version));
    cipher_suites.retain(|suite| versions.contains(&suite.version()));
    if versions.is_empty() {
        let message = "parameter `tls_versions`: the cipher suites that are left are for none of these versions";
        return Err(CallError::invalid("tls_versions", message));
    }
    Ok((CryptoProvider { cipher_suites, kx_groups, ..rustls::crypto::ring::default_provider() }, versions))
}

/// The certificates of a PEM text, given as `parameter`.
///
/// # Errors
/// `invalid_params` naming the parameter, for a text without any.
pub fn certificates(parameter: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CallError> {
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if found.is_empty() {
        let besides = if PrivateKeyDer::from_pem_slice(pem).is_ok() { ", but a private key" } else { "" };
        let message = format!("parameter `{parameter}` holds no certificate in PEM form{besides}");
        return Err(CallError::invalid(parameter, message));
    }
    Ok(found)
}

/// The certificate to show, with its key.
///
/// # Errors
/// `invalid_params` for texts without them, and for a key that is not the certificate's.
fn client_certificate(
    certificate: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CallError> {
    let chain = certificates("client_cert", certificate)?;
    let wrong = |why: &str| CallError::invalid("client_key", format!("parameter `client_key` {why}"));
    // The library takes what it gets and fails late, so it is checked here.
    let der = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| wrong("holds no private key in PEM form, or one with a password"))?;
    let signer = rustls::crypto::ring::sign::any_supported_type(&der)
        .map_err(|_| wrong("is of a kind that is not supported; RSA, ECDSA and Ed25519 are"))?;
    match rustls::sign::CertifiedKey::new(chain.clone(), signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => return Err(wrong("is not the certificate's")),
    }
    Ok((chain, der))
}
