//! Whether a server is believed. That it has the key of the certificate that it shows is always asked for; the rest is as
//! the session says.

use super::authorities::Authorities;
use super::certificate::Facts;
use super::fingerprint::{self, Fingerprint};
use super::names::{Rules, matches};
use super::words::{Refusal, of_webpki};
use kit::protocol::error::quote;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, VerifiedPath};

/// What is asked of a server.
#[derive(Debug)]
pub struct Verifier {
    /// Who has to vouch for it; none if nobody has to.
    pub authorities: Option<Arc<Authorities>>,
    /// Whether its certificate has to be for its name.
    pub by_name: bool,
    /// The name to compare with in place of the one that the connection is for.
    pub name: Option<ServerName<'static>>,
    /// The rules for names that the script named.
    pub rules: Option<Rules>,
    /// Certificates that are believed, and then no others.
    pub fingerprints: Vec<Fingerprint>,
    /// The ways of signing that are taken.
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(end_entity, intermediates, server_name, now).map_err(|Refusal(why)| {
            let subject = Facts::read(end_entity).map(|facts| format!(" (certificate: {})", facts.subject()));
            Refusal(format!("{why}{}", subject.unwrap_or_default()))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(cert, |key| match key {
            None => crypto::verify_tls12_signature(message, cert, dss, &self.algorithms),
            Some(key) => self.verify_tls12_with_bare_key(message, key, dss),
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(cert, |key| match key {
            None => crypto::verify_tls13_signature(message, cert, dss, &self.algorithms),
            Some(key) => crypto::verify_tls13_signature_with_raw_key(message, key, dss, &self.algorithms),
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// Has a signature verified with the key of a certificate: by the certificate where the library reads it, otherwise by the
    /// bare key, as for a certificate of version 1.
    fn verify_signature(
        &self,
        cert: &CertificateDer<'_>,
        verify: impl FnOnce(Option<&SubjectPublicKeyInfoDer<'_>>) -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        if EndEntityCert::try_from(cert).is_ok() {
            return verify(None);
        }
        let key = Facts::read(cert).and_then(|facts| facts.key());
        let key = key.ok_or_else(|| Refusal("the certificate can't be read".to_owned()))?;
        verify(Some(&key.into()))
    }

    fn verify_tls12_with_bare_key(
        &self,
        message: &[u8],
        key: &SubjectPublicKeyInfoDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let refusal = |error: &webpki::Error| Error::from(Refusal(of_webpki(error)));
        let entity = RawPublicKeyEntity::try_from(key).map_err(|error| refusal(&error))?;
        let found = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let (_, algorithms) = found.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        // TLS 1.2 does not say which curve a signature is made with: each that may be is tried.
        let mut last = webpki::Error::SignatureAlgorithmMismatch;
        for algorithm in *algorithms {
            match entity.verify_signature(*algorithm, message, dss.signature()) {
                Ok(()) => return Ok(HandshakeSignatureValid::assertion()),
                Err(error @ webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => last = error,
                Err(error) => return Err(refusal(&error)),
            }
        }
        Err(refusal(&last))
    }

    fn judge(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let facts = Facts::read(shown);
        if !self.fingerprints.is_empty() {
            // A fingerprint says which certificate it is, whoever made it, for whom and until when.
            return if self.fingerprints.iter().any(|fingerprint| fingerprint.fits(shown, facts.as_ref())) {
                Ok(())
            } else {
                Err(Refusal(format!("the certificate has another fingerprint: {}", fingerprint::shown(shown))))
            };
        }
        let Some(authorities) = &self.authorities else { return Ok(()) };
        if facts.as_ref().is_some_and(|facts| !facts.may_serve()) {
            return Err(Refusal("unsuitable certificate purpose: its key usage does not permit TLS".to_owned()));
        }
        let mut names_are_limited = false;
        if authorities.have(shown) {
            // As OpenSSL has it: who is named as trusted needs nobody to vouch for him.
            let facts = facts.as_ref().ok_or_else(|| Refusal("the certificate can't be read".to_owned()))?;
            facts.judge_time(now)?;
            if !facts.is_for_servers() {
                return Err(Refusal(of_webpki(&webpki::Error::EmptyEkuExtension)));
            }
        } else {
            names_are_limited = self.judge_chain(authorities, shown, intermediates, facts.as_ref(), now)?;
        }
        if self.by_name {
            // What an authority is limited to is compared with alternative names only.
            let by_common_name = |facts: &Facts| facts.names().hosts.is_empty() && facts.names().addresses.is_empty();
            if names_are_limited && self.rules.is_some() && facts.as_ref().is_some_and(by_common_name) {
                return Err(Refusal(
                    "permitted subtree violation: its authority may vouch for some names only, and the certificate has a common \
                     name alone, which can't be held to that; it needs a subjectAltName"
                        .to_owned(),
                ));
            }
            self.judge_name(shown, facts.as_ref(), self.name.as_ref().unwrap_or(server))?;
        }
        Ok(())
    }

    fn judge_chain(
        &self,
        authorities: &Authorities,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        facts: Option<&Facts>,
        now: UnixTime,
    ) -> Result<bool, Refusal> {
        let plain = |error: &webpki::Error| Refusal(of_webpki(error));
        let certificate = EndEntityCert::try_from(shown).map_err(|error| plain(&error))?;
        let (algorithms, anchors) = (self.algorithms.all, authorities.anchors());
        let usage = KeyUsage::server_auth();
        let (limited, late) = (Cell::new(false), RefCell::new(None));
        let may_end_so = |path: &VerifiedPath<'_>| {
            authorities.judge_time(path.anchor(), now).map_err(|refusal| {
                late.replace(Some(refusal));
                webpki::Error::UnknownIssuer
            })?;
            let limits = |other: &CertificateDer<'_>| Facts::read(other).is_none_or(|facts| facts.limits_names());
            limited.set(path.anchor().name_constraints.is_some() || intermediates.iter().any(limits));
            Ok(())
        };
        let verified =
            certificate.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, Some(&may_end_so));
        let Err(error) = verified else { return Ok(limited.get()) };
        if let Some(Refusal(why)) = late.take() {
            return Err(Refusal(format!("the authority that vouches for it can't: {why}")));
        }
        let is_own = |facts: &Facts| facts.is_self_issued();
        Err(match (&error, facts) {
            (webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity, Some(facts)) if is_own(facts) => Refusal(
                "self-signed certificate; to trust it, put it itself into the CA file, or give its fingerprint"
                    .to_owned(),
            ),
            (webpki::Error::UnknownIssuer, _)
                if intermediates.iter().any(|other| Facts::read(other).as_ref().is_some_and(is_own)) =>
            {
                Refusal("self-signed certificate in certificate chain".to_owned())
            }
            (webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }, Some(facts)) => {
                // It may be an issuer's time that is over.
                facts.judge_time(now).err().unwrap_or_else(|| plain(&error))
            }
            _ => plain(&error),
        })
    }

    fn judge_name(
        &self,
        shown: &CertificateDer<'_>,
        facts: Option<&Facts>,
        host: &ServerName<'_>,
    ) -> Result<(), Refusal> {
        let good = match (self.rules, facts) {
            (Some(rules), Some(facts)) => rules.admit(facts, host),
            (Some(_), None) => false,
            (None, _) => EndEntityCert::try_from(shown)
                .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(host).is_ok()),
        };
        if good {
            return Ok(());
        }
        let wanted = quote(&host.to_str());
        let mut words = format!("hostname mismatch: the certificate is not valid for name {wanted}");
        if let Some(facts) = facts {
            let names = facts.names();
            let common = facts.common_name().is_some_and(|name| matches(&name, &host.to_str(), true));
            if !names.hosts.is_empty() || !names.addresses.is_empty() {
                words.push_str(&format!("; it is for {names}"));
            } else if common && self.rules.is_none() {
                words.push_str(
                    ", which is only its common name; that counts where `verify_cn` (SSL_verifycn_scheme) asks for it; \
                     better have it issued with a subjectAltName",
                );
            } else {
                words.push_str("; it names no host in a subjectAltName");
            }
        }
        Err(Refusal(words))
    }
}
