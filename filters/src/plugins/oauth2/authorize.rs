//! The endpoint `/oauth2/authorize`, which a site of the provider asks in the name of a user (RFC 6749, section 4.2).

use super::parameters::Parameters;
use super::token::Kind;
use super::{Answer, Failure, OAuth2, https_failure};
use crate::arguments;
use crate::exchange::Exchange;
use crate::path::push_escaped;
use crate::tables::OAuthClient;
use std::collections::BTreeMap;

impl OAuth2 {
    pub(super) fn authorize(&self, exchange: &Exchange<'_, '_>, parameters: &Parameters<'_>) -> Answer {
        let state = parameters.text("state");
        let early = https_failure(self, exchange).or_else(|| self.provisioning_failure(parameters));
        if let Some(failure) = early {
            return Answer::failed(400, &failure, state);
        }
        let client_id = parameters.text("client_id").unwrap_or_default();
        let known = self.client(exchange, &client_id);
        let Some((credential, client, uris)) =
            known.and_then(|(credential, client)| Some((credential, client, client.redirect_uris.as_deref()?)))
        else {
            return Answer::failed(400, &Failure::INVALID_CLIENT, state);
        };
        let Some(first) = uris.first() else { return Answer::failed(400, &Failure::INVALID_CLIENT, state) };
        let wanted = parameters.text("redirect_uri");
        let uri = wanted.as_deref().unwrap_or(first);
        let (uri, is_allowed) = if uris.iter().any(|one| &**one == uri) { (uri, true) } else { (&**first, false) };
        let outcome = self.granted(parameters, client, is_allowed).and_then(|scope| {
            let user = parameters.text("authenticated_userid").map(Into::into);
            let token = self.token(exchange, (&client_id, &credential.id), (user, scope));
            self.sealed(Kind::Access, &token)
                .ok_or_else(|| Failure::new("invalid_request", "The parameters are too long"))
        });
        match outcome {
            Ok(access_token) => {
                let mut given = vec![("access_token", access_token), ("token_type", "bearer".to_owned())];
                given.extend((self.token_expiration > 0.0).then(|| ("expires_in", self.token_expiration.to_string())));
                given.extend(state.map(|state| ("state", state)));
                Answer::redirect(200, &with_fragment(uri, &given))
            }
            Err(failure) => {
                let mut told =
                    vec![("error", failure.error.to_owned()), ("error_description", failure.description.into_owned())];
                told.extend(state.map(|state| ("state", state)));
                Answer::redirect(400, &with_query(uri, &told))
            }
        }
    }

    fn provisioning_failure(&self, parameters: &Parameters<'_>) -> Option<Failure> {
        if !self.has_provision_key(parameters) {
            return Some(Failure::new("invalid_provision_key", "Invalid provision_key"));
        }
        let user = parameters.text("authenticated_userid").filter(|user| !user.trim().is_empty());
        user.is_none().then(|| Failure::new("invalid_authenticated_userid", "Missing authenticated_userid parameter"))
    }

    /// The scope of the token. Of several failures the last one is told, as by Kong.
    fn granted(
        &self,
        parameters: &Parameters<'_>,
        client: &OAuthClient,
        is_allowed: bool,
    ) -> Result<Option<Box<str>>, Failure> {
        let is_token = self.enable_implicit_grant && parameters.text("response_type").as_deref() == Some("token");
        let mut failure = (!is_token).then(|| Failure::new("unsupported_response_type", "Invalid response_type"));
        let scope = self.scope(parameters).map_err(|wrong| failure = Some(wrong)).unwrap_or_default();
        if !is_allowed {
            failure = Some(Failure::REDIRECT_URI);
        }
        let needs_challenge =
            if client.is_public { self.pkce != super::Pkce::None } else { self.pkce == super::Pkce::Strict };
        let challenge = parameters.text("code_challenge");
        let method = parameters.text("code_challenge_method");
        match (&challenge, &method) {
            (None, Some(_)) => {
                failure =
                    Some(Failure::new("invalid_request", "code_challenge is required when code_method is present"));
            }
            (Some(_), Some(method)) if !["S256", "s256"].contains(&method.as_str()) => {
                failure = Some(Failure::new("invalid_request", "code_challenge_method is not supported, must be S256"));
            }
            (None, None) if needs_challenge => {
                let kind = if client.is_public { "public" } else { "confidential" };
                failure =
                    Some(Failure::new("invalid_request", format!("code_challenge is required for {kind} clients")));
            }
            _ => (),
        }
        failure.map_or(Ok(scope), Err)
    }
}

fn with_fragment(uri: &str, parameters: &[(&str, String)]) -> String {
    format!("{uri}#{}", encoded(&BTreeMap::new(), parameters))
}

/// Beside what the URI has already.
fn with_query(uri: &str, parameters: &[(&str, String)]) -> String {
    let (base, query) = uri.split_once('?').unwrap_or((uri, ""));
    let own = arguments::decoded(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.map(std::borrow::Cow::into_owned).unwrap_or_default()));
    format!("{base}?{}", encoded(&own.collect(), parameters))
}

/// In the order of the names.
fn encoded(own: &BTreeMap<Vec<u8>, Vec<u8>>, parameters: &[(&str, String)]) -> String {
    let mut all: BTreeMap<&[u8], &[u8]> = own.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    all.extend(parameters.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let mut out = Vec::new();
    for (name, value) in all {
        if !out.is_empty() {
            out.push(b'&');
        }
        escape(&mut out, name);
        out.push(b'=');
        escape(&mut out, value);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            push_escaped(out, byte);
        }
    }
}
