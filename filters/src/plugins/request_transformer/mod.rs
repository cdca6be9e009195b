//! The plugin request-transformer: edits requests on their way to the upstream (kong.md §5.16).

mod arguments;
mod edits;
mod facts;
mod headers;
mod json;
mod multipart;
mod template;
#[cfg(test)]
mod tests;

use crate::body::Kind;
use crate::error::ConfigError;
use crate::exchange::{Exchange, RawBody, Verdict};
use crate::forwarding::Changes;
use crate::lua::sandbox::Surroundings;
use crate::plugins::Plugin;
use arguments::Arguments;
use edits::{Area, Edits};
use facts::RequestFacts;
use headers::{Edited, Headers};
use serde::Deserialize;
use serde_json::Value;
use template::Template;

/// With these Kong also puts the arguments of a form's body into the query.
const WITHOUT_BODY: [&str; 3] = ["GET", "HEAD", "TRACE"];

#[derive(Debug)]
pub struct RequestTransformer {
    method: Option<Box<str>>,
    uri: Option<Template>,
    headers: Edits,
    query: Edits,
    body: Edits,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawTransformer = serde_json::from_value(config)?;
    let uri = raw.replace.as_ref().and_then(|part| part.uri.as_deref());
    Ok(Box::new(RequestTransformer {
        uri: uri.map(|uri| Template::parse("replace.uri", uri)).transpose()?,
        headers: Edits::parse(&raw, Area::Headers)?,
        query: Edits::parse(&raw, Area::Query)?,
        body: Edits::parse(&raw, Area::Body)?,
        method: raw.http_method,
    }))
}

/// What becomes of a request; decided in full before anything of it is written, since a plugin that asks for the body
/// starts again from the beginning.
struct Transformed {
    path: Option<Vec<u8>>,
    headers: Edited,
    query: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
}

enum Failure {
    NeedsBody,
    BodyTooLarge,
    /// Kong stops with an error of Lua's.
    Fault,
}

impl From<String> for Failure {
    fn from(_: String) -> Self {
        Self::Fault
    }
}

impl Plugin for RequestTransformer {
    fn changes_methods(&self) -> bool {
        self.method.is_some()
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        match self.transformed(exchange) {
            Ok(transformed) => {
                self.write(transformed, exchange.upstream);
                Verdict::Continue
            }
            Err(Failure::NeedsBody) => Verdict::NeedsBody,
            Err(Failure::BodyTooLarge) => Verdict::Reply(exchange.error(413, "Request body is too large to be edited")),
            Err(Failure::Fault) => Verdict::Reply(exchange.error(500, "An unexpected error occurred")),
        }
    }
}

impl RequestTransformer {
    fn transformed(&self, exchange: &Exchange<'_, '_>) -> Result<Transformed, Failure> {
        let sent = exchange.all_headers();
        let facts = RequestFacts { exchange, headers: &sent };
        let surroundings = Surroundings::new(&facts);
        let path = self.path(&surroundings)?;
        let mut query = self.query_with_form(exchange)?;
        let mut headers = Headers::new(&sent);
        headers.edit(&self.headers, &surroundings)?;
        let body = match kind(headers.values("content-type").first().map(|value| value.as_slice())) {
            Some(kind) if !self.body.is_empty() => self.edited_body(&kind, body(exchange)?, &surroundings)?,
            _ => None,
        };
        if !self.query.is_empty() {
            let mut arguments = query.take().unwrap_or_else(|| Arguments::parse(exchange.query().unwrap_or_default()));
            arguments.edit(&self.query, &surroundings)?;
            // A bare `?` stays, but none comes.
            query = (!arguments.is_empty() || exchange.query().is_some()).then_some(arguments);
        }
        let query = query.map(|arguments| arguments.sorted());
        Ok(Transformed { path, headers: headers.into_edited(), query, body })
    }

    fn path(&self, surroundings: &Surroundings<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let Some(uri) = &self.uri else { return Ok(None) };
        let path = uri.render(surroundings)?.into_owned();
        if path.starts_with(b"/") { Ok(Some(path)) } else { Err(Failure::Fault) }
    }

    /// The query and a form's arguments, where the new method has no body.
    fn query_with_form(&self, exchange: &Exchange<'_, '_>) -> Result<Option<Arguments>, Failure> {
        let has_none = self.method.as_deref().is_some_and(|method| WITHOUT_BODY.contains(&method));
        if !has_none || kind(exchange.header("content-type")) != Some(Kind::Form) {
            return Ok(None);
        }
        let form = Arguments::parse(body(exchange)?);
        if form.is_empty() {
            return Ok(None);
        }
        let mut query = Arguments::parse(exchange.query().unwrap_or_default());
        query.extend(form);
        Ok(Some(query))
    }

    fn edited_body(
        &self,
        kind: &Kind,
        body: &[u8],
        surroundings: &Surroundings<'_>,
    ) -> Result<Option<Vec<u8>>, String> {
        match kind {
            Kind::Json => json::edited(body, &self.body, surroundings),
            Kind::Multipart { boundary } => multipart::edited(body, boundary, &self.body, surroundings),
            Kind::Form => {
                let mut form = Arguments::parse(body);
                Ok(form.edit(&self.body, surroundings)?.then(|| form.written()))
            }
        }
    }

    fn write(&self, transformed: Transformed, upstream: &mut Changes) {
        let Transformed { path, headers, query, body } = transformed;
        if let Some(method) = &self.method {
            upstream.set(":method", method.as_bytes());
        }
        for (name, values) in headers {
            upstream.replace(if name == "host" { ":authority".to_owned() } else { name }, values);
        }
        upstream.path = path.or(upstream.path.take());
        upstream.query = query.or(upstream.query.take());
        upstream.body = body.or(upstream.body.take());
    }
}

fn kind(content_type: Option<&[u8]>) -> Option<Kind> {
    content_type.and_then(Kind::of)
}

/// As earlier plugins have left it.
fn body<'a>(exchange: &'a Exchange<'_, '_>) -> Result<&'a [u8], Failure> {
    match (&exchange.upstream.body, exchange.raw_body) {
        (Some(body), _) => Ok(body),
        (None, RawBody::Whole(body)) => Ok(body),
        (None, RawBody::Pending) => Err(Failure::NeedsBody),
        (None, RawBody::TooLarge) => Err(Failure::BodyTooLarge),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTransformer {
    http_method: Option<Box<str>>,
    remove: Option<RawNames>,
    rename: Option<RawPairs>,
    replace: Option<RawPairs>,
    add: Option<RawPairs>,
    append: Option<RawPairs>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNames {
    headers: Option<Vec<String>>,
    querystring: Option<Vec<String>>,
    body: Option<Vec<String>>,
}

/// `name:value`, except in `rename`, which has `old:new`. Only `replace` has a `uri`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPairs {
    headers: Option<Vec<String>>,
    querystring: Option<Vec<String>>,
    body: Option<Vec<String>>,
    uri: Option<String>,
}
