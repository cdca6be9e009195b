//! The plugin cors: which pages of other origins may read responses, and the answer to a browser that asks first
//! (kong.md §5.12).

mod origin;
#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::error_body::Format;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::lua;
use crate::plugins::{Plugin, checks};
use crate::reply::{Headers, Reply, Style};
use crate::request::Request;
use crate::text::Text;
use origin::Origins;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(Cors::new(serde_json::from_value(config)?)?))
}

const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    origins: Option<Vec<String>>,
    headers: Option<Vec<String>>,
    exposed_headers: Option<Vec<String>>,
    methods: Option<Vec<String>>,
    max_age: Option<f64>,
    #[serde(default)]
    credentials: bool,
    #[serde(default)]
    private_network: bool,
    #[serde(default)]
    preflight_continue: bool,
}

#[derive(Debug)]
struct Cors {
    origins: Origins,
    has_credentials: bool,
    exposed_headers: Option<String>,
    /// None: preflight requests are the upstream's.
    preflight: Option<Preflight>,
}

#[derive(Debug)]
struct Preflight {
    /// None: those that the browser asks for.
    headers: Option<String>,
    methods: String,
    max_age: Option<Text>,
    private_network: bool,
}

/// Marks a note: the response stays as the upstream, or the answer to a preflight request, made it.
const UNTOUCHED: u8 = 0;
/// Marks a note: the origin follows.
const ORIGIN: u8 = 1;

impl Cors {
    fn new(config: Config) -> Result<Self, ConfigError> {
        let methods = config.methods.unwrap_or_else(|| METHODS.map(str::to_owned).to_vec());
        if let Some(foreign) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(ConfigError::Invalid(format!("methods: there is no method {foreign:?}").into()));
        }
        let preflight = Preflight {
            headers: joined("headers", config.headers)?,
            methods: methods.join(","),
            max_age: config.max_age.map(lua::number),
            private_network: config.private_network,
        };
        Ok(Self {
            origins: Origins::parse(&config.origins.unwrap_or_default())?,
            has_credentials: config.credentials,
            exposed_headers: joined("exposed_headers", config.exposed_headers)?,
            preflight: (!config.preflight_continue).then_some(preflight),
        })
    }

    fn grant<'a>(&'a self, origin: Option<&'a [u8]>) -> Grant<'a> {
        let allowed = self.origins.allow(origin);
        let mut grant = Grant { origin: allowed.origin, varies: allowed.varies, has_credentials: self.has_credentials };
        if self.has_credentials && allowed.is_everyone {
            // Browsers take no `*` together with credentials.
            match origin {
                Some(asking) => (grant.origin, grant.varies) = (Some(Cow::Borrowed(asking)), true),
                None => grant.has_credentials = false,
            }
        }
        grant
    }

    fn answer(&self, preflight: &Preflight, request: &Request<'_>, origin: &[u8]) -> Reply {
        let grant = self.grant(Some(origin));
        let mut headers = Headers::new();
        let mut tell = |name: &'static str, value: &[u8]| headers.push((Cow::Borrowed(name), Text::from_slice(value)));
        if grant.varies {
            tell(VARY, b"Origin");
        }
        if let Some(origin) = &grant.origin {
            tell(ALLOW_ORIGIN, origin);
        }
        if grant.has_credentials {
            tell(ALLOW_CREDENTIALS, b"true");
        }
        let asked = || request.header(b"access-control-request-headers");
        if let Some(value) = preflight.headers.as_deref().map(str::as_bytes).or_else(asked) {
            tell("access-control-allow-headers", value);
        }
        tell("access-control-allow-methods", preflight.methods.as_bytes());
        if let Some(seconds) = &preflight.max_age {
            tell("access-control-max-age", seconds);
        }
        if preflight.private_network && request.header(b"access-control-request-private-network") == Some(b"true") {
            tell("access-control-allow-private-network", b"true");
        }
        let style = Style::Raw { content_type: None, body: Vec::new() };
        Reply { status: 200, message: String::new(), format: Format::Json, style, headers }
    }
}

const VARY: &str = "vary";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";

/// What an origin learns of its rights.
struct Grant<'a> {
    origin: Option<Cow<'a, [u8]>>,
    varies: bool,
    has_credentials: bool,
}

impl Plugin for Cors {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let request = exchange.request;
        let Some(origin) = origin_of_preflight(request) else { return Verdict::Continue };
        exchange.note.clear();
        exchange.note.push(UNTOUCHED);
        match &self.preflight {
            Some(preflight) => Verdict::Reply(self.answer(preflight, request, origin)),
            None => Verdict::Continue,
        }
    }

    fn has_response_phase(&self) -> bool {
        true
    }

    fn note(&self, request: &Request<'_>) -> Note {
        asking(request).map_or(Note::new(), |origin| [&[ORIGIN], origin].concat())
    }

    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        let origin = match note.split_first() {
            Some((&UNTOUCHED, _)) => return,
            Some((_, origin)) => Some(origin),
            None => None,
        };
        let grant = self.grant(origin);
        if grant.varies {
            response.add(VARY, "Origin");
        }
        match grant.origin {
            Some(origin) => response.set(ALLOW_ORIGIN, origin),
            None => response.remove(ALLOW_ORIGIN),
        }
        if grant.has_credentials {
            response.set(ALLOW_CREDENTIALS, "true");
        }
        if let Some(names) = &self.exposed_headers {
            response.set("access-control-expose-headers", names);
        }
    }
}

/// Where the request comes from; an empty origin is none.
fn asking<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    request.header(b"origin").filter(|origin| !origin.is_empty())
}

fn origin_of_preflight<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let is_preflight = request.method == b"OPTIONS" && request.header(b"access-control-request-method").is_some();
    asking(request).filter(|_| is_preflight)
}

/// One header value of a list; None for an empty one.
fn joined(field: &str, names: Option<Vec<String>>) -> Result<Option<String>, ConfigError> {
    let names = names.unwrap_or_default();
    for (place, name) in (1..).zip(&names) {
        checks::header_value(&format!("{field}.{place}"), name)?;
    }
    Ok((!names.is_empty()).then(|| names.join(",")))
}
