//! A request as JSON, as earlier plugins have left it: what Kong's `get_headers` and `get_query` give.

use crate::arguments;
use crate::body::{lossy, object_of};
use crate::exchange::Exchange;
use crate::incoming;
use serde_json::Value;

/// Without what is Envoy's own. Names that come several times have a list of their values.
pub fn headers(exchange: &Exchange<'_, '_>) -> Value {
    let is_clients =
        |name: &[u8]| !name.starts_with(b":") && !name.starts_with(b"x-envoy-") && !incoming::is_internal(name);
    let sent = exchange.request.headers.iter().filter(|(name, _)| is_clients(name));
    let sent =
        sent.map(|(name, value)| (lossy(name), *value)).filter(|(name, _)| exchange.upstream.written(name).is_none());
    let host = ("host".to_owned(), exchange.request.authority);
    let written = exchange.upstream.set.iter().map(|change| (change.name.to_string(), change.value.as_slice()));
    object_of([host].into_iter().chain(sent).chain(written).map(|(name, value)| (name, lossy(value).into())))
}

pub fn query(query: &[u8]) -> Value {
    let pairs = arguments::decoded(query);
    object_of(pairs.map(|(name, value)| (lossy(&name), value.map_or(Value::Bool(true), |value| lossy(&value).into()))))
}
