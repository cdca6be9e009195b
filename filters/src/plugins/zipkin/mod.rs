//! The plugin zipkin: spans of requests for Zipkin, and for whoever takes its format (kong.md §5.20).

mod spans;
mod tags;
#[cfg(test)]
pub mod tests;

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::plugins::recording::RawQueue;
use crate::plugins::{Plugin, checks};
use crate::request::Request;
use crate::sinks::queue::Queue;
use crate::tracing::inject::hex;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::post::{Backend, Body, Timeouts};
use crate::tracing::propagation::Propagation;
use crate::tracing::{Told, new_span, new_trace, traceid_header};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug)]
struct Zipkin {
    /// None: nothing is sent, but headers are read and written.
    queue: Option<Arc<Queue>>,
    propagation: Propagation,
    sample_ratio: f64,
    traceid_byte_count: usize,
    /// In lower case.
    response_header: Option<String>,
    shape: Shape,
}

/// How spans look.
#[derive(Debug, Deserialize)]
struct Shape {
    local_service_name: Box<str>,
    default_service_name: Option<Box<str>>,
    include_credential: bool,
    #[serde(default)]
    static_tags: Option<Vec<Tag>>,
    tags_header: String,
    http_span_name: SpanName,
    phase_duration_flavor: Flavor,
}

#[derive(Debug, Deserialize)]
struct Tag {
    name: Box<str>,
    value: Box<str>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum SpanName {
    Method,
    MethodPath,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Flavor {
    Annotations,
    Tags,
}

#[derive(Deserialize)]
struct Config {
    http_endpoint: Option<String>,
    sample_ratio: f64,
    traceid_byte_count: usize,
    http_response_header_for_traceid: Option<String>,
    propagation: Propagation,
    #[serde(default)]
    queue: RawQueue,
    #[serde(flatten)]
    timeouts: Timeouts,
    #[serde(flatten)]
    shape: Shape,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let mut config: Config = serde_json::from_value(config)?;
    checks::header_name("tags_header", &config.shape.tags_header)?;
    config.shape.tags_header.make_ascii_lowercase();
    if !matches!(config.traceid_byte_count, 8 | 16) {
        return Err(ConfigError::Invalid("traceid_byte_count: expected one of: 8, 16".into()));
    }
    let queue = config.http_endpoint.as_ref().map(|url| {
        let backend = Backend {
            plugin: "zipkin",
            key,
            field: "http_endpoint",
            url,
            content_type: "application/json",
            headers: None,
            timeouts: &config.timeouts,
            queue: &config.queue,
        };
        backend.queue(List)
    });
    Ok(Box::new(Zipkin {
        queue: queue.transpose()?,
        propagation: config.propagation.checked()?,
        sample_ratio: config.sample_ratio,
        traceid_byte_count: config.traceid_byte_count,
        response_header: config.http_response_header_for_traceid.map(|name| traceid_header(&name)).transpose()?,
        shape: config.shape,
    }))
}

#[derive(Debug)]
struct List;

impl Body for List {
    fn of(&self, batch: &[Vec<u8>]) -> Vec<u8> {
        [b"[".as_slice(), &batch.join(&b','), b"]"].concat()
    }

    fn takes(&self, status: u16) -> bool {
        (200..300).contains(&status)
    }
}

impl Zipkin {
    fn kept(&self, told: &Told) -> Kept {
        let is_sampled = told.is_sampled.unwrap_or_else(|| fastrand::f64() < self.sample_ratio);
        let own = |trace| if self.traceid_byte_count == 8 { last_half(trace) } else { trace };
        let (request, parent) =
            if told.shares_span { (told.span.unwrap_or_else(new_span), told.parent) } else { (new_span(), told.span) };
        Kept {
            trace: told.trace.unwrap_or_else(|| own(new_trace())),
            is_short: told.trace.is_none() && self.traceid_byte_count == 8,
            request,
            parent,
            proxy: new_span(),
            is_sampled,
        }
    }
}

fn last_half(mut trace: [u8; 16]) -> [u8; 16] {
    trace[..8].fill(0);
    // Zeros alone are no id.
    trace[15] |= 1;
    trace
}

impl Plugin for Zipkin {
    fn note(&self, request: &Request<'_>) -> Note {
        if self.response_header.is_none() {
            return Note::new();
        }
        self.kept(&self.propagation.told_by(request)).to_note(request)
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let told = self.propagation.told_in(exchange);
        let kept = self.kept(&told);
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
        let kept = Kept::of(note).unwrap_or_else(|| self.kept(&self.propagation.told_by(ended.request)));
        if kept.is_sampled {
            self.shape
                .spans(ended, &kept, &Asked::of(note, ended.request))
                .iter()
                .for_each(|span| queue.put(span.to_string().into_bytes()));
        }
    }
}
