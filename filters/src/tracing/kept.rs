//! The ids of a request's spans, from its beginning to its end.

use crate::exchange::Note;
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
const SHORT: u8 = 1;
const PARENT: u8 = 2;
const SAMPLED: u8 = 4;

impl Kept {
    pub fn to_note(self) -> Note {
        let flags = [(SHORT, self.is_short), (PARENT, self.parent.is_some()), (SAMPLED, self.is_sampled)];
        let flags = flags.iter().filter(|(_, is_set)| *is_set).map(|(bit, _)| bit).sum();
        let mut note = Note::with_capacity(LENGTH);
        note.extend_from_slice(&self.trace);
        [self.request, self.parent.unwrap_or_default(), self.proxy].iter().for_each(|id| note.extend_from_slice(id));
        note.push(flags);
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
