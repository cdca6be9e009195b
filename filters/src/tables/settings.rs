//! What holds for the whole gateway.

use crate::error::ConfigError;
use crate::error_body::{Format, Templates};
use crate::networks::Networks;
use crate::plugins::proxy_cache::store::DEFAULT_BYTES;
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
    pub via: bool,
    pub proxy_latency: bool,
    pub response_latency: bool,
    pub upstream_latency: bool,
    pub upstream_status: bool,
    pub request_id: bool,
    pub request_id_upstream: bool,
}

impl Tokens {
    /// `server_tokens` and `latency_tokens` stand for several headers.
    fn new(headers: &[String], headers_upstream: &[String]) -> Self {
        let has = |list: &[String], wanted: &str| list.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let any = |wanted: [&str; 2]| wanted.iter().any(|name| has(headers, name));
        Self {
            server: any(["server_tokens", "Server"]),
            via: any(["server_tokens", "Via"]),
            proxy_latency: any(["latency_tokens", "X-Kong-Proxy-Latency"]),
            response_latency: any(["latency_tokens", "X-Kong-Response-Latency"]),
            upstream_latency: any(["latency_tokens", "X-Kong-Upstream-Latency"]),
            upstream_status: has(headers, "X-Kong-Upstream-Status"),
            request_id: has(headers, "X-Kong-Request-Id"),
            request_id_upstream: has(headers_upstream, "X-Kong-Request-Id"),
        }
    }
}

/// Where a trusted peer tells its client's address.
#[derive(Debug, PartialEq, Eq)]
pub enum RealIp {
    ProxyProtocol,
    /// The lower-case name of a header.
    Header(Box<str>),
}

impl Default for RealIp {
    fn default() -> Self {
        Self::Header("x-real-ip".into())
    }
}

impl From<&str> for RealIp {
    fn from(text: &str) -> Self {
        let name = text.to_ascii_lowercase();
        if name == "proxy_protocol" { Self::ProxyProtocol } else { Self::Header(name.into()) }
    }
}

#[derive(Debug, Default)]
pub struct Settings {
    pub compat: Compat,
    pub server_token: String,
    /// Whose word counts for the client's address, scheme, host and port.
    pub trusted: Networks,
    pub real_ip: RealIp,
    pub real_ip_recursive: bool,
    pub port_maps: HashMap<u16, u16>,
    pub tokens: Tokens,
    pub identity_headers: IdentityHeaders,
    /// A longer request body is refused.
    pub max_body_bytes: Option<u64>,
    /// What proxy-cache may keep.
    pub cache_bytes: usize,
    /// Of errors of proxying, where the client says nothing.
    pub error_default_type: Format,
    pub templates: Templates,
    /// Clients may ask which route and service they got.
    pub tells_names: bool,
    /// Envoy's access log wants to know the client's address and the request's id.
    pub logs_access: bool,
    /// Records of requests are taken: what is known of each is left for Envoy's access log.
    pub records: bool,
    /// Mixed into the digests of credentials.
    pub salt: Vec<u8>,
    pub fixed_now_ms: Option<i64>,
    /// Ids of the plugin instances that see the response even where no route was found, in the order of plugins.
    pub everywhere: Vec<Box<str>>,
    /// By route of streams, the id of the plugin instance that counts its sessions.
    pub sessions: HashMap<Box<str>, Box<str>>,
}

impl Settings {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        let raw: RawSettings = serde_json::from_str(json)?;
        Ok(Self {
            compat: raw.compat,
            trusted: Networks::parse("trusted_ips", &raw.trusted_ips)?,
            real_ip: raw.real_ip_header.as_deref().map_or_else(RealIp::default, RealIp::from),
            real_ip_recursive: raw.real_ip_recursive,
            port_maps: raw.port_maps.into_iter().filter_map(|(from, to)| Some((from.parse().ok()?, to))).collect(),
            tokens: Tokens::new(&raw.headers, &raw.headers_upstream),
            identity_headers: raw.identity_headers,
            max_body_bytes: raw.max_body_bytes,
            cache_bytes: raw.cache_bytes,
            error_default_type: raw.error_default_type,
            templates: raw.error_templates,
            tells_names: raw.tells_names,
            logs_access: raw.logs_access,
            records: raw.records,
            salt: hex::decode(&raw.salt).map_err(|_| ConfigError::Invalid("the salt is not hexadecimal".into()))?,
            fixed_now_ms: raw.clock.map(|clock| clock.now_ms),
            server_token: raw.server_token,
            everywhere: raw.everywhere,
            sessions: raw.sessions,
        })
    }

    /// Under which port clients know the one listened on.
    pub fn public_port(&self, port: u16) -> u16 {
        self.port_maps.get(&port).copied().unwrap_or(port)
    }

    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.contain(peer)
    }
}

#[derive(Deserialize)]
struct RawSettings {
    compat: Compat,
    server_token: String,
    #[serde(default)]
    trusted_ips: Vec<String>,
    real_ip_header: Option<String>,
    #[serde(default)]
    real_ip_recursive: bool,
    #[serde(default)]
    port_maps: HashMap<String, u16>,
    #[serde(default = "default_headers")]
    headers: Vec<String>,
    #[serde(default = "default_headers_upstream")]
    headers_upstream: Vec<String>,
    #[serde(default)]
    identity_headers: IdentityHeaders,
    max_body_bytes: Option<u64>,
    #[serde(default = "default_cache_bytes")]
    cache_bytes: usize,
    #[serde(default)]
    error_default_type: Format,
    #[serde(default)]
    error_templates: Templates,
    #[serde(default)]
    tells_names: bool,
    #[serde(default)]
    logs_access: bool,
    #[serde(default)]
    records: bool,
    #[serde(default)]
    salt: String,
    clock: Option<RawClock>,
    #[serde(default)]
    everywhere: Vec<Box<str>>,
    #[serde(default)]
    sessions: HashMap<Box<str>, Box<str>>,
}

#[derive(Deserialize)]
struct RawClock {
    now_ms: i64,
}

fn default_cache_bytes() -> usize {
    DEFAULT_BYTES
}

fn default_headers() -> Vec<String> {
    ["server_tokens", "latency_tokens", "x-kong-request-id"].map(str::to_owned).to_vec()
}

fn default_headers_upstream() -> Vec<String> {
    vec!["x-kong-request-id".to_owned()]
}
