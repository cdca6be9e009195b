//! A URL to send clients to, and the same with another path and query, as the WHATWG's URL standard writes it.

use crate::error::ConfigError;
use crate::path::push_escaped;
use crate::plugins::checks;

#[derive(Debug)]
pub struct Location {
    text: Box<[u8]>,
    /// Scheme and authority.
    origin: Box<[u8]>,
    /// With its `#`.
    fragment: Box<[u8]>,
}

impl Location {
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        checks::header_value("location", text)?;
        let refuse = |reason: &str| ConfigError::Invalid(format!("location: {reason}").into());
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("missing scheme in url"))?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
            return Err(refuse("missing scheme in url"));
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains(|one: char| one.is_whitespace()) {
            return Err(refuse("missing host in url"));
        }
        let fragment = rest.find('#').map_or("", |place| &rest[place..]);
        Ok(Self {
            text: text.as_bytes().into(),
            origin: format!("{}://{}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase()).into_bytes().into(),
            fragment: fragment.as_bytes().into(),
        })
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Path and query are those of a request, as they were sent.
    pub fn with(&self, path: &[u8], query: &[u8]) -> Vec<u8> {
        let mut out = self.origin.to_vec();
        for segment in resolved(path) {
            out.push(b'/');
            escape_into(&mut out, segment, b"\"#<>?`{}^");
        }
        if !query.is_empty() {
            out.push(b'?');
            escape_into(&mut out, query, b"\"#<>'");
        }
        out.extend_from_slice(&self.fragment);
        out
    }
}

/// The segments of a path without `.` and `..`; one above the root stays there.
fn resolved(path: &[u8]) -> Vec<&[u8]> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let sent = path.strip_prefix(b"/").unwrap_or(path);
    let last = sent.split(is_slash).count();
    for (place, segment) in (1..).zip(sent.split(is_slash)) {
        let dots = dots(segment);
        if dots == Some(2) {
            segments.pop();
        }
        match dots {
            None => segments.push(segment),
            Some(_) if place == last => segments.push(b""),
            Some(_) => (),
        }
    }
    segments
}

fn is_slash(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// How many dots a segment is made of, escaped or not, if it is nothing else and they are one or two.
fn dots(segment: &[u8]) -> Option<usize> {
    let mut rest = segment;
    let mut count = 0;
    while let Some(first) = rest.first() {
        rest = match rest {
            [b'%', b'2', b'e' | b'E', after @ ..] => after,
            _ if *first == b'.' => &rest[1..],
            _ => return None,
        };
        count += 1;
    }
    (1..=2).contains(&count).then_some(count)
}

fn escape_into(out: &mut Vec<u8>, text: &[u8], escaped: &[u8]) {
    for &byte in text {
        if byte.is_ascii_graphic() && !escaped.contains(&byte) {
            out.push(byte);
        } else {
            push_escaped(out, byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_and_queries() {
        let location = Location::parse("HTTPS://New.test:8443/base/x?p=1#top").unwrap();
        for (path, query, expected) in [
            ("/", "", "/"),
            ("/a/../b", "", "/b"),
            ("/a/./b/%2e%2E", "", "/a/"),
            ("/../..", "", "/"),
            ("/a//b/", "", "/a//b/"),
            ("/a\\b", "", "/a/b"),
            ("/a\"b%20|ä", "q='1'<>\"", "/a%22b%20|%C3%A4?q=%271%27%3C%3E%22"),
            ("/...", "a#b", "/...?a%23b"),
        ] {
            let found = String::from_utf8(location.with(path.as_bytes(), query.as_bytes())).unwrap();
            assert_eq!(found, format!("https://new.test:8443{expected}#top"), "{path} {query}");
        }
    }

    proptest! {
        #[test]
        fn the_origin_stays_and_nothing_breaks_the_line(path in any::<Vec<u8>>(), query in any::<Vec<u8>>()) {
            let found = Location::parse("https://a.test/x").unwrap().with(&path, &query);
            prop_assert!(found.starts_with(b"https://a.test/"));
            prop_assert!(found.iter().all(u8::is_ascii_graphic));
        }
    }
}
