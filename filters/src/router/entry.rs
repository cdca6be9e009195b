//! One path of one route, and the request that it is held against.

use super::headers::HeaderCondition;
use super::hosts::HostPattern;
use super::paths::PathPattern;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

/// A set of schemes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schemes(u8);

impl Schemes {
    pub fn contains(self, scheme: Scheme) -> bool {
        self.0 & 1 << scheme as u8 != 0
    }
}

impl FromIterator<Scheme> for Schemes {
    fn from_iter<I: IntoIterator<Item = Scheme>>(schemes: I) -> Self {
        Self(schemes.into_iter().fold(0, |set, scheme| set | 1 << scheme as u8))
    }
}

/// All that is given must match, of several alternatives one; an empty list stands for anything.
#[derive(Debug)]
pub struct Entry<T> {
    /// Smaller is better, byte by byte.
    pub rank: Box<[u8]>,
    pub hosts: Vec<HostPattern>,
    pub path: PathPattern,
    /// Compared as they stand.
    pub methods: Vec<Box<[u8]>>,
    pub headers: Vec<HeaderCondition>,
    /// Asked for over TLS only: Kong does not look at them for a plain request, so that it can be sent to HTTPS.
    pub snis: Vec<HostPattern>,
    pub schemes: Schemes,
    pub target: T,
}

#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub scheme: Scheme,
    /// As sent, without a port.
    pub host: &'a [u8],
    /// Normalised, without the query string.
    pub path: &'a [u8],
    pub method: &'a [u8],
    pub sni: Option<&'a [u8]>,
    /// Lower-case names; several lines of one name stay apart.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

impl<T> Entry<T> {
    /// Whether a request fits of which the host does, and whose path begins with the entry's literal.
    pub(super) fn takes(&self, query: &Query<'_>) -> bool {
        self.schemes.contains(query.scheme)
            && self.takes_method(query)
            && self.takes_sni(query)
            && self.headers.iter().all(|condition| condition.holds(query.headers))
            && self.path.takes_known(query.path)
    }

    /// What of a request keeps it from this entry: `scheme`, `host`, `method`, `sni`, `headers`, `path`.
    pub fn misses(&self, query: &Query<'_>) -> Vec<&'static str> {
        let conditions = [
            ("scheme", self.schemes.contains(query.scheme)),
            ("host", self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(query.host))),
            ("method", self.takes_method(query)),
            ("sni", self.takes_sni(query)),
            ("headers", self.headers.iter().all(|condition| condition.holds(query.headers))),
            ("path", self.path.matched(query.path).is_some()),
        ];
        conditions.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect()
    }

    fn takes_method(&self, query: &Query<'_>) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|method| **method == *query.method)
    }

    fn takes_sni(&self, query: &Query<'_>) -> bool {
        self.snis.is_empty()
            || query.scheme == Scheme::Http
            || query.sni.is_some_and(|sni| self.snis.iter().any(|pattern| pattern.matches(sni)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        let only_http: Schemes = [Scheme::Http].into_iter().collect();
        assert!(only_http.contains(Scheme::Http) && !only_http.contains(Scheme::Https));
        let both: Schemes = [Scheme::Http, Scheme::Https].into_iter().collect();
        assert!(both.contains(Scheme::Http) && both.contains(Scheme::Https));
        assert!(!Schemes::default().contains(Scheme::Http));
    }
}
