//! The way back: Kong's own replies, Envoy's errors in Kong's words, and what every response is marked with.

use crate::config::{Compat, Gateway};
use crate::error_body::{self, Format};
use crate::gateway::{Filter, Phase, Reply, Style};
use crate::local_reply::{self, LocalError, Origin};
use crate::stream::{Map, Stream};
use crate::text::{Text, decimal};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

impl Filter {
    pub(crate) fn reply(&mut self, reply: &Reply, stream: &mut impl Stream) {
        self.phase = Phase::Replied;
        let mut own = std::mem::take(&mut self.client_headers);
        self.add_own_headers(&mut own, true);
        let given = reply.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let own = given.chain(own.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())));
        if self.is_grpc || reply.format == Format::Empty {
            let (status, grpc_status) = (reply.status.to_string(), error_body::grpc_status(reply.status).to_string());
            let head: &[(&[u8], &[u8])] = if self.is_grpc_over_http2 {
                &[
                    (b":status", b"200"),
                    (b"content-type", b"application/grpc"),
                    (b"grpc-status", grpc_status.as_bytes()),
                    (b"grpc-message", reply.message.as_bytes()),
                ]
            } else {
                &[(b":status", status.as_bytes()), (b"content-type", b""), (b"content-length", b"0")]
            };
            stream.send_headers(&head.iter().copied().chain(own).collect::<Vec<_>>());
            return;
        }
        let (content_type, body) = match reply.style {
            Style::Compact => (error_body::content_type(Format::Json), error_body::compact(&reply.message)),
            Style::Redirect => error_body::redirect_page(reply.status),
            Style::Error => (
                error_body::content_type(reply.format),
                error_body::render(reply.format, self.gateway.compat, &reply.message, self.request_id()),
            ),
        };
        let content_type: (&[u8], &[u8]) = (b"content-type", content_type.as_bytes());
        stream.send_reply(reply.status, &std::iter::once(content_type).chain(own).collect::<Vec<_>>(), body.as_bytes());
    }

    /// Headers by which a reply of the gateway (or, if not `is_generated`, a proxied one) is known as Kong's.
    fn add_own_headers(&self, headers: &mut Vec<(&'static str, Text)>, is_generated: bool) {
        let tokens = self.gateway.tokens;
        if tokens.latency && is_generated {
            headers.push(("x-kong-response-latency", milliseconds(self.started.elapsed())));
        }
        if tokens.latency && !is_generated {
            let proxied = self.proxied.unwrap_or(self.started);
            headers.push(("x-kong-upstream-latency", milliseconds(proxied.elapsed())));
            headers.push(("x-kong-proxy-latency", milliseconds(proxied.duration_since(self.started))));
        }
        if tokens.server && is_generated {
            headers.push(("server", text(&self.gateway.server_token)));
        }
        if tokens.request_id && self.gateway.compat == Compat::Kong3 {
            headers.push(("x-kong-request-id", text(self.request_id())));
        }
    }

    /// Envoy is about to answer by itself.
    pub fn on_local_reply(&mut self, status: u32, details: &[u8]) {
        if self.phase != Phase::Replied {
            self.local_error = local_reply::classify(status, details);
            self.phase = if self.local_error.is_none() { Phase::Replied } else { self.phase };
        }
    }

    pub fn on_response_headers(&mut self, stream: &mut impl Stream, end_of_stream: bool) {
        if let Some(error) = self.local_error.take() {
            self.become_kongs(error, stream, end_of_stream);
        } else if self.phase == Phase::Proxied {
            self.mark_response(stream);
        }
    }

    /// Turns Envoy's own error into Kong's.
    fn become_kongs(&mut self, error: LocalError, stream: &mut impl Stream, end_of_stream: bool) {
        let format = if error.origin == Origin::Plugin { self.formats.plugin } else { self.formats.proxy };
        let mut headers: Vec<(&str, Text)> = Vec::with_capacity(16);
        headers.append(&mut self.client_headers);
        let is_upstreams = error.origin == Origin::Upstream;
        self.add_own_headers(&mut headers, !is_upstreams);
        if is_upstreams && self.gateway.tokens.server {
            headers.push(("via", text(&format!("1.1 {}", self.gateway.server_token))));
            headers.push(("server", text(&self.gateway.server_token)));
        }
        if self.is_grpc {
            headers.push(("grpc-status", text(&error_body::grpc_status(error.status).to_string())));
            headers.push(("grpc-message", text(error.message)));
        } else {
            let body = error_body::render(format, self.gateway.compat, error.message, self.request_id());
            headers.push((":status", decimal(error.status.into())));
            headers.push(("content-type", text(error_body::content_type(format))));
            headers.push(("content-length", text(&body.len().to_string())));
            if !self.is_head && end_of_stream {
                stream.add_response_body(body.as_bytes());
            } else if !self.is_head {
                self.local_body = Some(body);
            }
        }
        for (name, value) in &headers {
            stream.set_header(Map::Response, name.as_bytes(), value);
        }
        self.phase = Phase::Replied;
    }

    pub fn on_response_body(&mut self, stream: &mut impl Stream) {
        if let Some(body) = &mut self.local_body {
            stream.replace_response_chunk(body.as_bytes());
            // Any further chunk of Envoy's text is dropped.
            body.clear();
        }
    }

    fn mark_response(&mut self, stream: &mut impl Stream) {
        let gateway = Arc::clone(&self.gateway);
        let mut own = Vec::with_capacity(24);
        self.add_own_headers(&mut own, false);
        let mut limits = std::mem::take(&mut self.client_headers);
        let mut present: SmallVec<[bool; 16]> = SmallVec::new();
        let mut repeated: Vec<(&'static str, Vec<u8>)> = Vec::new();
        let has_trailer;
        {
            let headers = stream.headers(Map::Response);
            let has = |wanted: &str| headers.iter().any(|(name, _)| *name == wanted.as_bytes());
            has_trailer = has("trailer");
            if gateway.tokens.server {
                if gateway.compat == Compat::Kong3 && !has("server") {
                    own.push(("server", text(&gateway.server_token)));
                }
                own.push(("via", response_via(&headers, &gateway)));
            }
            for (limit, _) in &limits {
                let same = headers.iter().filter(|(name, _)| *name == limit.as_bytes());
                repeated.extend(same.map(|(_, value)| (*limit, value.to_vec())));
            }
            own.append(&mut limits);
            present.extend(own.iter().map(|(name, _)| has(name)));
        }
        for ((name, value), present) in own.iter().zip(present) {
            // Only what is there has to be replaced; an addition saves Envoy the search.
            let write = if present { Stream::set_header } else { Stream::add_header };
            write(stream, Map::Response, name.as_bytes(), value);
        }
        for (name, value) in &repeated {
            stream.add_header(Map::Response, name.as_bytes(), value);
        }
        if has_trailer {
            stream.remove_header(Map::Response, b"trailer");
        }
    }
}

/// All Via lines of the upstream in one, then the gateway; Kong 2.1 overwrites them.
fn response_via(headers: &[(&[u8], &[u8])], gateway: &Gateway) -> Text {
    let mut via = Text::new();
    if gateway.compat == Compat::Kong3 {
        for (_, value) in headers.iter().filter(|(name, _)| *name == b"via") {
            via.extend_from_slice(value);
            via.extend_from_slice(b", ");
        }
        via.extend_from_slice(b"1.1 ");
    }
    via.extend_from_slice(gateway.server_token.as_bytes());
    via
}

fn text(value: &str) -> Text {
    Text::from_slice(value.as_bytes())
}

fn milliseconds(duration: Duration) -> Text {
    decimal(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
