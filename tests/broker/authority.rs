//! A certificate authority of a test's own, and servers with its certificates.

use crate::web::{Connection, Handler, Web, Wrap};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::net::TcpStream;
use std::sync::Arc;

/// A certificate and its key, PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    private: Vec<u8>,
}

impl Identity {
    /// The certificate's bytes.
    pub fn der(&self) -> &[u8] {
        &self.chain[0]
    }
}

/// The authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::made(name, |_| {})
    }

    /// One that is made as the test says.
    pub fn made(name: &str, make: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        make(&mut params);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for these names, good until that year.
    pub fn certify(&self, names: &[&str], until: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            chain: vec![certificate.der().clone()],
            private: key.serialize_der(),
        }
    }

    /// A certificate that is made as the test says, and signed by the authority, or by itself.
    pub fn certify_as(&self, own: bool, make: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2100, 1, 1));
        make(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = if own { params.self_signed(&key) } else { params.signed_by(&key, &self.issuer) }.unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            chain: vec![certificate.der().clone()],
            private: key.serialize_der(),
        }
    }

    /// A server with that certificate. It wants one from its clients if `wants` says whose.
    pub fn serve(identity: &Identity, wants: Option<&Self>, handler: Arc<Handler>) -> Web {
        Self::serve_versions(identity, wants, rustls::ALL_VERSIONS, handler)
    }

    /// As [`Self::serve`], with these versions of TLS.
    pub fn serve_versions(
        identity: &Identity,
        wants: Option<&Self>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        handler: Arc<Handler>,
    ) -> Web {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions);
        let builder = match wants {
            None => builder.unwrap().with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.unwrap().with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(identity.private.clone()).unwrap();
        let config = Arc::new(builder.with_single_cert(identity.chain.clone(), key).unwrap());
        let wrap: Arc<Wrap> = Arc::new(move |stream: TcpStream| {
            let session = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
            Ok(Box::new(StreamOwned::new(session, stream)) as Box<dyn Connection>)
        });
        Web::wrapped("https", wrap, handler)
    }
}
