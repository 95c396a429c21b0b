//! OpenSSL's strings for ciphers, versions and curves, for the suites that there are.
//!
//! Every suite here exchanges keys by ECDHE and protects by AES-GCM or ChaCha20. A string can only take some of them away, or
//! reorder them: nothing that it says makes a connection weaker. Names of suites that are not among them add nothing; words
//! that nobody knows are refused, and so is a string that leaves nothing.

use kit::protocol::CallError;
use kit::protocol::error::quote;
use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::cipher_suite as suite;
use rustls::crypto::ring::kx_group;

struct Known {
    name: &'static str,
    standard: &'static str,
    suite: SupportedCipherSuite,
    // What it is, besides what all are.
    tags: &'static [&'static str],
    bits: u16,
}

// In OpenSSL's order.
const OLD: [Known; 6] = [
    Known {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        standard: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        tags: &["aECDSA", "ECDSA", "AES", "AESGCM", "AES256", "FIPS"],
        bits: 256,
    },
    Known {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        standard: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        suite: suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        tags: &["aRSA", "AES", "AESGCM", "AES256", "FIPS"],
        bits: 256,
    },
    Known {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        standard: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        suite: suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        tags: &["aECDSA", "ECDSA", "CHACHA20"],
        bits: 256,
    },
    Known {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        standard: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        suite: suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        tags: &["aRSA", "CHACHA20"],
        bits: 256,
    },
    Known {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        standard: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        tags: &["aECDSA", "ECDSA", "AES", "AESGCM", "AES128", "FIPS"],
        bits: 128,
    },
    Known {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        standard: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        suite: suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        tags: &["aRSA", "AES", "AESGCM", "AES128", "FIPS"],
        bits: 128,
    },
];

/// What all of them are.
const COMMON: [&str; 10] = ["ALL", "DEFAULT", "HIGH", "kECDHE", "kEECDH", "ECDHE", "EECDH", "ECDH", "TLSv1.2", "AEAD"];
/// What none of them is, so that it can be excluded, or named in vain.
const ABSENT: &str = "COMPLEMENTOFALL COMPLEMENTOFDEFAULT MEDIUM LOW EXP EXPORT EXPORT40 EXPORT56 eNULL NULL aNULL kRSA RSA \
    kDHE kEDH DHE EDH DH ADH AECDH kDHr kDHd kDH kECDHr kECDHe kECDH aDSS DSS aDH aECDH PSK kPSK kECDHEPSK kDHEPSK kRSAPSK \
    aPSK SRP kSRP aSRP RC4 RC2 DES 3DES IDEA SEED CAMELLIA CAMELLIA128 CAMELLIA256 ARIA ARIA128 ARIA256 ARIAGCM AESCCM \
    AESCCM8 GOST94 GOST89MAC aGOST aGOST01 aGOST12 kGOST kGOST18 GOST12 MD5 SHA SHA1 SHA256 SHA384 TLSv1.0 TLSv1 SSLv3 SSLv2 \
    kFZA aFZA eFZA FZA CBC";
const NEW: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
];
const NEW_ABSENT: [&str; 2] = ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"];
/// The security level of OpenSSL that everything here has: 112 bits, RSA of 2048.
const LEVEL: u8 = 2;

fn wrong(parameter: &str, text: &str, why: &str) -> CallError {
    CallError::invalid(parameter, format!("parameter `{parameter}`: {} {why}", quote(text)))
}

impl Known {
    fn is(&self, word: &str) -> bool {
        self.name == word || self.standard == word || self.tags.contains(&word) || COMMON.contains(&word)
    }
}

/// What OpenSSL calls a suite.
pub fn name_of(suite: SupportedCipherSuite) -> &'static str {
    let old = OLD.iter().find(|known| known.suite == suite).map(|known| known.name);
    let new = NEW.iter().find(|(_, known)| *known == suite).map(|(name, _)| *name);
    old.or(new).unwrap_or_default()
}

/// Whether a word may stand in a list at all.
fn is_known(word: &str) -> bool {
    let named = OLD.iter().any(|known| known.is(word)) || ABSENT.split_whitespace().any(|absent| absent == word);
    // A suite that is not among ours: AES128-SHA, TLS_RSA_WITH_AES_128_CBC_SHA.
    let parts = |split: char| word.split(split).filter(|part| !part.is_empty()).count();
    let letters = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    named || letters && (parts('-') >= 2 || word.starts_with("TLS_") && parts('_') >= 4)
}

/// The suites for TLS 1.2 that a list of OpenSSL's leaves, in its order (`SSL_cipher_list`).
///
/// # Errors
/// `invalid_params` for a word that is not known, and for a list that leaves nothing.
pub fn old(list: &str) -> Result<Vec<SupportedCipherSuite>, CallError> {
    let wrong = |why: &str| wrong("ciphers", list, why);
    let mut left: Vec<&Known> = Vec::new();
    let mut barred: Vec<&Known> = Vec::new();
    for word in list.split([':', ',', ' ', ';']).map(str::trim).filter(|word| !word.is_empty()) {
        let word = match word.split_once("@SECLEVEL=") {
            None => word,
            Some((rest, level)) => {
                if level.parse::<u8>().is_ok_and(|level| level <= LEVEL) {
                    rest
                } else {
                    return Err(wrong("asks for a security level that can't be promised; 0 to 2 can"));
                }
            }
        };
        if word == "@STRENGTH" {
            left.sort_by_key(|known| std::cmp::Reverse(known.bits));
            continue;
        }
        let (sign, word) = match word.chars().next() {
            Some(sign @ ('!' | '-' | '+')) => (sign, &word[1..]),
            Some(_) => (' ', word),
            None => continue,
        };
        let parts: Vec<&str> = word.split('+').collect();
        if let Some(odd) = parts.iter().find(|part| !is_known(part)) {
            return Err(wrong(&format!("holds {}, which is no cipher or group of ciphers that is known", quote(odd))));
        }
        let chosen: Vec<&Known> = OLD.iter().filter(|known| parts.iter().all(|part| known.is(part))).collect();
        let is_chosen = |known: &&Known| chosen.iter().any(|other| other.name == known.name);
        match sign {
            '!' => {
                left.retain(|known| !is_chosen(known));
                barred.extend(&chosen);
            }
            '-' => left.retain(|known| !is_chosen(known)),
            '+' => {
                let (moved, stay): (Vec<&Known>, Vec<&Known>) = left.iter().partition(|known| is_chosen(known));
                left = stay;
                left.extend(moved);
            }
            _ => {
                let new = |known: &&&Known| !left.iter().chain(&barred).any(|other| other.name == known.name);
                let added: Vec<&Known> = chosen.iter().filter(new).copied().collect();
                left.extend(added);
            }
        }
    }
    if left.is_empty() {
        return Err(wrong(
            "leaves no cipher that there is (no cipher match); for TLS 1.2 there are ECDHE with AES-GCM or ChaCha20",
        ));
    }
    Ok(left.iter().map(|known| known.suite).collect())
}

/// The suites for TLS 1.3 of a list of names (`SSL_ciphersuites`); an empty one leaves TLS 1.3 out.
///
/// # Errors
/// `invalid_params` for a name that is none, and for a list of which there is nothing.
pub fn new(list: &str) -> Result<Vec<SupportedCipherSuite>, CallError> {
    let wrong = |why: &str| wrong("ciphersuites", list, why);
    let mut left = Vec::new();
    let names: Vec<&str> = list.split(':').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in &names {
        match NEW.iter().find(|(known, _)| known == name) {
            Some((_, suite)) if !left.contains(suite) => left.push(*suite),
            Some(_) => {}
            None if NEW_ABSENT.contains(name) => {}
            None => return Err(wrong(&format!("holds {}, which is no cipher suite of TLS 1.3", quote(name)))),
        }
    }
    if left.is_empty() && !names.is_empty() {
        return Err(wrong("leaves no cipher suite that there is; TLS_AES_256_GCM_SHA384 is one"));
    }
    Ok(left)
}

/// What is offered if nobody says otherwise.
pub fn usual_old() -> Vec<SupportedCipherSuite> {
    OLD.iter().map(|known| known.suite).collect()
}

/// What is offered for TLS 1.3 if nobody says otherwise.
pub fn usual_new() -> Vec<SupportedCipherSuite> {
    NEW.iter().map(|(_, suite)| *suite).collect()
}

/// The curves of a list (`SSL_ecdh_curve`).
///
/// # Errors
/// `invalid_params` for a name that is none, and for a list of which there is nothing.
pub fn curves(list: &str) -> Result<Vec<&'static dyn SupportedKxGroup>, CallError> {
    let wrong = |why: &str| wrong("curves", list, why);
    let mut left: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for name in list.split(':').map(str::trim).filter(|name| !name.is_empty()) {
        let group = match name.to_ascii_lowercase().as_str() {
            "auto" => return Ok(usual_curves()),
            "x25519" => kx_group::X25519,
            "p-256" | "prime256v1" | "secp256r1" => kx_group::SECP256R1,
            "p-384" | "secp384r1" => kx_group::SECP384R1,
            "p-521" | "secp521r1" | "x448" => continue,
            other => return Err(wrong(&format!("holds {}, which is no curve that is known", quote(other)))),
        };
        if !left.iter().any(|other| other.name() == group.name()) {
            left.push(group);
        }
    }
    if left.is_empty() {
        return Err(wrong("leaves no curve that there is; X25519, P-256 and P-384 are"));
    }
    Ok(left)
}

/// The curves that are offered if nobody says otherwise.
pub fn usual_curves() -> Vec<&'static dyn SupportedKxGroup> {
    rustls::crypto::ring::ALL_KX_GROUPS.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let suites = old(list).unwrap();
        suites.iter().map(|suite| OLD.iter().find(|known| known.suite == *suite).unwrap().name).collect()
    }

    #[test]
    fn a_list_takes_away_and_reorders() {
        let all: Vec<_> = OLD.iter().map(|known| known.name).collect();
        for list in ["DEFAULT", "ALL:!LOW:!EXP:!aNULL", "HIGH !MD5 !RC4", "DEFAULT@SECLEVEL=1", "ECDHE:AES128-SHA:kRSA"]
        {
            assert_eq!(names(list), all, "{list}");
        }
        assert_eq!(names("ECDHE-RSA-AES128-GCM-SHA256"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(names("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(
            names("aRSA+CHACHA20:AES128+ECDSA"),
            ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"]
        );
        assert_eq!(names("ALL:!AES:+ECDSA"), ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"]);
        assert_eq!(names("AES128:CHACHA20:!aECDSA:@STRENGTH")[1], "ECDHE-RSA-AES128-GCM-SHA256");
        assert_eq!(names("ALL:-ALL:AES256:!ECDSA:ALL").len(), 3, "what is barred stays out");
    }

    #[test]
    fn what_leaves_nothing_or_is_no_word_is_refused() {
        for list in ["", "AES128-SHA", "kRSA", "ALL:!ECDHE", "eNULL", "!AES", "PSK"] {
            assert!(old(list).unwrap_err().message.contains("no cipher match"), "{list}");
        }
        for list in ["HIHG", "ALL:!foo", "DEFAULT@SECLEVEL=5", "ALL@SECLEVEL=x", "SUITEB128", "!"] {
            let message = old(list).unwrap_err().message.clone();
            assert!(!message.contains("no cipher match"), "{list}: {message}");
        }
        assert_eq!(new("TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256").unwrap().len(), 1);
        assert!(new("").unwrap().is_empty());
        assert!(new("TLS_AES_128_CCM_SHA256").is_err() && new("AES128-SHA").is_err());
        assert_eq!(curves("P-521:P-384:X25519").unwrap().len(), 2);
        assert!(curves("P-521").is_err() && curves("brainpool").is_err());
    }
}
