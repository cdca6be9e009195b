//! What clients and upstreams get; the cases of the recording 61-correlation-id among them.

use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{answered, passed, plugins, received};
use regex::Regex;
use serde_json::{Value, json};

const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("^{pattern}$")).unwrap().is_match(text)
}

/// What the upstream and the client get under `name`.
fn told(config: &Value, settings: &Value, name: &str, headers: &[(&str, &str)]) -> (Option<String>, Vec<String>) {
    let mut extra = plugins(&[("correlation-id", config.clone())]);
    extra["settings"] = settings.clone();
    let stream = answered(&extra, Fake::request("GET", "/s", headers), &[("x-corr", "upstream's")]);
    (stream.sent(Map::Request, name), received(&stream, name))
}

#[test]
fn a_request_without_id_gets_one() {
    let uuid = json!({"generator": "uuid", "header_name": "X-Corr", "echo_downstream": true});
    let (sent, echoed) = told(&uuid, &json!({}), "x-corr", &[]);
    assert!(matches(UUID, sent.as_ref().unwrap()), "{sent:?}");
    assert_eq!(echoed, [sent.unwrap()], "in place of what the upstream says");

    let (sent, echoed) = told(&json!({}), &json!({}), "kong-request-id", &[]);
    assert!(matches(&format!("{UUID}#[0-9]+"), sent.as_ref().unwrap()), "{sent:?}");
    assert_eq!(echoed, [] as [String; 0]);

    let tracker = json!({"generator": "tracker", "header_name": "X-Track", "echo_downstream": true});
    let (sent, echoed) = told(&tracker, &json!({}), "x-track", &[]);
    let expected = format!("192\\.0\\.2\\.2-8000-{}-7-[0-9]+-1000\\.000", std::process::id());
    assert!(matches(&expected, sent.as_ref().unwrap()), "{sent:?}");
    assert_eq!(echoed, [sent.unwrap()]);
}

#[test]
fn counted_ids_follow_each_other() {
    let number = || {
        let (sent, _) = told(&json!({}), &json!({}), "kong-request-id", &[]);
        let (process, number) = sent.unwrap().split_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        (process, number.parse::<u64>().unwrap())
    };
    let (first, second) = (number(), number());
    assert_eq!(first.0, second.0);
    assert!(first.1 < second.1);
}

#[test]
fn the_clients_id_stays() {
    let config = json!({"header_name": "X-Corr", "echo_downstream": true});
    let given = [("x-corr", "given")];
    assert_eq!(told(&config, &json!({}), "x-corr", &given), (Some("given".into()), vec!["given".into()]));
    let underscores = json!({"header_name": "X_Corr", "echo_downstream": true});
    assert_eq!(told(&underscores, &json!({}), "x-corr", &given), (Some("given".into()), vec!["given".into()]));
}

#[test]
fn an_empty_id_is_none_since_kong_3() {
    let config = json!({"header_name": "X-Corr", "generator": "uuid"});
    let (sent, _) = told(&config, &json!({}), "x-corr", &[("x-corr", "")]);
    assert!(matches(UUID, &sent.unwrap()));
    let (sent, _) = told(&config, &json!({"compat": "kong-2.1"}), "x-corr", &[("x-corr", "")]);
    assert_eq!(sent.as_deref(), Some(""));
}

#[test]
fn a_refusal_echoes_the_id() {
    let config = json!({"generator": "uuid", "echo_downstream": true});
    let extra = plugins(&[("correlation-id", config), ("key-auth", json!({}))]);
    let (_, stream, flow) = passed(&extra, Fake::request("GET", "/s", &[]));
    assert_eq!((flow, stream.status()), (Flow::Answered, Some(401)));
    let echoed = received(&stream, "kong-request-id");
    assert!(echoed.len() == 1 && matches(UUID, &echoed[0]), "{echoed:?}");
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({}), true),
        (json!({"header_name": null}), true),
        (json!({"header_name": "X.Y"}), true),
        (json!({"header_name": "Content-Length"}), false),
        (json!({"header_name": ":path"}), false),
        (json!({"header_name": "a b"}), false),
        (json!({"header_name": ""}), false),
        (json!({"generator": "moon"}), false),
        (json!({"echo_downstream": "yes"}), false),
    ] {
        assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
    }
}
