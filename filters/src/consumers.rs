//! The table of consumers and their credentials: built aside, swapped as a whole, shared by all routes.
//!
//! Keys are known only as salted SHA-256 digests. A look-up hashes what the client sent, so its time tells nothing
//! about the keys in the table.

use crate::config::{CONSUMER_RANK, Candidate, PluginConfig, empty_object};
use crate::error::ConfigError;
use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

pub type Slot = ArcSwap<Table>;

static SLOTS: LazyLock<Mutex<HashMap<String, Arc<Slot>>>> = LazyLock::new(Mutex::default);

/// The place of the named table; empty until a table arrives.
pub fn slot(name: &str) -> Arc<Slot> {
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(slots.entry(name.to_owned()).or_insert_with(|| Arc::new(ArcSwap::from_pointee(Table::default()))))
}

#[derive(Debug, Default)]
pub struct Table {
    salt: Vec<u8>,
    consumers: Vec<Consumer>,
    by_id: HashMap<String, usize>,
    by_username: HashMap<String, usize>,
    keys: HashMap<[u8; 32], Credential>,
}

#[derive(Debug)]
pub struct Consumer {
    pub id: String,
    pub username: Option<String>,
    pub custom_id: Option<String>,
    pub plugins: Vec<Candidate>,
}

#[derive(Debug)]
pub struct Credential {
    pub id: String,
    consumer: usize,
    /// Unix time in seconds from which the credential is no longer valid.
    expires_at: Option<f64>,
}

impl Credential {
    pub fn is_expired(&self, now_ms: impl FnOnce() -> i64) -> bool {
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double for 200 000 years
        self.expires_at.is_some_and(|expiry| now_ms() as f64 / 1000.0 >= expiry)
    }
}

impl Table {
    /// Parses the configuration of the filter `consumers`; gives the table's name with it.
    pub fn parse(json: &[u8]) -> Result<(String, Self), ConfigError> {
        let raw: RawTable = serde_json::from_slice(json)?;
        let salt = hex::decode(&raw.salt).map_err(|_| ConfigError::Invalid("the salt is not hexadecimal"))?;
        let mut table = Self { salt, ..Self::default() };
        for consumer in raw.consumers {
            table.add(consumer)?;
        }
        for credential in raw.credentials.key_auth {
            let mut digest = [0; 32];
            hex::decode_to_slice(&credential.digest, &mut digest)
                .map_err(|_| ConfigError::Invalid("a credential's digest is not 64 hexadecimal digits"))?;
            if credential.consumer >= table.consumers.len() {
                return Err(ConfigError::Invalid("a credential names a consumer that is not in the table"));
            }
            let RawCredential { id, consumer, expires_at, .. } = credential;
            table.keys.insert(digest, Credential { id, consumer, expires_at });
        }
        Ok((raw.name, table))
    }

    fn add(&mut self, raw: RawConsumer) -> Result<(), ConfigError> {
        let place = self.consumers.len();
        let mut plugins = Vec::with_capacity(raw.plugins.len());
        for plugin in raw.plugins {
            let config = PluginConfig::parse(&plugin.plugin, plugin.config)?;
            plugins.push(Candidate { id: plugin.id, consumer: None, rank: CONSUMER_RANK, config });
        }
        self.by_id.insert(raw.id.clone(), place);
        if let Some(username) = &raw.username {
            self.by_username.insert(username.clone(), place);
        }
        let RawConsumer { id, username, custom_id, .. } = raw;
        self.consumers.push(Consumer { id, username, custom_id, plugins });
        Ok(())
    }

    pub fn credential(&self, key: &[u8]) -> Option<&Credential> {
        let digest: [u8; 32] = Sha256::new().chain_update(&self.salt).chain_update(key).finalize().into();
        self.keys.get(&digest)
    }

    pub fn consumer(&self, place: usize) -> Option<&Consumer> {
        self.consumers.get(place)
    }

    pub fn consumer_of(&self, credential: &Credential) -> usize {
        credential.consumer
    }

    /// Finds the consumer whom a plugin's `anonymous` names, by id or by username.
    pub fn find(&self, id_or_username: &str) -> Option<usize> {
        self.by_id.get(id_or_username).or_else(|| self.by_username.get(id_or_username)).copied()
    }
}

#[derive(Deserialize)]
struct RawTable {
    name: String,
    salt: String,
    #[serde(default)]
    consumers: Vec<RawConsumer>,
    #[serde(default)]
    credentials: RawCredentials,
}

#[derive(Deserialize)]
struct RawConsumer {
    id: String,
    username: Option<String>,
    custom_id: Option<String>,
    #[serde(default)]
    plugins: Vec<RawPlugin>,
}

#[derive(Deserialize)]
struct RawPlugin {
    plugin: String,
    id: String,
    #[serde(default = "empty_object")]
    config: Value,
}

#[derive(Default, Deserialize)]
struct RawCredentials {
    #[serde(rename = "key-auth", default)]
    key_auth: Vec<RawCredential>,
}

#[derive(Deserialize)]
struct RawCredential {
    id: String,
    consumer: usize,
    digest: String,
    expires_at: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(extra: &str) -> Result<(String, Table), ConfigError> {
        let digest = hex::encode(Sha256::digest(b"\x01\x02secret"));
        let json = format!(
            r#"{{"name": "t", "salt": "0102", "consumers": [{{"id": "c-1", "username": "ann"{extra}}}],
                "credentials": {{"key-auth": [{{"id": "k", "consumer": 0, "digest": "{digest}", "expires_at": 10}}]}}}}"#
        );
        Table::parse(json.as_bytes())
    }

    #[test]
    fn finds_a_key_by_its_salted_digest() {
        let (name, table) = table("").unwrap();
        assert_eq!(name, "t");
        let credential = table.credential(b"secret").unwrap();
        assert_eq!((credential.id.as_str(), table.consumer_of(credential)), ("k", 0));
        assert!(table.credential(b"Secret").is_none());
        assert!(!credential.is_expired(|| 9_999));
        assert!(credential.is_expired(|| 10_000));
    }

    #[test]
    fn finds_consumers_by_id_and_username() {
        let (_, table) = table("").unwrap();
        assert_eq!(table.find("c-1"), Some(0));
        assert_eq!(table.find("ann"), Some(0));
        assert_eq!(table.find("bob"), None);
    }

    #[test]
    fn refuses_what_it_cannot_use() {
        for json in [
            r#"{"name": "t", "salt": "zz"}"#,
            r#"{"name": "t", "salt": "", "credentials": {"key-auth": [{"id": "", "consumer": 0, "digest": ""}]}}"#,
            r#"{"salt": ""}"#,
        ] {
            assert!(Table::parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(table(r#", "plugins": [{"plugin": "nope", "id": "p"}]"#).is_err());
    }

    #[test]
    fn a_slot_is_shared_by_name() {
        slot("shared").store(Arc::new(table("").unwrap().1));
        assert_eq!(slot("shared").load().find("ann"), Some(0));
        assert_eq!(slot("another").load().find("ann"), None);
    }
}
