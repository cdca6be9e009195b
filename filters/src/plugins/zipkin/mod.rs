//! The plugin zipkin: spans of requests for Zipkin, and for whoever takes its format (kong.md §5.20).

mod spans;
mod tags;
#[cfg(test)]
pub mod tests;

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::plugins::tracer::{self, Tracer, traced};
use crate::plugins::{Plugin, checks};
use crate::sinks::http::{Body, list};
use crate::tracing::backend::Backend;
use crate::tracing::kept::{Asked, Kept};
use crate::tracing::{Told, new_span, new_trace};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
struct Zipkin {
    sample_ratio: f64,
    traceid_byte_count: usize,
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
    #[serde(flatten)]
    traced: tracer::Config,
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
            timeouts: &config.traced.timeouts,
            queue: &config.traced.queue,
        };
        backend.queue(Spans)
    });
    let zipkin = Zipkin {
        sample_ratio: config.sample_ratio,
        traceid_byte_count: config.traceid_byte_count,
        shape: config.shape,
    };
    traced(config.traced, queue.transpose()?, zipkin)
}

#[derive(Debug)]
struct Spans;

impl Body for Spans {
    fn of(&self, batch: &[Vec<u8>]) -> Vec<u8> {
        list(batch)
    }

    fn is_taken(&self, status: u16) -> bool {
        (200..300).contains(&status)
    }
}

impl Tracer for Zipkin {
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

    fn spans(&self, ended: &Ended<'_, '_>, kept: &Kept, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        self.shape.spans(ended, kept, asked)
    }
}

fn last_half(mut trace: [u8; 16]) -> [u8; 16] {
    trace[..8].fill(0);
    // Zeros alone are no id.
    trace[15] |= 1;
    trace
}
