//! Which formats a plugin reads and writes (Kong's record `propagation`), and what a request's trace becomes by them.

use super::extract::Found;
use super::inject::inject;
use super::{Format, Sent, Told};
use crate::error::ConfigError;
use crate::exchange::Exchange;
use crate::plugins::checks;
use crate::request::Request;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propagation {
    extract: Option<Vec<Format>>,
    clear: Option<Vec<String>>,
    inject: Option<Vec<Written>>,
    default_format: Format,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    As(Format),
    Preserved(Preserve),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preserve {
    /// As the request had it.
    Preserve,
}

impl Propagation {
    /// Names of headers are lower-case from here on.
    pub fn checked(mut self) -> Result<Self, ConfigError> {
        for name in self.clear.iter_mut().flatten() {
            checks::free_header_name("propagation.clear", name)?;
            checks::no_internal_header("propagation.clear", name)?;
            name.make_ascii_lowercase();
        }
        Ok(self)
    }

    pub fn told_by(&self, request: &Request<'_>) -> Told {
        self.extract.as_ref().map_or_else(Told::default, |formats| Found::of(request).told(formats))
    }

    pub fn told_in(&self, exchange: &Exchange<'_, '_>) -> Told {
        self.extract.as_ref().map_or_else(Told::default, |formats| Found::in_exchange(exchange).told(formats))
    }

    /// Takes away what is to be cleared, and tells the upstream.
    pub fn tell(&self, told: &Told, sent: &Sent, exchange: &mut Exchange<'_, '_>) {
        for name in self.clear.iter().flatten() {
            exchange.upstream.remove(name.clone());
        }
        for written in self.inject.iter().flatten() {
            let format = match written {
                Written::As(format) => *format,
                Written::Preserved(_) => told.format.unwrap_or(self.default_format),
            };
            inject(format, sent, exchange.upstream);
            exchange.told.traces.add(format, sent);
        }
    }
}
