//! The gateway as a client of its provider (RFC 6749): who it says it is, and how it asks.

use super::checks::Measure;
use super::tokens::Tokens;
use crate::journal::{self, Level};
use crate::oidc::{Answers, Fresh, Issuer, Key, Known, documents};
use crate::waiting::Wait;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;
use ureq::Agent;

/// What providers have answered, for all instances.
pub static ANSWERS: LazyLock<Answers<Answer>> = LazyLock::new(Answers::default);

/// Discovery, keys, the question itself, and keys again where a token names a new one.
const REQUESTS: u32 = 6;
/// Who waits for a provider that fails learns it from the first who asked.
const LIFETIME_OF_FAILURE: Duration = Duration::from_secs(1);

/// What came of a question.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Tokens(Box<Tokens>),
    /// What introspection says of a token that is good.
    Claims(Map<String, Value>),
    /// The provider has done what it was asked.
    Done,
    /// The provider says no.
    Refused,
    /// Nobody can tell.
    Failed,
}

/// A configuration's part that has the client.
#[derive(Deserialize)]
pub struct Raw {
    id: Box<str>,
    secret: Option<Box<str>>,
    auth: Option<Auth>,
    scopes: Vec<Box<str>>,
    audience: Vec<Box<str>>,
    authorization_endpoint: Option<Box<str>>,
    token_endpoint: Option<Box<str>>,
    introspection_endpoint: Option<Box<str>>,
    revocation_endpoint: Option<Box<str>>,
    end_session_endpoint: Option<Box<str>>,
    introspection_hint: Box<str>,
}

/// How the client proves who it is (OpenID Connect Core 1.0, section 9).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    ClientSecretBasic,
    ClientSecretPost,
    None,
}

/// Who asks, and as whom.
pub struct Login<'a> {
    pub id: &'a str,
    pub secret: Option<&'a str>,
    pub auth: Option<Auth>,
    /// It came with a request, so that what is wrong with it is nobody's fault here.
    pub is_callers: bool,
}

pub struct Client {
    pub issuer: Arc<Issuer>,
    pub id: Box<str>,
    secret: Option<Box<str>>,
    auth: Option<Auth>,
    pub scope: String,
    pub audience: Vec<Box<str>>,
    endpoints: [(&'static str, Option<Box<str>>); 5],
    pub hint: Box<str>,
    pub measure: Arc<Measure>,
    agent: OnceLock<Agent>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Client({}, ***)", self.id)
    }
}

impl Client {
    pub fn new(raw: Raw, issuer: Arc<Issuer>, measure: Arc<Measure>) -> Self {
        Self {
            issuer,
            measure,
            id: raw.id,
            secret: raw.secret,
            auth: raw.auth,
            scope: raw.scopes.join(" "),
            audience: raw.audience,
            endpoints: [
                ("authorization_endpoint", raw.authorization_endpoint),
                ("token_endpoint", raw.token_endpoint),
                ("introspection_endpoint", raw.introspection_endpoint),
                ("revocation_endpoint", raw.revocation_endpoint),
                ("end_session_endpoint", raw.end_session_endpoint),
            ],
            hint: raw.introspection_hint,
            agent: OnceLock::new(),
        }
    }

    /// As configured, else as the provider says.
    pub fn endpoint<'a>(&'a self, known: &'a Known, name: &str) -> Option<&'a str> {
        let configured = self.endpoints.iter().find(|(other, _)| *other == name).and_then(|(_, url)| url.as_deref());
        configured.or_else(|| known.metadata.endpoint(name))
    }

    /// What names everything that answers to this client depend on.
    pub fn key(&self, question: &str, parts: &[&str]) -> Key {
        let source = self.issuer.source();
        let mut hash = Sha256::new();
        let verifies = if source.verifies { "verified" } else { "" };
        let secret = self.secret.as_deref().unwrap_or_default();
        let endpoints = self.endpoints.iter().map(|(_, url)| url.as_deref().unwrap_or_default());
        let auth = format!("{:?}", self.auth);
        let own = [question, &source.url, verifies, &self.id, secret, &auth, &self.scope];
        for part in own.into_iter().chain(endpoints).chain(parts.iter().copied()) {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Asks once for all who ask the same. `lifetime` says for how long a good answer counts.
    pub fn ask(
        self: &Arc<Self>,
        key: Key,
        lifetime: impl FnOnce(&Answer) -> Duration + Send + 'static,
        work: impl FnOnce(&Self) -> Answer + Send + 'static,
    ) -> Wait {
        let client = Arc::clone(self);
        ANSWERS.ask(key, self.issuer.source().timeout.saturating_mul(REQUESTS), move || {
            let value = work(&client);
            let (lifetime, size) = match &value {
                Answer::Failed => (LIFETIME_OF_FAILURE, 0),
                Answer::Tokens(tokens) => (lifetime(&value), tokens.size()),
                // Maps take several times what they were read from.
                Answer::Claims(claims) => {
                    (lifetime(&value), 4 * serde_json::to_vec(claims).map_or(0, |text| text.len()))
                }
                _ => (lifetime(&value), 0),
            };
            Fresh { value, lifetime, size }
        })
    }

    pub fn itself(&self) -> Login<'_> {
        Login { id: &self.id, secret: self.secret.as_deref(), auth: self.auth, is_callers: false }
    }

    /// Another client of the same provider's, which has shown its secret.
    pub fn other<'a>(&self, id: &'a str, secret: &'a str) -> Login<'a> {
        Login { id, secret: Some(secret), auth: self.auth.filter(|auth| *auth != Auth::None), is_callers: true }
    }

    pub fn agent(&self) -> &Agent {
        let source = self.issuer.source();
        self.agent.get_or_init(|| documents::agent(source.verifies, source.timeout))
    }

    /// What whoever runs the gateway must know; the text has nothing of a client's.
    pub fn tell(&self, trouble: &str) {
        journal::tell(Level::Error, &format!("openid-connect: {}: {trouble}", self.issuer.source().url));
    }
}
