//! Records of whole requests, on a fake stream.

use crate::gateway::{Filter, Flow};
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// No record is longer, whatever a client sends: Envoy takes 60 KiB of headers at most.
const LONGEST: usize = 1024 * 1024;

/// A place of its own for each test.
fn path() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("crossfade-record-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    path.to_str().unwrap().to_owned()
}

/// A state with these plugins, and file-log behind them.
fn logged(path: &str, others: &[(&str, Value)], config: Value, extra: Value) -> Value {
    let mut log = json!({"path": path});
    log.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let all: Vec<_> = others.iter().cloned().chain([("file-log", log)]).collect();
    let mut state = plugins(&all);
    let entities = json!({"route": {"id": "r", "name": "one\n"}, "service": {"id": "s"}});
    state["route"]["logged"] = entities;
    state.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    state
}

/// The request's way to its end, with an answer of the service where nobody else gives one.
fn ended(mut filter: Filter, stream: &mut Fake, answer: &[(&str, &str)]) {
    if filter.on_request_headers(stream, true) == Flow::Continue {
        let headers = [(":status", "200")].into_iter().chain(answer.iter().copied());
        stream.response = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        filter.on_response_headers(stream, true);
    } else if let Some((status, headers, _)) = stream.reply.take() {
        let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
        stream.response =
            [(":status".to_owned(), status.to_string().into_bytes())].into_iter().chain(headers).collect();
        filter.on_response_headers(stream, true);
    }
    filter.on_stream_complete(stream);
}

fn record_of(state: &Value, path: &str, mut stream: Fake, answer: &[(&str, &str)]) -> Value {
    ended(filter(state, &stream), &mut stream, answer);
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(text.ends_with("}\n"));
    std::fs::remove_file(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_request_that_the_service_answers() {
    let path = path();
    let state = logged(&path, &[], json!({}), json!({}));
    let headers = [("x-a", "1"), ("x-a", "2"), ("authorization", "Basic QQ=="), ("x-forwarded-proto", "http")];
    let stream = Fake::request("GET", "/s/x?a=1&a=%20&b&c=", &headers);
    let record = record_of(&state, &path, stream, &[("server", "echo"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    let request = &record["request"];
    assert_eq!(request["uri"], "/s/x?a=1&a=%20&b&c=");
    assert_eq!(request["url"], "http://gw.test:8000/s/x?a=1&a=%20&b&c=");
    assert_eq!(request["querystring"], json!({"a": ["1", " "], "b": true, "c": ""}));
    assert_eq!(request["headers"], json!({"host": "gw.test", "x-a": ["1", "2"], "authorization": "REDACTED"}));
    assert_eq!(record["upstream_uri"], "/x?a=1&a=%20&b&c=");
    assert_eq!(record["upstream_status"], "502, 200");
    assert_eq!(record["response"]["headers"]["set-cookie"], json!(["a=1", "b=2"]));
    assert_eq!(record["response"]["status"], 200);
    assert_eq!((&record["route"]["name"], &record["service"]["id"]), (&json!("one\n"), &json!("s")));
    let tries = record["tries"].as_array().unwrap();
    assert_eq!(
        (&tries[0]["state"], &tries[0]["code"], &tries[0]["ip"]),
        (&json!("failed"), &json!(502), &json!("192.0.2.8"))
    );
    assert_eq!((&tries[1]["state"], &tries[1]["port"]), (&Value::Null, &json!(80)));
    assert_eq!((&record["source"], &record["client_ip"]), (&json!("upstream"), &json!("192.0.2.1")));
    for number in ["kong", "proxy", "request", "receive"] {
        assert!(record["latencies"][number].is_u64(), "{number}");
    }
}

#[test]
fn a_request_that_a_plugin_stops() {
    let path = path();
    let state = logged(&path, &[("key-auth", json!({}))], json!({}), json!({}));
    let record = record_of(&state, &path, Fake::request("GET", "/s?apikey=nope&x=1", &[]), &[]);
    assert_eq!(record["response"]["status"], 401);
    assert_eq!(record["tries"], json!([]));
    assert_eq!((&record["latencies"]["proxy"], &record["source"]), (&json!(-1), &json!("kong")));
    assert_eq!((&record["upstream_status"], &record["upstream_uri"]), (&json!(""), &json!("/?apikey=REDACTED&x=1")));
    assert_eq!(record["consumer"], Value::Null);
    assert_eq!(record["request"]["querystring"], json!({"apikey": "REDACTED", "x": "1"}));
}

#[test]
fn keys_are_not_told_unless_records_are_those_of_kong_2() {
    let path = path();
    let extra = |compat: &str| json!({"settings": {"compat": compat}});
    let auth = [("key-auth", json!({})), ("session", session())];
    let headers = [("apikey", "ann-key"), ("cookie", "a=1; sid=s3cret")];
    let ask = || Fake::request("GET", "/s", &headers);
    let state = logged(&path, &auth, json!({}), extra("kong-3"));
    let record = record_of(&state, &path, ask(), &[("set-cookie", "sid=s3cret; Path=/")]);
    assert!(!record.to_string().contains("s3cret") && !record.to_string().contains("ann-key"), "{record}");
    assert_eq!(record["request"]["headers"]["cookie"], "a=1; sid=REDACTED");
    assert_eq!(record["consumer"], json!({"id": "c-ann", "username": "ann", "custom_id": "A-1"}));
    assert_eq!(record["authenticated_entity"], json!({"id": "k-ann"}));
    let state = logged(&path, &auth, json!({}), extra("kong-2.1"));
    let record = record_of(&state, &path, ask(), &[]);
    assert_eq!(record["request"]["headers"]["apikey"], "ann-key");
    assert!(record["request"]["size"].is_string());
    for missing in ["upstream_status", "source", "workspace"] {
        assert_eq!(record[missing], Value::Null);
    }
}

fn session() -> Value {
    json!({
        "secret": "s", "audience": "default", "idling_timeout": 900, "rolling_timeout": 3600, "absolute_timeout": 86400,
        "stale_ttl": 10, "cookie_name": "sid", "cookie_path": "/", "cookie_domain": null, "cookie_same_site": "Strict",
        "cookie_http_only": true, "cookie_secure": true, "remember": false, "remember_cookie_name": "remember",
        "remember_rolling_timeout": 604_800, "remember_absolute_timeout": 2_592_000, "response_headers": null,
        "request_headers": null, "read_body_for_logout": false, "logout_methods": ["POST"],
        "logout_query_arg": "session_logout", "logout_post_arg": "session_logout", "hash_subject": false,
        "store_metadata": false, "storage": "cookie",
    })
}

#[test]
fn requests_of_no_route_are_for_plugins_of_all_requests() {
    let path = path();
    let extra = json!({"settings": {"everywhere": ["file-log"]}});
    let state = logged(&path, &[], json!({}), extra);
    let record = record_of(&state, &path, Fake::request("GET", "/nowhere?x=1", &[]), &[]);
    assert_eq!(record["response"]["status"], 404);
    for missing in ["route", "service", "tries"] {
        assert_eq!(record[missing], Value::Null, "{missing}");
    }
    assert_eq!(record["upstream_uri"], "");
    let refused = record_of(&state, &path, Fake::request("TRACE", "/s", &[]), &[]);
    assert_eq!(refused["response"]["status"], 405);
}

#[test]
fn fields_of_functions() {
    let path = path();
    let fields = json!({
        "route": "return nil", "my.nested": "return 42", "path": "return kong.request.get_path()",
        "list": "return {1, 'two', true}", "request.headers.host": "return nil",
        "broken": "return ('x') + 1", "request.method.x": "return 1", "long": "return ('x'):rep(100000)",
    });
    let state = logged(&path, &[], json!({"custom_fields_by_lua": fields}), json!({}));
    let record = record_of(&state, &path, Fake::request("GET", "/s/x", &[]), &[]);
    assert_eq!((&record["route"], &record["my"]), (&Value::Null, &json!({"nested": 42})));
    assert_eq!((&record["path"], &record["list"]), (&json!("/s/x"), &json!([1, "two", true])));
    assert_eq!(record["request"]["headers"], json!({}));
    assert_eq!((&record["broken"], &record["long"]), (&Value::Null, &Value::Null));
    assert_eq!(record["request"]["method"], "GET");
    for refused in [json!({"x": "return +"}), json!({"x": "kong.response.exit(200)"}), json!({"x": 1})] {
        let config = json!({"path": "/dev/null", "custom_fields_by_lua": refused});
        let error = crate::plugins::parse("file-log", config).unwrap_err().to_string();
        assert!(error.starts_with("custom_fields_by_lua.x: "), "{error}");
    }
}

#[test]
fn an_id_that_a_plugin_gives_is_told() {
    let path = path();
    let correlation = ("correlation-id", json!({"header_name": "x-id"}));
    let state = logged(&path, &[correlation], json!({}), json!({}));
    let record = record_of(&state, &path, Fake::request("GET", "/s", &[("x-id", "abc")]), &[]);
    assert_eq!(record["correlation_id"], "abc");
}

#[test]
fn ids_of_traces_are_told_by_their_formats() {
    let path = path();
    let spread =
        json!({"extract": ["b3"], "inject": ["preserve", "w3c", "datadog"], "clear": null, "default_format": "b3"});
    let zipkin = ("zipkin", crate::plugins::zipkin::tests::config(json!({"propagation": spread})));
    let headers = [("x-b3-traceid", "00000000000000ff"), ("x-b3-spanid", "00000000000000cd"), ("x-b3-sampled", "0")];
    for (settings, expected) in [
        (json!({}), json!({"b3": "00000000000000ff", "w3c": "000000000000000000000000000000ff", "datadog": "255"})),
        (json!({"compat": "kong-2.1"}), Value::Null),
    ] {
        let state = logged(&path, std::slice::from_ref(&zipkin), json!({}), json!({"settings": settings}));
        let record = record_of(&state, &path, Fake::request("GET", "/s", &headers), &[]);
        assert_eq!(record["trace_id"], expected);
    }
}

proptest! {
    #[test]
    fn whatever_clients_and_services_send_a_record_is_json_in_one_line(
        target in "/s[ -~é\u{2028}]{0,300}",
        names in proptest::collection::vec("[a-z-]{1,20}", 0..150),
        value in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let path = path();
        let state = logged(&path, &[("key-auth", json!({"anonymous": "nobody"}))], json!({}), json!({}));
        let mut stream = Fake::request("GET", &target, &[]);
        stream.request.extend(names.iter().map(|name| (name.clone(), value.clone())));
        let mut filter = filter(&state, &stream);
        if filter.on_request_headers(&mut stream, true) == Flow::Continue {
            stream.response = vec![(":status".to_owned(), b"200".to_vec()), ("x-a".to_owned(), value)];
            filter.on_response_headers(&mut stream, true);
        }
        filter.on_stream_complete(&stream);
        let written = std::fs::read(&path).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        prop_assert!(written.len() < LONGEST);
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            let read: Result<Value, _> = serde_json::from_slice(line);
            prop_assert!(read.is_ok(), "{:?}", read);
        }
        prop_assert!(written.iter().filter(|byte| **byte == b'\n').count() <= 1);
    }
}
