//! Where a token may stand: arguments of the query, cookies, headers (kong.md §5.5).

use crate::arguments;
use crate::cookies;
use crate::exchange::Exchange;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Debug, Deserialize)]
pub struct Sources {
    pub uri_param_names: Vec<Box<str>>,
    pub cookie_names: Vec<Box<str>>,
    pub header_names: Vec<Box<str>>,
}

/// What was found in all of the places.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Nothing,
    Token(Cow<'a, [u8]>),
    /// An argument of the query without a value.
    NoText,
    /// Several that differ.
    Several,
}

impl Sources {
    /// With header names as they are compared.
    pub fn prepared(mut self) -> Self {
        self.header_names.iter_mut().for_each(|name| *name = name.to_ascii_lowercase().into());
        self
    }

    pub fn search<'a>(&self, exchange: &'a Exchange<'_, '_>) -> Found<'a> {
        let mut found = Found::Nothing;
        for (name, value) in arguments::decoded(exchange.query().unwrap_or_default()) {
            let is_wanted = self.uri_param_names.iter().any(|wanted| wanted.as_bytes() == &*name);
            match value {
                Some(value) if is_wanted => found.add(value),
                None if is_wanted => found.add_no_text(),
                _ => (),
            }
        }
        for name in &self.cookie_names {
            let values = exchange.headers("cookie");
            found.add(cookies::find(values, name.as_bytes()).unwrap_or_default().into());
        }
        for name in &self.header_names {
            found.add(header(exchange, name).and_then(bearer).unwrap_or_default().into());
        }
        found
    }
}

impl<'a> Found<'a> {
    /// The same token in several places is one token; an empty one is none.
    fn add(&mut self, token: Cow<'a, [u8]>) {
        match self {
            _ if token.is_empty() => (),
            Self::Nothing => *self = Self::Token(token),
            Self::Token(known) if *known == token => (),
            _ => *self = Self::Several,
        }
    }

    fn add_no_text(&mut self) {
        match self {
            Self::Nothing | Self::NoText => *self = Self::NoText,
            _ => *self = Self::Several,
        }
    }
}

/// A configured `x_jwt` also finds the header `X-Jwt`, not the other way round.
fn header<'a>(exchange: &'a Exchange<'_, '_>, name: &str) -> Option<&'a [u8]> {
    let dashed = || name.contains('_').then(|| name.replace('_', "-"));
    exchange.header(name).or_else(|| exchange.header(&dashed()?))
}

/// What follows the first `Bearer` or `bearer` and white space, wherever it stands.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let mut rest = value;
    loop {
        let place = rest.windows(6).position(|part| part == b"Bearer" || part == b"bearer")?;
        rest = &rest[place + 6..];
        let token = rest.iter().position(|byte| !is_space(*byte)).filter(|start| *start > 0);
        if let Some(start) = token {
            return Some(&rest[start..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearers() {
        for (value, expected) in [
            ("Bearer a.b.c", Some("a.b.c")),
            ("bearer \t a.b.c", Some("a.b.c")),
            ("BEARER a.b.c", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearera", None),
            ("Bearera bearer b", Some("b")),
            ("Token Bearer a b", Some("a b")),
            ("Basic eDp5", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), expected.map(str::as_bytes), "{value}");
        }
    }
}
