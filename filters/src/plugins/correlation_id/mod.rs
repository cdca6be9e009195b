//! The plugin correlation-id: gives every request an id of its own, unless the client has (kong.md §5.18).

mod generators;
#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::plugins::{Plugin, checks};
use crate::tables::Compat;
use crate::text::Text;
use generators::Generator;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub struct CorrelationId {
    /// In lower case.
    name: String,
    /// As nginx names it in responses, and as it also finds it in requests: with dashes for underscores.
    dashed_name: String,
    generator: Generator,
    echo_downstream: bool,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawCorrelationId = serde_json::from_value(config)?;
    let name = raw.header_name.unwrap_or_else(|| "Kong-Request-ID".to_owned());
    checks::free_header_name("header_name", &name)?;
    let name = name.to_ascii_lowercase();
    Ok(Box::new(CorrelationId {
        dashed_name: name.replace('_', "-"),
        name,
        generator: raw.generator,
        echo_downstream: raw.echo_downstream,
    }))
}

#[derive(Deserialize)]
struct RawCorrelationId {
    header_name: Option<String>,
    #[serde(default)]
    generator: Generator,
    #[serde(default)]
    echo_downstream: bool,
}

impl Plugin for CorrelationId {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let given = exchange.header(&self.name).or_else(|| exchange.header(&self.dashed_name));
        // An empty id is one for Kong 2.
        let given = given.filter(|id| !id.is_empty() || exchange.compat() == Compat::Kong21).map(Text::from_slice);
        let id = given.unwrap_or_else(|| {
            let id = self.generator.make(exchange);
            exchange.upstream.set(self.name.clone(), &id);
            id
        });
        exchange.told.correlation_id = Some(id.clone());
        if self.echo_downstream {
            *exchange.note = id.to_vec();
        }
        Verdict::Continue
    }

    fn has_response_phase(&self) -> bool {
        self.echo_downstream
    }

    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        // Without a note an earlier plugin has answered, and nobody knows the request by any id.
        if !note.is_empty() {
            response.set(self.dashed_name.clone(), note);
        }
    }
}
