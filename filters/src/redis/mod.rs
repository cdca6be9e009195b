//! Redis as a store of counters, shared by gateways.
//!
//! Each store has one connection, on a thread of its own: what requests ask meanwhile goes out together and comes back
//! together, so that one connection carries what a pool would, in fewer round trips. The thread comes with the first
//! request and goes with the last.

mod client;
mod link;
pub mod protocol;
mod synced;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use client::{Answer, Client, client};
pub use protocol::Commands;
pub use synced::{Found, Key};

use crate::error::ConfigError;
use crate::net::{self, Endpoint, Tls};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// One Redis, as a configuration names it (Kong's record `redis`, kong.md §5.2.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Store {
    pub endpoint: Endpoint,
    username: Option<String>,
    password: Option<String>,
    database: i64,
    /// For connecting, and for each exchange; no request waits for longer.
    pub timeout: Duration,
}

/// Without what opens it.
impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Store({}/{})", self.endpoint, self.database)
    }
}

#[derive(Deserialize)]
pub struct RawStore {
    host: Option<String>,
    #[serde(default = "default_port")]
    port: u16,
    username: Option<String>,
    password: Option<String>,
    #[serde(default)]
    database: Option<i64>,
    timeout: Option<u64>,
    #[serde(default)]
    ssl: Option<bool>,
    #[serde(default)]
    ssl_verify: Option<bool>,
    server_name: Option<String>,
}

fn default_port() -> u16 {
    6379
}

const DEFAULT_TIMEOUT_MS: u64 = 2_000;
/// nginx's own timeout, which counts in place of none.
const NO_TIMEOUT_MS: u64 = 60_000;

impl RawStore {
    pub fn checked(self) -> Result<Store, ConfigError> {
        let host = self.host.filter(|host| !host.is_empty());
        let host = host.ok_or(ConfigError::Invalid("redis.host is missing: policy redis needs it".into()))?;
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT_MS);
        let tls = self.ssl.unwrap_or_default().then(|| Tls {
            verifies: self.ssl_verify.unwrap_or_default(),
            server_name: self.server_name.filter(|name| !name.is_empty()),
        });
        if let Some(tls) = &tls {
            let name = tls.server_name.as_deref().unwrap_or(&host);
            let text = format!("redis: {} is no name that a certificate could have", name.escape_debug());
            net::server_name(name).map_err(|_| ConfigError::Invalid(text.into()))?;
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Store {
            endpoint: Endpoint { host, port: self.port, tls },
            username: given(self.username),
            password: given(self.password),
            database: self.database.unwrap_or_default(),
            timeout: Duration::from_millis(if timeout == 0 { NO_TIMEOUT_MS } else { timeout }),
        })
    }
}

#[cfg(test)]
mod store_tests {
    use super::*;
    use serde_json::{Value, json};

    fn store(config: Value) -> Result<Store, ConfigError> {
        serde_json::from_value::<RawStore>(config).unwrap().checked()
    }

    #[test]
    fn what_is_left_out_is_as_in_kong() {
        let found = store(json!({"host": "r", "server_name": "x", "timeout": null})).unwrap();
        assert_eq!((found.endpoint.port, found.timeout.as_millis(), found.database), (6379, 2000, 0));
        assert_eq!(found.endpoint.tls, None);
        assert_eq!(store(json!({"host": "r", "timeout": 0})).unwrap().timeout.as_secs(), 60);
        let tls =
            store(json!({"host": "r", "ssl": true, "ssl_verify": true, "server_name": "x"})).unwrap().endpoint.tls;
        assert_eq!(tls, Some(Tls { verifies: true, server_name: Some("x".into()) }));
        for config in [json!({}), json!({"host": ""}), json!({"host": null})] {
            assert!(store(config).unwrap_err().to_string().contains("redis.host"));
        }
    }

    #[test]
    fn what_opens_it_is_not_shown() {
        let shown = format!("{:?}", store(json!({"host": "r", "username": "ann", "password": "s3cret"})).unwrap());
        assert_eq!(shown, "Store(r:6379/0)");
    }
}
