use super::*;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{
    CertRevocationListError, ContentType, EncryptedClientHelloError, HandshakeType, InconsistentKeys, OtherError,
    PeerMisbehaved,
};
use std::sync::Arc;
use std::time::Duration;

/// Every error of the library that can be made from outside of it.
fn all() -> Vec<Error> {
    use rustls::CertificateError as C;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
    let other = |error: webpki::Error| OtherError(Arc::new(error));
    let mut errors = vec![
        Error::InappropriateMessage { expect_types: vec![ContentType::Alert], got_type: ContentType::Handshake },
        Error::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::ClientHello],
            got_type: HandshakeType::Finished,
        },
        Error::NoCertificatesPresented,
        Error::UnsupportedNameType,
        Error::DecryptError,
        Error::EncryptError,
        Error::General("no usable cipher suites configured".to_owned()),
        Error::General("InvalidThing { why: Some(3) }".to_owned()),
        Error::FailedToGetCurrentTime,
        Error::FailedToGetRandomBytes,
        Error::HandshakeNotComplete,
        Error::PeerSentOversizedRecord,
        Error::NoApplicationProtocol,
        Error::BadMaxFragmentSize,
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        Error::InconsistentKeys(InconsistentKeys::Unknown),
        Error::Other(other(webpki::Error::BadDer)),
        Error::InvalidCertRevocationList(CertRevocationListError::Other(other(webpki::Error::BadDer))),
        Error::InvalidCertRevocationList(CertRevocationListError::UnsupportedCriticalExtension),
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::InvalidConfigList),
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::NoCompatibleConfig),
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::SniRequired),
    ];
    errors.extend((0..=255).map(|number| Error::AlertReceived(AlertDescription::from(number))));
    let certificates = [
        C::BadEncoding,
        C::Expired,
        C::ExpiredContext { time, not_after: time },
        C::NotValidYet,
        C::NotValidYetContext { time, not_before: time },
        C::Revoked,
        C::UnhandledCriticalExtension,
        C::UnknownIssuer,
        C::UnknownRevocationStatus,
        C::ExpiredRevocationList,
        C::ExpiredRevocationListContext { time, next_update: time },
        C::BadSignature,
        C::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: vec![1], supported_algorithms: vec![] },
        C::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        },
        C::NotValidForName,
        C::NotValidForNameContext {
            expected: ServerName::try_from("localhost").unwrap(),
            presented: vec!["DnsName(\"a\")".to_owned()],
        },
        C::InvalidPurpose,
        C::InvalidPurposeContext { required: rustls::ExtendedKeyPurpose::ServerAuth, presented: vec![] },
        C::InvalidOcspResponse,
        C::ApplicationVerificationFailure,
        C::Other(OtherError(Arc::new(std::fmt::Error))),
    ];
    errors.extend(certificates.map(Error::InvalidCertificate));
    errors.extend(judgements().into_iter().map(|error| Error::InvalidCertificate(C::Other(other(error)))));
    errors.extend(misbehaved().map(Error::PeerMisbehaved));
    errors.extend(incompatible().map(Error::PeerIncompatible));
    errors.extend(messages().map(Error::InvalidMessage));
    errors
}

fn judgements() -> Vec<webpki::Error> {
    use webpki::Error as E;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(1));
    vec![
        E::BadDer,
        E::BadDerTime,
        E::CaUsedAsEndEntity,
        E::CertExpired { time, not_after: time },
        E::CertNotValidYet { time, not_before: time },
        E::CertRevoked,
        E::CrlExpired { time, next_update: time },
        E::EmptyEkuExtension,
        E::EndEntityUsedAsCa,
        E::ExtensionValueInvalid,
        E::InvalidCertValidity,
        E::InvalidNetworkMaskConstraint,
        E::InvalidSerialNumber,
        E::InvalidSignatureForPublicKey,
        E::MalformedDnsIdentifier,
        E::MalformedExtensions,
        E::MalformedNameConstraint,
        E::MaximumNameConstraintComparisonsExceeded,
        E::MaximumPathBuildCallsExceeded,
        E::MaximumPathDepthExceeded,
        E::MaximumSignatureChecksExceeded,
        E::NameConstraintViolation,
        E::PathLenConstraintViolated,
        E::SignatureAlgorithmMismatch,
        E::UnknownIssuer,
        E::UnknownRevocationStatus,
        E::UnsupportedCertVersion,
        E::UnsupportedCriticalExtension,
        E::UnsupportedNameType,
    ]
}

fn misbehaved() -> [PeerMisbehaved; 12] {
    use PeerMisbehaved as P;
    [
        P::AttemptedDowngradeToTls12WhenTls13IsSupported,
        P::BadCertChainExtensions,
        P::IllegalHelloRetryRequestWithInvalidEch,
        P::IncorrectBinder,
        P::InvalidKeyShare,
        P::KeyUpdateReceivedInQuicConnection,
        P::MissingQuicTransportParameters,
        P::SelectedTls12UsingTls13VersionExtension,
        P::SelectedUnofferedKxGroup,
        P::SignedHandshakeWithUnadvertisedSigScheme,
        P::TooManyRenegotiationRequests,
        P::UnsolicitedSctList,
    ]
}

fn incompatible() -> [PeerIncompatible; 23] {
    use PeerIncompatible as P;
    [
        P::EcPointsExtensionRequired,
        P::ExtendedMasterSecretExtensionRequired,
        P::IncorrectCertificateTypeExtension,
        P::KeyShareExtensionRequired,
        P::NamedGroupsExtensionRequired,
        P::NoCertificateRequestSignatureSchemesInCommon,
        P::NoCipherSuitesInCommon,
        P::NoEcPointFormatsInCommon,
        P::NoKxGroupsInCommon,
        P::NoSignatureSchemesInCommon,
        P::NullCompressionRequired,
        P::ServerDoesNotSupportTls12Or13,
        P::ServerSentHelloRetryRequestWithUnknownExtension,
        P::ServerTlsVersionIsDisabledByOurConfig,
        P::SignatureAlgorithmsExtensionRequired,
        P::SupportedVersionsExtensionRequired,
        P::Tls12NotOffered,
        P::Tls12NotOfferedOrEnabled,
        P::Tls13RequiredForQuic,
        P::UncompressedEcPointsRequired,
        P::UnsolicitedCertificateTypeExtension,
        P::ServerRejectedEncryptedClientHello(None),
        P::ServerRejectedEncryptedClientHello(Some(vec![])),
    ]
}

fn messages() -> [InvalidMessage; 27] {
    use InvalidMessage as M;
    [
        M::CertificatePayloadTooLarge,
        M::HandshakePayloadTooLarge,
        M::InvalidCcs,
        M::InvalidContentType,
        M::InvalidCertificateStatusType,
        M::InvalidCertRequest,
        M::InvalidDhParams,
        M::InvalidEmptyPayload,
        M::InvalidKeyUpdate,
        M::InvalidServerName,
        M::MessageTooLarge,
        M::MessageTooShort,
        M::MissingData("ServerHello"),
        M::MissingKeyExchange,
        M::NoSignatureSchemes,
        M::TrailingData("ServerHello"),
        M::UnexpectedMessage("Finished"),
        M::UnknownProtocolVersion,
        M::UnsupportedCompression,
        M::UnsupportedCurveType,
        M::EmptyTicketValue,
        M::IllegalEmptyList("Extensions"),
        M::IllegalEmptyValue,
        M::DuplicateExtension(7),
        M::PreSharedKeyIsNotFinalExtension,
        M::UnknownHelloRetryRequestExtension,
        M::UnknownCertificateExtension,
    ]
}

#[test]
fn no_error_is_told_in_the_words_of_programs() {
    let errors = all();
    assert!(errors.len() > 350, "{}", errors.len());
    for error in errors {
        let words = of_error(&error);
        assert!(is_plain(&words), "{error:?}: {words}");
        let known = ["certificate verify failed: ", "SSL connect attempt failed: "];
        assert!(known.iter().any(|known| words.len() > known.len() + 3 && words.starts_with(known)), "{words}");
    }
}

#[test]
fn names_of_the_library_become_words() {
    assert_eq!(spoken(&AlertDescription::UnknownCA), "unknown ca");
    assert_eq!(spoken(&AlertDescription::UnknownPSKIdentity), "unknown psk identity");
    assert_eq!(spoken(&InvalidMessage::MissingData("X")), "missing data");
    assert!(
        !is_plain("CamelCase") && !is_plain("a { b }") && !is_plain("Some(1)") && is_plain("CN=example.com, TLS 1.2")
    );
}

#[test]
fn what_is_looked_up_is_in_openssls_words() {
    let of = |error: Error| of_error(&error);
    assert!(of(Error::AlertReceived(AlertDescription::ProtocolVersion)).contains("tlsv1 alert protocol version"));
    assert!(of(Error::InvalidMessage(InvalidMessage::InvalidContentType)).contains("wrong version number"));
    let refusal = of(Refusal("certificate has expired (certificate: CN=x)".to_owned()).into());
    assert_eq!(refusal, "certificate verify failed: certificate has expired (certificate: CN=x)");
}

#[test]
fn the_systems_words_come_without_their_number() {
    assert_eq!(of_io(&std::io::Error::from_raw_os_error(111)), "Connection refused");
    assert_eq!(of_io(&std::io::Error::other("so it is")), "so it is");
}
