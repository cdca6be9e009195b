//! The plugin openid-connect: callers are known by what an OpenID provider says of them (kong.md §6.1).
//!
//! A request is judged anew whenever something that was asked has come: all that is known stands in the request, and what
//! came is taken where it was missing before.

mod admission;
mod asking;
mod bearer;
mod browsers;
mod checks;
mod claims;
mod client;
mod config;
mod credentials;
mod jar;
mod parts;
mod requests;
mod sessions;
mod signin;
mod tokens;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::oidc::Look;
use crate::plugins::jwt::token::Token;
use crate::plugins::{Plugin, authentication};
use crate::record::secrets::Secrets;
use crate::waiting::Outcome;
use admission::{Shown, Trusted};
use asking::Got;
use bearer::Search;
use claims::Claims;
use client::Answer;
use config::{Place, Settings};
use parts::Method;
use serde_json::Value;
use std::sync::Arc;

#[cfg(test)]
pub mod browser_tests;
#[cfg(test)]
mod tests;

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

/// Why a request is not judged by what was looked at.
enum Stop {
    Verdict(Verdict),
    Refusal(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl Plugin for OpenIdConnect {
    fn secrets<'a>(&'a self, found: &mut Secrets<'a>) {
        let Settings { cookie, token_header, browser, .. } = &self.0;
        found.headers.extend(token_header.iter().map(|header| &*header.name));
        found.arguments.extend(["access_token", "client_secret", "code", "id_token", "refresh_token"]);
        found.cookies.extend(cookie.iter().map(|name| &**name));
        if let Some(browser) = browser {
            found.cookies.extend(browser.sign_in.iter().map(|sign_in| &*sign_in.jar.name));
            found.cookies.extend(browser.sessions.iter().flat_map(sessions::Sessions::cookies));
        }
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        self.judge(exchange, Got::Nothing)
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        let got = Got::of(exchange.note, outcome);
        self.judge(exchange, got)
    }
}

impl OpenIdConnect {
    fn judge(&self, exchange: &mut Exchange<'_, '_>, mut got: Got) -> Verdict {
        let anonymous = self.0.anonymous.as_deref();
        let is_preflight = exchange.request.method == b"OPTIONS";
        if (is_preflight && !self.0.runs_on_preflight) || authentication::is_settled(exchange, anonymous) {
            return Verdict::Continue;
        }
        match self.known_by_anything(exchange, &mut got) {
            Ok(verdict) | Err(Stop::Verdict(verdict)) => verdict,
            Err(Stop::Refusal(refusal)) => self.refused(exchange, &refusal),
        }
    }

    fn known_by_anything(&self, exchange: &mut Exchange<'_, '_>, got: &mut Got) -> Result<Verdict, Stop> {
        let now_s = exchange.now_ms().div_euclid(1000);
        if let Some(verdict) = self.known_by_browser(exchange, got, now_s)? {
            return Ok(verdict);
        }
        if let Some(verdict) = self.known_by_token(exchange, got, now_s)? {
            return Ok(verdict);
        }
        if let Some(verdict) = self.known_by_credentials(exchange, got, now_s)? {
            return Ok(verdict);
        }
        self.sign_in(exchange, got, now_s)
    }

    fn known_by_token(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &mut Got,
        now_s: i64,
    ) -> Result<Option<Verdict>, Stop> {
        let methods = &self.0.methods;
        if !methods.bearer && !methods.introspection {
            return Ok(None);
        }
        let (place, text) = match bearer::search(exchange, &self.0) {
            Search::NeedsBody => return Err(Stop::Verdict(Verdict::NeedsBody)),
            Search::Nothing => return Ok(None),
            Search::Token(place, text) => (place, text),
        };
        match Token::read(&text) {
            Ok(token) if !methods.introspection || !methods.introspects_all => {
                self.checked(exchange, got, &token, now_s)?;
                let claims = Claims::of(token.claims());
                self.admit(exchange, Method::Bearer, &claims, &Trusted::bearer(&text), Shown::Token(place)).map(Some)
            }
            _ if methods.introspection => self.introspected(exchange, got, place, &text, now_s).map(Some),
            _ => Err(Refusal::BadToken.into()),
        }
    }

    fn checked(&self, exchange: &mut Exchange<'_, '_>, got: &Got, token: &Token<'_>, now_s: i64) -> Result<(), Stop> {
        if !checks::is_asymmetric(token) {
            return Err(Refusal::BadToken.into());
        }
        let known = match got {
            Got::Nothing => match self.0.issuer.look(|known| checks::can_check(known, token)) {
                Look::Ask(wait) => return Err(asking::for_keys(exchange, wait)),
                Look::Known(known) => Some(known),
                Look::Unknown => None,
            },
            _ => self.0.issuer.last(),
        };
        let known = known.ok_or(Refusal::Fault)?;
        if self.0.measure.is_good(token, &known, now_s) { Ok(()) } else { Err(Refusal::BadToken.into()) }
    }

    fn introspected(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &mut Got,
        place: Place,
        text: &[u8],
        now_s: i64,
    ) -> Result<Verdict, Stop> {
        let client = self.client()?;
        let token = std::str::from_utf8(text).map_err(|_| Refusal::BadToken)?.to_owned();
        let key = client.key("introspection", &[&token, &self.0.measure.leeway.to_string(), &self.0.caching.name()]);
        let lifetime = self.lifetime_of_introspection(now_s);
        let answer = asking::ask(exchange, got, asking::Stage::Introspection, key, || {
            client.ask(key, lifetime, move |client| client.introspect(&token, now_s))
        })?;
        match &*answer {
            Answer::Claims(claims) => {
                let claims = Claims::of(claims);
                self.admit(exchange, Method::Introspection, &claims, &Trusted::bearer(text), Shown::Token(place))
            }
            Answer::Refused => Err(Refusal::BadToken.into()),
            _ => Err(Refusal::Fault.into()),
        }
    }

    fn client(&self) -> Result<&Arc<client::Client>, Refusal> {
        self.0.client.as_ref().ok_or(Refusal::Fault)
    }
}
