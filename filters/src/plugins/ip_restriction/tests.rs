//! ip-restriction on the fake gateway, whose client is 192.0.2.1; the cases are those of a recorded Kong (kong-truth 54).

use crate::gateway::Flow;
use crate::stream::testing::Fake;
use crate::testing::{passed, plugins};
use serde_json::{Value, json};

fn restricted(config: Value) -> Value {
    plugins(&[("ip-restriction", config)])
}

/// Status and message of the refusal, which is JSON.
fn refused(extra: &Value, headers: &[(&str, &str)]) -> Option<(u16, String)> {
    let (_, stream, flow) = passed(extra, Fake::request("GET", "/s", headers));
    let (status, _, body) = stream.reply?;
    assert_eq!(flow, Flow::Answered);
    let body: Value = serde_json::from_str(&body).unwrap();
    Some((status, body["message"].as_str().unwrap().to_owned()))
}

#[test]
fn addresses_are_let_in_or_not() {
    let usual = || Some((403, "IP address not allowed: 192.0.2.1".to_owned()));
    for (config, expected) in [
        (json!({"allow": ["192.0.0.0/8"]}), None),
        (json!({"allow": ["10.0.0.0/8", "::1"]}), usual()),
        (json!({"deny": ["192.0.2.1"], "status": 418, "message": "go away"}), Some((418, "go away".to_owned()))),
        (json!({"allow": ["192.0.2.1"], "deny": ["192.0.2.0/30"]}), usual()),
        (json!({"allow": ["192.0.2.0/24"], "deny": ["192.0.2.2"]}), None),
        (json!({"allow": [], "deny": ["10.0.0.0/8"]}), None),
        (json!({"deny": ["0.0.0.0/0"], "allow": null, "status": null, "message": null}), usual()),
        (json!({"deny": ["::/0"]}), None),
    ] {
        assert_eq!(refused(&restricted(config.clone()), &[]), expected, "{config}");
    }
}

#[test]
fn only_a_trusted_peer_can_tell_another_address() {
    let mut extra = restricted(json!({"allow": ["10.0.0.0/8", "2001:db8::/32"]}));
    let told = |address| [("x-real-ip", address), ("x-forwarded-for", address)];
    assert_eq!(refused(&extra, &told("10.1.1.1")).unwrap().1, "IP address not allowed: 192.0.2.1");
    extra["settings"] = json!({"trusted_ips": ["192.0.2.1/32"]});
    assert_eq!(refused(&extra, &told("10.1.1.1")), None);
    assert_eq!(refused(&extra, &told("2001:db8::9")), None);
    assert_eq!(refused(&extra, &told("::ffff:10.1.1.1")), None);
    assert_eq!(refused(&extra, &told("2001:db9::9")).unwrap().1, "IP address not allowed: 2001:db9::9");
}

#[test]
fn plain_text_for_those_who_want_it() {
    let request = Fake::request("GET", "/s", &[("accept", "text/plain")]);
    let (_, stream, _) = passed(&restricted(json!({"allow": ["10.0.0.0/8"]})), request);
    let (_, headers, body) = stream.reply.unwrap();
    assert!(body.starts_with("IP address not allowed: 192.0.2.1\nrequest_id: "));
    assert!(headers.contains(&("content-type".into(), "text/plain; charset=utf-8".into())));
}

#[test]
fn kong_2_1_keeps_the_address_to_itself() {
    let mut extra = restricted(json!({"allow": ["10.0.0.0/8"]}));
    extra["settings"] = json!({"compat": "kong-2.1"});
    assert_eq!(refused(&extra, &[]), Some((403, "Your IP address is not allowed".to_owned())));
}

#[test]
fn authentication_comes_first() {
    let extra = plugins(&[("key-auth", json!({})), ("ip-restriction", json!({"deny": ["0.0.0.0/0"]}))]);
    assert_eq!(refused(&extra, &[]).unwrap().0, 401);
    assert_eq!(refused(&extra, &[("apikey", "ann-key")]).unwrap().0, 403);
}

#[test]
fn what_cannot_be_carried_out_is_refused() {
    let empty = "at least one of allow and deny must name an address";
    for (config, reason) in [
        (json!({}), empty),
        (json!({"allow": [], "deny": []}), empty),
        (json!({"allow": ["::1", "hello"]}), "allow.2: invalid ip or cidr range: 'hello'"),
        (json!({"deny": ["10.0.0.0/33"]}), "deny.1: invalid ip or cidr range: '10.0.0.0/33'"),
        (json!({"deny": ["::1"], "status": 99}), "status: expected a whole number between 200 and 599"),
        (json!({"deny": ["::1"], "message": ""}), "message: length must be at least 1"),
    ] {
        assert_eq!(super::parse(config).unwrap_err().to_string(), reason);
    }
}
