//! What a request waits for: its body, of which more arrives, and outcomes from elsewhere.

use super::{Arrived, Decision, Filter, Flow, LARGEST_GATHERED, PAYLOAD_TOO_LARGE, Phase};
use crate::body::{self, Kind};
use crate::exchange::{Body, Note, RawBody};
use crate::reply::Reply;
use crate::request::Request;
use crate::stream::Stream;
use crate::waiting::Outcome;

impl Filter {
    pub fn on_request_body(&mut self, stream: &mut impl Stream, end_of_stream: bool) -> Flow {
        self.arrived = if end_of_stream { Arrived::Everything } else { Arrived::Part };
        if let Some(refusal) = self.refusal_of_body(stream) {
            self.stop_waiting(stream);
            self.reply(refusal, stream);
        }
        match self.phase {
            Phase::Proxied if self.replaces_body => {
                // What comes behind another body would be another request to the upstream.
                stream.replace_request_body(b"");
                Flow::Continue
            }
            Phase::New | Phase::Proxied => Flow::Continue,
            Phase::Replied => Flow::Answered,
            Phase::AwaitsOutcome => Flow::Pause,
            Phase::GathersBody if end_of_stream || stream.request_body_size() > LARGEST_GATHERED => {
                self.send_on(stream)
            }
            Phase::AwaitsBody if self.is_body_decided(stream) => self.search_body(stream),
            Phase::GathersBody | Phase::AwaitsBody => Flow::Wait,
        }
    }

    /// Why the request is refused, if more of its body has come than may. What is answered already is refused no longer.
    pub(super) fn refusal_of_body(&mut self, stream: &impl Stream) -> Option<Reply> {
        let most = self.settings().max_body_bytes;
        let limit = self.changes.body_limit.or(self.body_limit);
        if most.is_none() && limit.is_none() {
            return None;
        }
        let size = if self.phase == Phase::Proxied {
            self.passed_on += stream.received_size();
            self.passed_on
        } else {
            stream.request_body_size()
        };
        if self.phase == Phase::Replied || self.is_answered {
            return None;
        }
        let is_more_than = |most: u64| u64::try_from(size).is_ok_and(|size| size > most);
        if most.is_some_and(is_more_than) {
            return Some(Reply::error(413, PAYLOAD_TOO_LARGE, self.formats.proxy));
        }
        let limit = limit.filter(|limit| is_more_than(limit.bytes))?;
        Some(self.plugin_error(limit.status, limit.message))
    }

    /// Trailers end a body that was waited for. Such a body keeps its chunks, else the trailers could not follow it.
    pub fn on_request_trailers(&mut self, stream: &mut impl Stream) -> Flow {
        self.lacks_length = false;
        self.on_request_body(stream, true)
    }

    /// Something that was waited for may have come. `Flow::Continue`: the request is to go on, which Envoy must be told.
    pub fn on_scheduled(&mut self, stream: &mut impl Stream) -> Flow {
        if self.phase != Phase::AwaitsOutcome {
            return Flow::Answered;
        }
        self.outcome = self.take_outcome();
        if self.outcome.is_none() {
            return Flow::Pause;
        }
        if self.shows_body {
            return self.search_body(stream);
        }
        let decision = {
            let request = Request::read(stream, self.choice.as_ref());
            self.decide_without_body(&request)
        };
        if matches!(decision, Decision::AwaitBody) && self.is_body_decided(stream) {
            return self.search_body(stream);
        }
        self.carry_out(decision, stream)
    }

    fn take_outcome(&mut self) -> Option<(Outcome, Note)> {
        let outcome = self.waiting.as_ref()?.0.take()?;
        Some((outcome, self.waiting.take()?.1))
    }

    /// Nothing is to be found in a body that is too large, however much of it is still to come.
    fn is_body_decided(&self, stream: &impl Stream) -> bool {
        self.arrived == Arrived::Everything || stream.request_body_size() > body::LARGEST_SEARCHED
    }

    pub(super) fn decide_without_body(&mut self, request: &Request<'_>) -> Decision {
        let searchable = self.has_body && content_kind(request).is_some();
        let raw_body = if self.has_body { RawBody::Pending } else { RawBody::Whole(b"") };
        self.decide(request, if searchable { Body::Pending } else { Body::Unusable }, raw_body)
    }

    fn search_body(&mut self, stream: &mut impl Stream) -> Flow {
        self.shows_body = true;
        let size = stream.request_body_size();
        let bytes = if size <= body::LARGEST_SEARCHED { Some(stream.request_body()) } else { None };
        let decision = {
            let request = Request::read(stream, self.choice.as_ref());
            let kind = content_kind(&request);
            let body = match (&kind, &bytes) {
                (Some(kind), Some(bytes)) => Body::Whole(kind, bytes),
                _ => Body::Unusable,
            };
            self.decide(&request, body, bytes.as_deref().map_or(RawBody::TooLarge, RawBody::Whole))
        };
        self.carry_out(decision, stream)
    }
}

fn content_kind(request: &Request<'_>) -> Option<Kind> {
    request.header(b"content-type").and_then(Kind::of)
}
