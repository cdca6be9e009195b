//! Kong's record of a request, which log plugins write (kong.md §7.2): made once for all of them, when the stream has ended.

pub mod arrival;
pub mod json;
pub mod line;
pub mod secrets;
#[cfg(test)]
mod tests;

use crate::ended::Ended;
use crate::path;
use crate::stream::Attribute;
use crate::tables::{Compat, Consumer, Entities};
use crate::tracing::told::TraceIds;
use arrival::{Arrival, Head};
use json::{push_number, push_object, push_string, push_text};
use line::Line;
use secrets::Secrets;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::time::Duration;

/// Kong's own, of a gateway without a database.
pub const WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";
pub const WORKSPACE_NAME: &str = "default";

/// Kong's `lua_max_resp_headers`.
const MOST_HEADERS: usize = 100;

/// As nginx logs a client that has gone before there was an answer.
pub const CLIENT_GONE: u16 = 499;

/// Who answered a try, or why nobody did.
const BAD_GATEWAY: u16 = 502;

impl Ended<'_, '_> {
    /// As nginx tells it.
    pub fn told_status(&self) -> u16 {
        if self.status == 0 { CLIENT_GONE } else { self.status }
    }

    /// One line of JSON, with its end; nothing where no plugin has asked for it when the request came.
    pub fn record(&self) -> Option<&[u8]> {
        let arrival = self.arrival?;
        let head = arrival.head.as_ref()?;
        Some(self.made.get_or_init(|| written(self, arrival, head)).as_slice())
    }

    /// The bytes that Kong's `request.size` and `response.size` count, as far as they can be told.
    pub fn told_sizes(&self) -> (u64, u64) {
        let head = self.arrival.map_or(0, |arrival| arrival.head_bytes);
        // Envoy counts headers as they are now, and no separators.
        let separators = u64::try_from(self.response.len() * ": \r\n".len()).unwrap_or(u64::MAX);
        let status_line = u64::try_from("HTTP/1.1 OK\r\n\r\n".len()).unwrap_or_default();
        let sent_body = self.stream.request_body_bytes();
        (head.saturating_add(sent_body), self.response_bytes.saturating_add(separators + status_line))
    }

    /// Kong's own entities of route and service, of a request that a route has taken.
    pub fn logged(&self) -> Option<&Entities> {
        self.route.filter(|_| self.is_routed()).and_then(|route| route.logged.as_ref())
    }

    /// Unix time in milliseconds.
    pub fn ended_ms(&self) -> i64 {
        self.started_ms.saturating_add(i64::try_from(self.times.total.as_millis()).unwrap_or(i64::MAX))
    }

    /// `service` is the upstream, or was to be.
    pub fn is_routed(&self) -> bool {
        self.arrival.is_some_and(|arrival| arrival.is_routed)
    }
}

fn written(ended: &Ended<'_, '_>, arrival: &Arrival, head: &Head) -> Line {
    let is_old = ended.world.settings.compat == Compat::Kong21;
    let route = ended.route.filter(|_| arrival.is_routed);
    let secrets = if head.has_secrets { Secrets::of(ended.world, route) } else { Secrets::default() };
    let (request_size, response_size) = ended.told_sizes();
    let mut out = Line::new();
    out.push(&head.text);
    push_size(&mut out, request_size, is_old);
    push_tls(&mut out, ended, arrival);
    push_text(&mut out, "},\"upstream_uri\":", &secrets.told_target(&upstream_target(ended)));
    let endpoints = if ended.is_proxied { ended.stream.endpoints() } else { SmallVec::new() };
    let was_asked = ended.is_proxied && !ended.told.lacks_endpoint;
    let tries = if was_asked { ended.stream.tries().max(endpoints.len()) } else { 0 };
    if !is_old {
        push_statuses(&mut out, ended, tries);
    }
    push_response(&mut out, ended, &secrets, response_size, is_old);
    push_latencies(&mut out, ended, is_old);
    if arrival.is_routed {
        push_tries(&mut out, ended, &endpoints, tries);
    }
    push_entities(&mut out, ended);
    push_rest(&mut out, ended, is_old);
    out.push(b"}\n");
    out
}

/// Where it went; else where it would have gone, if no plugin had stopped it, and nothing without a route.
fn upstream_target<'e>(ended: &'e Ended<'_, '_>) -> Cow<'e, [u8]> {
    if ended.is_proxied {
        return Cow::Borrowed(ended.stream.attribute(Attribute::Target).unwrap_or_default());
    }
    let Some((route, pattern)) = ended.route.zip(ended.pattern).filter(|_| ended.is_routed()) else {
        return Cow::Borrowed(b"");
    };
    let path = ended.request.path.as_deref().unwrap_or(b"/");
    let prefix = &path[..pattern.matched(path).unwrap_or_default()];
    let base = if route.service.path.is_empty() { "/" } else { &route.service.path };
    let upstream = path::upstream(path, prefix, base.as_bytes(), route.strip_path);
    let mut target = path::escape(&upstream).into_owned();
    if let Some(query) = arrival::query_of(&ended.request, ended.changes) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    Cow::Owned(target)
}

/// Kong 2 wrote them as texts.
fn push_size(out: &mut Line, size: u64, is_old: bool) {
    push_number(out, if is_old { ",\"size\":\"" } else { ",\"size\":" }, size);
    if is_old {
        out.push(b"\"");
    }
}

fn push_tls(out: &mut Line, ended: &Ended<'_, '_>, arrival: &Arrival) {
    let version = arrival.is_tls.then(|| ended.stream.attribute(Attribute::TlsVersion)).flatten();
    let Some(version) = version.filter(|version| !version.is_empty()) else { return };
    push_text(out, ",\"tls\":{\"version\":", version);
    push_text(out, ",\"client_verify\":", verified(ended).as_bytes());
    out.push(b"}");
}

/// In nginx's words.
fn verified(ended: &Ended<'_, '_>) -> &'static str {
    match ended.request.certificate {
        None => "NONE",
        Some(_) if ended.denied_by == Some("mtls-auth") => "FAILED",
        Some(_) => "SUCCESS",
    }
}

/// One of each try: nobody has answered those before the last.
fn push_statuses(out: &mut Line, ended: &Ended<'_, '_>, tries: usize) {
    out.push(b",\"upstream_status\":\"");
    // Without a status the client has gone while the last was on its way.
    let tries = if ended.status == 0 { tries.saturating_sub(1) } else { tries };
    for place in 1..=tries {
        let is_last = place == tries;
        let status = if is_last { ended.told_status() } else { failure(ended) };
        push_number(out, if place == 1 { "" } else { ", " }, status.into());
    }
    out.push(b"\"");
}

/// What a try says that nobody has answered.
fn failure(ended: &Ended<'_, '_>) -> u16 {
    if ended.by_service || ended.status == 0 { BAD_GATEWAY } else { ended.status }
}

fn push_response(out: &mut Line, ended: &Ended<'_, '_>, secrets: &Secrets<'_>, size: u64, is_old: bool) {
    push_number(out, ",\"response\":{\"status\":", ended.told_status().into());
    out.push(b",\"headers\":");
    let shown = ended.response.iter().copied().filter(|(name, _)| !name.starts_with(b":")).take(MOST_HEADERS);
    push_object(out, shown, |out, name, value| push_string(out, &secrets.told(name, value)));
    push_size(out, size, is_old);
    out.push(b"}");
}

fn push_latencies(out: &mut Line, ended: &Ended<'_, '_>, is_old: bool) {
    let latencies = ended.latencies();
    push_number(out, ",\"latencies\":{\"kong\":", latencies.kong);
    match latencies.proxy {
        Some(proxy) => push_number(out, ",\"proxy\":", proxy),
        None => out.push(b",\"proxy\":-1"),
    }
    push_number(out, ",\"request\":", latencies.request);
    if !is_old {
        push_number(out, ",\"receive\":", latencies.receive);
    }
    out.push(b"}");
}

/// In whole milliseconds.
pub struct Latencies {
    pub kong: u64,
    /// None where the request never went upstream.
    pub proxy: Option<u64>,
    pub request: u64,
    pub receive: u64,
}

impl Ended<'_, '_> {
    pub fn latencies(&self) -> Latencies {
        let times = self.times;
        let until_answer = times.gateway + times.upstream.unwrap_or_default();
        let receive = times.upstream.map(|_| times.total.saturating_sub(until_answer)).unwrap_or_default();
        Latencies {
            kong: whole_ms(times.gateway),
            proxy: times.upstream.map(whole_ms),
            request: whole_ms(times.total),
            receive: whole_ms(receive),
        }
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// When each began Envoy does not tell: they all have the first one's time. Nor does it tell of several endpoints which one
/// was tried again.
fn push_tries(out: &mut Line, ended: &Ended<'_, '_>, endpoints: &[&str], tries: usize) {
    let of_try = |place: usize| match endpoints {
        [only] => Some(*only),
        several if several.len() == tries => several.get(place - 1).copied(),
        _ => ended.stream.endpoint().filter(|_| place == tries),
    };
    let start_ns = u64::try_from(ended.started_ms).unwrap_or_default().saturating_mul(1_000_000)
        + u64::try_from(ended.times.gateway.as_nanos()).unwrap_or_default();
    out.push(b",\"tries\":[");
    for place in 1..=tries {
        out.push(if place == 1 { b"{" } else { b",{" });
        if let Some((host, port)) = of_try(place).and_then(|endpoint| endpoint.rsplit_once(':')) {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            push_text(out, "\"ip\":", host.as_bytes());
            push_number(out, ",\"port\":", port.parse().unwrap_or_default());
            out.push(b",");
        }
        push_number(out, "\"balancer_start\":", start_ns / 1_000_000);
        push_number(out, ",\"balancer_start_ns\":", start_ns);
        out.push(b",\"balancer_latency\":0,\"balancer_latency_ns\":0");
        if place < tries || !ended.by_service {
            push_number(out, ",\"state\":\"failed\",\"code\":", failure(ended).into());
        }
        out.push(b"}");
    }
    out.push(b"]");
}

fn push_entities(out: &mut Line, ended: &Ended<'_, '_>) {
    if let Some(id) = &ended.who.credential_id {
        push_text(out, ",\"authenticated_entity\":{\"id\":", id.as_bytes());
        out.push(b"}");
    }
    if let Some(entities) = ended.logged() {
        for part in [",\"route\":", &entities.route, ",\"service\":", &entities.service] {
            out.push(part.as_bytes());
        }
    }
    if let Some(consumer) = &ended.who.consumer {
        out.push(b",\"consumer\":");
        push_consumer(out, consumer);
    }
}

fn push_consumer(out: &mut Line, consumer: &Consumer) {
    if let Some(entity) = &consumer.logged {
        return out.push(entity.as_bytes());
    }
    push_text(out, "{\"id\":", consumer.id.as_bytes());
    for (before, value) in [(",\"username\":", &consumer.username), (",\"custom_id\":", &consumer.custom_id)] {
        if let Some(value) = value {
            push_text(out, before, value.as_bytes());
        }
    }
    out.push(b"}");
}

fn push_rest(out: &mut Line, ended: &Ended<'_, '_>, is_old: bool) {
    push_text(out, ",\"client_ip\":", ended.client_address.as_bytes());
    push_number(out, ",\"started_at\":", u64::try_from(ended.started_ms).unwrap_or_default());
    if let Some(id) = &ended.told.correlation_id {
        push_text(out, ",\"correlation_id\":", id);
    }
    if !is_old {
        push_traces(out, &ended.told.traces);
        out.push(if ended.by_service { b",\"source\":\"upstream\"" } else { b",\"source\":\"kong\"" });
        push_text(out, ",\"workspace\":", WORKSPACE.as_bytes());
        push_text(out, ",\"workspace_name\":", WORKSPACE_NAME.as_bytes());
    }
}

fn push_traces(out: &mut Line, traces: &TraceIds) {
    if traces.is_empty() {
        return;
    }
    for (place, (format, id)) in traces.each().enumerate() {
        push_text(out, if place == 0 { ",\"trace_id\":{" } else { "," }, format.as_bytes());
        push_text(out, ":", &id);
    }
    out.push(b"}");
}
