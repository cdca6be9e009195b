//! What the gateway asks of its provider, for threads that may block.

use super::checks;
use super::client::{Answer, Auth, Client, Login};
use super::tokens::{TokenResponse, Tokens};
use crate::arguments;
use crate::clock;
use crate::oidc::{Known, documents};
use crate::plugins::jwt::token::Token;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A longer text of a provider's is not repeated.
const LONGEST_ERROR: usize = 64;

/// How a sign-in began, and what came back of it.
pub struct Code {
    pub code: String,
    /// Who says that it has given the code (RFC 9207).
    pub issuer: Option<String>,
    pub redirect_uri: String,
    pub verifier: Option<String>,
    pub nonce: String,
}

impl Client {
    /// For a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5). There must be an ID token for this sign-in.
    pub fn exchange(&self, code: &Code, now_s: i64) -> Answer {
        let Some(known) = self.issuer.find(|_| true) else { return Answer::Failed };
        let says_so = known.metadata.says("authorization_response_iss_parameter_supported");
        if code.issuer.as_deref().map_or(says_so, |issuer| *issuer != *known.metadata.issuer) {
            return Answer::Refused;
        }
        let mut form = vec![("grant_type", "authorization_code"), ("code", &*code.code)];
        form.push(("redirect_uri", &code.redirect_uri));
        form.extend(code.verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
        match self.tokens(form, &self.itself(), Some(&code.nonce), now_s) {
            Answer::Tokens(tokens) if tokens.id.is_none() => {
                self.tell("its token endpoint gives no ID token: let config.scopes have openid");
                Answer::Failed
            }
            answer => answer,
        }
    }

    /// For a refresh token (RFC 6749, section 6). What does not come anew stays as it was.
    pub fn refresh(&self, old: &Tokens, now_s: i64) -> Answer {
        let Some(refresh) = &old.refresh else { return Answer::Refused };
        let form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let mut tokens = match self.tokens(form, &self.itself(), None, now_s) {
            Answer::Tokens(tokens) => tokens,
            other => return other,
        };
        if let (Some(before), Some(now)) = (old.subject(), tokens.subject())
            && before != now
        {
            self.tell("its token endpoint gives ID tokens of others for a refresh token");
            return Answer::Refused;
        }
        tokens.refresh = tokens.refresh.or_else(|| old.refresh.clone());
        tokens.id = tokens.id.or_else(|| old.id.clone());
        tokens.scope = tokens.scope.or_else(|| old.scope.clone());
        Answer::Tokens(tokens)
    }

    /// For a user's name and password (RFC 6749, section 4.3.2).
    pub fn password(&self, name: &str, password: &str, now_s: i64) -> Answer {
        let form = vec![("grant_type", "password"), ("username", name), ("password", password)];
        self.tokens(self.scoped(form), &self.itself(), None, now_s)
    }

    /// For the secret of a client, whichever it is (RFC 6749, section 4.4.2).
    pub fn client_credentials(&self, id: &str, secret: &str, now_s: i64) -> Answer {
        let form = vec![("grant_type", "client_credentials")];
        self.tokens(self.scoped(form), &self.other(id, secret), None, now_s)
    }

    /// What a token is good for (RFC 7662).
    pub fn introspect(&self, token: &str, now_s: i64) -> Answer {
        let form = vec![("token", token), ("token_type_hint", &*self.hint)];
        let claims = match self.post("introspection_endpoint", form, &self.itself()) {
            Ok((_, body)) => body,
            Err(answer) => return answer,
        };
        let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(&claims) else {
            self.tell("its introspection endpoint answers with what is no JSON object");
            return Answer::Failed;
        };
        let is_active = claims.get("active") == Some(&Value::Bool(true));
        let leeway = self.measure.leeway;
        let is_over = |expiry: &Value| expiry.as_f64().is_none_or(|expiry| expiry + leeway <= clock::number(now_s));
        if is_active && !claims.get("exp").is_some_and(is_over) { Answer::Claims(claims) } else { Answer::Refused }
    }

    /// Makes tokens worthless (RFC 7009), as far as the provider can do that.
    pub fn revoke(&self, tokens: &[(&str, String)]) -> Answer {
        for (hint, token) in tokens {
            if let Err(answer) =
                self.post("revocation_endpoint", vec![("token", token), ("token_type_hint", hint)], &self.itself())
            {
                return answer;
            }
        }
        Answer::Done
    }

    fn scoped<'a>(&'a self, mut form: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
        if !self.scope.is_empty() {
            form.push(("scope", &self.scope));
        }
        form.extend(self.audience.iter().map(|audience| ("audience", &**audience)));
        form
    }

    fn tokens(&self, form: Vec<(&str, &str)>, login: &Login<'_>, nonce: Option<&str>, now_s: i64) -> Answer {
        let (known, body) = match self.post("token_endpoint", form, login) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let Ok(response) = serde_json::from_slice::<TokenResponse>(&body) else {
            self.tell("its token endpoint answers with what is no token");
            return Answer::Failed;
        };
        if response.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            self.tell("its token endpoint gives tokens of another type than Bearer");
            return Answer::Failed;
        }
        self.checked(response, known, login.id, nonce, now_s)
    }

    fn checked(
        &self,
        response: TokenResponse,
        known: Arc<Known>,
        client: &str,
        nonce: Option<&str>,
        now_s: i64,
    ) -> Answer {
        let TokenResponse { access_token, expires_in, refresh_token, id_token, scope, .. } = response;
        let mut known = known;
        if let Some(text) = &id_token {
            let is_own = |known: &Known, token: &Token<'_>| self.measure.is_own(token, known, client, nonce, now_s);
            if !self.is_signed(text, &mut known, is_own) {
                self.tell("its token endpoint gives an ID token that is not good here");
                return Answer::Failed;
            }
        }
        let is_good = |known: &Known, token: &Token<'_>| self.measure.is_good(token, known, now_s);
        let is_checked = self.is_signed(&access_token, &mut known, is_good);
        let told = expires_in.map(|seconds| now_s.saturating_add(seconds));
        let own = is_checked.then(|| expiry_of(&access_token)).flatten();
        let expires = [told, own].into_iter().flatten().min();
        Answer::Tokens(Box::new(Tokens {
            access: access_token,
            is_checked,
            refresh: refresh_token,
            id: id_token,
            // Left out it is what was asked for (RFC 6749, section 5.1).
            scope: scope.or_else(|| Some(self.scope.clone())).filter(|scope| !scope.is_empty()),
            expires,
        }))
    }

    /// The provider may sign with a key that it did not show before.
    fn is_signed(&self, text: &str, known: &mut Arc<Known>, is_good: impl Fn(&Known, &Token<'_>) -> bool) -> bool {
        let Ok(token) = Token::read(text.as_bytes()) else { return false };
        if !checks::is_asymmetric(&token) {
            return false;
        }
        if let Some(newer) = self.issuer.find(|known| checks::can_check(known, &token)) {
            *known = newer;
        }
        is_good(known, &token)
    }

    /// The body of a good answer, and what was known of the provider when it came.
    fn post<'a>(
        &self,
        name: &str,
        mut form: Vec<(&'a str, &'a str)>,
        login: &'a Login<'_>,
    ) -> Result<(Arc<Known>, Vec<u8>), Answer> {
        let known = self.issuer.find(|_| true).ok_or(Answer::Failed)?;
        let Some(url) = self.endpoint(&known, name) else {
            self.tell(&format!("its discovery document has no {name}: set config.{name}"));
            return Err(Answer::Failed);
        };
        let basic = match (login.auth.unwrap_or_else(|| method(&known, login)), login.secret) {
            (Auth::ClientSecretBasic, Some(secret)) => Some(basic(login.id, secret)),
            (Auth::ClientSecretPost, Some(secret)) => {
                form.extend([("client_id", login.id), ("client_secret", secret)]);
                None
            }
            _ => {
                form.push(("client_id", login.id));
                None
            }
        };
        let answered = documents::post(self.agent(), url, basic.as_deref(), &arguments::encoded(form));
        let (status, body) = answered.map_err(|trouble| {
            self.tell(&format!("{name}: {trouble}"));
            Answer::Failed
        })?;
        match status {
            200 => Ok((known, body)),
            400..=499 => Err(self.refused(name, status, &body, login)),
            _ => {
                self.tell(&format!("{name}: it answers with status {status}"));
                Err(Answer::Failed)
            }
        }
    }

    /// Only what is no caller's fault is told (RFC 6749, section 5.2).
    fn refused(&self, name: &str, status: u16, body: &[u8], login: &Login<'_>) -> Answer {
        let error = serde_json::from_slice::<Value>(body).ok();
        let error = error.as_ref().and_then(|error| error.get("error")?.as_str());
        let is_plain = |text: &&str| {
            text.len() <= LONGEST_ERROR && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let error = error.filter(is_plain);
        let is_callers = match error {
            Some("invalid_client" | "unauthorized_client") => login.is_callers,
            Some("invalid_grant") => true,
            _ => false,
        };
        if !is_callers {
            let reason = error.map_or_else(|| format!("status {status}"), str::to_owned);
            self.tell(&format!("{name}: it refuses: {reason}"));
        }
        if is_callers || name == "token_endpoint" { Answer::Refused } else { Answer::Failed }
    }
}

/// Kong's default, unless the provider takes the other one only (OpenID Connect Discovery 1.0, section 3).
fn method(known: &Known, login: &Login<'_>) -> Auth {
    let takes = |method| known.metadata.lists("token_endpoint_auth_methods_supported", method);
    if login.secret.is_none() {
        Auth::None
    } else if takes("client_secret_basic") == Some(false) && takes("client_secret_post") == Some(true) {
        Auth::ClientSecretPost
    } else {
        Auth::ClientSecretBasic
    }
}

/// RFC 6749, section 2.3.1: name and secret are written as in a form first.
fn basic(id: &str, secret: &str) -> String {
    let written = |text: &str| arguments::encoded([(text, "")]).trim_end_matches('=').to_owned();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", written(id), written(secret))))
}

#[allow(clippy::cast_possible_truncation)] // a time before the year 9999 by then
fn expiry_of(token: &str) -> Option<i64> {
    const LAST_SECOND: f64 = 253_402_300_799.0;
    let token = Token::read(token.as_bytes()).ok()?;
    token.claim("exp")?.as_f64().map(|expiry| expiry.min(LAST_SECOND) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_secrets_are_written_as_in_a_form() {
        for (id, secret, expected) in [("a", "b", "a:b"), ("a b:c", "=%é", "a+b%3Ac:%3D%25%C3%A9"), ("a", "", "a:")] {
            assert_eq!(basic(id, secret), format!("Basic {}", STANDARD.encode(expected)));
        }
    }
}
