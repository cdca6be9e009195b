//! acl behind key-auth, as recorded from a real Kong; and what a configuration may be.

use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{passed, plugins};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What stands for an empty value on its way.
const EMPTY: &str = " ";

/// Consumers by key: two groups, one, none, one whose name would be a header of its own; members of consumer groups.
fn consumers() -> Value {
    let member = |name: &str, groups: Value, consumer_groups: Value| {
        let index = hex::encode(Sha256::digest(name));
        let credentials = json!({"key-auth": [{"id": name, "index": index}]});
        json!({"id": name, "username": name, "groups": groups, "consumer_groups": consumer_groups, "credentials": credentials})
    };
    let consumer = |name: &str, groups: Value| member(name, groups, json!([]));
    json!([
        consumer("k-gold", json!(["gold", "extra"])),
        consumer("k-bronze", json!(["bronze"])),
        consumer("k-none", json!([])),
        consumer("k-evil", json!(["gold", "x\r\nx-admin: 1"])),
        member("k-member", json!([]), json!(["g-silver", "g-gold"])),
        member("k-both", json!(["gold", "extra"]), json!(["g-gold", "g-silver"])),
    ])
}

fn through(all: &[(&str, Value)], headers: &[(&str, &str)]) -> (Fake, Flow) {
    let mut extra = plugins(all);
    extra["consumers"] = consumers();
    extra["consumer_groups"] = json!([{"id": "g-gold", "name": "gold"}, {"id": "g-silver", "name": "silver"}]);
    let (_, stream, flow) = passed(&extra, Fake::request("GET", "/s", headers));
    (stream, flow)
}

/// The status of the refusal, or the groups that the upstream is told.
fn outcome(all: &[(&str, Value)], key: &str) -> Result<Option<String>, (u16, String)> {
    let headers = [("apikey", key), ("x-consumer-groups", "forged")];
    match through(all, &headers) {
        (stream, Flow::Continue) => Ok(stream.sent(Map::Request, "x-consumer-groups")),
        (stream, _) => {
            let (status, _, body) = stream.reply.unwrap();
            let message = body.split('"').nth(3).unwrap_or_default().to_owned();
            Err((status, message))
        }
    }
}

fn forbidden() -> Result<Option<String>, (u16, String)> {
    Err((403, "You cannot consume this service".into()))
}

fn unauthorized() -> Result<Option<String>, (u16, String)> {
    Err((401, "Unauthorized".into()))
}

#[test]
fn who_passes_and_what_the_upstream_learns() {
    let allow = json!({"allow": ["gold", "silver"]});
    let deny = json!({"deny": ["gold"]});
    let hide = json!({"allow": ["gold"], "hide_groups_header": true});
    let told = |groups: &str| Ok(Some(groups.to_owned()));
    for (acl, key, expected) in [
        (&allow, "k-gold", told("gold, extra")),
        (&allow, "k-bronze", forbidden()),
        (&allow, "k-none", forbidden()),
        (&allow, "k-evil", told("gold, x%0D%0Ax-admin: 1")),
        (&deny, "k-gold", forbidden()),
        (&deny, "k-bronze", told("bronze")),
        (&deny, "k-none", told(EMPTY)),
        (&hide, "k-gold", Ok(None)),
        (&hide, "k-bronze", forbidden()),
    ] {
        let all = [("key-auth", json!({})), ("acl", acl.clone())];
        assert_eq!(outcome(&all, key), expected, "{acl} {key}");
    }
}

#[test]
fn consumer_groups_count_where_the_plugin_says_so() {
    let with = |acl: Value| {
        let mut acl = acl;
        acl["include_consumer_groups"] = json!(true);
        acl
    };
    let told = |groups: &str| Ok(Some(groups.to_owned()));
    for (acl, key, expected) in [
        (json!({"allow": ["gold"]}), "k-member", forbidden()),
        (json!({"deny": ["gold"]}), "k-member", told(EMPTY)),
        (with(json!({"allow": ["gold"]})), "k-member", told("silver, gold")),
        (with(json!({"allow": ["gold"]})), "k-bronze", forbidden()),
        (with(json!({"allow": ["bronze"]})), "k-member", forbidden()),
        (with(json!({"deny": ["gold"]})), "k-member", forbidden()),
        (with(json!({"allow": ["silver"]})), "k-both", told("gold, extra, silver")),
    ] {
        let all = [("key-auth", json!({})), ("acl", acl.clone())];
        assert_eq!(outcome(&all, key), expected, "{acl} {key}");
    }
}

#[test]
fn who_is_not_known_is_asked_for_credentials() {
    let anonymous = |name: &str| ("key-auth", json!({"anonymous": name}));
    let allow = || ("acl", json!({"allow": ["gold"]}));
    let deny = || ("acl", json!({"deny": ["gold"]}));
    assert_eq!(outcome(&[allow()], ""), unauthorized());
    assert_eq!(outcome(&[deny()], ""), unauthorized());
    // The anonymous consumer, without groups and with some.
    assert_eq!(outcome(&[anonymous("nobody"), allow()], ""), unauthorized());
    assert_eq!(outcome(&[anonymous("nobody"), deny()], ""), Ok(Some(EMPTY.into())));
    assert_eq!(outcome(&[anonymous("k-bronze"), allow()], ""), forbidden());
    assert_eq!(outcome(&[anonymous("k-gold"), allow()], ""), Ok(Some("gold, extra".into())));
}

#[test]
fn grpc_has_no_empty_values() {
    let all = [("key-auth", json!({})), ("acl", json!({"deny": ["gold"]}))];
    let headers = [("apikey", "k-none"), ("content-type", "application/grpc"), ("x-consumer-groups", "forged")];
    let (stream, flow) = through(&all, &headers);
    assert_eq!((flow, stream.sent(Map::Request, "x-consumer-groups")), (Flow::Continue, None));
}

#[test]
fn a_refusal_is_in_the_clients_format_and_has_no_challenge() {
    let all = [("key-auth", json!({})), ("acl", json!({"allow": ["gold"]}))];
    let (stream, flow) = through(&all, &[("apikey", "k-bronze"), ("accept", "text/html")]);
    assert_eq!(flow, Flow::Answered);
    let (_, headers, body) = stream.reply.unwrap();
    assert!(headers.contains(&("content-type".into(), "text/html; charset=utf-8".into())));
    assert!(!headers.iter().any(|(name, _)| name == "www-authenticate"));
    assert!(body.contains("<p>You cannot consume this service.</p>"));
}

#[test]
fn configurations() {
    for (config, is_right) in [
        (json!({"allow": ["a"], "deny": null}), true),
        (json!({"allow": [], "deny": ["a", "a"], "hide_groups_header": true}), true),
        (json!({}), false),
        (json!({"allow": []}), false),
        (json!({"allow": ["a"], "deny": ["b"]}), false),
        (json!({"allow": "a"}), false),
        (json!({"allow": ["a", ""]}), false),
        (json!({"allow": [1]}), false),
        (json!({"whitelist": ["a"]}), false),
    ] {
        assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
    }
}
