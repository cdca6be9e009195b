//! The filter as Envoy drives it, on a fake stream.

use crate::gateway::{Filter, Flow};
use crate::plugins::rate_limiting::counters::Counters;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::tables::Settings;
use crate::testing::{answered, choice, filter, passed, plugins, received, state};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

fn key_auth(config: Value) -> Value {
    json!({
        "route": {"steps": [{"order": 1, "candidates": [{"instance": "ka", "rank": 6, "scope": "ka"}]}]},
        "instances": [{"id": "ka", "plugin": "key-auth", "config": config}],
    })
}

#[test]
fn a_missing_key_is_refused_in_kongs_words() {
    let (_, stream, flow) = passed(&key_auth(json!({})), Fake::request("GET", "/s", &[]));
    assert_eq!(flow, Flow::Answered);
    let (status, headers, body) = stream.reply.unwrap();
    assert_eq!(status, 401);
    assert!(headers.contains(&("www-authenticate".into(), "Key".into())));
    assert!(headers.contains(&("server".into(), "kong/3.9.1".into())));
    assert!(body.starts_with("{\n  \"message\":\"No API key found in request\",\n  \"request_id\":\""));
}

#[test]
fn a_consumer_is_told_to_the_upstream() {
    let headers = [("apikey", "ann-key"), ("x-consumer-username", "root"), ("x-anonymous-consumer", "true")];
    let (_, stream, flow) = passed(&key_auth(json!({})), Fake::request("GET", "/s/x", &headers));
    assert_eq!(flow, Flow::Continue);
    for (name, value) in [
        (":path", Some("/x")),
        ("x-consumer-id", Some("c-ann")),
        ("x-consumer-username", Some("ann")),
        ("x-consumer-custom-id", Some("A-1")),
        ("x-credential-identifier", Some("k-ann")),
        ("x-anonymous-consumer", None),
        ("apikey", Some("ann-key")),
    ] {
        assert_eq!(stream.sent(Map::Request, name).as_deref(), value, "{name}");
    }
}

#[test]
fn nobody_pretends_to_be_a_consumer_where_nobody_is_asked() {
    let headers =
        [("x-consumer-username", "root"), ("x_consumer_id", "1"), ("x-consumer-groups", "admin"), ("x-a", "1")];
    let (_, stream, _) = passed(&json!({"route": {}}), Fake::request("GET", "/s", &headers));
    assert_eq!(stream.sent(Map::Request, "x-a").as_deref(), Some("1"));
    for name in ["x-consumer-username", "x_consumer_id", "x-consumer-groups"] {
        assert_eq!(stream.sent(Map::Request, name), None, "{name}");
    }
}

#[test]
fn anonymous_expired_and_preflight() {
    for (config, method, key, status, username) in [
        (json!({}), "GET", "old-key", Some(401), None),
        (json!({"anonymous": "nobody"}), "GET", "old-key", None, Some("nobody")),
        (json!({"anonymous": "c-nobody"}), "GET", "bad", None, Some("nobody")),
        (json!({"anonymous": "ghost"}), "GET", "bad", Some(500), None),
        (json!({"anonymous": "ghost"}), "GET", "ann-key", None, Some("ann")),
        (json!({"run_on_preflight": false}), "OPTIONS", "bad", None, None),
        (json!({"run_on_preflight": false}), "GET", "bad", Some(401), None),
    ] {
        let (_, stream, _) = passed(&key_auth(config.clone()), Fake::request(method, "/s", &[("apikey", key)]));
        assert_eq!(stream.status(), status, "{config} {key}");
        assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), username, "{config} {key}");
    }
}

#[test]
fn a_key_in_the_body_is_waited_for_and_hidden() {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "22")];
    let mut stream = Fake::request("POST", "/s", &headers);
    let mut filter = filter(&key_auth(json!({"key_in_body": true, "hide_credentials": true})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = b"a=1&".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Wait);
    stream.request_body = b"a=1&apikey=ann-key&b=2".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue);
    assert_eq!(stream.request_body, b"a=1&b=2");
    assert_eq!(stream.sent(Map::Request, "content-length").as_deref(), Some("7"));
    assert_eq!(stream.sent(Map::Request, "x-consumer-id").as_deref(), Some("c-ann"));
}

#[test]
fn a_body_too_large_to_search_has_no_key() {
    let mut stream = Fake::request("POST", "/s", &[("content-type", "application/json"), ("content-length", "9")]);
    let mut filter = filter(&key_auth(json!({"key_in_body": true})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = vec![b' '; 600 * 1024];
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Answered);
    assert_eq!(stream.status(), Some(401));
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Answered);
}

#[test]
fn a_body_without_length_gets_one() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&json!({}), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = b"hello chunk".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue);
    assert_eq!(stream.sent(Map::Request, "content-length").as_deref(), Some("11"));
}

#[test]
fn a_body_with_trailers_keeps_its_chunks() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&json!({}), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = b"hello".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Wait);
    assert_eq!(filter.on_request_trailers(&mut stream), Flow::Continue);
    assert_eq!(stream.sent(Map::Request, "content-length"), None);
}

#[test]
fn a_long_body_without_length_streams() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&json!({}), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = vec![0; 65 * 1024];
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Continue);
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue);
    assert_eq!(stream.sent(Map::Request, "content-length"), None);
}

#[test]
fn grpc_and_configured_routes_are_not_gathered() {
    let grpc = Fake::request("POST", "/s", &[("content-type", "application/grpc")]);
    for (extra, mut stream) in
        [(json!({}), grpc), (json!({"route": {"request_buffering": false}}), Fake::request("POST", "/s", &[]))]
    {
        assert_eq!(filter(&extra, &stream).on_request_headers(&mut stream, false), Flow::Continue);
    }
}

/// key-auth with an anonymous consumer, then rate limits: each by name, rank and configuration.
fn limits(candidates: &[(&str, u8, Value)]) -> Value {
    let mut extra = key_auth(json!({"anonymous": "nobody"}));
    let all: Vec<Value> = candidates
        .iter()
        .map(|(id, rank, _)| json!({"instance": id, "rank": rank, "scope": id, "for_carriers": *rank < 5}))
        .collect();
    extra["route"]["steps"].as_array_mut().unwrap().push(json!({"order": 2, "candidates": all}));
    let instances = extra["instances"].as_array_mut().unwrap();
    let made = |(id, _, config): &(&str, u8, Value)| json!({"id": id, "plugin": "rate-limiting", "config": config});
    instances.extend(candidates.iter().map(made));
    instances.push(json!({"id": "of-vip", "plugin": "rate-limiting", "config": {"hour": 900}}));
    extra["own"] = json!([{"order": 2, "instance": "of-vip", "scope": "of-vip"}]);
    extra
}

#[test]
fn the_best_ranked_attachment_for_the_consumer_counts() {
    let candidates =
        [("global", 8, json!({"hour": 8})), ("pair", 2, json!({"hour": 2})), ("route", 6, json!({"hour": 6}))];
    for (key, limit) in [("ann-key", "2"), ("vip-key", "900"), ("none", "6")] {
        let request = Fake::request("GET", "/s", &[("apikey", key)]);
        let (mut filter, mut stream, _) = passed(&limits(&candidates), request);
        filter.on_response_headers(&mut stream, false);
        assert_eq!(stream.sent(Map::Response, "ratelimit-limit").as_deref(), Some(limit), "{key}");
    }
}

#[test]
fn a_consumers_own_plugin_runs_where_the_route_has_none() {
    let mut extra = limits(&[]);
    extra["route"]["steps"].as_array_mut().unwrap().pop();
    let request = Fake::request("GET", "/s", &[("apikey", "vip-key")]);
    let (mut filter, mut stream, _) = passed(&extra, request);
    filter.on_response_headers(&mut stream, false);
    assert_eq!(stream.sent(Map::Response, "ratelimit-limit").as_deref(), Some("900"));
}

#[test]
fn a_groups_plugin_comes_behind_its_members_own() {
    let of = |limit: u32| json!({"hour": limit});
    let mut extra = limits(&[("route", 6, of(6)), ("pair-of-group", 2, of(22)), ("global", 8, of(8))]);
    for (id, limit) in [("of-gold", 50), ("of-silver", 40)] {
        let instances = extra["instances"].as_array_mut().unwrap();
        instances.push(json!({"id": id, "plugin": "rate-limiting", "config": of(limit)}));
    }
    let own = |id: &str| json!([{"order": 2, "instance": id, "scope": id}]);
    extra["consumer_groups"] = json!([
        {"id": "gold", "name": "gold", "own": own("of-gold")},
        {"id": "silver", "name": "silver", "own": own("of-silver")},
        {"id": "paired", "name": "paired", "carries": ["pair-of-group"]},
    ]);
    let member = |name: &str, groups: Value, own: Value| {
        let credentials = json!({"key-auth": [{"id": name, "index": hex::encode(Sha256::digest(name))}]});
        json!({"id": name, "consumer_groups": groups, "own": own, "credentials": credentials})
    };
    extra["consumers"] = json!([
        member("in-gold", json!(["gold", "silver"]), json!([])),
        member("in-silver", json!(["silver"]), json!([])),
        member("with-own", json!(["gold"]), own("of-vip")),
        member("in-pair", json!(["gold", "paired"]), json!([])),
        member("in-nothing", json!(["gold", "gone"]), json!([])),
    ]);
    let cases = [("in-gold", "50"), ("in-silver", "40"), ("with-own", "900"), ("in-pair", "22"), ("in-nothing", "6")];
    for (key, limit) in cases {
        let request = Fake::request("GET", "/s", &[("apikey", key)]);
        let (mut filter, mut stream, _) = passed(&extra, request);
        filter.on_response_headers(&mut stream, false);
        assert_eq!(stream.sent(Map::Response, "ratelimit-limit").as_deref(), Some(limit), "{key}");
    }
    // Where the route has no such plugin, a group's runs all the same.
    extra["route"]["steps"].as_array_mut().unwrap().pop();
    let (mut filter, mut stream, _) = passed(&extra, Fake::request("GET", "/s", &[("apikey", "in-silver")]));
    filter.on_response_headers(&mut stream, false);
    assert_eq!(stream.sent(Map::Response, "ratelimit-limit").as_deref(), Some("40"));
}

#[test]
fn a_plugin_that_is_not_there_closes_the_route() {
    let extra = json!({"route": {"steps": [{"order": 1, "candidates": [{"instance": "x", "rank": 6, "scope": ""}]}]}});
    let (_, stream, flow) = passed(&extra, Fake::request("GET", "/s", &[]));
    assert_eq!((stream.status(), flow), (Some(503), Flow::Answered));
}

#[test]
fn upstream_headers_of_the_same_name_come_second() {
    let extra = limits(&[("route", 6, json!({"hour": 6}))]);
    let (mut filter, mut stream, _) = passed(&extra, Fake::request("GET", "/s", &[]));
    stream.response = vec![("ratelimit-limit".into(), b"77".to_vec()), ("via".into(), b"1.0 origin".to_vec())];
    filter.on_response_headers(&mut stream, false);
    let lines: Vec<_> = stream.response.iter().filter(|(name, _)| name == "ratelimit-limit").collect();
    assert_eq!(lines.iter().map(|(_, value)| value.as_slice()).collect::<Vec<_>>(), [b"6".as_slice(), b"77"]);
    assert_eq!(stream.sent(Map::Response, "via").as_deref(), Some("1.0 origin, 1.1 kong/3.9.1"));
    assert_eq!(stream.sent(Map::Response, "server").as_deref(), Some("kong/3.9.1"));
}

#[test]
fn the_limit_blocks_with_the_configured_words() {
    let config = json!({"minute": 1, "error_code": 420, "error_message": "calm"});
    let mut first = Fake::request("GET", "/s", &[("accept", "text/plain")]);
    let world = state(&limits(&[("i", 6, config)]));
    let counters: &'static Counters = Box::leak(Box::new(Counters::new()));
    let mut filter = Filter::new(choice(&world, &first), None, counters);
    assert_eq!(filter.on_request_headers(&mut first, true), Flow::Continue);
    // The same counters, the next request.
    let mut second = Fake::request("GET", "/s", &[("accept", "text/plain")]);
    let mut next = Filter::new(choice(&world, &second), None, counters);
    assert_eq!(next.on_request_headers(&mut second, true), Flow::Answered);
    let (status, headers, body) = second.reply.unwrap();
    assert_eq!(status, 420);
    assert!(headers.contains(&("retry-after".into(), "20".into())), "{headers:?}");
    assert!(body.starts_with("calm\nrequest_id: "));
}

#[test]
fn envoys_errors_become_kongs() {
    for (details, ends_with_headers, status, via) in [
        ("no_healthy_upstream", false, "503", None),
        ("upstream_reset_before_response_started{connection_termination}", true, "502", Some("1.1 kong/3.9.1")),
        ("response_timeout", false, "504", Some("1.1 kong/3.9.1")),
    ] {
        let request = Fake::request("GET", "/s", &[("accept", "*/*")]);
        let (mut filter, mut stream, _) = passed(&json!({}), request);
        filter.on_local_reply(503, details.as_bytes());
        stream.response = vec![(":status".into(), b"503".to_vec()), ("content-type".into(), b"text/plain".to_vec())];
        filter.on_response_headers(&mut stream, ends_with_headers);
        if !ends_with_headers {
            filter.on_response_body(&mut stream, false);
            filter.on_response_body(&mut stream, true);
        }
        assert_eq!(stream.sent(Map::Response, ":status").as_deref(), Some(status));
        assert_eq!(stream.sent(Map::Response, "via").as_deref(), via);
        let length: usize = stream.sent(Map::Response, "content-length").unwrap().parse().unwrap();
        assert_eq!(stream.response_body.len(), length, "{details}");
        assert!(stream.response_body.starts_with(b"{\n  \"message\":"));
    }
}

#[test]
fn grpc_clients_get_a_grpc_status() {
    let mut stream = Fake::request("POST", "/s", &[("content-type", "application/grpc")]);
    stream.protocol = "HTTP/2".into();
    let (_, stream, _) = passed(&key_auth(json!({})), stream);
    let (status, headers, body) = stream.reply.unwrap();
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(headers.contains(&("grpc-status".into(), "16".into())));
    assert!(headers.contains(&("grpc-message".into(), "Unauthenticated".into())));
}

#[test]
fn routes_of_grpc_say_what_they_take() {
    let over_tls = json!({
        "status": 200, "message": "gRPC request matched gRPCs route", "headers": [["grpc-status", "1"]]
    });
    for (content_type, protocol, status, grpc_status) in [
        ("application/json", "HTTP/2", 415, None),
        ("application/grpc", "HTTP/1.1", 426, None),
        ("application/grpc+proto", "HTTP/2", 200, Some("1")),
    ] {
        let mut stream = Fake::request("POST", "/s", &[("content-type", content_type)]);
        stream.protocol = protocol.into();
        let (_, stream, _) = passed(&json!({"route": {"is_grpc": true, "https_only": over_tls}}), stream);
        assert_eq!(stream.status(), Some(status), "{content_type} {protocol}");
        assert_eq!(received(&stream, "grpc-status"), grpc_status.into_iter().collect::<Vec<_>>());
        // Only as it is does Envoy leave a status to who asks by a content type of gRPC.
        assert_eq!(received(&stream, ":status").is_empty(), content_type == "application/json");
        assert_eq!(received(&stream, "upgrade"), if status == 426 { vec!["HTTP/2"] } else { vec![] });
        if grpc_status.is_some() {
            assert_eq!(received(&stream, "grpc-message"), ["gRPC request matched gRPCs route"]);
        }
    }
}

#[test]
fn no_message_can_end_its_line() {
    let message = "line\r\nx-admin: 1";
    let mut stream = Fake::request("POST", "/s", &[("content-type", "application/grpc")]);
    stream.protocol = "HTTP/2".into();
    let old = json!({"route": {"refusal": message}, "settings": {"compat": "kong-2.1"}});
    let (_, stream, _) = passed(&old, stream);
    let (_, headers, _) = stream.reply.unwrap();
    assert!(headers.contains(&("grpc-message".into(), "line%0D%0Ax-admin: 1".into())), "{headers:?}");
}

#[test]
fn kong_2_1_speaks_as_it_did() {
    let mut extra = key_auth(json!({}));
    extra["settings"] = json!({"compat": "kong-2.1", "server_token": "kong/2.1.4"});
    let (_, stream, _) = passed(&extra, Fake::request("GET", "/s", &[]));
    let (_, headers, body) = stream.reply.unwrap();
    assert_eq!(body, "{\n  \"message\":\"No API key found in request\"\n}");
    assert!(headers.contains(&("www-authenticate".into(), "Key realm=\"kong\"".into())));
    assert!(!headers.iter().any(|(name, _)| name == "x-kong-request-id"));
    let (_, stream, _) = passed(&extra, Fake::request("GET", "/no", &[("accept", "text/html")]));
    assert_eq!(stream.reply.unwrap().2, "{\"message\":\"no Route matched with those values\"}");
}

#[test]
fn a_bad_path_is_a_bad_request() {
    let (_, stream, _) = passed(&json!({}), Fake::request("GET", "/../x", &[]));
    let (status, headers, body) = stream.reply.unwrap();
    assert_eq!(status, 400);
    assert!(headers.contains(&("content-type".into(), "text/plain; charset=utf-8".into())));
    assert!(body.starts_with("Bad request\nrequest_id: "));
}

#[test]
fn a_fault_is_answered_with_500() {
    let mut stream = Fake::request("GET", "/s", &[]);
    let mut filter = filter(&json!({}), &stream);
    filter.fail(&mut stream);
    filter.fail(&mut stream);
    assert_eq!(stream.status(), Some(500));
}

#[test]
fn what_no_route_takes_is_answered() {
    let (_, stream, _) = passed(&json!({}), Fake::request("GET", "/other", &[]));
    let (status, _, body) = stream.reply.unwrap();
    assert_eq!(status, 404);
    assert!(body.contains("no Route matched with those values"));
}

#[test]
fn without_any_state_nothing_passes() {
    let mut stream = Fake::request("GET", "/s", &[]);
    let mut filter = Filter::new(None, None, Box::leak(Box::new(Counters::new())));
    assert_eq!(filter.on_request_headers(&mut stream, true), Flow::Answered);
    assert_eq!(stream.status(), Some(503));
}

#[test]
fn what_envoy_refuses_before_all_else_is_kongs_too() {
    for (status, content_type) in [(400, "text/plain; charset=utf-8"), (501, "text/html; charset=UTF-8")] {
        let settings = Settings::parse(r#"{"compat": "kong-3", "server_token": "kong/3.9.1"}"#).unwrap();
        let mut filter = Filter::new(None, Some(Arc::new(settings)), Box::leak(Box::new(Counters::new())));
        let mut stream = Fake::request("GET", "/", &[]);
        filter.on_local_reply(status, b"http1.codec_error");
        stream.response = vec![(":status".into(), status.to_string().into_bytes())];
        filter.on_response_headers(&mut stream, true);
        assert_eq!(stream.sent(Map::Response, "server").as_deref(), Some("kong/3.9.1"), "{status}");
        assert_eq!(stream.sent(Map::Response, "content-type").as_deref(), Some(content_type), "{status}");
        assert!(!stream.response_body.is_empty(), "{status}");
    }
}

#[test]
fn an_upgrade_that_is_offered_gets_past_envoy() {
    let answer = json!({"status": 426, "message": "m", "headers": [["upgrade", "TLS/1.2, HTTP/1.1"]]});
    for (protocol, connection) in [("HTTP/1.1", Some("keep-alive, Upgrade")), ("HTTP/2", None)] {
        let mut request = Fake::request("GET", "/s", &[]);
        request.protocol = protocol.to_owned();
        let (_, stream, _) = passed(&json!({"route": {"https_only": answer}}), request);
        assert_eq!(received(&stream, "upgrade"), ["TLS/1.2, HTTP/1.1"]);
        assert_eq!(received(&stream, "connection"), connection.into_iter().collect::<Vec<_>>());
        assert_eq!(stream.sent(Map::Request, "upgrade").is_some(), connection.is_some(), "{protocol}");
    }
}

#[test]
fn routes_answer_for_what_they_do_not_take() {
    let upgrade = json!({"status": 426, "message": "Please use HTTPS protocol"});
    for (route, content_type, status) in [
        (json!({"https_only": upgrade}), "", 426),
        (json!({"https_only": {"status": 301, "redirect": "https"}}), "", 301),
        (json!({"refusal": "plugin x cannot be applied"}), "", 503),
        (json!({"is_grpc": true}), "text/plain", 415),
        (json!({"is_grpc": true, "refusal": "no"}), "application/grpc+proto", 426),
    ] {
        let request = Fake::request("GET", "/s", &[("content-type", content_type)]);
        let (_, stream, _) = passed(&json!({"route": route}), request);
        assert_eq!(stream.status(), Some(status), "{route}");
    }
}

#[test]
fn who_serves_is_told_to_who_asks_where_that_is_allowed() {
    let named = json!({"id": "r1", "service": {"id": "s1"}, "names": {"route": "ns.a\n", "service": "ns.b"}});
    let told = ["r1", "ns.a%0A", "s1", "ns.b"].map(str::to_owned).to_vec();
    let refused = json!({"id": "r1", "service": {"id": "s1"}, "names": named["names"], "refusal": "no"});
    for (route, asks, expected) in [
        (&named, true, told.clone()),
        (&refused, true, told),
        (&named, false, vec![]),
        (&json!({"id": "r1"}), true, vec![]),
    ] {
        let headers: &[_] = if asks { &[("kong-debug", "1")] } else { &[] };
        let (mut filter, mut stream, _) =
            passed(&json!({"route": route, "settings": {"tells_names": true}}), Fake::request("GET", "/s", headers));
        if stream.status().is_none() {
            stream.response = vec![(":status".into(), b"200".to_vec())];
            filter.on_response_headers(&mut stream, true);
        }
        let names = ["kong-route-id", "kong-route-name", "kong-service-id", "kong-service-name"];
        let found: Vec<_> = names.into_iter().flat_map(|name| received(&stream, name)).collect();
        assert_eq!(found, expected, "{route} {asks}");
    }
}

#[test]
fn an_upstream_is_asked_for_under_its_own_name() {
    for (tls_name, asked, verified) in [
        (json!(null), None, None),
        (json!({"name": "a.test", "is_verified": false}), Some("a.test"), None),
        (json!({"name": "a.test", "is_verified": true}), Some("a.test"), Some("a.test")),
        (json!({"name": "", "is_verified": true}), Some(""), Some("address.invalid")),
    ] {
        let (_, stream, _) = passed(&json!({"route": {"tls_name": tls_name}}), Fake::request("GET", "/s", &[]));
        assert_eq!((stream.tls_name.as_deref(), stream.verified_name.as_deref()), (asked, verified), "{tls_name}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_when_it_is_announced_or_when_it_has_come() {
    let limited = json!({"settings": {"max_body_bytes": 10}});
    let announced = Fake::request("POST", "/s", &[("content-length", "11"), ("accept", "text/plain")]);
    let (_, stream, flow) = passed(&limited, announced);
    assert_eq!((flow, stream.status()), (Flow::Answered, Some(413)));
    assert!(stream.reply.unwrap().2.starts_with("Payload too large\nrequest_id: "));

    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&limited, &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = vec![b'x'; 10];
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Wait);
    stream.request_body = vec![b'x'; 11];
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Answered);
    assert_eq!(stream.status(), Some(413));
}

#[test]
fn what_has_gone_on_counts_too() {
    let limited = json!({"settings": {"max_body_bytes": 10}, "route": {"request_buffering": false}});
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&limited, &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Continue);
    for (part, expected) in [(6, Flow::Continue), (4, Flow::Continue), (1, Flow::Answered)] {
        stream.request_body = vec![b'x'; part];
        assert_eq!(filter.on_request_body(&mut stream, false), expected);
    }
    assert_eq!(stream.status(), Some(413));
}

#[test]
fn an_answered_request_may_send_on() {
    let limited = json!({"settings": {"max_body_bytes": 10}, "route": {"request_buffering": false}});
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&limited, &stream);
    filter.on_request_headers(&mut stream, false);
    stream.response = vec![(":status".into(), b"200".to_vec())];
    filter.on_response_headers(&mut stream, false);
    stream.request_body = vec![b'x'; 100];
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue);
}

#[test]
fn the_access_log_learns_who_asked() {
    let logged = json!({"settings": {"logs_access": true, "trusted_ips": ["192.0.2.1"]}});
    let (_, stream, _) = passed(&logged, Fake::request("GET", "/s?apikey=x", &[("x-real-ip", "203.0.113.5")]));
    assert_eq!(stream.notes[0], ("client_address".into(), "203.0.113.5".into()));
    assert_eq!(stream.notes[1], ("path".into(), "/s".into()));
    assert_eq!((stream.notes[2].0.as_str(), stream.notes[2].1.len()), ("request_id", 32));
    assert_eq!(passed(&json!({}), Fake::request("GET", "/s", &[])).1.notes, []);
}

#[test]
fn an_answer_may_ask_for_another_protocol() {
    let upgrade = json!({"status": 426, "message": "m", "headers": [["upgrade", "TLS/1.2, HTTP/1.1"]]});
    let (_, stream, _) = passed(&json!({"route": {"https_only": upgrade}}), Fake::request("GET", "/s", &[]));
    assert_eq!(stream.sent(Map::Request, "connection").as_deref(), Some("upgrade"));
    assert!(stream.reply.unwrap().1.contains(&("upgrade".into(), "TLS/1.2, HTTP/1.1".into())));
}

#[test]
fn a_mesh_sees_the_request_as_it_goes_upstream() {
    let route = json!({"route": {"mesh": "mesh-http_9080", "strip_path": true, "host": "Jazz.prod.svc",
        "backends": [{"cluster": "jazz"}]}});
    let headers = [("x-crossfade-mesh-host", "forged"), ("x-crossfade-action", "forged")];
    let (_, stream, flow) = passed(&route, Fake::request("GET", "/s/a?q=1", &headers));
    assert_eq!(flow, Flow::Continue);
    let seen: Vec<_> = stream.chosen_again.unwrap();
    for (name, value) in [
        (":path", "/a?q=1"),
        (":authority", "Jazz.prod.svc"),
        ("x-crossfade-mesh-host", "jazz.prod.svc"),
        ("x-crossfade-action", "mesh-http_9080"),
        ("x-crossfade-cluster", "jazz"),
    ] {
        let values: Vec<_> =
            seen.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice()).collect();
        assert_eq!(values, [value.as_bytes()], "{name}");
    }
    assert!(!seen.iter().any(|(name, _)| name == "connection"));
    assert_eq!(stream.notes, [("mesh".to_owned(), "true".to_owned())]);
}

#[test]
fn without_a_mesh_the_first_choice_counts() {
    let (_, stream, _) = passed(&json!({"route": {}}), Fake::request("GET", "/s", &[]));
    assert_eq!(stream.chosen_again, None);
    assert_eq!(stream.sent(Map::Request, "x-crossfade-action"), None);
}

#[test]
fn what_a_mesh_answers_is_an_upstreams_answer() {
    let route = json!({"route": {"mesh": "m"}});
    for (status, details, is_of_mesh) in [
        (404, "route_not_found", true),
        (503, "no_healthy_upstream", true),
        (504, "response_timeout", true),
        (503, "upstream_reset_before_response_started{connection_termination}", true),
        (404, "direct_response", true),
        (502, "direct_response", false),
        (504, "stream_idle_timeout", false),
    ] {
        let (mut filter, mut stream, _) = passed(&route, Fake::request("GET", "/s", &[]));
        filter.on_local_reply(status, details.as_bytes());
        stream.response = vec![(":status".to_owned(), status.to_string().into_bytes())];
        let _ = filter.on_response_headers(&mut stream, true);
        let server = if is_of_mesh { "envoy" } else { "kong/3.9.1" };
        assert_eq!(stream.sent(Map::Response, "server").as_deref(), Some(server), "{details}");
        assert!(stream.sent(Map::Response, "x-kong-upstream-latency").is_some(), "{details}");
        let is_worded = stream.response_body.starts_with(b"An ") || stream.response_body.starts_with(b"The ");
        assert_eq!(is_worded, !is_of_mesh, "{details}");
    }
}

#[test]
fn an_upgrade_gets_no_body() {
    let all = plugins(&[("post-function", json!({"access": ["kong.service.request.set_raw_body('{}')"]}))]);
    for (headers, length) in [(&[][..], Some("2")), (&[("upgrade", "websocket"), ("connection", "upgrade")], None)] {
        let mut stream = Fake::request("GET", "/s", headers);
        let mut filter = filter(&all, &stream);
        assert_eq!(filter.on_request_headers(&mut stream, headers.is_empty()), Flow::Continue);
        assert_eq!(stream.sent(Map::Request, "content-length").as_deref(), length, "{headers:?}");
        assert_eq!(stream.request_body, length.map_or(&b""[..], |_| b"{}"));
    }
}

#[test]
fn nothing_follows_a_body_that_was_replaced() {
    let all = plugins(&[("post-function", json!({"access": ["kong.service.request.set_raw_body('ours')"]}))]);
    for pieces in [&[10][..], &[10, 10], &[1 << 20, 10]] {
        let mut stream = Fake::request("POST", "/s", &[]);
        let mut filter = filter(&all, &stream);
        assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
        let mut sent = Vec::new();
        for (place, size) in pieces.iter().enumerate() {
            stream.request_body.extend(vec![b'x'; *size]);
            if filter.on_request_body(&mut stream, place + 1 == pieces.len()) == Flow::Continue {
                sent.append(&mut stream.request_body);
            }
        }
        assert_eq!(stream.sent(Map::Request, "content-length").as_deref(), Some("4"), "{pieces:?}");
        assert_eq!(sent, b"ours", "{pieces:?}");
    }
}

#[test]
fn what_sidecars_say_to_the_gateway_no_client_hears() {
    let mark = "x-envoy-upstream-healthchecked-cluster";
    let adding = json!({"add": {"headers": ["x-more:1"]}});
    for extra in [json!({}), plugins(&[("response-transformer", adding)])] {
        let stream =
            answered(&extra, Fake::request("GET", "/s", &[]), &[(mark, "x-crossfade-undelivered"), ("x-own", "1")]);
        assert_eq!(received(&stream, mark), Vec::<String>::new(), "{extra}");
        assert_eq!(received(&stream, "x-own"), ["1"]);
    }
}
