//! The filter as Envoy drives it, on a fake stream: a gateway of one route for the tests of the gateway and its plugins.

use crate::gateway::{Filter, Flow};
use crate::incoming::{Choice, Listener, mutate};
use crate::plugins::rate_limiting::counters::Counters;
use crate::router::Scheme;
use crate::stream::testing::{Fake, text};
use crate::stream::{Map, Stream};
use crate::tables::World;
use crate::tables::testing::world_with;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A state with one route, at `/s`, and three consumers. `extra` has `route`, `settings`, `instances`, `own`, the
/// plugins of the consumer `vip`, `consumers`, further ones, and `consumer_groups`.
pub fn state(extra: &Value) -> Arc<World> {
    let digest = |key: &str| hex::encode(Sha256::digest(key));
    let mut route = json!({
        "id": "r", "service": {"id": "s", "path": "/"}, "strip_path": true, "action": "a",
        "backends": [{"cluster": "c"}],
        "match": {"schemes": ["http"], "paths": [{"rank": "", "kind": "prefix", "text": "/s"}]},
    });
    route.as_object_mut().unwrap().extend(extra["route"].as_object().cloned().unwrap_or_default());
    let or_empty = |value: &Value| if value.is_null() { json!([]) } else { value.clone() };
    let settings = if extra["settings"].is_null() { json!({}) } else { extra["settings"].clone() };
    let mut shard = json!({
        "routes": [route],
        "instances": or_empty(&extra["instances"]),
        "consumer_groups": or_empty(&extra["consumer_groups"]),
        "consumers": [
            {"id": "c-ann", "username": "ann", "custom_id": "A-1", "carries": ["pair"], "credentials": {"key-auth": [
                {"id": "k-ann", "index": digest("ann-key")},
                {"id": "k-old", "index": digest("old-key"), "expires_at": 1000}]}},
            {"id": "c-vip", "username": "vip", "own": or_empty(&extra["own"]), "credentials": {"key-auth": [
                {"id": "k-vip", "index": digest("vip-key")}]}},
            {"id": "c-nobody", "username": "nobody"},
        ],
    });
    shard["consumers"].as_array_mut().unwrap().extend(extra["consumers"].as_array().cloned().unwrap_or_default());
    world_with(&settings, &shard)
}

pub fn choice(world: &Arc<World>, stream: &Fake) -> Option<Choice> {
    let mut headers: BTreeMap<Vec<u8>, Vec<u8>> =
        stream.request.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect();
    mutate(&mut headers, Some(Arc::clone(world)), Listener { scheme: Scheme::Http, port: 8000 })
}

/// Counters of its own for each filter, so that tests do not meet.
pub fn filter(extra: &Value, stream: &Fake) -> Filter {
    counting_filter(extra, stream, Box::leak(Box::new(Counters::new())))
}

pub fn counting_filter(extra: &Value, stream: &Fake, counters: &'static Counters) -> Filter {
    Filter::new(choice(&state(extra), stream), None, counters)
}

/// Plugins on the route by name and configuration, in the order in which they run.
pub fn plugins(plugins: &[(&str, Value)]) -> Value {
    let step = |(order, (name, _)): (usize, &(&str, Value))| json!({"order": order, "candidates": [{"instance": name, "rank": 6, "scope": name}]});
    let instance = |(name, config): &(&str, Value)| json!({"id": name, "plugin": name, "config": config});
    json!({
        "route": {"steps": plugins.iter().enumerate().map(step).collect::<Vec<_>>()},
        "instances": plugins.iter().map(instance).collect::<Vec<_>>(),
    })
}

/// A filter with the state, a request through it, and what became of both.
pub fn passed(extra: &Value, mut stream: Fake) -> (Filter, Fake, Flow) {
    let mut filter = filter(extra, &stream);
    let flow = filter.on_request_headers(&mut stream, true);
    (filter, stream, flow)
}

/// The request is proxied, the upstream answers 200 with these headers, and the plugins have seen them.
pub fn answered(extra: &Value, stream: Fake, upstream: &[(&str, &str)]) -> Fake {
    let (mut filter, mut stream, flow) = passed(extra, stream);
    assert_eq!(flow, Flow::Continue, "{:?}", stream.reply);
    let headers = [(":status", "200")].into_iter().chain(upstream.iter().copied());
    stream.response = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
    filter.on_response_headers(&mut stream, true);
    stream
}

/// All values of a header that the client gets, whoever answers.
pub fn received(stream: &Fake, name: &str) -> Vec<String> {
    let proxied = || stream.headers(Map::Response).iter().map(|(name, value)| (text(name), text(value))).collect();
    let headers = stream.reply.as_ref().map_or_else(proxied, |(_, headers, _)| headers.clone());
    headers.into_iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect()
}
