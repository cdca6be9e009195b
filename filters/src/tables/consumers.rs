//! Consumers and their credentials, found by what a client shows.
//!
//! Secrets are known only as salted SHA-256 digests. A look-up by digest hashes what the client sent, so its time tells
//! nothing about the secrets in the table.

use crate::clock::seconds_of_ms;
use crate::error::ConfigError;
use crate::hashing::Table;
use crate::metrics::traffic::Place;
use crate::signature::Key;
use crate::tables::route::in_one_line_if_there;
use indexmap::IndexMap;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
pub struct Consumer {
    pub id: Box<str>,
    pub username: Option<Box<str>>,
    pub custom_id: Option<Box<str>>,
    /// Of credentials of type `acl`.
    #[serde(default)]
    pub groups: Vec<Box<str>>,
    /// Ids of the groups that it belongs to; of two that say the same the first counts.
    #[serde(default)]
    pub consumer_groups: Vec<Box<str>>,
    /// Plugin instances that it carries and that apply where a route or service refers to them too.
    #[serde(default)]
    pub carries: Vec<Box<str>>,
    /// Plugin instances that follow it wherever it goes.
    #[serde(default)]
    pub own: Vec<OwnInstance>,
    #[serde(default)]
    pub credentials: IndexMap<Box<str>, Vec<Credential>>,
    #[serde(skip)]
    pub traffic: Place,
    /// As records tell it, where a plugin writes them: JSON without line ends.
    #[serde(default, deserialize_with = "in_one_line_if_there")]
    pub logged: Option<Box<str>>,
}

/// A plugin that only a consumer or a group carries.
#[derive(Debug, Deserialize)]
pub struct OwnInstance {
    /// Place in the order of all plugins.
    pub order: u32,
    pub instance: Box<str>,
    pub scope: Box<str>,
}

#[derive(Debug, Deserialize)]
pub struct Credential {
    pub id: Box<str>,
    /// What it is found by: the digest of a key, a username.
    pub index: Box<str>,
    /// Digest of what must be shown besides, like a password.
    pub secret: Option<Box<str>>,
    /// By which its owner's signatures are checked.
    pub key: Option<Key>,
    /// Of credentials of type `oauth2`.
    pub client: Option<OAuthClient>,
    /// Unix time in seconds from which the credential is no longer valid.
    pub expires_at: Option<f64>,
}

/// An application that may ask for tokens.
#[derive(Debug, Deserialize)]
pub struct OAuthClient {
    pub redirect_uris: Option<Vec<Box<str>>>,
    /// It cannot keep a secret.
    pub is_public: bool,
}

impl Credential {
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at.is_some_and(|expiry| seconds_of_ms(now_ms) >= expiry)
    }
}

impl Consumer {
    pub fn parse(json: &str) -> Result<Arc<Self>, ConfigError> {
        let mut consumer: Self = serde_json::from_str(json)?;
        consumer.own.sort_by_key(|own| own.order);
        Ok(Arc::new(consumer))
    }
}

type Index = Table<Box<str>, (Arc<Consumer>, usize)>;

/// Index over all consumers.
#[derive(Debug, Default)]
pub struct Consumers {
    by_id: Table<Box<str>, Arc<Consumer>>,
    by_username: Table<Box<str>, Arc<Consumer>>,
    by_custom_id: Table<Box<str>, Arc<Consumer>>,
    /// By type and index: the consumer, and the place among its credentials of the type.
    by_credential: IndexMap<Box<str>, Index>,
}

impl Consumers {
    pub fn add(&mut self, consumer: &Arc<Consumer>) {
        self.by_id.insert(consumer.id.clone(), Arc::clone(consumer));
        if let Some(username) = &consumer.username {
            self.by_username.insert(username.clone(), Arc::clone(consumer));
        }
        if let Some(custom_id) = &consumer.custom_id {
            self.by_custom_id.insert(custom_id.clone(), Arc::clone(consumer));
        }
        for (kind, credentials) in &consumer.credentials {
            if !self.by_credential.contains_key(kind) {
                self.by_credential.insert(kind.clone(), Index::default());
            }
            if let Some(index) = self.by_credential.get_mut(kind) {
                for (place, credential) in credentials.iter().enumerate() {
                    index.insert(credential.index.clone(), (Arc::clone(consumer), place));
                }
            }
        }
    }

    /// The credential of a type (`key-auth`) under an index, and whose it is.
    pub fn credential(&self, kind: &str, index: &str) -> Option<(&Arc<Consumer>, &Credential)> {
        let (consumer, place) = self.by_credential.get(kind)?.get(index)?;
        Some((consumer, consumer.credentials.get(kind)?.get(*place)?))
    }

    pub fn by_id(&self, id: &str) -> Option<&Arc<Consumer>> {
        self.by_id.get(id)
    }

    pub fn by_username(&self, username: &str) -> Option<&Arc<Consumer>> {
        self.by_username.get(username)
    }

    pub fn by_custom_id(&self, custom_id: &str) -> Option<&Arc<Consumer>> {
        self.by_custom_id.get(custom_id)
    }

    pub fn all(&self) -> impl Iterator<Item = &Consumer> {
        self.by_id.values().map(|consumer| &**consumer)
    }

    /// Finds the consumer whom a plugin's `anonymous` names, by id or by username.
    pub fn find(&self, id_or_username: &str) -> Option<&Arc<Consumer>> {
        self.by_id.get(id_or_username).or_else(|| self.by_username.get(id_or_username))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumers(json: &str) -> Consumers {
        let mut consumers = Consumers::default();
        consumers.add(&Consumer::parse(json).unwrap());
        consumers
    }

    #[test]
    fn finds_a_credential_by_its_type_and_index() {
        let found = consumers(
            r#"{"id": "c-1", "username": "ann", "credentials": {
                "key-auth": [{"id": "k", "index": "d1", "expires_at": 10}], "basic-auth": [{"id": "b", "index": "ann"}]}}"#,
        );
        let (consumer, credential) = found.credential("key-auth", "d1").unwrap();
        assert_eq!((&*consumer.id, &*credential.id), ("c-1", "k"));
        assert!(!credential.is_expired(9_999));
        assert!(credential.is_expired(10_000));
        assert!(found.credential("key-auth", "ann").is_none());
        assert!(found.credential("jwt", "ann").is_none());
    }

    #[test]
    fn finds_consumers_by_id_and_username() {
        let found = consumers(r#"{"id": "c-1", "username": "ann", "custom_id": "7"}"#);
        assert!(found.find("c-1").is_some() && found.find("ann").is_some());
        assert!(
            found.by_id("c-1").is_some() && found.by_username("ann").is_some() && found.by_custom_id("7").is_some()
        );
        assert!(
            found.by_id("ann").is_none() && found.by_username("7").is_none() && found.by_custom_id("c-1").is_none()
        );
        assert!(found.find("bob").is_none());
    }
}
