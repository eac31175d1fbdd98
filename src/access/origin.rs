//! Web origins (RFC 6454): exact ones, and patterns that operators write.

use std::fmt;
use std::sync::Arc;

/// An exact origin in its one spelling: lower case, no default port, no path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Arc<str>);

/// Why a text is not an origin or an origin pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is `https://host` or `https://host:port`, without path, query or user")]
pub struct OriginError;

impl Origin {
    /// Reads `scheme://host[:port]`; a single trailing slash is forgiven, anything else is refused.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = split(text)?;
        let (host, port) = split_port(authority)?;
        if !host_is_valid(host) {
            return Err(OriginError);
        }
        Ok(Self(spell(scheme, host, port)))
    }

    /// The origin of an absolute http(s) URL, such as a `Referer`.
    pub fn of_url(url: &str) -> Result<Self, OriginError> {
        let rest = url.find("://").map(|at| at + 3).ok_or(OriginError)?;
        let end = url[rest..].find(['/', '?', '#']).map_or(url.len(), |at| rest + at);
        Self::parse(&url[..end])
    }

    /// The one spelling: `https://app.example.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// `host[:port]`, without a default port.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host alone; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        let host = split_port(self.authority()).map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether it names this machine: nobody else can listen there, and browsers trust it as they trust https.
    pub fn is_loopback(&self) -> bool {
        split_port(self.authority()).is_ok_and(|(host, _)| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
    }

    /// Whether a `Host` value names this origin: case, the default port and one trailing dot do not matter.
    pub fn matches_host(&self, value: &str) -> bool {
        if self.authority() == value {
            return true;
        }
        let Ok((host, port)) = split_port(value) else { return false };
        let host = host.strip_suffix('.').unwrap_or(host);
        host_is_valid(host) && *spell(self.scheme(), host, port) == *self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.0)
    }
}

/// An origin that an operator allows: exact, or `scheme://*.host[:port]` for every name below `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// One origin.
    Exact(Origin),
    /// Any sub-domain, at any depth; never the bare domain itself.
    Below(Origin),
}

impl OriginPattern {
    /// Reads an exact origin or one with a leading `*.` label.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let Some((scheme, rest)) = text.split_once("://*.") else {
            return Origin::parse(text).map(Self::Exact);
        };
        let base = Origin::parse(&format!("{scheme}://{rest}"))?;
        let has_two_labels = base.authority().split(':').next().is_some_and(|host| host.contains('.'));
        if has_two_labels { Ok(Self::Below(base)) } else { Err(OriginError) }
    }

    /// Whether the origin is allowed by this pattern.
    pub fn matches(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Below(base) => {
                let below = origin.authority().strip_suffix(base.authority()).and_then(|rest| rest.strip_suffix('.'));
                origin.scheme() == base.scheme() && below.is_some_and(|label| !label.is_empty())
            }
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => f.write_str(origin.as_str()),
            Self::Below(base) => write!(f, "{}://*.{}", base.scheme(), base.authority()),
        }
    }
}

fn split(text: &str) -> Result<(&str, &str), OriginError> {
    let (scheme, rest) = text.split_once("://").ok_or(OriginError)?;
    let scheme = match scheme {
        s if s.eq_ignore_ascii_case("https") => "https",
        s if s.eq_ignore_ascii_case("http") => "http",
        _ => return Err(OriginError),
    };
    Ok((scheme, rest.strip_suffix('/').unwrap_or(rest)))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginError> {
    let port_at = match (authority.rfind(':'), authority.rfind(']')) {
        (Some(colon), Some(bracket)) if colon < bracket => None,
        (colon, _) => colon,
    };
    let Some(at) = port_at else { return Ok((authority, None)) };
    let digits = &authority[at + 1..];
    let plain = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain => Ok((&authority[..at], Some(port))),
        _ => Err(OriginError),
    }
}

fn host_is_valid(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    (1..=253).contains(&host.len()) && host.split('.').all(label_is_valid)
}

fn spell(scheme: &str, host: &str, port: Option<u16>) -> Arc<str> {
    let host = host.to_ascii_lowercase();
    match port {
        None | Some(443) if scheme == "https" => format!("{scheme}://{host}"),
        None | Some(80) if scheme == "http" => format!("{scheme}://{host}"),
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).expect("a valid origin")
    }

    #[test]
    fn an_origin_has_one_spelling() {
        assert_eq!(origin("HTTPS://App.Example.com:443/").as_str(), "https://app.example.com");
        assert_eq!(origin("http://127.0.0.1:4401").authority(), "127.0.0.1:4401");
        for text in [
            "app.example.com",
            "ftp://a",
            "https://u@b",
            "https://a/b",
            "https://",
            "https://a:",
            "https://a:99999",
            "https://*.a.b",
        ] {
            assert_eq!(Origin::parse(text), Err(OriginError), "{text}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for text in
            ["http://localhost", "http://LOCALHOST:4400", "http://127.0.0.1:1", "http://[::1]", "http://[::1]:1"]
        {
            assert!(origin(text).is_loopback(), "{text}");
        }
        for text in ["http://localhost.example", "http://127.0.0.1.example:1", "http://[::2]:1", "http://10.0.0.1"] {
            assert!(!origin(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn a_referer_gives_its_origin() {
        assert_eq!(Origin::of_url("https://a.example/x?y#z").map(|o| o.to_string()), Ok("https://a.example".into()));
        assert!(Origin::of_url("https://a.example@evil.example/").is_err());
    }

    #[test]
    fn host_values_match_in_any_usual_spelling() {
        let app = origin("https://app.example.com");
        for value in ["app.example.com", "APP.example.com:443", "app.example.com."] {
            assert!(app.matches_host(value), "{value}");
        }
        for value in ["app.example.com:80", "evil.example", "u@app.example.com", "", "app.example.com/x"] {
            assert!(!app.matches_host(value), "{value}");
        }
    }

    #[test]
    fn a_star_covers_names_below_and_nothing_else() {
        let pattern = OriginPattern::parse("https://*.myassembly.com").expect("a valid pattern");
        assert!(pattern.matches(&origin("https://acme.myassembly.com")));
        for other in [
            "https://myassembly.com",
            "https://evilmyassembly.com",
            "http://acme.myassembly.com",
            "https://acme.myassembly.com:8443",
        ] {
            assert!(!pattern.matches(&origin(other)), "{other}");
        }
        assert!(OriginPattern::parse("https://*.com").is_err());
    }
}
