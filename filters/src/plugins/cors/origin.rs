//! Which origins a configuration allows, and how an origin is compared.

use crate::error::ConfigError;
use crate::plugins::checks;
use crate::router::patterns;
use regex_automata::meta::Regex;
use regex_syntax::hir::{Hir, Look};
use std::borrow::Cow;

#[derive(Debug)]
pub enum Origins {
    Any,
    /// This one is told to everybody, whoever asks: browsers compare.
    One(Box<str>),
    /// The asking origin is told back if it is one of these. `is_any`: `*` is one of them.
    Several {
        patterns: Vec<Pattern>,
        is_any: bool,
    },
}

#[derive(Debug)]
pub enum Pattern {
    Literal(Box<[u8]>),
    /// For the whole origin.
    Regex(Regex),
    /// For its host only.
    HostRegex(Regex),
}

/// Of all regexes of one configuration together.
const LARGEST: usize = 16 << 20;

/// What an origin is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed<'a> {
    /// None: it may not read the response.
    pub origin: Option<Cow<'a, [u8]>>,
    pub is_everyone: bool,
    /// Another origin may be told something else.
    pub varies: bool,
}

impl Origins {
    pub fn parse(entries: &[String]) -> Result<Self, ConfigError> {
        for (place, entry) in (1..).zip(entries) {
            checks::header_value(&format!("origins.{place}"), entry)?;
        }
        match entries {
            [] => Ok(Self::Any),
            [only] if only == "*" => Ok(Self::Any),
            [only] if is_literal(only) => Ok(Self::One(only.as_str().into())),
            several => {
                Ok(Self::Several { patterns: patterns_of(several)?, is_any: several.iter().any(|entry| entry == "*") })
            }
        }
    }

    pub fn allow<'a>(&'a self, origin: Option<&'a [u8]>) -> Allowed<'a> {
        let everyone = Some(Cow::Borrowed(&b"*"[..]));
        match (self, origin) {
            (Self::Any, _) => Allowed { origin: everyone, is_everyone: true, varies: false },
            (Self::Several { is_any: true, .. }, Some(_)) => {
                Allowed { origin: everyone, is_everyone: true, varies: true }
            }
            (Self::One(only), _) => {
                Allowed { origin: Some(Cow::Borrowed(only.as_bytes())), is_everyone: false, varies: true }
            }
            (Self::Several { patterns, .. }, origin) => {
                let asking = origin.map(Origin::read);
                let found = asking.filter(|asking| patterns.iter().any(|pattern| pattern.takes(asking)));
                Allowed { origin: found.map(|asking| asking.text), is_everyone: false, varies: true }
            }
        }
    }
}

fn patterns_of(entries: &[String]) -> Result<Vec<Pattern>, ConfigError> {
    let (mut patterns, mut size) = (Vec::with_capacity(entries.len()), 0);
    for (place, entry) in (1..).zip(entries).filter(|(_, entry)| *entry != "*") {
        let refuse = |reason: String| ConfigError::Invalid(format!("origins.{place}: {reason}").into());
        let pattern =
            Pattern::parse(entry).map_err(|reason| refuse(format!("'{entry}' is not a valid regex: {reason}")))?;
        size += pattern.size();
        if size > LARGEST {
            return Err(refuse(format!("the regexes up to here take more than {LARGEST} bytes of memory")));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, String> {
        if is_literal(entry) {
            return Ok(Self::Literal(Origin::read(entry.as_bytes()).text.into()));
        }
        let regex = whole_match(entry)?;
        Ok(if entry.contains(':') { Self::Regex(regex) } else { Self::HostRegex(regex) })
    }

    fn size(&self) -> usize {
        match self {
            Self::Literal(_) => 0,
            Self::Regex(regex) | Self::HostRegex(regex) => regex.memory_usage(),
        }
    }

    fn takes(&self, origin: &Origin<'_>) -> bool {
        match self {
            Self::Literal(text) => **text == *origin.text,
            Self::Regex(regex) => regex.is_match(&*origin.text),
            Self::HostRegex(regex) => regex.is_match(origin.host),
        }
    }
}

fn is_literal(entry: &str) -> bool {
    entry.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-".contains(&byte))
}

fn whole_match(pattern: &str) -> Result<Regex, String> {
    let tree = patterns::parse(pattern, false)?;
    patterns::compile(&Hir::concat(vec![Hir::look(Look::Start), tree, Hir::look(Look::End)]))
}

/// An origin in the form in which Kong compares and tells it: without a default port, user or path.
struct Origin<'a> {
    text: Cow<'a, [u8]>,
    host: &'a [u8],
}

impl<'a> Origin<'a> {
    fn read(origin: &'a [u8]) -> Self {
        let Some(parts) = Parts::of(origin) else {
            return Self { text: Cow::Borrowed(origin), host: origin };
        };
        let scheme = parts.scheme.map_or([&b""[..], b""], |scheme| [scheme, b"://"]);
        let port = parts.port.map_or([&b""[..], b""], |port| [b":", port]);
        let all = [scheme[0], scheme[1], parts.host, port[0], port[1]];
        // The parts stand in the origin in this order.
        let is_all = all.iter().map(|part| part.len()).sum::<usize>() == origin.len();
        Self { text: if is_all { Cow::Borrowed(origin) } else { Cow::Owned(all.concat()) }, host: parts.host }
    }
}

struct Parts<'a> {
    scheme: Option<&'a [u8]>,
    host: &'a [u8],
    /// Unless it is the scheme's own.
    port: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// None where there is no host, as in `null`.
    fn of(origin: &'a [u8]) -> Option<Self> {
        let origin = origin.split(|byte| *byte == b'#').next()?;
        let (scheme, rest) = split_scheme(origin);
        let authority = rest.strip_prefix(b"//")?.split(|byte| *byte == b'/').next()?;
        let authority = match authority.iter().position(|byte| *byte == b'@') {
            Some(at) => &authority[at + 1..],
            None => authority,
        };
        let colon = authority.iter().rposition(|byte| *byte == b':').filter(|at| !authority[*at..].contains(&b']'));
        let (host, port) = colon.map_or((authority, None), |at| (&authority[..at], Some(&authority[at + 1..])));
        let is_default = matches!((scheme, port), (Some(b"http"), Some(b"80")) | (Some(b"https"), Some(b"443")));
        (!host.is_empty()).then_some(Self { scheme, host, port: port.filter(|_| !is_default) })
    }
}

fn split_scheme(origin: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let is_scheme = |text: &[u8]| {
        let rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        text.first().is_some_and(u8::is_ascii_alphanumeric) && text.iter().all(rest)
    };
    match origin.iter().position(|byte| *byte == b':').map(|at| origin.split_at(at)) {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), &rest[1..]),
        _ => (None, origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(entries: &[&str], origin: &str) -> Option<String> {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let origins = Origins::parse(&entries).unwrap();
        let allowed = origins.allow(Some(origin.as_bytes()));
        allowed.origin.map(|origin| String::from_utf8(origin.into_owned()).unwrap())
    }

    #[test]
    fn origins_are_compared_without_what_says_nothing() {
        for (origin, text, host) in [
            ("https://a.test", "https://a.test", "a.test"),
            ("https://a.test:443", "https://a.test", "a.test"),
            ("http://a.test:80", "http://a.test", "a.test"),
            ("http://a.test:443", "http://a.test:443", "a.test"),
            ("https://user:pass@a.test:8443/path?x#y", "https://a.test:8443", "a.test"),
            ("https://a.test#@b.test", "https://a.test", "a.test"),
            ("https://a.test/", "https://a.test", "a.test"),
            ("http://a.test:", "http://a.test:", "a.test"),
            ("https://[::1]:8443", "https://[::1]:8443", "[::1]"),
            ("https://[::1]", "https://[::1]", "[::1]"),
            ("//a.test", "a.test", "a.test"),
            ("null", "null", "null"),
            ("a.test", "a.test", "a.test"),
            ("a.test:8000", "a.test:8000", "a.test:8000"),
            ("https://", "https://", "https://"),
            ("", "", ""),
        ] {
            let read = Origin::read(origin.as_bytes());
            assert_eq!((&*read.text, read.host), (text.as_bytes(), host.as_bytes()), "{origin}");
        }
    }

    #[test]
    fn who_is_allowed() {
        let echoed = |origin: &str| Some(origin.to_owned());
        for (entries, origin, expected) in [
            (&["bar.test", r"foo\.test"][..], "http://foo.test", echoed("http://foo.test")),
            (&["bar.test", r"foo\.test"], "https://foo.test:8443", echoed("https://foo.test:8443")),
            (&["bar.test", r"foo\.test"], "https://foo.test.evil.test", None),
            (&["bar.test", r"foo\.test"], "https://evil-foo.test", None),
            (&["bar.test", r"foo\.test"], "http://bar.test", None),
            (&["http://a.test", "https://b.test:443"], "https://b.test", echoed("https://b.test")),
            (&["http://a.test", "https://b.test"], "https://b.test:443", echoed("https://b.test")),
            (&[r"^https://(.*[.])?a\.test(:(80|90))?$"], "https://x.a.test:90", echoed("https://x.a.test:90")),
            (&[r"^https://(.*[.])?a\.test(:(80|90))?$"], "https://x.a.test:91", None),
            (&[r"https://a\.test|https://b\.test"], "https://b.test", echoed("https://b.test")),
            (&[r"https://a\.test|https://b\.test"], "https://a.test.evil.test", None),
            (&[r"(?x) a\.test #"], "https://a.test", echoed("https://a.test")),
            (&["https://a.test", "*"], "https://b.test", echoed("*")),
            (&["null", "https://a.test"], "null", echoed("null")),
        ] {
            assert_eq!(told(entries, origin), expected, "{entries:?} {origin}");
        }
    }

    #[test]
    fn what_is_no_regex_is_refused() {
        for (entry, reason) in [
            (
                "*.a.test",
                "origins.1: '*.a.test' is not a valid regex: repetition operator missing expression at byte 0",
            ),
            (r"\w{9999}", r"origins.1: '\w{9999}' is not a valid regex: it takes more than 4194304 bytes of memory"),
            ("https://a.test\r\nx: y", "origins.1: control characters are not allowed in header values"),
        ] {
            assert_eq!(Origins::parse(&[entry.to_owned()]).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn many_regexes_must_fit_together() {
        let usual: Vec<_> = (0..500).map(|number| format!(r"https://(.*\.)?shop-{number}\.test(:\d+)?")).collect();
        assert!(Origins::parse(&usual).is_ok());
        let large: Vec<_> = (0..20).map(|number| format!(r"https://\w{{40}}{number}")).collect();
        let reason = Origins::parse(&large).unwrap_err().to_string();
        assert!(reason.ends_with(": the regexes up to here take more than 16777216 bytes of memory"), "{reason}");
    }

    proptest! {
        /// Nothing that a client sends comes back but an origin made of its own bytes.
        #[test]
        fn any_origin_can_be_read(origin in proptest::collection::vec(any::<u8>(), 0..60)) {
            let read = Origin::read(&origin);
            prop_assert!(read.text.len() <= origin.len());
            prop_assert!(read.text.iter().all(|byte| origin.contains(byte)));
        }
    }
}
