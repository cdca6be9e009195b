//! The plugin grpc-web: browsers call gRPC services (kong.md §5.22). A filter of Envoy's behind this module translates
//! requests and responses; here is what Kong does besides.

#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::error_body::Format;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::plugins::{Plugin, checks};
use crate::reply::{Reply, Style};
use crate::text::Text;
use serde::Deserialize;
use serde_json::Value;

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: GrpcWeb = serde_json::from_value(config)?;
    checks::header_value("allow_origin_header", &config.allow_origin_header)?;
    Ok(Box::new(config))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrpcWeb {
    allow_origin_header: String,
    /// JSON is wanted, which nothing here can translate.
    #[serde(default)]
    wants_transcoding: bool,
}

/// Content types that Envoy's filter translates.
const TRANSLATED: [&[u8]; 4] = [
    b"application/grpc-web",
    b"application/grpc-web+proto",
    b"application/grpc-web-text",
    b"application/grpc-web-text+proto",
];

impl Plugin for GrpcWeb {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let origin = Text::from_slice(self.allow_origin_header.as_bytes());
        exchange.downstream.push(("access-control-allow-origin".into(), origin));
        if exchange.request.method == b"OPTIONS" {
            return Verdict::Reply(preflight());
        }
        let content_type = exchange.request.header(b"content-type").unwrap_or_default();
        if !TRANSLATED.contains(&content_type) {
            return Verdict::Reply(self.refusal());
        }
        // Envoy's filter answers in the encoding that is accepted, Kong in that of the request.
        if is_text(exchange.request.header(b"accept").unwrap_or_default()) != is_text(content_type) {
            exchange.upstream.set("accept", content_type);
        }
        *exchange.note = content_type.to_vec();
        Verdict::Continue
    }

    fn has_response_phase(&self) -> bool {
        true
    }

    /// Envoy's filter names the encoding always (`+proto`), Kong as the client did.
    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        if !note.is_empty() {
            response.set("content-type", note);
        }
    }
}

fn is_text(content_type: &[u8]) -> bool {
    content_type.starts_with(b"application/grpc-web-text")
}

impl GrpcWeb {
    fn refusal(&self) -> Reply {
        let message = if self.wants_transcoding {
            "this gateway does not transcode JSON; the web client must use application/grpc-web+proto content"
        } else {
            "transcoding requests require a .proto file defining the service"
        };
        let style = Style::Raw { content_type: None, body: message.into() };
        Reply::error(400, message, Format::Plain).with_style(style)
    }
}

fn preflight() -> Reply {
    let style = Style::Raw { content_type: Some("application/grpc-web-text+proto".to_owned()), body: b"OK".to_vec() };
    Reply::error(200, "OK", Format::Plain)
        .with_style(style)
        .with_header("access-control-allow-methods", "POST")
        .with_header("access-control-allow-headers", "content-type,x-grpc-web,x-user-agent")
        .with_header("grpc-status", "0")
        .with_header("grpc-message", "OK")
}
