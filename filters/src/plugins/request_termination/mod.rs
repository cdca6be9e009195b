//! The plugin request-termination: answers instead of the upstream (kong.md §5.15).

mod echo;
#[cfg(test)]
mod tests;

use crate::arguments::{self, Found};
use crate::cjson;
use crate::error::ConfigError;
use crate::error_body::{self, Format};
use crate::exchange::{Exchange, RawBody, Verdict};
use crate::plugins::{Plugin, checks};
use crate::reply::{Reply, Style};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub struct RequestTermination {
    status: u16,
    /// As the client of a gRPC service is told it.
    message: String,
    answer: Answer,
    trigger: Option<Trigger>,
}

#[derive(Debug)]
enum Answer {
    Fixed(Style),
    /// The request itself, with the message if there is one.
    Echo(Option<String>),
}

/// Only requests with this header or query argument are answered.
#[derive(Debug)]
struct Trigger {
    /// In lower case.
    header: String,
    /// Also finds a header that has dashes for underscores.
    dashed_header: String,
    argument: String,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawTermination = serde_json::from_value(config)?;
    let status = checks::reply_status("status_code", raw.status_code.unwrap_or(503.0))?;
    let (body, content_type) = (some(raw.body), some(raw.content_type));
    let given = some(raw.message);
    if let Some(problem) = conflict(given.is_some(), body.is_some(), content_type.is_some(), raw.echo) {
        return Err(ConfigError::Invalid(problem.into()));
    }
    if let Some(content_type) = &content_type {
        checks::header_value("content_type", content_type)?;
    }
    let trigger = some(raw.trigger).map(Trigger::parse).transpose()?;
    let message = given.or_else(|| default_message(status).map(str::to_owned));
    let (message, answer) = match body {
        _ if raw.echo => (message.clone().unwrap_or_default(), Answer::Echo(message)),
        Some(body) => (body.clone(), Answer::Fixed(Style::Raw { content_type, body: body.into_bytes() })),
        None => (message.clone().unwrap_or_default(), Answer::Fixed(style_of(message))),
    };
    Ok(Box::new(RequestTermination { status, message, answer, trigger }))
}

#[derive(Deserialize)]
struct RawTermination {
    status_code: Option<f64>,
    message: Option<String>,
    content_type: Option<String>,
    body: Option<String>,
    #[serde(default)]
    echo: bool,
    trigger: Option<String>,
}

/// An empty text is as good as none.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn conflict(has_message: bool, has_body: bool, has_type: bool, echo: bool) -> Option<&'static str> {
    if has_message && (has_type || has_body) {
        return Some("message cannot be used with content_type or body");
    }
    if has_type && !has_body {
        return Some("content_type requires a body");
    }
    (echo && has_body).then_some("echo cannot be used with content_type and body")
}

fn default_message(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("Unauthorized"),
        404 => Some("Not found"),
        405 => Some("Method not allowed"),
        500 => Some("An unexpected error occurred"),
        502 => Some("Bad Gateway"),
        503 => Some("Service unavailable"),
        _ => None,
    }
}

/// A message is JSON whatever the client accepts; without one there is no body.
fn style_of(message: Option<String>) -> Style {
    message.map_or(Style::Raw { content_type: None, body: Vec::new() }, |message| {
        json(format!("{{\"message\":{}}}", cjson::quoted(&message)).into_bytes())
    })
}

fn json(body: Vec<u8>) -> Style {
    Style::Raw { content_type: Some(error_body::content_type(Format::Json).to_owned()), body }
}

impl Trigger {
    fn parse(name: String) -> Result<Self, ConfigError> {
        checks::header_name("trigger", &name)?;
        let header = name.to_ascii_lowercase();
        Ok(Self { dashed_header: header.replace('_', "-"), header, argument: name })
    }

    fn is_in(&self, exchange: &Exchange<'_, '_>) -> bool {
        let query = exchange.query().unwrap_or_default();
        [&self.header, &self.dashed_header].into_iter().any(|name| exchange.header(name).is_some())
            || arguments::find(query, self.argument.as_bytes()) != Found::Nothing
    }
}

impl Plugin for RequestTermination {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if self.trigger.as_ref().is_some_and(|trigger| !trigger.is_in(exchange)) {
            return Verdict::Continue;
        }
        let style = match &self.answer {
            Answer::Fixed(style) => style.clone(),
            Answer::Echo(_) if matches!(exchange.raw_body, RawBody::Pending) => return Verdict::NeedsBody,
            Answer::Echo(message) => json(echo::body(exchange, message.as_deref())),
        };
        Verdict::Reply(Reply::error(self.status, self.message.as_str(), Format::Json).with_style(style))
    }
}
