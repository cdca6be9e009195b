//! What clients get; the cases of the recording 60-response-transformer among them.

use super::parse;
use crate::gateway::{Filter, Flow};
use crate::stream::Map;
use crate::stream::testing::{Fake, text};
use crate::testing::{answered, passed, plugins, received};
use serde_json::{Value, json};

fn transformer(config: Value) -> Value {
    plugins(&[("response-transformer", config)])
}

fn edits_of_headers() -> Value {
    transformer(json!({
        "remove": {"headers": ["X-Rm", "X-Val:2"]},
        "rename": {"headers": ["X-Old:X-New"]},
        "replace": {"headers": ["X-Rep:r", "X-Absent:r"]},
        "add": {"headers": ["X-Add:a", "X-Has:a"]},
        "append": {"headers": ["X-App:z"]},
    }))
}

fn edits_of_json() -> Value {
    transformer(json!({
        "remove": {"json": ["rm"]},
        "rename": {"json": ["old:new"]},
        "replace": {"json": ["rep:r", "absent:r"]},
        "add": {"json": ["add:1", "has:x"], "json_types": ["number", "string"]},
        "append": {"json": ["app:z"]},
    }))
}

#[test]
fn headers_are_edited_in_kongs_order() {
    let upstream =
        [("x-rm", "1"), ("x-val", "1"), ("x-val", "2"), ("x-old", "o"), ("x-rep", "x"), ("x-has", "h"), ("x-app", "y")];
    let stream = answered(&edits_of_headers(), Fake::request("GET", "/s", &[]), &upstream);
    let bare = answered(&edits_of_headers(), Fake::request("GET", "/s", &[]), &[]);
    for (name, expected, expected_bare) in [
        ("x-rm", vec![], vec![]),
        ("x-val", vec![], vec![]),
        ("x-old", vec![], vec![]),
        ("x-new", vec!["o"], vec![]),
        ("x-rep", vec!["r"], vec![]),
        ("x-absent", vec![], vec![]),
        ("x-add", vec!["a"], vec!["a"]),
        ("x-has", vec!["h"], vec!["a"]),
        ("x-app", vec!["y", "z"], vec!["z"]),
    ] {
        assert_eq!(received(&stream, name), expected, "{name}");
        assert_eq!(received(&bare, name), expected_bare, "{name}");
    }
}

#[test]
fn what_is_there_is_decided_before_the_first_edit() {
    let extra = transformer(json!({
        "remove": {"headers": ["x-a", "x-b", "x-c"]},
        "rename": {"headers": ["X-C:X-D"]},
        "replace": {"headers": ["x-a:r"]},
        "add": {"headers": ["x-b:a", "x_e:1", "x_e:2"]},
    }));
    let upstream = [("x-a", "1"), ("x-b", "1"), ("x-c", "1"), ("x-c", "2")];
    let stream = answered(&extra, Fake::request("GET", "/s", &[]), &upstream);
    assert_eq!(received(&stream, "x-a"), ["r"]);
    assert_eq!(received(&stream, "x-b"), [] as [&str; 0]);
    assert_eq!(received(&stream, "x-d"), ["1", "2"]);
    assert_eq!(received(&stream, "x-e"), ["2"]);
}

#[test]
fn what_other_plugins_tell_the_client_can_be_edited() {
    let removes = json!({"remove": {"headers": ["RateLimit-Limit"]}});
    let extra = plugins(&[("rate-limiting", json!({"hour": 7})), ("response-transformer", removes)]);
    let stream = answered(&extra, Fake::request("GET", "/s", &[]), &[("ratelimit-limit", "upstream's")]);
    assert_eq!(received(&stream, "ratelimit-limit"), [] as [&str; 0]);
    assert_eq!(received(&stream, "ratelimit-remaining"), ["6"]);
}

/// The upstream's answer in chunks, as far as they go on to the client.
fn streamed(extra: &Value, method: &str, headers: &[(&str, &str)], chunks: &[&[u8]]) -> Fake {
    let (mut filter, mut stream, _) = passed(extra, Fake::request(method, "/s", &[]));
    let all = [(":status", "200")].into_iter().chain(headers.iter().copied());
    stream.response = all.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
    let held = filter.on_response_headers(&mut stream, chunks.is_empty()) == Flow::Wait;
    for (place, chunk) in chunks.iter().enumerate() {
        let is_last = place + 1 == chunks.len();
        let flow = show(&mut filter, &mut stream, chunk, is_last);
        assert_eq!(flow, if held && !is_last { Flow::Wait } else { Flow::Continue });
        assert!(!held || is_last || stream.response_body.is_empty(), "went on too early");
    }
    stream
}

fn show(filter: &mut Filter, stream: &mut Fake, chunk: &[u8], end_of_stream: bool) -> Flow {
    stream.response_chunk = chunk.to_vec();
    let flow = filter.on_response_body(stream, end_of_stream);
    if flow == Flow::Continue {
        let rest = std::mem::take(&mut stream.response_chunk);
        stream.response_body.extend(rest);
    }
    flow
}

const JSON: (&str, &str) = ("content-type", "application/json");
const LENGTH: (&str, &str) = ("content-length", "42");

#[test]
fn bodies_are_edited_as_a_whole() {
    let body: &[u8] = br#"{"rm":1,"old":2,"rep":3,"has":4,"app":"y"}"#;
    let (halves, bytes): (Vec<&[u8]>, Vec<&[u8]>) = (body.chunks(21).collect(), body.chunks(1).collect());
    for chunks in [vec![body], halves, bytes, vec![body, b""]] {
        let stream = streamed(&edits_of_json(), "GET", &[JSON, LENGTH], &chunks);
        let expected = json!({"rep": "r", "add": 1, "app": ["y", "z"], "new": 2, "has": 4});
        assert_eq!(serde_json::from_slice::<Value>(&stream.response_body).unwrap(), expected);
        assert_eq!(received(&stream, "content-length"), [] as [&str; 0]);
    }
}

#[test]
fn only_json_is_edited() {
    let typed = |content_type| ("content-type", content_type);
    for (headers, body, expected, length) in [
        (vec![typed("text/plain"), LENGTH], r#"{"rm":1}"#, r#"{"rm":1}"#, vec!["42"]),
        (vec![LENGTH], r#"{"rm":1}"#, r#"{"rm":1}"#, vec!["42"]),
        (vec![JSON, LENGTH, ("content-encoding", "gzip")], "\u{1f}x", "\u{1f}x", vec!["42"]),
        (vec![JSON, LENGTH], "not json", "not json", vec![]),
        (
            vec![typed("application/json; charset=utf-8"), LENGTH],
            r#"{"rm":1}"#,
            r#"{"add":1,"has":"x","app":["z"]}"#,
            vec![],
        ),
    ] {
        let stream = streamed(&edits_of_json(), "GET", &headers, &[body.as_bytes()]);
        assert_eq!(text(&stream.response_body), expected, "{headers:?}");
        assert_eq!(received(&stream, "content-length"), length, "{headers:?}");
    }
}

#[test]
fn texts_get_nginxs_charset() {
    for (content_type, expected) in [("text/plain", "text/plain; charset=UTF-8"), ("text/css", "text/css")] {
        let stream = streamed(&edits_of_json(), "GET", &[("content-type", content_type)], &[b"x"]);
        assert_eq!(received(&stream, "content-type"), [expected]);
    }
}

#[test]
fn what_has_no_body_is_not_waited_for() {
    let head = streamed(&edits_of_json(), "HEAD", &[JSON, LENGTH], &[b""]);
    assert_eq!(received(&head, "content-length"), [] as [&str; 0]);
    let empty = streamed(&edits_of_json(), "GET", &[JSON], &[]);
    assert_eq!(empty.response_body, b"");
    let nothing = streamed(&edits_of_json(), "GET", &[JSON], &[b""]);
    assert_eq!(nothing.response_body, b"");
}

#[test]
fn trailers_end_a_body() {
    let (mut filter, mut stream, _) = passed(&edits_of_json(), Fake::request("GET", "/s", &[]));
    stream.response = vec![(":status".into(), b"200".to_vec()), ("content-type".into(), b"application/json".to_vec())];
    assert_eq!(filter.on_response_headers(&mut stream, false), Flow::Wait);
    assert_eq!(show(&mut filter, &mut stream, br#"{"rm":1}"#, false), Flow::Wait);
    filter.on_response_trailers(&mut stream);
    assert_eq!(text(&stream.response_body), r#"{"add":1,"has":"x","app":["z"]}"#);
}

#[test]
fn a_body_too_large_to_edit_is_not_shown() {
    let (mut filter, mut stream, _) = passed(&edits_of_json(), Fake::request("GET", "/s", &[]));
    stream.response = vec![(":status".into(), b"200".to_vec()), ("content-type".into(), b"application/json".to_vec())];
    assert_eq!(filter.on_response_headers(&mut stream, false), Flow::Wait);
    let mebibyte = vec![b' '; 1 << 20];
    for _ in 0..8 {
        assert_eq!(show(&mut filter, &mut stream, &mebibyte, false), Flow::Wait);
    }
    assert_eq!(show(&mut filter, &mut stream, b"{", false), Flow::Answered);
    assert_eq!(stream.status(), Some(500));
    assert_eq!(stream.response_body, b"");
}

#[test]
fn the_content_type_that_is_sent_counts() {
    let becomes_json =
        transformer(json!({"replace": {"headers": ["Content-Type:application/json"]}, "add": {"json": ["a:1"]}}));
    let stream = streamed(&becomes_json, "GET", &[("content-type", "text/plain"), LENGTH], &[b"{}"]);
    assert_eq!(text(&stream.response_body), r#"{"a":"1"}"#);
    assert_eq!(received(&stream, "content-length"), [] as [&str; 0]);
}

#[test]
fn the_gateways_own_answers_are_edited_too() {
    let both = json!({"add": {"headers": ["X-Add:a"], "json": ["added:x"]}, "remove": {"json": ["request_id"]}});
    let extra = plugins(&[("key-auth", json!({})), ("response-transformer", both.clone())]);
    let (_, stream, _) = passed(&extra, Fake::request("GET", "/s", &[]));
    let (status, headers, body) = stream.reply.unwrap();
    assert_eq!((status, body.as_str()), (401, r#"{"message":"No API key found in request","added":"x"}"#));
    assert!(headers.contains(&("x-add".into(), "a".into())));

    let (mut filter, mut stream, _) = passed(&transformer(both), Fake::request("GET", "/s", &[("accept", "*/*")]));
    filter.on_local_reply(504, b"response_timeout");
    filter.on_response_headers(&mut stream, true);
    assert_eq!(stream.sent(Map::Response, "x-add").as_deref(), Some("a"));
    let body = text(&stream.response_body);
    assert_eq!(body, r#"{"message":"The upstream server is timing out","added":"x"}"#);
    assert_eq!(stream.sent(Map::Response, "content-length").unwrap(), body.len().to_string());
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({}), true),
        (json!({"add": null, "remove": {"json": null}}), true),
        (json!({"add": {"headers": ["X-A:", "X-B: b"]}}), true),
        (json!({"add": {"json": ["a:1"], "json_types": ["number", "boolean"]}}), true),
        (json!({"add": {"json": ["a:1"], "json_types": ["moon"]}}), false),
        (json!({"add": {"headers": ["X-A"]}}), false),
        (json!({"add": {"headers": ["X A:1"]}}), false),
        (json!({"add": {"headers": ["X-A:1\r\nX-B:2"]}}), false),
        (json!({"append": {"headers": ["X-A:\u{0}"]}}), false),
        (json!({"replace": {"headers": ["Content-Length:3"]}}), false),
        (json!({"add": {"headers": ["Transfer_Encoding:chunked"]}}), false),
        (json!({"rename": {"headers": ["X-A:"]}}), false),
        (json!({"rename": {"headers": ["X-A:content-length"]}}), false),
        (json!({"remove": {"headers": [":status"]}}), false),
        (json!({"remove": {"headers": ["Content-Length"]}}), true),
        (json!({"remove": {"json": [":x"]}}), false),
        (json!({"add": {"json": ["a"]}}), false),
        (json!({"add": {"json": "a:1"}}), false),
    ] {
        assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
    }
}
