//! The plugin hmac-auth: callers sign parts of the request with a secret (kong.md §5.4).

mod parameters;

use crate::clock;
use crate::error::ConfigError;
use crate::exchange::{Exchange, RawBody, Verdict};
use crate::nginx_base64;
use crate::plugins::{Plugin, authentication};
use crate::signature::Key;
use crate::tables::{Compat, Consumer, Credential};
use crate::text;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parameters::Parameters;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

#[cfg(test)]
mod tests;

const NAME: &str = "hmac-auth";
const PROXY: &str = "proxy-authorization";
const DIRECT: &str = "authorization";

#[derive(Debug)]
struct HmacAuth {
    hide_credentials: bool,
    /// Seconds that a request's date may be off.
    clock_skew: f64,
    anonymous: Option<Box<str>>,
    validate_request_body: bool,
    enforce_headers: Vec<Box<str>>,
    algorithms: Vec<Algorithm>,
    challenge: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    hide_credentials: bool,
    clock_skew: f64,
    anonymous: Option<Box<str>>,
    validate_request_body: bool,
    enforce_headers: Vec<Box<str>>,
    algorithms: Vec<Algorithm>,
    realm: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

#[derive(Clone, Copy)]
enum Refusal {
    NoHeader,
    NoDate,
    Unverifiable,
    Different,
}

/// A refusal, or a body that has not come yet.
enum Stop {
    Refusal(Refusal),
    NeedsBody,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    let realm = config.realm.as_deref();
    if realm.is_some_and(|realm| !text::is_header_value(realm.as_bytes())) {
        return Err(ConfigError::Invalid("the realm cannot stand in a header".into()));
    }
    if config.anonymous.as_deref() == Some("") {
        return Err(ConfigError::Invalid("anonymous must name a consumer".into()));
    }
    let challenge = realm.map_or_else(|| "hmac".into(), |realm| format!("hmac realm=\"{realm}\"").into());
    let Config { hide_credentials, clock_skew, anonymous, validate_request_body, enforce_headers, algorithms, .. } =
        config;
    Ok(Box::new(HmacAuth {
        hide_credentials,
        clock_skew,
        anonymous,
        validate_request_body,
        enforce_headers,
        algorithms,
        challenge,
    }))
}

impl Plugin for HmacAuth {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let anonymous = self.anonymous.as_deref();
        if authentication::is_settled(exchange, anonymous) {
            return Verdict::Continue;
        }
        let (place, outcome) = self.authenticate(exchange);
        if matches!(outcome, Err(Stop::NeedsBody)) {
            return Verdict::NeedsBody;
        }
        if let Some(name) = place.filter(|_| self.hide_credentials) {
            exchange.upstream.remove(name);
        }
        match outcome {
            Ok((consumer, credential)) => authentication::accept_user(exchange, consumer, credential),
            Err(Stop::NeedsBody) => Verdict::NeedsBody,
            Err(Stop::Refusal(refusal)) => {
                let mut reply = exchange.error(401, refusal.message());
                if exchange.compat() == Compat::Kong3 {
                    reply = reply.with_header("www-authenticate", &*self.challenge);
                }
                authentication::refuse(exchange, anonymous, reply)
            }
        }
    }
}

type Outcome<'a> = Result<(&'a Arc<Consumer>, &'a Credential), Stop>;

impl HmacAuth {
    /// Who has signed, and the header that was believed or, if there is none, looked at last.
    fn authenticate<'a>(&self, exchange: &Exchange<'a, '_>) -> (Option<&'static str>, Outcome<'a>) {
        if exchange.header(DIRECT).is_none() && exchange.header(PROXY).is_none() {
            return (None, Err(Refusal::NoHeader.into()));
        }
        if !["x-date", "date"].iter().any(|name| self.is_of_now(exchange, name)) {
            return (None, Err(Refusal::NoDate.into()));
        }
        let read = |name| exchange.header(name).and_then(Parameters::read);
        let (place, parameters) = match read(PROXY) {
            Some(parameters) => (PROXY, Some(parameters)),
            None => (DIRECT, read(DIRECT)),
        };
        (Some(place), parameters.ok_or(Refusal::Unverifiable.into()).and_then(|found| self.check(exchange, &found)))
    }

    fn is_of_now(&self, exchange: &Exchange<'_, '_>, name: &str) -> bool {
        let date = exchange.header(name).and_then(|value| std::str::from_utf8(value).ok());
        let Some(time) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return false };
        let time_s = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let skew_s = exchange.now_ms().div_euclid(1000).saturating_sub_unsigned(time_s);
        clock::number(skew_s).abs() <= self.clock_skew
    }

    fn check<'a>(&self, exchange: &Exchange<'a, '_>, parameters: &Parameters<'_>) -> Outcome<'a> {
        let is_signed = |wanted: &str| parameters.headers().any(|name| name == wanted.as_bytes());
        if !self.enforce_headers.iter().all(|name| is_signed(name)) {
            return Err(Refusal::Unverifiable.into());
        }
        let named = |algorithm: &&Algorithm| algorithm.name().as_bytes() == parameters.algorithm;
        let algorithm = self.algorithms.iter().find(named).ok_or(Refusal::Unverifiable)?;
        let username = std::str::from_utf8(parameters.username).map_err(|_| Refusal::Unverifiable)?;
        let known = exchange.world.consumers.credential(NAME, username).ok_or(Refusal::Unverifiable)?;
        let Some(Key::Shared { secret, .. }) = &known.1.key else { return Err(Refusal::Unverifiable.into()) };
        let signature = nginx_base64::decode(parameters.signature).ok_or(Refusal::Different)?;
        if !secret.has_signed(algorithm.method(), &signed_text(exchange, parameters), &signature) {
            return Err(Refusal::Different.into());
        }
        if self.validate_request_body {
            check_body(exchange)?;
        }
        Ok(known)
    }
}

/// A body that is too large to be looked at is as good as another one.
fn check_body(exchange: &Exchange<'_, '_>) -> Result<(), Stop> {
    let body = match exchange.raw_body {
        RawBody::Pending => return Err(Stop::NeedsBody),
        RawBody::TooLarge => return Err(Refusal::Different.into()),
        RawBody::Whole(body) => body,
    };
    let is_right = match exchange.header("digest") {
        None => body.is_empty(),
        Some(digest) => digest == format!("SHA-256={}", STANDARD.encode(Sha256::digest(body))).as_bytes(),
    };
    if is_right { Ok(()) } else { Err(Refusal::Different.into()) }
}

fn signed_text(exchange: &Exchange<'_, '_>, parameters: &Parameters<'_>) -> Vec<u8> {
    let request = exchange.request;
    let mut text = Vec::with_capacity(256);
    for (place, name) in parameters.headers().enumerate() {
        if place > 0 {
            text.push(b'\n');
        }
        match (header(exchange, name), name) {
            (Some(value), _) => text.extend([name, b": ", value].into_iter().flatten()),
            (None, b"@request-target") => {
                let method = request.method.to_ascii_lowercase();
                text.extend([name, b": ", &method, b" ", request.target].into_iter().flatten());
            }
            (None, b"request-line") => {
                // Kong knows of HTTP/2.0.
                let minor: &[u8] = if request.protocol.contains(&b'.') { b"" } else { b".0" };
                text.extend(
                    [request.method, b" ", request.target, b" ", request.protocol, minor].into_iter().flatten(),
                );
            }
            (None, _) => text.extend([name, b":"].into_iter().flatten()),
        }
    }
    text
}

/// Names are compared without case, and `x_a` finds `X-A` too.
fn header<'a>(exchange: &'a Exchange<'_, '_>, name: &[u8]) -> Option<&'a [u8]> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    if name == "host" {
        return Some(exchange.request.authority);
    }
    let dashed = || name.contains('_').then(|| name.replace('_', "-"));
    exchange.header(&name).filter(|_| !name.starts_with(':')).or_else(|| exchange.header(&dashed()?))
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    fn method(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        }
    }
}

impl Refusal {
    fn message(self) -> &'static str {
        match self {
            Self::NoHeader => "Unauthorized",
            Self::NoDate => {
                "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"
            }
            Self::Unverifiable => "HMAC signature cannot be verified",
            Self::Different => "HMAC signature does not match",
        }
    }
}
