//! The plugin openid-connect: callers are known by tokens that an OpenID provider has signed (kong.md §6.1).

mod bearer;
mod claims;
mod config;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Identity, Verdict};
use crate::oidc::{Known, Look};
use crate::plugins::jwt::token::Token;
use crate::plugins::{Plugin, authentication};
use crate::reply::{Reply, Style};
use crate::signature::Key;
use crate::tables::Consumer;
use crate::text::{Text, header_value};
use crate::waiting::{NotDone, Outcome};
use bearer::Search;
use config::{By, ClaimHeader, Place, Settings};
use serde_json::Value;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The only realm that Kong names.
const REALM: &str = "Bearer realm=\"kong\"";

#[derive(Debug)]
struct OpenIdConnect(Settings);

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(OpenIdConnect(config::read(config)?)))
}

/// Why a request goes no further.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    NoToken,
    BadToken,
    /// The token is good, its owner may not pass.
    Forbidden,
    /// Nobody can tell.
    Fault,
}

impl Plugin for OpenIdConnect {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        self.judge(exchange, true)
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        // Late or not: what is known decides.
        let _: Result<(), NotDone> = outcome.into();
        self.judge(exchange, false)
    }
}

impl OpenIdConnect {
    fn judge(&self, exchange: &mut Exchange<'_, '_>, may_wait: bool) -> Verdict {
        let anonymous = self.0.anonymous.as_deref();
        let is_preflight = exchange.request.method == b"OPTIONS";
        if (is_preflight && !self.0.runs_on_preflight) || authentication::is_settled(exchange, anonymous) {
            return Verdict::Continue;
        }
        if !self.0.takes_bearer {
            return self.refused(exchange, &Refusal::NoToken);
        }
        let (place, text) = match bearer::search(exchange, &self.0) {
            Search::NeedsBody => return Verdict::NeedsBody,
            Search::Nothing => return self.refused(exchange, &Refusal::NoToken),
            Search::Token(place, text) => (place, text),
        };
        let Ok(token) = Token::read(&text) else { return self.refused(exchange, &Refusal::BadToken) };
        let kid = token.header("kid").and_then(Value::as_str);
        let can_check = |known: &Known| known.keys.candidates(kid, &token.algorithm).next().is_some();
        let known = if !is_asymmetric(&token.algorithm) {
            return self.refused(exchange, &Refusal::BadToken);
        } else if may_wait {
            match self.0.issuer.look(can_check) {
                Look::Ask(wait) => return Verdict::Wait(wait),
                Look::Known(known) => Some(known),
                Look::Unknown => None,
            }
        } else {
            self.0.issuer.last()
        };
        let Some(known) = known else { return self.refused(exchange, &Refusal::Fault) };
        let accepted = self
            .check(&token, kid, &known, exchange.now_ms().div_euclid(1000))
            .and_then(|()| self.consumer(exchange, &token));
        match accepted {
            Ok(consumer) => self.accept(exchange, consumer, &token, place, &text),
            Err(refusal) => self.refused(exchange, &refusal),
        }
    }

    #[allow(clippy::cast_precision_loss)] // seconds since 1970
    fn check(&self, token: &Token<'_>, kid: Option<&str>, known: &Known, now_s: i64) -> Result<(), Refusal> {
        let mut keys = known.keys.candidates(kid, &token.algorithm);
        if !keys.any(|key| has_signed(key, token)) {
            return Err(Refusal::BadToken);
        }
        let issuer = token.claim("iss").and_then(Value::as_str).ok_or(Refusal::BadToken)?;
        if issuer != &*known.metadata.issuer && !self.0.issuers_allowed.iter().any(|allowed| **allowed == *issuer) {
            return Err(Refusal::BadToken);
        }
        let (now_s, leeway) = (now_s as f64, self.0.leeway);
        let is_over = |expiry: &Value| expiry.as_f64().is_none_or(|expiry| expiry + leeway <= now_s);
        let is_early = |begin: &Value| begin.as_f64().is_none_or(|begin| begin - leeway > now_s);
        if token.claim("exp").is_none_or(is_over) || token.claim("nbf").is_some_and(is_early) {
            return Err(Refusal::BadToken);
        }
        if self.0.demands.iter().all(|demand| demand.is_met(token)) { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    /// The consumer that a claim names. None: none is asked for, or none is needed.
    fn consumer(&self, exchange: &Exchange<'_, '_>, token: &Token<'_>) -> Result<Option<Arc<Consumer>>, Refusal> {
        let Some(wanted) = &self.0.consumer else { return Ok(None) };
        let consumers = &exchange.world.consumers;
        let name = wanted.claim.name(token);
        let found = name.and_then(|name| {
            wanted.by.iter().find_map(|by| match by {
                By::Id => consumers.by_id(&name),
                By::Username => consumers.by_username(&name),
                By::CustomId => consumers.by_custom_id(&name),
            })
        });
        if found.is_none() && !wanted.is_optional { Err(Refusal::Forbidden) } else { Ok(found.map(Arc::clone)) }
    }

    fn accept(
        &self,
        exchange: &mut Exchange<'_, '_>,
        consumer: Option<Arc<Consumer>>,
        token: &Token<'_>,
        place: Place,
        text: &[u8],
    ) -> Verdict {
        if self.0.hides_credentials {
            bearer::hide(exchange, &self.0, place);
        }
        if let Some(header) = &self.0.token_header {
            let value = [header.prefix.as_bytes(), text].concat();
            exchange.upstream.set(header.name.to_string(), header_value(&value));
        }
        for header in &self.0.upstream_headers {
            // What a claim does not say must not come from the client.
            match value_of(header, token) {
                Some(value) => exchange.upstream.set(header.name.to_string(), value),
                None => exchange.upstream.remove(header.name.to_string()),
            }
        }
        for header in &self.0.downstream_headers {
            if let Some(value) = value_of(header, token) {
                exchange.downstream.push((header.name.to_string().into(), value));
            }
        }
        let groups = self.0.groups_claim.as_ref().and_then(|claim| claim.find(token));
        let credential: Option<Box<str>> = self.0.credential_claim.name(token).map(Into::into);
        *exchange.who = Identity {
            consumer,
            credential: credential.clone(),
            credential_id: credential,
            groups: groups.map(|value| claims::texts(value).into_iter().map(Into::into).collect()),
            is_checked: true,
            ..Identity::default()
        };
        Verdict::Continue
    }

    fn refused(&self, exchange: &mut Exchange<'_, '_>, refusal: &Refusal) -> Verdict {
        let settings = &self.0;
        let (status, message, challenge) = match refusal {
            Refusal::Fault => return Verdict::Reply(exchange.error(500, "An unexpected error occurred")),
            Refusal::NoToken => (401, &settings.unauthorized, REALM.to_owned()),
            Refusal::BadToken => (401, &settings.unauthorized, format!("{REALM}, error=\"invalid_token\"")),
            Refusal::Forbidden => (403, &settings.forbidden, format!("{REALM}, error=\"insufficient_scope\"")),
        };
        let reply: Reply = exchange.error(status, &**message).with_style(Style::Compact);
        let reply = reply.with_header("www-authenticate", challenge);
        // Who is known and may not pass does not become somebody else.
        let anonymous = settings.anonymous.as_deref().filter(|_| *refusal != Refusal::Forbidden);
        authentication::refuse(exchange, anonymous, reply)
    }
}

/// A shared secret is never among a provider's published keys.
fn is_asymmetric(algorithm: &str) -> bool {
    !algorithm.starts_with("HS")
}

fn has_signed(key: &Key, token: &Token<'_>) -> bool {
    match key {
        Key::Public { key, .. } => key.verify_sig(token.signed, &token.signature).is_ok(),
        Key::Shared { .. } => false,
    }
}

fn value_of(header: &ClaimHeader, token: &Token<'_>) -> Option<Text> {
    let text = token.claim(&header.claim).and_then(claims::header_text)?;
    Some(Text::from_slice(&header_value(text.as_bytes())))
}
