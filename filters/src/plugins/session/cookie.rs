//! The cookies of a session: how they are written for browsers (RFC 6265).

use std::time::{Duration, UNIX_EPOCH};

#[derive(Debug)]
pub struct Cookie {
    pub name: Box<str>,
    /// What follows the value.
    attributes: Box<str>,
}

/// A browser that is asked to keep more may drop it.
const LARGEST: usize = 4096;
const EXPIRED: &str = "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0";

pub struct Attributes<'a> {
    pub domain: Option<&'a str>,
    pub path: &'a str,
    pub same_site: &'a str,
    pub is_secure: bool,
    pub is_http_only: bool,
}

impl Attributes<'_> {
    pub fn text(&self) -> String {
        let domain = self.domain.filter(|domain| !domain.is_empty() && *domain != "localhost");
        let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        // Browsers refuse `None` without `Secure`.
        let secure = if self.is_secure || self.same_site == "None" { "; Secure" } else { "" };
        let http_only = if self.is_http_only { "; HttpOnly" } else { "" };
        format!("{domain}; Path={}; SameSite={}{secure}{http_only}", self.path, self.same_site)
    }
}

impl Cookie {
    pub fn new(name: &str, attributes: &str) -> Self {
        Self { name: name.into(), attributes: attributes.into() }
    }

    /// Until the browser is closed; None if it is too large for a cookie.
    pub fn set(&self, value: &str) -> Option<String> {
        let line = format!("{}={value}{}", self.name, self.attributes);
        (self.name.len() + 1 + value.len() <= LARGEST).then_some(line)
    }

    /// For so many seconds from now on.
    pub fn set_for(&self, value: &str, now: i64, seconds: u64) -> Option<String> {
        let end = u64::try_from(now).unwrap_or_default().saturating_add(seconds).min(LAST_SECOND);
        let expires = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(end));
        Some(format!("{}; Expires={expires}; Max-Age={seconds}", self.set(value)?))
    }

    pub fn expired(&self) -> String {
        format!("{}={}{EXPIRED}", self.name, self.attributes)
    }
}

/// Of the year 9999, after which dates have no form in HTTP.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_in_kongs_order() {
        let plain = Attributes { domain: None, path: "/", same_site: "Strict", is_secure: false, is_http_only: true };
        assert_eq!(plain.text(), "; Path=/; SameSite=Strict; HttpOnly");
        let all = Attributes { domain: Some("a.test"), path: "/x", is_secure: true, ..plain };
        assert_eq!(all.text(), "; Domain=a.test; Path=/x; SameSite=Strict; Secure; HttpOnly");
        let none = Attributes { domain: Some("localhost"), same_site: "None", is_http_only: false, ..plain };
        assert_eq!(none.text(), "; Path=/; SameSite=None; Secure");
    }

    #[test]
    fn lines() {
        let cookie = Cookie::new("sid", "; Path=/");
        assert_eq!(cookie.set("v").as_deref(), Some("sid=v; Path=/"));
        assert_eq!(cookie.set(&"v".repeat(LARGEST - 4)).map(|line| line.len()), Some(LARGEST + 8));
        assert_eq!(cookie.set(&"v".repeat(LARGEST - 3)), None);
        assert_eq!(
            cookie.set_for("v", 1000, 60).as_deref(),
            Some("sid=v; Path=/; Expires=Thu, 01 Jan 1970 00:17:40 GMT; Max-Age=60")
        );
        assert!(cookie.set_for("v", i64::MAX, u64::MAX).unwrap().contains("Fri, 31 Dec 9999"));
        assert_eq!(cookie.expired(), "sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0");
    }
}
