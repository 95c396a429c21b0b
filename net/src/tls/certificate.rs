//! What a certificate says, for messages and for what the library that judges certificates does not do: certificates that
//! are trusted because they are themselves among the authorities, names by older rules, fingerprints of keys.
//!
//! Reading is not believing: whether the key is the server's is shown by the handshake alone.

use super::words::Refusal;
use kit::protocol::error::quote;
use rustls::pki_types::UnixTime;
use std::net::IpAddr;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName};
use x509_cert::time::Validity;
use x509_cert::{Certificate, Version};

/// `id-at-commonName`.
const COMMON_NAME: &str = "2.5.4.3";
/// `id-kp-serverAuth`, and any purpose.
const FOR_SERVERS: [&str; 2] = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug)]
pub struct Period(Validity);

impl Period {
    /// Whether it has come and is not over.
    ///
    /// # Errors
    /// Which of the two it is.
    pub fn judge(&self, now: UnixTime) -> Result<(), Refusal> {
        let Validity { not_before, not_after } = self.0;
        let now = std::time::Duration::from_secs(now.as_secs());
        if now < not_before.to_unix_duration() {
            return Err(Refusal(format!("certificate is not yet valid: it is from {not_before} on")));
        }
        if now > not_after.to_unix_duration() {
            return Err(Refusal(format!("certificate has expired: it was valid until {not_after}")));
        }
        Ok(())
    }
}

/// A certificate that was read.
pub struct Facts(Certificate);

impl Facts {
    /// Reads a certificate of any version; none if it can't be read.
    pub fn read(der: &[u8]) -> Option<Self> {
        Certificate::from_der(der).ok().map(Self)
    }

    /// Whose it is, as `CN=localhost,O=Example`.
    pub fn subject(&self) -> String {
        quote(&self.0.tbs_certificate.subject.to_string())
    }

    /// Whether it was issued in its own name.
    pub fn is_self_issued(&self) -> bool {
        self.0.tbs_certificate.issuer == self.0.tbs_certificate.subject
    }

    /// Whether its time has come and is not over.
    ///
    /// # Errors
    /// Which of the two it is.
    pub fn judge_time(&self, now: UnixTime) -> Result<(), Refusal> {
        self.period().judge(now)
    }

    /// From when until when it is good.
    pub fn period(&self) -> Period {
        Period(self.0.tbs_certificate.validity)
    }

    /// Whether it may vouch for others: an authority says so of itself, but for those of version 1 in their own name, which can't
    /// (RFC 5280, 4.2.1.9 and 4.2.1.3; X509_check_ca(3)).
    pub fn may_vouch(&self) -> bool {
        let is_authority = match self.0.tbs_certificate.get::<BasicConstraints>() {
            Ok(Some((_, constraints))) => constraints.ca,
            Ok(None) => self.0.tbs_certificate.version == Version::V1 && self.is_self_issued(),
            Err(_) => false,
        };
        is_authority && self.usage_permits(|usage| usage.key_cert_sign())
    }

    /// Whether its key may be used for TLS, as far as it says.
    pub fn may_serve(&self) -> bool {
        self.usage_permits(|usage| usage.digital_signature() || usage.key_encipherment() || usage.key_agreement())
    }

    fn usage_permits(&self, what: impl Fn(&KeyUsage) -> bool) -> bool {
        match self.0.tbs_certificate.get::<KeyUsage>() {
            Ok(None) => true,
            Ok(Some((_, usage))) => what(&usage),
            Err(_) => false,
        }
    }

    /// Whether it is limited to some names.
    pub fn limits_names(&self) -> bool {
        !matches!(self.0.tbs_certificate.get::<NameConstraints>(), Ok(None))
    }

    /// Whether it is for servers; one that does not say what it is for is.
    pub fn is_for_servers(&self) -> bool {
        match self.0.tbs_certificate.get::<ExtendedKeyUsage>() {
            Ok(None) => true,
            Ok(Some((_, usage))) => usage.0.iter().any(|purpose| FOR_SERVERS.contains(&purpose.to_string().as_str())),
            Err(_) => false,
        }
    }

    /// The hosts that it names in its subjectAltName. What is there and can't be read counts as a name of nobody's.
    pub fn names(&self) -> Names {
        let mut names = Names::default();
        match self.0.tbs_certificate.get::<SubjectAltName>() {
            Ok(None) => {}
            Ok(Some((_, alternative))) => {
                for name in alternative.0 {
                    match name {
                        GeneralName::DnsName(name) => names.hosts.push(name.to_string()),
                        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
                            [a, b, c, d] => names.addresses.push([*a, *b, *c, *d].into()),
                            bytes => {
                                let v6 = <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
                                names.addresses.extend(v6);
                            }
                        },
                        _ => {}
                    }
                }
            }
            Err(_) => names.hosts.push(String::new()),
        }
        names
    }

    /// Its common name, the last if there are more.
    pub fn common_name(&self) -> Option<String> {
        let parts = self.0.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
        let value = &parts.rev().find(|part| part.oid.to_string() == COMMON_NAME)?.value;
        match value.tag() {
            Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
            Tag::PrintableString => PrintableStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
            Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
            Tag::TeletexString => TeletexStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
            _ => None,
        }
    }

    /// The bits of its public key, which fingerprints of keys are made of.
    pub fn key_bits(&self) -> &[u8] {
        self.0.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes()
    }

    /// The public key with its kind, as DER.
    pub fn key(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject_public_key_info.to_der().ok()
    }
}

/// The hosts that a certificate names.
#[derive(Debug, Default)]
pub struct Names {
    /// By name.
    pub hosts: Vec<String>,
    /// By address.
    pub addresses: Vec<IpAddr>,
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MOST: usize = 8;
        let addresses = self.addresses.iter().map(ToString::to_string);
        let all: Vec<String> = self.hosts.iter().filter(|name| !name.is_empty()).cloned().chain(addresses).collect();
        let shown: Vec<_> = all.iter().take(MOST).map(|name| quote(name)).collect();
        f.write_str(&shown.join(", "))?;
        if all.len() > MOST { write!(f, " and {} more", all.len() - MOST) } else { Ok(()) }
    }
}
