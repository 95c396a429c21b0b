//! Whether a certificate is for a host.
//!
//! Usually only its subjectAltName counts (RFC 9525). A script that names the rules of a protocol, as `SSL_verifycn_scheme`
//! does, has the common name looked at as well, where those rules say so. A star stands for one whole label at the
//! beginning, and never for all of a top domain; rules that would let it stand for less are taken to mean that.

use super::certificate::Facts;
use rustls::pki_types::ServerName;
use std::net::IpAddr;

/// When the common name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommonName {
    Always,
    // If there is no host name in the subjectAltName.
    WithoutOthers,
}

/// The rules of a protocol for names in certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    stars: bool,
    stars_in_common_name: bool,
    common_name: CommonName,
    // Whether an address may be the common name: any, or the old kind alone.
    addresses: Option<bool>,
}

/// What `verify_cn` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Names are not compared.
    None,
    /// By these rules.
    By(Rules),
}

impl Scheme {
    /// The scheme of that name; none if there is no such scheme.
    pub fn named(name: &str) -> Option<Self> {
        use CommonName::{Always, WithoutOthers};
        let by = |stars, stars_in_common_name, common_name, addresses| {
            Self::By(Rules { stars, stars_in_common_name, common_name, addresses })
        };
        Some(match name {
            "none" => Self::None,
            "http" | "www" => by(true, true, WithoutOthers, Some(false)),
            "default" => by(true, true, Always, Some(true)),
            "rfc2818" | "rfc3920" | "xmpp" | "rfc4217" | "ftp" | "rfc5971" | "gist" => {
                by(true, true, WithoutOthers, None)
            }
            "rfc4513" | "ldap" => by(true, false, Always, None),
            "rfc2595" | "smtp" | "rfc4642" | "imap" | "pop3" | "acap" | "rfc5539" | "nntp" | "rfc5538" | "netconf"
            | "rfc5425" | "syslog" | "rfc5953" | "snmp" => by(true, true, Always, None),
            "rfc5922" | "sip" => by(false, false, Always, None),
            _ => return None,
        })
    }
}

impl Rules {
    /// Whether a certificate is for a host by these rules.
    pub fn admit(&self, facts: &Facts, host: &ServerName<'_>) -> bool {
        let names = facts.names();
        let common_name = facts.common_name().filter(|_| match self.common_name {
            CommonName::Always => true,
            CommonName::WithoutOthers => names.hosts.is_empty(),
        });
        match host {
            ServerName::IpAddress(address) => {
                let address = IpAddr::from(*address);
                let by_name = || {
                    let allowed = self.addresses.is_some_and(|any| any || address.is_ipv4());
                    allowed && common_name.is_some_and(|name| name.parse() == Ok(address))
                };
                names.addresses.contains(&address) || by_name()
            }
            ServerName::DnsName(host) => {
                let host = host.as_ref();
                names.hosts.iter().any(|name| matches(name, host, self.stars))
                    || common_name.is_some_and(|name| matches(&name, host, self.stars_in_common_name))
            }
            _ => false,
        }
    }
}

/// Whether a name in a certificate stands for a host.
pub fn matches(name: &str, host: &str, stars: bool) -> bool {
    let (name, host) = (name.trim_end_matches('.'), host.trim_end_matches('.'));
    if name.is_empty() || host.is_empty() {
        return false;
    }
    if let Some(rest) = name.strip_prefix("*.").filter(|_| stars) {
        let Some((label, of)) = host.split_once('.') else { return false };
        return !label.is_empty() && rest.contains('.') && !rest.contains('*') && rest.eq_ignore_ascii_case(of);
    }
    name.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        for (name, host, stars, expected) in [
            ("www.example.com", "WWW.example.com.", false, true),
            ("*.example.com", "www.example.com", true, true),
            ("*.example.com", "www.example.com", false, false),
            ("*.example.com", "a.b.example.com", true, false),
            ("*.example.com", "example.com", true, false),
            ("*.com", "example.com", true, false),
            ("*", "localhost", true, false),
            ("*.*.com", "a.b.com", true, false),
            ("w*.example.com", "www.example.com", true, false),
            ("", "localhost", true, false),
        ] {
            assert_eq!(matches(name, host, stars), expected, "{name} {host}");
        }
    }

    #[test]
    fn every_scheme_of_the_original_is_known() {
        let known = "none default rfc2818 rfc3920 xmpp rfc4217 ftp www http rfc4513 ldap rfc2595 smtp rfc4642 imap pop3 acap \
            rfc5539 nntp rfc5538 netconf rfc5425 syslog rfc5953 snmp rfc5971 gist rfc5922 sip";
        for name in known.split_whitespace() {
            assert!(Scheme::named(name).is_some(), "{name}");
        }
        assert_eq!(Scheme::named("htttp"), None);
    }
}
