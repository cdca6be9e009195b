//! The plugin jwt: callers are known by a signed token (kong.md §5.5).

mod sources;
pub mod token;

use crate::cjson;
use crate::clock;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::nginx_base64;
use crate::plugins::{Plugin, authentication};
use crate::record::secrets::Secrets;
use crate::reply::{Reply, Style};
use crate::signature::{Key, SharedSecret};
use crate::tables::{Compat, Consumer, Credential};
use crate::text;
use serde::Deserialize;
use serde_json::Value;
use sources::{Found, Sources};
use std::sync::Arc;
use token::Token;

#[cfg(test)]
mod tests;

const NAME: &str = "jwt";

#[derive(Debug)]
struct Jwt {
    sources: Sources,
    key_claim_name: Box<str>,
    secret_is_base64: bool,
    claims_to_verify: Vec<Claim>,
    /// Seconds, counted from now, that `exp` may at most be away; 0 for any.
    maximum_expiration: f64,
    /// Id or username of the consumer to whom a request without a valid token belongs.
    anonymous: Option<Box<str>>,
    run_on_preflight: bool,
    challenge: Box<str>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(flatten)]
    sources: Sources,
    key_claim_name: Box<str>,
    secret_is_base64: bool,
    claims_to_verify: Option<Vec<Claim>>,
    maximum_expiration: f64,
    anonymous: Option<Box<str>>,
    run_on_preflight: bool,
    realm: Option<Box<str>>,
}

/// A registered claim that can be checked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Claim {
    Exp,
    Nbf,
}

enum Refusal {
    NoToken,
    /// With what is wrong.
    Token(String),
    /// With what is wrong with each claim.
    Claims(Vec<(Claim, &'static str)>),
    /// What the credential is found by is no text.
    Fault,
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
    Ok(Box::new(Jwt {
        sources: config.sources.prepared(),
        key_claim_name: config.key_claim_name,
        secret_is_base64: config.secret_is_base64,
        claims_to_verify: config.claims_to_verify.unwrap_or_default(),
        maximum_expiration: config.maximum_expiration,
        anonymous: config.anonymous,
        run_on_preflight: config.run_on_preflight,
        challenge: realm.map_or_else(|| "Bearer".into(), |realm| format!("Bearer realm=\"{realm}\"").into()),
    }))
}

impl Plugin for Jwt {
    fn secrets<'a>(&'a self, found: &mut Secrets<'a>) {
        let Sources { uri_param_names, cookie_names, header_names } = &self.sources;
        found.headers.extend(header_names.iter().map(|name| &**name));
        found.arguments.extend(uri_param_names.iter().map(|name| &**name));
        found.cookies.extend(cookie_names.iter().map(|name| &**name));
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let anonymous = self.anonymous.as_deref();
        let is_preflight = exchange.request.method == b"OPTIONS";
        if (is_preflight && !self.run_on_preflight) || authentication::is_settled(exchange, anonymous) {
            return Verdict::Continue;
        }
        match self.authenticate(exchange) {
            Ok((consumer, credential)) => authentication::accept(exchange, consumer, credential, &credential.index),
            Err(refusal) => {
                let reply = self.refusal(exchange, &refusal);
                // A fault is answered as such, also where anybody may pass.
                let anonymous = anonymous.filter(|_| !matches!(refusal, Refusal::Fault));
                authentication::refuse(exchange, anonymous, reply)
            }
        }
    }
}

impl Jwt {
    fn authenticate<'a>(&self, exchange: &Exchange<'a, '_>) -> Result<(&'a Arc<Consumer>, &'a Credential), Refusal> {
        let wrong = |message: &str| Refusal::Token(message.to_owned());
        let text = match self.sources.search(exchange) {
            Found::Nothing => return Err(Refusal::NoToken),
            Found::Several => return Err(wrong("Multiple tokens provided")),
            Found::NoText => return Err(wrong("Unrecognizable token")),
            Found::Token(text) => text,
        };
        let token = Token::read(&text).map_err(|bad| wrong(bad.message()))?;
        let name = &self.key_claim_name;
        let index = match token.key(name) {
            None => return Err(Refusal::Token(format!("No mandatory '{name}' in claims"))),
            Some(Value::String(key)) if key.is_empty() => {
                return Err(Refusal::Token(format!("Invalid '{name}' in claims")));
            }
            Some(Value::String(key)) => key,
            Some(_) => return Err(Refusal::Fault),
        };
        let Some((consumer, credential)) = exchange.world.consumers.credential(NAME, index) else {
            return Err(Refusal::Token(format!("No credentials found for given '{name}'")));
        };
        let key = credential.key.as_ref().ok_or_else(|| wrong("Invalid key/secret"))?;
        self.check_signature(&token, key)?;
        self.check_claims(&token, exchange.now_ms().div_euclid(1000))?;
        Ok((consumer, credential))
    }

    fn check_signature(&self, token: &Token<'_>, key: &Key) -> Result<(), Refusal> {
        let wrong = |message: &str| Refusal::Token(message.to_owned());
        if token.algorithm != key.algorithm() {
            return Err(wrong("Invalid algorithm"));
        }
        let is_signed = match key {
            Key::Public { key, .. } => key.verify_sig(token.signed, &token.signature).is_ok(),
            Key::Shared { method, secret, .. } => {
                let decoded;
                let secret = if self.secret_is_base64 {
                    decoded = nginx_base64::decode_url(secret.bytes()).map(SharedSecret::new);
                    decoded.as_ref().ok_or_else(|| wrong("Invalid key/secret"))?
                } else {
                    secret
                };
                method.is_some_and(|method| secret.has_signed(method, token.signed, &token.signature))
            }
        };
        if is_signed { Ok(()) } else { Err(wrong("Invalid signature")) }
    }

    fn check_claims(&self, token: &Token<'_>, now_s: i64) -> Result<(), Refusal> {
        let now_s = clock::number(now_s);
        let failures: Vec<_> = self
            .claims_to_verify
            .iter()
            .filter_map(|claim| Some((*claim, claim.failure(token.claim(claim.name()), now_s)?)))
            .collect();
        if !failures.is_empty() {
            return Err(Refusal::Claims(failures));
        }
        let expiry = token.claim(Claim::Exp.name()).and_then(Value::as_f64);
        if self.maximum_expiration > 0.0 && expiry.is_none_or(|expiry| expiry - now_s > self.maximum_expiration) {
            return Err(Refusal::Claims(vec![(Claim::Exp, "exceeds maximum allowed expiration")]));
        }
        Ok(())
    }

    fn refusal(&self, exchange: &Exchange<'_, '_>, refusal: &Refusal) -> Reply {
        let (message, body, is_invalid) = match refusal {
            Refusal::Fault => return exchange.error(500, "An unexpected error occurred"),
            Refusal::NoToken => ("Unauthorized", cjson::member("message", "Unauthorized"), false),
            Refusal::Token(message) => (message.as_str(), cjson::member("message", message), true),
            Refusal::Claims(failures) => {
                let members: Vec<_> =
                    failures.iter().map(|(claim, failure)| cjson::member(claim.name(), failure)).collect();
                ("", members.join(","), true)
            }
        };
        let content_type = Some("application/json; charset=utf-8".to_owned());
        let style = Style::Raw { content_type, body: format!("{{{body}}}").into_bytes() };
        let reply = exchange.error(401, message).with_style(style);
        if exchange.compat() == Compat::Kong21 {
            return reply;
        }
        let error = if is_invalid { " error=\"invalid_token\"" } else { "" };
        reply.with_header("www-authenticate", format!("{}{error}", self.challenge))
    }
}

impl Claim {
    fn name(self) -> &'static str {
        match self {
            Self::Exp => "exp",
            Self::Nbf => "nbf",
        }
    }

    /// What is wrong with the claim's value.
    fn failure(self, value: Option<&Value>, now_s: f64) -> Option<&'static str> {
        let Some(time) = value.and_then(Value::as_f64) else { return Some("must be a number") };
        match self {
            Self::Exp => (time <= now_s).then_some("token expired"),
            Self::Nbf => (time > now_s).then_some("token not valid yet"),
        }
    }
}
