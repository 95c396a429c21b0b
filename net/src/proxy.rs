//! Which requests go through which proxy.

use kit::protocol::CallError;
use kit::protocol::error::quote;
use url::Url;

/// A proxy's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyAddress {
    /// `http://host:port` without credentials.
    pub url: String,
    /// User and password, if it wants them.
    pub credentials: Option<(String, String)>,
}

impl ProxyAddress {
    /// Reads `http://[user:password@]host[:port]`; the scheme may be left out, as in many environments.
    ///
    /// # Errors
    /// `invalid_params` for what is no such address.
    pub fn parse(text: &str) -> Result<Self, CallError> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let invalid = |why: &str| {
            // The address may hold a password; the host alone is shown.
            let shown = text.rsplit('@').next().unwrap_or_default();
            CallError::invalid("proxy", format!("parameter `proxy`: {} {why}", quote(shown)))
        };
        let url = Url::parse(&whole).map_err(|error| invalid(&format!("is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("is no http:// or https:// address; other kinds of proxies are not spoken"));
        }
        let Some(host) = url.host_str() else { return Err(invalid("names no host")) };
        // `port` hides the scheme's own port, which is not the library's idea of a proxy's.
        let port = url.port_or_known_default().unwrap_or(80);
        let decoded = |text: &str| percent_decode(text);
        let credentials = (!url.username().is_empty())
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        Ok(Self { url: format!("{}://{host}:{port}", url.scheme()), credentials })
    }
}

impl ProxyAddress {
    /// The proxy's name, if it is spoken to by TLS.
    pub fn tls_host(&self) -> Option<String> {
        let rest = self.url.strip_prefix("https://")?;
        Some(rest.rsplit_once(':').map_or(rest, |(host, _)| host).to_owned())
    }

    fn size(&self) -> usize {
        let credentials = self.credentials.as_ref().map_or(0, |(user, password)| user.len() + password.len());
        128 + self.url.len() + credentials
    }
}

/// Decodes `%XX`.
pub fn percent_decode_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// Decodes `%XX`; what does not decode to UTF-8 stays as it is.
pub fn percent_decode(text: &str) -> String {
    String::from_utf8(percent_decode_bytes(text)).unwrap_or_else(|_| text.to_owned())
}

/// The proxies of a session, or of the broker's environment.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For `http`.
    pub http: Option<ProxyAddress>,
    /// For `https`.
    pub https: Option<ProxyAddress>,
    /// Hosts that are reached without: names, their subdomains, `*`.
    pub exempt: Vec<String>,
}

impl Proxies {
    /// What `http_proxy`, `https_proxy` and `no_proxy` say. `HTTP_PROXY` is not looked at: in a CGI process anybody can set
    /// it by a request's header.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let address = |value: Option<String>| value.and_then(|value| ProxyAddress::parse(&value).ok());
        Self {
            http: address(set("http_proxy")),
            https: address(set("https_proxy").or_else(|| set("HTTPS_PROXY"))),
            exempt: exemptions(&set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default()),
        }
    }

    /// The bytes that they take.
    pub fn size(&self) -> usize {
        let exempt = self.exempt.iter().map(|host| kit::keep::text_bytes(host.len())).sum::<usize>();
        [&self.http, &self.https].into_iter().flatten().map(ProxyAddress::size).sum::<usize>() + exempt
    }

    /// The proxy for a URL, if it goes through one.
    pub fn of(&self, url: &Url) -> Option<&ProxyAddress> {
        let proxy = if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let exempt = self.exempt.iter().any(|rule| {
            let rule = rule.trim_start_matches('.');
            rule == "*" || host == rule || host.strip_suffix(rule).is_some_and(|front| front.ends_with('.'))
        });
        (!exempt).then_some(proxy)
    }
}

/// The hosts of a list as `no_proxy` has it.
pub fn exemptions(list: &str) -> Vec<String> {
    let hosts = list.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty());
    // A port after the name says no more than the name.
    hosts
        .map(|host| match host.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        })
        .map(str::to_ascii_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&Url::parse(url).unwrap()).map(|proxy| proxy.url.clone())
    }

    #[test]
    fn the_environment_names_proxies_and_exceptions() {
        let environment = |name: &str| {
            Some(match name {
                "http_proxy" => "proxy.example:3128".to_owned(),
                "HTTPS_PROXY" => "http://user:p%40ss@secure.example".to_owned(),
                "HTTP_PROXY" => "http://attacker.example".to_owned(),
                "no_proxy" => "localhost, .internal.example,10.0.0.1:8080, ::1".to_owned(),
                _ => return None,
            })
        };
        let proxies = Proxies::of_environment(environment);
        assert_eq!(through(&proxies, "http://a.example/"), Some("http://proxy.example:3128".to_owned()));
        assert_eq!(through(&proxies, "https://a.example/"), Some("http://secure.example:80".to_owned()));
        assert_eq!(proxies.https.as_ref().unwrap().credentials, Some(("user".to_owned(), "p@ss".to_owned())));
        for url in ["http://localhost/", "http://x.internal.example/", "http://internal.example/", "http://10.0.0.1/"] {
            assert_eq!(through(&proxies, url), None, "{url}");
        }
        assert_eq!(through(&proxies, "http://[::1]/"), None);
        assert!(through(&proxies, "http://notinternal.example/").is_some());
        assert_eq!(through(&Proxies { exempt: vec!["*".to_owned()], ..proxies }, "http://a.example/"), None);
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for wrong in ["socks5://user:secret@host", "http://", "http://user:secret@ho st"] {
            let error = ProxyAddress::parse(wrong).unwrap_err();
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
    }
}
