//! What holds for the whole gateway.

use crate::error::ConfigError;
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;

/// Whose strings and headers the gateway shows (kong.md §0, C5-C10 and C13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Compat {
    #[default]
    #[serde(rename = "kong-3")]
    Kong3,
    #[serde(rename = "kong-2.1")]
    Kong21,
}

/// What becomes of headers of a client's that say who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityHeaders {
    #[default]
    Strip,
    /// They pass wherever no plugin authenticates, as with Kong.
    Pass,
}

/// Which headers of the gateway's own the client and the upstream see (Kong's `headers` and `headers_upstream`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    pub server: bool,
    pub latency: bool,
    pub request_id: bool,
    pub request_id_upstream: bool,
}

#[derive(Debug, Default)]
pub struct Settings {
    pub compat: Compat,
    pub server_token: String,
    pub trusted: Vec<IpNet>,
    /// Lower-case name of the header in which a trusted peer tells the client's address.
    pub real_ip_header: String,
    pub port_maps: HashMap<u64, u16>,
    pub tokens: Tokens,
    pub identity_headers: IdentityHeaders,
    /// Mixed into the digests of credentials.
    pub salt: Vec<u8>,
    pub fixed_now_ms: Option<i64>,
    /// Ids of the plugin instances that see the response even where no route was found, in the order of plugins.
    pub everywhere: Vec<Box<str>>,
}

impl Settings {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        let raw: RawSettings = serde_json::from_str(json)?;
        let names = |list: &[String], wanted: &str| list.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        Ok(Self {
            compat: raw.compat,
            trusted: raw.trusted_ips,
            real_ip_header: raw.real_ip_header.to_ascii_lowercase(),
            port_maps: raw.port_maps.into_iter().filter_map(|(from, to)| Some((from.parse().ok()?, to))).collect(),
            tokens: Tokens {
                server: names(&raw.headers, "server_tokens"),
                latency: names(&raw.headers, "latency_tokens"),
                request_id: names(&raw.headers, "x-kong-request-id"),
                request_id_upstream: names(&raw.headers_upstream, "x-kong-request-id"),
            },
            identity_headers: raw.identity_headers,
            salt: hex::decode(&raw.salt).map_err(|_| ConfigError::Invalid("the salt is not hexadecimal".into()))?,
            fixed_now_ms: raw.clock.map(|clock| clock.now_ms),
            server_token: raw.server_token,
            everywhere: raw.everywhere,
        })
    }

    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&peer))
    }
}

#[derive(Deserialize)]
struct RawSettings {
    compat: Compat,
    server_token: String,
    #[serde(default)]
    trusted_ips: Vec<IpNet>,
    #[serde(default = "default_real_ip_header")]
    real_ip_header: String,
    #[serde(default)]
    port_maps: HashMap<String, u16>,
    #[serde(default = "default_headers")]
    headers: Vec<String>,
    #[serde(default = "default_headers_upstream")]
    headers_upstream: Vec<String>,
    #[serde(default)]
    identity_headers: IdentityHeaders,
    #[serde(default)]
    salt: String,
    clock: Option<RawClock>,
    #[serde(default)]
    everywhere: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct RawClock {
    now_ms: i64,
}

fn default_real_ip_header() -> String {
    "x-real-ip".to_owned()
}

fn default_headers() -> Vec<String> {
    ["server_tokens", "latency_tokens", "x-kong-request-id"].map(str::to_owned).to_vec()
}

fn default_headers_upstream() -> Vec<String> {
    vec!["x-kong-request-id".to_owned()]
}
