//! The filter `gateway`: one request on its way through Kong's policies, and its response on the way back.

use crate::body::{self, Kind};
use crate::config::{Answer, Candidate, Compat, Gateway, PLUGIN_ORDER, PluginConfig, PluginKind};
use crate::consumers::Table;
use crate::counters::Counters;
use crate::error_body::{self, Format, Formats};
use crate::forwarding::{self, Changes};
use crate::key_auth::{Body, Hidden, KeyAuth, Refusal, Search};
use crate::local_reply::{LocalError, Origin};
use crate::rate_limiting::{ClientHeaders, Identity, LimitBy, RateLimiting};
use crate::request::Request;
use crate::stream::{Map, Stream};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a hook tells Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// Wait here and keep what arrives.
    Wait,
    /// The request is answered; what still arrives of it is of no use.
    Answered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    AwaitsBody,
    Proxied,
    Replied,
}

/// Who the request belongs to, as the authentication plugins found out.
#[derive(Debug, Default)]
struct Authenticated {
    consumer: Option<usize>,
    credential: Option<String>,
    is_anonymous: bool,
    /// An authentication plugin ran, so that the client's own identity headers must not reach the upstream.
    is_checked: bool,
}

pub struct Filter {
    gateway: Arc<Gateway>,
    counters: &'static Counters,
    table: Arc<Table>,
    started: Instant,
    proxied: Option<Instant>,
    request_id: [u8; 32],
    formats: Formats,
    is_head: bool,
    is_grpc_over_http2: bool,
    is_grpc: bool,
    phase: Phase,
    next_plugin: usize,
    who: Authenticated,
    hidden: Hidden,
    client_headers: ClientHeaders,
    local_error: Option<LocalError>,
    local_body: Option<String>,
}

/// What becomes of a request once its plugins have run.
enum Decision {
    Proxy(Changes),
    Reply(Reply),
    AwaitBody,
}

struct Reply {
    status: u16,
    message: String,
    format: Format,
    is_compact: bool,
    challenge: Option<String>,
}

impl Filter {
    pub fn new(gateway: Arc<Gateway>, counters: &'static Counters) -> Self {
        let mut request_id = [0; 32];
        // Both arrays have fixed, fitting lengths.
        let _ = hex::encode_to_slice(fastrand::u128(..).to_be_bytes(), &mut request_id);
        Self {
            table: gateway.consumers.load_full(),
            gateway,
            counters,
            started: Instant::now(),
            proxied: None,
            request_id,
            formats: Formats::DEFAULT,
            is_head: false,
            is_grpc_over_http2: false,
            is_grpc: false,
            phase: Phase::New,
            next_plugin: 0,
            who: Authenticated::default(),
            hidden: Hidden::default(),
            client_headers: ClientHeaders::new(),
            local_error: None,
            local_body: None,
        }
    }

    pub fn on_request_headers(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        let decision = {
            let request = Request::read(stream);
            self.is_head = request.method == b"HEAD";
            self.is_grpc = request.is_grpc();
            self.is_grpc_over_http2 = self.is_grpc && request.protocol == b"HTTP/2";
            self.formats = Formats::choose(request.header(b"accept"), request.header(b"content-type"));
            let searchable = !end_of_stream && content_kind(&request).is_some();
            self.decide(&request, if searchable { Body::Pending } else { Body::Unusable })
        };
        self.carry_out(decision, stream)
    }

    pub fn on_request_body(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        if self.phase != Phase::AwaitsBody {
            return if self.phase == Phase::Replied { Flow::Answered } else { Flow::Continue };
        }
        let size = stream.request_body_size();
        if !end_of_stream && size <= body::LARGEST_SEARCHED {
            return Flow::Wait;
        }
        let bytes = if size <= body::LARGEST_SEARCHED { Some(stream.request_body()) } else { None };
        let decision = {
            let request = Request::read(stream);
            let kind = content_kind(&request);
            let body = match (&kind, &bytes) {
                (Some(kind), Some(bytes)) => Body::Whole(kind, bytes),
                _ => Body::Unusable,
            };
            self.decide(&request, body)
        };
        self.carry_out(decision, stream)
    }

    /// Trailers end a body that was waited for.
    pub fn on_request_trailers(&mut self, stream: &mut impl Stream) -> Flow {
        self.on_request_body(stream, true)
    }

    fn decide(&mut self, request: &Request<'_>, body: Body<'_>) -> Decision {
        let gateway = Arc::clone(&self.gateway);
        let Ok(path) = &request.path else {
            return Decision::Reply(self.proxy_error(400, "Bad request"));
        };
        if let Some(answer) = &gateway.answer {
            return Decision::Reply(self.answer(answer));
        }
        let address = forwarding::client_address(&gateway, request).map(|address| address.to_string());
        let address = address.as_deref().unwrap_or_default();
        while let Some(kind) = PLUGIN_ORDER.get(self.next_plugin) {
            let table = Arc::clone(&self.table);
            if let Some(chosen) = self.choose(&gateway, &table, *kind) {
                let stopped = match &chosen.config {
                    PluginConfig::KeyAuth(plugin) => self.authenticate(plugin, request, body),
                    PluginConfig::RateLimiting(plugin) => self.limit(plugin, &chosen.id, request, path, address),
                };
                if let Some(decision) = stopped {
                    return decision;
                }
            }
            self.next_plugin += 1;
        }
        let mut changes = Changes { body: self.hidden.body.take(), ..Changes::default() };
        changes.remove.extend(self.hidden.headers.drain(..).map(Into::into));
        forwarding::prepare(&gateway, request, address, self.hidden.query.take(), &mut changes);
        if gateway.compat == Compat::Kong3 && gateway.tokens.request_id_upstream {
            changes.set("x-kong-request-id", self.request_id);
        }
        self.identify(&mut changes);
        Decision::Proxy(changes)
    }

    /// The attachment of a plugin that applies now: the best rank among those for everyone and for this consumer.
    fn choose<'a>(&self, gateway: &'a Gateway, table: &'a Table, kind: PluginKind) -> Option<&'a Candidate> {
        let consumer = self.who.consumer.and_then(|place| table.consumer(place));
        let of_route =
            gateway.plugins[PLUGIN_ORDER.iter().position(|other| *other == kind)?].iter().find(|candidate| {
                candidate.consumer.is_none() || candidate.consumer.as_ref() == consumer.map(|consumer| &consumer.id)
            });
        let of_consumer =
            consumer.and_then(|consumer| consumer.plugins.iter().find(|candidate| candidate.config.kind() == kind));
        of_route.into_iter().chain(of_consumer).min_by_key(|candidate| candidate.rank)
    }

    fn authenticate(&mut self, plugin: &KeyAuth, request: &Request<'_>, body: Body<'_>) -> Option<Decision> {
        if plugin.lets_pass(request.method) || (plugin.anonymous.is_some() && self.who.credential.is_some()) {
            return None;
        }
        let refusal = match plugin.search(request, body, self.gateway.compat) {
            Search::NeedsBody => return Some(Decision::AwaitBody),
            Search::Refused(refusal) => refusal,
            Search::Key(key) => match self.table.credential(&key) {
                Some(credential) if !credential.is_expired(|| self.now_ms()) => {
                    let found = (self.table.consumer_of(credential), credential.id.clone());
                    self.hidden = plugin.hidden(request, body);
                    self.who = Authenticated {
                        consumer: Some(found.0),
                        credential: Some(found.1),
                        is_anonymous: false,
                        is_checked: true,
                    };
                    return None;
                }
                _ => Refusal::UnknownKey,
            },
        };
        let refusal = match plugin.anonymous.as_deref().map(|anonymous| self.table.find(anonymous)) {
            Some(Some(place)) => {
                self.who =
                    Authenticated { consumer: Some(place), credential: None, is_anonymous: true, is_checked: true };
                return None;
            }
            Some(None) => Refusal::NoAnonymous,
            None => refusal,
        };
        let compat = self.gateway.compat;
        let challenge = plugin.challenge(refusal, compat);
        let reply = self.plugin_error(refusal.status(), refusal.message(compat));
        Some(Decision::Reply(Reply { challenge, ..reply }))
    }

    fn limit(
        &mut self,
        plugin: &RateLimiting,
        instance: &str,
        request: &Request<'_>,
        path: &[u8],
        address: &str,
    ) -> Option<Decision> {
        let consumer = self.who.consumer.and_then(|place| self.table.consumer(place));
        let by_header = plugin.limit_by == LimitBy::Header;
        let identity = Identity {
            consumer: consumer.map(|consumer| consumer.id.as_bytes()),
            credential: self.who.credential.as_deref().map(str::as_bytes),
            service: self.gateway.route.service_id.as_deref().map(str::as_bytes),
            header: by_header.then(|| request.header(plugin.header_name.as_bytes())).flatten(),
            path,
            address: address.as_bytes(),
        };
        let usage = plugin.count(self.counters, instance, &identity, || self.now_ms());
        self.client_headers = plugin.client_headers(&usage);
        usage.blocked.then(|| Decision::Reply(self.plugin_error(plugin.error_code, &plugin.error_message)))
    }

    fn identify(&self, changes: &mut Changes) {
        if !self.who.is_checked {
            return;
        }
        let consumer = self.who.consumer.and_then(|place| self.table.consumer(place));
        let mut tell = |name: &'static str, value: Option<&String>| match value {
            Some(value) => changes.set(name, value.as_str()),
            None => changes.remove(name),
        };
        tell("x-consumer-id", consumer.map(|consumer| &consumer.id));
        tell("x-consumer-custom-id", consumer.and_then(|consumer| consumer.custom_id.as_ref()));
        tell("x-consumer-username", consumer.and_then(|consumer| consumer.username.as_ref()));
        tell("x-credential-identifier", self.who.credential.as_ref());
        if self.who.is_anonymous {
            changes.set("x-anonymous-consumer", "true");
        } else {
            changes.remove("x-anonymous-consumer");
        }
        if self.gateway.compat == Compat::Kong21 {
            changes.remove("x-credential-username");
        }
    }

    fn carry_out(&mut self, decision: Decision, stream: &mut impl Stream) -> Flow {
        match decision {
            Decision::AwaitBody => {
                self.phase = Phase::AwaitsBody;
                Flow::Wait
            }
            Decision::Reply(reply) => {
                self.reply(&reply, stream);
                Flow::Answered
            }
            Decision::Proxy(changes) => {
                for name in &changes.remove {
                    stream.remove_header(Map::Request, name.as_bytes());
                }
                for (name, value) in &changes.set {
                    stream.set_header(Map::Request, name.as_bytes(), value);
                }
                if let Some(body) = &changes.body {
                    stream.replace_request_body(body);
                    stream.set_header(Map::Request, b"content-length", body.len().to_string().as_bytes());
                }
                self.phase = Phase::Proxied;
                self.proxied = Some(Instant::now());
                Flow::Continue
            }
        }
    }

    fn answer(&self, answer: &Answer) -> Reply {
        let is_compact = self.gateway.compat == Compat::Kong21;
        Reply { is_compact, ..self.plugin_error(answer.status, &answer.message) }
    }

    fn plugin_error(&self, status: u16, message: &str) -> Reply {
        Reply { status, message: message.to_owned(), format: self.formats.plugin, is_compact: false, challenge: None }
    }

    fn proxy_error(&self, status: u16, message: &str) -> Reply {
        Reply { format: self.formats.proxy, ..self.plugin_error(status, message) }
    }

    fn reply(&mut self, reply: &Reply, stream: &mut impl Stream) {
        self.phase = Phase::Replied;
        let mut own: Vec<(&str, String)> = Vec::with_capacity(16);
        if let Some(challenge) = &reply.challenge {
            own.push(("www-authenticate", challenge.clone()));
        }
        own.append(&mut self.client_headers);
        self.add_own_headers(&mut own, true);
        let own = own.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
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
        let body = if reply.is_compact {
            error_body::compact(&reply.message)
        } else {
            error_body::render(reply.format, self.gateway.compat, &reply.message, self.request_id())
        };
        let format = if reply.is_compact { Format::Json } else { reply.format };
        let content_type: (&[u8], &[u8]) = (b"content-type", error_body::content_type(format).as_bytes());
        stream.send_reply(reply.status, &std::iter::once(content_type).chain(own).collect::<Vec<_>>(), body.as_bytes());
    }

    /// Headers by which a reply of the gateway (or, if not `is_generated`, a proxied one) is known as Kong's.
    fn add_own_headers(&self, headers: &mut Vec<(&'static str, String)>, is_generated: bool) {
        let tokens = self.gateway.tokens;
        if tokens.latency && is_generated {
            headers.push(("x-kong-response-latency", self.started.elapsed().as_millis().to_string()));
        }
        if tokens.latency && !is_generated {
            let proxied = self.proxied.unwrap_or(self.started);
            headers.push(("x-kong-upstream-latency", proxied.elapsed().as_millis().to_string()));
            headers.push(("x-kong-proxy-latency", proxied.duration_since(self.started).as_millis().to_string()));
        }
        if tokens.server && is_generated {
            headers.push(("server", self.gateway.server_token.clone()));
        }
        if tokens.request_id && self.gateway.compat == Compat::Kong3 {
            headers.push(("x-kong-request-id", self.request_id().to_owned()));
        }
    }

    /// Envoy is about to answer by itself.
    pub fn on_local_reply(&mut self, status: u32, details: &[u8]) {
        if self.phase != Phase::Replied {
            self.local_error = crate::local_reply::classify(status, details);
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
        let mut headers: Vec<(&str, String)> = Vec::with_capacity(16);
        headers.append(&mut self.client_headers);
        let is_upstreams = error.origin == Origin::Upstream;
        self.add_own_headers(&mut headers, !is_upstreams);
        if is_upstreams && self.gateway.tokens.server {
            headers.push(("via", format!("1.1 {}", self.gateway.server_token)));
            headers.push(("server", self.gateway.server_token.clone()));
        }
        if self.is_grpc {
            headers.push(("grpc-status", error_body::grpc_status(error.status).to_string()));
            headers.push(("grpc-message", error.message.to_owned()));
        } else {
            let body = error_body::render(format, self.gateway.compat, error.message, self.request_id());
            headers.push((":status", error.status.to_string()));
            headers.push(("content-type", error_body::content_type(format).to_owned()));
            headers.push(("content-length", body.len().to_string()));
            if !self.is_head && end_of_stream {
                stream.add_response_body(body.as_bytes());
            } else if !self.is_head {
                self.local_body = Some(body);
            }
        }
        for (name, value) in &headers {
            stream.set_header(Map::Response, name.as_bytes(), value.as_bytes());
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
        let mut own = Vec::with_capacity(8);
        self.add_own_headers(&mut own, false);
        let mut repeated: Vec<(&'static str, Vec<u8>)> = Vec::new();
        let mut has_trailer = false;
        {
            let headers = stream.headers(Map::Response);
            let has_server = headers.iter().any(|(name, _)| *name == b"server");
            has_trailer |= headers.iter().any(|(name, _)| *name == b"trailer");
            if gateway.tokens.server {
                if !has_server && gateway.compat == Compat::Kong3 {
                    own.push(("server", gateway.server_token.clone()));
                }
                own.push(("via", response_via(&headers, &gateway)));
            }
            for (own_name, _) in &self.client_headers {
                let same = headers.iter().filter(|(name, _)| *name == own_name.as_bytes());
                repeated.extend(same.map(|(_, value)| (*own_name, value.to_vec())));
            }
        }
        own.append(&mut self.client_headers);
        for (name, value) in &own {
            stream.set_header(Map::Response, name.as_bytes(), value.as_bytes());
        }
        for (name, value) in &repeated {
            stream.add_header(Map::Response, name.as_bytes(), value);
        }
        if has_trailer {
            stream.remove_header(Map::Response, b"trailer");
        }
    }

    /// Answers 500 after a fault in this module.
    pub fn fail(&mut self, stream: &mut impl Stream) {
        if self.phase != Phase::Replied {
            self.reply(&self.plugin_error(500, "An unexpected error occurred"), stream);
        }
    }

    fn request_id(&self) -> &str {
        // Hexadecimal digits only.
        std::str::from_utf8(&self.request_id).unwrap_or_default()
    }

    fn now_ms(&self) -> i64 {
        self.gateway.fixed_now_ms.unwrap_or_else(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
        })
    }
}

fn content_kind(request: &Request<'_>) -> Option<Kind> {
    request.header(b"content-type").and_then(Kind::of)
}

/// All Via lines of the upstream in one, then the gateway; Kong 2.1 overwrites them.
fn response_via(headers: &[(&[u8], &[u8])], gateway: &Gateway) -> String {
    let mut via = String::new();
    if gateway.compat == Compat::Kong3 {
        for (_, value) in headers.iter().filter(|(name, _)| *name == b"via") {
            via.push_str(&String::from_utf8_lossy(value));
            via.push_str(", ");
        }
        via.push_str("1.1 ");
    }
    via.push_str(&gateway.server_token);
    via
}
