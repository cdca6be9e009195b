//! The way back: the gateway's own replies, Envoy's errors in Kong's words, and what every response is marked with.

use crate::charset;
use crate::clock::now_ms;
use crate::error_body::{self, Format};
use crate::forwarding;
use crate::gateway::{Filter, Flow, Phase};
use crate::headers::{End, HeaderChange, Response};
use crate::local_reply::{self, LocalError, Origin};
use crate::remembered::{Answered, Source};
use crate::reply::{Headers, Reply, Style, head};
use crate::stream::{Attribute, Map, NameHints, Stream};
use crate::tables::{Compat, Route, Settings};
use crate::text::{Text, decimal, header_value};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// A longer body that plugins were to rewrite is not sent at all.
const LARGEST_REWRITTEN: usize = 8 * 1024 * 1024;

/// Headers of a reply that the gateway adds to those that plugins give, its content type among them.
const MOST_OWN: usize = 8;

/// What the client is told of a fault.
const UNEXPECTED: &str = "An unexpected error occurred";

impl Filter {
    pub(crate) fn reply(&mut self, reply: Reply, stream: &mut impl Stream) {
        self.phase = Phase::Replied;
        self.remember_answer();
        if let Some(recorded) = &mut self.recorded {
            recorded.answer(&reply);
        }
        let Reply { mut status, message, format, style, headers } = reply;
        if let Style::Kept(kept) = style {
            return self.reply_again(status, headers, kept, stream);
        }
        let source = if message == UNEXPECTED { Source::Error } else { Source::Exit };
        if self.is_grpc_over_http2 || format == Format::Empty {
            let Some(own) = self.headers_of_reply(headers, &mut status, source, true) else {
                return self.refuse_response(stream);
            };
            let is_worded = style != Style::Error || self.settings().compat == Compat::Kong21;
            return self.reply_without_body(status, if is_worded { &message } else { "" }, own, stream);
        }
        let (content_type, body) = self.body_of_reply(status, &message, format, style);
        let mut given = Headers::with_capacity(headers.len() + self.client_headers.len() + MOST_OWN);
        given.extend(content_type.map(|value| (Cow::Borrowed("content-type"), value)));
        given.extend(headers);
        let Some(mut own) = self.headers_of_reply(given, &mut status, source, true) else {
            return self.refuse_response(stream);
        };
        let body = match self.end.take() {
            Some(End::Body(body)) => body,
            _ => body,
        };
        offer_upgrade(&mut own, stream);
        let Some(body) = self.rewritten(body) else { return self.refuse_response(stream) };
        let lacks_type = !body.is_empty() && !own.iter().any(|(name, _)| name == "content-type");
        if self.is_grpc || lacks_type {
            return self.reply_as_is(status, own, body, stream);
        }
        stream.send_reply(status, own, body);
    }

    /// Envoy would make up a content type, or a status of gRPC in place of this one.
    fn reply_as_is(&self, status: u16, mut own: Headers, body: Vec<u8>, stream: &mut impl Stream) {
        let length = text(&body.len().to_string());
        let mut headers: Headers = vec![(":status".into(), decimal(status.into())), ("content-length".into(), length)];
        headers.append(&mut own);
        stream.send_as_is(headers, if self.is_head { Vec::new() } else { body });
    }

    /// The body as the plugins of the request leave it; None if one of them fails.
    pub(crate) fn rewritten(&mut self, mut body: Vec<u8>) -> Option<Vec<u8>> {
        let is_there = !body.is_empty();
        for taking in &mut self.taking {
            if let Some(mut rewriter) = taking.rewriter.take() {
                body = rewriter.rewrite(&body, true)?;
            }
            if taking.rewrites && is_there {
                body = taking.instance.plugin.rewritten_body(body, self.remembered.as_deref())?;
            }
            if let Some(mut copy) = taking.copy.take()
                && copy.add(&body)
            {
                copy.finish();
            }
        }
        Some(body)
    }

    fn body_of_reply(&self, status: u16, message: &str, format: Format, style: Style) -> (Option<Text>, Vec<u8>) {
        match style {
            Style::Compact => {
                (Some(text(error_body::content_type(Format::Json))), error_body::compact(message).into_bytes())
            }
            Style::Redirect => {
                let (content_type, page) = error_body::nginx_page(status);
                (Some(text(content_type)), page.into_bytes())
            }
            Style::Error => {
                let page = error_body::page(self.settings(), format, message, self.request_id());
                (Some(text(error_body::content_type(format))), page.into_bytes())
            }
            Style::Raw { content_type, body } => (content_type.as_deref().map(text), body),
            Style::Kept(kept) => (None, kept.body.to_vec()),
        }
    }

    /// `given`, as the plugins leave them, with the gateway's own; None if a plugin failed.
    pub(crate) fn headers_of_reply(
        &mut self,
        given: Headers,
        status: &mut u16,
        source: Source,
        is_generated: bool,
    ) -> Option<Headers> {
        let mut headers = given;
        headers.append(&mut self.client_headers);
        let changes = self.edits(&pairs(&headers), status, source)?;
        let status = *status;
        apply(&mut headers, changes);
        if let Some((_, value)) = headers.iter_mut().find(|(name, _)| name == "content-type") {
            *value = charset::completed(status, value).unwrap_or_else(|| std::mem::take(value));
        }
        if is_generated {
            self.add_own_headers(&mut headers, true);
            return Some(headers);
        }
        let mut own = Headers::with_capacity(headers.len() + MOST_OWN);
        self.add_own_headers(&mut own, false);
        headers.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
        headers.append(&mut own);
        Some(headers)
    }

    /// Kong 3 says no more of an error to a gRPC client than what its status is called.
    fn reply_without_body(&self, status: u16, message: &str, mut own: Headers, stream: &mut impl Stream) {
        let given = own.iter().position(|(name, _)| name == "grpc-status").map(|place| own.remove(place).1);
        let given = given.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        let grpc_status = given.unwrap_or_else(|| error_body::grpc_status(status));
        let message = if message.is_empty() { error_body::grpc_message(grpc_status) } else { message };
        let mut headers = if self.is_grpc_over_http2 {
            vec![
                (":status".into(), text("200")),
                ("content-type".into(), text("application/grpc")),
                ("grpc-status".into(), decimal(grpc_status.into())),
                ("grpc-message".into(), Text::from_slice(&header_value(message.as_bytes()))),
            ]
        } else {
            head(status, "", 0)
        };
        headers.append(&mut own);
        stream.send_as_is(headers, Vec::new());
    }

    fn responds(&self) -> bool {
        self.taking.iter().any(|taking| taking.responds)
    }

    fn remember_answer(&mut self) {
        if self.logs() {
            self.answered = self.answered.or_else(|| Some(Instant::now()));
        }
    }

    /// What the plugins of the request make of a response's headers.
    fn edits(&mut self, headers: &[(&[u8], &[u8])], status: &mut u16, source: Source) -> Option<Vec<HeaderChange>> {
        self.note_answer(source, *status);
        if !self.responds() {
            return Some(Vec::new());
        }
        let remembered = self.remembered.take();
        let mut response = Response::new(headers, self.counters, now_ms(self.settings()));
        (response.who, response.remembered) = (Some(&self.who), remembered.as_deref());
        (response.status, response.source) = (*status, source);
        for taking in self.taking.iter_mut().filter(|taking| taking.responds) {
            taking.instance.plugin.on_response(&mut response, &taking.note);
            taking.copy = response.take_copy();
        }
        for taking in self.taking.iter_mut().filter(|taking| taking.responds) {
            taking.rewrites = taking.instance.plugin.wants_response_body(&response);
            taking.rewriter = taking.instance.plugin.rewriter(&response, &taking.note);
        }
        *status = response.status;
        let headers = remembered.is_some().then(|| response.all());
        let end = response.take_end();
        let changes = response.into_changes();
        self.remembered = remembered.zip(headers).map(|(mut remembered, headers)| {
            (remembered.answer.status, remembered.answer.headers) = (*status, headers);
            remembered
        });
        match end {
            Some(End::Fault) => return None,
            other => self.end = other,
        }
        Some(changes)
    }

    /// Headers by which a reply of the gateway (or, if not `is_generated`, a proxied one) is known as Kong's.
    fn add_own_headers(&self, headers: &mut Headers, is_generated: bool) {
        let settings = self.settings();
        let tokens = settings.tokens;
        let mut push = |name: &'static str, value: Text| headers.push((Cow::Borrowed(name), value));
        if tokens.response_latency && is_generated {
            push("x-kong-response-latency", milliseconds(self.started.elapsed()));
        }
        let proxied = self.proxied.unwrap_or(self.started);
        if tokens.upstream_latency && !is_generated {
            push("x-kong-upstream-latency", milliseconds(proxied.elapsed()));
        }
        if tokens.proxy_latency && !is_generated {
            push("x-kong-proxy-latency", milliseconds(proxied.duration_since(self.started)));
        }
        if tokens.server && is_generated {
            push("server", text(&settings.server_token));
        }
        if tokens.request_id && settings.compat == Compat::Kong3 {
            push("x-kong-request-id", text(self.request_id()));
        }
    }

    /// Envoy is about to answer by itself.
    pub fn on_local_reply(&mut self, status: u32, details: &[u8]) {
        if self.phase == Phase::Proxied && self.is_in_mesh() && local_reply::is_of_mesh(status, details) {
            self.mesh_answers = true;
        } else if self.phase != Phase::Replied {
            self.local_error = local_reply::classify(status, details);
            self.told.lacks_endpoint = self.local_error.is_some_and(|error| error.origin == Origin::Plugin);
            self.phase = if self.local_error.is_none() { Phase::Replied } else { self.phase };
        }
    }

    pub fn on_response_headers(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        self.is_answered = true;
        self.stop_waiting(stream);
        self.remember_answer();
        if let Some(error) = self.local_error.take() {
            self.become_kongs(error, stream, end_of_stream);
        } else if self.phase == Phase::Proxied {
            if self.mesh_answers {
                // As a sidecar's own answers have it.
                stream.set_header(Map::Response, b"server", b"envoy");
            }
            let sees = self.responds() || self.remembered.is_some();
            let upstream_status = sees.then(|| hide_mark(stream));
            if upstream_status.is_some_and(|status| !self.let_plugins_edit(stream, end_of_stream, status)) {
                self.hide_response(stream, end_of_stream);
                return Flow::Continue;
            }
            self.mark_response(stream, upstream_status);
            if let Some(route) = self.route() {
                self.placement.set_cookie(&route.balancing, self.settings().compat, stream);
            }
            if self.asks_head && !self.is_head {
                // The client waits for a body of this length; none comes.
                stream.remove_header(Map::Response, b"content-length");
            }
        }
        if self.gathered.is_some() { Flow::Wait } else { Flow::Continue }
    }

    fn note_answer(&mut self, source: Source, status: u16) {
        if let Some(remembered) = &mut self.remembered {
            let of_service = (source == Source::Service).then_some(status);
            remembered.answer = Answered { source, status, of_service, ..Answered::default() };
        }
    }

    /// False if one of them failed.
    fn let_plugins_edit(&mut self, stream: &mut impl Stream, end_of_stream: bool, upstream_status: u16) -> bool {
        self.note_answer(Source::Service, upstream_status);
        if !self.responds() {
            return true;
        }
        // Plugins may also edit what those before them tell the client.
        self.tell_client(stream);
        let mut status = upstream_status;
        let changes = {
            let headers = stream.headers(Map::Response);
            self.edits(&headers, &mut status, Source::Service)
        };
        let Some(changes) = changes else { return false };
        if status != upstream_status {
            stream.set_header(Map::Response, b":status", status.to_string().as_bytes());
        }
        for change in changes {
            if change.removes {
                stream.remove_header(Map::Response, change.name.as_bytes());
            }
            change.adds.iter().for_each(|value| stream.add_header(Map::Response, change.name.as_bytes(), value));
        }
        let has_body = !end_of_stream && !self.is_head;
        if let Some(end) = self.end.take() {
            self.drop_copies();
            self.drop_rewriters();
            return self.put_in_place(end, has_body, stream);
        }
        if !has_body {
            self.drop_rewriters();
        } else if self.rewrites_whole_body() {
            self.gathered = Some(Vec::new());
            stream.remove_header(Map::Response, b"content-length");
        } else if self.rewrites_pieces() {
            stream.remove_header(Map::Response, b"content-length");
        }
        if self.is_head && !self.asks_head {
            // The client gets less than the upstream sends, and plugins do not see it.
            self.drop_copies();
        } else if end_of_stream {
            self.copy_chunk(stream, true);
        }
        true
    }

    /// In place of the upstream's body; false if a plugin failed on it.
    fn put_in_place(&mut self, end: End, has_body: bool, stream: &mut impl Stream) -> bool {
        let body = match end {
            End::Status(status) => {
                stream.set_header(Map::Response, b":status", status.to_string().as_bytes());
                Some(Vec::new())
            }
            End::Body(body) => self.rewritten(body),
            End::Fault => None,
        };
        let Some(body) = body else { return false };
        stream.set_header(Map::Response, b"content-length", body.len().to_string().as_bytes());
        if has_body {
            self.local_body = Some(body);
        } else if !body.is_empty() && !self.is_head {
            stream.add_response_body(&body);
        }
        true
    }

    /// A plugin failed, which may be there to take something out: nothing of the response goes on.
    fn hide_response(&mut self, stream: &mut impl Stream, end_of_stream: bool) {
        self.taking.clear();
        let names: Vec<Vec<u8>> = {
            let headers = stream.headers(Map::Response);
            headers.iter().filter(|(name, _)| !name.starts_with(b":")).map(|(name, _)| name.to_vec()).collect()
        };
        names.iter().for_each(|name| stream.remove_header(Map::Response, name));
        let error = LocalError { status: 500, message: UNEXPECTED, origin: Origin::Plugin };
        self.become_kongs(error, stream, end_of_stream);
    }

    /// Writes the headers for the client; an upstream's own of the same name come second.
    fn tell_client(&mut self, stream: &mut impl Stream) {
        let told = std::mem::take(&mut self.client_headers);
        let repeated = values_under(&told, &stream.headers(Map::Response));
        for (place, (name, value)) in told.iter().enumerate() {
            let write = if is_again(&told, place) { Stream::add_header } else { Stream::set_header };
            write(stream, Map::Response, name.as_bytes(), value);
        }
        for (name, value) in &repeated {
            stream.add_header(Map::Response, name.as_bytes(), value);
        }
    }

    /// Turns Envoy's own error into Kong's.
    fn become_kongs(&mut self, error: LocalError, stream: &mut impl Stream, end_of_stream: bool) {
        let format = if error.origin == Origin::Plugin { self.formats.plugin } else { self.formats.proxy };
        let mut headers = Headers::with_capacity(16);
        let (content_type, body) = if error.message.is_empty() {
            error_body::nginx_page(error.status)
        } else {
            let page = error_body::page(self.settings(), format, error.message, self.request_id());
            (error_body::content_type(format), page)
        };
        let body = body.into_bytes();
        if self.is_grpc {
            headers.push(("grpc-status".into(), text(&error_body::grpc_status(error.status).to_string())));
            headers.push(("grpc-message".into(), text(error.message)));
        } else {
            headers.push((":status".into(), decimal(error.status.into())));
            headers.push(("content-type".into(), text(content_type)));
        }
        headers.append(&mut self.client_headers);
        let mut status = error.status;
        let changes = self.edits(&pairs(&headers), &mut status, Source::Error);
        let body = match self.end.take() {
            Some(End::Body(body)) => body,
            _ => body,
        };
        let edited = changes.zip(self.rewritten(body));
        let Some((changes, body)) = edited else { return self.hide_response(stream, end_of_stream) };
        apply(&mut headers, changes);
        if let Some((_, value)) = headers.iter_mut().find(|(name, _)| name == ":status") {
            *value = decimal(status.into());
        }
        let is_upstreams = error.origin == Origin::Upstream;
        self.add_own_headers(&mut headers, !is_upstreams);
        if is_upstreams {
            let (tokens, token) = (self.settings().tokens, &self.settings().server_token);
            let status = tokens.upstream_status.then(|| ("x-kong-upstream-status", decimal(error.status.into())));
            let via = tokens.via.then(|| ("via", text(&format!("1.1 {token}"))));
            let server = tokens.server.then(|| ("server", text(token)));
            headers.extend([status, via, server].into_iter().flatten().map(|(name, value)| (name.into(), value)));
        }
        if !self.is_grpc {
            headers.push(("content-length".into(), text(&body.len().to_string())));
            if !self.is_head && end_of_stream {
                stream.add_response_body(&body);
            } else if !self.is_head {
                self.local_body = Some(body);
            }
        }
        for (place, (name, value)) in headers.iter().enumerate() {
            let write = if is_again(&headers, place) { Stream::add_header } else { Stream::set_header };
            write(stream, Map::Response, name.as_bytes(), value);
        }
        self.phase = Phase::Replied;
    }

    pub fn on_response_body(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        if self.gathered.is_none() {
            if !self.rewrite_piece(stream, end_of_stream) {
                self.refuse_response(stream);
                return Flow::Answered;
            }
            self.copy_chunk(stream, end_of_stream);
        }
        if self.is_head && !self.asks_head && self.phase == Phase::Proxied {
            // The client of a HEAD takes what follows the headers for the next answer.
            stream.replace_response_chunk(b"");
        }
        if let Some(body) = &mut self.local_body {
            stream.replace_response_chunk(body);
            // Any further chunk of Envoy's text is dropped.
            body.clear();
        }
        let Some(mut gathered) = self.gathered.take() else { return Flow::Continue };
        stream.take_response_chunk(&mut gathered);
        if gathered.len() > LARGEST_REWRITTEN {
            self.refuse_response(stream);
            return Flow::Answered;
        }
        if end_of_stream {
            let Some(body) = self.rewritten(gathered) else {
                self.refuse_response(stream);
                return Flow::Answered;
            };
            stream.replace_response_chunk(&body);
            return Flow::Continue;
        }
        self.gathered = Some(gathered);
        Flow::Wait
    }

    /// A plugin may be there to take something out of the body, so it must not go on without.
    pub(crate) fn refuse_response(&mut self, stream: &mut impl Stream) {
        self.taking.clear();
        self.end = None;
        self.reply(self.plugin_error(500, UNEXPECTED), stream);
    }

    /// Trailers end a body that was waited for.
    pub fn on_response_trailers(&mut self, stream: &mut impl Stream) -> Flow {
        // What belongs to the body comes apart from it.
        self.drop_copies();
        let Some(gathered) = self.gathered.take() else { return Flow::Continue };
        let Some(body) = self.rewritten(gathered) else {
            self.refuse_response(stream);
            return Flow::Answered;
        };
        stream.add_response_body(&body);
        Flow::Continue
    }

    /// `upstream_status` is what stood there before plugins edited it; None if none did.
    fn mark_response(&mut self, stream: &mut impl Stream, upstream_status: Option<u16>) {
        let mut own = Headers::with_capacity(24);
        self.add_own_headers(&mut own, false);
        let mut limits = std::mem::take(&mut self.client_headers);
        let settings = self.settings();
        let mut present: SmallVec<[bool; 16]> = SmallVec::new();
        let repeated;
        let hidden: SmallVec<[&str; 2]>;
        {
            let headers = stream.headers(Map::Response);
            let status = status_of(&headers);
            let sent = NameHints::of(&headers);
            let has = |wanted: &str| {
                sent.may_have(wanted.as_bytes()) && headers.iter().any(|(name, _)| *name == wanted.as_bytes())
            };
            hidden = ["trailer", forwarding::MARK].into_iter().filter(|name| has(name)).collect();
            if settings.tokens.server && settings.compat == Compat::Kong3 && !has("server") {
                own.push(("server".into(), text(&settings.server_token)));
            }
            if settings.tokens.via {
                own.push(("via".into(), response_via(&headers, settings)));
            }
            if settings.tokens.upstream_status {
                own.push(("x-kong-upstream-status".into(), decimal(upstream_status.unwrap_or(status).into())));
            }
            if let Some((_, content_type)) = headers.iter().find(|(name, _)| *name == b"content-type") {
                let completed = charset::completed(status, content_type);
                own.extend(completed.map(|value| ("content-type".into(), value)));
            }
            repeated = values_under(&limits, &headers);
            if status == 101 {
                // As nginx spells it.
                own.push(("connection".into(), text("upgrade")));
                // What went upstream over HTTP/2 comes back with what hides it from Envoy.
                let hidden = headers.iter().find(|(name, value)| *name == b"upgrade" && value.ends_with(b" "));
                own.extend(hidden.map(|(_, value)| ("upgrade".into(), value.trim_ascii().into())));
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
        hidden.iter().for_each(|name| stream.remove_header(Map::Response, name.as_bytes()));
    }
}

/// Takes off what sidecars say to the gateway alone, before plugins look; gives the status.
fn hide_mark(stream: &mut impl Stream) -> u16 {
    let mark = forwarding::MARK.as_bytes();
    let (status, is_marked) = {
        let headers = stream.headers(Map::Response);
        (status_of(&headers), headers.iter().any(|(name, _)| *name == mark))
    };
    if is_marked {
        stream.remove_header(Map::Response, mark);
    }
    status
}

/// Envoy takes `Upgrade` out of a response unless request and response both speak of one.
fn offer_upgrade(own: &mut Headers, stream: &mut impl Stream) {
    let is_offered = own.iter().any(|(name, _)| name == "upgrade");
    if is_offered && stream.attribute(Attribute::Protocol) == Some(b"HTTP/1.1") {
        own.push(("connection".into(), text("keep-alive, Upgrade")));
        stream.set_header(Map::Request, b"connection", b"upgrade");
        stream.set_header(Map::Request, b"upgrade", b"offered");
    }
}

/// What stands under the names of `own` already.
fn values_under(own: &Headers, headers: &[(&[u8], &[u8])]) -> Vec<(Cow<'static, str>, Vec<u8>)> {
    let same = |name: &Cow<'static, str>| {
        let found = headers.iter().filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value.to_vec());
        found.map(|value| (name.clone(), value)).collect::<Vec<_>>()
    };
    let names = own.iter().enumerate().filter(|(place, _)| !is_again(own, *place)).map(|(_, (name, _))| name);
    names.flat_map(same).collect()
}

fn is_again(headers: &Headers, place: usize) -> bool {
    headers[..place].iter().any(|(other, _)| *other == headers[place].0)
}

pub(crate) fn pairs(headers: &Headers) -> Vec<(&[u8], &[u8])> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect()
}

fn apply(headers: &mut Headers, changes: Vec<HeaderChange>) {
    for change in changes {
        if change.removes {
            headers.retain(|(name, _)| *name != change.name);
        }
        headers.extend(change.adds.into_iter().map(|value| (change.name.clone(), value)));
    }
}

pub(crate) fn status_of(headers: &[(&[u8], &[u8])]) -> u16 {
    let status = headers.iter().find(|(name, _)| *name == b":status").map(|(_, value)| *value);
    status.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or_default()
}

/// All Via lines of the upstream in one, then the gateway; Kong 2.1 overwrites them.
pub(crate) fn response_via(headers: &[(&[u8], &[u8])], settings: &Settings) -> Text {
    let mut via = Text::new();
    if settings.compat == Compat::Kong3 {
        for (_, value) in headers.iter().filter(|(name, _)| *name == b"via") {
            via.extend_from_slice(value);
            via.extend_from_slice(b", ");
        }
        via.extend_from_slice(b"1.1 ");
    }
    via.extend_from_slice(settings.server_token.as_bytes());
    via
}

/// For a client that asks by `Kong-Debug` (kong.md §3.8).
pub(crate) fn described(route: &Route) -> Headers {
    let Some(names) = &route.names else { return Headers::new() };
    let pairs = [
        ("kong-route-id", Some(&route.id)),
        ("kong-route-name", Some(&names.route)),
        ("kong-service-id", route.service.id.as_ref()),
        ("kong-service-name", Some(&names.service)),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.into(), Text::from_slice(&header_value(value?.as_bytes())))))
        .collect()
}

pub(crate) fn text(value: &str) -> Text {
    Text::from_slice(value.as_bytes())
}

fn milliseconds(duration: Duration) -> Text {
    decimal(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
