//! What a record tells of a request as the plugins have left it: written when the last of them has seen it, since later
//! its headers are those that the gateway sends upstream.

use super::json::{Value, push_grouped, push_member, push_name, push_text};
use super::secrets::{REDACTED, Secrets};
use crate::arguments;
use crate::exchange::headers_after;
use crate::forwarding::Changes;
use crate::incoming;
use crate::path;
use crate::request::{Request, names_host, told_host};
use crate::router::PathPattern;
use crate::tables::{Compat, Route, World};
use crate::text::decimal;
use crate::tracing::told::TraceIds;
use std::borrow::Cow;

/// Kong's `lua_max_req_headers` and `lua_max_uri_args`.
const MOST: usize = 100;

/// What plugins tell for the record.
#[derive(Debug, Default)]
pub struct Told {
    /// There was no endpoint that could have been asked.
    pub lacks_endpoint: bool,
    /// As correlation-id knows the request.
    pub correlation_id: Option<crate::text::Text>,
    pub traces: TraceIds,
}

/// The way on that was chosen for a request.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    pub route: &'a Route,
    pub pattern: &'a PathPattern,
}

#[derive(Debug)]
pub struct Arrival {
    /// The record's first member, without its end: `{"request":{…`
    pub(super) head: Vec<u8>,
    /// Of request line and headers, as the client sent them.
    pub(super) head_bytes: u64,
    /// Where it would go, if no plugin stops it; empty without a route.
    pub(super) planned: Vec<u8>,
    /// A route's plugins have seen it.
    pub(super) is_routed: bool,
    /// Plugins know names of keys.
    pub(super) has_secrets: bool,
}

impl Arrival {
    /// Without a `way` no route has taken the request, or the route refuses it before any plugin.
    pub fn of(request: &Request<'_>, changes: &Changes, world: &World, way: Option<Way<'_>>, id: &str) -> Self {
        let secrets = Secrets::of(world, way.map(|way| way.route));
        let mut head = Vec::with_capacity(2048);
        head.extend_from_slice(b"{\"request\":{");
        if world.settings.compat != Compat::Kong21 {
            push_member(&mut head, "id", id.as_bytes());
            head.push(b',');
        }
        let uri = secrets.told_target(request.target);
        push_member(&mut head, "uri", &uri);
        head.push(b',');
        push_name(&mut head, "url");
        push_text(&mut head, &url(request, world, &uri));
        head.push(b',');
        push_name(&mut head, "querystring");
        push_query(&mut head, query_of(request, changes).unwrap_or_default(), &secrets);
        head.push(b',');
        push_member(&mut head, "method", changes.written(":method").flatten().unwrap_or(request.method));
        head.push(b',');
        push_name(&mut head, "headers");
        push_headers(&mut head, request, changes, &secrets);
        Self {
            head,
            head_bytes: size_of_head(request),
            planned: way.map(|way| planned(request, changes, way)).unwrap_or_default(),
            is_routed: way.is_some(),
            has_secrets: !secrets.is_empty(),
        }
    }
}

fn query_of<'a>(request: &'a Request<'_>, changes: &'a Changes) -> Option<&'a [u8]> {
    changes.query.as_deref().or(request.query).filter(|_| !changes.drops_query)
}

/// With the port that the gateway listens on, whatever Host says.
fn url(request: &Request<'_>, world: &World, uri: &[u8]) -> Vec<u8> {
    let scheme: &[u8] = if request.is_tls { b"https://" } else { b"http://" };
    let port = decimal(world.settings.public_port(request.local_port).into());
    [scheme, &told_host(request.authority), b":", &port, uri].concat()
}

fn push_query(out: &mut Vec<u8>, query: &[u8], secrets: &Secrets<'_>) {
    let told = |(name, value): (Cow<'_, [u8]>, Option<Cow<'_, [u8]>>)| {
        let value = match value {
            Some(_) if secrets.is_argument(&name) => Value::Text(Cow::Borrowed(REDACTED)),
            Some(value) => Value::Text(Cow::Owned(value.into_owned())),
            None => Value::True,
        };
        (Cow::<[u8]>::Owned(name.into_owned()), value)
    };
    let arguments: Vec<_> =
        arguments::decoded(query).filter(|(name, _)| !name.is_empty()).take(MOST).map(told).collect();
    push_grouped(out, &arguments);
}

/// What Envoy writes there itself before any filter sees the request.
fn is_envoys(name: &[u8]) -> bool {
    name == b"x-forwarded-proto" || name.starts_with(b"x-envoy-") || incoming::is_internal(name)
}

fn push_headers(out: &mut Vec<u8>, request: &Request<'_>, changes: &Changes, secrets: &Secrets<'_>) {
    let host = changes.written(":authority").flatten().unwrap_or(request.authority);
    let host = names_host(host).then_some((b"host".as_slice(), host));
    let sent = headers_after(request, changes);
    // Envoy has put its own in place of what the client says of the scheme.
    let proto = request.forwarded_proto.as_deref().map(|proto| (b"x-forwarded-proto".as_slice(), proto));
    let sent = sent.iter().copied().filter(|(name, _)| !is_envoys(name));
    let all = host.into_iter().chain(sent).chain(proto).take(MOST);
    let told = all.map(|(name, value)| (Cow::Borrowed(name), Value::Text(secrets.told(name, value))));
    push_grouped(out, &told.collect::<Vec<_>>());
}

/// As HTTP/1.1 writes it.
fn size_of_head(request: &Request<'_>) -> u64 {
    let line = request.method.len() + request.target.len() + "  HTTP/1.1\r\n\r\n".len();
    let sent = request.headers.iter().filter(|(name, _)| !name.starts_with(b":") && !is_envoys(name));
    let headers: usize = sent.map(|(name, value)| name.len() + value.len() + ": \r\n".len()).sum();
    let host = if names_host(request.authority) { "host: \r\n".len() + request.authority.len() } else { 0 };
    u64::try_from(line + headers + host).unwrap_or(u64::MAX)
}

fn planned(request: &Request<'_>, changes: &Changes, way: Way<'_>) -> Vec<u8> {
    let path = request.path.as_deref().unwrap_or(b"/");
    let prefix = &path[..way.pattern.matched(path).unwrap_or_default()];
    let base = if way.route.service.path.is_empty() { "/" } else { &way.route.service.path };
    let upstream = path::upstream(path, prefix, base.as_bytes(), way.route.strip_path);
    let mut target = path::escape(&upstream).into_owned();
    if let Some(query) = query_of(request, changes) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    target
}
