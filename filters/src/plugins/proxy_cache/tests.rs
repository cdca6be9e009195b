//! The cache as a client sees it, on a fake stream, and its bounds.

use crate::copying::BodyCopy;
use crate::gateway::{Filter, Flow};
use crate::metrics::traffic::ROUTES;
use crate::plugins::proxy_cache::gather::Gathering;
use crate::plugins::proxy_cache::store::{Answer, STORE, Store};
use crate::plugins::rate_limiting::counters::Counters;

use crate::stream::testing::Fake;
use crate::testing::{choice, plugins as on_route, received, state};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const JSON: (&str, &str) = ("content-type", "application/json");

fn config(extra: &Value) -> Value {
    let mut config = json!({
        "response_code": [200, 301, 404], "request_method": ["GET", "HEAD"],
        "content_type": ["text/plain", "application/json"], "cache_ttl": 300,
        "response_headers": {"age": true, "X-Cache-Status": true, "X-Cache-Key": true},
        "memory": {"dictionary_name": "kong_db_cache"},
    });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    config
}

/// A route with these plugins, at some time (Unix seconds). Each test asks for paths of its own: what is kept is kept
/// for all of the process.
struct Site {
    plugins: Value,
    now_s: f64,
}

impl Site {
    fn new(extra: &Value) -> Self {
        Self::with(&[("proxy-cache", config(extra))])
    }

    fn with(plugins: &[(&str, Value)]) -> Self {
        Self { plugins: on_route(plugins), now_s: 1000.0 }
    }

    fn at(mut self, now_s: f64) -> Self {
        self.now_s = now_s;
        self
    }

    fn asked(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> (Filter, Fake, Flow) {
        let mut extra = self.plugins.clone();
        extra["settings"] = json!({"compat": "kong-3", "server_token": "kong/3.9.1",
            "clock": {}});
        extra["settings"]["clock"]["now_ms"] = json!((self.now_s * 1000.0) as i64);
        let mut stream = Fake::request(method, target, headers);
        let mut filter = Filter::new(choice(&state(&extra), &stream), None, Box::leak(Box::new(Counters::new())));
        let flow = filter.on_request_headers(&mut stream, true);
        (filter, stream, flow)
    }

    /// The upstream answers, if it is asked.
    fn answered(&self, method: &str, target: &str, sent: &[(&str, &str)], upstream: &[(&str, &str)]) -> Fake {
        self.told(method, target, sent, upstream, b"hello world, hello again")
    }

    fn told(&self, method: &str, target: &str, sent: &[(&str, &str)], upstream: &[(&str, &str)], body: &[u8]) -> Fake {
        let (mut filter, mut stream, flow) = self.asked(method, target, sent);
        if flow == Flow::Continue {
            let has_status = upstream.iter().any(|(name, _)| *name == ":status");
            let status = (!has_status).then_some((":status", "200"));
            let lines = status.iter().chain(upstream);
            stream.response = lines.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            let is_short = body.is_empty() || method == "HEAD";
            filter.on_response_headers(&mut stream, is_short);
            if !is_short {
                let (first, second) = body.split_at(body.len() / 2);
                stream.response_chunk = first.to_vec();
                filter.on_response_body(&mut stream, false);
                stream.response_chunk = second.to_vec();
                filter.on_response_body(&mut stream, true);
            }
        }
        stream
    }

    fn status(&self, method: &str, target: &str, sent: &[(&str, &str)]) -> String {
        one(&self.answered(method, target, sent, &[JSON]), "x-cache-status")
    }
}

fn one(stream: &Fake, name: &str) -> String {
    received(stream, name).join("|")
}

fn body(stream: &Fake) -> &str {
    &stream.reply.as_ref().unwrap().2
}

#[test]
fn what_it_finds_is_counted_by_route() {
    let mut site = Site::new(&json!({}));
    site.plugins["route"]["id"] = json!("counted-by-cache");
    let found = ["GET", "GET", "GET", "POST"].map(|method| site.status(method, "/s/counted", &[]));
    assert_eq!(found, ["Miss", "Hit", "Hit", "Bypass"]);
    assert_eq!(ROUTES.find("counted-by-cache").unwrap().cached().collect::<Vec<_>>(), [2, 1, 0, 1]);
}

#[test]
fn a_hit_is_told_as_if_it_had_been_proxied() {
    let site = Site::new(&json!({}));
    let upstream = [
        JSON,
        ("server", "echo"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("via", "1.0 other"),
        ("x-kong-upstream-latency", "99"),
        ("x-ratelimit-remaining-minute", "5"),
        ("keep-alive", "timeout=5"),
        ("x-up", "1"),
    ];
    let miss = site.answered("GET", "/s/hit", &[], &upstream);
    assert_eq!((one(&miss, "x-cache-status").as_str(), one(&miss, "x-cache-key").len()), ("Miss", 64));
    assert!(miss.reply.is_none());
    let hit = site.at(1007.9).answered("GET", "/s/hit", &[], &[]);
    for (name, value) in [
        ("x-cache-status", "Hit"),
        ("x-cache-key", &*one(&miss, "x-cache-key")),
        ("age", "7"),
        ("content-type", "application/json"),
        ("content-length", "24"),
        ("server", "echo"),
        ("set-cookie", "a=1|b=2"),
        ("via", "1.1 kong/3.9.1"),
        ("x-kong-upstream-latency", "0"),
        ("x-kong-response-latency", ""),
        ("x-ratelimit-remaining-minute", ""),
        ("keep-alive", ""),
        ("x-up", "1"),
    ] {
        assert_eq!(one(&hit, name), value, "{name}");
    }
    assert_eq!((hit.status(), body(&hit)), (Some(200), "hello world, hello again"));
    assert_eq!((one(&hit, "x-kong-proxy-latency").len(), one(&hit, "x-kong-request-id").len()), (1, 32));
}

#[test]
fn a_hit_copies_no_body() {
    let site = Site::new(&json!({}));
    site.answered("GET", "/s/shared", &[], &[JSON]);
    let bodies = [(); 2].map(|()| site.answered("GET", "/s/shared", &[], &[]).shared.unwrap());
    assert!(Arc::ptr_eq(&bodies[0], &bodies[1]));
}

#[test]
fn what_is_kept() {
    let site = Site::new(&json!({"content_type": ["application/json", "text/*"]}));
    for (number, (method, upstream, told, then)) in [
        ("GET", &[JSON] as &[_], "Miss", "Hit"),
        ("GET", &[JSON, (":status", "404")], "Miss", "Hit"),
        ("GET", &[("content-type", "text/html")], "Miss", "Hit"),
        ("GET", &[JSON, ("cache-control", "no-store"), ("vary", "*")], "Miss", "Hit"),
        ("GET", &[("content-type", "application/json; charset=utf-8")], "Bypass", "Bypass"),
        ("GET", &[JSON, (":status", "500")], "Bypass", "Bypass"),
        ("GET", &[JSON, (":status", "206")], "Bypass", "Bypass"),
        ("GET", &[JSON, ("content-type", "text/html")], "Bypass", "Bypass"),
        ("GET", &[("content-type", "")], "Bypass", "Bypass"),
        ("GET", &[], "Bypass", "Bypass"),
        ("POST", &[JSON], "Bypass", "Bypass"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/s/kept/{number}");
        let first = site.answered(method, &path, &[], upstream);
        assert_eq!(one(&first, "x-cache-status"), told, "{upstream:?}");
        let second = site.answered(method, &path, &[], upstream);
        assert_eq!(one(&second, "x-cache-status"), then, "{upstream:?}");
        assert_eq!(one(&second, "x-cache-key").is_empty(), method == "POST", "{upstream:?}");
    }
}

#[test]
fn what_does_not_come_whole_is_not_kept() {
    let site = Site::new(&json!({}));
    let begin = |path: &str| {
        let (mut filter, mut stream, _) = site.asked("GET", path, &[]);
        stream.response = vec![(":status".into(), b"200".to_vec()), (JSON.0.into(), JSON.1.into())];
        filter.on_response_headers(&mut stream, false);
        stream.response_chunk = b"hello".to_vec();
        filter.on_response_body(&mut stream, false);
        (filter, stream)
    };
    drop(begin("/s/cut"));
    let (mut filter, mut stream) = begin("/s/trailers");
    filter.on_response_trailers(&mut stream);
    let (mut filter, mut stream, _) = site.asked("GET", "/s/refused", &[]);
    filter.on_local_reply(503, b"upstream_reset_before_response_started{connection_termination}");
    stream.response = vec![(":status".into(), b"503".to_vec())];
    filter.on_response_headers(&mut stream, false);
    assert_eq!(one(&stream, "x-cache-status"), "Bypass");
    for path in ["/s/cut", "/s/trailers", "/s/refused"] {
        assert_eq!(site.status("GET", path, &[]), "Miss", "{path}");
    }
}

#[test]
fn what_makes_the_key() {
    let site = Site::with(&[
        ("key-auth", json!({"anonymous": "nobody"})),
        ("proxy-cache", config(&json!({"vary_headers": ["X-Lang", "x-b"]}))),
    ]);
    for (target, headers, status) in [
        ("/s/key", &[] as &[_], "Miss"),
        ("/s/key", &[], "Hit"),
        ("/s/key", &[("authorization", "x")], "Hit"),
        ("/s/key?", &[], "Hit"),
        ("/s/Key", &[], "Miss"),
        ("/s/%6bey", &[], "Miss"),
        ("/s/key?a=1&b=2", &[], "Miss"),
        ("/s/key?b=2&a=1", &[], "Hit"),
        ("/s/key?b=2&%61=1", &[], "Hit"),
        ("/s/key?a=1&a=2", &[], "Miss"),
        ("/s/key?a=2&a=1", &[], "Hit"),
        ("/s/key?a=1,2", &[], "Miss"),
        ("/s/key?a", &[], "Miss"),
        ("/s/key?a=", &[], "Miss"),
        ("/s/key", &[("x-lang", "de")], "Miss"),
        ("/s/key", &[("x-lang", "de"), ("x-other", "1")], "Hit"),
        ("/s/key", &[("x-lang", "en")], "Miss"),
        ("/s/key", &[("x-b", "de")], "Miss"),
        ("/s/key", &[("x-lang", "de"), ("x-lang", "en")], "Miss"),
        ("/s/key", &[("x-lang", "en"), ("x-lang", "de")], "Hit"),
        ("/s/key", &[("apikey", "ann-key")], "Miss"),
        ("/s/key", &[("apikey", "vip-key")], "Miss"),
        ("/s/key", &[("apikey", "ann-key")], "Hit"),
        ("/s/key", &[("apikey", "wrong")], "Hit"),
    ] {
        assert_eq!(site.status("GET", target, headers), status, "{target} {headers:?}");
    }
    assert_eq!(site.status("HEAD", "/s/key", &[]), "Miss");
}

#[test]
fn only_named_arguments_and_no_case() {
    let site = Site::new(&json!({"vary_query_params": ["q"], "ignore_uri_case": true}));
    for (target, status) in [
        ("/s/Some/Path?q=1&z=1", "Miss"),
        ("/s/some/PATH?z=2&q=1", "Hit"),
        ("/s/some/path?q=2", "Miss"),
        ("/s/some/path?Q=1", "Miss"),
        ("/s/some/path", "Hit"),
    ] {
        assert_eq!(site.status("GET", target, &[]), status, "{target}");
    }
}

#[test]
fn dictionaries_and_earlier_plugins_count() {
    let other = Site::new(&json!({"memory": {"dictionary_name": "prometheus_metrics"}}));
    let changed = |config: Value| {
        Site::with(&[("request-transformer", config), ("proxy-cache", self::config(&json!({"vary_headers": ["x-a"]})))])
    };
    assert_eq!(Site::new(&json!({})).status("GET", "/s/dictionary", &[]), "Miss");
    assert_eq!(other.status("GET", "/s/dictionary", &[]), "Miss");
    let add = changed(json!({"add": {"headers": ["x-a:1"], "querystring": ["b:2"]}}));
    assert_eq!(add.status("GET", "/s/changed", &[]), "Miss");
    let plain = changed(json!({}));
    assert_eq!(plain.status("GET", "/s/changed", &[]), "Miss");
    assert_eq!(plain.status("GET", "/s/changed?b=2", &[("x-a", "1")]), "Hit");
    let method = changed(json!({"http_method": "POST"}));
    assert_eq!(method.status("GET", "/s/changed", &[]), "Bypass");
}

#[test]
fn time_passes() {
    for (path, extra, later) in [
        ("/s/ttl", json!({"cache_ttl": 1}), &[(0.9, "Hit"), (1.0, "Miss"), (1.9, "Hit")] as &[_]),
        ("/s/kept-longer", json!({"cache_ttl": 2, "storage_ttl": 10}), &[(2.0, "Hit"), (3.0, "Refresh"), (4.0, "Hit")]),
        ("/s/kept-shorter", json!({"cache_ttl": 20, "storage_ttl": 1}), &[(1.0, "Miss")]),
        ("/s/for-ever", json!({"cache_ttl": 1_000_000_000, "storage_ttl": 0}), &[(1e8, "Hit")]),
    ] {
        assert_eq!(Site::new(&extra).status("GET", path, &[]), "Miss", "{path}");
        for (passed, status) in later {
            assert_eq!(Site::new(&extra).at(1000.0 + passed).status("GET", path, &[]), *status, "{path} {passed}");
        }
    }
}

#[test]
fn cache_control_of_requests() {
    let extra = json!({"cache_control": true, "storage_ttl": 1000});
    let upstream = [JSON, ("cache-control", "max-age=10")];
    let asked = |path: &str, now_s: f64, told: &str| {
        let site = Site::new(&extra).at(now_s);
        one(&site.answered("GET", path, &[("cache-control", told)], &upstream), "x-cache-status")
    };
    for (number, (told, after, status)) in [
        ("max-age=5", 5.0, "Hit"),
        ("max-age=5", 6.0, "Refresh"),
        ("max-stale=5", 15.0, "Hit"),
        ("max-stale=5", 16.0, "Refresh"),
        ("max-stale", 500.0, "Hit"),
        ("min-fresh=5", 5.0, "Hit"),
        ("min-fresh=5", 6.0, "Refresh"),
        ("no-store", 0.0, "Bypass"),
        ("no-cache", 0.0, "Bypass"),
        ("only-if-cached", 0.0, "Hit"),
        ("max-age=nonsense", 1.0, "Refresh"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/s/asked/{number}");
        assert_eq!(asked(&path, 1000.0, ""), "Miss");
        assert_eq!(asked(&path, 1000.0 + after, told), status, "{told} {after}");
    }
}

#[test]
fn only_what_is_cached_is_wanted() {
    let site = Site::new(&json!({"cache_control": true}));
    let stream = site.answered("GET", "/s/only", &[("cache-control", "only-if-cached")], &[]);
    assert_eq!((stream.status(), one(&stream, "x-cache-status").as_str()), (Some(504), ""));
    assert_eq!((one(&stream, "x-cache-key").len(), one(&stream, "x-kong-response-latency").len()), (64, 1));
    assert!(body(&stream).starts_with("The upstream server is timing out\nrequest_id: "), "{}", body(&stream));
}

#[test]
fn cache_control_of_responses() {
    let site = Site::new(&json!({"cache_control": true}));
    for (number, (name, value, status)) in [
        ("cache-control", "max-age=60", "Miss"),
        ("cache-control", "s-maxage=60, max-age=0", "Miss"),
        ("cache-control", "public", "Bypass"),
        ("cache-control", "max-age=60, private", "Bypass"),
        ("cache-control", "max-age=60, no-store", "Bypass"),
        ("cache-control", "max-age=60, no-cache", "Bypass"),
        ("cache-control", "max-age=0", "Bypass"),
        ("cache-control", "max-age=60, s-maxage=0", "Bypass"),
        ("expires", "Thu, 01 Jan 1970 00:20:00 GMT", "Miss"),
        ("expires", "Thu, 01 Jan 1970 00:16:40 GMT", "Bypass"),
        ("x-a", "1", "Bypass"),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = site.answered("GET", &format!("/s/told/{number}"), &[], &[JSON, (name, value)]);
        assert_eq!(one(&stream, "x-cache-status"), status, "{name}: {value}");
    }
}

#[test]
fn headers_are_told_as_configured_or_to_who_debugs() {
    let site = Site::new(&json!({"response_headers": {"age": false, "X-Cache-Status": false, "X-Cache-Key": false}}));
    for (sent, is_told) in [(&[] as &[_], false), (&[("kong-debug", "1")], true)] {
        for upstream in [&[JSON] as &[_], &[]] {
            let stream = site.answered("GET", &format!("/s/told-{is_told}-{}", upstream.len()), sent, upstream);
            assert_eq!(one(&stream, "x-cache-status").is_empty(), !is_told);
            assert_eq!(one(&stream, "x-cache-key").is_empty(), !is_told);
        }
        let hit = site.answered("GET", &format!("/s/told-{is_told}-1"), sent, &[]);
        assert_eq!(hit.status(), Some(200));
        for name in ["age", "x-cache-status", "x-cache-key"] {
            assert_eq!(one(&hit, name).is_empty(), !is_told, "{name}");
        }
    }
}

#[test]
fn a_head_is_kept_by_itself_with_the_length_that_was_told() {
    let site = Site::new(&json!({}));
    for status in ["Miss", "Hit"] {
        let stream = site.answered("HEAD", "/s/head", &[], &[JSON, ("content-length", "4711")]);
        assert_eq!(
            (one(&stream, "x-cache-status").as_str(), one(&stream, "content-length").as_str()),
            (status, "4711")
        );
    }
    let hit = site.answered("HEAD", "/s/head", &[], &[]);
    assert_eq!(body(&hit), "");
}

#[test]
fn an_answer_without_a_body_is_kept() {
    let site = Site::new(&json!({}));
    let upstream = [(":status", "301"), ("content-type", "text/plain"), ("location", "/x")];
    site.told("GET", "/s/moved", &[], &upstream, b"");
    let hit = site.told("GET", "/s/moved", &[], &[], b"");
    assert_eq!(
        (hit.status(), one(&hit, "location").as_str(), one(&hit, "content-length").as_str()),
        (Some(301), "/x", "0")
    );
}

#[test]
fn who_has_it_already_gets_no_body() {
    let site = Site::new(&json!({}));
    let upstream =
        [JSON, ("etag", "\"a\""), ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"), ("content-encoding", "gzip")];
    site.answered("GET", "/s/tag", &[], &upstream);
    for (headers, status) in [
        (&[("if-none-match", "\"b\", W/\"a\"")] as &[_], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"b\"")], 200),
        (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], 304),
        (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:01 GMT")], 200),
        (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"), ("if-none-match", "\"b\"")], 200),
        (&[("range", "bytes=0-1")], 200),
    ] {
        let hit = site.answered("GET", "/s/tag", headers, &[]);
        let is_whole = status == 200;
        assert_eq!((hit.status(), body(&hit).len()), (Some(status), if is_whole { 24 } else { 0 }), "{headers:?}");
        assert_eq!(one(&hit, "x-cache-status"), "Hit");
        assert_eq!(one(&hit, "content-length"), if is_whole { "24" } else { "" });
        assert_eq!(one(&hit, "content-encoding"), if is_whole { "gzip" } else { "" });
        assert_eq!(one(&hit, "etag"), "\"a\"");
    }
}

#[test]
fn earlier_plugins_change_what_is_kept() {
    let transform = json!({"add": {"json": ["b:2"], "headers": ["x-added:1"]}, "append": {"headers": ["x-more:1"]}});
    let site = Site::with(&[("response-transformer", transform), ("proxy-cache", config(&json!({})))]);
    let first = site.told("GET", "/s/changed-body", &[], &[JSON], br#"{"a":1}"#);
    assert_eq!(first.response_body, br#"{"a":1,"b":"2"}"#);
    let hit = site.told("GET", "/s/changed-body", &[], &[], b"");
    assert_eq!((body(&hit), one(&hit, "content-length").as_str()), (r#"{"a":1,"b":"2"}"#, "15"));
    // Kong's plugins run again on what is kept.
    assert_eq!((one(&hit, "x-added"), one(&hit, "x-more")), ("1".into(), "1|1".into()));
}

#[test]
fn limits_are_those_of_this_request_but_for_what_was_kept() {
    let site = Site::with(&[("rate-limiting", json!({"hour": 5})), ("proxy-cache", config(&json!({})))]);
    let miss = site.answered("GET", "/s/limits", &[], &[JSON]);
    let hit = site.at(1010.0).answered("GET", "/s/limits", &[], &[]);
    for name in ["ratelimit-limit", "x-ratelimit-limit-hour", "ratelimit-reset"] {
        assert_eq!(one(&hit, name), one(&miss, name), "{name}");
    }
    assert_eq!((one(&hit, "ratelimit-remaining").as_str(), one(&hit, "x-cache-status").as_str()), ("4", "Hit"));
}

fn answer(body: &[u8]) -> Answer {
    Answer {
        status: 200,
        headers: vec![("x-a".into(), b"1".as_slice().into())],
        body: Arc::new(body.to_vec()),
        told_length: None,
        given_s: 0,
        ttl_s: 1.0,
        expires_ms: None,
    }
}

#[test]
fn what_is_too_large_passes_uncached() {
    let store: &'static Store = Box::leak(Box::new(Store::new(16 * 1024 * 128)));
    assert_eq!(store.largest(), 16 * 1024);
    assert!(Gathering::new(store, [0; 32], answer(b""), Some(16 * 1024 + 1)).is_none());
    let mut growing = Gathering::new(store, [0; 32], answer(b""), None).unwrap();
    assert!(growing.add(&[0; 16 * 1024]) && !growing.add(&[0]));
    drop(growing);
    let mut fitting = Box::new(Gathering::new(store, [0; 32], answer(b""), Some(9000)).unwrap());
    assert!([4500; 2].iter().all(|size| fitting.add(&vec![7; *size])));
    assert_eq!(store.sizes().2, 9000);
    fitting.finish();
    assert_eq!((store.sizes().0, store.sizes().2), (1, 0));
    assert_eq!(store.get(&[0; 32], 0).unwrap().body.capacity(), 9000);
}

#[test]
fn one_client_cannot_hold_all_room_for_what_is_on_its_way() {
    let store: &'static Store = Box::leak(Box::new(Store::new(16 * 1024 * 128)));
    let mut held: Vec<_> = (0..40).map(|_| Gathering::new(store, [0; 32], answer(b""), None).unwrap()).collect();
    let taken = held.iter_mut().filter_map(|one| one.add(&[0; 16 * 1024]).then_some(())).count();
    assert_eq!((taken, store.sizes().2), (32, 512 * 1024));
    drop(held);
    assert_eq!(store.sizes().2, 0);
}

#[test]
fn threads_share_one_store() {
    let store: &'static Store = Box::leak(Box::new(Store::new(1 << 20)));
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for number in 0..2000_u16 {
                    let mut key = [0; 32];
                    key[..2].copy_from_slice(&(number % 50).to_be_bytes());
                    if store.get(&key, 0).is_none() || thread == 0 {
                        store.put(key, answer(&number.to_be_bytes().repeat(100)));
                    }
                    if number % 97 == 0 {
                        store.purge(&key);
                    }
                }
            });
        }
    });
    let (count, bytes, _) = store.sizes();
    assert!(count <= 50 && bytes <= 1 << 20);
    store.flush();
    assert_eq!(store.sizes(), (0, 0, 0));
}

#[test]
fn the_process_has_one() {
    let site = Site::new(&json!({}));
    let key = one(&site.answered("GET", "/s/by-key", &[], &[JSON]), "x-cache-key");
    let key = hex::decode(key).unwrap().try_into().unwrap();
    assert!(STORE.purge(&key));
    assert_eq!(site.status("GET", "/s/by-key", &[]), "Miss");
}

proptest! {
    /// Whatever comes, the bytes stay within bounds, and what was asked for lately stays longest.
    #[test]
    fn the_store_keeps_to_its_bytes(puts in prop::collection::vec((any::<u8>(), 0..3000_usize), 1..600)) {
        let store = Store::new(4_000 * 128);
        for (key, size) in puts {
            store.put([key; 32], answer(&vec![0; size]));
            let (count, bytes, _) = store.sizes();
            prop_assert!(bytes <= 512_000 && count <= 256);
            prop_assert_eq!(store.get(&[key; 32], 0).map(|found| found.body.len()), Some(size));
        }
        store.allow(0);
        store.put([0; 32], answer(b""));
        (0..=255).for_each(|key| _ = store.purge(&[key; 32]));
        prop_assert_eq!(store.sizes(), (0, 0, 0));
    }
}

#[test]
fn refused() {
    for (extra, reason) in [
        (json!({"cache_ttl": 0}), "must be positive"),
        (json!({"storage_ttl": -1}), "not negative"),
        (json!({"vary_headers": [""]}), "a name is empty"),
        (json!({"response_code": [70000]}), "not valid"),
    ] {
        let error = crate::plugins::parse("proxy-cache", config(&extra)).unwrap_err().to_string();
        assert!(error.contains(reason), "{extra}: {error}");
    }
    let invalid = config(&json!({"content_type": ["text/plain;", ""]}));
    assert!(crate::plugins::parse("proxy-cache", invalid).is_ok());
}
