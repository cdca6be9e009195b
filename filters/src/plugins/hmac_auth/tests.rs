//! hmac-auth on the fake stream: what is signed, who is believed, and what a refusal says.

use super::{Algorithm, parse};
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, passed, plugins};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The clock of the tests stands 1000 seconds after the beginning of 1970.
const NOW: &str = "Thu, 01 Jan 1970 00:16:40 GMT";
const SECRET: &[u8] = b"h secret";
const DIFFERENT: &str = "HMAC signature does not match";
const UNVERIFIABLE: &str = "HMAC signature cannot be verified";
const NO_DATE: &str =
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication";

fn defaults(changes: &Value) -> Value {
    let mut config = json!({
        "hide_credentials": false, "clock_skew": 300, "anonymous": null, "validate_request_body": false,
        "enforce_headers": [], "algorithms": ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"], "realm": null,
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

fn extra(config: &Value) -> Value {
    let mut extra = plugins(&[("hmac-auth", defaults(config))]);
    extra["consumers"] = json!([{"id": "c-bob", "username": "hbob", "credentials": {"hmac-auth": [
        {"id": "h-1", "index": "bob", "key": {"algorithm": "HMAC", "secret": STANDARD.encode(SECRET)}},
        {"id": "h-2", "index": "keyless"}]}}]);
    extra
}

fn signed(algorithm: &str, headers: &str, text: &str) -> String {
    let methods = [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha384, Algorithm::HmacSha512];
    let method = methods.into_iter().find(|method| method.name() == algorithm).unwrap().method();
    let signature = STANDARD.encode(hmac::sign(&hmac::Key::new(method, SECRET), text.as_bytes()));
    format!(r#"hmac username="bob", algorithm="{algorithm}", headers="{headers}", signature="{signature}""#)
}

fn by_date() -> String {
    signed("hmac-sha256", "date", &format!("date: {NOW}"))
}

fn refusal(stream: &Fake) -> Option<String> {
    let (status, headers, body) = stream.reply.as_ref()?;
    let challenge = headers.iter().find(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str());
    assert_eq!((*status, challenge), (401, Some("hmac")));
    let body: Value = serde_json::from_str(body).unwrap();
    Some(body["message"].as_str().unwrap().to_owned())
}

fn asked(config: &Value, target: &str, headers: &[(&str, &str)]) -> Fake {
    passed(&extra(config), Fake::request("GET", target, headers)).1
}

#[test]
fn what_can_be_signed() {
    for (algorithm, headers, text) in [
        ("hmac-sha1", "date", "date: @NOW"),
        ("hmac-sha256", "date", "date: @NOW"),
        ("hmac-sha384", "date", "date: @NOW"),
        ("hmac-sha512", "date", "date: @NOW"),
        ("hmac-sha256", "Date x_a  none", "Date: @NOW\nx_a: 1\n:\nnone:"),
        ("hmac-sha256", "host @request-target", "host: gw.test\n@request-target: get /s?b=%20"),
        ("hmac-sha256", "request-line", "GET /s?b=%20 HTTP/1.1"),
        ("hmac-sha256", ":path", ":path:"),
    ] {
        let header = signed(algorithm, headers, &text.replace("@NOW", NOW));
        for name in ["authorization", "proxy-authorization"] {
            let stream = asked(&json!({}), "/s?b=%20", &[("date", NOW), ("x-a", "1"), (name, &header)]);
            assert_eq!(refusal(&stream), None, "{headers}");
            assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), Some("hbob"));
            assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some("bob"));
        }
    }
    let header = signed("hmac-sha256", "request-line", "GET /s HTTP/2.0");
    let request = Fake::request("GET", "/s", &[("date", NOW), ("authorization", &header)]);
    let (_, stream, flow) = passed(&extra(&json!({})), Fake { protocol: "HTTP/2".to_owned(), ..request });
    assert_eq!((flow, refusal(&stream)), (Flow::Continue, None));
}

#[test]
fn who_is_refused() {
    let good = by_date();
    let other_user = good.replace("bob", "eve");
    let keyless = good.replace("bob", "keyless");
    let broken = good.replace("signature=\"", "signature=\"!");
    for (config, headers, expected) in [
        (json!({}), vec![], "Unauthorized"),
        (json!({}), vec![("authorization", good.as_str())], NO_DATE),
        (json!({}), vec![("date", "yesterday"), ("authorization", &good)], NO_DATE),
        (json!({}), vec![("date", "Thu, 01 Jan 1970 00:11:39 GMT"), ("authorization", &good)], NO_DATE),
        (json!({}), vec![("date", "Thu, 01 Jan 1970 00:21:41 GMT"), ("authorization", &good)], NO_DATE),
        (json!({}), vec![("date", "Thu, 01 Jan 1970 00:21:40 GMT"), ("authorization", &good)], DIFFERENT),
        (
            json!({"clock_skew": 0.5}),
            vec![("date", "Thu, 01 Jan 1970 00:16:41 GMT"), ("authorization", &good)],
            NO_DATE,
        ),
        (json!({}), vec![("x-date", NOW), ("authorization", &good)], DIFFERENT),
        (json!({}), vec![("date", NOW), ("authorization", "hmac nonsense")], UNVERIFIABLE),
        (json!({}), vec![("date", NOW), ("authorization", &other_user)], UNVERIFIABLE),
        (json!({}), vec![("date", NOW), ("authorization", &keyless)], UNVERIFIABLE),
        (json!({}), vec![("date", NOW), ("authorization", &broken)], DIFFERENT),
        (json!({}), vec![("date", NOW), ("proxy-authorization", &other_user), ("authorization", &good)], UNVERIFIABLE),
        (json!({"algorithms": ["hmac-sha1"]}), vec![("date", NOW), ("authorization", &good)], UNVERIFIABLE),
        (json!({"algorithms": []}), vec![("date", NOW), ("authorization", &good)], UNVERIFIABLE),
        (json!({"enforce_headers": ["date", "host"]}), vec![("date", NOW), ("authorization", &good)], UNVERIFIABLE),
    ] {
        let stream = asked(&config, "/s", &headers);
        assert_eq!(refusal(&stream).as_deref(), Some(expected), "{config} {headers:?}");
    }
    let both = [("date", NOW), ("proxy-authorization", "Basic eDp5"), ("authorization", good.as_str())];
    assert_eq!(refusal(&asked(&json!({"enforce_headers": ["date"]}), "/s", &both)), None);
}

#[test]
fn what_the_upstream_does_not_see() {
    let (good, wrong) = (by_date(), by_date().replace("date", "host"));
    for (headers, hidden) in [
        (vec![("authorization", good.as_str())], "authorization"),
        (vec![("authorization", wrong.as_str())], "authorization"),
        (vec![("proxy-authorization", good.as_str()), ("authorization", "Basic eDp5")], "proxy-authorization"),
    ] {
        let headers: Vec<_> = headers.into_iter().chain([("date", NOW)]).collect();
        let stream = asked(&json!({"hide_credentials": true, "anonymous": "nobody"}), "/s", &headers);
        let left: Vec<_> = ["authorization", "proxy-authorization"]
            .into_iter()
            .filter(|name| stream.sent(Map::Request, name).is_some())
            .collect();
        assert_eq!(
            left,
            headers.iter().map(|(name, _)| *name).filter(|name| *name != hidden && *name != "date").collect::<Vec<_>>()
        );
    }
}

#[test]
fn bodies_are_checked_by_their_digest() {
    let digest = "SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    for (body, digest, expected) in [
        ("hello", Some(digest), None),
        ("hellO", Some(digest), Some(DIFFERENT)),
        ("hello", None, Some(DIFFERENT)),
        ("", None, None),
        ("", Some(digest), Some(DIFFERENT)),
    ] {
        let header = by_date();
        let mut headers = vec![("date", NOW), ("authorization", header.as_str())];
        headers.extend(digest.map(|digest| ("digest", digest)));
        let mut stream = Fake::request("POST", "/s", &headers);
        let mut filter = filter(&extra(&json!({"validate_request_body": true})), &stream);
        let first = filter.on_request_headers(&mut stream, body.is_empty());
        assert_eq!(first == Flow::Wait, !body.is_empty());
        if first == Flow::Wait {
            stream.request_body = body.as_bytes().to_vec();
            filter.on_request_body(&mut stream, true);
        }
        assert_eq!(refusal(&stream).as_deref(), expected, "{body} {digest:?}");
    }
}

#[test]
fn a_body_of_somebody_unknown_is_not_waited_for() {
    let header = by_date().replace("bob", "eve");
    let mut stream = Fake::request("POST", "/s", &[("date", NOW), ("authorization", &header)]);
    let mut filter = filter(&extra(&json!({"validate_request_body": true})), &stream);
    assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Answered);
}

#[test]
fn challenges_and_configurations() {
    let (_, stream, _) = passed(&extra(&json!({"realm": "hr"})), Fake::request("GET", "/s", &[]));
    let headers = &stream.reply.as_ref().unwrap().1;
    assert!(headers.contains(&("www-authenticate".to_owned(), "hmac realm=\"hr\"".to_owned())));
    let mut old = extra(&json!({}));
    old["settings"] = json!({"compat": "kong-2.1"});
    let (_, stream, _) = passed(&old, Fake::request("GET", "/s", &[]));
    assert!(stream.reply.as_ref().unwrap().1.iter().all(|(name, _)| name != "www-authenticate"));
    for (changes, is_right) in [
        (json!({}), true),
        (json!({"realm": "a\nb"}), false),
        (json!({"anonymous": ""}), false),
        (json!({"algorithms": ["hmac-md5"]}), false),
    ] {
        assert_eq!(parse(defaults(&changes)).is_ok(), is_right, "{changes}");
    }
}
