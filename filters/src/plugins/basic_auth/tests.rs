//! basic-auth alone and beside key-auth, as recorded from a real Kong; and what a configuration may be.

use super::login::Login;
use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{passed, plugins};
use serde_json::{Value, json};

const ALADDIN: &str = "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==";
const WRONG: &str = "Basic QWxhZGRpbjp3cm9uZw==";
const UNKNOWN: &str = "Basic bm9ib2R5Ong=";

fn secret(username: &str, password: &str) -> String {
    Login { username: username.into(), password: password.into() }.digest(&[0x5a])
}

fn extra(all: &[(&str, Value)]) -> Value {
    let user = |username: &str, password: &str| json!({"id": format!("b-{username}"), "index": username, "secret": secret(username, password)});
    let mut extra = plugins(all);
    extra["settings"] = json!({"salt": "5a"});
    extra["consumers"] = json!([
        {"id": "c-al", "username": "al", "custom_id": "AL", "credentials": {
            "basic-auth": [user("Aladdin", "open:sesame"), user("anna", "pässword"), {"id": "b-x", "index": "x"}]}},
        {"id": "c-lf", "username": "lf", "credentials": {"basic-auth": [user("a\nb", "c")]}},
        {"id": "c-key", "username": "key", "credentials": {"key-auth": [{"id": "k-1", "index":
            &*crate::plugins::authentication::digest(&[0x5a], b"chain-key")}]}},
    ]);
    extra
}

fn basic(config: Value) -> Value {
    extra(&[("basic-auth", config)])
}

fn username(stream: &Fake) -> Option<String> {
    stream.sent(Map::Request, "x-consumer-username")
}

#[test]
fn a_right_login_names_the_consumer() {
    for (header, value, identifier) in [
        ("authorization", ALADDIN, "Aladdin"),
        ("authorization", "basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==", "Aladdin"),
        ("authorization", "Basic YW5uYTpww6Rzc3dvcmQ=", "anna"),
        ("proxy-authorization", ALADDIN, "Aladdin"),
    ] {
        let headers = [(header, value), ("x-credential-identifier", "z"), ("x-anonymous-consumer", "true")];
        let (_, stream, flow) = passed(&basic(json!({})), Fake::request("GET", "/s", &headers));
        assert_eq!(flow, Flow::Continue, "{value}");
        for (name, expected) in [
            ("x-consumer-id", Some("c-al")),
            ("x-consumer-username", Some("al")),
            ("x-consumer-custom-id", Some("AL")),
            ("x-credential-identifier", Some(identifier)),
            ("x-credential-username", None),
            ("x-anonymous-consumer", None),
            (header, Some(value)),
        ] {
            assert_eq!(stream.sent(Map::Request, name).as_deref(), expected, "{value} {name}");
        }
    }
}

#[test]
fn a_wrong_login_is_challenged() {
    for value in [
        "BASIC QWxhZGRpbjpvcGVuOnNlc2FtZQ==",
        WRONG,
        UNKNOWN,
        "Basic YWxhZGRpbjpvcGVuOnNlc2FtZQ==",
        "Basic !!!",
        "Basic QWxhZGRpbg==",
        "Bearer x",
        "",
        "Basic QWxhZGRpbjo=",
        // A credential without a secret, and a name that is no text.
        "Basic eDp5",
        "Basic eDo=",
        "Basic /zr+",
    ] {
        for method in ["GET", "OPTIONS", "HEAD"] {
            let request = Fake::request(method, "/s", &[("authorization", value)]);
            let (_, stream, flow) = passed(&basic(json!({})), request);
            assert_eq!(flow, Flow::Answered, "{value}");
            let (status, headers, body) = stream.reply.unwrap();
            assert_eq!(status, 401);
            assert!(headers.contains(&("www-authenticate".into(), "Basic realm=\"service\"".into())));
            assert!(body.starts_with("{\n  \"message\":\"Unauthorized\",\n  \"request_id\":\""), "{body}");
        }
    }
    let (_, stream, _) = passed(&basic(json!({"realm": "vault"})), Fake::request("GET", "/s", &[]));
    let (_, headers, _) = stream.reply.unwrap();
    assert!(headers.contains(&("www-authenticate".into(), "Basic realm=\"vault\"".into())));
}

#[test]
fn the_proxys_header_is_asked_first() {
    for (proxy, own, status) in [
        ("Basic eno6eQ==", ALADDIN, None),
        (UNKNOWN, ALADDIN, None),
        ("Bearer x", ALADDIN, None),
        // A known user decides, whatever else there is.
        (WRONG, ALADDIN, Some(401)),
        (ALADDIN, WRONG, None),
    ] {
        let request = Fake::request("GET", "/s", &[("proxy-authorization", proxy), ("authorization", own)]);
        let (_, stream, _) = passed(&basic(json!({})), request);
        assert_eq!(stream.status(), status, "{proxy} {own}");
    }
}

#[test]
fn what_was_looked_at_is_hidden() {
    let hide = json!({"hide_credentials": true, "anonymous": "nobody"});
    for (proxy, own, hidden) in [
        ("", ALADDIN, vec!["proxy-authorization", "authorization"]),
        (UNKNOWN, WRONG, vec!["proxy-authorization", "authorization"]),
        (ALADDIN, "Bearer x", vec!["proxy-authorization"]),
    ] {
        let request = Fake::request("GET", "/s", &[("proxy-authorization", proxy), ("authorization", own)]);
        let (_, stream, flow) = passed(&basic(hide.clone()), request);
        assert_eq!(flow, Flow::Continue);
        let is_gone = |name: &&str| stream.sent(Map::Request, name).is_none();
        let gone: Vec<_> = ["proxy-authorization", "authorization"].into_iter().filter(is_gone).collect();
        assert_eq!(gone, hidden, "{proxy} {own}");
    }
}

#[test]
fn anonymous_takes_whom_nobody_knows() {
    for (config, value, status, expected) in [
        (json!({"anonymous": "nobody"}), "", None, Some("nobody")),
        (json!({"anonymous": "c-nobody"}), WRONG, None, Some("nobody")),
        (json!({"anonymous": "nobody"}), ALADDIN, None, Some("al")),
        (json!({"anonymous": "ghost"}), WRONG, Some(500), None),
        (json!({"anonymous": "ghost"}), ALADDIN, None, Some("al")),
    ] {
        let (_, stream, _) = passed(&basic(config.clone()), Fake::request("GET", "/s", &[("authorization", value)]));
        assert_eq!(stream.status(), status, "{config} {value}");
        assert_eq!(username(&stream).as_deref(), expected, "{config} {value}");
        let is_anonymous = (expected == Some("nobody")).then_some("true");
        assert_eq!(stream.sent(Map::Request, "x-anonymous-consumer").as_deref(), is_anonymous);
    }
}

const BOTH: [(&str, &str); 2] = [("apikey", "chain-key"), ("authorization", ALADDIN)];

#[test]
fn with_anonymous_one_of_two_suffices() {
    let either = json!({"anonymous": "nobody"});
    let all = extra(&[("key-auth", either.clone()), ("basic-auth", either)]);
    for (headers, expected, identifier) in [
        (vec![], "nobody", None),
        (vec![BOTH[0]], "key", Some("k-1")),
        (vec![BOTH[1]], "al", Some("Aladdin")),
        (BOTH.to_vec(), "key", Some("k-1")),
        (vec![BOTH[0], ("authorization", WRONG)], "key", Some("k-1")),
        (vec![("apikey", "no"), BOTH[1]], "al", Some("Aladdin")),
    ] {
        let (_, stream, flow) = passed(&all, Fake::request("GET", "/s", &headers));
        assert_eq!(flow, Flow::Continue);
        assert_eq!(username(&stream).as_deref(), Some(expected), "{headers:?}");
        assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), identifier, "{headers:?}");
    }
}

#[test]
fn without_anonymous_both_are_needed_and_the_last_names_the_consumer() {
    let all = extra(&[("key-auth", json!({})), ("basic-auth", json!({}))]);
    for (headers, challenge) in [(vec![], "Key"), (vec![BOTH[0]], "Basic realm=\"service\""), (vec![BOTH[1]], "Key")] {
        let (_, stream, _) = passed(&all, Fake::request("GET", "/s", &headers));
        let (status, sent, _) = stream.reply.unwrap();
        assert_eq!(status, 401);
        assert!(sent.contains(&("www-authenticate".into(), challenge.into())), "{headers:?}");
    }
    let (_, stream, flow) = passed(&all, Fake::request("GET", "/s", &BOTH));
    assert_eq!((flow, username(&stream).as_deref()), (Flow::Continue, Some("al")));
}

#[test]
fn kong_2_1_speaks_as_it_did() {
    let mut old = basic(json!({"realm": "vault"}));
    old["settings"] = json!({"salt": "5a", "compat": "kong-2.1"});
    for (headers, message, challenge) in [
        (vec![], "Unauthorized", Some("Basic realm=\"kong\"")),
        (vec![("authorization", WRONG)], "Invalid authentication credentials", None),
        (vec![("authorization", "")], "Invalid authentication credentials", None),
    ] {
        let (_, stream, _) = passed(&old, Fake::request("GET", "/s", &headers));
        let (status, sent, body) = stream.reply.unwrap();
        assert_eq!((status, body), (401, format!("{{\n  \"message\":\"{message}\"\n}}")));
        let found = sent.iter().find(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str());
        assert_eq!(found, challenge, "{headers:?}");
    }
    let (_, stream, _) = passed(&old, Fake::request("GET", "/s", &[("authorization", ALADDIN)]));
    assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some("Aladdin"));
    assert_eq!(stream.sent(Map::Request, "x-credential-username").as_deref(), Some("Aladdin"));
}

#[test]
fn a_name_cannot_become_a_header_of_its_own() {
    let request = Fake::request("GET", "/s", &[("authorization", "Basic YQpiOmM=")]);
    let (_, stream, _) = passed(&basic(json!({})), request);
    assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some("a%0Ab"));
}

#[test]
fn equal_passwords_of_two_users_differ() {
    assert_ne!(secret("ann", "same"), secret("bob", "same"));
    assert_ne!(secret("a", "bc"), secret("ab", "c"));
    // The control plane's tests expect the same value.
    assert_eq!(secret("Aladdin", "open:sesame"), "d544fa69a5fede274083664ec06aed9dedae51b789826fc5aa84c69acc95f3fc");
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({}), true),
        (json!({"anonymous": null, "hide_credentials": true, "realm": "\"ä\" \t"}), true),
        (json!({"anonymous": ""}), false),
        (json!({"realm": ""}), false),
        (json!({"realm": "a\r\nx-evil: 1"}), false),
        (json!({"realm": null}), false),
        (json!({"hide_credentials": "yes"}), false),
        (json!({"key_names": []}), false),
    ] {
        assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
    }
}
