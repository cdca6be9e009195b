//! grpc-web on the fake gateway, without Envoy's filter behind it.

use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{answered, passed, plugins, received};
use serde_json::{Value, json};

fn grpc_web() -> Value {
    plugins(&[("grpc-web", json!({"allow_origin_header": "https://a.test"}))])
}

#[test]
fn preflight_requests_are_answered() {
    let (_, stream, _) = passed(&grpc_web(), Fake::request("OPTIONS", "/s", &[("origin", "https://b.test")]));
    for (name, value) in [
        ("content-type", "application/grpc-web-text+proto"),
        ("access-control-allow-origin", "https://a.test"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "content-type,x-grpc-web,x-user-agent"),
        ("grpc-status", "0"),
        ("grpc-message", "OK"),
    ] {
        assert_eq!(received(&stream, name), [value], "{name}");
    }
    let (status, _, body) = stream.reply.unwrap();
    assert_eq!((status, body.as_str()), (200, "OK"));
}

#[test]
fn responses_have_the_content_type_of_the_request() {
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
    ] {
        let request = Fake::request("POST", "/s", &[("content-type", content_type)]);
        let stream = answered(&grpc_web(), request, &[("content-type", "application/grpc-web+proto")]);
        assert_eq!(received(&stream, "content-type"), [content_type]);
        assert_eq!(received(&stream, "access-control-allow-origin"), ["https://a.test"]);
    }
}

#[test]
fn the_encoding_of_the_request_is_that_of_the_response() {
    let (text, binary) = ("application/grpc-web-text", "application/grpc-web+proto");
    for (content_type, accept, expected) in
        [(text, "*/*", text), (text, text, text), (binary, text, binary), (binary, "*/*", "*/*")]
    {
        let headers = [("content-type", content_type), ("accept", accept)];
        let (_, stream, _) = passed(&grpc_web(), Fake::request("POST", "/s", &headers));
        assert_eq!(stream.sent(Map::Request, "accept").as_deref(), Some(expected), "{content_type} {accept}");
    }
}

#[test]
fn what_cannot_be_translated_is_refused() {
    let transcoding = plugins(&[("grpc-web", json!({"allow_origin_header": "*", "wants_transcoding": true}))]);
    for (extra, content_type, text) in [
        (grpc_web(), "application/json", "transcoding requests require a .proto file defining the service"),
        (grpc_web(), "", "transcoding requests require a .proto file defining the service"),
        (
            transcoding,
            "application/json",
            "this gateway does not transcode JSON; the web client must use application/grpc-web+proto content",
        ),
    ] {
        let (_, stream, _) = passed(&extra, Fake::request("POST", "/s", &[("content-type", content_type)]));
        assert_eq!(received(&stream, "content-type"), [] as [&str; 0]);
        let (status, _, body) = stream.reply.unwrap();
        assert_eq!((status, body.as_str()), (400, text), "{content_type}");
    }
}

#[test]
fn what_cors_says_counts() {
    let both =
        plugins(&[("cors", json!({"origins": ["https://c.test"]})), ("grpc-web", json!({"allow_origin_header": "*"}))]);
    let request =
        Fake::request("OPTIONS", "/s", &[("origin", "https://c.test"), ("access-control-request-method", "POST")]);
    let (_, stream, _) = passed(&both, request);
    assert_eq!(received(&stream, "access-control-allow-origin"), ["https://c.test"]);
    assert_eq!(received(&stream, "content-type"), [] as [&str; 0]);
}

#[test]
fn an_origin_that_no_header_can_carry_is_refused() {
    let error = super::parse(json!({"allow_origin_header": "a\r\nx: y"})).unwrap_err();
    assert_eq!(error.to_string(), "allow_origin_header: control characters are not allowed in header values");
}
