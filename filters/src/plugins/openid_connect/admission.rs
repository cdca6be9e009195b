//! Who may pass, what the upstream and the client are told of them, and how others are refused.

use super::claims::{self, Claims};
use super::config::{By, ClaimHeader, Place};
use super::parts::Method;
use super::tokens::Tokens;
use super::{OpenIdConnect, Refusal, Stop, bearer};
use crate::exchange::{Exchange, Identity, Verdict};
use crate::plugins::authentication;
use crate::reply::{Reply, Style};
use crate::tables::Consumer;
use crate::text::{Text, header_value};
use std::sync::Arc;

/// The only realm that Kong names.
const REALM: &str = "Bearer realm=\"kong\"";

/// By what the caller was known.
#[derive(Clone, Copy)]
pub enum Shown {
    Token(Place),
    Basic,
    Cookie,
}

/// What the provider gave, or has vouched for.
pub struct Trusted<'a> {
    pub access: &'a [u8],
    pub tokens: Option<&'a Tokens>,
    /// Where it began, if the caller has just signed in.
    pub began_at: Option<&'a str>,
}

impl<'a> Trusted<'a> {
    pub fn bearer(access: &'a [u8]) -> Self {
        Self { access, tokens: None, began_at: None }
    }

    pub fn tokens(tokens: &'a Tokens) -> Self {
        Self { access: tokens.access.as_bytes(), tokens: Some(tokens), began_at: None }
    }
}

impl OpenIdConnect {
    pub fn admit(
        &self,
        exchange: &mut Exchange<'_, '_>,
        method: Method,
        claims: &Claims<'_>,
        trusted: &Trusted<'_>,
        shown: Shown,
    ) -> Result<Verdict, Stop> {
        if !self.0.demands.iter().all(|demand| demand.is_met(claims)) {
            return Err(Refusal::Forbidden.into());
        }
        let consumer = self.consumer(exchange, claims)?;
        self.hide(exchange, shown);
        if let Some(header) = &self.0.token_header {
            let value = [header.prefix.as_bytes(), trusted.access].concat();
            exchange.upstream.set(header.name.to_string(), header_value(&value));
        }
        self.tell(exchange, claims);
        let groups = self.0.groups_claim.as_ref().and_then(|claim| claim.find(claims));
        let credential: Option<Box<str>> = self.0.credential_claim.name(claims).map(Into::into);
        *exchange.who = Identity {
            consumer,
            credential: credential.clone(),
            credential_id: credential,
            groups: groups.map(|value| claims::texts(value).into_iter().map(Into::into).collect()),
            is_checked: true,
            ..Identity::default()
        };
        Ok(self.after_login(exchange, method, trusted).map_or(Verdict::Continue, Verdict::Reply))
    }

    /// The consumer that a claim names. None: none is asked for, or none is needed.
    fn consumer(&self, exchange: &Exchange<'_, '_>, claims: &Claims<'_>) -> Result<Option<Arc<Consumer>>, Refusal> {
        let Some(wanted) = &self.0.consumer else { return Ok(None) };
        let consumers = &exchange.world.consumers;
        let name = wanted.claim.name(claims);
        let found = name.and_then(|name| {
            wanted.by.iter().find_map(|by| match by {
                By::Id => consumers.by_id(&name),
                By::Username => consumers.by_username(&name),
                By::CustomId => consumers.by_custom_id(&name),
            })
        });
        if found.is_none() && !wanted.is_optional { Err(Refusal::Forbidden) } else { Ok(found.map(Arc::clone)) }
    }

    fn hide(&self, exchange: &mut Exchange<'_, '_>, shown: Shown) {
        match shown {
            Shown::Token(place) if self.0.hides_credentials => bearer::hide(exchange, &self.0, place),
            Shown::Basic if self.0.hides_credentials => exchange.upstream.remove("authorization"),
            _ => (),
        }
        self.hide_cookies(exchange);
    }

    fn tell(&self, exchange: &mut Exchange<'_, '_>, claims: &Claims<'_>) {
        for header in &self.0.upstream_headers {
            // What a claim does not say must not come from the client.
            match value_of(header, claims) {
                Some(value) => exchange.upstream.set(header.name.to_string(), value),
                None => exchange.upstream.remove(header.name.to_string()),
            }
        }
        for header in &self.0.downstream_headers {
            if let Some(value) = value_of(header, claims) {
                exchange.downstream.push((header.name.to_string().into(), value));
            }
        }
    }

    pub fn refused(&self, exchange: &mut Exchange<'_, '_>, refusal: &Refusal) -> Verdict {
        let settings = &self.0;
        let (status, message, challenge, elsewhere) = match refusal {
            Refusal::Fault => return Verdict::Reply(exchange.error(500, "An unexpected error occurred")),
            Refusal::NoToken => (401, &settings.unauthorized, REALM.to_owned(), &settings.unauthorized_redirect),
            Refusal::BadToken => {
                let challenge = format!("{REALM}, error=\"invalid_token\"");
                (401, &settings.unauthorized, challenge, &settings.unauthorized_redirect)
            }
            Refusal::Forbidden => {
                let challenge = format!("{REALM}, error=\"insufficient_scope\"");
                (403, &settings.forbidden, challenge, &settings.forbidden_redirect)
            }
        };
        self.end_session_of_refused(exchange, refusal);
        let reply = match elsewhere {
            Some(location) => redirect(exchange, location),
            None => {
                let reply: Reply = exchange.error(status, &**message).with_style(Style::Compact);
                reply.with_header("www-authenticate", challenge)
            }
        };
        // Who is known and may not pass does not become somebody else.
        let anonymous = settings.anonymous.as_deref().filter(|_| *refusal != Refusal::Forbidden);
        authentication::refuse(exchange, anonymous, reply)
    }
}

/// To somewhere else, for this once.
pub fn redirect(exchange: &Exchange<'_, '_>, location: &str) -> Reply {
    let style = Style::Raw { content_type: None, body: Vec::new() };
    let reply = exchange.error(302, "").with_style(style).with_header("cache-control", "no-store");
    reply.with_header("location", &*header_value(location.as_bytes()))
}

fn value_of(header: &ClaimHeader, claims: &Claims<'_>) -> Option<Text> {
    let text = claims.get(&header.claim).and_then(claims::header_text)?;
    Some(Text::from_slice(&header_value(text.as_bytes())))
}
