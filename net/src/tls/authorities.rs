//! Who vouches for servers.

use super::certificate::{Facts, Period};
use super::words::Refusal;
use kit::protocol::{CallError, Code};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::sync::{Arc, OnceLock};

/// Certificate authorities, read.
#[derive(Debug)]
pub struct Authorities {
    // Those that may vouch for others, and until when.
    store: RootCertStore,
    periods: Vec<Period>,
    // As they came: a server that is named itself shows one of them.
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Those of these certificates.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let (mut store, mut periods) = (RootCertStore::empty(), Vec::new());
        for certificate in &certificates {
            let Some(read) = Facts::read(certificate).filter(Facts::may_vouch) else { continue };
            if store.add(certificate.clone()).is_ok() {
                periods.push(read.period());
            }
        }
        Self { store, periods, certificates }
    }

    /// The system's, from where OpenSSL would take them; `SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise. Read once.
    ///
    /// # Errors
    /// `failed` for a host that has none.
    pub fn of_system() -> Result<Arc<Self>, CallError> {
        static SYSTEM: OnceLock<Arc<Authorities>> = OnceLock::new();
        let system = SYSTEM.get_or_init(|| Arc::new(Self::new(rustls_native_certs::load_native_certs().certs)));
        if system.certificates.is_empty() {
            return Err(CallError::new(
                Code::Failed,
                "this host has no certificate authorities to check servers by; install its ca-certificates package, set \
                 SSL_CERT_FILE for the broker, or give `ca`",
            ));
        }
        Ok(Arc::clone(system))
    }

    /// Whether this very certificate is among them.
    pub fn have(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|other| other == certificate)
    }

    /// As the library wants them.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.store.roots
    }

    /// Whether one of them, as the library has it, can vouch at this time.
    ///
    /// # Errors
    /// Why not.
    pub fn judge_time(&self, anchor: &TrustAnchor<'_>, now: UnixTime) -> Result<(), Refusal> {
        let mut why = None;
        for (other, period) in self.store.roots.iter().zip(&self.periods) {
            let is_it =
                other.subject == anchor.subject && other.subject_public_key_info == anchor.subject_public_key_info;
            match is_it.then(|| period.judge(now)) {
                Some(Ok(())) => return Ok(()),
                Some(Err(refusal)) => why = Some(refusal),
                None => {}
            }
        }
        Err(why.unwrap_or_else(|| Refusal("unable to get local issuer certificate".to_owned())))
    }

    /// The bytes that they take.
    pub fn size(&self) -> usize {
        // Whole, and once more their names and keys.
        const EACH: usize = 256;
        self.certificates.iter().map(|certificate| EACH + 2 * certificate.len()).sum()
    }
}
