//! The plugin acme: answers the challenges by which a certificate authority sees who serves a domain (kong.md §5.22).
//! Certificates are asked for by the control plane, which tells the tokens that are waited for.

mod domains;
#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::Plugin;
use crate::reply::{Reply, Style};
use crate::request::host_without_port;
use domains::Domains;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

const PATH: &[u8] = b"/.well-known/acme-challenge/";
/// By which people, and Kong's Admin API, see whether challenges would get here.
const SANITY: &[u8] = b"x";

#[derive(Debug)]
struct Acme {
    domains: Domains,
    /// Key authorizations by token (RFC 8555 §8.3), with the line end that Kong sends.
    answers: HashMap<Box<str>, Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    domains: Option<Vec<String>>,
    #[serde(default)]
    allow_any_domain: bool,
    #[serde(default)]
    enable_ipv4_common_name: bool,
    #[serde(default)]
    challenges: HashMap<String, String>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    let domains = if config.allow_any_domain { None } else { Some(config.domains.unwrap_or_default()) };
    let answers = config.challenges.into_iter().map(|(token, value)| (token.into(), format!("{value}\n").into()));
    Ok(Box::new(Acme {
        domains: Domains::new(domains.as_deref(), config.enable_ipv4_common_name),
        answers: answers.collect(),
    }))
}

impl Plugin for Acme {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let request = exchange.request;
        let Some(token) = request.sent_path.strip_prefix(PATH).filter(|token| !token.is_empty()) else {
            return Verdict::Continue;
        };
        if request.is_tls || !self.domains.have(host_without_port(request.authority)) {
            return Verdict::Continue;
        }
        if token == SANITY {
            return Verdict::Reply(raw(404, None, "Not found\n"));
        }
        let answer = std::str::from_utf8(token).ok().and_then(|token| self.answers.get(token));
        Verdict::Reply(match answer {
            Some(answer) => raw(200, Some("text/plain; charset=UTF-8"), answer),
            None => exchange.error(404, "Not found"),
        })
    }
}

fn raw(status: u16, content_type: Option<&str>, body: &str) -> Reply {
    let style = Style::Raw { content_type: content_type.map(str::to_owned), body: body.as_bytes().to_vec() };
    Reply::error(status, body, crate::error_body::Format::Plain).with_style(style)
}
