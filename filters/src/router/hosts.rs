//! Hosts of routes: exact ones, `*.suffix` and `prefix.*`, compared letter by letter as Kong does.

use super::error::PatternError;
use super::path_index::PathIndex;
use memchr::memchr_iter;
use std::collections::HashMap;

/// Of a domain name (RFC 1035); bounds what a look-up of wildcards costs.
const LONGEST: usize = 253;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    Exact(Box<[u8]>),
    /// Anything, a dot, and this.
    Suffix(Box<[u8]>),
    /// This, a dot, and anything.
    Prefix(Box<[u8]>),
}

impl HostPattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (suffix, prefix) = (text.strip_prefix("*."), text.strip_suffix(".*"));
        let name = suffix.or(prefix).unwrap_or(text);
        if let Some(reason) = problem(name) {
            return Err(PatternError::new("the host", text, reason));
        }
        let name = name.as_bytes().into();
        Ok(match (suffix, prefix) {
            (Some(_), _) => Self::Suffix(name),
            (None, Some(_)) => Self::Prefix(name),
            (None, None) => Self::Exact(name),
        })
    }

    /// A server name of TLS: a final dot says nothing there, so Kong drops it.
    pub fn parse_sni(text: &str) -> Result<Self, PatternError> {
        Self::parse(text.strip_suffix('.').unwrap_or(text))
    }

    pub fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Suffix(name) => {
                host.strip_suffix(&**name).and_then(|rest| rest.strip_suffix(b".")).is_some_and(|rest| !rest.is_empty())
            }
            Self::Prefix(name) => {
                host.strip_prefix(&**name).and_then(|rest| rest.strip_prefix(b".")).is_some_and(|rest| !rest.is_empty())
            }
        }
    }
}

fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it names nothing")
    } else if name.contains('*') {
        Some("an asterisk may only stand for all before the first dot or all after the last one")
    } else {
        (name.len() > LONGEST).then_some("a name has at most 253 bytes")
    }
}

type ByName = HashMap<Box<[u8]>, PathIndex>;
type Literals<'a> = Vec<(&'a [u8], usize)>;

/// The paths of all entries by host. An entry with several hosts stands under each of them.
pub struct HostIndex {
    exact: ByName,
    suffixes: Wildcards,
    prefixes: Wildcards,
    any: PathIndex,
}

struct Wildcards {
    /// Length of the longest name.
    longest: usize,
    names: ByName,
}

impl HostIndex {
    /// Takes each entry's hosts and literal path beginning, in the order of the entries' places.
    pub fn new<'a>(entries: impl Iterator<Item = (&'a [HostPattern], &'a [u8])>) -> Self {
        let (mut exact, mut suffixes, mut prefixes) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut any = Literals::new();
        for (place, (hosts, literal)) in entries.enumerate() {
            if hosts.is_empty() {
                any.push((literal, place));
            }
            for host in hosts {
                let (names, name): (&mut HashMap<&[u8], Literals<'a>>, _) = match host {
                    HostPattern::Exact(name) => (&mut exact, name),
                    HostPattern::Suffix(name) => (&mut suffixes, name),
                    HostPattern::Prefix(name) => (&mut prefixes, name),
                };
                names.entry(name).or_default().push((literal, place));
            }
        }
        Self {
            exact: indexed(exact),
            suffixes: Wildcards::new(indexed(suffixes)),
            prefixes: Wildcards::new(indexed(prefixes)),
            any: PathIndex::new(any),
        }
    }

    /// The paths of every entry of which a host matches; an entry may come up several times.
    pub fn fitting<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = &'a PathIndex> {
        let wildcards = self.suffixes.after_dots(host).chain(self.prefixes.before_dots(host));
        self.exact.get(host).into_iter().chain(wildcards).chain(std::iter::once(&self.any))
    }
}

/// Looks only at texts that are no longer than the longest name: hashing all of them would take the square of the
/// host's length.
impl Wildcards {
    fn new(names: ByName) -> Self {
        Self { longest: names.keys().map(|name| name.len()).max().unwrap_or_default(), names }
    }

    /// What stands after a dot that is not the first byte.
    fn after_dots<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = &'a PathIndex> {
        let from = host.len().saturating_sub(self.longest + 1).max(1);
        let tail = host.get(from..).unwrap_or_default();
        memchr_iter(b'.', tail).filter_map(move |dot| self.names.get(&tail[dot + 1..]))
    }

    /// What stands before a dot that is not the last byte.
    fn before_dots<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = &'a PathIndex> {
        let to = host.len().saturating_sub(1).min(self.longest + 1);
        let head = &host[..to];
        memchr_iter(b'.', head).filter_map(move |dot| self.names.get(&head[..dot]))
    }
}

fn indexed(names: HashMap<&[u8], Literals<'_>>) -> ByName {
    names.into_iter().map(|(name, literals)| (name.into(), PathIndex::new(literals))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (pattern, host, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "A.test", false),
            ("a.test", "a.test.", false),
            ("*.test", "a.test", true),
            ("*.test", "a.b.test", true),
            ("*.test", "..test", true),
            ("*.test", ".test", false),
            ("*.test", "test", false),
            ("*.test", "atest", false),
            ("*.test", "", false),
            ("a.*", "a.test", true),
            ("a.*", "a.b.test", true),
            ("a.*", "a..", true),
            ("a.*", "a.", false),
            ("a.*", "a", false),
            ("a.*", "ab.test", false),
        ] {
            let pattern = HostPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(host.as_bytes()), expected, "{pattern:?} {host}");
            let hosts = [pattern];
            let index = HostIndex::new(std::iter::once((hosts.as_slice(), b"".as_slice())));
            let found = index.fitting(host.as_bytes()).flat_map(|paths| paths.beginning(b"/")).count();
            assert_eq!(found, usize::from(expected), "index: {hosts:?} {host}");
        }
    }

    #[test]
    fn refuses_what_is_no_host() {
        for (text, reason) in [
            ("", "it names nothing"),
            ("*.", "it names nothing"),
            ("*", "an asterisk may only"),
            ("a.*.b", "an asterisk may only"),
            ("*.a.*", "an asterisk may only"),
            ("*a.test", "an asterisk may only"),
            (&"a".repeat(254), "a name has at most 253 bytes"),
        ] {
            let message = HostPattern::parse(text).unwrap_err().to_string();
            assert!(message.starts_with("the host \"") && message.contains(reason), "{message}");
        }
    }

    #[test]
    fn a_final_dot_of_a_server_name_says_nothing() {
        assert!(HostPattern::parse_sni("a.test.").unwrap().matches(b"a.test"));
        assert!(HostPattern::parse_sni(".").is_err());
    }
}
