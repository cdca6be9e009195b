//! The endpoint `/oauth2/token`, where clients get tokens (RFC 6749, sections 4.3, 4.4 and 6).

use super::parameters::Parameters;
use super::token::{Kind, Token};
use super::{Answer, Failure, OAuth2, https_failure};
use crate::arguments::Found;
use crate::cjson;
use crate::exchange::Exchange;
use crate::nginx_base64;
use crate::plugins::authentication;
use crate::tables::{Credential, OAuthClient};

/// What a client says of itself.
struct Shown {
    client_id: Option<String>,
    secret: Option<String>,
    /// In a header, not among the parameters.
    is_basic: bool,
}

impl OAuth2 {
    pub(super) fn issue(&self, exchange: &Exchange<'_, '_>, parameters: &Parameters<'_>) -> Answer {
        let state = parameters.text("state");
        if let Some(failure) = https_failure(self, exchange) {
            return Answer::failed(400, &failure, state);
        }
        let shown = self.shown(exchange, parameters);
        let known = shown.client_id.as_deref().and_then(|id| self.client(exchange, id));
        let grant = parameters.text("grant_type").unwrap_or_default();
        if let Err(failure) = self.check_client(exchange, parameters, &shown, known, &grant) {
            let is_challenged = shown.is_basic && failure.error == Failure::INVALID_CLIENT.error;
            return Answer { is_challenged, ..Answer::failed(if is_challenged { 401 } else { 400 }, &failure, state) };
        }
        let outcome = match (grant.as_str(), known) {
            (_, None) => Err(Failure::INVALID_CLIENT),
            ("client_credentials", Some((credential, _))) => self.to_client(exchange, parameters, credential),
            ("password", Some((credential, _))) => self.to_user(exchange, parameters, credential),
            ("refresh_token", Some((credential, _))) => self.again(exchange, parameters, credential),
            // No code has ever been given to anybody.
            (_, Some(_)) => Err(Failure::new("invalid_request", "Invalid code")),
        };
        outcome.map_or_else(
            |failure| Answer::failed(400, &failure, state.clone()),
            |members| Answer::given(members, state.clone()),
        )
    }

    fn shown(&self, exchange: &Exchange<'_, '_>, parameters: &Parameters<'_>) -> Shown {
        let (client_id, secret) = (parameters.text("client_id"), parameters.text("client_secret"));
        let header = exchange.header(&self.auth_header_name);
        match (client_id, secret, header) {
            (Some(client_id), Some(secret), _) => {
                Shown { client_id: Some(client_id), secret: Some(secret), is_basic: false }
            }
            (_, _, Some(header)) => {
                let login = basic(header).unwrap_or_default();
                let mut parts = login.split(':').map(str::to_owned);
                Shown { client_id: parts.next(), secret: parts.next(), is_basic: true }
            }
            (client_id, _, None) => Shown { client_id, secret: None, is_basic: false },
        }
    }

    /// Of several failures the last one is told, as by Kong.
    fn check_client(
        &self,
        exchange: &Exchange<'_, '_>,
        parameters: &Parameters<'_>,
        shown: &Shown,
        known: Option<(&Credential, &OAuthClient)>,
        grant: &str,
    ) -> Result<(), Failure> {
        let is_enabled = match grant {
            "authorization_code" | "refresh_token" => true,
            "client_credentials" => self.enable_client_credentials,
            "password" => self.enable_password_grant,
            _ => false,
        };
        let mut failure = (!is_enabled).then(|| Failure::new("unsupported_grant_type", "Invalid grant_type"));
        if grant != "client_credentials" {
            match known.and_then(|(_, client)| client.redirect_uris.as_deref()) {
                None => failure = Some(Failure::INVALID_CLIENT),
                Some(uris) => {
                    let wanted = parameters.text("redirect_uri");
                    if wanted.is_some_and(|wanted| uris.iter().all(|uri| **uri != wanted)) {
                        failure = Some(Failure::REDIRECT_URI);
                    }
                }
            }
        }
        if let Some((credential, client)) = known {
            let secret = shown.secret.as_deref();
            if client.is_public {
                if secret.is_some_and(|secret| !secret.trim().is_empty()) {
                    failure = Some(Failure::new("invalid_request", "client_secret is disallowed for public clients"));
                }
            } else if !secret.is_some_and(|secret| is_secret_of(exchange, credential, secret)) {
                failure = Some(Failure::INVALID_CLIENT);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn to_client(
        &self,
        exchange: &Exchange<'_, '_>,
        parameters: &Parameters<'_>,
        credential: &Credential,
    ) -> Result<Vec<String>, Failure> {
        let user = parameters.text("authenticated_userid");
        if user.is_some() && !self.has_provision_key(parameters) {
            return Err(Failure::new("invalid_provision_key", "Invalid provision_key"));
        }
        let scope = self.scope(parameters)?;
        let token = self.token(exchange, (&credential.index, &credential.id), (user.map(Into::into), scope));
        self.members(&token, None)
    }

    fn to_user(
        &self,
        exchange: &Exchange<'_, '_>,
        parameters: &Parameters<'_>,
        credential: &Credential,
    ) -> Result<Vec<String>, Failure> {
        if !self.has_provision_key(parameters) {
            return Err(Failure::new("invalid_provision_key", "Invalid provision_key"));
        }
        let user = parameters.text("authenticated_userid").filter(|user| !user.trim().is_empty());
        let user =
            user.ok_or_else(|| Failure::new("invalid_authenticated_userid", "Missing authenticated_userid parameter"))?;
        let scope = self.scope(parameters)?;
        let token = self.token(exchange, (&credential.index, &credential.id), (Some(user.into()), scope));
        let refresh = Token { lasts: self.refresh_token_ttl, ..token.clone() };
        let is_refreshable = self.reuse_refresh_token && self.token_expiration > 0.0;
        let refresh = is_refreshable.then(|| self.sealed(Kind::Refresh, &refresh)).flatten();
        self.members(&token, refresh)
    }

    fn again(
        &self,
        exchange: &Exchange<'_, '_>,
        parameters: &Parameters<'_>,
        credential: &Credential,
    ) -> Result<Vec<String>, Failure> {
        let invalid = || Failure::new("invalid_request", "Invalid refresh_token");
        let text = parameters.text("refresh_token").filter(|_| self.reuse_refresh_token).ok_or_else(invalid)?;
        let old = self.opened(Kind::Refresh, text.as_bytes()).filter(|old| !old.is_over(exchange.now_ms()));
        let old = old.filter(|old| self.is_for_service(exchange, old)).ok_or_else(invalid)?;
        if old.credential != credential.id {
            return Err(Failure::INVALID_CLIENT);
        }
        let known = |scope: &str| self.scopes.as_ref().is_some_and(|all| all.iter().any(|one| &**one == scope));
        if old.scope.as_deref().is_some_and(|scope| !scope.split_whitespace().all(known)) {
            return Err(Failure::new("invalid_scope", "Scope mismatch"));
        }
        let token = self.token(exchange, (&old.client_id, &old.credential), (old.user, old.scope));
        self.members(&token, Some(text))
    }

    fn members(&self, token: &Token, refresh: Option<String>) -> Result<Vec<String>, Failure> {
        let too_long = || Failure::new("invalid_request", "The parameters are too long");
        let access = self.sealed(Kind::Access, token).ok_or_else(too_long)?;
        let mut members = vec![cjson::member("access_token", &access), cjson::member("token_type", "bearer")];
        if self.token_expiration > 0.0 {
            members.push(format!("\"expires_in\":{}", self.token_expiration));
        }
        members.extend(refresh.map(|refresh| cjson::member("refresh_token", &refresh)));
        Ok(members)
    }

    /// What the client asks for, if it may; None if it asks for nothing in particular.
    pub(super) fn scope(&self, parameters: &Parameters<'_>) -> Result<Option<Box<str>>, Failure> {
        let invalid = |description: String| Err(Failure::new("invalid_scope", description));
        let (text, scopes) = match (parameters.find("scope"), &self.scopes) {
            (Found::Nothing, _) if self.mandatory_scope => return invalid("You must specify a scope".to_owned()),
            (Found::Nothing, _) | (_, None) => return Ok(None),
            (Found::Text(text), Some(scopes)) => (String::from_utf8_lossy(&text).into_owned(), scopes),
            _ => return invalid("scope must be a string".to_owned()),
        };
        let asked: Vec<&str> = text.split_whitespace().collect();
        match asked.iter().find(|one| !scopes.iter().any(|scope| **scope == ***one)) {
            Some(unknown) => invalid(format!("\"{unknown}\" is an invalid scope")),
            None => Ok((!asked.is_empty()).then(|| asked.join(" ").into())),
        }
    }
}

/// As the control plane writes it: of the id's length in eight bytes, the id and the secret.
pub fn secret_digest(salt: &[u8], client_id: &str, secret: &str) -> String {
    let length = (client_id.len() as u64).to_be_bytes();
    authentication::digest(salt, &[&length[..], client_id.as_bytes(), secret.as_bytes()].concat()).to_owned()
}

fn is_secret_of(exchange: &Exchange<'_, '_>, credential: &Credential, secret: &str) -> bool {
    let shown = secret_digest(&exchange.settings().salt, &credential.index, secret);
    credential.secret.as_deref().is_some_and(|known| authentication::is_same(known, &shown))
}

/// What follows the first `Basic` or `basic`, decoded.
fn basic(header: &[u8]) -> Option<String> {
    let place = header.windows(5).position(|part| part == b"Basic" || part == b"basic")?;
    String::from_utf8(nginx_base64::decode(header[place + 5..].trim_ascii_start())?).ok()
}
