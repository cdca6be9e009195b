//! The plugin opentelemetry: spans of requests by OTLP over HTTP (kong.md §5.20).

mod spans;
#[cfg(test)]
pub mod tests;

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::metrics::NODE_ID;
use crate::plugins::Plugin;
use crate::plugins::tracer::{self, Tracer, traced};
use crate::sinks::http::Body;
use crate::tracing::backend::Backend;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::{Told, TraceId, new_span, new_trace, otlp};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whose behaviour this is.
const KONG: &str = "3.9.1";
const SCOPE: (&str, &str) = ("kong-internal", "0.1.0");

#[derive(Debug)]
struct Opentelemetry {
    sampling_rate: f64,
}

#[derive(Deserialize)]
struct Config {
    traces_endpoint: String,
    headers: Option<BTreeMap<String, String>>,
    resource_attributes: Option<BTreeMap<String, String>>,
    sampling_rate: f64,
    #[serde(flatten)]
    traced: tracer::Config,
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
        timeouts: &config.traced.timeouts,
        queue: &config.traced.queue,
    };
    let queue = backend.queue(Export { resource: resource(config.resource_attributes.unwrap_or_default()) })?;
    traced(config.traced, Some(queue), Opentelemetry { sampling_rate: config.sampling_rate })
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

    fn is_taken(&self, status: u16) -> bool {
        status == 200
    }
}

impl Tracer for Opentelemetry {
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

    fn spans(&self, ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        spans::spans(ended, kept, asked)
    }
}

impl Opentelemetry {
    /// By the trace's id, so that all gateways decide alike (Kong's sampler).
    #[allow(clippy::cast_precision_loss, reason = "a share of all ids")]
    fn samples(&self, trace: &TraceId) -> bool {
        let mut head = [0; 8];
        head.copy_from_slice(&trace[..8]);
        self.sampling_rate >= 1.0 || (u64::from_le_bytes(head) as f64) < self.sampling_rate * u64::MAX as f64
    }
}
