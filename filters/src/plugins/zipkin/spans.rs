//! The spans of a request that has ended, in Zipkin's JSON.

use super::{Flavor, Shape, SpanName};
use crate::ended::Ended;
use crate::metrics::NODE_ID;
use crate::record::json::{push_number, push_object, push_parts, push_string, push_text};
use crate::record::line::Line;
use crate::request::told_host;
use crate::text::decimal;
use crate::tracing::inject::hex;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::{SpanId, new_span};
use smallvec::SmallVec;
use std::borrow::Cow;
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

type NamedValue<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// By name; what is put last counts.
#[derive(Default)]
struct Tags<'a>(SmallVec<[NamedValue<'a>; 16]>);

impl<'a> Tags<'a> {
    fn put(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, [u8]>>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, other)) => *other = value,
            None => self.0.push((name, value)),
        }
    }

    fn put_told(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, [u8]>>) {
        let value = value.into();
        if !value.is_empty() {
            self.put(name, value);
        }
    }

    fn put_number(&mut self, name: &'a str, number: u64) {
        self.put(name, decimal(number).into_vec());
    }

    fn put_route(&mut self, ended: &'a Ended<'_, '_>) {
        let Some(route) = ended.route else { return };
        let names = route.names.as_ref();
        for (name, value) in [
            ("kong.service", route.service.id.as_deref()),
            ("kong.service_name", names.map(|names| &*names.service)),
            ("kong.route", Some(&*route.id)),
            ("kong.route_name", names.map(|names| &*names.route)),
        ] {
            if let Some(value) = value {
                self.put(name, value.as_bytes());
            }
        }
    }
}

struct Endpoint<'a> {
    address: Option<&'a str>,
    port: Option<u16>,
    service: Option<&'a str>,
}

impl<'a> Endpoint<'a> {
    /// `peer` is `address:port`.
    fn of(peer: Option<&'a str>, service: Option<&'a str>) -> Self {
        let parts = peer.and_then(|peer| peer.rsplit_once(':'));
        Self { address: parts.map(|parts| bare(parts.0)), port: parts.and_then(|parts| parts.1.parse().ok()), service }
    }

    fn is_unknown(&self) -> bool {
        self.address.is_none() && self.port.is_none() && self.service.is_none()
    }
}

impl Shape {
    /// In Kong's order: the tries, the way to the service, the request.
    pub fn spans(&self, ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        let moments = Moments::of(ended);
        let name = self.name(asked);
        let mut spans = self.tries(ended, kept, &moments, &name);
        spans.push(self.proxy(ended, kept, &moments, &name));
        spans.push(self.request(ended, (kept, asked), &moments, &name));
        spans
    }

    fn name(&self, asked: &Asked<'_>) -> Vec<u8> {
        match self.http_span_name {
            SpanName::Method => asked.method.to_vec(),
            SpanName::MethodPath => [asked.method, b" ", asked.path].concat(),
        }
    }

    fn tries(&self, ended: &Ended<'_, '_>, kept: &Kept, moments: &Moments, name: &[u8]) -> Vec<Vec<u8>> {
        let peers = ended.tries();
        let last = peers.len();
        let span = |(place, peer): (usize, &&str)| {
            let number = decimal(u64::try_from(place).unwrap_or(u64::MAX));
            let mut tags = Tags::default();
            tags.put("kong.balancer.try", number.to_vec());
            if place < last {
                tags.put("error", b"true".as_slice());
                tags.put("kong.balancer.state", b"failed".as_slice());
                tags.put("http.status_code", b"502".as_slice());
            }
            tags.put_route(ended);
            let to = if place < last { moments.sent } else { moments.answered };
            let mut span = begun(kept, &new_span(), Some(&kept.request), "CLIENT", (moments.sent, to));
            span.push(b",\"name\":");
            push_parts(&mut span, &[name, b" (balancer try ", &number, b")"]);
            self.push_ends(&mut span, &self.remote(ended, Some(peer)));
            finished(span, &tags)
        };
        (1..).zip(&peers).map(span).collect()
    }

    fn proxy(&self, ended: &Ended<'_, '_>, kept: &Kept, moments: &Moments, name: &[u8]) -> Vec<u8> {
        let peer = ended.tries().last().copied();
        let mut tags = Tags::default();
        tags.put_route(ended);
        if let Some((host, _)) = peer.and_then(|peer| peer.rsplit_once(':')) {
            tags.put("peer.hostname", bare(host).as_bytes());
        }
        let mut span = begun(kept, &kept.proxy, Some(&kept.request), "CLIENT", (moments.started, moments.ended));
        if self.phase_duration_flavor == Flavor::Annotations {
            push_annotations(
                &mut span,
                &[
                    ("khs", moments.answered),
                    ("khf", moments.answered),
                    ("kbs", moments.answered),
                    ("kas", moments.started),
                    ("kaf", moments.sent),
                    ("kbf", moments.ended),
                ],
            );
        } else {
            tags.put_number("kong.access.duration_ms", ms(moments.started, moments.sent));
            tags.put_number("kong.header_filter.duration_ms", ms(moments.answered, moments.answered));
            tags.put_number("kong.body_filter.duration_ms", ms(moments.answered, moments.ended));
        }
        span.push(b",\"name\":");
        push_parts(&mut span, &[name, b" (proxy)"]);
        self.push_ends(&mut span, &self.remote(ended, peer));
        finished(span, &tags)
    }

    fn request(
        &self,
        ended: &Ended<'_, '_>,
        (kept, asked): (&Kept, &Asked<'_>),
        moments: &Moments,
        name: &[u8],
    ) -> Vec<u8> {
        let mut span = begun(kept, &kept.request, kept.parent.as_ref(), "SERVER", (moments.started, moments.ended));
        let mut tags = self.request_tags(ended, asked);
        if self.phase_duration_flavor == Flavor::Annotations {
            push_annotations(&mut span, &[("krf", moments.started), ("krs", moments.started)]);
        } else {
            tags.put_number("kong.rewrite.duration_ms", ms(moments.started, moments.started));
        }
        push_text(&mut span, ",\"name\":", name);
        let peer = ended.stream.peer_address().and_then(|peer| std::str::from_utf8(peer).ok());
        let address = Some(ended.client_address).filter(|address| !address.is_empty());
        self.push_ends(&mut span, &Endpoint { address, ..Endpoint::of(peer, None) });
        finished(span, &tags)
    }

    fn request_tags<'e>(&'e self, ended: &'e Ended<'_, '_>, asked: &Asked<'e>) -> Tags<'e> {
        let request = &ended.request;
        let mut tags = Tags::default();
        tags.put_told("lc", b"kong".as_slice());
        tags.put_told("http.method", asked.method);
        tags.put_told("http.host", told_host(asked.authority).into_vec());
        tags.put_told("http.path", asked.path);
        tags.put_told("http.protocol", request.protocol);
        for tag in self.static_tags.iter().flatten() {
            tags.put_told(&*tag.name, tag.value.as_bytes());
        }
        for (_, value) in request.headers.iter().filter(|(name, _)| *name == self.tags_header.as_bytes()) {
            for (name, value) in super::tags::tags(&String::from_utf8_lossy(value)) {
                tags.put_told(name.to_owned(), value.as_bytes().to_vec());
            }
        }
        tags.put_number("http.status_code", ended.status.into());
        if let Some(consumer) = &ended.who.consumer {
            tags.put_told("kong.consumer", consumer.id.as_bytes());
        }
        if self.include_credential {
            tags.put_told("kong.credential", ended.who.credential_id.as_deref().unwrap_or_default().as_bytes());
        }
        tags.put_told("kong.node.id", NODE_ID.as_bytes());
        tags
    }

    fn remote<'e>(&'e self, ended: &'e Ended<'_, '_>, peer: Option<&'e str>) -> Endpoint<'e> {
        let service = ended.route.and_then(|route| route.names.as_ref()).map(|names| &names.service);
        Endpoint::of(peer, service.or(self.default_service_name.as_ref()).map(|name| &**name))
    }

    fn push_ends(&self, span: &mut Line, remote: &Endpoint<'_>) {
        push_text(span, ",\"localEndpoint\":{\"serviceName\":", self.local_service_name.as_bytes());
        span.push(b"},\"remoteEndpoint\":");
        if remote.is_unknown() {
            return span.push(b"null");
        }
        let mut before = "{";
        let mut begin = |span: &mut Line| span.push(std::mem::replace(&mut before, ",").as_bytes());
        if let Some(address) = remote.address {
            begin(span);
            push_text(span, if address.contains(':') { "\"ipv6\":" } else { "\"ipv4\":" }, address.as_bytes());
        }
        if let Some(port) = remote.port {
            begin(span);
            push_number(span, "\"port\":", port.into());
        }
        if let Some(service) = remote.service {
            begin(span);
            push_text(span, "\"serviceName\":", service.as_bytes());
        }
        span.push(b"}");
    }
}

fn begun(kept: &Kept, id: &SpanId, parent: Option<&SpanId>, kind: &str, (from, to): (u64, u64)) -> Line {
    let mut span = Line::new();
    push_text(&mut span, "{\"traceId\":", &hex(kept.shown_trace()));
    push_text(&mut span, ",\"id\":", &hex(id));
    if let Some(parent) = parent {
        push_text(&mut span, ",\"parentId\":", &hex(parent));
    }
    push_text(&mut span, ",\"kind\":", kind.as_bytes());
    push_number(&mut span, ",\"timestamp\":", from);
    push_number(&mut span, ",\"duration\":", to.saturating_sub(from));
    span
}

fn finished(mut span: Line, tags: &Tags<'_>) -> Vec<u8> {
    if !tags.0.is_empty() {
        span.push(b",\"tags\":");
        let tags = tags.0.iter().map(|(name, value)| (name.as_bytes(), value));
        push_object(&mut span, tags, |out, _, value| push_string(out, value));
    }
    span.push(b"}");
    span.as_slice().to_vec()
}

fn push_annotations(span: &mut Line, found: &[(&str, u64)]) {
    for (place, (value, time)) in found.iter().enumerate() {
        push_text(span, if place == 0 { ",\"annotations\":[{\"value\":" } else { ",{\"value\":" }, value.as_bytes());
        push_number(span, ",\"timestamp\":", *time);
        span.push(b"}");
    }
    span.push(b"]");
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn ms(from: u64, to: u64) -> u64 {
    to.saturating_sub(from) / 1000
}
