//! session before key-auth on the fake stream: signing in, coming back, leaving.

use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins, received};
use serde_json::{Value, json};

const SIGNED_OUT: &str = "sid=; Path=/; SameSite=Strict; HttpOnly; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0";

fn defaults(changes: &Value) -> Value {
    let mut config = json!({
        "secret": "0123456789abcdef", "storage": "cookie", "audience": "default", "idling_timeout": 900,
        "rolling_timeout": 3600, "absolute_timeout": 86400, "stale_ttl": 10, "cookie_name": "sid", "cookie_path": "/",
        "cookie_domain": null, "cookie_same_site": "Strict", "cookie_http_only": true, "cookie_secure": false,
        "remember": false, "remember_cookie_name": "remember", "remember_rolling_timeout": 604800,
        "remember_absolute_timeout": 2592000, "response_headers": null, "request_headers": null,
        "read_body_for_logout": false, "logout_methods": ["POST", "DELETE"], "logout_query_arg": "session_logout",
        "logout_post_arg": "session_logout",
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

/// A gateway at some time: what it does to a request, whose answer has these headers.
struct Gateway {
    config: Value,
    now_s: i64,
    /// Settings of the state, plugins of the route.
    more: Value,
}

impl Gateway {
    fn new(config: &Value) -> Self {
        Self { config: defaults(config), now_s: 1000, more: json!({}) }
    }

    fn at(self, now_s: i64) -> Self {
        Self { now_s, ..self }
    }

    fn asked(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Fake {
        self.asked_with(Fake::request(method, target, headers), None)
    }

    fn asked_with(&self, mut stream: Fake, body: Option<&str>) -> Fake {
        let mut extra = plugins(&[("session", self.config.clone()), ("key-auth", json!({"anonymous": "nobody"}))]);
        extra["settings"] = json!({"clock": {"now_ms": self.now_s * 1000}});
        extra.as_object_mut().unwrap().extend(self.more.as_object().unwrap().clone());
        let mut filter = filter(&extra, &stream);
        let mut flow = filter.on_request_headers(&mut stream, body.is_none());
        if let Some(body) = body {
            stream.request_body = body.as_bytes().to_vec();
            flow = filter.on_request_body(&mut stream, true);
        }
        if flow == Flow::Continue {
            let upstream = [(":status", "200"), ("set-cookie", "own=1")];
            stream.response = upstream.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec();
            filter.on_response_headers(&mut stream, true);
        }
        stream
    }

    /// The cookies that the client gets after it has shown its key.
    fn signed_in(&self) -> Vec<String> {
        cookies(&self.asked("GET", "/s", &[("apikey", "ann-key")]))
    }
}

fn cookies(stream: &Fake) -> Vec<String> {
    received(stream, "set-cookie").into_iter().filter(|line| line != "own=1").collect()
}

/// As the browser sends it back.
fn sent_back(lines: &[String]) -> String {
    lines.iter().map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn username(stream: &Fake) -> Option<String> {
    stream.sent(Map::Request, "x-consumer-username")
}

#[test]
fn a_key_is_shown_once() {
    let gateway = Gateway::new(&json!({}));
    assert_eq!(cookies(&gateway.asked("GET", "/s", &[])), [] as [String; 0]);
    assert_eq!(cookies(&gateway.asked("GET", "/s", &[("cookie", "sid=forged")])), [] as [String; 0]);
    let lines = gateway.signed_in();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("sid=") && lines[0].ends_with("; Path=/; SameSite=Strict; HttpOnly"), "{lines:?}");
    let stream = gateway.asked("GET", "/s", &[("cookie", &sent_back(&lines)), ("x-anonymous-consumer", "true")]);
    for (name, expected) in [
        ("x-consumer-id", Some("c-ann")),
        ("x-consumer-username", Some("ann")),
        ("x-consumer-custom-id", Some("A-1")),
        ("x-credential-identifier", Some("k-ann")),
        ("x-anonymous-consumer", None),
    ] {
        assert_eq!(stream.sent(Map::Request, name).as_deref(), expected, "{name}");
    }
    assert_eq!(received(&stream, "set-cookie"), ["own=1"]);
    let other = Gateway::new(&json!({"secret": "another"}));
    assert_eq!(username(&other.asked("GET", "/s", &[("cookie", &sent_back(&lines))])).as_deref(), Some("nobody"));
}

#[test]
fn sessions_grow_old() {
    let cookie = sent_back(&Gateway::new(&json!({})).signed_in());
    let asked = |now_s: i64, cookie: &str| Gateway::new(&json!({})).at(now_s).asked("GET", "/s", &[("cookie", cookie)]);
    assert_eq!(cookies(&asked(1060, &cookie)), [] as [String; 0]);
    let touched = asked(1061, &cookie);
    assert_eq!((username(&touched).as_deref(), cookies(&touched).len()), (Some("ann"), 1));
    let touched = sent_back(&cookies(&touched));
    for (now_s, cookie, is_known) in
        [(1900, &cookie, true), (1901, &cookie, false), (1961, &touched, true), (1962, &touched, false)]
    {
        let found = username(&asked(now_s, cookie));
        assert_eq!(found.as_deref() == Some("ann"), is_known, "{now_s}");
    }
    // With use a session lives until its absolute end.
    let (mut cookie, mut now_s) = (cookie, 1000);
    while now_s + 800 <= 1000 + 86400 {
        now_s += 800;
        let stream = asked(now_s, &cookie);
        assert_eq!(username(&stream).as_deref(), Some("ann"), "{now_s}");
        cookie = sent_back(&cookies(&stream));
    }
    assert_eq!(username(&asked(now_s + 800, &cookie)).as_deref(), Some("nobody"));
}

#[test]
fn who_leaves_is_forgotten() {
    let post_form = |body: &'static str| ("POST", "/s", Some(("application/x-www-form-urlencoded", body)));
    let post_json = |body: &'static str| ("PUT", "/s", Some(("application/json", body)));
    let reads = json!({"read_body_for_logout": true, "logout_methods": ["POST", "PUT"]});
    for (config, (method, target, body), leaves) in [
        (json!({}), ("POST", "/s?session_logout=true", None), true),
        (json!({}), ("DELETE", "/s?a=1&session_logout", None), true),
        (json!({}), ("GET", "/s?session_logout=true", None), false),
        (json!({}), ("POST", "/s", None), false),
        (json!({"logout_methods": ["GET"], "logout_query_arg": "bye"}), ("GET", "/s?bye=", None), true),
        (json!({"logout_methods": []}), ("POST", "/s?session_logout=1", None), false),
        (json!({}), post_form("session_logout=1"), false),
        (reads.clone(), post_form("session_logout=1"), true),
        (reads.clone(), post_form("session=1"), false),
        (reads.clone(), post_json("{\"session_logout\": true}"), true),
        (reads, post_json("nonsense"), false),
    ] {
        let gateway = Gateway::new(&config);
        let cookie = sent_back(&gateway.signed_in());
        let content_type = body.map(|(kind, _)| ("content-type", kind));
        let headers: Vec<_> = [("cookie", cookie.as_str())].into_iter().chain(content_type).collect();
        let stream = gateway.asked_with(Fake::request(method, target, &headers), body.map(|(_, body)| body));
        let expected: &[&str] = if leaves { &[SIGNED_OUT] } else { &[] };
        assert_eq!(cookies(&stream), expected, "{config} {method} {target} {body:?}");
        assert_eq!(stream.status(), leaves.then_some(200));
        assert_eq!(stream.reply.map(|reply| reply.2), leaves.then(String::new));
    }
    let stream = Gateway::new(&json!({})).asked("POST", "/s?session_logout=1", &[("apikey", "ann-key")]);
    assert_eq!(username(&stream).as_deref(), Some("ann"));
}

#[test]
fn a_credential_that_is_gone_ends_its_sessions() {
    let gateway = Gateway::new(&json!({}));
    let signed_in = cookies(&gateway.asked("GET", "/s", &[("apikey", "vip-key")]));
    let more = json!({"own": [], "consumers": [{"id": "c-vip", "username": "vip"}]});
    let changed = Gateway { more, ..Gateway::new(&json!({})) };
    let stream = changed.asked("GET", "/s", &[("cookie", &sent_back(&signed_in))]);
    assert_eq!(username(&stream).as_deref(), Some("nobody"));
    assert_eq!(cookies(&stream), [SIGNED_OUT]);
}

#[test]
fn another_caller_takes_the_session_over() {
    let gateway = Gateway::new(&json!({}));
    let cookie = sent_back(&gateway.signed_in());
    let elsewhere = Gateway::new(&json!({"audience": "other"}));
    let stream = elsewhere.asked("GET", "/s", &[("cookie", &cookie)]);
    assert_eq!((username(&stream).as_deref(), cookies(&stream).len()), (Some("nobody"), 0));
    let both = cookies(&elsewhere.asked("GET", "/s", &[("cookie", &cookie), ("apikey", "vip-key")]));
    let both = sent_back(&both);
    let known = |gateway: &Gateway, cookie: &str| username(&gateway.asked("GET", "/s", &[("cookie", cookie)]));
    assert_eq!(known(&gateway, &both).as_deref(), Some("ann"));
    assert_eq!(known(&elsewhere, &both).as_deref(), Some("vip"));
    let left = cookies(&elsewhere.asked("POST", "/s?session_logout=1", &[("cookie", &both)]));
    assert_eq!(known(&gateway, &sent_back(&left)).as_deref(), Some("ann"));
    assert_eq!(known(&elsewhere, &sent_back(&left)).as_deref(), Some("nobody"));
}

#[test]
fn a_second_cookie_outlives_the_browser() {
    let config = json!({"remember": true});
    let lines = Gateway::new(&config).signed_in();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].starts_with("remember=") && lines[1].ends_with("; Max-Age=604800"), "{lines:?}");
    let remember = sent_back(&lines[1..]);
    let later = |now_s: i64| Gateway::new(&config).at(now_s).asked("GET", "/s", &[("cookie", &remember)]);
    let stream = later(600_000);
    assert_eq!(username(&stream).as_deref(), Some("ann"));
    let again = cookies(&stream);
    assert!(again[0].starts_with("remember=") && again[1].starts_with("sid="), "{again:?}");
    assert_eq!(username(&later(605_801)).as_deref(), Some("nobody"));
    let misused = remember.replace("remember=", "sid=");
    let stream = Gateway::new(&config).asked("GET", "/s", &[("cookie", &misused)]);
    assert_eq!(username(&stream).as_deref(), Some("nobody"));
    let left = cookies(&Gateway::new(&config).asked("DELETE", "/s?session_logout", &[("cookie", &sent_back(&lines))]));
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|line| line.ends_with("Max-Age=0")), "{left:?}");
}

#[test]
fn headers_tell_of_the_session() {
    let all = json!(["id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout"]);
    let gateway = Gateway::new(&json!({"request_headers": all, "response_headers": all, "rolling_timeout": 0}));
    let first = gateway.asked("GET", "/s", &[("apikey", "ann-key"), ("session-subject", "forged")]);
    assert_eq!(first.sent(Map::Request, "session-subject"), None);
    assert_eq!(received(&first, "session-subject"), ["ann"]);
    let stream = gateway.at(1030).asked("GET", "/s", &[("cookie", &sent_back(&cookies(&first)))]);
    for (name, expected) in [
        ("session-audience", Some("default")),
        ("session-subject", Some("ann")),
        ("session-timeout", Some("870")),
        ("session-idling-timeout", Some("870")),
        ("session-rolling-timeout", None),
        ("session-absolute-timeout", Some("86370")),
    ] {
        assert_eq!(stream.sent(Map::Request, name).as_deref(), expected, "{name}");
        assert_eq!(received(&stream, name).first().map(String::as_str), expected, "{name}");
    }
    let id = stream.sent(Map::Request, "session-id").unwrap();
    assert_eq!((id.len(), received(&stream, "session-id")), (43, vec![id]));
}

#[test]
fn what_a_configuration_may_be() {
    for (changes, is_right) in [
        (json!({}), true),
        (json!({"secret": null, "cookie_domain": "a.test", "cookie_path": "/a b"}), true),
        (json!({"cookie_name": ""}), false),
        (json!({"cookie_name": "a b"}), false),
        (json!({"cookie_name": "a".repeat(2000)}), false),
        (json!({"remember_cookie_name": "a;b"}), false),
        (json!({"remember": true, "remember_cookie_name": "SID"}), false),
        (json!({"cookie_path": "/; Secure"}), false),
        (json!({"cookie_domain": "a\r\nb"}), false),
        (json!({"audience": "a".repeat(2000)}), false),
        (json!({"response_headers": ["nonce"]}), false),
    ] {
        assert_eq!(parse(defaults(&changes)).is_ok(), is_right, "{changes}");
    }
    assert!(!format!("{:?}", parse(defaults(&json!({})))).contains("0123456789abcdef"));
}
