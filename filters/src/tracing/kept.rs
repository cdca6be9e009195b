//! The ids of a request's spans, and what the client asked, from its beginning to its end.

use crate::exchange::Note;
use crate::path::split_query;
use crate::request::Request;
use crate::tracing::{Sent, SpanId, Told, TraceId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub trace: TraceId,
    /// Shown with 8 bytes.
    pub is_short: bool,
    pub request: SpanId,
    pub parent: Option<SpanId>,
    /// Of the way on to the service.
    pub proxy: SpanId,
    pub is_sampled: bool,
}

const LENGTH: usize = 16 + 3 * 8 + 1;
const SEPARATOR: u8 = 0;
const SHORT: u8 = 1;
const PARENT: u8 = 2;
const SAMPLED: u8 = 4;

impl Kept {
    /// With what the client asks, where somebody will want to know: later it is as the upstream gets it.
    pub fn to_note(self, request: &Request<'_>) -> Note {
        let flags = [(SHORT, self.is_short), (PARENT, self.parent.is_some()), (SAMPLED, self.is_sampled)];
        let flags = flags.iter().filter(|(_, is_set)| *is_set).map(|(bit, _)| bit).sum();
        let mut note = Note::with_capacity(LENGTH);
        note.extend_from_slice(&self.trace);
        [self.request, self.parent.unwrap_or_default(), self.proxy].iter().for_each(|id| note.extend_from_slice(id));
        note.push(flags);
        if self.is_sampled {
            // None of them can hold the separator.
            note.extend_from_slice(&[request.method, request.target, request.authority].join(&SEPARATOR));
        }
        note
    }

    /// None of a note that nobody has written.
    pub fn of(note: &Note) -> Option<Self> {
        let (trace, rest) = note.split_first_chunk::<16>()?;
        let (request, rest) = rest.split_first_chunk::<8>()?;
        let (parent, rest) = rest.split_first_chunk::<8>()?;
        let (proxy, rest) = rest.split_first_chunk::<8>()?;
        let flags = *rest.first()?;
        Some(Self {
            trace: *trace,
            is_short: flags & SHORT != 0,
            request: *request,
            parent: (flags & PARENT != 0).then_some(*parent),
            proxy: *proxy,
            is_sampled: flags & SAMPLED != 0,
        })
    }

    /// Upstream, the way there is the caller's span.
    pub fn sent(&self, told: &Told) -> Sent {
        Sent {
            trace: self.trace,
            size: told.trace.map(|_| if told.is_short { 8 } else { 16 }),
            span: self.proxy,
            parent: Some(self.request),
            is_sampled: self.is_sampled,
            is_debug: told.is_debug,
        }
    }

    pub fn shown_trace(&self) -> &[u8] {
        if self.is_short { &self.trace[8..] } else { &self.trace }
    }
}

/// As the client sent it.
pub struct Asked<'a> {
    pub method: &'a [u8],
    /// Without the query.
    pub path: &'a [u8],
    pub query: Option<&'a [u8]>,
    pub authority: &'a [u8],
}

impl<'a> Asked<'a> {
    /// Of a note, or of a request that never went upstream.
    pub fn of(note: &'a Note, request: &'a Request<'_>) -> Self {
        let mut kept = note.get(LENGTH..).unwrap_or_default().split(|byte| *byte == SEPARATOR);
        let of_request = (request.method, request.target, request.authority);
        let (method, target, authority) = match (kept.next(), kept.next(), kept.next()) {
            (Some(method), Some(target), Some(authority)) => (method, target, authority),
            _ => of_request,
        };
        let (path, query) = split_query(target);
        Self { method, path, query, authority }
    }
}
