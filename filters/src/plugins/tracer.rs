//! Plugins that trace: they read and write headers alike, and differ in ids, in what is sampled and in how spans look.

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::plugins::Plugin;
use crate::plugins::recording::RawQueue;
use crate::request::Request;
use crate::sinks::queue::Queue;
use crate::tracing::backend::Timeouts;
use crate::tracing::inject::hex;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::propagation::Propagation;
use crate::tracing::{Told, traceid_header};
use serde::Deserialize;
use std::fmt::Debug;
use std::sync::Arc;

pub trait Tracer: Debug + Send + Sync {
    /// The ids of a request, by what its headers tell.
    fn kept(&self, told: &Told) -> Kept;

    /// As entries of the queue, of a request that is sampled.
    fn spans(&self, ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>) -> Vec<Vec<u8>>;
}

/// What configurations have in common.
#[derive(Deserialize)]
pub struct Config {
    http_response_header_for_traceid: Option<String>,
    propagation: Propagation,
    #[serde(default)]
    pub queue: RawQueue,
    #[serde(flatten)]
    pub timeouts: Timeouts,
}

#[derive(Debug)]
struct Traced<T> {
    /// None: nothing is sent, but headers are read and written.
    queue: Option<Arc<Queue>>,
    propagation: Propagation,
    /// In lower case.
    response_header: Option<String>,
    tracer: T,
}

pub fn traced(
    config: Config,
    queue: Option<Arc<Queue>>,
    tracer: impl Tracer + 'static,
) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(Traced {
        queue,
        propagation: config.propagation.checked()?,
        response_header: config.http_response_header_for_traceid.map(|name| traceid_header(&name)).transpose()?,
        tracer,
    }))
}

impl<T: Tracer> Plugin for Traced<T> {
    fn note(&self, request: &Request<'_>) -> Note {
        if self.response_header.is_none() {
            return Note::new();
        }
        self.tracer.kept(&self.propagation.told_by(request)).to_note(request)
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let told = self.propagation.told_in(exchange);
        let kept = self.tracer.kept(&told);
        self.propagation.tell(&told, &kept.sent(&told), exchange);
        *exchange.note = kept.to_note(exchange.request);
        Verdict::Continue
    }

    fn has_response_phase(&self) -> bool {
        self.response_header.is_some()
    }

    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        if let (Some(name), Some(kept)) = (&self.response_header, Kept::of(note)) {
            response.add(name.clone(), hex(kept.shown_trace()));
        }
    }

    fn has_log_phase(&self) -> bool {
        self.queue.is_some()
    }

    fn wants_log(&self, note: &Note) -> bool {
        Kept::of(note).is_none_or(|kept| kept.is_sampled)
    }

    fn on_log(&self, ended: &Ended<'_, '_>, note: &Note) {
        let Some(queue) = &self.queue else { return };
        // Without a note an earlier plugin has answered, or nothing took the request.
        let kept = Kept::of(note).unwrap_or_else(|| self.tracer.kept(&self.propagation.told_by(&ended.request)));
        if kept.is_sampled {
            let spans = self.tracer.spans(ended, &kept, &Asked::of(note, &ended.request));
            spans.into_iter().for_each(|span| queue.put(span));
        }
    }
}
