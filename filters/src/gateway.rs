//! The filter `gateway`: one request on its way through Kong's policies, and its response on the way back.

use crate::body::{self, Kind};
use crate::config::{Answer, Candidate, Compat, Gateway, PLUGIN_ORDER, PluginConfig, PluginKind, Redirect};
use crate::consumers::Table;
use crate::counters::Counters;
use crate::error_body::{Format, Formats};
use crate::forwarding::{self, Changes};
use crate::key_auth::{Body, Hidden, KeyAuth, Refusal, Search};
use crate::local_reply::LocalError;
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
pub(crate) enum Phase {
    New,
    /// A plugin needs the whole body.
    AwaitsBody,
    /// Nothing but the length of the body is missing.
    GathersBody,
    Proxied,
    Replied,
}

/// How much of the request is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    Headers,
    Part,
    Everything,
}

/// A longer body without a length goes upstream in chunks, as it came.
const LARGEST_GATHERED: usize = 64 * 1024;

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
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) counters: &'static Counters,
    table: Arc<Table>,
    pub(crate) started: Instant,
    pub(crate) proxied: Option<Instant>,
    request_id: [u8; 32],
    pub(crate) formats: Formats,
    pub(crate) is_head: bool,
    pub(crate) is_grpc_over_http2: bool,
    pub(crate) is_grpc: bool,
    pub(crate) phase: Phase,
    /// The body came without a length, and the upstream is to get one.
    lacks_length: bool,
    next_plugin: usize,
    who: Authenticated,
    hidden: Hidden,
    pub(crate) client_headers: ClientHeaders,
    pub(crate) local_error: Option<LocalError>,
    pub(crate) local_body: Option<String>,
}

/// What becomes of a request once its plugins have run.
enum Decision {
    Proxy(Changes),
    Reply(Reply),
    AwaitBody,
}

/// How the body of a reply is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Error,
    /// Kong 2.1's own answers: compact JSON, whatever the client accepts.
    Compact,
    /// nginx's page for a redirect.
    Redirect,
}

pub(crate) struct Reply {
    pub status: u16,
    pub message: String,
    pub format: Format,
    pub style: Style,
    pub headers: Vec<(String, String)>,
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
            lacks_length: false,
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
            self.lacks_length = self.gateway.request_buffering
                && !end_of_stream
                && !self.is_grpc
                && request.header(b"content-length").is_none()
                && request.header(b"upgrade").is_none();
            let searchable = !end_of_stream && content_kind(&request).is_some();
            self.decide(&request, if searchable { Body::Pending } else { Body::Unusable })
        };
        let arrived = if end_of_stream { Arrived::Everything } else { Arrived::Headers };
        self.carry_out(decision, stream, arrived)
    }

    pub fn on_request_body(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        match self.phase {
            Phase::New | Phase::Proxied => Flow::Continue,
            Phase::Replied => Flow::Answered,
            Phase::GathersBody if end_of_stream => self.send_on(stream, Arrived::Everything),
            Phase::GathersBody if stream.request_body_size() > LARGEST_GATHERED => self.send_on(stream, Arrived::Part),
            Phase::AwaitsBody if end_of_stream || stream.request_body_size() > body::LARGEST_SEARCHED => {
                self.search_body(stream, end_of_stream)
            }
            Phase::GathersBody | Phase::AwaitsBody => Flow::Wait,
        }
    }

    /// Trailers end a body that was waited for. Such a body keeps its chunks, else the trailers could not follow it.
    pub fn on_request_trailers(&mut self, stream: &mut impl Stream) -> Flow {
        self.lacks_length = false;
        self.on_request_body(stream, true)
    }

    fn search_body(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        let size = stream.request_body_size();
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
        let arrived = if end_of_stream { Arrived::Everything } else { Arrived::Part };
        self.carry_out(decision, stream, arrived)
    }

    fn decide(&mut self, request: &Request<'_>, body: Body<'_>) -> Decision {
        let gateway = Arc::clone(&self.gateway);
        let path = match (request.refusal(), &request.path) {
            (None, Ok(path)) => path,
            (refusal, _) => {
                let (status, message) = refusal.unwrap_or((400, "Bad request"));
                return Decision::Reply(self.proxy_error(status, message));
            }
        };
        if let Some(answer) = &gateway.answer {
            return Decision::Reply(self.answer(answer, request));
        }
        let address = forwarding::client_address(&gateway, request);
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
        let mut changes = Changes::with_body(self.hidden.body.take());
        changes.remove.extend(self.hidden.headers.drain(..).map(Into::into));
        forwarding::prepare(&gateway, request, address, self.hidden.query.take(), &mut changes);
        if gateway.compat == Compat::Kong3 && gateway.tokens.request_id_upstream {
            changes.set("x-kong-request-id", self.request_id);
        }
        self.identify(&mut changes);
        changes.settle(request);
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
        let challenge = plugin.challenge(refusal, compat).map(|challenge| ("www-authenticate".to_owned(), challenge));
        let reply = self.plugin_error(refusal.status(), refusal.message(compat));
        Some(Decision::Reply(Reply { headers: challenge.into_iter().collect(), ..reply }))
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

    fn carry_out(&mut self, decision: Decision, stream: &mut impl Stream, arrived: Arrived) -> Flow {
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
                for change in &changes.set {
                    let write = if change.is_new { Stream::add_header } else { Stream::set_header };
                    write(stream, Map::Request, change.name.as_bytes(), &change.value);
                }
                if let Some(body) = &changes.body {
                    stream.replace_request_body(body);
                    stream.set_header(Map::Request, b"content-length", body.len().to_string().as_bytes());
                    self.lacks_length = false;
                }
                self.send_on(stream, arrived)
            }
        }
    }

    /// Lets the request go, at once or when the length of its body is known: Kong sends no chunks upstream.
    fn send_on(&mut self, stream: &mut impl Stream, arrived: Arrived) -> Flow {
        if self.lacks_length && arrived == Arrived::Headers {
            self.phase = Phase::GathersBody;
            return Flow::Wait;
        }
        if self.lacks_length && arrived == Arrived::Everything {
            let length = stream.request_body_size().to_string();
            stream.set_header(Map::Request, b"content-length", length.as_bytes());
        }
        self.phase = Phase::Proxied;
        self.proxied = Some(Instant::now());
        Flow::Continue
    }

    fn answer(&self, answer: &Answer, request: &Request<'_>) -> Reply {
        let is_old = self.gateway.compat == Compat::Kong21;
        let mut reply = self.plugin_error(answer.status, &answer.message);
        reply.headers.clone_from(&answer.headers);
        reply.style = if is_old { Style::Compact } else { Style::Error };
        if answer.redirect == Some(Redirect::Https) {
            let location = forwarding::https_location(&self.gateway, request);
            reply.headers.push(("location".to_owned(), location));
            reply.style = Style::Redirect;
        }
        reply
    }

    pub(crate) fn plugin_error(&self, status: u16, message: &str) -> Reply {
        Reply {
            status,
            message: message.to_owned(),
            format: self.formats.plugin,
            style: Style::Error,
            headers: Vec::new(),
        }
    }

    fn proxy_error(&self, status: u16, message: &str) -> Reply {
        Reply { format: self.formats.proxy, ..self.plugin_error(status, message) }
    }

    /// Answers 500 after a fault in this module.
    pub fn fail(&mut self, stream: &mut impl Stream) {
        if self.phase != Phase::Replied {
            self.reply(&self.plugin_error(500, "An unexpected error occurred"), stream);
        }
    }

    pub(crate) fn request_id(&self) -> &str {
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
