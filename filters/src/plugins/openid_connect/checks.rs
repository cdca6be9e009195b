//! Whether a token is what a provider has signed, for us, and now (RFC 7519; OpenID Connect Core 1.0, section 3.1.3.7).

use crate::clock;
use crate::oidc::Known;
use crate::plugins::authentication::is_same;
use crate::plugins::jwt::token::Token;
use crate::signature::Key;
use serde_json::Value;

/// What tokens are measured by.
#[derive(Debug)]
pub struct Measure {
    /// Besides the one that the provider says it is.
    pub issuers_allowed: Vec<Box<str>>,
    /// Seconds.
    pub leeway: f64,
}

impl Measure {
    /// Signed by the provider and valid now.
    pub fn is_good(&self, token: &Token<'_>, known: &Known, now_s: i64) -> bool {
        let issuer = token.claim("iss").and_then(Value::as_str);
        let is_right = |issuer: &str| {
            *issuer == *known.metadata.issuer || self.issuers_allowed.iter().any(|allowed| **allowed == *issuer)
        };
        let (now_s, leeway) = (clock::number(now_s), self.leeway);
        let is_over = |expiry: &Value| expiry.as_f64().is_none_or(|expiry| expiry + leeway <= now_s);
        let is_early = |begin: &Value| begin.as_f64().is_none_or(|begin| begin - leeway > now_s);
        let mut keys = known.keys.candidates(kid(token), &token.algorithm);
        issuer.is_some_and(is_right)
            && !token.claim("exp").is_none_or(is_over)
            && !token.claim("nbf").is_some_and(is_early)
            && keys.any(|key| has_signed(key, token))
    }

    /// Good, and made for this client; with a nonce also for this sign-in.
    pub fn is_own(&self, token: &Token<'_>, known: &Known, client: &str, nonce: Option<&str>, now_s: i64) -> bool {
        let is_meant = match token.claim("aud") {
            Some(Value::String(audience)) => audience == client,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(client)),
            _ => false,
        };
        let party = token.claim("azp").and_then(Value::as_str);
        let told = token.claim("nonce").and_then(Value::as_str).unwrap_or_default();
        is_meant
            && party.is_none_or(|party| party == client)
            && nonce.is_none_or(|nonce| is_same(told, nonce))
            && self.is_good(token, known, now_s)
    }
}

pub fn kid<'t>(token: &'t Token<'_>) -> Option<&'t str> {
    token.header("kid").and_then(Value::as_str)
}

/// Whether a provider that is known so can have signed a token.
pub fn can_check(known: &Known, token: &Token<'_>) -> bool {
    known.keys.candidates(kid(token), &token.algorithm).next().is_some()
}

/// A shared secret is never among a provider's published keys.
pub fn is_asymmetric(token: &Token<'_>) -> bool {
    !token.algorithm.starts_with("HS")
}

fn has_signed(key: &Key, token: &Token<'_>) -> bool {
    match key {
        Key::Public { key, .. } => key.verify_sig(token.signed, &token.signature).is_ok(),
        Key::Shared { .. } => false,
    }
}
