//! pre-function and post-function on whole requests.

use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::{Fake, text};
use crate::testing::{answered, filter, passed, plugins, received};
use serde_json::{Value, json};

fn access(function: &str) -> Value {
    plugins(&[("pre-function", json!({"access": [function]}))])
}

/// Requests go to `/s/a%20b?x=1&x=2&flag`, with a few headers.
fn request() -> Fake {
    Fake::request(
        "POST",
        "/s/a%20b?x=1&x=2&flag",
        &[("x-a", "1"), ("x-a", "2"), ("cookie", "c"), ("accept", "text/html")],
    )
}

fn sent(function: &str, name: &str) -> Vec<String> {
    let (_, stream, flow) = passed(&access(function), request());
    assert_eq!(flow, Flow::Continue, "{function}: {:?}", stream.reply);
    stream.request.iter().filter(|(other, _)| other == name).map(|(_, value)| text(value)).collect()
}

#[test]
fn what_functions_see() {
    for (expression, expected) in [
        ("kong.request.get_method()", "POST"),
        ("kong.request.get_path()", "/s/a b"),
        ("kong.request.get_raw_path()", "/s/a%20b"),
        ("kong.request.get_path_with_query()", "/s/a%20b?x=1&x=2&flag"),
        ("kong.request.get_raw_query()", "x=1&x=2&flag"),
        ("kong.request.get_query_arg('x')", "1"),
        ("tostring(kong.request.get_query_arg('flag'))", "true"),
        ("kong.request.get_query().x[2]", "2"),
        ("kong.request.get_header('X-A')", "1"),
        ("kong.request.get_header('x_a')", "1"),
        ("tostring(kong.request.get_header('none'))", "nil"),
        ("kong.request.get_headers().x_a[2]", "2"),
        ("kong.request.get_headers(1).host", "gw.test"),
        ("kong.request.get_host() .. kong.request.get_port() .. kong.request.get_scheme()", "gw.test8000http"),
        ("kong.request.get_http_version()", "1.1"),
        ("kong.request.get_forwarded_host() .. kong.request.get_forwarded_port()", "gw.test8000"),
        ("kong.request.get_forwarded_scheme() .. kong.request.get_forwarded_path()", "http/s/a b"),
        ("kong.request.get_forwarded_prefix()", "/s"),
        ("kong.request.get_raw_body() .. '.'", "."),
        ("kong.client.get_ip() .. kong.client.get_forwarded_ip()", "192.0.2.1192.0.2.1"),
        ("tostring(kong.client.get_consumer())", "nil"),
        ("kong.client.get_protocol()", "http"),
        ("kong.router.get_route().id .. kong.router.get_service().id", "rs"),
        ("tostring(kong.ip.is_trusted('10.0.0.1'))", "false"),
        ("type(kong.request.get_start_time())", "number"),
        ("ngx.var.request_uri", "/s/a%20b?x=1&x=2&flag"),
        ("ngx.var.arg_x .. ngx.var.http_cookie .. ngx.var.remote_addr", "1c192.0.2.1"),
        ("ngx.req.get_headers()['X-A'][1] .. ngx.req.get_method()", "1POST"),
        ("#ngx.var.request_id", "32"),
    ] {
        let function = format!("kong.service.request.set_header('x-seen', {expression})");
        assert_eq!(sent(&function, "x-seen"), [expected], "{expression}");
    }
}

#[test]
fn what_functions_change() {
    for (function, name, expected) in [
        ("kong.service.request.set_header('X-A', 3)", "x-a", &["3"][..]),
        ("kong.service.request.set_header('X-A', {'3', ''})", "x-a", &["3", " "]),
        ("kong.service.request.add_header('X-A', true)", "x-a", &["1", "2", "true"]),
        ("kong.service.request.clear_header('X-A')", "x-a", &[]),
        ("kong.service.request.set_headers({['X-B'] = 'b', ['X-C'] = 'c'})", "x-c", &["c"]),
        ("kong.service.request.set_header('Host', 'other.test')", ":authority", &["other.test"]),
        ("kong.service.request.set_header('x-b', 'a\\r\\nx-evil: 1')", "x-b", &["a%0D%0Ax-evil: 1"]),
        ("kong.service.request.set_path('/n w')", ":path", &["/n%20w?x=1&x=2&flag"]),
        ("kong.service.request.set_raw_query('a=1 HTTP/1.1\\r\\n#')", ":path", &["/a%20b?a=1%20HTTP/1.1%0D%0A%23"]),
        ("kong.service.request.set_query({b = {1, true}, a = ' '})", ":path", &["/a%20b?a=%20&b&b=1"]),
        ("kong.service.request.clear_query_arg('x')", ":path", &["/a%20b?flag="]),
        ("kong.service.request.set_method('PUT')", ":method", &["PUT"]),
        (
            "kong.service.request.set_header('x-b', '1') kong.service.request.set_header('x-c', kong.request.get_header('x-b'))",
            "x-c",
            &["1"],
        ),
        ("ngx.req.set_header('X-B', 'b') ngx.req.clear_header('x-a')", "x-a", &[]),
    ] {
        assert_eq!(sent(function, name), expected, "{function}");
    }
}

#[test]
fn functions_answer() {
    let json = "application/json; charset=utf-8";
    for (function, status, content_type, body) in [
        ("return kong.response.exit(402, {message = 'pay'})", 402, Some(json), r#"{"message":"pay"}"#),
        ("kong.response.exit(200, 'text')", 200, None, "text"),
        ("kong.response.exit(204)", 204, None, ""),
        (
            "kong.response.exit(200, '<p>', {['Content-Type'] = 'text/html'})",
            200,
            Some("text/html; charset=UTF-8"),
            "<p>",
        ),
        ("kong.response.exit(200, {1, 2}, {['Content-Length'] = 99})", 200, Some(json), "[1,2]"),
        ("nothing()", 500, Some(json), r#"{"message":"An unexpected error occurred"}"#),
        ("error('x')", 500, Some(json), r#"{"message":"An unexpected error occurred"}"#),
        ("while true do end", 500, Some(json), r#"{"message":"An unexpected error occurred"}"#),
        ("kong.response.exit(99)", 500, Some(json), r#"{"message":"An unexpected error occurred"}"#),
        (
            "kong.service.request.set_header('Content-Length', 1)",
            500,
            Some(json),
            r#"{"message":"An unexpected error occurred"}"#,
        ),
        (
            "kong.service.request.set_header('X-Envoy-Max-Retries', 1)",
            500,
            Some(json),
            r#"{"message":"An unexpected error occurred"}"#,
        ),
    ] {
        let function = function.replace("nothing()", "local nothing nothing()");
        let (_, stream, _) = passed(&access(&function), request());
        let (found, headers, sent) = stream.reply.as_ref().unwrap();
        assert_eq!((*found, sent.as_str()), (status, body), "{function}");
        let types: Vec<_> =
            headers.iter().filter(|(name, value)| name == "content-type" && !value.is_empty()).collect();
        assert_eq!(types.first().map(|(_, value)| value.as_str()), content_type, "{function}");
    }
    // In the client's format, with Kong's words.
    let (_, stream, _) = passed(&access("kong.response.error(403)"), request());
    let (status, _, body) = stream.reply.unwrap();
    assert!(status == 403 && body.contains("<p>Forbidden.</p>"), "{body}");
}

#[test]
fn headers_of_answers() {
    let both = plugins(&[(
        "pre-function",
        json!({
            "access": ["kong.response.set_header('X-Early', 'e') if kong.request.get_query_arg('end') then kong.response.exit(200, 'x', {['X-Own'] = {'1', '2'}}) end"],
            "header_filter": ["kong.response.add_header('X-Late', kong.response.get_source() .. kong.response.get_status()) \
                kong.response.set_header('x_down', kong.response.get_header('X-Up') or 'none') kong.response.clear_header('X-Up') \
                kong.response.add_header('X-Service', tostring(kong.service.response.get_status()))"],
        }),
    )]);
    let stream = answered(&both, Fake::request("GET", "/s", &[]), &[("x-up", "u"), ("x-early", "theirs")]);
    for (name, expected) in [
        ("x-early", &["e", "theirs"][..]),
        ("x-late", &["service200"]),
        ("x-down", &["u"]),
        ("x-up", &[]),
        ("x-service", &["200"]),
    ] {
        assert_eq!(received(&stream, name), expected, "{name}");
    }
    let (_, stream, _) = passed(&both, Fake::request("GET", "/s?end", &[]));
    for (name, expected) in [
        ("x-early", &["e"][..]),
        ("x-late", &["exit200"]),
        ("x-own", &["1", "2"]),
        ("x-down", &["none"]),
        ("x-service", &["nil"]),
    ] {
        assert_eq!(received(&stream, name), expected, "{name}");
    }
}

/// What a client gets of an upstream's answer with this body.
fn through(config: Value, body: &str) -> (Vec<(String, String)>, String, Option<u16>) {
    let mut stream = request();
    let mut filter = filter(&plugins(&[("pre-function", config)]), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, true), Flow::Continue);
    let headers = [(":status", "200"), ("content-length", "4"), ("x-secret", "s")];
    stream.response = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec();
    filter.on_response_headers(&mut stream, false);
    stream.response_chunk = body.as_bytes().to_vec();
    filter.on_response_body(&mut stream, true);
    let headers = stream.response.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let body = [stream.response_body.as_slice(), &stream.response_chunk].concat();
    (headers, text(&body), stream.status())
}

#[test]
fn bodies_of_answers() {
    for (function, expected) in [
        ("kong.response.set_raw_body(kong.response.get_raw_body():upper())", "BODY"),
        ("if ngx.arg[2] then ngx.arg[1] = ngx.arg[1] .. kong.response.get_status() end", "body200"),
        ("ngx.arg[1] = nil", ""),
        ("kong.response.set_raw_body(kong.response.get_header('X-Secret') .. kong.request.get_method())", "sPOST"),
    ] {
        let (headers, body, _) = through(json!({"body_filter": [function]}), "body");
        assert_eq!(body, expected, "{function}");
        assert!(headers.iter().all(|(name, _)| name != "content-length"), "{function}");
    }
    let (_, _, status) = through(json!({"body_filter": ["error('x')"]}), "body");
    assert_eq!(status, Some(500));
}

#[test]
fn a_response_that_is_replaced() {
    for (function, status, body) in [
        ("kong.response.set_status(418)", "418", "body"),
        ("kong.response.exit(404, {message = 'no'})", "404", r#"{"message":"no"}"#),
        ("kong.response.exit(404)", "404", ""),
        ("ngx.status = 201", "201", "body"),
    ] {
        let (headers, found, _) = through(json!({"header_filter": [function]}), "body");
        assert_eq!(found, body, "{function}");
        assert!(headers.contains(&(":status".to_owned(), status.to_owned())), "{function}");
        let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.as_str());
        assert_eq!(length, Some(body.len().to_string().as_str()), "{function}");
    }
}

#[test]
fn nothing_is_shown_of_a_response_on_which_a_function_failed() {
    let (headers, body, _) = through(json!({"header_filter": ["error('x')"]}), "body");
    assert!(body.contains("An unexpected error occurred"), "{body}");
    assert!(headers.iter().all(|(name, _)| name != "x-secret"), "{headers:?}");
    let failing = plugins(&[("pre-function", json!({"header_filter": ["error('x')"]})), ("key-auth", json!({}))]);
    let (_, stream, _) = passed(&failing, request());
    assert_eq!(stream.status(), Some(500));
}

#[test]
fn what_one_plugin_keeps_another_one_finds() {
    let both = plugins(&[
        ("pre-function", json!({"access": ["kong.ctx.shared.a = {1} kong.ctx.plugin.b = 2"]})),
        ("key-auth", json!({"anonymous": "nobody"})),
        (
            "post-function",
            json!({"access": [
            "kong.service.request.set_header('x-found', kong.ctx.shared.a[1] .. tostring(kong.ctx.plugin.b) \
             .. kong.client.get_consumer().username .. tostring(kong.client.get_credential()))"]}),
        ),
    ]);
    let (_, stream, _) = passed(&both, request());
    assert_eq!(stream.sent(Map::Request, "x-found").as_deref(), Some("1nilnobodynil"));
}

#[test]
fn a_key_may_come_from_a_function() {
    for function in
        ["kong.service.request.set_header('apikey', 'ann-key')", "kong.service.request.set_raw_query('apikey=ann-key')"]
    {
        let both = plugins(&[
            ("pre-function", json!({"access": [function]})),
            ("key-auth", json!({"hide_credentials": true})),
        ]);
        let (_, stream, flow) = passed(&both, request());
        assert_eq!(flow, Flow::Continue, "{function}");
        assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), Some("ann"));
        assert_eq!(stream.sent(Map::Request, "apikey"), None);
    }
}

#[test]
fn bodies_of_requests() {
    for (function, content_type, body, expected) in [
        ("return kong.request.get_body().a", "application/json", r#"{"a":"j"}"#, "j"),
        ("return kong.request.get_body().a", "application/x-www-form-urlencoded", "a=f%20f", "f f"),
        ("return select(2, kong.request.get_body())", "application/json", "nope", "invalid json body"),
        ("return select(2, kong.request.get_body())", "text/plain", "x", "unsupported content type 'text/plain'"),
        ("return ngx.req.get_post_args().b", "text/plain", "b=1", "1"),
        ("return kong.request.get_raw_body()", "text/plain", "raw", "raw"),
    ] {
        let function = format!("local function f() {function} end kong.service.request.set_header('x-found', f())");
        let mut stream = Fake::request("POST", "/s", &[("content-type", content_type)]);
        let mut filter = filter(&access(&function), &stream);
        assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
        stream.request_body = body.as_bytes().to_vec();
        assert_eq!(filter.on_request_body(&mut stream, true), Flow::Continue, "{function} {:?}", stream.reply);
        assert_eq!(stream.sent(Map::Request, "x-found").as_deref(), Some(expected), "{function}");
    }
    for (function, expected, content_type) in [
        ("kong.service.request.set_raw_body('new')", "new", "text/plain"),
        (
            "kong.service.request.set_body({b = {2}, a = 'x'}, 'application/x-www-form-urlencoded')",
            "a=x&b=2",
            "application/x-www-form-urlencoded",
        ),
        ("kong.service.request.set_body({a = {}}, 'application/json')", r#"{"a":{}}"#, "application/json"),
        (
            "kong.service.request.set_body({a = 1}, 'multipart/form-data; boundary=x')",
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
    ] {
        let mut stream = Fake::request("POST", "/s", &[("content-type", "text/plain")]);
        let mut filter = filter(&access(function), &stream);
        filter.on_request_headers(&mut stream, true);
        assert_eq!(text(&stream.request_body), expected, "{function} {:?}", stream.reply);
        assert_eq!(stream.sent(Map::Request, "content-type").as_deref(), Some(content_type));
        assert_eq!(stream.sent(Map::Request, "content-length"), Some(expected.len().to_string()));
    }
}

#[test]
fn too_large_a_body_is_an_error() {
    let mut stream = Fake::request("POST", "/s", &[]);
    let mut filter = filter(&access("kong.request.get_raw_body()"), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
    stream.request_body = vec![b' '; 600 * 1024];
    assert_eq!(filter.on_request_body(&mut stream, false), Flow::Answered);
    assert_eq!(stream.status(), Some(500));
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({"access": []}), true),
        (json!({"access": [""]}), true),
        (json!({"log": ["kong.log(1)"]}), true),
        (json!({"access": ["x("]}), false),
        (json!({"access": ["os.exit()"]}), false),
        (json!({"log": ["kong.response.set_header('a', 1)"]}), false),
        (json!({"access": "x"}), false),
    ] {
        assert_eq!(super::parse_pre(config.clone()).is_ok(), is_right, "{config}");
    }
}
