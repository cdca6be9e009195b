//! The spans of a request that has ended: the request, and each try to reach the service.

use crate::ended::Ended;
use crate::request::told_host;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::new_span;
use crate::tracing::otlp::{Kind, Span, Value};
use std::time::SystemTime;

pub fn spans(ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>) -> Vec<Vec<u8>> {
    let end = SystemTime::now();
    let started = end - ended.times.total;
    let sent = started + ended.times.gateway;
    let answered = ended.times.upstream.map_or(end, |upstream| sent + upstream);
    let peers = ended.tries();
    let last = peers.len();
    let mut spans = vec![root(ended, kept, asked, (started, end))];
    for (number, peer) in (1..).zip(peers) {
        let id = if number == last { kept.proxy } else { new_span() };
        let until = if number == last { answered } else { sent };
        // An error of the gateway's own, behind a try, is the try's.
        let fails = number < last || !ended.by_service;
        spans.push(tried(ended, kept, &id, (number, peer), (sent, until), fails));
    }
    spans
}

fn root(ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>, (from, to): (SystemTime, SystemTime)) -> Vec<u8> {
    let request = &ended.request;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (host, scheme) = (text(&told_host(asked.authority)), if request.is_tls { "https" } else { "http" });
    let query = asked.query.map(|query| format!("?{}", text(query))).unwrap_or_default();
    let url = format!("{scheme}://{host}{}{query}", text(asked.path));
    let protocol = text(request.protocol);
    let mut span = Span::new(&kept.trace, &kept.request, kept.parent.as_ref(), "kong", Kind::Server);
    span.lasts(from, to);
    for (name, value) in [
        ("http.method", &*text(asked.method)),
        ("http.url", &url),
        ("http.host", &host),
        ("http.scheme", scheme),
        ("http.flavor", protocol.strip_prefix("HTTP/").unwrap_or(&protocol)),
        ("http.client_ip", ended.client_address),
        ("net.peer.ip", request.peer.unwrap_or_default()),
        ("kong.request.id", ended.request_id),
    ] {
        span.attribute(name, &Value::Text(value));
    }
    span.attribute("http.status_code", &Value::Integer(ended.status.into()));
    span.into_bytes()
}

fn tried(
    ended: &Ended<'_, '_>,
    kept: &Kept,
    id: &[u8; 8],
    (number, peer): (usize, &str),
    (from, to): (SystemTime, SystemTime),
    fails: bool,
) -> Vec<u8> {
    let mut span = Span::new(&kept.trace, id, Some(&kept.request), "kong.balancer", Kind::Client);
    span.lasts(from, to);
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    span.attribute("try_count", &Value::Number(number.into()));
    if let Some((host, port)) = peer.rsplit_once(':') {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        span.attribute("net.peer.ip", &Value::Text(host));
        span.attribute("net.peer.name", &Value::Text(host));
        if let Ok(port) = port.parse::<u16>() {
            span.attribute("net.peer.port", &Value::Number(port.into()));
        }
    }
    if fails {
        span.attribute("http.status_code", &Value::Integer(ended.status.into()));
        span.fails();
    }
    span.into_bytes()
}
