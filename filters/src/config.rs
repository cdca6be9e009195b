//! The configurations of the two filters, parsed once; a value here needs no further checks.

use crate::consumers::{self, Slot};
use crate::error::ConfigError;
use crate::key_auth::KeyAuth;
use crate::rate_limiting::RateLimiting;
use ipnet::IpNet;
use regex::bytes::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Whose strings and headers the gateway shows (kong.md §0, C5-C10 and C13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Compat {
    #[serde(rename = "kong-3")]
    Kong3,
    #[serde(rename = "kong-2.1")]
    Kong21,
}

/// Plugins in the order in which they run, by descending priority (kong.md §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginKind {
    KeyAuth,
    RateLimiting,
}

pub const PLUGIN_ORDER: [PluginKind; 2] = [PluginKind::KeyAuth, PluginKind::RateLimiting];

#[derive(Debug)]
pub enum PluginConfig {
    KeyAuth(KeyAuth),
    RateLimiting(RateLimiting),
}

impl PluginConfig {
    pub fn parse(plugin: &str, config: Value) -> Result<Self, ConfigError> {
        let parsed = match plugin {
            "key-auth" => serde_json::from_value(config).map(Self::KeyAuth),
            "rate-limiting" => return RateLimiting::parse(config).map(Self::RateLimiting),
            other => return Err(ConfigError::UnknownPlugin(other.to_owned())),
        };
        parsed.map_err(ConfigError::from)
    }

    pub fn kind(&self) -> PluginKind {
        match self {
            Self::KeyAuth(_) => PluginKind::KeyAuth,
            Self::RateLimiting(_) => PluginKind::RateLimiting,
        }
    }
}

/// One attachment of a plugin that may apply to a request; the lowest rank that fits the consumer wins.
#[derive(Debug)]
pub struct Candidate {
    pub id: String,
    pub consumer: Option<String>,
    pub rank: u8,
    pub config: PluginConfig,
}

/// Rank of a plugin that only a consumer carries (kong.md §4.1).
pub const CONSUMER_RANK: u8 = 5;

#[derive(Debug)]
pub enum Prefix {
    None,
    Plain(Vec<u8>),
    /// Anchored at the start, as Kong matches regex paths.
    Regex(Box<Regex>),
}

#[derive(Debug)]
pub struct Route {
    pub service_id: Option<String>,
    pub prefix: Prefix,
    pub strip_path: bool,
    pub service_path: Vec<u8>,
}

/// What the filter answers itself, without any plugin.
#[derive(Debug, Deserialize)]
pub struct Answer {
    pub status: u16,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    pub redirect: Option<Redirect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redirect {
    /// To the same place over HTTPS.
    Https,
}

/// Which headers of the gateway's own the client and the upstream see (Kong's `headers` and `headers_upstream`).
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    pub server: bool,
    pub latency: bool,
    pub request_id: bool,
    pub request_id_upstream: bool,
}

#[derive(Debug)]
pub struct Gateway {
    pub compat: Compat,
    pub server_token: String,
    pub consumers: Arc<Slot>,
    pub trusted: Vec<IpNet>,
    /// Lower-case name of the header in which a trusted peer tells the client's address.
    pub real_ip_header: String,
    pub port_maps: HashMap<u64, u16>,
    pub tokens: Tokens,
    /// A request body of unknown length is gathered first, so that the upstream learns its length.
    pub request_buffering: bool,
    /// Requests that may be sent twice are tried again after a reset, whatever the route's own retry policy says.
    pub retry_idempotent: bool,
    pub route: Route,
    pub answer: Option<Answer>,
    /// One list for each entry of `PLUGIN_ORDER`, best rank first.
    pub plugins: [Vec<Candidate>; PLUGIN_ORDER.len()],
    pub fixed_now_ms: Option<i64>,
}

impl Gateway {
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        let raw: RawGateway = serde_json::from_slice(json)?;
        let mut plugins: [Vec<Candidate>; PLUGIN_ORDER.len()] = Default::default();
        for group in raw.plugins {
            for candidate in group.configs {
                let config = PluginConfig::parse(&group.plugin, candidate.config)?;
                let place = PLUGIN_ORDER.iter().position(|kind| *kind == config.kind()).unwrap_or_default();
                let RawCandidate { id, consumer, rank, .. } = candidate;
                plugins[place].push(Candidate { id, consumer, rank, config });
            }
        }
        plugins.iter_mut().for_each(|candidates| candidates.sort_by_key(|candidate| candidate.rank));
        Ok(Self {
            compat: raw.compat,
            consumers: consumers::slot(&raw.table),
            trusted: raw.trusted_ips,
            real_ip_header: raw.real_ip_header.to_ascii_lowercase(),
            port_maps: raw.port_maps.into_iter().filter_map(|(from, to)| Some((from.parse().ok()?, to))).collect(),
            tokens: Tokens {
                server: raw.headers.iter().any(|name| name == "server_tokens"),
                latency: raw.headers.iter().any(|name| name == "latency_tokens"),
                request_id: raw.headers.iter().any(|name| name.eq_ignore_ascii_case("x-kong-request-id")),
                request_id_upstream: raw.headers_upstream.iter().any(|n| n.eq_ignore_ascii_case("x-kong-request-id")),
            },
            request_buffering: raw.request_buffering,
            retry_idempotent: raw.retry_idempotent,
            route: raw.route.parse()?,
            answer: raw.answer,
            plugins,
            fixed_now_ms: raw.clock.map(|clock| clock.now_ms),
            server_token: raw.server_token,
        })
    }

    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&peer))
    }
}

#[derive(Deserialize)]
struct RawGateway {
    compat: Compat,
    server_token: String,
    table: String,
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
    #[serde(default = "yes")]
    request_buffering: bool,
    #[serde(default)]
    retry_idempotent: bool,
    #[serde(default)]
    route: RawRoute,
    answer: Option<Answer>,
    #[serde(default)]
    plugins: Vec<RawPlugin>,
    clock: Option<RawClock>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRoute {
    service_id: Option<String>,
    path_prefix: Option<String>,
    path_regex: Option<String>,
    strip_path: bool,
    service_path: Option<String>,
}

impl RawRoute {
    fn parse(self) -> Result<Route, ConfigError> {
        let prefix = match (self.path_regex, self.path_prefix) {
            (Some(pattern), _) => {
                let pattern = pattern.strip_prefix('~').unwrap_or(&pattern);
                Prefix::Regex(Box::new(Regex::new(&format!("^(?:{pattern})"))?))
            }
            (None, Some(plain)) => Prefix::Plain(plain.into_bytes()),
            (None, None) => Prefix::None,
        };
        let service_path = self.service_path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
        Ok(Route {
            service_id: self.service_id,
            prefix,
            strip_path: self.strip_path,
            service_path: service_path.into_bytes(),
        })
    }
}

#[derive(Deserialize)]
struct RawPlugin {
    plugin: String,
    configs: Vec<RawCandidate>,
}

#[derive(Deserialize)]
struct RawCandidate {
    id: String,
    consumer: Option<String>,
    rank: u8,
    #[serde(default = "empty_object")]
    config: Value,
}

#[derive(Deserialize)]
struct RawClock {
    now_ms: i64,
}

pub fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

fn yes() -> bool {
    true
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
