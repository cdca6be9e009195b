//! The spans of a request that has ended, in Zipkin's JSON.

use super::{Flavor, Shape, SpanName};
use crate::ended::Ended;
use crate::metrics::NODE_ID;
use crate::request::told_host;
use crate::tracing::inject::hex;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::new_span;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When things happened, in microseconds since 1970.
struct Moments {
    started: u64,
    /// The request went on, or was answered.
    sent: u64,
    answered: u64,
    ended: u64,
}

impl Moments {
    fn of(ended: &Ended<'_, '_>) -> Self {
        let end = micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let times = &ended.times;
        let started = end.saturating_sub(micros(times.total));
        let sent = started + micros(times.gateway);
        let answered = times.upstream.map_or(end, |upstream| sent + micros(upstream));
        Self { started, sent, answered: answered.min(end), ended: end }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Shape {
    /// In Kong's order: the tries, the way to the service, the request.
    pub fn spans(&self, ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>) -> Vec<Value> {
        let moments = Moments::of(ended);
        let name = self.name(asked);
        let mut spans = self.tries(ended, kept, &moments, &name);
        spans.push(self.proxy(ended, kept, &moments, &name));
        spans.push(self.request(ended, (kept, asked), &moments, &name));
        spans
    }

    fn name(&self, asked: &Asked<'_>) -> String {
        let method = text(asked.method);
        match self.http_span_name {
            SpanName::Method => method,
            SpanName::MethodPath => format!("{method} {}", text(asked.path)),
        }
    }

    fn tries(&self, ended: &Ended<'_, '_>, kept: &Kept, moments: &Moments, name: &str) -> Vec<Value> {
        let peers = ended.tries();
        let last = peers.len();
        let span = |(number, peer): (usize, &&str)| {
            let mut tags = Map::new();
            tags.insert("kong.balancer.try".into(), number.to_string().into());
            if number < last {
                tags.insert("error".into(), "true".into());
                tags.insert("kong.balancer.state".into(), "failed".into());
                tags.insert("http.status_code".into(), "502".into());
            }
            tags.extend(of_route(ended));
            let to = if number < last { moments.sent } else { moments.answered };
            let mut span = span(kept, &new_span(), Some(&kept.request), "CLIENT", (moments.sent, to));
            span.insert("name".into(), format!("{name} (balancer try {number})").into());
            span.insert("localEndpoint".into(), json!({"serviceName": self.local_service_name}));
            span.insert("remoteEndpoint".into(), self.remote(ended, Some(peer)));
            span.insert("tags".into(), tags.into());
            Value::Object(span)
        };
        (1..).zip(&peers).map(span).collect()
    }

    fn proxy(&self, ended: &Ended<'_, '_>, kept: &Kept, moments: &Moments, name: &str) -> Value {
        let peer = ended.tries().last().copied();
        let mut tags: Map<String, Value> = of_route(ended).collect();
        if let Some((host, _)) = peer.and_then(|peer| peer.rsplit_once(':')) {
            tags.insert("peer.hostname".into(), bare(host).into());
        }
        let mut span = span(kept, &kept.proxy, Some(&kept.request), "CLIENT", (moments.started, moments.ended));
        if self.phase_duration_flavor == Flavor::Annotations {
            span.insert(
                "annotations".into(),
                annotations(&[
                    ("khs", moments.answered),
                    ("khf", moments.answered),
                    ("kbs", moments.answered),
                    ("kas", moments.started),
                    ("kaf", moments.sent),
                    ("kbf", moments.ended),
                ]),
            );
        } else {
            tags.insert("kong.access.duration_ms".into(), ms(moments.started, moments.sent));
            tags.insert("kong.header_filter.duration_ms".into(), ms(moments.answered, moments.answered));
            tags.insert("kong.body_filter.duration_ms".into(), ms(moments.answered, moments.ended));
        }
        span.insert("name".into(), format!("{name} (proxy)").into());
        span.insert("localEndpoint".into(), json!({"serviceName": self.local_service_name}));
        span.insert("remoteEndpoint".into(), self.remote(ended, peer));
        if !tags.is_empty() {
            span.insert("tags".into(), tags.into());
        }
        Value::Object(span)
    }

    fn request(
        &self,
        ended: &Ended<'_, '_>,
        (kept, asked): (&Kept, &Asked<'_>),
        moments: &Moments,
        name: &str,
    ) -> Value {
        let mut span = span(kept, &kept.request, kept.parent.as_ref(), "SERVER", (moments.started, moments.ended));
        let mut tags = self.request_tags(ended, asked);
        if self.phase_duration_flavor == Flavor::Annotations {
            span.insert("annotations".into(), annotations(&[("krf", moments.started), ("krs", moments.started)]));
        } else {
            tags.insert("kong.rewrite.duration_ms".into(), ms(moments.started, moments.started));
        }
        span.insert("name".into(), name.into());
        span.insert("localEndpoint".into(), json!({"serviceName": self.local_service_name}));
        span.insert("remoteEndpoint".into(), client(ended));
        span.insert("tags".into(), tags.into());
        Value::Object(span)
    }

    fn request_tags(&self, ended: &Ended<'_, '_>, asked: &Asked<'_>) -> Map<String, Value> {
        let request = &ended.request;
        let mut tags = Map::new();
        let mut put = |name: &str, value: &str| {
            if !value.is_empty() {
                tags.insert(name.to_owned(), value.into());
            }
        };
        put("lc", "kong");
        put("http.method", &text(asked.method));
        put("http.host", &text(&told_host(asked.authority)));
        put("http.path", &text(asked.path));
        put("http.protocol", &text(request.protocol));
        self.static_tags.iter().flatten().for_each(|tag| put(&tag.name, &tag.value));
        for (_, value) in request.headers.iter().filter(|(name, _)| *name == self.tags_header.as_bytes()) {
            super::tags::tags(&text(value)).for_each(|(name, value)| put(name, value));
        }
        put("http.status_code", &ended.status.to_string());
        if let Some(consumer) = &ended.who.consumer {
            put("kong.consumer", &consumer.id);
        }
        if self.include_credential {
            put("kong.credential", ended.who.credential_id.as_deref().unwrap_or_default());
        }
        put("kong.node.id", &NODE_ID);
        tags
    }

    fn remote(&self, ended: &Ended<'_, '_>, peer: Option<&str>) -> Value {
        let service = ended.route.and_then(|route| route.names.as_ref()).map(|names| &names.service);
        let mut remote = peer.map(address).unwrap_or_default();
        if let Some(name) = service.or(self.default_service_name.as_ref()) {
            remote.insert("serviceName".into(), (&**name).into());
        }
        if remote.is_empty() { Value::Null } else { remote.into() }
    }
}

fn span(kept: &Kept, id: &[u8], parent: Option<&[u8; 8]>, kind: &str, (from, to): (u64, u64)) -> Map<String, Value> {
    let id_text = |id: &[u8]| Value::from(text(&hex(id)));
    let mut span = Map::new();
    span.insert("traceId".into(), id_text(kept.shown_trace()));
    span.insert("id".into(), id_text(id));
    if let Some(parent) = parent {
        span.insert("parentId".into(), id_text(parent));
    }
    span.insert("kind".into(), kind.into());
    span.insert("timestamp".into(), from.into());
    span.insert("duration".into(), to.saturating_sub(from).into());
    span
}

fn of_route(ended: &Ended<'_, '_>) -> impl Iterator<Item = (String, Value)> {
    let found = ended.route.into_iter().flat_map(|route| {
        let names = route.names.as_ref();
        [
            ("kong.service", route.service.id.as_deref()),
            ("kong.service_name", names.map(|names| &*names.service)),
            ("kong.route", Some(&*route.id)),
            ("kong.route_name", names.map(|names| &*names.route)),
        ]
    });
    found.filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
}

fn client(ended: &Ended<'_, '_>) -> Value {
    let peer = ended.stream.peer_address().map(text).unwrap_or_default();
    let port = peer.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let mut found = Map::new();
    if !ended.client_address.is_empty() {
        found.insert(kind(ended.client_address).into(), ended.client_address.into());
    }
    found.extend(port.map(|port| ("port".to_owned(), port.into())));
    found.into()
}

/// Of `address:port`.
fn address(peer: &str) -> Map<String, Value> {
    let mut found = Map::new();
    let Some((host, port)) = peer.rsplit_once(':') else { return found };
    found.insert(kind(bare(host)).into(), bare(host).into());
    found.extend(port.parse::<u16>().ok().map(|port| ("port".to_owned(), port.into())));
    found
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn kind(address: &str) -> &'static str {
    if address.contains(':') { "ipv6" } else { "ipv4" }
}

fn annotations(found: &[(&str, u64)]) -> Value {
    found.iter().map(|(value, time)| json!({"value": value, "timestamp": time})).collect()
}

fn ms(from: u64, to: u64) -> Value {
    (to.saturating_sub(from) / 1000).to_string().into()
}
