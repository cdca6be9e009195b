//! Plugins that wait and plugins that log, on a fake stream.

use crate::gateway::{Filter, Flow};
use crate::plugins::asking::{ASKED, LOGGED};
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins, state};
use serde_json::{Value, json};

/// Answers what the thread's plugins wait for, and lets the stream go on.
fn answer(filter: &mut Filter, stream: &mut Fake, letter: char) -> Flow {
    let asked = ASKED.with(|asked| asked.borrow_mut().remove(0));
    asked.done(letter);
    stream.alarm.wait();
    filter.on_scheduled(stream)
}

fn asking(config: Value) -> Value {
    plugins(&[("asking", config)])
}

#[test]
fn the_plugins_go_on_where_they_stopped() {
    let termination = json!({"status_code": 403, "trigger": "x-stop"});
    let all = plugins(&[
        ("correlation-id", json!({})),
        ("asking", json!({"times": 2})),
        ("request-termination", termination),
    ]);
    for (headers, flow, status) in [(&[][..], Flow::Continue, None), (&[("x-stop", "1")], Flow::Answered, Some(403))] {
        let mut stream = Fake::request("GET", "/s/x", headers);
        let mut filter = filter(&all, &stream);
        assert_eq!(filter.on_request_headers(&mut stream, true), Flow::Pause);
        assert_eq!(filter.on_scheduled(&mut stream), Flow::Pause, "without an outcome nothing happens");
        assert_eq!(answer(&mut filter, &mut stream, 'a'), Flow::Pause);
        assert_eq!(answer(&mut filter, &mut stream, 'b'), flow);
        assert_eq!(stream.status(), status);
        let asked = status.is_none().then_some("ab");
        assert_eq!(stream.sent(Map::Request, "x-asked").as_deref(), asked);
        assert_eq!(filter.on_scheduled(&mut stream), Flow::Answered, "nothing is waited for any more");
    }
}

#[test]
fn what_arrives_meanwhile_is_kept() {
    for (sent, is_whole, flow, length) in [
        (0, false, Flow::Wait, None),
        (5, false, Flow::Wait, None),
        (5, true, Flow::Continue, Some("5")),
        (65 * 1024, false, Flow::Continue, None),
    ] {
        let mut stream = Fake::request("POST", "/s", &[]);
        let mut filter = filter(&asking(json!({"times": 1})), &stream);
        assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Pause);
        stream.request_body = vec![b'x'; sent];
        if sent > 0 {
            assert_eq!(filter.on_request_body(&mut stream, is_whole), Flow::Pause);
        }
        assert_eq!(answer(&mut filter, &mut stream, 'a'), flow, "{sent} {is_whole}");
        assert_eq!(stream.sent(Map::Request, "content-length").as_deref(), length);
        if flow == Flow::Wait {
            stream.request_body = b"all of it".to_vec();
            assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue);
            assert_eq!(stream.sent(Map::Request, "content-length").as_deref(), Some("9"));
        }
    }
}

#[test]
fn trailers_that_come_meanwhile_keep_the_chunks() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&asking(json!({"times": 1})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Pause);
    stream.request_body = b"hello".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Pause);
    assert_eq!(filter.on_request_trailers(&mut stream), Flow::Pause);
    assert_eq!(answer(&mut filter, &mut stream, 'a'), Flow::Continue);
    assert_eq!(stream.sent(Map::Request, "content-length"), None);
}

#[test]
fn a_plugin_behind_may_need_the_body() {
    let key_auth = json!({"key_in_body": true});
    let all = plugins(&[("asking", json!({"times": 1})), ("key-auth", key_auth)]);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "14")];
    for is_here in [true, false] {
        let mut stream = Fake::request("POST", "/s", &headers);
        let mut filter = filter(&all, &stream);
        assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Pause);
        stream.request_body = b"apikey=ann-key".to_vec();
        if is_here {
            assert_eq!(filter.on_request_body(&mut stream, true), Flow::Pause);
            assert_eq!(answer(&mut filter, &mut stream, 'a'), Flow::Continue);
        } else {
            assert_eq!(answer(&mut filter, &mut stream, 'a'), Flow::Wait);
            assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue);
        }
        assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), Some("ann"));
    }
}

#[test]
fn nobody_is_asked_about_a_body_that_is_too_long() {
    let function = json!({
        "aws_key": "k", "aws_secret": "s", "aws_region": "eu-west-1", "function_name": "f", "host": "127.0.0.1", "port": 1,
        "disable_https": true, "timeout": 1000, "keepalive": 1000, "invocation_type": "RequestResponse", "log_type": "Tail",
        "forward_request_method": false, "forward_request_uri": false, "forward_request_headers": false,
        "forward_request_body": true, "is_proxy_integration": false, "awsgateway_compatible": false,
        "skip_large_bodies": false, "base64_encode_body": true, "empty_arrays_mode": "legacy",
    });
    let limit = json!({"allowed_payload_size": 5, "size_unit": "bytes"});
    let all = plugins(&[("asking", json!({"times": 1})), ("request-size-limiting", limit), ("aws-lambda", function)]);
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&all, &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Pause);
    stream.request_body = b"123456".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Pause);
    assert_eq!(answer(&mut filter, &mut stream, 'a'), Flow::Answered);
    assert_eq!(stream.status(), Some(413));
}

#[test]
fn a_plugin_may_need_the_body_before_it_waits() {
    let headers = [("content-type", "application/json"), ("content-length", "2")];
    let mut stream = Fake::request("POST", "/s", &headers);
    let mut filter = filter(&asking(json!({"times": 1, "needs_body": true})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = b"{}".to_vec();
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Pause);
    assert_eq!(answer(&mut filter, &mut stream, 'a'), Flow::Continue);
    assert_eq!(stream.sent(Map::Request, "x-body").as_deref(), Some("{}"), "it is still there");
}

#[test]
fn an_answer_that_does_not_come_is_the_plugins_to_judge() {
    for (config, gives_up, status) in
        [(json!({"times": 1, "timeout_ms": 10}), false, 504), (json!({"times": 1}), true, 500)]
    {
        let mut stream = Fake::request("GET", "/s", &[]);
        let mut filter = filter(&asking(config), &stream);
        assert_eq!(filter.on_request_headers(&mut stream, true), Flow::Pause);
        let asked = ASKED.with(|asked| asked.borrow_mut().remove(0));
        let kept = (!gives_up).then_some(asked);
        stream.alarm.wait();
        assert_eq!(filter.on_scheduled(&mut stream), Flow::Answered);
        assert_eq!(stream.status(), Some(status));
        drop(kept);
        assert!(!stream.alarm.has_rung(), "what comes later wakes nobody");
    }
}

#[test]
fn a_stream_that_ends_meanwhile_is_not_woken() {
    let mut stream = Fake::request("GET", "/s", &[]);
    let mut filter = filter(&asking(json!({"times": 1})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, true), Flow::Pause);
    drop(filter);
    let asked = ASKED.with(|asked| asked.borrow_mut().remove(0));
    assert!(!asked.is_awaited());
    asked.done('a');
    assert!(!stream.alarm.has_rung());
}

#[test]
fn an_error_of_envoys_ends_the_wait() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&asking(json!({"times": 1})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Pause);
    filter.on_local_reply(408, b"request_overall_timeout");
    stream.response = vec![(":status".into(), b"408".to_vec())];
    filter.on_response_headers(&mut stream, true);
    assert!(!ASKED.with(|asked| asked.borrow_mut().remove(0)).is_awaited());
    assert_eq!(filter.on_scheduled(&mut stream), Flow::Answered, "what was under way comes to nothing");
    assert_eq!(stream.sent(Map::Response, "server").as_deref(), Some("kong/3.9.1"));
}

#[test]
fn the_log_phase_sees_every_end() {
    let config = json!({"logs": true});
    let all = plugins(&[("key-auth", json!({})), ("asking", config)]);
    let ended = |filter: &mut Filter, stream: &Fake| {
        filter.on_stream_complete(stream);
        LOGGED.with(|logged| logged.borrow_mut().pop().unwrap())
    };
    // Proxied.
    let mut stream = Fake::request("GET", "/s/x", &[("apikey", "ann-key"), ("x-note", "n")]);
    let mut one = filter(&all, &stream);
    assert_eq!(one.on_request_headers(&mut stream, true), Flow::Continue);
    stream.response = vec![(":status".into(), b"204".to_vec())];
    one.on_response_headers(&mut stream, true);
    let (line, times) = ended(&mut one, &stream);
    assert_eq!(line, "/x r 204 192.0.2.1 0 0 Some(\"ann\") n");
    assert!(times.upstream.is_some() && times.gateway <= times.total);
    // Answered by a plugin before; a fake stream has no response then.
    let mut stream = Fake::request("GET", "/s/x", &[]);
    let mut one = filter(&all, &stream);
    assert_eq!(one.on_request_headers(&mut stream, true), Flow::Answered);
    let (line, times) = ended(&mut one, &stream);
    assert_eq!(line, "/s/x r 0 192.0.2.1 0 0 None ");
    assert!(times.upstream.is_none());
    // Left while it waited: its plugins have not all seen it.
    let mut stream = Fake::request("GET", "/s/x", &[]);
    let mut one = filter(&plugins(&[("asking", json!({"logs": true, "times": 1}))]), &stream);
    assert_eq!(one.on_request_headers(&mut stream, true), Flow::Pause);
    assert_eq!(ended(&mut one, &stream).0, "/s/x r 0 192.0.2.1 0 0 None ");
}

#[test]
fn without_a_plugin_that_logs_there_is_no_log_phase() {
    let mut stream = Fake::request("GET", "/s", &[]);
    let mut one = filter(&asking(json!({})), &stream);
    assert_eq!(one.on_request_headers(&mut stream, true), Flow::Continue);
    one.on_stream_complete(&stream);
    assert!(LOGGED.with(|logged| logged.borrow().is_empty()));
}

#[test]
fn a_plugin_of_all_requests_logs_those_without_a_route() {
    let mut all = asking(json!({"logs": true}));
    all["settings"] = json!({"compat": "kong-3", "server_token": "t", "everywhere": ["asking"]});
    let _ = state(&all);
    let mut stream = Fake::request("GET", "/elsewhere", &[]);
    let mut one = filter(&all, &stream);
    assert_eq!(one.on_request_headers(&mut stream, true), Flow::Answered);
    one.on_stream_complete(&stream);
    let (line, _) = LOGGED.with(|logged| logged.borrow_mut().pop().unwrap());
    assert_eq!(line, "/elsewhere - 0 192.0.2.1 0 0 None ");
}
