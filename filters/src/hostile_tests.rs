//! Requests, bodies and answers that somebody made up to do harm, against every plugin. `PROPTEST_CASES` says how many;
//! whatever comes, nothing panics, nobody gets another's name, and what is sent on is well formed.

use crate::gateway::{Filter, Flow};
use crate::plugins::asking::ASKED;
use crate::plugins::grpc_gateway::transcoding_tables;
use crate::plugins::openid_connect::browser_tests::hostile_config;
use crate::plugins::rate_limiting::counters::Counters;
use crate::plugins::{self, recording};
use crate::stream::testing::Fake;
use crate::stream::{Map, Stream};
use crate::testing::{counting_filter, plugins as on_route};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

/// At least one line for each plugin: the configurations that look at most of a request.
fn configurations() -> Vec<(&'static str, Value)> {
    vec![
        ("acl", json!({"allow": ["a"]})),
        (
            "acme",
            json!({
                "domains": ["*.test", "a"], "allow_any_domain": true, "enable_ipv4_common_name": false,
                "challenges": {"a": "a.b"},
            }),
        ),
        (
            "aws-lambda",
            json!({
                "timeout": 1000, "keepalive": 1000, "aws_key": "k", "aws_secret": "s", "aws_region": "eu-west-1",
                "function_name": "f", "qualifier": null, "invocation_type": "RequestResponse", "log_type": "Tail",
                "host": "127.0.0.1", "port": 1, "disable_https": true, "unhandled_status": null,
                "forward_request_method": true, "forward_request_uri": true, "forward_request_headers": true,
                "forward_request_body": true, "is_proxy_integration": true, "awsgateway_compatible": true,
                "skip_large_bodies": false, "base64_encode_body": true, "empty_arrays_mode": "legacy",
            }),
        ),
        ("basic-auth", json!({"anonymous": "nobody", "hide_credentials": true})),
        ("bot-detection", json!({"allow": ["^a"], "deny": ["b$"]})),
        ("correlation-id", json!({"header_name": "x-id", "generator": "uuid#counter", "echo_downstream": true})),
        ("cors", json!({"origins": ["https://a.test", "~^https://[a-z]+$"], "credentials": true, "max_age": 3600})),
        ("grpc-gateway", transcoding_tables()),
        ("grpc-web", json!({"allow_origin_header": "*"})),
        (
            "hmac-auth",
            json!({
                "hide_credentials": true, "clock_skew": 1e10, "anonymous": "nobody", "validate_request_body": true,
                "enforce_headers": [], "algorithms": ["hmac-sha256"], "realm": null,
            }),
        ),
        ("ip-restriction", json!({"allow": ["192.0.2.0/24"]})),
        (
            "jwt",
            json!({
                "uri_param_names": ["apikey", "a"], "cookie_names": ["a"], "header_names": ["authorization", "x-a"],
                "key_claim_name": "iss", "secret_is_base64": true, "claims_to_verify": ["exp"], "maximum_expiration": 60,
                "anonymous": null, "run_on_preflight": true, "realm": "a",
            }),
        ),
        ("key-auth", json!({"key_in_body": true, "hide_credentials": true, "key_names": ["apikey", "x-a"]})),
        ("key-auth", json!({"anonymous": "nobody"})),
        (
            "ldap-auth",
            json!({
                "ldap_host": "127.0.0.1", "ldap_port": 1, "base_dn": "dc=test", "attribute": "uid", "header_type": "basic",
                "ldaps": false, "start_tls": false, "verify_ldap_host": false, "cache_ttl": 60, "timeout": 1000,
                "keepalive": 60000, "hide_credentials": true, "anonymous": "nobody", "realm": "a",
            }),
        ),
        (
            "mtls-auth",
            json!({
                "authorities": [{"id": "a", "der": STANDARD.encode(include_bytes!("plugins/mtls_auth/testdata/root.der"))}],
                "allow_partial_chain": true, "anonymous": "nobody", "default_consumer": "vip",
                "consumer_by": ["username", "custom_id"], "skip_consumer_lookup": true, "authenticated_group_by": "DN",
                "revocation_check_mode": "STRICT", "http_timeout": 1, "cert_cache_ttl": 60000, "http_proxy_host": null,
                "http_proxy_port": null, "https_proxy_host": null, "https_proxy_port": null,
            }),
        ),
        (
            "oauth2",
            json!({
                "scopes": ["a"], "mandatory_scope": false, "provision_key": "a", "token_expiration": 60,
                "enable_implicit_grant": true, "enable_client_credentials": true, "enable_password_grant": true,
                "hide_credentials": true, "accept_http_if_already_terminated": true, "anonymous": "nobody",
                "global_credentials": false, "auth_header_name": "authorization", "refresh_token_ttl": 60,
                "reuse_refresh_token": true, "pkce": "lax", "realm": null,
            }),
        ),
        (
            "openid-connect",
            json!({
                "issuer": "http://127.0.0.1:9", "issuers_allowed": ["ann"], "auth_methods": ["bearer"],
                "bearer_token_param_type": ["query", "body", "cookie", "header"], "bearer_token_cookie_name": "a",
                "ssl_verify": true, "timeout": 1, "cache_ttl": 0, "rediscovery_lifetime": 0, "leeway": 1e9,
                "scopes_claim": ["a"], "scopes_required": ["a b"], "audience_claim": ["aud"], "audience_required": null,
                "groups_claim": ["a", "b"], "groups_required": null, "roles_claim": [], "roles_required": null,
                "consumer_claim": ["iss"], "consumer_by": ["username", "custom_id", "id"], "consumer_optional": false,
                "credential_claim": ["sub"], "authenticated_groups_claim": ["a"], "upstream_headers_claims": ["iss"],
                "upstream_headers_names": ["x-a"], "downstream_headers_claims": ["a"], "downstream_headers_names": ["x-b"],
                "upstream_access_token_header": "x-c", "hide_credentials": true, "run_on_preflight": true,
                "anonymous": "nobody", "unauthorized_error_message": "a", "forbidden_error_message": "b",
            }),
        ),
        ("openid-connect", hostile_config()),
        (
            "opentelemetry",
            plugins::opentelemetry::tests::config(json!({"http_response_header_for_traceid": "x-b"})),
        ),
        (
            "post-function",
            json!({"access": ["local body = kong.request.get_body() kong.service.request.set_body(body or {}, 'application/json')"]}),
        ),
        (
            "prometheus",
            json!({
                "per_consumer": true, "status_code_metrics": true, "latency_metrics": true, "bandwidth_metrics": true,
                "upstream_health_metrics": true,
            }),
        ),
        (
            "pre-function",
            json!({
                "access": [
                    "local h = kong.request.get_headers() for name, value in pairs(h) do kong.ctx.shared[name] = value end",
                    "kong.service.request.set_header('x-a', kong.request.get_header('x-b') or kong.request.get_raw_query())",
                    "kong.service.request.set_path('/' .. kong.request.get_path())",
                    "kong.service.request.set_query(kong.request.get_query())",
                    "if kong.request.get_query_arg('a') then kong.response.exit(418, kong.request.get_headers(), {['X-A'] = kong.request.get_path()}) end",
                ],
                "header_filter": [
                    "local h = kong.response.get_headers() for name in pairs(h) do kong.response.clear_header(name) end",
                    "kong.response.set_header('x-c', kong.response.get_header('x-a') or kong.request.get_host())",
                ],
                "body_filter": ["kong.response.set_raw_body(kong.response.get_raw_body():upper():gsub('%A', '.'))"],
                "log": ["kong.log(kong.response.get_status(), kong.request.get_header('cookie'))"],
            }),
        ),
        (
            "proxy-cache",
            json!({
                "response_code": [200, 404], "request_method": ["GET", "POST", "HEAD"], "content_type": ["*/*", "a/b; c=d"],
                "cache_ttl": 1, "storage_ttl": 100, "cache_control": true, "ignore_uri_case": true,
                "vary_query_params": ["a"], "vary_headers": ["x-a", "cookie"],
                "response_headers": {"age": true, "X-Cache-Status": true, "X-Cache-Key": true},
                "memory": {"dictionary_name": "kong_db_cache"},
            }),
        ),
        ("rate-limiting", json!({"minute": 5, "limit_by": "header", "header_name": "x-a"})),
        ("rate-limiting", json!({"second": 3, "limit_by": "path", "path": "/s"})),
        ("redirect", json!({"location": "https://a.test/x#f", "keep_incoming_path": true})),
        ("request-size-limiting", json!({"allowed_payload_size": 20, "size_unit": "bytes"})),
        ("request-size-limiting", json!({"allowed_payload_size": 1, "require_content_length": true})),
        ("standard-webhooks", json!({"secret_v1": "s", "tolerance_second": 1_000_000})),
        ("request-termination", json!({"status_code": 418, "trigger": "x-a", "echo": true})),
        (
            "response-ratelimiting",
            json!({"limits": {"a": {"hour": 1}, "x-b": {"day": 2}}, "header_name": "x-a", "block_on_first_violation": true}),
        ),
        (
            "request-transformer",
            json!({
                "http_method": "GET",
                "remove": {"headers": ["x-a"], "querystring": ["a"], "body": ["a"]},
                "rename": {"headers": ["x-b:x-c"], "querystring": ["b:c"], "body": ["b:c"]},
                "replace": {"headers": ["host:$(headers.x_d or 'a.test')"], "uri": "/$(query_params.a or 'x')"},
                "add": {"headers": ["x-d:$(headers.authorization)"], "body": ["d:$(query_params.d)"]},
                "append": {"headers": ["x-c:$(headers.x_c)"], "querystring": ["b:$(headers.cookie)"], "body": ["c:1"]},
            }),
        ),
        (
            "response-transformer",
            json!({
                "remove": {"headers": ["x-a", "set-cookie: a"], "json": ["a"]},
                "rename": {"headers": ["x-b:x-c"], "json": ["b:c"]},
                "replace": {"headers": ["x-c:d"], "json": ["c:d"], "body": null},
                "add": {"headers": ["x-d:e"], "json": ["d:e"], "json_types": ["string"]},
                "append": {"headers": ["x-d:f"], "json": ["a:g"]},
            }),
        ),
        (
            "session",
            json!({
                "secret": "s", "audience": "default", "idling_timeout": 900, "rolling_timeout": 3600,
                "absolute_timeout": 86400, "cookie_name": "a", "cookie_path": "/", "cookie_domain": null,
                "cookie_same_site": "Strict", "cookie_http_only": true, "cookie_secure": false, "remember": true,
                "remember_cookie_name": "b", "remember_rolling_timeout": 0, "remember_absolute_timeout": 0,
                "response_headers": ["id", "subject", "timeout"], "request_headers": ["id", "subject", "timeout"],
                "read_body_for_logout": true, "logout_methods": ["POST", "DELETE", "GET"], "logout_query_arg": "a",
                "logout_post_arg": "apikey",
            }),
        ),
        (
            "zipkin",
            plugins::zipkin::tests::config(json!({
                "http_endpoint": "http://127.0.0.1:1/", "queue": {"max_retry_time": -1},
                "http_response_header_for_traceid": "x-a",
            })),
        ),
    ]
    .into_iter()
    .chain(recording::testing::configurations())
    .collect()
}

#[test]
fn every_plugin_is_here() {
    let here: HashSet<_> = configurations().into_iter().map(|(name, _)| name).collect();
    assert_eq!(here, plugins::names().collect());
    for (name, config) in configurations() {
        plugins::parse(name, config).unwrap();
    }
}

#[derive(Clone, Debug)]
struct Message {
    headers: Vec<(String, Vec<u8>)>,
    /// As it arrives, piece by piece.
    body: Vec<Vec<u8>>,
    has_trailers: bool,
}

const NAMES: [&str; 25] = [
    "apikey",
    "x-a",
    "x-b",
    "x-c",
    "authorization",
    "proxy-authorization",
    "accept",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "host",
    "origin",
    "cookie",
    "x-forwarded-for",
    "x-real-ip",
    "access-control-request-method",
    "access-control-request-headers",
    "x-consumer-id",
    "x-forwarded-client-cert",
    "x-consumer-username",
    "x-credential-identifier",
    "set-cookie",
];

const VALUES: [&str; 31] = [
    "",
    "ann-key",
    "vip-key",
    "old-key",
    "c-ann",
    "*/*",
    "application/json",
    "application/json; charset=\"",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=a",
    "multipart/form-data; boundary=",
    "0",
    "3",
    "18446744073709551616",
    "-1",
    "chunked",
    "close, x-a",
    "websocket",
    "Basic YW5uOmFubg==",
    "Basic ====",
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhbm4ifQ.c2ln",
    "a=1; a=eyJhbGciOiJub25lIn0.e30.",
    "hmac username=\"ann\", algorithm=\"hmac-sha256\", headers=\"date x-a\", signature=\"c2ln\"",
    "null",
    "https://a.test",
    "127.0.0.1, ::1",
    "application/grpc-web+proto",
    "gzip;q=2, \u{0}",
    "Hash=0;Chain=\"-----BEGIN%20CERTIFICATE-----%0AMAA%3D%0A-----END%20CERTIFICATE-----%0A\"",
    "Chain=\"%\"",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => "[!-9;-@^-~]{1,8}"]
}

/// Envoy lets through all bytes but line ends.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let noise = vec(any::<u8>().prop_map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }), 0..40);
    prop_oneof![
        6 => proptest::sample::select(&VALUES[..]).prop_map(|value| value.as_bytes().to_vec()),
        2 => noise,
        1 => (any::<u8>().prop_filter("a line end", |byte| !matches!(byte, b'\r' | b'\n')), 1_000..9_000_usize)
            .prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn body() -> impl Strategy<Value = Vec<Vec<u8>>> {
    const PIECES: [&str; 14] = [
        "",
        "{",
        "{\"apikey\":\"ann-key\"}",
        "{\"a\":[",
        "[[[[[[[[",
        "apikey=ann-key&",
        "&&=%=%2&",
        "--a\r\n",
        "--a--\r\n",
        "Content-Disposition: form-data; name=\"apikey\"\r\n\r\n",
        "1e999",
        "\"\\ud800\"",
        "null",
        "\u{0}\u{1}",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..64),
        1 => (any::<u8>(), 0..70_000_usize).prop_map(|(byte, count)| vec![byte; count]),
    ];
    vec(piece, 0..5)
}

fn message() -> impl Strategy<Value = Message> {
    (vec((name(), value()), 0..12), body(), any::<bool>()).prop_map(|(headers, body, has_trailers)| Message {
        headers,
        body,
        has_trailers,
    })
}

fn target() -> impl Strategy<Value = String> {
    const PIECES: [&str; 20] = [
        "/",
        "//",
        "/.",
        "/..",
        "/s",
        "%2e",
        "%2E%2e",
        "%2f",
        "%00",
        "%",
        "%zz",
        "?",
        "&",
        "=",
        "apikey=ann-key",
        "#",
        ";",
        "a",
        "\u{e9}",
        "*",
    ];
    vec(proptest::sample::select(&PIECES[..]), 0..12).prop_map(|pieces| format!("/s{}", pieces.concat()))
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(&["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get"][..]).prop_map(str::to_owned),
        "[!-~]{1,9}"
    ]
}

fn request() -> impl Strategy<Value = Fake> {
    (method(), target(), message()).prop_map(|(method, target, message)| {
        let mut fake = Fake::request(&method, &target, &[]);
        fake.request.extend(message.headers);
        fake
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_answered_or_sent_on(
        chosen in vec(proptest::sample::select(configurations()), 0..4), asked in request(), sent in message(),
        status in prop_oneof![Just("200"), Just("204"), Just("304"), Just("503"), Just("101")], answered in message(),
    ) {
        let mut stream = asked;
        let before = all_bytes(&stream, &sent);
        let mut filter = filter(&on_route(&numbered(&chosen)), &stream);
        if request_passes(&mut filter, &mut stream, &sent) {
            is_well_formed(&stream.request)?;
            only_the_owner_is_named(&stream, &before)?;
            response_passes(&mut filter, &mut stream, status, &answered);
            is_well_formed(&stream.response)?;
        } else if let Some((status, headers, _)) = &stream.reply {
            prop_assert!((200..600).contains(status), "{status}");
            for (name, value) in headers {
                prop_assert!(!name.contains(['\r', '\n', '\0']) && !value.contains(['\r', '\n']), "{name}: {value}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waiting_changes_nothing(
        chosen in vec(proptest::sample::select(configurations()), 0..3).prop_map(without_memory), asked in request(), sent in message(),
        place in 0_usize..3, answered_after in 0_usize..7,
    ) {
        let mut plugins = numbered(&chosen);
        let result = |plugins: &[(&'static str, Value)], after: usize| {
            let mut stream = Fake { request: asked.request.clone(), protocol: asked.protocol.clone(), ..Fake::default() };
            let mut filter = filter(&on_route(plugins), &stream);
            let passes = waiting_request_passes(&mut filter, &mut stream, &sent, after);
            // Identities are drawn anew; a length is told where the body was all here in time; `asking` says what it sees.
            let differs = ["x-asked", "x-body", "x-id", "x-kong-request-id", "content-length", "b3", "traceparent"];
            let is_same = |name: &str| !differs.contains(&name) && !name.starts_with("x-b3-");
            stream.request.retain(|(name, _)| stream.reply.is_none() && is_same(name));
            stream.request.sort();
            // A body that is too long is refused as soon as it is, be it before or after another plugin refuses.
            let counts = plugins.iter().any(|(name, _)| *name == "request-size-limiting");
            let status = stream.status().map(|status| if counts { 0 } else { status });
            (passes, status, stream.request)
        };
        let without = result(&plugins, 0);
        plugins.insert(place.min(plugins.len()), ("asking", json!({"times": 1})));
        prop_assert_eq!(result(&plugins, answered_after), without);
    }
}

/// What is cached, and that a provider does not answer, is known to all tests of the process, so that the same request may
/// be answered or not.
fn without_memory(mut chosen: Vec<(&'static str, Value)>) -> Vec<(&'static str, Value)> {
    chosen.retain(|(name, _)| !["openid-connect", "proxy-cache"].contains(name));
    chosen
}

/// As `request_passes`; what is waited for comes when so many parts of the request have arrived.
fn waiting_request_passes(filter: &mut Filter, stream: &mut Fake, sent: &Message, mut after: usize) -> bool {
    let answer = |filter: &mut Filter, stream: &mut Fake| {
        let asked = ASKED.with(|asked| asked.borrow_mut().pop())?;
        if stream.reply.is_some() {
            // Refused while it waited: nobody is told of the answer.
            return None;
        }
        asked.done('a');
        stream.alarm.wait();
        Some(filter.on_scheduled(stream))
    };
    // What was refused while it waited has left its question.
    ASKED.with(|asked| asked.borrow_mut().clear());
    let ends_at_once = sent.body.is_empty() && !sent.has_trailers;
    let mut flow = filter.on_request_headers(stream, ends_at_once);
    let count = sent.body.len() + usize::from(sent.has_trailers);
    for index in 0..count {
        if after == 0 {
            flow = answer(filter, stream).unwrap_or(flow);
        }
        after = after.saturating_sub(1);
        if stream.reply.is_some() {
            return false;
        }
        if flow == Flow::Continue {
            // What was let go has gone on.
            stream.request_body.clear();
        }
        flow = match sent.body.get(index) {
            Some(piece) => {
                stream.request_body.extend_from_slice(piece);
                filter.on_request_body(stream, index + 1 == count)
            }
            None => filter.on_request_trailers(stream),
        };
    }
    flow = answer(filter, stream).unwrap_or(flow);
    flow == Flow::Continue && stream.reply.is_none()
}

/// Counters that begin anew; one for each test, since there may be millions of filters.
fn filter(extra: &Value, stream: &Fake) -> Filter {
    thread_local! {
        static COUNTERS: &'static Counters = Box::leak(Box::new(Counters::new()));
    }
    let counters = COUNTERS.with(|counters| *counters);
    counters.forget();
    counting_filter(extra, stream, counters)
}

fn all_bytes(stream: &Fake, sent: &Message) -> Vec<u8> {
    let headers = stream.request.iter().flat_map(|(_, value)| value.clone());
    headers.chain(sent.body.concat()).collect()
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// The same plugin may stand there twice: each instance has a name of its own.
fn numbered(chosen: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let mut seen = HashSet::new();
    chosen.iter().filter(|(name, _)| seen.insert(*name)).cloned().collect()
}

/// Whether it goes on to the upstream.
fn request_passes(filter: &mut Filter, stream: &mut Fake, sent: &Message) -> bool {
    let ends_at_once = sent.body.is_empty() && !sent.has_trailers;
    let mut flow = filter.on_request_headers(stream, ends_at_once);
    for (index, piece) in sent.body.iter().enumerate() {
        if flow == Flow::Answered {
            return false;
        }
        stream.request_body.extend_from_slice(piece);
        flow = filter.on_request_body(stream, index + 1 == sent.body.len() && !sent.has_trailers);
    }
    if sent.has_trailers && flow != Flow::Answered {
        flow = filter.on_request_trailers(stream);
    }
    flow == Flow::Continue && stream.reply.is_none()
}

fn response_passes(filter: &mut Filter, stream: &mut Fake, status: &str, answered: &Message) {
    stream.response = vec![(":status".to_owned(), status.as_bytes().to_vec())];
    stream.response.extend(answered.headers.clone());
    filter.on_response_headers(stream, answered.body.is_empty() && !answered.has_trailers);
    for (index, piece) in answered.body.iter().enumerate() {
        stream.response_chunk.clone_from(piece);
        filter.on_response_body(stream, index + 1 == answered.body.len() && !answered.has_trailers);
    }
    if answered.has_trailers {
        filter.on_response_trailers(stream);
    }
}

fn is_well_formed(headers: &[(String, Vec<u8>)]) -> Result<(), TestCaseError> {
    for (name, value) in headers {
        prop_assert!(!name.is_empty() && !name.bytes().any(|byte| byte <= b' '), "{name:?}");
        prop_assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n')), "{name}: {value:?}");
    }
    for name in [":path", ":method", ":authority"] {
        let count = headers.iter().filter(|(other, _)| other == name).count();
        prop_assert!(count <= 1, "{name} stands there {count} times");
    }
    Ok(())
}

/// Only who showed a key is its owner; a client's word for it is not passed on where a plugin authenticates.
fn only_the_owner_is_named(stream: &Fake, before: &[u8]) -> Result<(), TestCaseError> {
    for (id, key) in [(&b"k-ann"[..], &b"ann-key"[..]), (b"k-vip", b"vip-key")] {
        let is_named = stream.headers(Map::Request).contains(&(b"x-credential-identifier", id));
        prop_assert!(!is_named || memmem::find(before, key).is_some(), "nobody showed the key of this credential");
    }
    Ok(())
}
