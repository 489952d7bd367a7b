//! The hosts that may have the baggage.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// The hosts that baggage may be sent to; none by default.
///
/// A host is allowed by its name or address, or by `*.` and a suffix, which allows every name below the suffix
/// and not the suffix itself. Case and port do not matter.
///
/// # Examples
///
/// ```
/// use tta_observability::propagation::AllowedHosts;
///
/// let hosts = AllowedHosts::of(["billing.example.com", "*.internal"])?;
/// assert!(hosts.allows("Billing.example.com"));
/// assert!(hosts.allows("a.b.internal"));
/// assert!(!hosts.allows("internal"));
/// assert!(!hosts.allows("evilinternal"));
/// assert!(AllowedHosts::of(["*"]).is_err());
/// # Ok::<(), tta_observability::propagation::HostPatternError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    patterns: Option<Arc<[Pattern]>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    /// The suffix with the dot before it.
    Below(String),
}

/// Why something is no host and no `*.` with a suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPatternError {
    pattern: String,
}

impl fmt::Display for HostPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = &self.pattern;
        write!(f, "{pattern:?} is no host: use a name or an address without port, or *. and a suffix")
    }
}

impl std::error::Error for HostPatternError {}

impl AllowedHosts {
    /// Allows no host.
    #[must_use]
    pub const fn none() -> Self {
        Self { patterns: None }
    }

    /// Allows these hosts.
    ///
    /// # Errors
    ///
    /// If one is neither a name nor an address nor `*.` with a suffix. A port is no part of it, a name that
    /// is not ASCII must be in its encoded form, and a suffix is no part of an address.
    pub fn of<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, HostPatternError> {
        let patterns: Result<Arc<[Pattern]>, _> =
            patterns.into_iter().map(|pattern| Pattern::parse(pattern.as_ref())).collect();
        Ok(Self { patterns: Some(patterns?) })
    }

    /// Whether a host, without its port, is among the allowed ones.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let Some(patterns) = &self.patterns else { return false };
        let Some(host) = canonical(host) else { return false };
        patterns.iter().any(|pattern| match pattern {
            Pattern::Exact(name) => *name == host,
            Pattern::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        })
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Self, HostPatternError> {
        let parsed = match pattern.strip_prefix("*.") {
            // A suffix of addresses would be a set that nobody means: networks are prefixes.
            Some(suffix) => canonical(suffix)
                .filter(|suffix| !is_address(suffix))
                .map(|suffix| Self::Below(format!(".{suffix}"))),
            None => canonical(pattern).map(Self::Exact),
        };
        parsed.ok_or_else(|| HostPatternError { pattern: pattern.to_owned() })
    }
}

/// The one form of a host in which it is compared; none if it is no host.
fn canonical(host: &str) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Some(address.to_string());
    }
    // The dot at the end of an absolute name.
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.split('.').all(is_label).then_some(name)
}

/// Whether a canonical host is an address or the end of one.
fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    host.contains(':') || last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, allowed: &[&str], denied: &[&str]) {
        let hosts = AllowedHosts::of([pattern]).expect("a pattern");
        for host in allowed {
            assert!(hosts.allows(host), "{pattern} allows {host}");
        }
        for host in denied {
            assert!(!hosts.allows(host), "{pattern} denies {host}");
        }
    }

    #[test]
    fn a_host_is_allowed_by_its_name() {
        let denied =
            ["", "example.com.evil", "a.example.com", "xample.com", "example.com:80", "example.com@e"];
        check("example.com", &["example.com", "EXAMPLE.com", "example.com."], &denied);
    }

    #[test]
    fn a_suffix_allows_what_is_below_it() {
        let denied =
            ["internal", ".internal", "evilinternal", "internal.evil", "a.internal.evil", "..internal"];
        check("*.internal", &["a.internal", "A.B.internal", "a.internal."], &denied);
    }

    #[test]
    fn an_address_is_compared_as_an_address() {
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.10", "localhost"]);
        check("[::1]", &["::1", "[::1]", "[0:0:0:0:0:0:0:1]"], &["[::2]", "1"]);
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(!AllowedHosts::default().allows("localhost"));
        assert!(!AllowedHosts::of::<&str>([]).expect("no pattern").allows("localhost"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let wrong =
            ["", "*", "*.", "*.*", "a.*", "*a.com", "a:80", "http://a", "a/b", "ä.de", "a b", "*.0.0.1"];
        for pattern in wrong {
            assert!(AllowedHosts::of([pattern]).is_err(), "{pattern}");
        }
    }
}
