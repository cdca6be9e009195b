//! One request on its way through the plugins: what they see of it, and what they decide.

use crate::body::Kind;
use crate::error_body::Formats;
use crate::forwarding::Changes;
use crate::incoming::is_internal;
use crate::plugins::rate_limiting::counters::Counters;
use crate::record::arrival::Told;
use crate::remembered::{Remembered, Taken};
use crate::reply::{Headers, Reply};
use crate::request::Request;
use crate::router::PathPattern;
use crate::tables::{Compat, Consumer, Route, Settings, World};
use crate::waiting::Wait;
use std::sync::Arc;

/// What becomes of a request after a plugin.
#[derive(Debug)]
pub enum Verdict {
    Continue,
    /// Nothing is forwarded, and no later plugin sees the request.
    Reply(Reply),
    /// The plugin must see the whole body: it is asked again when that is here.
    NeedsBody,
    /// The answer depends on what comes from elsewhere: `Plugin::on_outcome` is asked when that is here.
    Wait(Wait),
}

/// What is known of the request's body when a plugin runs.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// It has not arrived yet.
    Pending,
    /// There is none, or none of a kind or size in which anything could be found.
    Unusable,
    Whole(&'a Kind, &'a [u8]),
}

/// The bytes of the request's body, of whatever kind.
#[derive(Clone, Copy, Debug)]
pub enum RawBody<'a> {
    /// They have not arrived yet.
    Pending,
    TooLarge,
    Whole(&'a [u8]),
}

/// Who the request belongs to, as the authentication plugins found out.
#[derive(Debug, Default)]
pub struct Identity {
    pub consumer: Option<Arc<Consumer>>,
    /// What the upstream is told of the credential: its id, a user's name.
    pub credential: Option<Box<str>>,
    pub credential_id: Option<Box<str>>,
    /// `credential` is a user's name; Kong 2 tells the upstream so.
    pub has_username: bool,
    pub is_anonymous: bool,
    /// Groups that an authentication plugin found out by itself, of a consumer or of nobody known here.
    pub groups: Option<Box<[Box<str>]>>,
    /// The upstream's headers say so already.
    pub is_told: bool,
    /// An authentication plugin ran, so that the client's own identity headers must not reach the upstream.
    pub is_checked: bool,
}

/// What a plugin keeps of a request for its outcome, its response and its log.
pub type Note = Vec<u8>;

pub struct Exchange<'a, 'r> {
    pub request: &'a Request<'r>,
    /// Normalised, without the query.
    pub path: &'a [u8],
    /// By which the route takes the path.
    pub pattern: &'a PathPattern,
    pub request_id: &'a str,
    pub body: Body<'a>,
    pub raw_body: RawBody<'a>,
    pub world: &'a World,
    pub route: &'a Route,
    /// Names the counters of this attachment.
    pub scope: &'a str,
    pub counters: &'a Counters,
    /// The client's address; a trusted peer's word for it counts.
    pub client_address: &'a str,
    pub formats: Formats,
    pub who: &'a mut Identity,
    /// What the upstream gets other than the client sent.
    pub upstream: &'a mut Changes,
    /// Headers for the client, whoever answers; an upstream's own of the same name come second.
    pub downstream: &'a mut Headers,
    pub note: &'a mut Note,
    /// For functions in Lua: made by the first that needs it.
    pub remembered: &'a mut Option<Box<Remembered>>,
    /// For the record of the request.
    pub told: &'a mut Told,
    pub now_ms: &'a dyn Fn() -> i64,
}

impl<'a> Exchange<'a, '_> {
    pub fn settings(&self) -> &'a Settings {
        &self.world.settings
    }

    pub fn compat(&self) -> Compat {
        self.world.settings.compat
    }

    pub fn now_ms(&self) -> i64 {
        (self.now_ms)()
    }

    /// The first value under a lower-case name, as earlier plugins have left it.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        match self.upstream.written(name) {
            Some(change) => change,
            None => self.request.header(name.as_bytes()),
        }
    }

    /// All values under a lower-case name, as earlier plugins have left them.
    pub fn headers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        let written = self.upstream.written(name);
        let is_sent = written.is_none();
        let sent = self.request.headers.iter().filter(move |(other, _)| is_sent && *other == name.as_bytes());
        let more = self.upstream.set.iter().filter(move |change| change.name == name).flat_map(|change| &change.more);
        let written = written.flatten().into_iter().chain(more.map(|value| value.as_slice()));
        written.chain(sent.map(|(_, value)| *value))
    }

    /// All headers as earlier plugins have left them, without pseudo-headers and those that the gateway tells itself.
    pub fn all_headers(&self) -> Vec<(&[u8], &[u8])> {
        headers_after(self.request, self.upstream).collect()
    }

    /// The request as earlier plugins have left headers and query; None while they are as they came.
    pub fn changed_request(&self) -> Option<Request<'_>> {
        if self.upstream.set.is_empty() && self.upstream.query.is_none() && !self.upstream.drops_query {
            return None;
        }
        let Request {
            method,
            target,
            sent_path,
            authority,
            protocol,
            is_tls,
            local_port,
            peer,
            connection,
            certificate,
            ..
        } = *self.request;
        Some(Request {
            headers: self.all_headers().into_iter().collect(),
            query: self.query(),
            path: Ok(self.path.into()),
            forwarded_proto: self.request.forwarded_proto.clone(),
            method,
            target,
            sent_path,
            authority,
            protocol,
            is_tls,
            local_port,
            peer,
            connection,
            certificate,
        })
    }

    /// Takes what is remembered of the request out of it, made anew where nobody has; to be put back.
    pub fn take_remembered(&mut self) -> Box<Remembered> {
        let taken = Taken { route: self.route, pattern: self.pattern };
        if let Some(remembered) = self.remembered.take() {
            return remembered;
        }
        Box::new(Remembered::of(self.request, self.settings(), Some(taken), self.request_id, self.now_ms()))
    }

    /// The query as earlier plugins have left it; None where there is no `?` at all.
    pub fn query(&self) -> Option<&[u8]> {
        self.upstream.query.as_deref().or(self.request.query).filter(|_| !self.upstream.drops_query)
    }

    /// An error in the format that the client accepts.
    pub fn error(&self, status: u16, message: impl Into<String>) -> Reply {
        Reply::error(status, message, self.formats.plugin)
    }
}

/// The request's headers as changed, without pseudo-headers and those that the gateway tells itself.
pub fn headers_after<'s>(request: &'s Request<'_>, changes: &'s Changes) -> impl Iterator<Item = (&'s [u8], &'s [u8])> {
    let is_told = |name: &[u8]| !name.starts_with(b":") && !is_internal(name);
    let is_changed = |name: &[u8]| {
        let is_set = changes.set.iter().any(|change| change.name.as_bytes() == name);
        is_set || changes.remove.iter().any(|removed| removed.as_bytes() == name)
    };
    let sent = request.headers.iter().copied().filter(move |(name, _)| is_told(name) && !is_changed(name));
    let written = changes.set.iter().filter(|change| !change.name.starts_with(':')).flat_map(|change| {
        let values = std::iter::once(&change.value).chain(&change.more);
        values.map(|value| (change.name.as_bytes(), value.as_slice()))
    });
    sent.chain(written)
}
