//! `Cache-Control` of requests and responses, as Kong reads it.

use crate::clock;

#[derive(Debug, Default, PartialEq)]
pub struct Directives {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub only_if_cached: bool,
    /// Seconds.
    pub max_age: Option<f64>,
    pub s_maxage: Option<f64>,
    pub max_stale: Option<f64>,
    pub min_fresh: Option<f64>,
}

impl Directives {
    /// Of all lines of the header; of two that say the same the last counts.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut found = Self::default();
        let directives = lines.into_iter().flat_map(|line| line.split(|byte| *byte == b','));
        directives.for_each(|directive| found.add(directive));
        found
    }

    fn add(&mut self, directive: &[u8]) {
        let mut halves = directive.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let number = halves.next().and_then(seconds);
        match name.as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"only-if-cached" => self.only_if_cached = true,
            // Where it is no number, nothing is fresh.
            b"max-age" => self.max_age = Some(number.unwrap_or_default()),
            b"s-maxage" => self.s_maxage = Some(number.unwrap_or_default()),
            b"min-fresh" => self.min_fresh = Some(number.unwrap_or_default()),
            // Without a number any age is accepted (RFC 9111 §5.2.1.2).
            b"max-stale" => self.max_stale = number,
            _ => (),
        }
    }

    /// For how many seconds a response is good; `expires` is that header.
    pub fn lifetime(&self, expires: Option<&[u8]>, now_s: i64) -> f64 {
        let until = || {
            let time = httpdate::parse_http_date(std::str::from_utf8(expires?).ok()?).ok()?;
            let time = time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs_f64();
            Some((time - clock::number(now_s)).max(0.0))
        };
        self.s_maxage.or(self.max_age).or_else(until).unwrap_or_default()
    }
}

fn seconds(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|number: &f64| is_plain && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Directives {
        Directives::read([text.as_bytes()])
    }

    #[test]
    fn what_it_says() {
        let none = Directives::default;
        for (text, expected) in [
            ("", none()),
            ("public, immutable", none()),
            ("No-Store ,NO-CACHE", Directives { no_store: true, no_cache: true, ..none() }),
            ("private=\"set-cookie\"", Directives { private: true, ..none() }),
            ("max-age=60, max-age = 5", Directives { max_age: Some(5.0), ..none() }),
            ("max-age=1.5,s-maxage=", Directives { max_age: Some(1.5), s_maxage: Some(0.0), ..none() }),
            ("max-age=inf, min-fresh=1e9", Directives { max_age: Some(0.0), min_fresh: Some(0.0), ..none() }),
            ("max-stale, only-if-cached", Directives { only_if_cached: true, ..none() }),
            ("max-stale=3", Directives { max_stale: Some(3.0), ..none() }),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let lines = Directives::read([b"max-age=60".as_slice(), b"no-store"]);
        assert!(lines.no_store && lines.max_age == Some(60.0));
    }

    #[test]
    fn how_long_a_response_is_good() {
        let expires = "Thu, 01 Jan 1970 00:02:00 GMT";
        for (text, expires, expected) in [
            ("max-age=60", None, 60.0),
            ("max-age=60, s-maxage=5", None, 5.0),
            ("max-age=60", Some(expires), 60.0),
            ("", Some(expires), 20.0),
            ("", Some("Thu, 01 Jan 1970 00:00:00 GMT"), 0.0),
            ("", Some("0"), 0.0),
            ("public", None, 0.0),
        ] {
            assert_eq!(read(text).lifetime(expires.map(str::as_bytes), 100), expected, "{text} {expires:?}");
        }
    }
}
