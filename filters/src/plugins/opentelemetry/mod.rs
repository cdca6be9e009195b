//! The plugin opentelemetry: spans of requests by OTLP over HTTP (kong.md §5.20).

mod spans;
#[cfg(test)]
pub mod tests;

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::metrics::NODE_ID;
use crate::plugins::Plugin;
use crate::plugins::recording::RawQueue;
use crate::request::Request;
use crate::sinks::queue::Queue;
use crate::tracing::inject::hex;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::post::{Backend, Body, Timeouts};
use crate::tracing::propagation::Propagation;
use crate::tracing::{Told, TraceId, new_span, new_trace, otlp, traceid_header};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose behaviour this is.
const KONG: &str = "3.9.1";
const SCOPE: (&str, &str) = ("kong-internal", "0.1.0");

#[derive(Debug)]
struct Opentelemetry {
    queue: Arc<Queue>,
    propagation: Propagation,
    sampling_rate: f64,
    /// In lower case.
    response_header: Option<String>,
}

#[derive(Deserialize)]
struct Config {
    traces_endpoint: String,
    headers: Option<BTreeMap<String, String>>,
    resource_attributes: Option<BTreeMap<String, String>>,
    sampling_rate: f64,
    http_response_header_for_traceid: Option<String>,
    propagation: Propagation,
    #[serde(default)]
    queue: RawQueue,
    #[serde(flatten)]
    timeouts: Timeouts,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let backend = Backend {
        plugin: "opentelemetry",
        key,
        field: "traces_endpoint",
        url: &config.traces_endpoint,
        content_type: "application/x-protobuf",
        headers: config.headers.as_ref(),
        timeouts: &config.timeouts,
        queue: &config.queue,
    };
    Ok(Box::new(Opentelemetry {
        queue: backend.queue(Export { resource: resource(config.resource_attributes.unwrap_or_default()) })?,
        propagation: config.propagation.checked()?,
        sampling_rate: config.sampling_rate,
        response_header: config.http_response_header_for_traceid.map(|name| traceid_header(&name)).transpose()?,
    }))
}

fn resource(given: BTreeMap<String, String>) -> Vec<u8> {
    let own = [("service.name", "kong"), ("service.instance.id", &**NODE_ID), ("service.version", KONG)];
    let mut attributes: BTreeMap<String, String> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    attributes.extend(given);
    otlp::resource(attributes.iter().map(|(name, value)| (&**name, &**value)))
}

#[derive(Debug)]
struct Export {
    resource: Vec<u8>,
}

impl Body for Export {
    fn of(&self, batch: &[Vec<u8>]) -> Vec<u8> {
        otlp::request(&self.resource, SCOPE, batch)
    }

    fn takes(&self, status: u16) -> bool {
        status == 200
    }
}

impl Opentelemetry {
    /// `request` is the root's span, `proxy` that of the last try.
    fn kept(&self, told: &Told) -> Kept {
        let trace = told.trace.unwrap_or_else(new_trace);
        Kept {
            trace,
            is_short: false,
            request: new_span(),
            parent: told.span.or(told.parent),
            proxy: new_span(),
            is_sampled: told.is_sampled != Some(false) && self.samples(&trace),
        }
    }

    /// By the trace's id, so that all gateways decide alike (Kong's sampler).
    #[allow(clippy::cast_precision_loss, reason = "a share of all ids")]
    fn samples(&self, trace: &TraceId) -> bool {
        let mut head = [0; 8];
        head.copy_from_slice(&trace[..8]);
        self.sampling_rate >= 1.0 || (u64::from_le_bytes(head) as f64) < self.sampling_rate * u64::MAX as f64
    }
}

impl Plugin for Opentelemetry {
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
            response.add(name.clone(), hex(&kept.trace));
        }
    }

    fn has_log_phase(&self) -> bool {
        true
    }

    fn wants_log(&self, note: &Note) -> bool {
        Kept::of(note).is_none_or(|kept| kept.is_sampled)
    }

    fn on_log(&self, ended: &Ended<'_, '_>, note: &Note) {
        // Without a note an earlier plugin has answered, or nothing took the request.
        let kept = Kept::of(note).unwrap_or_else(|| self.kept(&self.propagation.told_by(ended.request)));
        if kept.is_sampled {
            spans::spans(ended, &kept, &Asked::of(note, ended.request))
                .into_iter()
                .for_each(|span| self.queue.put(span));
        }
    }
}
