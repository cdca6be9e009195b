//! The plugin oauth2: callers show a token that this gateway has given to an application (kong.md §5.6).

mod authorize;
mod issue;
mod parameters;
mod token;

use crate::arguments;
use crate::body::Content;
use crate::cjson;
use crate::client::Client;
use crate::error::ConfigError;
use crate::exchange::{Body, Exchange, Verdict};
use crate::plugins::{Plugin, authentication};
use crate::record::secrets::Secrets;
use crate::reply::{Reply, Style};
use crate::sealed::Sealer;
use crate::tables::{Compat, Consumer, Credential, OAuthClient};
use crate::text::{header_value, is_header_value};
use parameters::Parameters;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use token::{Kind, Token};

#[cfg(test)]
mod tests;

const NAME: &str = "oauth2";
const SCOPE: &str = "x-authenticated-scope";
const USER: &str = "x-authenticated-userid";
const EXPIRED: &str = "The access token is invalid or has expired";

#[derive(Debug)]
pub struct OAuth2 {
    scopes: Option<Vec<Box<str>>>,
    mandatory_scope: bool,
    provision_key: Option<Box<str>>,
    sealer: Sealer,
    /// Seconds; 0 is for ever.
    token_expiration: f64,
    enable_implicit_grant: bool,
    enable_client_credentials: bool,
    enable_password_grant: bool,
    hide_credentials: bool,
    accept_http_if_already_terminated: bool,
    anonymous: Option<Box<str>>,
    global_credentials: bool,
    auth_header_name: Box<str>,
    refresh_token_ttl: f64,
    reuse_refresh_token: bool,
    pkce: Pkce,
    realm: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Pkce {
    None,
    Lax,
    Strict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    scopes: Option<Vec<Box<str>>>,
    mandatory_scope: bool,
    provision_key: Option<Box<str>>,
    token_expiration: f64,
    enable_implicit_grant: bool,
    enable_client_credentials: bool,
    enable_password_grant: bool,
    hide_credentials: bool,
    accept_http_if_already_terminated: bool,
    anonymous: Option<Box<str>>,
    global_credentials: bool,
    auth_header_name: Box<str>,
    refresh_token_ttl: f64,
    reuse_refresh_token: bool,
    pkce: Pkce,
    realm: Option<Box<str>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    if config.realm.as_deref().is_some_and(|realm| !is_header_value(realm.as_bytes())) {
        return Err(ConfigError::Invalid("the realm cannot stand in a header".into()));
    }
    if config.anonymous.as_deref() == Some("") {
        return Err(ConfigError::Invalid("anonymous must name a consumer".into()));
    }
    let sealer = Sealer::new("oauth2", config.provision_key.as_deref().map(str::as_bytes));
    Ok(Box::new(OAuth2 {
        sealer: sealer.ok_or(ConfigError::Invalid("the system gives no random numbers for a key".into()))?,
        scopes: config.scopes,
        mandatory_scope: config.mandatory_scope,
        provision_key: config.provision_key,
        token_expiration: config.token_expiration,
        enable_implicit_grant: config.enable_implicit_grant,
        enable_client_credentials: config.enable_client_credentials,
        enable_password_grant: config.enable_password_grant,
        hide_credentials: config.hide_credentials,
        accept_http_if_already_terminated: config.accept_http_if_already_terminated,
        anonymous: config.anonymous,
        global_credentials: config.global_credentials,
        auth_header_name: config.auth_header_name.to_ascii_lowercase().into(),
        refresh_token_ttl: config.refresh_token_ttl,
        reuse_refresh_token: config.reuse_refresh_token,
        pkce: config.pkce,
        realm: config.realm,
    }))
}

/// An error of RFC 6749.
#[derive(Clone, Debug)]
struct Failure {
    error: &'static str,
    description: Cow<'static, str>,
}

/// What an endpoint answers; never to be kept by anybody.
struct Answer {
    status: u16,
    members: Vec<String>,
    /// With a challenge for Basic.
    is_challenged: bool,
}

enum Endpoint {
    Token,
    Authorize,
}

impl Plugin for OAuth2 {
    fn secrets<'a>(&'a self, found: &mut Secrets<'a>) {
        found.headers.push(&self.auth_header_name);
        found.arguments.extend(["access_token", "client_secret", "code", "password", "provision_key", "refresh_token"]);
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if let Some(endpoint) = endpoint(exchange.path) {
            return self.serve(exchange, &endpoint);
        }
        let anonymous = self.anonymous.as_deref();
        if authentication::is_settled(exchange, anonymous) {
            self.tell_of(exchange, None);
            return Verdict::Continue;
        }
        let shown = match self.shown_token(exchange) {
            Ok(shown) => shown,
            Err(NeedsBody) => return Verdict::NeedsBody,
        };
        let (failure, error) = match shown.as_deref().filter(|text| !text.is_empty()) {
            None => (Failure::new("invalid_request", "The access token is missing"), None),
            Some(text) => match self
                .opened(Kind::Access, text)
                .map(|token| self.owner(exchange, &token).map(|found| (found, token)))
            {
                Some(Ok(((consumer, credential), token))) => {
                    self.tell_of(exchange, Some(&token));
                    return authentication::accept(exchange, consumer, credential, &credential.index);
                }
                Some(Err(failure)) => (failure, Some("invalid_token")),
                None => (Failure::EXPIRED, Some("invalid_token")),
            },
        };
        let challenge = self.challenge(exchange.compat(), error.zip(Some(EXPIRED)));
        let reply = json(exchange, 401, &failure.members()).with_header("www-authenticate", challenge);
        self.tell_of(exchange, None);
        authentication::refuse(exchange, anonymous, reply)
    }
}

/// The token may stand in a body that has not come.
struct NeedsBody;

impl OAuth2 {
    fn serve(&self, exchange: &Exchange<'_, '_>, endpoint: &Endpoint) -> Verdict {
        if exchange.request.method != b"POST" {
            return Verdict::Reply(self.wrong_method(exchange, endpoint));
        }
        let Some(parameters) = Parameters::read(exchange) else { return Verdict::NeedsBody };
        let answer = match endpoint {
            Endpoint::Token => self.issue(exchange, &parameters),
            Endpoint::Authorize => self.authorize(exchange, &parameters),
        };
        let reply = json(exchange, answer.status, &answer.members)
            .with_header("cache-control", "no-store")
            .with_header("pragma", "no-cache");
        Verdict::Reply(if answer.is_challenged {
            reply.with_header("www-authenticate", "Basic realm=\"OAuth2.0\"")
        } else {
            reply
        })
    }

    fn wrong_method(&self, exchange: &Exchange<'_, '_>, endpoint: &Endpoint) -> Reply {
        let name = match endpoint {
            Endpoint::Token => "token",
            Endpoint::Authorize => "authorization",
        };
        let method = String::from_utf8_lossy(exchange.request.method);
        let text = format!("The HTTP method {method} is invalid for the {name} endpoint");
        let challenge = self.challenge(exchange.compat(), Some(("invalid_method", &text)));
        let failure = Failure::new("invalid_method", text);
        json(exchange, 405, &failure.members()).with_header("www-authenticate", header_value(challenge.as_bytes()))
    }

    fn challenge(&self, compat: Compat, error: Option<(&str, &str)>) -> String {
        let realm = if compat == Compat::Kong21 { Some("service") } else { self.realm.as_deref() };
        let realm = realm.map(|realm| format!(" realm=\"{realm}\"")).unwrap_or_default();
        let error = error.map(|(error, text)| format!(" error=\"{error}\" error_description=\"{text}\""));
        format!("Bearer{realm}{}", error.unwrap_or_default())
    }

    /// What the client shows as a token; with `hide_credentials` the upstream does not get it.
    fn shown_token(&self, exchange: &mut Exchange<'_, '_>) -> Result<Option<Vec<u8>>, NeedsBody> {
        if let Some(header) = exchange.header(&self.auth_header_name) {
            let parts: Vec<&[u8]> = header.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).collect();
            let scheme =
                |name: &[u8]| [b"token".as_slice(), b"bearer"].iter().any(|one| name.eq_ignore_ascii_case(one));
            let (shown, is_bearer) = match parts[..] {
                [name, token] if scheme(name) => (token.to_vec(), true),
                _ => (header.to_vec(), false),
            };
            match (self.hide_credentials, is_bearer) {
                (true, true) => exchange.upstream.remove(self.auth_header_name.to_string()),
                (true, false) => hide(exchange),
                (false, _) => (),
            }
            return Ok(Some(shown));
        }
        let parameters = Parameters::read(exchange).ok_or(NeedsBody)?;
        let shown = parameters.text("access_token").map(String::into_bytes);
        if shown.is_some() && self.hide_credentials {
            hide(exchange);
        }
        Ok(shown)
    }

    /// To whom a token belongs that is still good here.
    fn owner<'a>(
        &self,
        exchange: &Exchange<'a, '_>,
        token: &Token,
    ) -> Result<(&'a Arc<Consumer>, &'a Credential), Failure> {
        if !self.global_credentials && token.service.is_none() {
            let text = "The access token is global, but the current plugin is configured without 'global_credentials'";
            return Err(Failure::new("invalid_token", text));
        }
        if !self.is_for_service(exchange, token) || token.is_over(exchange.now_ms()) {
            return Err(Failure::EXPIRED);
        }
        let known = exchange.world.consumers.credential(NAME, &token.client_id);
        known.filter(|(_, credential)| credential.id == token.credential).ok_or(Failure::EXPIRED)
    }

    fn is_for_service(&self, exchange: &Exchange<'_, '_>, token: &Token) -> bool {
        match &token.service {
            Some(service) => exchange.route.service.id.as_deref() == Some(service),
            None => self.global_credentials,
        }
    }

    fn token(
        &self,
        exchange: &Exchange<'_, '_>,
        (client_id, credential): (&str, &str),
        (user, scope): (Option<Box<str>>, Option<Box<str>>),
    ) -> Token {
        Token {
            client_id: client_id.into(),
            credential: credential.into(),
            service: exchange.route.service.id.clone().filter(|_| !self.global_credentials),
            user,
            scope,
            issued_ms: exchange.now_ms(),
            lasts: self.token_expiration,
        }
    }

    fn client<'a>(&self, exchange: &Exchange<'a, '_>, id: &str) -> Option<(&'a Credential, &'a OAuthClient)> {
        let (_, credential) = exchange.world.consumers.credential(NAME, id)?;
        Some((credential, credential.client.as_ref()?))
    }

    fn has_provision_key(&self, parameters: &Parameters<'_>) -> bool {
        let shown = parameters.text("provision_key");
        self.provision_key
            .as_deref()
            .zip(shown.as_deref())
            .is_some_and(|(key, shown)| authentication::is_same(key, shown))
    }

    fn tell_of(&self, exchange: &mut Exchange<'_, '_>, token: Option<&Token>) {
        let values: [(&'static str, Option<&str>); 2] = [
            (SCOPE, token.and_then(|token| token.scope.as_deref())),
            (USER, token.and_then(|token| token.user.as_deref())),
        ];
        for (name, value) in values {
            exchange.upstream.remove(name);
            if let Some(value) = value {
                exchange.upstream.set(name, header_value(value.as_bytes()));
            }
        }
    }
}

/// Out of the query, and out of the body of a form.
fn hide(exchange: &mut Exchange<'_, '_>) {
    let query = exchange.query().and_then(|query| arguments::without(query, b"access_token"));
    exchange.upstream.query = query.or(exchange.upstream.query.take());
    if let Body::Whole(kind @ crate::body::Kind::Form, bytes) = exchange.body {
        let body = Content::new(kind, bytes).without(b"access_token");
        exchange.upstream.body = body.or(exchange.upstream.body.take());
    }
}

/// By the end of the path, whatever stands before it.
fn endpoint(path: &[u8]) -> Option<Endpoint> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.ends_with(b"/oauth2/token") {
        return Some(Endpoint::Token);
    }
    path.ends_with(b"/oauth2/authorize").then_some(Endpoint::Authorize)
}

/// Tokens are given over TLS only, or where a trusted proxy has ended it.
fn https_failure(plugin: &OAuth2, exchange: &Exchange<'_, '_>) -> Option<Failure> {
    let request = exchange.request;
    let denied = |text: &'static str| Some(Failure::new("access_denied", text));
    if request.is_tls {
        return None;
    }
    let client = Client::of(exchange.settings(), request);
    match client.told(request, "x-forwarded-proto").filter(|_| plugin.accept_http_if_already_terminated) {
        Some(told) if told.contains(&b',') => denied("Only one X-Forwarded-Proto header allowed"),
        Some(told) if told.eq_ignore_ascii_case(b"https") => None,
        _ => denied("You must use HTTPS"),
    }
}

fn json(exchange: &Exchange<'_, '_>, status: u16, members: &[String]) -> Reply {
    let content_type = Some("application/json; charset=utf-8".to_owned());
    let body = format!("{{{}}}", members.join(","));
    exchange.error(status, "").with_style(Style::Raw { content_type, body: body.into_bytes() })
}

impl Failure {
    const INVALID_CLIENT: Self = Self::fixed("invalid_client", "Invalid client authentication");
    const REDIRECT_URI: Self = Self::fixed(
        "invalid_request",
        "Invalid redirect_uri that does not match with any redirect_uri created with the application",
    );
    const EXPIRED: Self = Self::fixed("invalid_token", EXPIRED);

    const fn fixed(error: &'static str, description: &'static str) -> Self {
        Self { error, description: Cow::Borrowed(description) }
    }

    fn new(error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { error, description: description.into() }
    }

    fn members(&self) -> Vec<String> {
        vec![cjson::member("error", self.error), cjson::member("error_description", &self.description)]
    }
}

impl Answer {
    fn failed(status: u16, failure: &Failure, state: Option<String>) -> Self {
        Self { status, ..Self::given(failure.members(), state) }
    }

    fn given(mut members: Vec<String>, state: Option<String>) -> Self {
        members.extend(state.map(|state| cjson::member("state", &state)));
        Self { status: 200, members, is_challenged: false }
    }

    fn redirect(status: u16, uri: &str) -> Self {
        Self { status, members: vec![cjson::member("redirect_uri", uri)], is_challenged: false }
    }
}
