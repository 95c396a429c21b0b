//! Zones of IPv6 addresses: which of the host's links an address like `fe80::1` is on (RFC 6874).
//!
//! A zone means something on this host alone. So it is taken out of a URL before anybody else sees it: no server and no proxy is told, and
//! no cookie's place has one.

use kit::protocol::error::quote;
use nix::net::if_::{Interface, if_nameindex};
use std::borrow::Cow;

/// A URL without the zone of its host, and the number of that. The zone is the name of a link or its number, behind `%25` or, as many write it, `%`.
///
/// # Errors
/// For a link that is not there, in words.
pub fn taken_out(text: &str) -> Result<(Cow<'_, str>, Option<u32>), String> {
    let none = Ok((Cow::Borrowed(text), None));
    let Some(begin) = text.find("://").map(|at| at + 3) else { return none };
    let end = text[begin..].find(['/', '?', '#']).map_or(text.len(), |at| begin + at);
    // Behind a user's name and password.
    let host = text[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    let Some(close) = text[host..end].find(']').filter(|_| text[host..].starts_with('[')) else { return none };
    let close = host + close;
    let Some(percent) = text[host..close].find('%').map(|at| host + at) else { return none };
    let zone = &text[percent + 1..close];
    let zone = zone.strip_prefix("25").unwrap_or(zone);
    let number = number(zone).ok_or_else(|| format!("names {}, which is no link of this host", quote(zone)))?;
    Ok((Cow::Owned([&text[..percent], &text[close..]].concat()), Some(number)))
}

/// The number of a link that is there: there are only so many of them, and so many ways to keep connections for.
fn number(zone: &str) -> Option<u32> {
    let links = if_nameindex().ok()?;
    let is_it = |link: &&Interface| link.name().to_bytes() == zone.as_bytes() || link.index().to_string() == zone;
    links.iter().find(is_it).map(Interface::index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_taken_out_of_a_host_alone() {
        let lo = nix::net::if_::if_nametoindex("lo").unwrap();
        for (text, left) in [
            ("http://[fe80::1%25lo]/a%25b", "http://[fe80::1]/a%25b"),
            ("http://[fe80::1%lo]:80", "http://[fe80::1]:80"),
            ("http://u:p%40@[fe80::1%25lo]?x", "http://u:p%40@[fe80::1]?x"),
            (&format!("http://[fe80::1%25{lo}]/"), "http://[fe80::1]/"),
        ] {
            assert_eq!(taken_out(text), Ok((Cow::Borrowed(left), Some(lo))), "{text}");
        }
        for plain in [
            "http://[::1]/",
            "http://h/[x%25lo]",
            "http://u:[%25lo]@h/",
            "nonsense%25lo]",
            "http://[::1",
            "http://[x/%25lo]",
            "",
        ] {
            assert_eq!(taken_out(plain), Ok((Cow::Borrowed(plain), None)), "{plain}");
        }
        for wrong in ["nowhere0", "", "4294967295", "+1", "99999999999", "a\0b"] {
            let error = taken_out(&format!("http://[fe80::1%25{wrong}]/")).unwrap_err();
            assert!(error.ends_with("is no link of this host"), "{error}");
        }
    }
}
