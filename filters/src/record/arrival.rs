//! What a record tells of a request as the plugins have left it: written when the last of them has seen it, since later
//! its headers are those that the gateway sends upstream.

use super::json::{push_object, push_parts, push_string, push_text};
use super::line::Line;
use super::secrets::{REDACTED, Secrets};
use crate::arguments;
use crate::exchange::headers_after;
use crate::forwarding::Changes;
use crate::incoming;
use crate::request::{Request, names_host, told_host};
use crate::stream::HeaderList;
use crate::tables::{Compat, Route, World};
use crate::text::decimal;
use crate::tracing::told::TraceIds;
use smallvec::SmallVec;

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

#[derive(Debug)]
pub struct Arrival {
    /// Where somebody asks for the whole record.
    pub(super) head: Option<Head>,
    /// Of request line and headers, as the client sent them.
    pub(super) head_bytes: u64,
    pub(super) is_tls: bool,
    /// A route's plugins have seen it.
    pub(super) is_routed: bool,
}

/// The record's first member, as far as it is known.
#[derive(Debug)]
pub struct Head {
    /// Without its end: `{"request":{…`
    pub(super) text: Box<[u8]>,
    /// Plugins know names of keys.
    pub(super) has_secrets: bool,
}

impl Arrival {
    pub fn of(request: &Request<'_>, is_routed: bool, head: Option<Head>) -> Self {
        Self { head, head_bytes: size_of_head(request), is_tls: request.is_tls, is_routed }
    }
}

impl Head {
    /// Without a `route` none has taken the request, or it refuses it before any plugin.
    pub fn of(request: &Request<'_>, changes: &Changes, world: &World, route: Option<&Route>, id: &str) -> Self {
        let secrets = Secrets::of(world, route);
        let mut head = Line::new();
        let is_old = world.settings.compat == Compat::Kong21;
        if !is_old {
            push_text(&mut head, "{\"request\":{\"id\":", id.as_bytes());
        }
        let uri = secrets.told_target(request.target);
        push_text(&mut head, if is_old { "{\"request\":{\"uri\":" } else { ",\"uri\":" }, &uri);
        head.push(b",\"url\":");
        push_url(&mut head, request, world, &uri);
        head.push(b",\"querystring\":");
        push_query(&mut head, query_of(request, changes).unwrap_or_default(), &secrets);
        push_text(&mut head, ",\"method\":", changes.written(":method").flatten().unwrap_or(request.method));
        head.push(b",\"headers\":");
        push_headers(&mut head, request, changes, &secrets);
        Self { text: head.as_slice().into(), has_secrets: !secrets.is_empty() }
    }
}

pub(super) fn query_of<'a>(request: &'a Request<'_>, changes: &'a Changes) -> Option<&'a [u8]> {
    changes.query.as_deref().or(request.query).filter(|_| !changes.drops_query)
}

/// With the port that the gateway listens on, whatever Host says.
fn push_url(out: &mut Line, request: &Request<'_>, world: &World, uri: &[u8]) {
    let scheme: &[u8] = if request.is_tls { b"https://" } else { b"http://" };
    let port = decimal(world.settings.public_port(request.local_port).into());
    push_parts(out, &[scheme, &told_host(request.authority), b":", &port, uri]);
}

fn push_query(out: &mut Line, query: &[u8], secrets: &Secrets<'_>) {
    let named = arguments::decoded(query).filter(|(name, _)| !name.is_empty());
    let arguments: SmallVec<[_; 8]> = named.take(MOST).collect();
    let pairs = arguments.iter().map(|(name, value)| (name, value));
    push_object(out, pairs, |out, name, value| match value {
        Some(_) if secrets.is_argument(name) => push_string(out, REDACTED),
        Some(value) => push_string(out, value),
        None => out.push(b"true"),
    });
}

/// What Envoy writes there itself before any filter sees the request.
fn is_envoys(name: &[u8]) -> bool {
    name == b"x-forwarded-proto" || name.starts_with(b"x-envoy-") || incoming::is_internal(name)
}

fn push_headers(out: &mut Line, request: &Request<'_>, changes: &Changes, secrets: &Secrets<'_>) {
    let host = changes.written(":authority").flatten().unwrap_or(request.authority);
    let host = names_host(host).then_some((b"host".as_slice(), host));
    // Envoy has put its own in place of what the client says of the scheme.
    let proto = request.forwarded_proto.as_deref().map(|proto| (b"x-forwarded-proto".as_slice(), proto));
    let sent = headers_after(request, changes).filter(|(name, _)| !is_envoys(name));
    let mut all: HeaderList<'_> = host.into_iter().collect();
    all.extend(sent);
    all.extend(proto);
    all.truncate(MOST);
    push_object(out, all.iter().copied(), |out, name, value| push_string(out, &secrets.told(name, value)));
}

/// As HTTP/1.1 writes it.
fn size_of_head(request: &Request<'_>) -> u64 {
    let line = request.method.len() + request.target.len() + "  HTTP/1.1\r\n\r\n".len();
    let sent = request.headers.iter().filter(|(name, _)| !name.starts_with(b":") && !is_envoys(name));
    let headers: usize = sent.map(|(name, value)| name.len() + value.len() + ": \r\n".len()).sum();
    let host = if names_host(request.authority) { "host: \r\n".len() + request.authority.len() } else { 0 };
    u64::try_from(line + headers + host).unwrap_or(u64::MAX)
}
