//! Names and secrets for which the provider gives tokens: a user's password, or another client's secret.

use super::admission::{Shown, Trusted};
use super::asking::{self, Got, Stage};
use super::client::Answer;
use super::parts::Method;
use super::{OpenIdConnect, Refusal, Stop};
use crate::exchange::{Exchange, Verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl OpenIdConnect {
    /// A password first, then a client's secret.
    pub fn known_by_credentials(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &mut Got,
        now_s: i64,
    ) -> Result<Option<Verdict>, Stop> {
        let methods = &self.0.methods;
        if !methods.password && !methods.client_credentials {
            return Ok(None);
        }
        let Some((name, secret)) = exchange.header("authorization").and_then(login) else { return Ok(None) };
        let ways = [
            (methods.password && !got.is_of(Stage::ClientCredentials), Stage::Password, Method::Password),
            (methods.client_credentials, Stage::ClientCredentials, Method::ClientCredentials),
        ];
        for (_, stage, method) in ways.into_iter().filter(|(is_open, ..)| *is_open) {
            let answer = self.grant(exchange, got, stage, &name, &secret, now_s)?;
            match &*answer {
                Answer::Tokens(tokens) => {
                    let trusted = Trusted::tokens(tokens);
                    return self.admit(exchange, method, &tokens.claims(), &trusted, Shown::Basic).map(Some);
                }
                Answer::Refused => (),
                _ => return Err(Refusal::Fault.into()),
            }
        }
        Err(Refusal::BadToken.into())
    }

    fn grant(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &Got,
        stage: Stage,
        name: &str,
        secret: &str,
        now_s: i64,
    ) -> Result<std::sync::Arc<Answer>, Stop> {
        let client = self.client()?;
        let key = client
            .key(if stage == Stage::Password { "password" } else { "client" }, &[name, secret, &self.0.caching.name()]);
        let (name, secret, lifetime) = (name.to_owned(), secret.to_owned(), self.lifetime_of_tokens(now_s));
        asking::ask(exchange, got, stage, key, || {
            client.ask(key, lifetime, move |client| match stage {
                Stage::Password => client.password(&name, &secret, now_s),
                _ => client.client_credentials(&name, &secret, now_s),
            })
        })
    }
}

/// RFC 7617; a name cannot have a colon.
fn login(value: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim_ascii()).ok()?).ok()?;
    let (name, secret) = text.split_once(':').filter(|(name, secret)| !name.is_empty() && !secret.is_empty())?;
    Some((name.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        for (value, expected) in [
            ("Basic YW5uOnNlY3JldA==", Some(("ann", "secret"))),
            ("bASIC  YW5uOmE6Yg==", Some(("ann", "a:b"))),
            ("Basic YW5u", None),
            ("Basic YW5uOg==", None),
            ("Basic OnNlY3JldA==", None),
            ("Basic ***", None),
            ("Bearer YW5uOnNlY3JldA==", None),
            ("Basic", None),
            ("", None),
        ] {
            let found = login(value.as_bytes());
            assert_eq!(found.as_ref().map(|(name, secret)| (&**name, &**secret)), expected, "{value}");
        }
    }
}
