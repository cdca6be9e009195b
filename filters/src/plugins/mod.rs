//! The plugins, one folder each. Rules only: nothing here knows Envoy, or in which order plugins run (the control plane
//! says so with each route).

pub mod acl;
pub mod acme;
pub mod aws_lambda;
pub mod basic_auth;
pub mod bot_detection;
pub mod correlation_id;
pub mod cors;
pub mod datadog;
pub mod file_log;
pub mod functions;
pub mod grpc_gateway;
pub mod grpc_web;
pub mod hmac_auth;
pub mod http_log;
pub mod ip_restriction;
pub mod jwt;
pub mod key_auth;
pub mod ldap_auth;
pub mod loggly;
pub mod mtls_auth;
pub mod oauth2;
pub mod openid_connect;
pub mod opentelemetry;
pub mod prometheus;
pub mod proxy_cache;
pub mod rate_limiting;
pub mod redirect;
pub mod request_size_limiting;
pub mod request_termination;
pub mod request_transformer;
pub mod response_ratelimiting;
pub mod response_transformer;
pub mod session;
pub mod standard_webhooks;
pub mod statsd;
pub mod syslog;
pub mod tcp_log;
pub mod udp_log;
pub mod zipkin;

#[cfg(test)]
pub mod asking;
mod authentication;
pub(crate) mod checks;
mod described;
mod json_members;
mod pairs;
mod recorder;
pub mod recording;
mod statistics;
mod tracer;

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::record::secrets::Secrets;
use crate::remembered::Remembered;
use crate::request::Request;
use crate::rewriting::Rewriter;
use crate::sessions::Session;
use crate::tables::Compat;
use crate::waiting::Outcome;
use serde_json::Value;
use std::fmt::Debug;

/// How much of the record of a request a plugin wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    Nothing,
    /// What can be counted: the request's size, and whether a route has taken it.
    Numbers,
    Everything,
}

/// One instance of a plugin: its configuration, parsed and checked. What it counts it keeps elsewhere (`Exchange`), since
/// instances are made anew when anything near them changes.
pub trait Plugin: Debug + Send + Sync {
    /// Kong's phase `access`: before anything is forwarded. May be called again with the body, see `Verdict::NeedsBody`.
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let _ = exchange;
        Verdict::Continue
    }

    /// What `on_request` waited for is here, or will not come. The exchange is as it was; `note` has what the plugin put
    /// there.
    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        drop(outcome);
        Verdict::Reply(exchange.error(500, "An unexpected error occurred"))
    }

    /// Whether `on_request` may write another `:method`.
    fn changes_methods(&self) -> bool {
        false
    }

    /// Whether `on_response` has anything to do; else nobody reads the response's headers for this plugin.
    fn has_response_phase(&self) -> bool {
        false
    }

    /// What the response phase must know of the request, also where `on_request` never runs; that may change it.
    fn note(&self, request: &Request<'_>) -> Note {
        let _ = request;
        Note::new()
    }

    /// Kong's phase `header_filter`: for what an upstream answered, and for what the gateway answers itself, also where
    /// an earlier plugin did and `on_request` never ran. `note` comes from the request.
    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        let _ = (response, note);
    }

    /// Whether this response's body goes through `on_response_body`; asked when all plugins have seen the headers.
    fn wants_response_body(&self, response: &Response<'_>) -> bool {
        let _ = response;
        false
    }

    /// Kong's phase `body_filter`, for the whole body at once; not for an empty one. The response has no length by then.
    fn on_response_body(&self, body: Vec<u8>) -> Vec<u8> {
        body
    }

    /// Rewrites what an upstream answers piece by piece, as it comes; asked when all plugins have seen the headers. In
    /// place of `on_response_body`.
    fn rewriter(&self, response: &Response<'_>, note: &Note) -> Option<Box<dyn Rewriter>> {
        let _ = (response, note);
        None
    }

    /// As `on_response_body`, for a plugin that remembers the request; None if it fails.
    fn rewritten_body(&self, body: Vec<u8>, remembered: Option<&Remembered>) -> Option<Vec<u8>> {
        let _ = remembered;
        Some(self.on_response_body(body))
    }

    /// Whether it asks for `remembered` after the request has gone on.
    fn remembers_request(&self) -> bool {
        false
    }

    /// Whether the health of upstreams is shown to who scrapes.
    fn shows_upstreams(&self, compat: Compat) -> bool {
        let _ = compat;
        false
    }

    /// Whether `on_log` has anything to do.
    fn has_log_phase(&self) -> bool {
        false
    }

    /// What `on_log` asks for of the request's record.
    fn asks(&self) -> Asks {
        Asks::Nothing
    }

    /// Adds the names under which clients show it what nobody else may know.
    fn secrets<'a>(&'a self, found: &mut Secrets<'a>) {
        let _ = found;
    }

    /// Whether this request's end is of interest, by its note; where none is, nothing of the request is read then.
    fn wants_log(&self, note: &Note) -> bool {
        let _ = note;
        true
    }

    /// Kong's phase `log`: the stream has ended, whoever answered it and whether or not the answer got through. Runs on
    /// the worker, so what takes time is handed to another thread.
    fn on_log(&self, ended: &Ended<'_, '_>, note: &Note) {
        let _ = (ended, note);
    }

    /// The same for a session of a stream's route.
    fn on_session(&self, session: &Session<'_>) {
        let _ = session;
    }
}

type Parse = fn(Value) -> Result<Box<dyn Plugin>, ConfigError>;

#[rustfmt::skip]
const PLUGINS: &[(&str, Parse)] = &[
    ("acl", acl::parse),
    ("acme", acme::parse),
    ("aws-lambda", aws_lambda::parse),
    ("basic-auth", basic_auth::parse),
    ("bot-detection", bot_detection::parse),
    ("correlation-id", correlation_id::parse),
    ("cors", cors::parse),
    ("datadog", datadog::parse),
    ("file-log", file_log::parse),
    ("grpc-gateway", grpc_gateway::parse),
    ("grpc-web", grpc_web::parse),
    ("hmac-auth", hmac_auth::parse),
    ("http-log", http_log::parse),
    ("ip-restriction", ip_restriction::parse),
    ("jwt", jwt::parse),
    ("key-auth", key_auth::parse),
    ("ldap-auth", ldap_auth::parse),
    ("loggly", loggly::parse),
    ("mtls-auth", mtls_auth::parse),
    ("oauth2", oauth2::parse),
    ("openid-connect", openid_connect::parse),
    ("opentelemetry", opentelemetry::parse),
    ("post-function", functions::parse_post),
    ("pre-function", functions::parse_pre),
    ("prometheus", prometheus::parse),
    ("proxy-cache", proxy_cache::parse),
    ("rate-limiting", rate_limiting::parse),
    ("redirect", redirect::parse),
    ("request-size-limiting", request_size_limiting::parse),
    ("request-termination", request_termination::parse),
    ("response-ratelimiting", response_ratelimiting::parse),
    ("request-transformer", request_transformer::parse),
    ("response-transformer", response_transformer::parse),
    ("session", session::parse),
    ("standard-webhooks", standard_webhooks::parse),
    ("statsd", statsd::parse),
    ("syslog", syslog::parse),
    ("tcp-log", tcp_log::parse),
    ("udp-log", udp_log::parse),
    ("zipkin", zipkin::parse),
];

pub fn parse(plugin: &str, config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    #[cfg(test)]
    if plugin == "asking" {
        return asking::parse(config);
    }
    let known = PLUGINS.iter().find(|(name, _)| *name == plugin);
    known.map_or_else(|| Err(ConfigError::UnknownPlugin(plugin.to_owned())), |(_, parse)| parse(config))
}

/// The names of all plugins.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|(name, _)| *name)
}

/// The same name, of one that there is; else nothing.
pub fn known(plugin: &str) -> &'static str {
    names().find(|name| *name == plugin).unwrap_or_default()
}
