//! The plugin basic-auth: whom a username and password belong to, and what a refusal says (kong.md §5.3).

mod login;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::{Plugin, authentication};
use crate::tables::{Compat, Consumer, Credential};
use crate::text;
use login::Login;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

#[cfg(test)]
mod tests;

const NAME: &str = "basic-auth";
/// In the order of the search.
const HEADERS: [&str; 2] = ["proxy-authorization", "authorization"];
const OLD_CHALLENGE: &str = "Basic realm=\"kong\"";

#[derive(Debug)]
struct BasicAuth {
    /// Id or username of the consumer to whom a request without a valid login belongs.
    anonymous: Option<Box<str>>,
    hide_credentials: bool,
    challenge: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    anonymous: Option<Box<str>>,
    #[serde(default)]
    hide_credentials: bool,
    #[serde(default = "default_realm")]
    realm: String,
}

fn default_realm() -> String {
    "service".to_owned()
}

#[derive(Clone, Copy)]
enum Refusal {
    NoHeader,
    WrongLogin,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let Config { anonymous, hide_credentials, realm } = serde_json::from_value(config)?;
    if realm.is_empty() || !text::is_header_value(realm.as_bytes()) {
        return Err(ConfigError::Invalid("the realm cannot stand in a header".into()));
    }
    if anonymous.as_deref() == Some("") {
        return Err(ConfigError::Invalid("anonymous must name a consumer".into()));
    }
    let challenge = format!("Basic realm=\"{realm}\"").into();
    Ok(Box::new(BasicAuth { anonymous, hide_credentials, challenge }))
}

impl Plugin for BasicAuth {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let anonymous = self.anonymous.as_deref();
        if authentication::is_settled(exchange, anonymous) {
            return Verdict::Continue;
        }
        match self.authenticate(exchange) {
            Ok((consumer, login)) => authentication::accept_user(exchange, consumer, login),
            Err(refusal) => {
                let (message, challenge) = self.words(refusal, exchange.compat());
                let mut reply = exchange.error(401, message);
                if let Some(challenge) = challenge {
                    reply = reply.with_header("www-authenticate", challenge);
                }
                authentication::refuse(exchange, anonymous, reply)
            }
        }
    }
}

impl BasicAuth {
    /// The first header that names a known user decides; with `hide_credentials` every header that was looked at goes.
    fn authenticate<'a>(
        &self,
        exchange: &mut Exchange<'a, '_>,
    ) -> Result<(&'a Arc<Consumer>, &'a Credential), Refusal> {
        if HEADERS.iter().all(|name| exchange.header(name).is_none()) {
            return Err(Refusal::NoHeader);
        }
        let world = exchange.world;
        for name in HEADERS {
            let login = exchange.header(name).and_then(Login::read);
            if self.hide_credentials {
                exchange.upstream.remove(name);
            }
            let Some(login) = login else { continue };
            let shown = login.digest(&world.settings.salt);
            let username = std::str::from_utf8(&login.username).ok();
            if let Some((consumer, known)) = username.and_then(|name| world.consumers.credential(NAME, name)) {
                let is_right = known.secret.as_deref().is_some_and(|secret| authentication::is_same(secret, &shown));
                return if is_right { Ok((consumer, known)) } else { Err(Refusal::WrongLogin) };
            }
        }
        Err(Refusal::WrongLogin)
    }

    fn words(&self, refusal: Refusal, compat: Compat) -> (&'static str, Option<&str>) {
        match (compat, refusal) {
            (Compat::Kong3, _) => ("Unauthorized", Some(&self.challenge)),
            (Compat::Kong21, Refusal::NoHeader) => ("Unauthorized", Some(OLD_CHALLENGE)),
            (Compat::Kong21, Refusal::WrongLogin) => ("Invalid authentication credentials", None),
        }
    }
}

impl Login {
    /// As the control plane writes it: of the name's length in eight bytes, the name and the password, so that equal
    /// passwords of two users differ.
    fn digest(&self, salt: &[u8]) -> String {
        let length = (self.username.len() as u64).to_be_bytes();
        authentication::digest(salt, &[&length[..], &self.username, &self.password].concat()).to_owned()
    }
}
