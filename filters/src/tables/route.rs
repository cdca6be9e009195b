//! One route of the gateway: what it matches, where it goes, which plugins run on it.

use crate::balancing::{Balancing, Cookie, Hashing};
use crate::error::ConfigError;
use crate::metrics::traffic::Place;
use crate::router::{Entry, HeaderCondition, HostPattern, PathKind, PathPattern, Scheme, Schemes};
use serde::{Deserialize, Deserializer};
use std::sync::Arc;

#[derive(Debug)]
pub struct Route {
    pub id: Box<str>,
    pub service: Service,
    pub balancing: Balancing,
    pub strip_path: bool,
    /// Written as the upstream's `Host` in place of the client's.
    pub host: Option<Box<str>>,
    /// Whom the upstream must be, where it is not the Host that the request has.
    pub tls_name: Option<TlsName>,
    /// A request body of unknown length is gathered first, so that the upstream learns its length.
    pub request_buffering: bool,
    /// Which of Envoy's routes carries the request: its timeouts, its retries, its filters.
    pub action: Box<str>,
    /// Which of Envoy's routes takes the request as it goes upstream, where those of a mesh decide on the rest of its way.
    pub mesh: Option<Box<str>>,
    pub backends: Vec<Backend>,
    /// What a plain-text request gets where the route wants TLS.
    pub https_only: Option<Answer>,
    pub is_grpc: bool,
    /// Why nothing is forwarded: every request is answered 503 with it.
    pub refusal: Option<Box<str>>,
    /// In the order in which the plugins run.
    pub steps: Vec<Step>,
    /// Under these its traffic is shown.
    pub names: Option<Names>,
    pub traffic: Place,
    /// Known where a plugin writes records.
    pub logged: Option<Entities>,
}

/// The route and its service as records tell them: JSON without line ends.
#[derive(Debug, Deserialize)]
#[serde(from = "RawEntities")]
pub struct Entities {
    pub route: Box<str>,
    pub service: Box<str>,
    route_name: Box<str>,
    service_name: Box<str>,
    service_host: Box<str>,
}

impl Entities {
    pub fn route_name(&self) -> &str {
        &self.route_name
    }

    pub fn service_name(&self) -> &str {
        &self.service_name
    }

    pub fn service_host(&self) -> &str {
        &self.service_host
    }
}

#[derive(Deserialize)]
struct RawEntities {
    route: serde_json::Value,
    service: serde_json::Value,
}

impl From<RawEntities> for Entities {
    fn from(raw: RawEntities) -> Self {
        let text = |entity: &serde_json::Value, field: &str| entity[field].as_str().unwrap_or_default().into();
        Self {
            route_name: text(&raw.route, "name"),
            service_name: text(&raw.service, "name"),
            service_host: text(&raw.service, "host"),
            route: raw.route.to_string().into(),
            service: raw.service.to_string().into(),
        }
    }
}

pub fn in_one_line_if_there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<str>>, D::Error> {
    let found = Option::<serde_json::Value>::deserialize(from)?;
    Ok(found.map(|found| found.to_string().into()))
}

/// Kong's names of the route and its service.
#[derive(Debug, Deserialize)]
pub struct Names {
    pub route: Box<str>,
    pub service: Box<str>,
    /// Whether the health of the upstream's targets is watched.
    #[serde(default)]
    pub is_watched: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    pub id: Option<Box<str>>,
    pub path: Box<str>,
    /// Requests that may be sent twice are tried again after a reset, whatever the route's own retry policy says.
    pub retry_idempotent: bool,
}

/// Methods that nginx does not try again once something was sent.
const NOT_IDEMPOTENT: [&[u8]; 3] = [b"POST", b"LOCK", b"PATCH"];

impl Service {
    pub fn may_send_again(&self, method: &[u8]) -> bool {
        self.retry_idempotent && !NOT_IDEMPOTENT.contains(&method)
    }
}

/// Without a name an upstream is known by its address only.
#[derive(Debug, Deserialize)]
pub struct TlsName {
    pub name: Box<str>,
    pub is_verified: bool,
}

#[derive(Debug, Deserialize)]
pub struct Backend {
    pub cluster: Box<str>,
    #[serde(default = "one")]
    pub weight: u32,
}

/// What the gateway answers itself, without any plugin.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    pub status: u16,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    pub redirect: Option<Redirect>,
}

impl Answer {
    pub fn new(status: u16, message: &str) -> Self {
        Self { status, message: message.to_owned(), headers: Vec::new(), redirect: None }
    }

    pub fn no_route() -> Self {
        Self::new(404, "no Route matched with those values")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redirect {
    /// To the same place over HTTPS.
    Https,
}

/// One plugin on a route: at most one of its candidates runs.
#[derive(Debug, Deserialize)]
pub struct Step {
    /// Place in the order of all plugins; lower runs first.
    pub order: u32,
    /// Best rank first.
    pub candidates: Vec<Candidate>,
}

/// One attachment of a plugin instance; the lowest rank that fits the consumer wins (kong.md §4.1).
#[derive(Debug, Deserialize)]
pub struct Candidate {
    pub instance: Box<str>,
    pub rank: u8,
    /// Which counters the instance uses here.
    pub scope: Box<str>,
    /// Applies only to consumers that carry the instance.
    #[serde(default)]
    pub for_carriers: bool,
}

pub type RouteEntry = Entry<Arc<Route>>;

impl Route {
    /// The entries of a route, one for each of its paths.
    pub fn parse(json: &str) -> Result<Vec<Arc<RouteEntry>>, ConfigError> {
        let raw: RawRoute = serde_json::from_str(json)?;
        if raw.backends.iter().try_fold(0u32, |sum, backend| sum.checked_add(backend.weight)).is_none() {
            return Err(ConfigError::Invalid("the weights of the backends add up to more than 4294967295".into()));
        }
        let mut steps = raw.steps;
        steps.sort_by_key(|step| step.order);
        steps.iter_mut().for_each(|step| step.candidates.sort_by_key(|candidate| candidate.rank));
        let matching = raw.matching;
        let RawService { service, hashing, sticky } = raw.service;
        let balancing = Balancing { hashing, sticky };
        let parse_path = if balancing.hashing.as_ref().is_some_and(Hashing::needs_groups) {
            PathPattern::parse_with_groups
        } else {
            PathPattern::parse
        };
        let route = Arc::new(Self {
            id: raw.id,
            service,
            balancing,
            strip_path: raw.strip_path,
            host: raw.host,
            tls_name: raw.tls_name,
            request_buffering: raw.request_buffering,
            action: raw.action,
            mesh: raw.mesh,
            backends: raw.backends,
            https_only: raw.https_only,
            is_grpc: raw.is_grpc,
            refusal: raw.refusal,
            steps,
            names: raw.names,
            traffic: Place::default(),
            logged: raw.logged,
        });
        let hosts = matching.hosts.iter().map(|text| HostPattern::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let snis = matching.snis.iter().map(|text| HostPattern::parse_sni(text)).collect::<Result<Vec<_>, _>>()?;
        let headers = matching
            .headers
            .iter()
            .map(|raw| HeaderCondition::parse(&raw.name, raw.values.iter().map(String::as_str)))
            .collect::<Result<Vec<_>, _>>()?;
        let schemes: Schemes = matching.schemes.iter().copied().collect();
        let entry = |raw: RawPath| -> Result<Arc<RouteEntry>, ConfigError> {
            Ok(Arc::new(Entry {
                rank: raw.rank.into_bytes().into_boxed_slice(),
                hosts: hosts.clone(),
                path: parse_path(raw.kind.into(), &raw.text)?,
                methods: matching.methods.iter().map(|method| method.as_bytes().into()).collect(),
                headers: headers.clone(),
                snis: snis.clone(),
                schemes,
                target: Arc::clone(&route),
            }))
        };
        matching.paths.into_iter().map(entry).collect()
    }

    /// The cluster that takes the next request: by weight where there are several.
    pub fn pick_cluster(&self) -> Option<&str> {
        match self.backends.as_slice() {
            [] => None,
            [only] => Some(&only.cluster),
            several => {
                let total: u32 = several.iter().map(|backend| backend.weight).sum();
                let mut drawn = if total == 0 { return None } else { fastrand::u32(0..total) };
                several.iter().find_map(|backend| match drawn.checked_sub(backend.weight) {
                    Some(rest) => {
                        drawn = rest;
                        None
                    }
                    None => Some(&*backend.cluster),
                })
            }
        }
    }
}

#[derive(Deserialize)]
struct RawRoute {
    id: Box<str>,
    #[serde(rename = "match")]
    matching: RawMatch,
    #[serde(default)]
    service: RawService,
    #[serde(default)]
    strip_path: bool,
    host: Option<Box<str>>,
    tls_name: Option<TlsName>,
    #[serde(default = "yes")]
    request_buffering: bool,
    #[serde(default)]
    action: Box<str>,
    mesh: Option<Box<str>>,
    #[serde(default)]
    backends: Vec<Backend>,
    https_only: Option<Answer>,
    #[serde(default)]
    is_grpc: bool,
    refusal: Option<Box<str>>,
    #[serde(default)]
    steps: Vec<Step>,
    names: Option<Names>,
    logged: Option<Entities>,
}

#[derive(Default, Deserialize)]
struct RawService {
    #[serde(flatten)]
    service: Service,
    hashing: Option<Hashing>,
    sticky: Option<Cookie>,
}

#[derive(Deserialize)]
struct RawMatch {
    paths: Vec<RawPath>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    headers: Vec<RawHeader>,
    #[serde(default)]
    snis: Vec<String>,
    schemes: Vec<Scheme>,
}

#[derive(Deserialize)]
struct RawPath {
    rank: String,
    kind: RawPathKind,
    text: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawPathKind {
    Prefix,
    Exact,
    Regex,
}

impl From<RawPathKind> for PathKind {
    fn from(raw: RawPathKind) -> Self {
        match raw {
            RawPathKind::Prefix => Self::Prefix,
            RawPathKind::Exact => Self::Exact,
            RawPathKind::Regex => Self::Regex,
        }
    }
}

#[derive(Deserialize)]
struct RawHeader {
    name: String,
    values: Vec<String>,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}
