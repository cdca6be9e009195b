//! JSON over HTTP, for threads that may block: small, soon, and from nowhere else than was asked.

use crate::net;
use serde::de::DeserializeOwned;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// No provider says more of itself.
const LARGEST: u64 = 1024 * 1024;
const LARGEST_HEAD: usize = 64 * 1024;

/// No proxy of the environment is asked: it would see what is secret, and the gateway's other connections use none.
pub fn agent(verifies: bool, timeout: Duration) -> Agent {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(net::provider())
        .disable_verification(!verifies)
        .root_certs(if verifies { net::authorities() } else { RootCerts::new_with_certs(&[]) })
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(LARGEST_HEAD)
        .max_idle_connections(0)
        .user_agent("")
        .build()
        .new_agent()
}

/// The document under a URL, or why there is none; the reason quotes nothing of what came.
pub fn read<T: DeserializeOwned>(agent: &Agent, url: &str) -> Result<T, String> {
    let response = agent.get(url).header("accept", "application/json").call();
    let mut response = response.map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("it answers with status {}", response.status().as_u16()));
    }
    let body = response.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(|error| error.to_string())?;
    serde_json::from_slice(&body).map_err(|error| format!("line {} is not what belongs there", error.line()))
}
