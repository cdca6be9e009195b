//! The copy of a request that `echo` answers with.

use crate::body::{Content, lossy};
use crate::exchange::{Body, Exchange, RawBody};
use crate::plugins::described;
use crate::request::told_host;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static NODE: LazyLock<String> = LazyLock::new(|| {
    let id = hex::encode(fastrand::u128(..).to_be_bytes());
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
});

/// The machine's name, read once.
static HOST_NAME: LazyLock<String> = LazyLock::new(|| {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".into(), |name| name.trim().into())
});

pub fn body(exchange: &Exchange<'_, '_>, message: Option<&str>) -> Vec<u8> {
    let mut echo = Map::new();
    if let Some(message) = message {
        echo.insert("message".into(), message.into());
    }
    echo.insert("kong".into(), json!({"node_id": &*NODE, "worker_pid": std::process::id(), "hostname": &*HOST_NAME}));
    echo.insert("request".into(), request(exchange));
    let (route, service) = (exchange.route, &exchange.route.service);
    echo.insert("matched_route".into(), json!({"id": route.id, "strip_path": route.strip_path}));
    echo.insert("matched_service".into(), json!({"id": service.id, "path": service.path}));
    Value::Object(echo).to_string().into_bytes()
}

fn request(exchange: &Exchange<'_, '_>) -> Value {
    let request = exchange.request;
    let mut members = json!({
        "scheme": if request.is_tls { "https" } else { "http" },
        "host": lossy(&told_host(request.authority)),
        "port": request.local_port,
        "method": lossy(request.method),
        "path": lossy(exchange.path),
        "headers": described::headers(exchange),
        "query": described::query(exchange.query().unwrap_or_default()),
    });
    if let RawBody::Whole(bytes) = exchange.raw_body {
        members["raw_body"] = lossy(bytes).into();
    }
    if let Body::Whole(kind, bytes) = exchange.body
        && let Some(found) = Content::new(kind, bytes).members()
    {
        members["body"] = found;
    }
    members
}
