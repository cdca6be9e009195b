//! cors on the fake gateway; the cases with routes of their own are those of a recorded Kong (kong-truth 56).

use crate::gateway::Flow;
use crate::stream::testing::Fake;
use crate::testing::{answered, passed, plugins, received};
use serde_json::{Value, json};

const APP: &str = "https://app.test";
const EVIL: &str = "https://evil.test";
const ALL_METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";
const HEADERS: [&str; 8] = [
    "access-control-allow-origin",
    "vary",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-max-age",
    "access-control-expose-headers",
    "access-control-allow-private-network",
];

fn cors(config: Value) -> Value {
    plugins(&[("cors", config)])
}

fn one() -> Value {
    json!({"origins": [APP], "methods": ["GET", "PUT"], "headers": ["X-A", "X-B"],
        "exposed_headers": ["X-C", "X-D"], "max_age": 600, "credentials": true})
}

fn many() -> Value {
    json!({"origins": [APP, "https://two.test:8443", r"re[0-9]+\.test", r"https://.*\.wild\.test"]})
}

/// What the plugin may say, of what was said, in one text: `name: value` for each line.
fn said(stream: &Fake) -> String {
    let lines = HEADERS.iter().flat_map(|name| {
        let short = name.trim_start_matches("access-control-");
        received(stream, name).into_iter().map(move |value| format!("{short}: {value}"))
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[track_caller]
fn assert_preflight(config: Value, headers: &[(&str, &str)], expected: &str) {
    let headers = [&[("access-control-request-method", "PUT")], headers].concat();
    let (_, stream, flow) = passed(&cors(config), Fake::request("OPTIONS", "/s", &headers));
    assert_eq!(flow, Flow::Answered);
    assert_eq!(said(&stream), expected);
    assert_eq!(received(&stream, "content-type"), [] as [&str; 0]);
    let (status, _, body) = stream.reply.unwrap();
    assert_eq!((status, body.as_str()), (200, ""));
}

#[track_caller]
fn assert_response(config: Value, origin: Option<&str>, upstream: &[(&str, &str)], expected: &str) {
    let origin = origin.map(|origin| ("origin", origin));
    let request = Fake::request("GET", "/s", origin.as_slice());
    assert_eq!(said(&answered(&cors(config), request, upstream)), expected);
}

#[test]
fn preflight_requests_are_answered() {
    let methods = format!("allow-methods: {ALL_METHODS}");
    let asks = [("origin", APP), ("access-control-request-headers", "X-Q, Content-Type")];
    let evil = "allow-origin: https://app.test; vary: Origin; allow-credentials: true; allow-headers: X-A,X-B; \
                allow-methods: GET,PUT; max-age: 600";
    let private = [("origin", APP), ("access-control-request-private-network", "true")];
    for (config, headers, expected) in [
        (json!({}), &[("origin", APP)][..], format!("allow-origin: *; {methods}")),
        (json!({}), &asks, format!("allow-origin: *; allow-headers: X-Q, Content-Type; {methods}")),
        (one(), &[("origin", APP)], evil.to_owned()),
        (one(), &[("origin", EVIL)], evil.to_owned()),
        (many(), &[("origin", EVIL)], format!("vary: Origin; {methods}")),
        (many(), &[("origin", APP)], format!("allow-origin: {APP}; vary: Origin; {methods}")),
        (
            json!({"credentials": true}),
            &[("origin", APP)],
            format!("allow-origin: {APP}; vary: Origin; allow-credentials: true; {methods}"),
        ),
        (
            json!({"origins": ["*"], "max_age": 0}),
            &[("origin", APP)],
            format!("allow-origin: *; {methods}; max-age: 0"),
        ),
        (
            json!({"private_network": true}),
            &private,
            format!("allow-origin: *; {methods}; allow-private-network: true"),
        ),
        (json!({"private_network": true}), &[("origin", APP)], format!("allow-origin: *; {methods}")),
        (json!({"methods": []}), &[("origin", APP)], "allow-origin: *; allow-methods: ".to_owned()),
        (json!({"headers": []}), &asks, format!("allow-origin: *; allow-headers: X-Q, Content-Type; {methods}")),
    ] {
        assert_preflight(config, headers, &expected);
    }
}

#[test]
fn responses_are_marked() {
    let of_one = "allow-origin: https://app.test; vary: Origin; allow-credentials: true; expose-headers: X-C,X-D";
    let of_two =
        format!("allow-origin: {APP}; vary: Accept; vary: Origin; allow-credentials: true; expose-headers: X-C,X-D");
    let echoed = |origin: &str| format!("allow-origin: {origin}; vary: Origin");
    let of_upstream = [("access-control-allow-origin", "https://up.test")];
    for (config, origin, upstream, expected) in [
        (json!({}), Some(APP), &[][..], "allow-origin: *".to_owned()),
        (json!({}), None, &[], "allow-origin: *".to_owned()),
        (one(), Some(APP), &[], of_one.to_owned()),
        (one(), Some(EVIL), &[], of_one.to_owned()),
        (one(), None, &[], of_one.to_owned()),
        (one(), Some(APP), &of_upstream, of_one.to_owned()),
        (one(), Some(APP), &[("vary", "Accept")], of_two),
        (many(), Some(APP), &[], echoed(APP)),
        (many(), Some("https://two.test:8443"), &[], echoed("https://two.test:8443")),
        (many(), Some("https://two.test"), &[], "vary: Origin".to_owned()),
        (many(), Some("http://re12.test"), &[], echoed("http://re12.test")),
        (many(), Some("https://a.wild.test"), &[], echoed("https://a.wild.test")),
        (many(), Some(EVIL), &of_upstream, "vary: Origin".to_owned()),
        (many(), None, &[], "vary: Origin".to_owned()),
        (many(), Some(""), &[], "vary: Origin".to_owned()),
        (json!({"credentials": true}), Some(APP), &[], format!("{}; allow-credentials: true", echoed(APP))),
        (json!({"credentials": true}), None, &[], "allow-origin: *".to_owned()),
        (json!({"origins": ["*"]}), Some(APP), &[], "allow-origin: *".to_owned()),
        (json!({"origins": ["*", APP]}), Some(EVIL), &[], "allow-origin: *; vary: Origin".to_owned()),
        (json!({"exposed_headers": []}), Some(APP), &[], "allow-origin: *".to_owned()),
    ] {
        assert_response(config, origin, upstream, &expected);
    }
}

#[test]
fn other_options_requests_go_to_the_upstream() {
    let ask = ("access-control-request-method", "PUT");
    for headers in [&[("origin", APP)][..], &[ask], &[("origin", ""), ask]] {
        let stream = answered(&cors(json!({})), Fake::request("OPTIONS", "/s", headers), &[]);
        assert_eq!(said(&stream), "allow-origin: *", "{headers:?}");
    }
}

#[test]
fn a_preflight_request_of_the_upstreams_own_stays_untouched() {
    let request = Fake::request("OPTIONS", "/s", &[("origin", APP), ("access-control-request-method", "PUT")]);
    let config = cors(json!({"origins": [APP], "preflight_continue": true}));
    assert_eq!(said(&answered(&config, request, &[("vary", "Accept")])), "vary: Accept");
    let request = Fake::request("GET", "/s", &[("origin", APP)]);
    assert_eq!(said(&answered(&config, request, &[])), format!("allow-origin: {APP}; vary: Origin"));
}

#[test]
fn refusals_of_other_plugins_are_marked_whether_they_run_before_or_after() {
    let (origins, auth) = (("cors", json!({"origins": [EVIL, APP]})), ("key-auth", json!({})));
    let marked = format!("allow-origin: {APP}; vary: Origin");
    for order in [[origins.clone(), auth.clone()], [auth.clone(), origins.clone()]] {
        let (_, stream, _) = passed(&plugins(&order), Fake::request("GET", "/s", &[("origin", APP)]));
        assert_eq!((stream.status(), said(&stream)), (Some(401), marked.clone()), "{order:?}");
    }
    let preflight = Fake::request("OPTIONS", "/s", &[("origin", APP), ("access-control-request-method", "PUT")]);
    let (_, stream, _) = passed(&plugins(&[origins, auth]), preflight);
    assert_eq!(stream.status(), Some(200));
}

#[test]
fn a_request_without_a_route_is_not_marked() {
    let request = Fake::request("OPTIONS", "/none", &[("origin", APP), ("access-control-request-method", "PUT")]);
    let (_, stream, _) = passed(&cors(json!({})), request);
    assert_eq!((stream.status(), said(&stream)), (Some(404), String::new()));
}

#[test]
fn what_cannot_be_carried_out_is_refused() {
    for (config, reason) in [
        (json!({"methods": ["GET", "FAKE"]}), "methods: there is no method \"FAKE\""),
        (json!({"headers": ["a", "b\r\nx: y"]}), "headers.2: control characters are not allowed in header values"),
        (json!({"exposed_headers": ["\0"]}), "exposed_headers.1: control characters are not allowed in header values"),
        (json!({"origins": ["*", ""]}), "origins.2: length must be at least 1"),
        (json!({"origins": ["(", "*"]}), "origins.1: '(' is not a valid regex: unclosed group at byte 0"),
    ] {
        assert_eq!(super::parse(config).unwrap_err().to_string(), reason);
    }
    assert!(super::parse(json!({"allow_origins": []})).is_err());
}
