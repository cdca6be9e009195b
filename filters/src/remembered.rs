//! What functions in Lua can still ask of a request when it has gone upstream: kept only where a plugin wants it.

use crate::client::Client;
use crate::exchange::{Identity, headers_after};
use crate::forwarding::Changes;
use crate::lua::functions::Context;
use crate::path;
use crate::request::{Request, host_without_port, told_host};
use crate::router::PathPattern;
use crate::tables::{Consumer, Route, Settings};
use std::cell::RefCell;
use std::sync::Arc;

/// By whom a response was made (Kong's words).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    Service,
    /// The gateway has answered, as it or a plugin should.
    Exit,
    #[default]
    Error,
}

pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, Default)]
pub struct Remembered {
    /// As the client sent it.
    pub target: Vec<u8>,
    /// Normalised, without the query.
    pub path: Vec<u8>,
    pub host: Vec<u8>,
    pub protocol: Vec<u8>,
    pub is_tls: bool,
    /// A trusted peer's word counts.
    pub has_tls: bool,
    pub is_grpc: bool,
    pub port: u16,
    pub address: String,
    pub peer: String,
    pub forwarded: Forwarded,
    /// Number, name and text of what the route's regex has caught.
    pub captures: Vec<(usize, Option<String>, Vec<u8>)>,
    pub route: Option<Box<str>>,
    pub service: Option<Box<str>>,
    pub request_id: String,
    /// Unix time in milliseconds.
    pub started_ms: i64,
    /// As plugins have left it.
    pub sent: Sent,
    pub answer: Answered,
    pub context: RefCell<Context>,
}

/// What a trusted peer tells of its client's request, or what the gateway knows.
#[derive(Debug, Default)]
pub struct Forwarded {
    pub scheme: Vec<u8>,
    pub host: Vec<u8>,
    pub port: u16,
    pub path: Vec<u8>,
    pub prefix: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
pub struct Sent {
    pub method: Vec<u8>,
    pub query: Vec<u8>,
    pub headers: Pairs,
    pub consumer: Option<Arc<Consumer>>,
    pub credential: Option<Box<str>>,
}

#[derive(Debug, Default)]
pub struct Answered {
    pub source: Source,
    pub status: u16,
    pub headers: Pairs,
    /// As the upstream sent it.
    pub of_service: Option<u16>,
}

/// The way on that was chosen for a request.
#[derive(Clone, Copy)]
pub struct Taken<'a> {
    pub route: &'a Route,
    pub pattern: &'a PathPattern,
}

impl Remembered {
    pub fn of(request: &Request<'_>, settings: &Settings, taken: Option<Taken<'_>>, id: &str, now_ms: i64) -> Self {
        let client = Client::of(settings, request);
        let path = request.path.as_deref().unwrap_or(b"/");
        let pattern = taken.map(|taken| taken.pattern);
        let captures = pattern.into_iter().flat_map(|pattern| pattern.captures(path));
        let captures = captures.map(|(number, name, text)| (number, name.map(str::to_owned), text.to_vec()));
        Self {
            target: request.target.to_vec(),
            path: path.to_vec(),
            host: told_host(request.authority).into_vec(),
            protocol: request.protocol.to_vec(),
            is_tls: request.is_tls,
            has_tls: client.has_tls(request),
            is_grpc: taken.is_some_and(|taken| taken.route.is_grpc),
            port: request.local_port,
            forwarded: Forwarded::of(request, settings, &client, path, taken),
            captures: captures.collect(),
            route: taken.map(|taken| taken.route.id.clone()),
            service: taken.and_then(|taken| taken.route.service.id.clone()),
            request_id: id.to_owned(),
            started_ms: now_ms,
            address: client.address.into_owned(),
            peer: client.peer.to_owned(),
            ..Self::default()
        }
    }

    /// What has become of the request, when the last plugin has seen it.
    pub fn settle(&mut self, request: &Request<'_>, changes: &Changes, who: &Identity) {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        self.sent = Sent {
            method: changes.written(":method").flatten().unwrap_or(request.method).to_vec(),
            query: changes.query.as_deref().or(request.query).unwrap_or_default().to_vec(),
            headers: headers_after(request, changes).map(owned).collect(),
            consumer: who.consumer.clone(),
            credential: who.credential_id.clone(),
        };
    }
}

impl Forwarded {
    fn of(
        request: &Request<'_>,
        settings: &Settings,
        client: &Client<'_>,
        path: &[u8],
        taken: Option<Taken<'_>>,
    ) -> Self {
        let told = |name| client.told(request, name).filter(|value| !value.is_empty());
        let host = told("x-forwarded-host").map(|host| host.rsplit(|byte| *byte == b'@').next().unwrap_or(host));
        let port = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok().filter(|port| *port > 0);
        let port_of_host =
            || host.and_then(|host| port(host.strip_prefix(host_without_port(host))?.strip_prefix(b":")?));
        let stripped = taken.filter(|taken| taken.route.strip_path).and_then(|taken| taken.pattern.matched(path));
        let stripped = stripped.map(|end| &path[..end]).filter(|prefix| !matches!(*prefix, b"" | b"/"));
        let own_scheme: &[u8] = if request.is_tls { b"https" } else { b"http" };
        Self {
            scheme: told("x-forwarded-proto").unwrap_or(own_scheme).to_ascii_lowercase(),
            port: told("x-forwarded-port")
                .and_then(port)
                .or_else(port_of_host)
                .unwrap_or_else(|| settings.public_port(request.local_port)),
            host: told_host(host.unwrap_or(request.authority)).into_vec(),
            path: told("x-forwarded-path").unwrap_or(path).to_vec(),
            prefix: told("x-forwarded-prefix")
                .map(<[u8]>::to_vec)
                .or_else(|| Some(path::escape(stripped?).into_owned())),
        }
    }
}
