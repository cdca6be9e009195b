//! The plugin response-transformer: edits headers and JSON bodies on their way to the client (kong.md §5.17).

mod headers;
mod json;
mod media_type;
#[cfg(test)]
mod tests;
mod values;

use crate::error::ConfigError;
use crate::exchange::Note;
use crate::headers::Response;
use crate::plugins::Plugin;
use headers::HeaderEdits;
use json::JsonEdits;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub struct ResponseTransformer {
    headers: HeaderEdits,
    json: JsonEdits,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawTransformer = serde_json::from_value(config)?;
    Ok(Box::new(ResponseTransformer { headers: HeaderEdits::parse(&raw)?, json: JsonEdits::parse(&raw)? }))
}

impl Plugin for ResponseTransformer {
    fn has_response_phase(&self) -> bool {
        !self.headers.is_empty() || !self.json.is_empty()
    }

    fn on_response(&self, response: &mut Response<'_>, _: &Note) {
        let edits_body = self.wants_response_body(response);
        self.headers.apply(response);
        if edits_body {
            response.remove("content-length");
        }
    }

    fn wants_response_body(&self, response: &Response<'_>) -> bool {
        // What is compressed cannot be read, by Kong neither.
        !self.json.is_empty()
            && response.value("content-type").is_some_and(media_type::is_json)
            && response.value("content-encoding").is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
    }

    fn on_response_body(&self, body: Vec<u8>) -> Vec<u8> {
        self.json.apply(&body).unwrap_or(body)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTransformer {
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
    json: Option<Vec<String>>,
}

/// `name:value`, except in `rename`, which has `old:new` and no types.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPairs {
    headers: Option<Vec<String>>,
    json: Option<Vec<String>>,
    json_types: Option<Vec<JsonType>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum JsonType {
    String,
    Boolean,
    Number,
}
