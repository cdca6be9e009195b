//! The plugin aws-lambda: a function of AWS' answers in place of the upstream (kong.md §5.22).

mod answer;
mod payload;
mod signing;
#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::exchange::{Exchange, RawBody, Verdict};
use crate::http_call::{self, Answer, Target};
use crate::journal::{self, Level};
use crate::net::{self, Endpoint, Tls};
use crate::plugins::{Plugin, checks};
use crate::reply::{Reply, Style};
use crate::waiting::{Outcome, Wait};
use answer::{Reading, Told};
use payload::Forward;
use serde::Deserialize;
use serde_json::{Value, json};
use signing::{Signed, Signer, encoded, timestamp};
use std::time::{Duration, Instant};

/// Of a function's answer; AWS allows 6 MB.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;
/// nginx's own timeout, which counts in place of none.
const NO_TIMEOUT_MS: f64 = 60_000.0;
/// A connection that may be idle for any time.
const NO_KEEPALIVE_MS: f64 = 86_400_000.0;
const LONGEST_MS: f64 = 2_147_483_646.0;

#[derive(Debug)]
struct AwsLambda {
    target: Target,
    timeout: Duration,
    signer: Signer,
    /// As `Host` says it.
    authority: Box<str>,
    path: Box<str>,
    query: Box<str>,
    invocation_type: Box<str>,
    log_type: Box<str>,
    forward: Forward,
    reading: Reading,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    timeout: f64,
    keepalive: f64,
    aws_key: Box<str>,
    aws_secret: Box<str>,
    aws_region: Box<str>,
    function_name: Box<str>,
    qualifier: Option<Box<str>>,
    invocation_type: Box<str>,
    log_type: Box<str>,
    host: Option<String>,
    port: u16,
    disable_https: bool,
    unhandled_status: Option<f64>,
    forward_request_method: bool,
    forward_request_uri: bool,
    forward_request_headers: bool,
    forward_request_body: bool,
    is_proxy_integration: bool,
    awsgateway_compatible: bool,
    skip_large_bodies: bool,
    base64_encode_body: bool,
    empty_arrays_mode: EmptyArrays,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum EmptyArrays {
    Legacy,
    Correct,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    for (field, text) in [
        ("aws_key", &config.aws_key),
        ("aws_secret", &config.aws_secret),
        ("aws_region", &config.aws_region),
        ("function_name", &config.function_name),
        ("invocation_type", &config.invocation_type),
        ("log_type", &config.log_type),
    ] {
        checks::header_value(field, text)?;
    }
    let unhandled_status =
        config.unhandled_status.map(|status| checks::reply_status("unhandled_status", status)).transpose()?;
    let (endpoint, authority) = endpoint(&config)?;
    let keepalive = duration("keepalive", config.keepalive, NO_KEEPALIVE_MS)?;
    Ok(Box::new(AwsLambda {
        target: Target { endpoint, keepalive },
        timeout: duration("timeout", config.timeout, NO_TIMEOUT_MS)?,
        authority: authority.into(),
        path: format!("/2015-03-31/functions/{}/invocations", encoded(&config.function_name, false)).into(),
        query: config.qualifier.map_or_else(String::new, |text| format!("Qualifier={}", encoded(&text, false))).into(),
        signer: Signer { key: config.aws_key, secret: config.aws_secret, region: config.aws_region, service: "lambda" },
        invocation_type: config.invocation_type,
        log_type: config.log_type,
        forward: Forward {
            as_gateway: config.awsgateway_compatible,
            method: config.forward_request_method,
            uri: config.forward_request_uri,
            headers: config.forward_request_headers,
            body: config.forward_request_body,
            skips_large: config.skip_large_bodies,
            encodes: config.base64_encode_body,
        },
        reading: Reading {
            is_proxy_integration: config.is_proxy_integration,
            unhandled_status,
            empties_lists: config.empty_arrays_mode == EmptyArrays::Legacy,
        },
    }))
}

/// And what `Host` says. AWS' own certificates are verified; of another host any will do, as on Kong.
fn endpoint(config: &Config) -> Result<(Endpoint, String), ConfigError> {
    let own = || format!("lambda.{}.amazonaws.com", config.aws_region);
    let host = config.host.clone().unwrap_or_else(own);
    checks::header_value("host", &host)?;
    let tls = (!config.disable_https).then(|| Tls { verifies: config.host.is_none(), server_name: None });
    if tls.is_some() {
        let text = format!("host: {} is no name that a certificate could have", host.escape_debug());
        net::server_name(&host).map_err(|_| ConfigError::Invalid(text.into()))?;
    }
    let is_usual = config.port == if tls.is_some() { 443 } else { 80 };
    let authority = if is_usual { host.clone() } else { format!("{host}:{}", config.port) };
    Ok((Endpoint { host, port: config.port, tls }, authority))
}

fn duration(field: &str, ms: f64, instead_of_none: f64) -> Result<Duration, ConfigError> {
    if !(0.0..=LONGEST_MS).contains(&ms) {
        return Err(ConfigError::Invalid(format!("{field}: value should be between 0 and {LONGEST_MS}").into()));
    }
    Ok(Duration::from_secs_f64(if ms > 0.0 { ms } else { instead_of_none } / 1000.0))
}

impl Plugin for AwsLambda {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if self.forward.needs_body() && matches!(exchange.raw_body, RawBody::Pending) {
            return Verdict::NeedsBody;
        }
        let Some(payload) = self.forward.payload(exchange) else {
            return Verdict::Reply(exchange.error(413, "Payload too large"));
        };
        let request = self.request(payload.to_string().as_bytes(), &timestamp(exchange.now_ms()));
        let (target, timeout) = (self.target.clone(), self.timeout);
        Verdict::Wait(Wait::for_call(timeout, move || {
            http_call::call(&target, &request, LONGEST_ANSWER, Instant::now() + timeout)
                .map_err(|error| error.to_string())
        }))
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        let trouble = match outcome.into::<Result<Answer, String>>() {
            Ok(Ok(answer)) if answer.status < 400 => return Verdict::Reply(self.reply(exchange, answer)),
            Ok(Ok(answer)) => format!("AWS answers {}", answer.status),
            Ok(Err(error)) => error,
            Err(reason) => reason.to_string(),
        };
        journal::tell(Level::Error, &format!("aws-lambda: {}{}: {trouble}", self.target.endpoint, self.path));
        Verdict::Reply(exchange.error(500, "An unexpected error occurred"))
    }
}

impl AwsLambda {
    /// As it is sent, signed.
    fn request(&self, body: &[u8], time: &str) -> Vec<u8> {
        let headers = [
            ("content-type", "application/json"),
            ("host", &*self.authority),
            ("x-amz-date", time),
            ("x-amz-invocation-type", &*self.invocation_type),
            ("x-amz-log-type", &*self.log_type),
        ];
        let signed = Signed { path: &self.path, query: &self.query, headers: &headers, body };
        let authorization = self.signer.authorization(&signed, time);
        let question = if self.query.is_empty() { "" } else { "?" };
        let mut head = format!("POST {}{question}{} HTTP/1.1\r\n", self.path, self.query);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("authorization: {authorization}\r\ncontent-length: {}\r\n\r\n", body.len()));
        [head.as_bytes(), body].concat()
    }

    fn reply(&self, exchange: &Exchange<'_, '_>, answer: Answer) -> Reply {
        match self.reading.read(answer) {
            Ok(Told { status, headers, body }) => {
                let mut reply = exchange.error(status, "").with_style(Style::Raw { content_type: None, body });
                reply.headers = headers;
                reply
            }
            Err(wrong) => {
                let error = format!("could not JSON decode Lambda function response: {wrong}");
                let body = json!({"message": "Bad Gateway", "error": error}).to_string().into_bytes();
                let content_type = Some("application/json; charset=utf-8".to_owned());
                exchange.error(502, "Bad Gateway").with_style(Style::Raw { content_type, body })
            }
        }
    }
}
