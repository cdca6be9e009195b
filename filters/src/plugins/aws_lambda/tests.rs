//! aws-lambda on the fake stream, with a stub of AWS that tells what it was asked.

use super::parse;
use crate::gateway::{Filter, Flow};
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins, received};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn config(changes: &Value) -> Value {
    let mut config = json!({
        "timeout": 10_000, "keepalive": 60_000, "aws_key": "AKIDEXAMPLE", "aws_secret": "s3cret", "aws_region": "eu-west-1",
        "function_name": "f", "qualifier": null, "invocation_type": "RequestResponse", "log_type": "Tail",
        "host": "127.0.0.1", "port": 443, "disable_https": true, "unhandled_status": null,
        "forward_request_method": false, "forward_request_uri": false, "forward_request_headers": false,
        "forward_request_body": false, "is_proxy_integration": false, "awsgateway_compatible": false,
        "skip_large_bodies": true, "base64_encode_body": true, "empty_arrays_mode": "legacy",
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

struct Asked {
    head: String,
    payload: Value,
}

/// Answers each request with the same.
struct Stub {
    port: u16,
    asked: Receiver<Asked>,
    connections: Receiver<()>,
}

impl Stub {
    fn new(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((tell, asked), (connected, connections)) = (channel(), channel());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let _ = connected.send(());
                let mut socket = BufReader::new(socket.unwrap());
                while let Some(request) = read(&mut socket) {
                    let _ = tell.send(request);
                    socket.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        Self { port, asked, connections }
    }

    fn plugin(&self, changes: &Value) -> Value {
        let mut config = config(changes);
        config["port"] = json!(self.port);
        plugins(&[("aws-lambda", config)])
    }

    fn told(&self) -> Asked {
        self.asked.recv_timeout(Duration::from_secs(10)).unwrap()
    }
}

fn read(socket: &mut BufReader<std::net::TcpStream>) -> Option<Asked> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if socket.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[start..].strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if &head[start..] == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    Some(Asked { head, payload: serde_json::from_slice(&body).unwrap() })
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"a\": \"hi\"}";

fn answered(extra: &Value, mut stream: Fake, body: &str) -> Fake {
    let mut filter = filter(extra, &stream);
    let mut flow = filter.on_request_headers(&mut stream, body.is_empty());
    if !body.is_empty() {
        stream.request_body = body.as_bytes().to_vec();
        let arrived = filter.on_request_body(&mut stream, true);
        flow = if flow == Flow::Pause { flow } else { arrived };
    }
    settle(&mut filter, &mut stream, flow);
    stream
}

fn settle(filter: &mut Filter, stream: &mut Fake, mut flow: Flow) {
    while flow == Flow::Pause && stream.reply.is_none() {
        stream.alarm.wait();
        flow = filter.on_scheduled(stream);
    }
}

fn post(content_type: &str) -> Fake {
    Fake::request("POST", "/s/x?a=1&b=2&b=3", &[("content-type", content_type), ("x-a", "y")])
}

#[test]
fn what_is_asked() {
    let stub = Stub::new(OK);
    let changes =
        json!({"function_name": "arn:aws:lambda:eu-west-1:1:function:f", "qualifier": "v 1", "log_type": "None"});
    let stream = answered(&stub.plugin(&changes), Fake::request("GET", "/s", &[]), "");
    assert_eq!(stream.status(), Some(200));
    assert_eq!(stream.reply.as_ref().unwrap().2, "{\"a\": \"hi\"}");
    assert_eq!(received(&stream, "content-type"), ["application/json"]);
    let Asked { head, payload } = stub.told();
    assert!(head.starts_with(
        "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af/invocations?Qualifier=v%201 HTTP/1.1\r\n"
    ));
    for line in [
        format!("host: 127.0.0.1:{}", stub.port),
        "x-amz-invocation-type: RequestResponse".into(),
        "x-amz-log-type: None".into(),
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert!(head.contains("authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(!head.contains("s3cret"));
    assert_eq!(payload, json!({}));
}

#[test]
fn connections_are_used_again() {
    let stub = Stub::new(OK);
    for _ in 0..3 {
        assert_eq!(answered(&stub.plugin(&json!({})), Fake::request("GET", "/s", &[]), "").status(), Some(200));
    }
    assert_eq!(stub.connections.try_iter().count(), 1);
}

#[test]
fn what_is_told_of_a_request() {
    let stub = Stub::new(OK);
    let body = json!({"forward_request_body": true});
    for (changes, content_type, sent, expected) in [
        (json!({}), "application/json", r#"{"b": {"c": 1}}"#, json!({"a": "1", "b": {"c": 1}})),
        (json!({}), "text/plain", "c=3", json!({"a": "1", "b": ["2", "3"]})),
        (json!({"forward_request_method": true}), "text/plain", "", json!({"request_method": "POST"})),
        (
            json!({"forward_request_uri": true}),
            "text/plain",
            "",
            json!({"request_uri": "/s/x?a=1&b=2&b=3", "request_uri_args": {"a": "1", "b": ["2", "3"]}}),
        ),
        (
            body.clone(),
            "application/x-www-form-urlencoded",
            "c=3",
            json!({"request_body": "c=3", "request_body_args": {"c": "3"}}),
        ),
        (body.clone(), "text/plain", "hi", json!({"request_body": "hi", "request_body_args": {}})),
        (body.clone(), "application/json", "no json", json!({"request_body": "no json"})),
        (
            body.clone(),
            "image/png",
            "hi",
            json!({"request_body": "aGk=", "request_body_base64": true, "request_body_args": {}}),
        ),
        (
            json!({"forward_request_body": true, "base64_encode_body": false}),
            "image/png",
            "hi",
            json!({"request_body": "hi", "request_body_args": {}}),
        ),
    ] {
        let stream = answered(&stub.plugin(&changes), post(content_type), sent);
        assert_eq!(stream.status(), Some(200), "{changes}");
        assert_eq!(stub.told().payload, expected, "{changes} {content_type}");
    }
    answered(&stub.plugin(&json!({"forward_request_headers": true})), post("text/plain"), "");
    let told = stub.told().payload;
    assert_eq!((&told["request_headers"]["x-a"], &told["request_headers"]["host"]), (&json!("y"), &json!("gw.test")));
}

#[test]
fn large_bodies() {
    let stub = Stub::new(OK);
    let long = "x".repeat(9000);
    for (skips, expected) in [(true, None), (false, Some(9000))] {
        let changes = json!({"forward_request_body": true, "skip_large_bodies": skips});
        answered(&stub.plugin(&changes), post("text/plain"), &long);
        assert_eq!(stub.told().payload["request_body"].as_str().map(str::len), expected);
    }
    let huge = "x".repeat(600 * 1024);
    let changes = json!({"forward_request_body": true, "skip_large_bodies": false});
    assert_eq!(answered(&stub.plugin(&changes), post("text/plain"), &huge).status(), Some(413));
}

#[test]
fn as_awss_own_gateway() {
    let stub = Stub::new(OK);
    let mut extra = stub.plugin(&json!({"awsgateway_compatible": true}));
    extra["settings"] = json!({"clock": {"now_ms": 1_709_212_455_000_i64}});
    answered(&extra, post("text/plain"), "hi");
    let told = stub.told().payload;
    for (pointer, expected) in [
        ("/version", json!("1.0")),
        ("/path", json!("/x")),
        ("/httpMethod", json!("POST")),
        ("/headers/x-a", json!("y")),
        ("/multiValueHeaders/x-a", json!(["y"])),
        ("/queryStringParameters", json!({"a": "1", "b": "2"})),
        ("/multiValueQueryStringParameters", json!({"a": ["1"], "b": ["2", "3"]})),
        ("/body", json!("aGk=")),
        ("/isBase64Encoded", json!(true)),
        ("/requestContext/requestTime", json!("29/Feb/2024:13:14:15 +0000")),
        ("/requestContext/requestTimeEpoch", json!(1_709_212_455_000_i64)),
        ("/requestContext/domainPrefix", json!("gw")),
    ] {
        assert_eq!(told.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(told["requestContext"]["requestId"].as_str().map(str::len), Some(32));
}

#[test]
fn what_goes_wrong() {
    const DENIED: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}";
    for (answer, changes, status) in [
        (DENIED, json!({}), 500),
        ("nonsense\r\n\r\n", json!({}), 500),
        (OK, json!({"is_proxy_integration": true}), 502),
    ] {
        let stub = Stub::new(answer);
        let stream = answered(&stub.plugin(&changes), Fake::request("GET", "/s", &[]), "");
        assert_eq!(stream.status(), Some(status), "{answer}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let extra = plugins(&[("aws-lambda", config(&json!({"port": closed})))]);
    assert_eq!(answered(&extra, Fake::request("GET", "/s", &[]), "").status(), Some(500));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let extra = plugins(&[("aws-lambda", config(&json!({"port": port, "timeout": 50})))]);
    assert_eq!(answered(&extra, Fake::request("GET", "/s", &[]), "").status(), Some(500));
}

#[test]
fn configurations() {
    assert!(parse(config(&json!({"host": null, "disable_https": false, "timeout": 0, "keepalive": 0}))).is_ok());
    for changes in [
        json!({"aws_key": ""}),
        json!({"aws_secret": ""}),
        json!({"aws_region": "a\nb"}),
        json!({"function_name": ""}),
        json!({"host": "a\r\nb"}),
        json!({"host": "no such name", "disable_https": false}),
        json!({"unhandled_status": 999}),
        json!({"timeout": -1}),
        json!({"keepalive": 1e12}),
        json!({"empty_arrays_mode": "x"}),
        json!({"unknown": 1}),
    ] {
        assert!(parse(config(&changes)).is_err(), "{changes}");
    }
}
