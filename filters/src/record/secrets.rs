//! What of a request is a key, as its plugins know: it stands in no record (kong.md §7.2, where Kong tells it).

use crate::arguments;
use crate::tables::{Compat, Route, World};
use std::borrow::Cow;

pub const REDACTED: &[u8] = b"REDACTED";

/// Kong's own.
const HEADERS: [&[u8]; 2] = [b"authorization", b"proxy-authorization"];

const COOKIE: &[u8] = b"cookie";
const SET_COOKIE: &[u8] = b"set-cookie";
const REFERER: &[u8] = b"referer";
const LOCATION: &[u8] = b"location";

/// A bit for the length of each name that is looked for in all requests.
const LENGTHS: u64 = 1 << HEADERS[0].len()
    | 1 << HEADERS[1].len()
    | 1 << COOKIE.len()
    | 1 << SET_COOKIE.len()
    | 1 << REFERER.len()
    | 1 << LOCATION.len();

/// Names under which clients show what only they may know. Those of cookies are beginnings: a long value takes several.
#[derive(Debug, Default)]
pub struct Secrets<'a> {
    /// Lower-case or not.
    pub headers: Vec<&'a str>,
    pub arguments: Vec<&'a str>,
    pub cookies: Vec<&'a str>,
}

impl<'a> Secrets<'a> {
    /// Those of all plugins of the route; of those of all requests where no route was taken.
    pub fn of(world: &'a World, route: Option<&'a Route>) -> Self {
        let mut found = Self::default();
        // With Kong 2.1 records are Kong's.
        if world.settings.compat == Compat::Kong21 {
            return found;
        }
        match route {
            Some(route) => world.attached_to(route).for_each(|instance| instance.plugin.secrets(&mut found)),
            None => world.everywhere().for_each(|instance| instance.plugin.secrets(&mut found)),
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.arguments.is_empty() && self.cookies.is_empty()
    }

    /// A value of a header as it may be told.
    #[inline]
    pub fn told<'v>(&self, name: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
        // Most names need not be looked at.
        let is_as_long = LENGTHS & 1_u64.unbounded_shl(name.len() as u32) != 0;
        if is_as_long || !self.headers.is_empty() { self.told_of(name, value) } else { Cow::Borrowed(value) }
    }

    fn told_of<'v>(&self, name: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
        if HEADERS.contains(&name) || self.headers.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
            return Cow::Borrowed(REDACTED);
        }
        match name {
            COOKIE if !self.cookies.is_empty() => without_values(value, b';', |name| self.is_cookie(name)),
            // Attributes follow the first part.
            SET_COOKIE if !self.cookies.is_empty() && self.is_cookie(name_of(value)) => {
                let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
                Cow::Owned([name_of(value), b"=", REDACTED, &value[end..]].concat())
            }
            REFERER | LOCATION => self.told_target(value),
            _ => Cow::Borrowed(value),
        }
    }

    /// A path with its query.
    pub fn told_target<'v>(&self, target: &'v [u8]) -> Cow<'v, [u8]> {
        let Some(at) = target.iter().position(|byte| *byte == b'?').filter(|_| !self.arguments.is_empty()) else {
            return Cow::Borrowed(target);
        };
        let (path, query) = target.split_at(at + 1);
        match without_values(query, b'&', |name| self.is_argument(&arguments::decode(name))) {
            Cow::Borrowed(_) => Cow::Borrowed(target),
            Cow::Owned(query) => Cow::Owned([path, &query].concat()),
        }
    }

    /// By its decoded name.
    pub fn is_argument(&self, name: &[u8]) -> bool {
        self.arguments.iter().any(|known| known.as_bytes() == name)
    }

    fn is_cookie(&self, name: &[u8]) -> bool {
        let begins =
            |known: &str| name.get(..known.len()).is_some_and(|all| all.eq_ignore_ascii_case(known.as_bytes()));
        self.cookies.iter().any(|known| begins(known))
    }
}

/// Up to the first `=`, without spaces around.
fn name_of(part: &[u8]) -> &[u8] {
    part.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default().trim_ascii()
}

/// The parts between separators, those that are secret without their values.
fn without_values(text: &[u8], separator: u8, is_secret: impl Fn(&[u8]) -> bool) -> Cow<'_, [u8]> {
    let has_secret = |part: &[u8]| part.contains(&b'=') && is_secret(name_of(part));
    if !text.split(|byte| *byte == separator).any(has_secret) {
        return Cow::Borrowed(text);
    }
    let mut told = Vec::with_capacity(text.len());
    for (place, part) in text.split(|byte| *byte == separator).enumerate() {
        if place > 0 {
            told.push(separator);
        }
        match part.iter().position(|byte| *byte == b'=').filter(|_| has_secret(part)) {
            Some(at) => {
                told.extend_from_slice(&part[..=at]);
                told.extend_from_slice(REDACTED);
            }
            None => told.extend_from_slice(part),
        }
    }
    Cow::Owned(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets<'static> {
        Secrets { headers: vec!["X-Key"], arguments: vec!["apikey", "a b"], cookies: vec!["session"] }
    }

    #[test]
    fn values_of_headers() {
        for (name, value, expected) in [
            ("authorization", "Basic QQ==", "REDACTED"),
            ("proxy-authorization", "x", "REDACTED"),
            ("x-key", "s3cret", "REDACTED"),
            ("x-other", "apikey=1", "apikey=1"),
            ("cookie", "a=1; Session=x; session2=y;b=2", "a=1; Session=REDACTED; session2=REDACTED;b=2"),
            ("cookie", "a=1; b=session", "a=1; b=session"),
            ("set-cookie", "session=x; Path=/; HttpOnly", "session=REDACTED; Path=/; HttpOnly"),
            ("set-cookie", "a=1; session=2", "a=1; session=2"),
            ("referer", "http://a.test/?apikey=x", "http://a.test/?apikey=REDACTED"),
        ] {
            assert_eq!(&*secrets().told(name.as_bytes(), value.as_bytes()), expected.as_bytes(), "{name}: {value}");
        }
    }

    #[test]
    fn targets() {
        for (target, expected) in [
            ("/a?apikey=x&b=1", "/a?apikey=REDACTED&b=1"),
            ("/a?b=%20&api%6bey=x==&a+b=2", "/a?b=%20&api%6bey=REDACTED&a+b=REDACTED"),
            ("/a?apikey", "/a?apikey"),
            ("/apikey=x", "/apikey=x"),
            ("/a?", "/a?"),
        ] {
            assert_eq!(&*secrets().told_target(target.as_bytes()), expected.as_bytes(), "{target}");
        }
        assert_eq!(&*Secrets::default().told_target(b"/a?apikey=x"), b"/a?apikey=x");
    }
}
