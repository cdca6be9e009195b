//! Limits on what answers use, on a fake stream.

use crate::gateway::{Filter, Flow};
use crate::plugins;
use crate::plugins::rate_limiting::counters::Counters;
use crate::redis::testing::Server;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::tables::World;
use crate::testing::{choice, plugins as on_route, received, state};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Requests one after the other, which all count in the same place.
struct Client {
    extra: Value,
    counters: &'static Counters,
    /// A store's client lives as long as a configuration names it.
    _kept: Arc<World>,
}

impl Client {
    fn new(config: Value) -> Self {
        let extra = on_route(&[("response-ratelimiting", config)]);
        Self { counters: Box::leak(Box::new(Counters::new())), _kept: state(&extra), extra }
    }

    fn request(&self, compat: &str) -> (Filter, Fake, Flow) {
        let mut extra = self.extra.clone();
        extra["settings"] = json!({"compat": compat, "server_token": "kong/3.9.1"});
        let mut stream = Fake::request("GET", "/s", &[]);
        let mut filter = Filter::new(choice(&state(&extra), &stream), None, self.counters);
        let mut flow = filter.on_request_headers(&mut stream, true);
        if flow == Flow::Pause {
            stream.alarm.wait();
            flow = filter.on_scheduled(&mut stream);
        }
        (filter, stream, flow)
    }

    /// The upstream's answer, with this in the plugin's header, as the client gets it.
    fn answer(&self, used: &str) -> Fake {
        let (mut filter, mut stream, flow) = self.request("kong-3");
        assert_eq!(flow, Flow::Continue, "{:?}", stream.reply);
        stream.response = vec![(":status".into(), b"200".to_vec()), ("content-type".into(), b"text/plain".to_vec())];
        if !used.is_empty() {
            stream.response.push(("x-kong-limit".into(), used.as_bytes().to_vec()));
        }
        filter.on_response_headers(&mut stream, false);
        stream.response_chunk = b"hello".to_vec();
        filter.on_response_body(&mut stream, true);
        stream
    }
}

fn told(stream: &Fake, name: &str) -> String {
    received(stream, name).join("|")
}

fn sms(extra: &Value) -> Value {
    let mut config = json!({"limits": {"sms": {"hour": 3}}});
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    config
}

/// A Redis that counts.
fn counting() -> Server {
    let counts = Mutex::new(HashMap::<String, i64>::new());
    Server::start(move |command| {
        let mut counts = counts.lock().unwrap();
        let Some(key) = command.get(3) else {
            return counts
                .get(&command[1])
                .map_or("$-1\r\n".into(), |count| format!("${}\r\n{count}\r\n", count.to_string().len()));
        };
        let count = counts.entry(key.clone()).or_default();
        *count += command[4].parse::<i64>().unwrap();
        format!(":{count}\r\n")
    })
}

#[test]
fn answers_use_up_their_limits() {
    let server = counting();
    let redis = json!({"policy": "redis", "redis": {"host": "127.0.0.1", "port": server.port}});
    for config in [sms(&json!({})), sms(&redis)] {
        let client = Client::new(config);
        for (used, status, before, left, body) in [
            ("", "200", "3", "3", "hello"),
            ("sms", "200", "3", "3", "hello"),
            ("sms=2", "200", "3", "1", "hello"),
            ("sms=1, other=5", "200", "1", "0", "hello"),
            ("sms=1", "429", "0", "0", ""),
            ("", "200", "0", "0", "hello"),
        ] {
            let stream = client.answer(used);
            assert_eq!(told(&stream, ":status"), status, "{used}");
            assert_eq!(told(&stream, "x-ratelimit-remaining-sms"), before, "{used}");
            assert_eq!(told(&stream, "x-ratelimit-remaining-sms-hour"), left, "{used}");
            assert_eq!(told(&stream, "x-ratelimit-limit-sms-hour"), "3");
            assert_eq!(told(&stream, "x-kong-limit"), "");
            assert_eq!([stream.response_body, stream.response_chunk].concat(), body.as_bytes());
        }
    }
    let keys: Vec<_> = server.seen().into_iter().filter(|one| one[0] == "EVAL").map(|one| one[3..].join(" ")).collect();
    let key = "response-ratelimit:response-ratelimiting:192.0.2.1:0:sms:hour";
    assert_eq!(keys, [format!("{key} 2 3600"), format!("{key} 1 3600")]);
}

#[test]
fn the_first_violation_may_block() {
    let config =
        json!({"limits": {"video": {"hour": 1, "day": 5}, "sms": {"day": 9}}, "block_on_first_violation": true});
    let client = Client::new(config);
    let stream = client.answer("video=1");
    assert_eq!(told(&stream, "x-ratelimit-remaining-video"), "1");
    assert_eq!(told(&stream, "x-ratelimit-remaining-video-hour"), "0");
    assert_eq!(told(&stream, "x-ratelimit-remaining-video-day"), "4");
    let (_, stream, flow) = client.request("kong-3");
    assert_eq!(flow, Flow::Answered);
    assert!(received(&stream, "x-ratelimit-remaining-video").is_empty());
    let (status, _, body) = stream.reply.unwrap();
    assert_eq!(status, 429);
    assert!(body.contains("API rate limit exceeded for 'video'"), "{body}");
}

#[test]
fn an_answer_that_uses_too_much_blocks_what_follows() {
    let client = Client::new(sms(&json!({"block_on_first_violation": true})));
    assert_eq!(told(&client.answer("sms=7"), "x-ratelimit-remaining-sms-hour"), "0");
    assert_eq!(client.request("kong-3").2, Flow::Answered);
}

#[test]
fn hidden_headers_hide_all_but_what_was_left() {
    let client = Client::new(sms(&json!({"hide_client_headers": true})));
    let stream = client.answer("sms=1");
    assert_eq!(told(&stream, "x-ratelimit-remaining-sms"), "3");
    assert_eq!(told(&stream, "x-ratelimit-remaining-sms-hour"), "");
    assert_eq!(told(&client.answer(""), "x-ratelimit-remaining-sms"), "2");
}

#[test]
fn kong_2_told_the_upstream() {
    let (_, stream, _) = Client::new(sms(&json!({}))).request("kong-2.1");
    assert_eq!(stream.sent(Map::Request, "x-ratelimit-remaining-sms").as_deref(), Some("3"));
}

#[test]
fn limits_do_not_share() {
    let client = Client::new(json!({"limits": {"a": {"hour": 3}, "b": {"hour": 3}}}));
    let stream = client.answer("a=2,b=1");
    assert_eq!(told(&stream, "x-ratelimit-remaining-a-hour"), "1");
    assert_eq!(told(&stream, "x-ratelimit-remaining-b-hour"), "2");
    let stream = client.answer("");
    assert_eq!(told(&stream, "x-ratelimit-remaining-a") + &told(&stream, "x-ratelimit-remaining-b"), "12");
}

#[test]
fn without_redis_fault_tolerant_decides() {
    let refusing = Server::start(|_| "-ERR no\r\n".into());
    let redis = |tolerant: bool| {
        let store = json!({"host": "127.0.0.1", "port": refusing.port});
        Client::new(sms(&json!({"policy": "redis", "redis": store, "fault_tolerant": tolerant})))
    };
    let stream = redis(true).answer("sms=1");
    assert_eq!(told(&stream, ":status"), "200");
    assert_eq!(told(&stream, "x-ratelimit-remaining-sms"), "");
    let (_, stream, _) = redis(false).request("kong-3");
    assert_eq!(stream.status(), Some(500));
}

#[test]
fn refuses_what_it_cannot_count() {
    for config in [
        json!({}),
        json!({"limits": {}}),
        json!({"limits": {"sms": {}}}),
        json!({"limits": {"sms": {"hour": 0}}}),
        json!({"limits": {"two words": {"hour": 1}}}),
        json!({"limits": {"sms": {"hour": 1}}, "header_name": ":status"}),
        json!({"limits": {"sms": {"hour": 1}}, "policy": "redis"}),
        json!({"limits": {"sms": {"hour": 1}}, "limit_by": "service"}),
    ] {
        assert!(plugins::parse("response-ratelimiting", config.clone()).is_err(), "{config}");
    }
}
