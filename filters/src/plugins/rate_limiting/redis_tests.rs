//! Limits in Redis, on a fake stream and with a Redis that says what a test wants.

use crate::gateway::{Filter, Flow};
use crate::redis::testing::Server;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins, received};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Mutex;

fn limited(port: u16, extra: &Value) -> Value {
    let mut config = json!({"policy": "redis", "minute": 2, "hour": 9, "redis": {"host": "127.0.0.1", "port": port}});
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    plugins(&[("rate-limiting", config)])
}

fn request(extra: &Value) -> (Filter, Fake, Flow) {
    let mut stream = Fake::request("GET", "/s", &[]);
    let mut filter = filter(extra, &stream);
    let mut flow = filter.on_request_headers(&mut stream, true);
    if flow == Flow::Pause {
        stream.alarm.wait();
        flow = filter.on_scheduled(&mut stream);
    }
    (filter, stream, flow)
}

fn told(filter: &mut Filter, stream: &mut Fake) -> Vec<String> {
    if stream.reply.is_none() {
        stream.response = vec![(":status".into(), b"200".to_vec())];
        filter.on_response_headers(stream, true);
    }
    ["x-ratelimit-remaining-minute", "x-ratelimit-remaining-hour", "ratelimit-limit", "retry-after"]
        .iter()
        .flat_map(|name| received(stream, name))
        .collect()
}

/// Counts each key, as the commands of the plugin do.
fn counting() -> Server {
    let counts = Mutex::new(std::collections::HashMap::<String, i64>::new());
    Server::start(move |command| {
        let mut counts = counts.lock().unwrap();
        match command[0].as_str() {
            "EVAL" if command[1].contains("INCRBY") => {
                let count = counts.entry(command[3].clone()).or_default();
                *count += command[4].parse::<i64>().unwrap();
                format!(":{count}\r\n")
            }
            "EVAL" => {
                let count = counts.entry(command[3].clone()).or_default();
                *count += 1;
                format!(":{}\r\n", *count - 1)
            }
            _ => counts
                .get(&command[1])
                .map_or("$-1\r\n".into(), |count| format!("${}\r\n{count}\r\n", count.to_string().len())),
        }
    })
}

#[test]
fn every_request_is_counted_before_it_goes_on() {
    let server = counting();
    let state = limited(server.port, &json!({}));
    for (flow, expected) in [
        (Flow::Continue, vec!["1", "8", "2"]),
        (Flow::Continue, vec!["0", "7", "2"]),
        // The hour goes on being counted, as in Kong.
        (Flow::Answered, vec!["0", "7", "2", "20"]),
        (Flow::Answered, vec!["0", "6", "2", "20"]),
    ] {
        let (mut filter, mut stream, seen) = request(&state);
        assert_eq!(seen, flow);
        assert_eq!(told(&mut filter, &mut stream), expected);
    }
    let seen = server.seen();
    // The clock of the tests stands at 1970-01-01T00:16:40Z.
    let keys: Vec<_> = seen[..2].iter().map(|command| (command[3].as_str(), command[4].as_str())).collect();
    let scope = "ratelimit:rate-limiting:192.0.2.1";
    assert_eq!(keys, [(&*format!("{scope}:960000:minute"), "60"), (&*format!("{scope}:0:hour"), "3600")]);
    assert_eq!(seen.len(), 8);
}

#[test]
fn with_a_sync_rate_redis_is_asked_once_and_told_later() {
    let server = counting();
    let state = limited(server.port, &json!({"sync_rate": 3600}));
    // The client lives as long as a configuration does.
    let _kept = crate::testing::state(&state);
    for (flow, expected) in [
        (Flow::Continue, vec!["1", "8", "2"]),
        (Flow::Continue, vec!["0", "7", "2"]),
        (Flow::Answered, vec!["0", "7", "2", "20"]),
        (Flow::Answered, vec!["0", "7", "2", "20"]),
    ] {
        let (mut filter, mut stream, seen) = request(&state);
        assert_eq!(seen, flow);
        assert_eq!(told(&mut filter, &mut stream), expected);
    }
    assert_eq!(server.seen().len(), 2, "a GET for each period");
}

#[test]
fn without_redis_fault_tolerant_decides() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let garbled = Server::start(|_| "+OK\r\n".into());
    let refusing = Server::start(|_| "-NOPERM this user has no permissions to run the 'eval' command\r\n".into());
    for port in [down, garbled.port, refusing.port] {
        for sync_rate in [json!(-1), json!(0.5)] {
            let (mut filter, mut stream, flow) = request(&limited(port, &json!({"sync_rate": sync_rate})));
            assert_eq!(flow, Flow::Continue);
            assert_eq!(told(&mut filter, &mut stream), [] as [String; 0]);
            let strict = json!({"sync_rate": sync_rate, "fault_tolerant": false});
            let (_, stream, _) = request(&limited(port, &strict));
            let (status, _, body) = stream.reply.unwrap();
            assert_eq!(status, 500);
            assert!(body.contains("\"An unexpected error occurred\""), "{body}");
        }
    }
}
