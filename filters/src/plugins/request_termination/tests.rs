//! What clients get; the cases of the recording 58-request-termination among them.

use super::parse;
use crate::gateway::Flow;
use crate::stream::testing::{Fake, Reply};
use crate::testing::{filter, passed, plugins, received};
use serde_json::{Value, json};

fn terminated(config: Value, stream: Fake) -> Fake {
    let (_, stream, flow) = passed(&plugins(&[("request-termination", config)]), stream);
    assert_eq!(flow, if stream.reply.is_some() { Flow::Answered } else { Flow::Continue });
    stream
}

const JSON: &str = "application/json; charset=utf-8";

#[test]
fn answers() {
    for (config, status, content_type, body) in [
        (json!({}), 503, Some(JSON), r#"{"message":"Service unavailable"}"#),
        (json!({"status_code": 403, "message": "so \"long\""}), 403, Some(JSON), r#"{"message":"so \"long\""}"#),
        (json!({"status_code": 403, "message": "a/b"}), 403, Some(JSON), r#"{"message":"a\/b"}"#),
        (
            json!({"status_code": 200, "body": "<p>hi</p>", "content_type": "text/html"}),
            200,
            Some("text/html; charset=UTF-8"),
            "<p>hi</p>",
        ),
        (json!({"status_code": 201, "body": "{\"a\":1}"}), 201, None, "{\"a\":1}"),
        (json!({"status_code": 404}), 404, Some(JSON), r#"{"message":"Not found"}"#),
        (json!({"status_code": 418}), 418, None, ""),
        (json!({"status_code": 204}), 204, None, ""),
        (json!({"status_code": 401, "message": ""}), 401, Some(JSON), r#"{"message":"Unauthorized"}"#),
    ] {
        // The client's wishes do not matter.
        let stream = terminated(config.clone(), Fake::request("GET", "/s", &[("accept", "text/html")]));
        let types = received(&stream, "content-type");
        assert_eq!(types.first().map(String::as_str), content_type, "{config}");
        let (found, headers, text): Reply = stream.reply.unwrap();
        assert_eq!((found, text.as_str()), (status, body), "{config}");
        assert!(headers.contains(&("server".into(), "kong/3.9.1".into())));
    }
}

#[test]
fn without_a_type_a_head_still_learns_the_length() {
    let config = json!({"status_code": 201, "body": "{\"a\":1}"});
    let stream = terminated(config, Fake::request("HEAD", "/s", &[]));
    assert_eq!(received(&stream, "content-length"), ["7"]);
    assert_eq!(stream.reply.unwrap().2, "");
}

#[test]
fn triggers() {
    let config = json!({"status_code": 410, "trigger": "X-Kill", "message": "gone"});
    for (target, headers, is_answered) in [
        ("/s", vec![], false),
        ("/s", vec![("x-kill", "1")], true),
        ("/s", vec![("x-kill", "")], true),
        ("/s?x-kill=1", vec![], false),
        ("/s?X-Kill", vec![], true),
        ("/s?a&X%2DKill=", vec![], true),
    ] {
        let stream = terminated(config.clone(), Fake::request("GET", target, &headers));
        assert_eq!(stream.status(), is_answered.then_some(410), "{target} {headers:?}");
    }
    let underscores = json!({"trigger": "x_kill"});
    assert!(terminated(underscores, Fake::request("GET", "/s", &[("x-kill", "1")])).reply.is_some());
}

#[test]
fn authentication_comes_first() {
    let extra = plugins(&[("key-auth", json!({})), ("request-termination", json!({}))]);
    let (_, stream, _) = passed(&extra, Fake::request("GET", "/s", &[]));
    assert_eq!(stream.status(), Some(401));
    let (_, stream, _) = passed(&extra, Fake::request("GET", "/s", &[("apikey", "ann-key")]));
    assert_eq!(stream.status(), Some(503));
}

#[test]
fn grpc_clients_get_the_message_as_a_header() {
    for (config, grpc_status, message) in [
        (json!({"message": "so\nlong"}), "14", "so%0Along"),
        (json!({"status_code": 200, "body": "fine"}), "0", "fine"),
        (json!({"status_code": 418}), "3", "InvalidArgument"),
    ] {
        let mut stream = Fake::request("POST", "/s", &[("content-type", "application/grpc")]);
        stream.protocol = "HTTP/2".into();
        let stream = terminated(config.clone(), stream);
        assert_eq!(received(&stream, "grpc-status"), [grpc_status], "{config}");
        assert_eq!(received(&stream, "grpc-message"), [message], "{config}");
    }
}

/// What the body of an echo says.
fn echoed(config: Value, target: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let mut stream = Fake::request("POST", target, headers);
    let mut filter = filter(&plugins(&[("request-termination", config)]), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = body.as_bytes().to_vec();
    assert_eq!(filter.on_request_body(&mut stream, true), Flow::Answered);
    assert_eq!(received(&stream, "content-type"), [JSON]);
    serde_json::from_str(&stream.reply.unwrap().2).unwrap()
}

#[test]
fn an_echo_shows_the_request() {
    let headers = [("content-type", "text/plain"), ("x-a", "1"), ("x-a", "2"), ("x-envoy-internal", "true")];
    let echo = echoed(json!({"echo": true, "status_code": 404}), "/s/%61?x=1&y&x=%20", &headers, "cool body");
    assert_eq!(echo["message"], "Not found");
    assert_eq!(
        echo["request"],
        json!({
            "scheme": "http", "host": "gw.test", "port": 8000, "method": "POST", "path": "/s/a",
            "headers": {"host": "gw.test", "content-type": "text/plain", "x-a": ["1", "2"]},
            "query": {"x": ["1", " "], "y": true},
            "raw_body": "cool body",
        })
    );
    assert_eq!(echo["matched_route"], json!({"id": "r", "strip_path": true}));
    assert_eq!(echo["matched_service"], json!({"id": "s", "path": "/"}));
    assert_eq!(echo["kong"]["worker_pid"], std::process::id());
    let own =
        echoed(json!({"echo": true, "status_code": 200}), "/s", &[("content-type", "application/json")], "{\"a\":1}");
    assert_eq!((&own["message"], &own["request"]["body"]), (&Value::Null, &json!({"a": 1})));
}

#[test]
fn a_body_too_large_to_echo_is_left_out() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&plugins(&[("request-termination", json!({"echo": true}))]), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = vec![b' '; 600 * 1024];
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Answered);
    let echo: Value = serde_json::from_str(&stream.reply.unwrap().2).unwrap();
    assert_eq!(echo["request"]["raw_body"], Value::Null);
}

#[test]
fn an_echo_without_body_is_answered_at_once() {
    let stream = terminated(json!({"echo": true}), Fake::request("GET", "/s", &[]));
    let echo: Value = serde_json::from_str(&stream.reply.unwrap().2).unwrap();
    assert_eq!(echo["request"]["raw_body"], "");
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({"status_code": null}), true),
        (json!({"status_code": 599}), true),
        (json!({"status_code": 100}), false),
        (json!({"status_code": 600}), false),
        (json!({"status_code": 404.5}), false),
        (json!({"message": "a", "body": "b"}), false),
        (json!({"message": "a", "content_type": "b"}), false),
        (json!({"content_type": "b"}), false),
        (json!({"body": "a", "echo": true}), false),
        (json!({"message": "a", "echo": true}), true),
        (json!({"body": "a", "content_type": "text/html\r\nx: y"}), false),
        (json!({"trigger": "a b"}), false),
        (json!({"trigger": ""}), true),
        (json!({"echo": "yes"}), false),
    ] {
        assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
    }
}
