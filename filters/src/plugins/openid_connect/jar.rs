//! What browsers keep for the gateway: encrypted, and in several cookies where one is too small.

use crate::cookies;
use crate::error::ConfigError;
use crate::exchange::Exchange;
use crate::plugins::session::cookie::{Attributes, Cookie};
use crate::sealed::Sealer;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Of a value and the cookie's name: browsers keep 4096 bytes.
const LARGEST: usize = 4000;
/// Of all cookies of one jar together: a longer header than 8 KiB is refused (kong.md §3.9), and others need room in it.
const LARGEST_IN_ALL: usize = 7 * 1024;
const MOST: usize = 9;
/// Longer names and attributes would leave no room for the rest of a cookie.
const LONGEST: usize = 1024;

/// A configuration's part that says how a cookie is written.
#[derive(Deserialize)]
pub struct Raw {
    name: Box<str>,
    path: Box<str>,
    domain: Option<Box<str>>,
    same_site: Box<str>,
    http_only: bool,
    secure: Option<bool>,
}

#[derive(Debug)]
pub struct Jar {
    sealer: Arc<Sealer>,
    /// What is sealed for one client, provider and audience is of no use for another.
    bound_to: String,
    pub name: Box<str>,
    plain: Box<str>,
    secure: Box<str>,
}

impl Jar {
    pub fn new(raw: &Raw, field: &str, sealer: &Arc<Sealer>, bound_to: &str) -> Result<Self, ConfigError> {
        check(raw, field)?;
        let attributes = |is_tls: bool| {
            let domain = raw.domain.as_deref();
            let is_secure = raw.secure.unwrap_or(is_tls);
            Attributes { domain, path: &raw.path, same_site: &raw.same_site, is_secure, is_http_only: raw.http_only }
                .text()
        };
        Ok(Self {
            sealer: Arc::clone(sealer),
            bound_to: format!("{}\n{bound_to}", raw.name),
            name: raw.name.clone(),
            plain: attributes(false).into(),
            secure: attributes(true).into(),
        })
    }

    pub fn read<T: DeserializeOwned>(&self, exchange: &Exchange<'_, '_>) -> Option<T> {
        let find = |place: usize| cookies::find_exact(exchange.headers("cookie"), self.name_of(place).as_bytes());
        let (count, first) = find(1)?.split_at_checked(2)?;
        let count = count
            .strip_suffix(b".")
            .filter(|count| count[0].is_ascii_digit())
            .map(|count| usize::from(count[0] - b'0'))?;
        let mut value = first.to_vec();
        for place in 2..=count {
            value.extend_from_slice(find(place)?);
        }
        serde_json::from_slice(&self.sealer.open(&self.bound_to, &value)?).ok()
    }

    /// Whether the request has a cookie of this jar, good or bad.
    pub fn is_used(&self, exchange: &Exchange<'_, '_>) -> bool {
        cookies::find_exact(exchange.headers("cookie"), self.name.as_bytes()).is_some()
    }

    /// `Set-Cookie` for the content, and for what is there of older ones. `seconds`: after which browsers drop it; without
    /// when they are closed. None: it is too large.
    pub fn write<T: Serialize>(
        &self,
        exchange: &Exchange<'_, '_>,
        content: &T,
        is_tls: bool,
        seconds: Option<u64>,
    ) -> Option<Vec<String>> {
        let value = self.sealer.seal(&self.bound_to, &serde_json::to_vec(content).ok()?)?;
        let room = LARGEST - self.name.len();
        let count = value.len().div_ceil(room - 2);
        if count > MOST || value.len() + count * (self.name.len() + 4) > LARGEST_IN_ALL {
            return None;
        }
        let now = exchange.now_ms().div_euclid(1000);
        // Sealed values are ASCII.
        let pieces = value.as_bytes().chunks(room - 2).map(|piece| std::str::from_utf8(piece).unwrap_or_default());
        let mut lines = Vec::with_capacity(count);
        for (place, piece) in (1..).zip(pieces) {
            let piece = if place == 1 { format!("{count}.{piece}") } else { piece.to_owned() };
            let cookie = self.cookie(place, is_tls);
            lines.push(match seconds {
                Some(seconds) => cookie.set_for(&piece, now, seconds)?,
                None => cookie.set(&piece)?,
            });
        }
        lines.extend(self.expired_from(exchange, count + 1, is_tls));
        Some(lines)
    }

    /// `Set-Cookie` that takes back what the request has.
    pub fn expired(&self, exchange: &Exchange<'_, '_>, is_tls: bool) -> Vec<String> {
        self.expired_from(exchange, 1, is_tls)
    }

    fn expired_from(&self, exchange: &Exchange<'_, '_>, first: usize, is_tls: bool) -> Vec<String> {
        let is_there =
            |place: &usize| cookies::find_exact(exchange.headers("cookie"), self.name_of(*place).as_bytes()).is_some();
        (first..=MOST).filter(is_there).map(|place| self.cookie(place, is_tls).expired()).collect()
    }

    /// What is in it is nobody's business behind the gateway.
    pub fn hide(&self, exchange: &mut Exchange<'_, '_>) {
        if !self.is_used(exchange) {
            return;
        }
        let left: Vec<Vec<u8>> = exchange
            .headers("cookie")
            .filter_map(|header| cookies::without_all(header, |name| self.has(name)))
            .collect();
        exchange.upstream.remove("cookie");
        if !left.is_empty() {
            exchange.upstream.set("cookie", left.join(&b"; "[..]));
        }
    }

    /// Whether a cookie is one of its own.
    fn has(&self, name: &[u8]) -> bool {
        match name.strip_prefix(self.name.as_bytes()) {
            Some([]) => true,
            Some([digit]) => (b'2'..=b'9').contains(digit),
            _ => false,
        }
    }

    /// Whether another jar's cookies could be taken for its own.
    pub fn meets(&self, other: &Self) -> bool {
        let names = |jar: &Self| (1..=MOST).map(|place| jar.name_of(place).to_ascii_lowercase()).collect::<Vec<_>>();
        let others = names(other);
        names(self).iter().any(|name| others.contains(name))
    }

    fn name_of(&self, place: usize) -> String {
        if place == 1 { self.name.to_string() } else { format!("{}{place}", self.name) }
    }

    fn cookie(&self, place: usize, is_tls: bool) -> Cookie {
        Cookie::new(&self.name_of(place), if is_tls { &self.secure } else { &self.plain })
    }
}

/// A text must not end its cookie, nor a cookie its header.
fn check(raw: &Raw, field: &str) -> Result<(), ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&byte);
    let is_value = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b';';
    let name_is_right = !raw.name.is_empty() && raw.name.len() <= LONGEST && raw.name.bytes().all(is_token);
    let texts = [&*raw.path, raw.domain.as_deref().unwrap_or_default(), &raw.same_site];
    if name_is_right && texts.iter().all(|text| text.len() <= LONGEST && text.bytes().all(is_value)) {
        return Ok(());
    }
    Err(ConfigError::Invalid(format!("{field} cannot stand in a cookie").into()))
}
