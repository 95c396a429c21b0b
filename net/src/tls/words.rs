//! What went wrong with a TLS connection, in words: OpenSSL's where people look them up, plain ones else.
//!
//! The library's own texts are made for its programmers. None of them is shown: what has no words here is told by the name
//! that the library has for it, written as words.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use std::fmt::Debug;

/// Why a certificate is not believed, in words. It travels through the library as an error of its own.
#[derive(Debug)]
pub struct Refusal(pub String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(CertificateError::Other(rustls::OtherError(std::sync::Arc::new(refusal))))
    }
}

/// The words for an error of the library.
pub fn of_error(error: &Error) -> String {
    let failed = |why: &str| format!("SSL connect attempt failed: {why}");
    match error {
        Error::InvalidCertificate(why) => format!("certificate verify failed: {}", of_certificate(why)),
        Error::InvalidCertRevocationList(why) => {
            format!("certificate verify failed: the revocation list is of no use ({})", spoken(why))
        }
        Error::AlertReceived(alert) => failed(&format!("the server refuses: {}", of_alert(*alert))),
        Error::PeerIncompatible(why) => failed(&of_incompatible(why)),
        Error::PeerMisbehaved(why) => failed(&format!("the server broke the rules of TLS ({})", spoken(why))),
        Error::InvalidMessage(why) => failed(&of_message(why)),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            failed("unexpected message: the server sent what has no place there")
        }
        Error::NoCertificatesPresented => failed("peer did not return a certificate"),
        Error::DecryptError => failed("decryption failed or bad record mac"),
        Error::EncryptError => failed("a message can't be encrypted"),
        Error::PeerSentOversizedRecord => failed("packet length too long"),
        Error::UnsupportedNameType => failed("the server's name is of a kind that certificates do not have"),
        Error::HandshakeNotComplete => failed("the handshake is not complete"),
        Error::NoApplicationProtocol => failed("the server speaks none of the application protocols"),
        Error::FailedToGetCurrentTime => failed("this host's clock can't be read, or stands before 1970"),
        Error::FailedToGetRandomBytes => failed("this host has no random numbers to give"),
        Error::InconsistentKeys(_) => failed("the key is not the certificate's"),
        Error::InvalidEncryptedClientHello(why) => failed(&spoken(why)),
        Error::Other(why) => match why.0.downcast_ref::<Refusal>() {
            Some(Refusal(words)) => words.clone(),
            None => failed(&plain(&why.to_string())),
        },
        Error::General(why) => failed(&plain(why)),
        other => failed(&spoken(other)),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Other(why) => {
            match (why.0.downcast_ref::<Refusal>(), why.0.downcast_ref::<webpki::Error>()) {
                (Some(Refusal(words)), _) => words.clone(),
                (None, Some(error)) => of_webpki(error),
                (None, None) => plain(&why.to_string()),
            }
        }
        CertificateError::UnknownIssuer => "unable to get local issuer certificate".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not yet valid".to_owned()
        }
        CertificateError::Revoked => "certificate revoked".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "hostname mismatch: the certificate is not valid for name of the server".to_owned()
        }
        CertificateError::BadSignature => "certificate signature failure".to_owned(),
        CertificateError::BadEncoding => "the certificate can't be read".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsupported certificate purpose: it is not for servers".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            of_webpki(&webpki::Error::SignatureAlgorithmMismatch)
        }
        other => spoken(other),
    }
}

/// The words for an error of the library that judges certificates, without those that name the certificate.
pub fn of_webpki(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer => "unable to get local issuer certificate".to_owned(),
        E::CertExpired { .. } | E::InvalidCertValidity => "certificate has expired".to_owned(),
        E::CertNotValidYet { .. } => "certificate is not yet valid".to_owned(),
        E::CertRevoked => "certificate revoked".to_owned(),
        E::CaUsedAsEndEntity => "the server shows the certificate of a certificate authority (CA:TRUE) that somebody \
             else issued; have one issued for the server with CA:FALSE, or put this one itself into the CA file"
            .to_owned(),
        E::EndEntityUsedAsCa => {
            "invalid CA certificate: an issuer's certificate is not that of a certificate authority \
             (no CA:TRUE)"
                .to_owned()
        }
        E::UnsupportedCertVersion => {
            "the certificate is of version 1 or 2, which names no hosts; have it issued anew as \
             version 3 with a subjectAltName, or put it itself into the CA file, or give its fingerprint"
                .to_owned()
        }
        E::InvalidSignatureForPublicKey => "certificate signature failure".to_owned(),
        E::PathLenConstraintViolated => "path length constraint exceeded".to_owned(),
        E::NameConstraintViolation => "permitted subtree violation".to_owned(),
        E::UnsupportedCriticalExtension => "unhandled critical extension".to_owned(),
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => {
            "unsupported certificate purpose: it is not for servers (extendedKeyUsage without serverAuth)".to_owned()
        }
        E::BadDer | E::BadDerTime | E::TrailingData(_) => "the certificate can't be read".to_owned(),
        E::SignatureAlgorithmMismatch
        | E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "its signature or key is of a kind that is not taken, as MD5, SHA-1 and RSA below 2048 bits".to_owned()
        }
        E::MaximumPathDepthExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumSignatureChecksExceeded
        | E::MaximumNameConstraintComparisonsExceeded => "certificate chain too long".to_owned(),
        other => spoken(other),
    }
}

fn of_alert(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::HandshakeFailure => "sslv3 alert handshake failure",
        AlertDescription::BadCertificate => "sslv3 alert bad certificate",
        AlertDescription::NoCertificate => "sslv3 alert no certificate",
        AlertDescription::UnsupportedCertificate => "sslv3 alert unsupported certificate",
        AlertDescription::CertificateRevoked => "sslv3 alert certificate revoked",
        AlertDescription::CertificateExpired => "sslv3 alert certificate expired",
        AlertDescription::CertificateUnknown => "sslv3 alert certificate unknown",
        AlertDescription::IllegalParameter => "sslv3 alert illegal parameter",
        AlertDescription::UnexpectedMessage => "sslv3 alert unexpected message",
        AlertDescription::BadRecordMac => "sslv3 alert bad record mac",
        AlertDescription::UnknownCA => "tlsv1 alert unknown ca",
        AlertDescription::ProtocolVersion => "tlsv1 alert protocol version",
        AlertDescription::UnrecognisedName => "tlsv1 unrecognized name",
        AlertDescription::CertificateRequired => "tlsv13 alert certificate required",
        AlertDescription::MissingExtension => "tlsv13 alert missing extension",
        AlertDescription::Unknown(number) => return format!("alert number {number}"),
        other => return format!("tlsv1 alert {}", spoken(&other)),
    };
    words.to_owned()
}

fn of_incompatible(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::ServerDoesNotSupportTls12Or13 => {
            "unsupported protocol: the server speaks nothing newer than TLS 1.1".to_owned()
        }
        PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "unsupported protocol: the server wants a version of TLS that was not allowed".to_owned()
        }
        PeerIncompatible::ServerRejectedEncryptedClientHello(_) => "the server rejects the encrypted hello".to_owned(),
        other => format!("the server can't be agreed with ({})", spoken(other)),
    }
}

fn of_message(why: &InvalidMessage) -> String {
    match why {
        InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion => {
            "wrong version number: what answers does not speak TLS".to_owned()
        }
        InvalidMessage::MessageTooLarge | InvalidMessage::HandshakePayloadTooLarge => {
            "packet length too long: what answers may not speak TLS".to_owned()
        }
        other => format!("the server sent a message that can't be read ({})", spoken(other)),
    }
}

/// The name that the library has for something, as words: `UnknownCA` is "unknown ca". What it carries is left out.
fn spoken(thing: &impl Debug) -> String {
    let text = format!("{thing:?}");
    let name: Vec<char> = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut words = String::new();
    for (index, letter) in name.iter().enumerate() {
        let after_small = index > 0 && !name[index - 1].is_ascii_uppercase();
        let before_small = name.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if index > 0 && letter.is_ascii_uppercase() && (after_small || before_small) {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// A text of the library's, if it is one that can be shown.
fn plain(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { "an error inside of the TLS library".to_owned() }
}

/// Whether a text is free of what programs write for programmers.
fn is_plain(text: &str) -> bool {
    let camel = text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        let letters: Vec<char> = word.chars().collect();
        // Names in certificates, as subjectAltName, are for people as well.
        letters[..1.min(letters.len())].iter().any(|first| first.is_uppercase())
            && letters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase())
    });
    !camel && !text.contains(['{', '}']) && !text.contains("Some(") && !text.contains("Other(")
}

/// A text of the system's, without the number that Rust adds.
pub fn of_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) if text.ends_with(')') => text[..at].to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests;
