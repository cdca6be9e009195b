//! Traces: what requests tell of them, what goes upstream, and spans on their way to whoever shows them (kong.md §5.20).

pub mod backend;
pub mod extract;
pub mod inject;
pub mod kept;
pub mod otlp;
pub mod propagation;
#[cfg(test)]
mod tests;
pub mod told;

use crate::error::ConfigError;
use crate::plugins::checks;
use serde::Deserialize;

pub type TraceId = [u8; 16];
pub type SpanId = [u8; 8];

/// Of headers, in Kong's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    W3c,
    B3,
    B3Single,
    Jaeger,
    Ot,
    Datadog,
    Aws,
    Gcp,
    Instana,
}

/// What the headers of a request tell; nothing of it is certain to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// By which it was told.
    pub format: Option<Format>,
    pub trace: Option<TraceId>,
    /// The trace's id was sent with 8 bytes.
    pub is_short: bool,
    pub span: Option<SpanId>,
    pub parent: Option<SpanId>,
    /// `span` is the request's own, which caller and callee share; else the caller's.
    pub shares_span: bool,
    pub is_sampled: Option<bool>,
    /// B3's: sampled whatever others think.
    pub is_debug: bool,
}

/// What the upstream is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub trace: TraceId,
    /// How many bytes of the trace's id the request had; None where it had none.
    pub size: Option<usize>,
    pub span: SpanId,
    pub parent: Option<SpanId>,
    pub is_sampled: bool,
    pub is_debug: bool,
}

/// Of a response that tells the trace's id, in lower case.
pub fn traceid_header(name: &str) -> Result<String, ConfigError> {
    checks::free_header_name("http_response_header_for_traceid", name)?;
    checks::no_internal_header("http_response_header_for_traceid", name)?;
    Ok(name.to_ascii_lowercase())
}

pub fn new_trace() -> TraceId {
    // An id of zeros is none.
    fastrand::u128(..).max(1).to_be_bytes()
}

pub fn new_span() -> SpanId {
    fastrand::u64(..).max(1).to_be_bytes()
}
