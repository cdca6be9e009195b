//! What the function is told of a request, in one of Kong's three ways.

use crate::body::{Content, lossy};
use crate::exchange::{Body, Exchange, RawBody};
use crate::path;
use crate::plugins::described;
use crate::request::told_host;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// nginx's buffer on Kong; what is longer goes to its disk.
const LARGEST_IN_MEMORY: usize = 8 * 1024;
/// Of these Kong sends the text as it stands.
const TEXTS: [&[u8]; 5] = [b"text/plain", b"text/html", b"application/xml", b"text/xml", b"application/soap+xml"];

/// Which parts of a request are handed over, and how.
#[derive(Debug)]
pub struct Forward {
    /// As AWS' own API gateway would.
    pub as_gateway: bool,
    pub method: bool,
    pub uri: bool,
    pub headers: bool,
    pub body: bool,
    pub skips_large: bool,
    pub encodes: bool,
}

impl Forward {
    fn is_plain(&self) -> bool {
        !(self.as_gateway || self.method || self.uri || self.headers || self.body)
    }

    pub fn needs_body(&self) -> bool {
        self.as_gateway || self.body || self.is_plain()
    }

    /// None: the body is larger than can be handed over.
    pub fn payload(&self, exchange: &Exchange<'_, '_>) -> Option<Value> {
        let raw = match exchange.raw_body {
            RawBody::Whole(bytes) if bytes.len() > LARGEST_IN_MEMORY && self.skips_large => None,
            RawBody::Whole(bytes) => Some(bytes),
            RawBody::TooLarge if !self.skips_large && self.needs_body() => return None,
            RawBody::Pending | RawBody::TooLarge => None,
        };
        Some(if self.as_gateway {
            self.gateway_request(exchange, raw)
        } else if self.is_plain() {
            merged(exchange)
        } else {
            self.forwarded(exchange, raw)
        })
    }

    fn forwarded(&self, exchange: &Exchange<'_, '_>, raw: Option<&[u8]>) -> Value {
        let mut told = Map::new();
        if self.method {
            told.insert("request_method".into(), lossy(exchange.request.method).into());
        }
        if self.headers {
            told.insert("request_headers".into(), described::headers(exchange));
        }
        if self.uri {
            let query = exchange.query();
            let target = [exchange.path, if query.is_some() { b"?" } else { b"" }, query.unwrap_or_default()].concat();
            told.insert("request_uri".into(), lossy(&target).into());
            told.insert("request_uri_args".into(), described::query(query.unwrap_or_default()));
        }
        if self.body {
            self.tell_body(exchange, raw, &mut told);
        }
        Value::Object(told)
    }

    /// Of a kind without arguments, which may not be text, Kong sends base64.
    fn tell_body(&self, exchange: &Exchange<'_, '_>, raw: Option<&[u8]>, told: &mut Map<String, Value>) {
        let kind = exchange.header("content-type");
        let has_arguments = kind.and_then(crate::body::Kind::of).is_some();
        if !has_arguments {
            told.insert("request_body_args".into(), json!({}));
        } else if let Some(arguments) = arguments(exchange) {
            told.insert("request_body_args".into(), arguments);
        }
        if !has_arguments && self.encodes && !kind.is_some_and(|kind| TEXTS.contains(&kind)) {
            told.insert("request_body".into(), STANDARD.encode(raw.unwrap_or_default()).into());
            told.insert("request_body_base64".into(), true.into());
        } else if let Some(raw) = raw {
            told.insert("request_body".into(), lossy(raw).into());
        }
    }

    fn gateway_request(&self, exchange: &Exchange<'_, '_>, raw: Option<&[u8]>) -> Value {
        let (headers, all_headers) = firsts(described::headers(exchange));
        let (query, all_query) = firsts(described::query(exchange.query().unwrap_or_default()));
        let request = exchange.request;
        let path = lossy(&upstream_path(exchange));
        let encodes = self.encodes && raw != Some(b"");
        let body = match raw {
            Some(raw) if !encodes => lossy(raw).into(),
            None if !encodes => Value::Null,
            raw => STANDARD.encode(raw.unwrap_or_default()).into(),
        };
        let host = lossy(&told_host(request.authority));
        let method = lossy(request.method);
        let now_ms = exchange.now_ms();
        let context = json!({
            "path": path, "resourcePath": path, "protocol": lossy(request.protocol), "httpMethod": method,
            "domainName": host, "domainPrefix": host.split('.').next(),
            "identity": {"sourceIp": request.peer, "userAgent": headers.get("user-agent")},
            "requestId": exchange.request_id, "requestTime": common_log_time(now_ms), "requestTimeEpoch": now_ms,
        });
        json!({
            "version": "1.0", "path": path, "httpMethod": method, "headers": headers, "multiValueHeaders": all_headers,
            "pathParameters": {}, "queryStringParameters": query, "multiValueQueryStringParameters": all_query,
            "body": body, "isBase64Encoded": encodes, "requestContext": context,
        })
    }
}

/// Each with its first value, and with the list of all.
fn firsts(all: Value) -> (Map<String, Value>, Map<String, Value>) {
    let Value::Object(all) = all else { return Default::default() };
    let listed = all.into_iter().map(|(name, value)| match value {
        Value::Array(values) => (name, values),
        one => (name, vec![one]),
    });
    let listed: Vec<_> = listed.collect();
    let first = listed.iter().map(|(name, values)| (name.clone(), values.first().cloned().unwrap_or_default()));
    (first.collect(), listed.iter().map(|(name, values)| (name.clone(), values.clone().into())).collect())
}

fn upstream_path(exchange: &Exchange<'_, '_>) -> Vec<u8> {
    let (route, request) = (exchange.route, exchange.path);
    let prefix = &request[..exchange.pattern.matched(request).unwrap_or_default()];
    let base = if route.service.path.is_empty() { "/" } else { &route.service.path };
    path::escape(&path::upstream(request, prefix, base.as_bytes(), route.strip_path)).into_owned()
}

/// The query's arguments, and over them the body's.
fn merged(exchange: &Exchange<'_, '_>) -> Value {
    let mut all = described::query(exchange.query().unwrap_or_default());
    if let (Value::Object(all), Some(Value::Object(body))) = (&mut all, arguments(exchange)) {
        all.extend(body);
    }
    all
}

fn arguments(exchange: &Exchange<'_, '_>) -> Option<Value> {
    match exchange.body {
        Body::Whole(kind, bytes) => Content::new(kind, bytes).members(),
        Body::Pending | Body::Unusable => None,
    }
}

/// `29/Feb/2024:13:14:15 +0000`.
fn common_log_time(now_ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
    // `Thu, 29 Feb 2024 13:14:15 GMT`: always as long.
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
    format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25])
}
