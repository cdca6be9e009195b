//! The plugin grpc-gateway: requests of JSON become calls of gRPC, and answers JSON, by a table that the control plane
//! has made of a .proto file (kong.md §5.22).

mod decoding;
mod encoding;
mod frames;
mod json;
mod messages;
mod paths;
mod payload;
#[cfg(test)]
mod tests;
mod timestamps;
mod values;

#[cfg(test)]
pub use tests::transcoding_tables;

use crate::error::ConfigError;
use crate::error_body::Format;
use crate::exchange::{Exchange, Note, RawBody, Verdict};
use crate::headers::Response;
use crate::plugins::Plugin;
use crate::remembered::Source;
use crate::reply::{Reply, Style};
use crate::rewriting::Rewriter;
use crate::text::Text;
use frames::Transcoding;
use messages::Messages;
use paths::{Paths, Taken};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: Raw = serde_json::from_value(config)?;
    let messages = Messages::parse(raw.messages, raw.enums)?;
    let paths = raw.bindings.map(|bindings| Paths::parse(bindings, messages.len())).transpose()?;
    Ok(Box::new(GrpcGateway { paths, messages: Arc::new(messages) }))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    /// None where no file is configured.
    bindings: Option<Vec<paths::RawBinding>>,
    messages: Vec<messages::RawMessage>,
    enums: Vec<messages::RawEnum>,
}

#[derive(Debug)]
struct GrpcGateway {
    paths: Option<Paths>,
    messages: Arc<Messages>,
}

const NO_FILE: &str = "transcoding requests require a .proto file defining the service";

impl Plugin for GrpcGateway {
    fn changes_methods(&self) -> bool {
        true
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if exchange.request.method != b"OPTIONS" && matches!(exchange.raw_body, RawBody::Pending) {
            return Verdict::NeedsBody;
        }
        exchange.downstream.push(("access-control-allow-origin".into(), Text::from_slice(b"*")));
        if exchange.request.method == b"OPTIONS" {
            return Verdict::Reply(preflight());
        }
        let method = exchange.upstream.written(":method").flatten().unwrap_or(exchange.request.method);
        let method = method.to_ascii_lowercase();
        let taken = match &self.paths {
            Some(paths) => paths.find(&method, exchange.path),
            None => return Verdict::Reply(refusal(NO_FILE.to_owned())),
        };
        let Taken { binding, variables } = match taken {
            Ok(taken) => taken,
            Err(reason) => return Verdict::Reply(refusal(format!("failed to transcode .proto file {reason}"))),
        };
        *exchange.note = binding.output.to_le_bytes().to_vec();
        let body = match (&exchange.upstream.body, exchange.raw_body) {
            (Some(body), _) => Cow::Owned(body.clone()),
            (None, RawBody::Whole(body)) => Cow::Borrowed(body),
            (None, _) => {
                return Verdict::Reply(exchange.error(413, "Request body is too large to be transcoded"));
            }
        };
        let query = exchange.query().unwrap_or_default();
        match payload::message(&self.messages, binding, variables, query, &body) {
            Ok(message) => {
                ask(exchange, &binding.path, frames::framed(&message));
                Verdict::Continue
            }
            Err(reason) => Verdict::Reply(refusal(reason)),
        }
    }

    fn has_response_phase(&self) -> bool {
        true
    }

    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        if note.is_empty() {
            return;
        }
        response.set("content-type", "application/json");
        let status = response.value("grpc-status").and_then(|value| std::str::from_utf8(value).ok());
        if let Some(status) = status.and_then(|value| value.trim().parse::<f64>().ok()) {
            response.status = http_status(status);
        }
    }

    fn rewriter(&self, response: &Response<'_>, note: &Note) -> Option<Box<dyn Rewriter>> {
        let output = u32::from_le_bytes(note.as_slice().try_into().ok()?);
        let is_answer = response.source == Source::Service;
        is_answer.then(|| Box::new(Transcoding::new(Arc::clone(&self.messages), output)) as Box<dyn Rewriter>)
    }
}

/// What goes upstream.
fn ask(exchange: &mut Exchange<'_, '_>, path: &str, body: Vec<u8>) {
    let upstream = &mut *exchange.upstream;
    upstream.set(":method", "POST");
    upstream.path = Some(path.as_bytes().to_vec());
    upstream.query = None;
    upstream.drops_query = true;
    upstream.set("content-type", "application/grpc");
    upstream.set("te", "trailers");
    // Of the encodings that a client may name here, the messages have none and their answers can be read in none.
    upstream.remove("grpc-encoding");
    upstream.remove("grpc-accept-encoding");
    upstream.body = Some(body);
}

fn preflight() -> Reply {
    let style = Style::Raw { content_type: Some("application/json".to_owned()), body: b"OK".to_vec() };
    Reply::error(200, "OK", Format::Plain)
        .with_style(style)
        .with_header("access-control-allow-methods", "GET,POST,PATCH,DELETE")
        .with_header("access-control-allow-headers", "content-type")
}

fn refusal(reason: String) -> Reply {
    let style = Style::Raw { content_type: None, body: reason.clone().into_bytes() };
    Reply::error(400, reason, Format::Plain).with_style(style)
}

/// As Kong maps `google.rpc.Code`.
fn http_status(grpc_status: f64) -> u16 {
    const STATUSES: [u16; 17] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 500, 500, 503, 500, 401];
    let known = STATUSES.iter().zip(0_u8..).find(|(_, code)| f64::from(*code) == grpc_status);
    known.map_or(500, |(status, _)| *status)
}
