//! The filter `gateway`: one request on its way through Kong's policies, and its response on the way back.

mod arriving;

use crate::balancing::{Known, Placement};
use crate::client::Client;
use crate::client_certificate;
use crate::clock::now_ms;
use crate::error_body::Formats;
use crate::exchange::{Body, Exchange, Identity, Note, RawBody, Verdict};
use crate::forwarding::{self, BodyLimit, Changes, Way};
use crate::headers::End;
use crate::incoming::{self, Choice};
use crate::local_reply::LocalError;
use crate::plugins::rate_limiting::counters::Counters;
use crate::record::arrival::{Arrival, Told};
use crate::recorded::Recorded;
use crate::remembered::Remembered;
use crate::reply::{Headers, Reply, Style};
use crate::request::{Request, names_grpc};
use crate::response;
use crate::router::{Entry, PathPattern};
use crate::stream::{Map, Stream};
use crate::tables::{Answer, Compat, Redirect, Route, Settings, World};
use crate::taking::{Part, Taking};
use crate::text::{Text, header_value};
use crate::waiting::{Outcome, Ticket, Wait};
use std::sync::Arc;
use std::time::Instant;

/// What a hook tells Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// Wait here and keep what arrives.
    Wait,
    /// Wait here for something else than the rest of the request; the client may be slowed down meanwhile.
    Pause,
    /// The request is answered; what still arrives of it is of no use.
    Answered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    /// A plugin needs the whole body.
    AwaitsBody,
    /// A plugin needs an answer from elsewhere.
    AwaitsOutcome,
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

/// Left for Envoy where the request is on its way through a mesh: what Envoy then says is the mesh's answer.
const MESH_NOTE: &str = "mesh";

const PAYLOAD_TOO_LARGE: &str = "Payload too large";

/// Envoy's modules cannot write an empty value. In HTTP/1 a space stands for one; in HTTP/2, by which only gRPC goes
/// upstream, it must not.
const EMPTY: &[u8] = b" ";

pub struct Filter {
    /// None: the request came before any state of the tables, or Envoy refused it before anything could be chosen.
    pub(crate) choice: Option<Choice>,
    /// Those in force when the request came.
    settings: Arc<Settings>,
    pub(crate) counters: &'static Counters,
    pub(crate) started: Instant,
    pub(crate) proxied: Option<Instant>,
    /// When the response began; known only where a plugin logs.
    pub(crate) answered: Option<Instant>,
    /// Known only where a plugin logs.
    pub(crate) client_address: Option<Box<str>>,
    request_id: [u8; 32],
    pub(crate) formats: Formats,
    pub(crate) is_head: bool,
    /// What goes upstream is one, whatever the client sent.
    pub(crate) asks_head: bool,
    pub(crate) is_grpc_over_http2: bool,
    pub(crate) is_grpc: bool,
    pub(crate) phase: Phase,
    arrived: Arrived,
    has_body: bool,
    /// Plugins see it from now on, also those that have waited for something.
    shows_body: bool,
    /// How much of the body has gone on.
    passed_on: usize,
    /// The upstream gets a body that a plugin made, and nothing of the client's.
    replaces_body: bool,
    /// A response is on its way, whoever makes it.
    pub(crate) is_answered: bool,
    body_limit: Option<BodyLimit>,
    /// The body came without a length, and the upstream is to get one.
    lacks_length: bool,
    /// The plugin that has answered with an error.
    pub(crate) denied_by: Option<&'static str>,
    /// Where a record of the request may be taken.
    pub(crate) recorded: Option<Box<Recorded>>,
    /// Place in the order of plugins of the last one that is done.
    pub(crate) done: Option<u32>,
    pub(crate) taking: Vec<Taking>,
    /// Whose outcome is awaited, and what that plugin has noted.
    pub(crate) waiting: Option<(Ticket, Note)>,
    /// For the plugin whose turn is next.
    outcome: Option<(Outcome, Note)>,
    pub(crate) who: Identity,
    pub(crate) placement: Placement,
    pub(crate) changes: Changes,
    pub(crate) client_headers: Headers,
    pub(crate) local_error: Option<LocalError>,
    /// Envoy answers in a mesh's name, as a sidecar behind the gateway would.
    pub(crate) mesh_answers: bool,
    /// What a plugin has put in place of the answer.
    pub(crate) end: Option<End>,
    /// Where a plugin wants it.
    pub(crate) remembered: Option<Box<Remembered>>,
    /// Where a plugin writes records.
    pub(crate) arrival: Option<Box<Arrival>>,
    pub(crate) told: Told,
    /// In place of the body of Envoy's own error, or of an answer that a plugin has replaced.
    pub(crate) local_body: Option<Vec<u8>>,
    /// What has arrived of a response body that plugins rewrite.
    pub(crate) gathered: Option<Vec<u8>>,
    /// Place in the order, instance and part of each plugin, where somebody wants to know.
    pub(crate) parts: Option<Vec<(u32, Box<str>, Part)>>,
}

/// What becomes of a request once its plugins have run.
enum Decision {
    Proxy,
    Reply(Reply),
    AwaitBody,
    AwaitOutcome(Wait, Note),
}

impl Filter {
    /// `settings` are for a request without a choice.
    pub fn new(choice: Option<Choice>, settings: Option<Arc<Settings>>, counters: &'static Counters) -> Self {
        let mut request_id = [0; 32];
        // Both arrays have fixed, fitting lengths.
        let _ = hex::encode_to_slice(fastrand::u128(..).to_be_bytes(), &mut request_id);
        Self {
            settings: choice.as_ref().map(|choice| Arc::clone(&choice.world.settings)).or(settings).unwrap_or_default(),
            choice,
            counters,
            started: Instant::now(),
            proxied: None,
            answered: None,
            client_address: None,
            request_id,
            formats: Formats::DEFAULT,
            is_head: false,
            asks_head: false,
            is_grpc_over_http2: false,
            is_grpc: false,
            phase: Phase::New,
            arrived: Arrived::Headers,
            has_body: false,
            shows_body: false,
            passed_on: 0,
            replaces_body: false,
            is_answered: false,
            body_limit: None,
            lacks_length: false,
            denied_by: None,
            recorded: None,
            done: None,
            taking: Vec::new(),
            waiting: None,
            outcome: None,
            who: Identity::default(),
            placement: Placement::default(),
            changes: Changes::new(),
            client_headers: Headers::new(),
            local_error: None,
            mesh_answers: false,
            end: None,
            remembered: None,
            arrival: None,
            told: Told::default(),
            local_body: None,
            gathered: None,
            parts: None,
        }
    }

    pub fn on_request_headers(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        self.arrived = if end_of_stream { Arrived::Everything } else { Arrived::Headers };
        let (decision, path, shows_too_much) = {
            let request = Request::read(stream, self.choice.as_ref());
            // What follows an upgrade is no body that ever ends.
            self.recorded = Recorded::of(&request, self.settings().records, self.started);
            self.has_body = !end_of_stream && request.header(b"upgrade").is_none();
            self.is_head = request.method == b"HEAD";
            self.asks_head = self.is_head;
            self.is_grpc = request.is_grpc();
            self.is_grpc_over_http2 = self.is_grpc && request.protocol == b"HTTP/2";
            let default = self.settings().error_default_type;
            self.formats = Formats::choose(request.header(b"accept"), request.header(b"content-type"), default);
            self.lacks_length = self.route().is_some_and(|route| route.request_buffering)
                && self.has_body
                && !self.is_grpc
                && request.header(b"content-length").is_none();
            if self.settings().tells_names && request.header(b"kong-debug").is_some() {
                self.client_headers = self.route().map(response::described).unwrap_or_default();
            }
            if let Some(choice) = &self.choice {
                forwarding::strip_identity(&choice.world.settings, &request, &mut self.changes);
            }
            let path = self.settings().logs_access.then(|| String::from_utf8_lossy(request.sent_path).into_owned());
            let shown = request.certificate.map_or(0, <[u8]>::len);
            (self.decide_without_body(&request), path, shown > client_certificate::LONGEST)
        };
        if shows_too_much {
            stream.set_header(Map::Request, client_certificate::HEADER.as_bytes(), client_certificate::TOO_LONG);
        }
        if let Some(path) = path {
            stream.note("client_address", self.client_address.as_deref().unwrap_or_default());
            stream.note("path", &path);
            stream.note("request_id", self.request_id());
        }
        self.carry_out(decision, stream)
    }

    fn decide(&mut self, request: &Request<'_>, body: Body<'_>, raw_body: RawBody<'_>) -> Decision {
        let decision = self.decided(request, body, raw_body);
        let may_log = self.settings().logs_access
            || self.recorded.is_some()
            || self.logs()
            || matches!(decision, Decision::AwaitOutcome(..));
        if may_log && self.client_address.is_none() {
            // Before headers are written from which it could not be told any more.
            self.client_address = Some(Client::of(self.settings(), request).address.into());
        }
        decision
    }

    fn decided(&mut self, request: &Request<'_>, body: Body<'_>, raw_body: RawBody<'_>) -> Decision {
        let refusal = request.refusal().or_else(|| self.announces_too_much(request));
        let path = match (refusal, &request.path) {
            (None, Ok(path)) => path,
            (refusal, _) => {
                self.gather_recording(request);
                let (status, message) = refusal.unwrap_or((400, "Bad request"));
                return Decision::Reply(Reply::error(status, message, self.formats.proxy));
            }
        };
        let Some(choice) = &self.choice else {
            return Decision::Reply(Reply::error(503, "no configuration has arrived yet", self.formats.plugin));
        };
        let world = Arc::clone(&choice.world);
        let client = Client::of(&world.settings, request);
        let Some(entry) = choice.entry.clone() else {
            self.gather_everywhere(&world, request);
            return Decision::Reply(self.own_answer(&Answer::no_route(), &client, request));
        };
        if let Some(answer) = answer_of(&entry.target, &client, request) {
            self.gather_everywhere(&world, request);
            return Decision::Reply(self.own_answer(answer.as_ref(), &client, request));
        }
        let of_request = (&**path, &entry.path, body, raw_body, &*client.address);
        let decision = self.run_plugins(&world, &entry.target, request, of_request);
        self.remember(request);
        if matches!(decision, None | Some(Decision::Reply(_))) {
            self.arrive(request, true);
        }
        if let Some(decision) = decision {
            return decision;
        }
        self.prepare(&world.settings, &entry, request, &client);
        Decision::Proxy
    }

    fn announces_too_much(&self, request: &Request<'_>) -> Option<(u16, &'static str)> {
        let most = self.settings().max_body_bytes?;
        let length: u64 = std::str::from_utf8(request.header(b"content-length")?).ok()?.parse().ok()?;
        (length > most).then_some((413, PAYLOAD_TOO_LARGE))
    }

    /// Runs what is left of the route's plugins; None when the request may go on.
    fn run_plugins(
        &mut self,
        world: &World,
        route: &Route,
        request: &Request<'_>,
        (path, pattern, body, raw_body, client_address): (&[u8], &PathPattern, Body<'_>, RawBody<'_>, &str),
    ) -> Option<Decision> {
        let request_id = self.request_id;
        loop {
            let consumer = self.who.consumer.clone();
            let chosen = world.next_step(route, consumer.as_deref(), self.done)?;
            let Some(instance) = chosen.instance else {
                return Some(Decision::Reply(self.plugin_error(503, "a plugin of this route is not there")));
            };
            let (outcome, mut note) = match self.outcome.take() {
                Some((outcome, note)) => (Some(outcome), note),
                None => (None, instance.plugin.note(request)),
            };
            let mut exchange = Exchange {
                request,
                path,
                pattern,
                request_id: std::str::from_utf8(&request_id).unwrap_or_default(),
                body,
                raw_body,
                world,
                route,
                scope: chosen.scope,
                counters: self.counters,
                client_address,
                formats: self.formats,
                who: &mut self.who,
                upstream: &mut self.changes,
                downstream: &mut self.client_headers,
                note: &mut note,
                remembered: &mut self.remembered,
                told: &mut self.told,
                now_ms: &|| now_ms(&world.settings),
            };
            let verdict = match outcome {
                Some(outcome) => instance.plugin.on_outcome(&mut exchange, outcome),
                None => instance.plugin.on_request(&mut exchange),
            };
            match verdict {
                Verdict::NeedsBody => return Some(Decision::AwaitBody),
                Verdict::Wait(wait) => {
                    self.note_part(chosen.order, instance, Part::Asks);
                    self.note_rest(world, route, chosen.order);
                    return Some(Decision::AwaitOutcome(wait, note));
                }
                Verdict::Continue | Verdict::Reply(_) => (),
            }
            self.done = Some(chosen.order);
            self.take_part(instance, note);
            if let Some(recorded) = &mut self.recorded {
                recorded.meet(instance);
            }
            let answers = matches!(verdict, Verdict::Reply(_));
            self.note_part(chosen.order, instance, if answers { Part::Answered } else { Part::Ran });
            self.identify(world.settings.compat);
            if let Verdict::Reply(reply) = verdict {
                self.denied_by = (reply.status >= 400).then_some(instance.kind);
                self.gather_rest(world, route, request, None);
                return Some(Decision::Reply(reply));
            }
        }
    }

    /// Completes what the upstream gets.
    fn prepare(&mut self, settings: &Settings, entry: &Entry<Arc<Route>>, request: &Request<'_>, client: &Client<'_>) {
        let choice = self.choice.as_ref();
        let connection = choice.and_then(|choice| choice.connection.as_deref());
        let is_sent_again = choice.is_some_and(|choice| choice.is_sent_again);
        let way = Way { settings, route: &entry.target, pattern: &entry.path, connection, is_sent_again, client };
        forwarding::prepare(&way, request, &mut self.changes);
        if settings.compat == Compat::Kong3 && settings.tokens.request_id_upstream {
            self.changes.set("x-kong-request-id", self.request_id);
        }
        let path = request.path.as_deref().unwrap_or(b"/");
        let Self { who, changes, .. } = &*self;
        let known = Known { request, path, pattern: &entry.path, changes, who, address: &client.address };
        self.placement = Placement::find(&entry.target.balancing, &known);
        self.changes.settle(request);
    }

    /// Tells the upstream, and the plugins that follow, who the request belongs to.
    fn identify(&mut self, compat: Compat) {
        if !self.who.is_checked || self.who.is_told {
            return;
        }
        self.who.is_told = true;
        let Self { who, changes, .. } = self;
        let consumer = who.consumer.as_deref();
        let mut tell = |name: &'static str, value: Option<&str>| match value {
            Some(value) => changes.set(name, header_value(value.as_bytes())),
            None => changes.remove(name),
        };
        tell("x-consumer-id", consumer.map(|consumer| &*consumer.id));
        tell("x-consumer-custom-id", consumer.and_then(|consumer| consumer.custom_id.as_deref()));
        tell("x-consumer-username", consumer.and_then(|consumer| consumer.username.as_deref()));
        tell("x-credential-identifier", who.credential.as_deref());
        tell("x-anonymous-consumer", who.is_anonymous.then_some("true"));
        if compat == Compat::Kong21 {
            tell("x-credential-username", who.credential.as_deref().filter(|_| who.has_username));
        }
    }

    fn carry_out(&mut self, decision: Decision, stream: &mut impl Stream) -> Flow {
        // All of the body may have come while a plugin waited.
        if matches!(decision, Decision::AwaitOutcome(..) | Decision::Proxy)
            && let Some(refusal) = self.refusal_of_body(stream)
        {
            self.reply(refusal, stream);
            return Flow::Answered;
        }
        match decision {
            Decision::AwaitBody => {
                self.phase = Phase::AwaitsBody;
                Flow::Wait
            }
            Decision::AwaitOutcome(wait, note) => {
                self.phase = Phase::AwaitsOutcome;
                // A rehearsal turns to nobody.
                if self.parts.is_some() {
                    return Flow::Pause;
                }
                self.waiting = Some((wait.begin(stream.waker()), note));
                Flow::Pause
            }
            Decision::Reply(reply) => {
                self.reply(reply, stream);
                Flow::Answered
            }
            Decision::Proxy => {
                self.placement.tell(stream);
                self.name_upstream(stream);
                self.write_changes(stream);
                self.enter_mesh(stream);
                self.send_on(stream)
            }
        }
    }

    /// Hands the request, as it goes upstream, to the routes of a mesh; they take our headers off it.
    fn enter_mesh(&self, stream: &mut impl Stream) {
        let Some(route) = self.route() else { return };
        let Some(mesh) = &route.mesh else { return };
        if !is_upgrade(stream) {
            // The virtual node may speak HTTP/2, which has no such header.
            stream.remove_header(Map::Request, b"connection");
        }
        let host = stream
            .headers(Map::Request)
            .iter()
            .find(|(name, _)| *name == b":authority")
            .map(|(_, host)| Text::from_vec(host.to_ascii_lowercase()));
        let cluster = route.pick_cluster().unwrap_or_default().as_bytes();
        for (name, value) in [
            (incoming::ACTION, mesh.as_bytes()),
            (incoming::CLUSTER, cluster),
            (incoming::MESH_HOST, host.as_deref().unwrap_or_default()),
        ] {
            stream.add_header(Map::Request, name, value);
        }
        stream.note(MESH_NOTE, "true");
        stream.choose_route_again();
    }

    /// Whoever is known by an address only cannot prove to be it: nobody is certified as the name that stands in.
    fn name_upstream(&self, stream: &mut impl Stream) {
        let Some(wanted) = self.route().and_then(|route| route.tls_name.as_ref()) else { return };
        stream.set_tls_name(wanted.name.as_bytes());
        if wanted.is_verified {
            stream.set_verified_name(if wanted.name.is_empty() { b"address.invalid" } else { wanted.name.as_bytes() });
        }
    }

    fn write_changes(&mut self, stream: &mut impl Stream) {
        let changes = std::mem::take(&mut self.changes);
        self.body_limit = changes.body_limit;
        if let Some(method) = changes.written(":method").flatten() {
            self.asks_head = method == b"HEAD";
        }
        for name in &changes.remove {
            stream.remove_header(Map::Request, name.as_bytes());
        }
        let written = changes.written("content-type").flatten();
        let goes_as_grpc = self.is_grpc || written.is_some_and(names_grpc);
        for change in &changes.set {
            let write = if change.is_new { Stream::add_header } else { Stream::set_header };
            let is_writable = !change.value.is_empty() || goes_as_grpc;
            write(stream, Map::Request, change.name.as_bytes(), if is_writable { &change.value } else { EMPTY });
            for value in &change.more {
                let value = if value.is_empty() { EMPTY } else { value };
                stream.add_header(Map::Request, change.name.as_bytes(), value);
            }
        }
        // What follows an upgrade is no body: behind one with a length it would be another request.
        if let Some(body) = changes.body.as_ref().filter(|_| !is_upgrade(stream)) {
            stream.replace_request_body(body);
            stream.set_header(Map::Request, b"content-length", body.len().to_string().as_bytes());
            self.lacks_length = false;
            self.replaces_body = true;
        }
    }

    /// Lets the request go, at once or when the length of its body is known: Kong sends no chunks upstream.
    fn send_on(&mut self, stream: &mut impl Stream) -> Flow {
        let is_whole = self.arrived == Arrived::Everything;
        if self.lacks_length && !is_whole && stream.request_body_size() <= LARGEST_GATHERED {
            self.phase = Phase::GathersBody;
            return Flow::Wait;
        }
        if self.lacks_length && is_whole {
            let length = stream.request_body_size().to_string();
            stream.set_header(Map::Request, b"content-length", length.as_bytes());
        }
        self.phase = Phase::Proxied;
        self.passed_on = stream.request_body_size();
        self.proxied = Some(Instant::now());
        Flow::Continue
    }

    fn own_answer(&self, answer: &Answer, client: &Client<'_>, request: &Request<'_>) -> Reply {
        let settings = self.settings();
        let is_page = settings.compat != Compat::Kong21 && answer.status >= 400;
        let style = if is_page { Style::Error } else { Style::Compact };
        let mut reply = self.plugin_error(answer.status, &answer.message).with_style(style);
        let given = answer.headers.iter().map(|(name, value)| (name.clone().into(), value.as_bytes().into()));
        reply.headers.extend(given);
        if answer.redirect == Some(Redirect::Https) {
            let location = forwarding::https_location(client, request);
            reply = reply.with_header("location", location).with_style(Style::Redirect);
        }
        reply
    }

    pub(crate) fn plugin_error(&self, status: u16, message: &str) -> Reply {
        Reply::error(status, message, self.formats.plugin)
    }

    /// Answers 500 after a fault in this module.
    pub fn fail(&mut self, stream: &mut impl Stream) {
        // Whatever failed must not be asked again.
        self.taking.clear();
        self.end = None;
        if self.phase != Phase::Replied {
            self.reply(self.plugin_error(500, "An unexpected error occurred"), stream);
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn route(&self) -> Option<&Route> {
        self.choice.as_ref()?.entry.as_ref().map(|entry| &*entry.target)
    }

    pub(crate) fn is_in_mesh(&self) -> bool {
        self.route().is_some_and(|route| route.mesh.is_some())
    }

    pub(crate) fn request_id(&self) -> &str {
        // Hexadecimal digits only.
        std::str::from_utf8(&self.request_id).unwrap_or_default()
    }
}

/// What the route answers before any plugin runs.
fn answer_of<'a>(route: &'a Route, client: &Client<'_>, request: &Request<'_>) -> Option<std::borrow::Cow<'a, Answer>> {
    use std::borrow::Cow;
    if let Some(answer) = route.is_grpc.then(|| mismatch(request)).flatten() {
        return Some(Cow::Owned(answer));
    }
    if let Some(answer) = route.https_only.as_ref().filter(|_| !client.has_tls(request)) {
        return Some(Cow::Borrowed(answer));
    }
    route.refusal.as_ref().map(|refusal| Cow::Owned(Answer::new(503, refusal)))
}

fn is_upgrade(stream: &impl Stream) -> bool {
    stream.headers(Map::Request).iter().any(|(name, _)| *name == b"upgrade")
}

/// What a route of gRPC says to what is none.
fn mismatch(request: &Request<'_>) -> Option<Answer> {
    if !request.is_grpc() {
        return Some(Answer::new(415, "Non-gRPC request matched gRPC route"));
    }
    (request.protocol != b"HTTP/2").then(|| Answer {
        headers: vec![("upgrade".to_owned(), "HTTP/2".to_owned())],
        ..Answer::new(426, "Please use HTTP2 protocol")
    })
}
