//! Who is at the other end of a connection, in the words of OpenSSL's, which scripts know.

use super::ciphers;
use rustls::ProtocolVersion;
use rustls::client::ClientConnection;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::name::Name;

/// A name that is longer is told to nobody, in bytes as it is written out.
const MOST: usize = 16 << 10;

/// OpenSSL's short names for what names are made of; what has none is told by its number.
const SHORT: [(&str, &str); 34] = [
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.16", "postalAddress"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.18", "postOfficeBox"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.72", "role"),
    ("2.5.4.97", "organizationIdentifier"),
];

/// The other end of a connection of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The version, as `TLSv1_3`.
    pub version: &'static str,
    /// The cipher, as `TLS_AES_256_GCM_SHA384` or `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher: &'static str,
    /// Whose its certificate is, as `/C=DE/O=Example/CN=localhost`.
    pub subject: Option<String>,
    /// Who issued that.
    pub issuer: Option<String>,
}

impl Peer {
    /// Who it is, once the handshake is done.
    pub fn of(connection: &ClientConnection) -> Option<Self> {
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLSv1_2",
            ProtocolVersion::TLSv1_3 => "TLSv1_3",
            _ => return None,
        };
        let cipher = ciphers::name_of(connection.negotiated_cipher_suite()?);
        let own = connection.peer_certificates().and_then(<[_]>::first);
        let (subject, issuer) = own.map(|own| names(own)).unwrap_or_default();
        Some(Self { version, cipher, subject, issuer })
    }
}

fn names(der: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(certificate) = Certificate::from_der(der) else { return (None, None) };
    let certificate = certificate.tbs_certificate;
    (one_line(&certificate.subject), one_line(&certificate.issuer))
}

/// A name on one line, as `X509_NAME_oneline(3)` writes it.
fn one_line(name: &Name) -> Option<String> {
    let mut line = String::new();
    for part in name.0.iter().flat_map(|parts| parts.0.iter()) {
        line.push('/');
        line.push_str(&short(&part.oid));
        line.push('=');
        for byte in part.value.value() {
            match byte {
                // They begin the next part.
                b'/' | b'+' => line.extend(['\\', char::from(*byte)]),
                b' '..=b'~' => line.push(char::from(*byte)),
                other => line.push_str(&format!("\\x{other:02X}")),
            }
            if line.len() > MOST {
                return None;
            }
        }
    }
    Some(line)
}

fn short(oid: &ObjectIdentifier) -> String {
    let number = oid.to_string();
    SHORT.iter().find(|(other, _)| *other == number).map_or(number, |(_, short)| (*short).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn named(parts: &[(DnType, DnValue)]) -> Option<String> {
        let mut name = DistinguishedName::new();
        for (kind, value) in parts {
            name.push(kind.clone(), value.clone());
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = name;
        let own = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (subject, issuer) = names(own.der());
        assert_eq!(subject, issuer);
        subject
    }

    #[test]
    fn names_are_written_as_by_openssl() {
        let text = |text: &str| DnValue::Utf8String(text.to_owned());
        let custom = |number: &[u64]| DnType::CustomDnType(number.to_vec());
        // What openssl x509 -subject -nameopt compat of OpenSSL 3.0 says of such names.
        let parts = [
            (DnType::CountryName, text("DE")),
            (DnType::OrganizationName, text("Exa+mple/\u{e4}\\")),
            (custom(&[1, 2, 840, 113_549, 1, 9, 1]), text("a@b")),
            (custom(&[1, 2, 3, 4, 5]), text("x")),
            (DnType::CommonName, DnValue::BmpString("b\u{fc}".try_into().unwrap())),
        ];
        let expected = r"/C=DE/O=Exa\+mple\/\xC3\xA4\/emailAddress=a@b/1.2.3.4.5=x/CN=\x00b\x00\xFC";
        assert_eq!(named(&parts).as_deref(), Some(expected));
        assert_eq!(named(&[]).as_deref(), Some(""));
        assert_eq!(named(&[(DnType::CommonName, text(&"x".repeat(MOST)))]), None, "too long to be told");
        assert_eq!(names(b"nonsense"), (None, None));
    }
}
