//! Sign-ins at the provider (OpenID Connect Core 1.0, section 3.1; RFC 7636): begun by a redirect, and known again by a
//! cookie when the browser comes back.
//!
//! A cookie holds a few that have begun, since a browser has several windows. Each has one secret, of which state, nonce
//! and code verifier are digests: none of them tells another.

use super::client::Client;
use super::jar::Jar;
use super::requests::Code;
use crate::arguments::{self, Found};
use crate::body::{Content, Kind};
use crate::clock;
use crate::exchange::{Body, Exchange};
use crate::oidc::Known;
use crate::plugins::authentication::is_same;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// In one cookie.
const MOST: usize = 4;
/// Of an address to come back to; its query is left out where it would be longer.
const LONGEST: usize = 1500;

#[derive(Debug)]
pub struct SignIn {
    pub jar: Jar,
    /// None: the address of the request.
    pub redirect_uri: Option<Box<str>>,
    pub mode: Mode,
    /// None: if the provider knows it.
    pub pkce: Option<bool>,
    pub extra: Vec<(Box<str>, Box<str>)>,
    /// Seconds; 0 is for ever.
    pub timeout: f64,
    pub keeps_query: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Query,
    FormPost,
}

/// One that has begun.
#[derive(Clone, Deserialize, Serialize)]
pub struct Begun {
    #[serde(rename = "s")]
    secret: String,
    /// Where it began.
    #[serde(rename = "u")]
    pub url: String,
    #[serde(rename = "t")]
    at: i64,
    /// Whether a code verifier was announced.
    #[serde(rename = "p")]
    has_verifier: bool,
}

/// What the provider sent the browser back with.
#[derive(Debug, PartialEq, Eq)]
pub enum Back {
    /// It is no such request.
    No,
    NeedsBody,
    /// The browser has not begun this, or has come back already.
    Unknown,
    /// Without a code the provider has refused.
    Known {
        place: usize,
        code: Option<String>,
        issuer: Option<String>,
    },
}

impl Begun {
    fn new(url: String, at: i64, has_verifier: bool) -> Option<Self> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        Some(Self { secret: URL_SAFE_NO_PAD.encode(bytes), url, at, has_verifier })
    }

    fn digest(&self, purpose: &str) -> String {
        URL_SAFE_NO_PAD
            .encode(Sha256::new().chain_update(purpose).chain_update("\n").chain_update(&self.secret).finalize())
    }

    fn state(&self) -> String {
        self.digest("state")
    }

    fn nonce(&self) -> String {
        self.digest("nonce")
    }

    fn verifier(&self) -> Option<String> {
        self.has_verifier.then(|| self.digest("verifier"))
    }
}

impl SignIn {
    /// Those that the browser has begun and that are not over.
    pub fn begun(&self, exchange: &Exchange<'_, '_>, now_s: i64) -> Vec<Begun> {
        let mut all: Vec<Begun> = self.jar.read(exchange).unwrap_or_default();
        all.retain(|one| self.timeout <= 0.0 || clock::number(now_s.saturating_sub(one.at)) <= self.timeout);
        all
    }

    /// Where to send the browser, and the cookies by which it is known again. None: the address has no room there.
    pub fn begin(
        &self,
        exchange: &Exchange<'_, '_>,
        client: &Client,
        known: &Known,
        endpoint: &str,
        url: &str,
        now_s: i64,
    ) -> Option<(String, Vec<String>)> {
        let takes_pkce = || known.metadata.lists("code_challenge_methods_supported", "S256") == Some(true);
        let has_verifier = self.pkce.unwrap_or_else(takes_pkce);
        let place = if url.len() > LONGEST { without_query(url) } else { url };
        let begun = Begun::new(place.to_owned(), now_s, has_verifier).filter(|_| place.len() <= LONGEST)?;
        let location = self.location(client, endpoint, &begun);
        let mut all = self.begun(exchange, now_s);
        all.push(begun);
        let is_tls = url.starts_with("https://");
        // Browsers keep it until they are closed, the gateway takes it for a shorter time.
        loop {
            all.drain(..all.len().saturating_sub(MOST));
            match self.jar.write(exchange, &all, is_tls, None) {
                Some(lines) if lines.len() == 1 || all.len() == 1 => return Some((location, lines)),
                _ if all.len() <= 1 => return None,
                _ => drop(all.remove(0)),
            }
        }
    }

    fn location(&self, client: &Client, endpoint: &str, begun: &Begun) -> String {
        let (state, nonce) = (begun.state(), begun.nonce());
        let challenge = begun.verifier().map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        let mut arguments = vec![
            ("response_type", "code"),
            ("client_id", &*client.id),
            ("redirect_uri", self.redirect_uri(begun)),
            ("scope", &client.scope),
            ("state", &state),
            ("nonce", &nonce),
        ];
        if self.mode == Mode::FormPost {
            arguments.push(("response_mode", "form_post"));
        }
        arguments.extend(client.audience.iter().map(|audience| ("audience", &**audience)));
        if let Some(challenge) = &challenge {
            arguments.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        arguments.extend(self.extra.iter().map(|(name, value)| (&**name, &**value)));
        with_arguments(endpoint, &arguments::encoded(arguments))
    }

    fn redirect_uri<'a>(&'a self, begun: &'a Begun) -> &'a str {
        self.redirect_uri.as_deref().unwrap_or_else(|| without_query(&begun.url))
    }

    /// Whether the provider has sent the browser here.
    pub fn back(&self, exchange: &Exchange<'_, '_>, begun: &[Begun]) -> Back {
        let is_post = exchange.request.method == b"POST";
        match self.mode {
            Mode::Query if exchange.request.method == b"GET" => {
                let query = exchange.query().unwrap_or_default();
                back(begun, |name| text(Some(arguments::find(query, name))))
            }
            Mode::FormPost if is_post && self.jar.is_used(exchange) => match exchange.body {
                Body::Pending => Back::NeedsBody,
                Body::Unusable => Back::No,
                Body::Whole(kind, bytes) => {
                    let content = Content::new(kind, bytes);
                    back(begun, |name| text(content.find(name)))
                }
            },
            _ => Back::No,
        }
    }

    pub fn code(&self, begun: &Begun, code: String, issuer: Option<String>) -> Code {
        let redirect_uri = self.redirect_uri(begun).to_owned();
        Code { code, issuer, redirect_uri, verifier: begun.verifier(), nonce: begun.nonce() }
    }

    /// What the provider said to the gateway does not go on to the upstream.
    pub fn hide(&self, exchange: &mut Exchange<'_, '_>) {
        match (self.mode, exchange.body) {
            (Mode::FormPost, Body::Whole(kind, bytes)) => {
                let mut rest: Option<Vec<u8>> = None;
                for name in SAID {
                    let without = body_without(kind, rest.as_deref().unwrap_or(bytes), name);
                    rest = without.or(rest);
                }
                exchange.upstream.body = rest.or_else(|| exchange.upstream.body.take());
            }
            _ => {
                for name in SAID {
                    if let Some(rest) = arguments::without(exchange.query().unwrap_or_default(), name) {
                        exchange.upstream.query = Some(rest);
                    }
                }
            }
        }
    }

    /// `Set-Cookie` for those that are still on their way.
    pub fn rest(&self, exchange: &Exchange<'_, '_>, begun: &[Begun], is_tls: bool) -> Vec<String> {
        let left = (!begun.is_empty()).then(|| self.jar.write(exchange, &begun, is_tls, None)).flatten();
        left.unwrap_or_else(|| self.jar.expired(exchange, is_tls))
    }
}

/// RFC 6749, section 4.1.2; RFC 9207; OpenID Connect Session Management 1.0.
const SAID: [&[u8]; 6] = [b"code", b"state", b"iss", b"session_state", b"error", b"error_description"];

fn back(begun: &[Begun], said: impl Fn(&[u8]) -> Option<String>) -> Back {
    let Some(state) = said(b"state") else { return Back::No };
    let (code, error) = (said(b"code"), said(b"error"));
    if code.is_none() && error.is_none() {
        return Back::No;
    }
    let code = code.filter(|_| error.is_none());
    // All are looked at, so that the time it takes tells nothing.
    let matching =
        |found, (place, one): (usize, &Begun)| if is_same(&one.state(), &state) { Some(place) } else { found };
    match begun.iter().enumerate().fold(None, matching) {
        Some(place) => Back::Known { place, code, issuer: said(b"iss") },
        None => Back::Unknown,
    }
}

fn text(found: Option<Found<'_>>) -> Option<String> {
    match found {
        Some(Found::Text(text)) => String::from_utf8(text.into_owned()).ok().filter(|text| !text.is_empty()),
        _ => None,
    }
}

fn body_without(kind: &Kind, body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    Content::new(kind, body).without(name)
}

pub fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// A URL of the configuration's or the provider's may have a query of its own.
pub fn with_arguments(url: &str, arguments: &str) -> String {
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let between = if url.ends_with(['?', '&']) {
        ""
    } else if url.contains('?') {
        "&"
    } else {
        "?"
    };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{url}{between}{arguments}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_arguments() {
        for (url, expected) in [
            ("https://a.test/x", "https://a.test/x?b=c"),
            ("https://a.test/x?", "https://a.test/x?b=c"),
            ("https://a.test/x?y=1", "https://a.test/x?y=1&b=c"),
            ("https://a.test/x#f", "https://a.test/x?b=c#f"),
        ] {
            assert_eq!(with_arguments(url, "b=c"), expected);
        }
    }

    #[test]
    fn one_secret_and_nothing_that_tells_another() {
        let one = Begun::new("https://a.test/".into(), 0, true).unwrap();
        let other = Begun::new("https://a.test/".into(), 0, false).unwrap();
        assert_ne!(one.state(), other.state());
        let all = [one.secret.clone(), one.state(), one.nonce(), one.verifier().unwrap()];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4);
        // RFC 7636, section 4.1.
        assert!((43..=128).contains(&all[3].len()));
        assert_eq!(other.verifier(), None);
    }

    #[test]
    fn who_comes_back() {
        let begun: Vec<_> = (0..3).map(|at| Begun::new("https://a.test/".into(), at, true).unwrap()).collect();
        let state = begun[1].state();
        let stranger = Begun::new("https://a.test/".into(), 0, true).unwrap().state();
        let query = |arguments: &str| back(&begun, |name| text(Some(arguments::find(arguments.as_bytes(), name))));
        let known = |code: Option<&str>, issuer: Option<&str>| Back::Known {
            place: 1,
            code: code.map(str::to_owned),
            issuer: issuer.map(str::to_owned),
        };
        for (arguments, expected) in [
            (format!("code=c&state={state}"), known(Some("c"), None)),
            (format!("code=c&state={state}&iss=i"), known(Some("c"), Some("i"))),
            (format!("error=access_denied&state={state}"), known(None, None)),
            (format!("error=access_denied&code=c&state={state}"), known(None, None)),
            (format!("code=c&state={stranger}"), Back::Unknown),
            ("code=c&state=".to_owned(), Back::No),
            (format!("code=c&state={state}&state={state}"), Back::No),
            (format!("state={state}"), Back::No),
            ("code=c".to_owned(), Back::No),
        ] {
            assert_eq!(query(&arguments), expected, "{arguments}");
        }
    }
}
