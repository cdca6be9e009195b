//! Requests through the plugin: what goes upstream.

use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::{Fake, text};
use crate::testing::{filter, passed, plugins};
use serde_json::{Value, json};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

fn with_path(config: Value, kind: &str, path: &str) -> Value {
    let mut extra = plugins(&[("request-transformer", config)]);
    let paths = json!({"schemes": ["http"], "paths": [{"rank": "", "kind": kind, "text": path}]});
    extra["route"]["match"] = paths;
    extra["route"]["strip_path"] = json!(false);
    extra
}

fn state(config: Value) -> Value {
    with_path(config, "prefix", "/s")
}

/// What went upstream after a request without a body.
fn sent(config: Value, target: &str, headers: &[(&str, &str)]) -> Fake {
    let (_, stream, flow) = passed(&state(config.clone()), Fake::request("GET", target, headers));
    assert_eq!(flow, Flow::Continue, "{config} {:?}", stream.reply);
    stream
}

fn values(stream: &Fake, name: &str) -> Vec<String> {
    stream.request.iter().filter(|(other, _)| other == name).map(|(_, value)| text(value)).collect()
}

/// The body that went upstream, and its length as it was told.
fn with_body(config: Value, headers: &[(&str, &str)], body: &[u8]) -> (String, Fake) {
    let mut stream = Fake::request("POST", "/s", headers);
    let mut filter = filter(&state(config), &stream);
    let mut flow = filter.on_request_headers(&mut stream, body.is_empty());
    if !body.is_empty() {
        stream.request_body = body.to_vec();
        flow = filter.on_request_body(&mut stream, true);
    }
    assert_eq!(flow, Flow::Continue, "{:?}", stream.reply);
    (text(&stream.request_body), stream)
}

#[test]
fn headers() {
    let headers = [("x-a", "1"), ("x-a", "2"), ("x-b", "3"), ("x-old", "o")];
    for (config, name, expected) in [
        (json!({"remove": {"headers": ["X-A"]}}), "x-a", &[][..]),
        (json!({"remove": {"headers": ["X-A:1"]}}), "x-a", &[]),
        (json!({"rename": {"headers": ["X-Old:X-B"]}}), "x-b", &["o"]),
        (json!({"rename": {"headers": ["X-Old:X-B"]}}), "x-old", &[]),
        (json!({"rename": {"headers": ["X-A:x-a"]}}), "x-a", &["1", "2"]),
        (json!({"rename": {"headers": ["X-None:X-B"]}}), "x-b", &["3"]),
        (json!({"replace": {"headers": ["X-A:new", "X-None:new"]}}), "x-a", &["new"]),
        (json!({"replace": {"headers": ["X-A:new", "X-None:new"]}}), "x-none", &[]),
        (json!({"replace": {"headers": ["X-B:"]}}), "x-b", &["3"]),
        (json!({"add": {"headers": ["X-A:new"]}}), "x-a", &["1", "2"]),
        (json!({"add": {"headers": ["X-C:new", "X-C:newer"]}}), "x-c", &["new"]),
        (json!({"append": {"headers": ["X-A:3", "X-A:4"]}}), "x-a", &["1", "2", "3", "4"]),
        (json!({"append": {"headers": ["X-C:3"]}}), "x-c", &["3"]),
        (json!({"remove": {"headers": ["X-B"]}, "add": {"headers": ["X-B:4"]}}), "x-b", &["4"]),
        (json!({"remove": {"headers": ["X-B"]}, "replace": {"headers": ["X-B:4"]}}), "x-b", &[]),
        (json!({"replace": {"headers": ["HOST:other.test"]}}), ":authority", &["other.test"]),
        (json!({"add": {"headers": ["X-Q:$(query_params.q)"]}}), "x-q", &["a%0D%0Ab"]),
        (json!({"add": {"headers": ["X-None:$(query_params.none)"]}}), "x-none", &[" "]),
        (json!({"add": {"headers": ["X-H:$(headers['X-Old'])-$(headers.x_a)"]}}), "x-h", &["o-1, 2"]),
        (json!({"add": {"headers": ["X-H:$(headers.host)"]}}), "x-h", &["gw.test"]),
        (json!({"remove": {"headers": ["X-Old"]}, "add": {"headers": ["X-H:$(headers.x_old)"]}}), "x-h", &["o"]),
    ] {
        assert_eq!(values(&sent(config.clone(), "/s?q=a%0D%0Ab", &headers), name), expected, "{config} {name}");
    }
}

#[test]
fn queries() {
    for (config, target, expected) in [
        (json!({"remove": {"querystring": ["a"]}}), "/s?b=%20&a=1&a=2&c", "/s?b=%20&c"),
        (json!({"rename": {"querystring": ["a:b"]}}), "/s?a=1&a=2&b=3", "/s?b=1&b=2"),
        (json!({"replace": {"querystring": ["a:x y", "n:1"]}}), "/s?a=1&a=2", "/s?a=x%20y"),
        (json!({"add": {"querystring": ["a:x", "b:y"]}}), "/s?a", "/s?a&b=y"),
        (json!({"append": {"querystring": ["a:x", "b:y", "c:z"]}}), "/s?a=1&b", "/s?a=1&a=x&b=y&c=z"),
        (json!({"remove": {"querystring": ["a"]}}), "/s?a=1", "/s?"),
        (json!({"remove": {"querystring": ["a"]}}), "/s", "/s"),
        (json!({"add": {"querystring": ["k:$(headers.x_a or 'none')&"]}}), "/s", "/s?k=none%26"),
        (json!({"add": {"headers": ["X-A:1"]}}), "/s?b=1&a=%7e", "/s?b=1&a=%7e"),
        (json!({"http_method": "HEAD"}), "/s?b=1&a", "/s?b=1&a"),
    ] {
        assert_eq!(values(&sent(config.clone(), target, &[]), ":path"), [expected], "{config} {target}");
    }
}

#[test]
fn paths_and_methods() {
    let uri = |uri: &str| json!({"replace": {"uri": uri}});
    for (config, expected) in [
        (uri("/new/$(uri_captures.id)/$(uri_captures[2])"), "/new/4%202/abc?q=1"),
        (uri("/a?b"), "/a?b?q=1"),
        (uri("/$(uri_captures.none)"), "/?q=1"),
    ] {
        let extra = with_path(config, "regex", r"/s/(?<id>[^/]+)/(\w+)");
        let (_, stream, flow) = passed(&extra, Fake::request("GET", "/s/4%202/abc/rest?q=1", &[]));
        assert_eq!(flow, Flow::Continue);
        assert_eq!(values(&stream, ":path"), [expected]);
    }
    let (_, stream, _) = passed(&state(uri("$(query_params.q)")), Fake::request("GET", "/s", &[]));
    assert_eq!(stream.status(), Some(500));
    assert_eq!(values(&sent(json!({"http_method": "PUT"}), "/s", &[]), ":method"), ["PUT"]);
}

#[test]
fn a_method_with_another_kind_of_answer() {
    for (sent, method, length, body) in [
        ("GET", "HEAD", None, "x"),
        ("HEAD", "GET", Some("1"), ""),
        ("HEAD", "HEAD", Some("1"), "x"),
        ("GET", "PUT", Some("1"), "x"),
    ] {
        let extra = state(json!({"http_method": method}));
        let mut stream = Fake::request(sent, "/s", &[]);
        let mut filter = filter(&extra, &stream);
        filter.on_request_headers(&mut stream, true);
        stream.response = vec![(":status".to_owned(), b"200".to_vec()), ("content-length".to_owned(), b"1".to_vec())];
        filter.on_response_headers(&mut stream, false);
        assert_eq!(stream.sent(Map::Response, "content-length").as_deref(), length, "{sent} {method}");
        stream.response_chunk = b"x".to_vec();
        filter.on_response_body(&mut stream, true);
        assert_eq!(text(&[stream.response_body, stream.response_chunk].concat()), body, "{sent} {method}");
    }
}

#[test]
fn bodies() {
    let json_edits = json!({
        "remove": {"body": ["rm"]}, "rename": {"body": ["old:new"]}, "replace": {"body": ["rep:r"]},
        "add": {"body": ["add:1"]}, "append": {"body": ["app:z"]},
    });
    let adds = json!({"add": {"body": ["h:$(headers['content-type'])"]}});
    let multipart = ("content-type", "multipart/form-data; boundary=b");
    for (config, content_type, body, expected) in [
        (&json_edits, JSON, r#"{"rm":1,"old":2.50,"rep":3}"#, r#"{"rep":"r","new":2.50,"add":"1","app":["z"]}"#),
        (&json_edits, JSON, "[1]", "[1]"),
        (&json_edits, JSON, "not json", "not json"),
        (&json_edits, FORM, "rm=1&old=2&rep=3&app=y", "rep=r&app=y&app=z&new=2&add=1"),
        (&json_edits, ("content-type", "text/plain"), "rm=1", "rm=1"),
        (
            &json_edits,
            multipart,
            "--b\r\nContent-Disposition: form-data; name=\"rm\"\r\n\r\n1\r\n\
             --b\r\nContent-Disposition: form-data; name=\"old\"\r\n\r\n2\r\n--b--\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"new\"\r\n\r\n2\r\n\
             --b\r\nContent-Disposition: form-data; name=\"add\"\r\n\r\n1\r\n--b--\r\n",
        ),
        (&adds, JSON, "", r#"{"h":"application\/json"}"#),
        (&adds, FORM, "a=1&b", "a=1&b&h=application%2Fx-www-form-urlencoded"),
        (&json!({"replace": {"body": ["a:x"]}}), FORM, "b=%20+", "b=%20+"),
        (&json!({"replace": {"body": ["a:x"]}}), JSON, r#"{"a":false}"#, r#"{"a":false}"#),
        (&json!({"rename": {"body": ["a:a"]}}), JSON, r#"{"a":1, "b":2}"#, r#"{"a":1, "b":2}"#),
    ] {
        let (body, stream) = with_body((*config).clone(), &[content_type], body.as_bytes());
        assert_eq!(body, expected, "{config} {content_type:?}");
        let length = stream.sent(Map::Request, "content-length");
        assert!(length.is_none_or(|length| length == body.len().to_string()));
    }
}

#[test]
fn broken_text_does_not_get_around_the_edits() {
    let config = json!({"remove": {"body": ["secret"]}});
    let (body, _) = with_body(config, &[JSON], b"{\"secret\":1,\"x\":\"\xff\"}");
    assert_eq!(body, "{\"x\":\"\u{fffd}\"}");
}

#[test]
fn the_type_that_counts_is_the_edited_one() {
    let config = json!({"replace": {"headers": ["Content-Type:application/json"]}, "add": {"body": ["a:1"]}});
    assert_eq!(with_body(config, &[("content-type", "text/plain")], b"{}").0, r#"{"a":"1"}"#);
}

#[test]
fn a_form_also_goes_into_the_query_of_a_method_without_a_body() {
    let config = json!({"http_method": "GET", "add": {"querystring": ["c:3"]}});
    let (body, stream) = with_body(config, &[FORM], b"b=2&a=1");
    assert_eq!((body.as_str(), values(&stream, ":path")), ("b=2&a=1", vec!["/s?a=1&b=2&c=3".to_owned()]));
}

#[test]
fn too_large_a_body_is_not_sent_unedited() {
    let mut stream = Fake::request("POST", "/s", &[JSON]);
    let mut filter = filter(&state(json!({"remove": {"body": ["a"]}})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = vec![b' '; 600 * 1024];
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Answered);
    assert_eq!(stream.status(), Some(413));
}

#[test]
fn templates_and_edits_see_what_earlier_plugins_wrote() {
    let edits = json!({
        "add": {"headers": ["X-User:$(headers['x-consumer-username'])"]}, "remove": {"headers": ["X-Consumer-ID"]},
    });
    let extra = plugins(&[("key-auth", json!({"key_in_query": false})), ("request-transformer", edits)]);
    let (_, stream, flow) = passed(&extra, Fake::request("GET", "/s", &[("apikey", "ann-key")]));
    assert_eq!(flow, Flow::Continue);
    assert_eq!(values(&stream, "x-user"), ["ann"]);
    assert_eq!(values(&stream, "x-consumer-id"), [""; 0]);
}

#[test]
fn a_fault_in_an_expression_answers_500() {
    let config = json!({"add": {"headers": ["X-A:$(headers.none.deeper)"]}});
    let (_, stream, flow) = passed(&state(config), Fake::request("GET", "/s", &[]));
    assert_eq!((flow, stream.status()), (Flow::Answered, Some(500)));
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({}), true),
        (json!({"http_method": "PUT", "remove": {"headers": null}}), true),
        (json!({"add": {"headers": ["X-A:", "X-B: b"]}}), true),
        (json!({"replace": {"headers": ["Host:a.test"]}}), true),
        (json!({"add": {"headers": ["Host:a.test"]}}), false),
        (json!({"remove": {"headers": ["Content-Length"]}}), false),
        (json!({"add": {"headers": ["X-Envoy-Max-Retries:9"]}}), false),
        (json!({"rename": {"headers": ["X-A:X-Crossfade-Cluster"]}}), false),
        (json!({"rename": {"headers": ["X-A:"]}}), false),
        (json!({"add": {"headers": ["X-A:1\r\n"]}}), false),
        (json!({"add": {"headers": ["X-A:$(os)"]}}), false),
        (json!({"add": {"body": ["a"]}}), false),
        (json!({"add": {"body": ["a:"]}}), false),
        (json!({"add": {"body": ["a:$(x"]}}), true),
        (json!({"add": {"querystring": [":x"]}}), false),
        (json!({"replace": {"uri": "$(headers.)"}}), false),
    ] {
        assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
    }
}
