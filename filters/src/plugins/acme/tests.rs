//! acme on the fake gateway; statuses and bodies are those of Kong's handler and its library.

use crate::gateway::Flow;
use crate::stream::testing::Fake;
use crate::testing::{passed, plugins};
use serde_json::{Value, json};

const TOKEN: &str = "/.well-known/acme-challenge/LoqXcYV8_q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX";

/// Status and body of the plugin's answer; the route takes all paths.
fn answered(config: &Value, host: &str, path: &str) -> Option<(u16, String)> {
    let mut config = config.clone();
    config["challenges"] = json!({TOKEN.rsplit('/').next().unwrap(): "LoqX.9jg46WB3"});
    let mut extra = plugins(&[("acme", config)]);
    extra["route"]["match"] = json!({"schemes": ["http"], "paths": [{"rank": "", "kind": "prefix", "text": "/"}]});
    let mut fake = Fake::request("GET", path, &[("accept", "application/json")]);
    fake.request.iter_mut().filter(|(name, _)| name == ":authority").for_each(|(_, value)| *value = host.into());
    let (_, stream, flow) = passed(&extra, fake);
    assert_eq!(stream.reply.is_some(), flow == Flow::Answered);
    stream.reply.map(|(status, _, body)| (status, body))
}

#[test]
fn only_challenges_of_its_domains() {
    let given = || Some((200, "LoqX.9jg46WB3\n".to_owned()));
    for (config, host, expected) in [
        (json!({"domains": ["a.test"]}), "a.test", given()),
        (json!({"domains": ["A.test"]}), "a.TEST:80", given()),
        (json!({"domains": ["a.test"]}), "b.test", None),
        (json!({"domains": ["*.a.test"]}), "x.y.a.test", given()),
        (json!({"domains": ["*.a.test"]}), "a.test", None),
        (json!({"domains": ["a.*"]}), "a.test", None),
        (json!({"domains": null}), "a.test", None),
        (json!({"allow_any_domain": true}), "a.test", given()),
        (json!({"allow_any_domain": true}), "192.0.2.1", None),
        (json!({"allow_any_domain": true, "enable_ipv4_common_name": true}), "192.0.2.1", given()),
        (json!({"domains": ["a.test"], "allow_any_domain": true}), "b.test", given()),
    ] {
        assert_eq!(answered(&config, host, TOKEN), expected, "{config} {host}");
    }
}

#[test]
fn what_is_asked_for() {
    let config = json!({"domains": ["a.test"]});
    for (path, status) in [
        (TOKEN, Some(200)),
        (&format!("{TOKEN}?q=1"), Some(200)),
        (&format!("{TOKEN}2"), Some(404)),
        ("/.well-known/acme-challenge/%ff", Some(404)),
        ("/.well-known/acme-challenge/", None),
        ("/.well-known/acme-challenge", None),
        ("/x/.well-known/acme-challenge/x", None),
    ] {
        assert_eq!(answered(&config, "a.test", path).map(|(status, _)| status), status, "{path}");
    }
    assert_eq!(answered(&config, "a.test", "/.well-known/acme-challenge/x"), Some((404, "Not found\n".to_owned())));
    let unknown = answered(&config, "a.test", "/.well-known/acme-challenge/y").unwrap().1;
    assert!(unknown.contains("Not found"), "{unknown}");
}
