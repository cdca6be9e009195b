//! JSON over HTTP, for threads that may block: small, soon, and from nowhere else than was asked.

use crate::net;
use serde::de::DeserializeOwned;
use std::time::Duration;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

/// No provider says more of itself.
const LARGEST: u64 = 1024 * 1024;
const LARGEST_HEAD: usize = 64 * 1024;

/// No proxy of the environment is asked: it would see what is secret, and the gateway's other connections use none.
pub fn agent(verifies: bool, timeout: Duration) -> Agent {
    agent_by(None, verifies, timeout)
}

/// By a proxy that somebody has configured.
pub fn agent_by(proxy: Option<Proxy>, verifies: bool, timeout: Duration) -> Agent {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(net::provider())
        .disable_verification(!verifies)
        .root_certs(if verifies { net::authorities() } else { RootCerts::new_with_certs(&[]) })
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
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

/// What an endpoint answers to a form, whatever its status. `authorization` is the header of that name.
pub fn post(agent: &Agent, url: &str, authorization: Option<&str>, form: &str) -> Result<(u16, Vec<u8>), String> {
    let request = agent.post(url).header("accept", "application/json");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    let mut response = request.send(form).map_err(|error| error.to_string())?;
    let body = response.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(|error| error.to_string())?;
    Ok((response.status().as_u16(), body))
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
