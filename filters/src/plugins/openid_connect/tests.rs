//! Requests with tokens, good and bad, at a provider that is there and at one that is not.

use crate::gateway::Flow;
use crate::oidc::testing::{Provider, Signer};
use crate::plugins;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{answered, filter, plugins as on_route, received};
use serde_json::{Value, json};

/// In seconds; the fake stream's clock is far from it on both sides of no token here.
const FAR: i64 = 32_503_680_000;

fn config(provider: &Provider, changes: &Value) -> Value {
    let mut config = for_issuer(&provider.url);
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

/// What the compiler tells where nothing is said.
pub fn for_issuer(issuer: &str) -> Value {
    json!({
        "issuer": issuer, "issuers_allowed": null, "auth_methods": ["bearer"],
        "bearer_token_param_type": ["header", "query", "body"], "bearer_token_cookie_name": null, "ssl_verify": false,
        "timeout": 5000, "cache_ttl": 3600, "rediscovery_lifetime": 0, "leeway": 0, "scopes_claim": ["scope"],
        "scopes_required": null, "audience_claim": ["aud"], "audience_required": null, "groups_claim": ["groups"],
        "groups_required": null, "roles_claim": ["roles"], "roles_required": null, "consumer_claim": null,
        "consumer_by": ["username", "custom_id"], "consumer_optional": false, "credential_claim": ["sub"],
        "authenticated_groups_claim": null, "upstream_headers_claims": null, "upstream_headers_names": null,
        "downstream_headers_claims": null, "downstream_headers_names": null, "upstream_access_token_header": null,
        "hide_credentials": false, "run_on_preflight": true, "anonymous": null,
        "unauthorized_error_message": "Unauthorized", "forbidden_error_message": "Forbidden",
    })
}

/// Goes through the gateway, with what the provider answers if it is asked.
fn passed(config: &Value, mut stream: Fake, body: &str) -> (Fake, Flow) {
    let extra = on_route(&[("openid-connect", config.clone())]);
    let mut filter = filter(&extra, &stream);
    let mut flow = filter.on_request_headers(&mut stream, body.is_empty());
    if !body.is_empty() {
        stream.request_body = body.as_bytes().to_vec();
        flow = filter.on_request_body(&mut stream, true);
    }
    while flow == Flow::Pause {
        stream.alarm.wait();
        flow = filter.on_scheduled(&mut stream);
    }
    (stream, flow)
}

fn with_token(config: &Value, token: &str) -> Fake {
    let value = format!("Bearer {token}");
    passed(config, Fake::request("GET", "/s", &[("authorization", &value)]), "").0
}

/// Status and challenge of the answer; None where it was sent on.
fn refusal(stream: &Fake) -> Option<(u16, Option<String>)> {
    let (status, headers, _) = stream.reply.as_ref()?;
    Some((*status, headers.iter().find(|(name, _)| name == "www-authenticate").map(|(_, value)| value.clone())))
}

#[test]
fn tokens() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let provider = Provider::with_keys(&[&signer]);
    let good = json!({"iss": provider.url, "sub": "ann", "exp": FAR});
    let claims = |changes: Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let signed = |changes: Value| signer.token(&claims(changes));
    let bad = Some((401, Some("Bearer realm=\"kong\", error=\"invalid_token\"".to_owned())));
    for (token, expected) in [
        (signed(json!({})), None),
        (signed(json!({"nbf": 1})), None),
        (signer.token_with(&json!({"alg": "ES256"}), &good), None),
        (signed(json!({"iss": "https://other.test"})), bad.clone()),
        (signed(json!({"iss": null})), bad.clone()),
        (signed(json!({"exp": 1})), bad.clone()),
        (signed(json!({"exp": null})), bad.clone()),
        (signed(json!({"exp": "32503680000"})), bad.clone()),
        (signed(json!({"nbf": FAR})), bad.clone()),
        (signed(json!({"nbf": "x"})), bad.clone()),
        (stranger.token(&good), bad.clone()),
        (signer.token_with(&json!({"alg": "ES256", "kid": "other"}), &good), bad.clone()),
        (signer.token_with(&json!({"alg": "ES384", "kid": "a"}), &good), bad.clone()),
        (signer.token_with(&json!({"alg": "HS256", "kid": "a"}), &good), bad.clone()),
        (signer.token_with(&json!({"alg": "none", "kid": "a"}), &good), bad.clone()),
        (signed(json!({})) + "x", bad.clone()),
        ("opaque".to_owned(), bad),
    ] {
        assert_eq!(refusal(&with_token(&config(&provider, &json!({})), &token)), expected, "{token}");
    }
    let (stream, _) = passed(&config(&provider, &json!({})), Fake::request("GET", "/s", &[]), "");
    assert_eq!(refusal(&stream), Some((401, Some("Bearer realm=\"kong\"".to_owned()))));
    assert_eq!(stream.reply.unwrap().2, "{\"message\":\"Unauthorized\"}");
    let allowed = config(&provider, &json!({"issuers_allowed": ["https://other.test"]}));
    assert_eq!(refusal(&with_token(&allowed, &signed(json!({"iss": "https://other.test"})))), None);
    let lenient = config(&provider, &json!({"leeway": 1e12}));
    assert_eq!(refusal(&with_token(&lenient, &signed(json!({"exp": 1, "nbf": FAR})))), None);
}

#[test]
fn who_may_pass() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[&signer]);
    let token = signer.token(&json!({
        "iss": provider.url, "sub": "ann", "exp": FAR, "scope": "openid read", "aud": ["shop"], "groups": ["g1", "g2"],
        "realm_access": {"roles": ["admin"]}, "name": "A-1", "none": "zoe",
    }));
    let forbidden = Some((403, Some("Bearer realm=\"kong\", error=\"insufficient_scope\"".to_owned())));
    for (changes, expected) in [
        (json!({"scopes_required": ["read"], "audience_required": ["shop"]}), None),
        (json!({"scopes_required": ["write"], "audience_required": ["shop"]}), forbidden.clone()),
        (json!({"scopes_required": ["read"], "audience_required": ["other"]}), forbidden.clone()),
        (json!({"groups_required": ["g1 g2"]}), None),
        (json!({"groups_required": ["g1 g3", "g4"]}), forbidden.clone()),
        (json!({"roles_required": ["admin"]}), forbidden.clone()),
        (json!({"roles_required": ["admin"], "roles_claim": ["realm_access", "roles"]}), None),
        (json!({"consumer_claim": ["sub"]}), None),
        (json!({"consumer_claim": ["sub"], "consumer_by": ["custom_id"]}), forbidden.clone()),
        (json!({"consumer_claim": ["none"]}), forbidden.clone()),
        (json!({"consumer_claim": ["missing"]}), forbidden.clone()),
        (json!({"consumer_claim": ["none"], "consumer_optional": true}), None),
        (json!({"consumer_claim": ["none"], "anonymous": "nobody"}), forbidden),
    ] {
        let stream = with_token(&config(&provider, &changes), &token);
        assert_eq!(refusal(&stream), expected, "{changes}");
    }
    for (changes, id, credential) in [
        (json!({"consumer_claim": ["sub"]}), Some("c-ann"), "ann"),
        (json!({"consumer_claim": ["name"], "credential_claim": ["name"]}), Some("c-ann"), "A-1"),
        (json!({}), None, "ann"),
    ] {
        let stream = with_token(&config(&provider, &changes), &token);
        assert_eq!(stream.sent(Map::Request, "x-consumer-id").as_deref(), id, "{changes}");
        assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some(credential));
    }
}

#[test]
fn where_tokens_stand_and_what_is_left_of_them() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[&signer]);
    let token = signer.token(&json!({"iss": provider.url, "exp": FAR}));
    let all = json!({
        "bearer_token_param_type": ["header", "cookie", "query", "body"], "bearer_token_cookie_name": "tok",
        "hide_credentials": true,
    });
    let hiding = config(&provider, &all);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (bearer, cookie) = (format!("bEARER {token}"), format!("a=1; tok={token}; b=2"));
    let requests = [
        (Fake::request("GET", "/s?x=1", &[("authorization", &bearer)]), String::new()),
        (Fake::request("GET", "/s?x=1", &[("cookie", &cookie)]), String::new()),
        (Fake::request("GET", &format!("/s?x=1&access_token={token}"), &[]), String::new()),
        (Fake::request("POST", "/s?x=1", &form), format!("access_token={token}&y=2")),
    ];
    for (stream, body) in requests {
        let (stream, flow) = passed(&hiding, stream, &body);
        assert_eq!(flow, Flow::Continue, "{:?}", stream.reply);
        let rest = [stream.request.iter().flat_map(|(_, value)| value.clone()).collect(), stream.request_body.clone()];
        assert!(!String::from_utf8(rest.concat()).unwrap().contains(&token), "{:?}", stream.request);
        assert!(stream.sent(Map::Request, ":path").unwrap().contains("x=1"));
    }
    let kept = json!({"bearer_token_param_type": ["query"]});
    for (changes, name, expected) in [
        (json!({}), "authorization", format!("Bearer {token}")),
        (json!({"upstream_access_token_header": "X-Token"}), "x-token", token.clone()),
        (
            json!({"upstream_access_token_header": "x-t:bearer", "hide_credentials": true}),
            "x-t",
            format!("Bearer {token}"),
        ),
    ] {
        let mut all = config(&provider, &kept);
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let (stream, _) = passed(&all, Fake::request("GET", &format!("/s?access_token={token}"), &[]), "");
        assert_eq!(stream.sent(Map::Request, name), Some(expected));
    }
    let header_only = config(&provider, &json!({"bearer_token_param_type": ["header"]}));
    let (stream, _) = passed(&header_only, Fake::request("GET", &format!("/s?access_token={token}"), &[]), "");
    assert_eq!(stream.status(), Some(401));
}

#[test]
fn what_others_are_told() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[&signer]);
    let claims =
        json!({"iss": provider.url, "exp": FAR, "mail": "ann@a.test", "evil": "a\r\nx: y", "list": ["a", "b"]});
    let config = config(
        &provider,
        &json!({
            "upstream_headers_claims": ["mail", "evil", "list", "missing"],
            "upstream_headers_names": ["X-Mail", "x-evil", "x-list", "x-missing"],
            "downstream_headers_claims": ["mail"], "downstream_headers_names": ["x-mine"],
        }),
    );
    let value = format!("Bearer {}", signer.token(&claims));
    let request = Fake::request("GET", "/s", &[("authorization", &value), ("x-missing", "mine"), ("x-mail", "mine")]);
    let (stream, _) = passed(&config, request, "");
    for (name, expected) in [
        ("x-mail", Some("ann@a.test")),
        ("x-evil", Some("a%0D%0Ax: y")),
        ("x-list", Some("[\"a\",\"b\"]")),
        ("x-missing", None),
    ] {
        assert_eq!(stream.sent(Map::Request, name).as_deref(), expected, "{name}");
    }
}

#[test]
fn what_clients_are_told() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[&signer]);
    let told = json!({"downstream_headers_claims": ["sub", "x"], "downstream_headers_names": ["X-Mine", "x-none"]});
    let config = config(&provider, &told);
    let token = signer.token(&json!({"iss": provider.url, "exp": FAR, "sub": "ann"}));
    // As long as it is there, the keys are known.
    let _instance = plugins::parse("openid-connect", config.clone()).unwrap();
    assert_eq!(refusal(&with_token(&config, &token)), None);
    let value = format!("Bearer {token}");
    let request = Fake::request("GET", "/s", &[("authorization", &value)]);
    let stream = answered(&on_route(&[("openid-connect", config)]), request, &[]);
    assert_eq!(received(&stream, "x-mine"), ["ann"]);
    assert!(received(&stream, "x-none").is_empty());
    assert_eq!(provider.asked().len(), 2);
}

#[test]
fn anonymous_and_preflight() {
    let provider = Provider::with_keys(&[&Signer::new("a")]);
    let anonymous = config(&provider, &json!({"anonymous": "nobody"}));
    for headers in [&[][..], &[("authorization", "Bearer x")]] {
        let (stream, flow) = passed(&anonymous, Fake::request("GET", "/s", headers), "");
        assert_eq!((flow, stream.sent(Map::Request, "x-consumer-id").as_deref()), (Flow::Continue, Some("c-nobody")));
    }
    for (runs, status) in [(true, Some(401)), (false, None)] {
        let config = config(&provider, &json!({"run_on_preflight": runs}));
        let (stream, _) = passed(&config, Fake::request("OPTIONS", "/s", &[]), "");
        assert_eq!(stream.status(), status);
    }
}

#[test]
fn without_its_keys_nobody_passes() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[]);
    let token = signer.token(&json!({"iss": provider.url, "exp": FAR}));
    for changes in [json!({}), json!({"anonymous": "nobody"})] {
        let stream = with_token(&config(&provider, &changes), &token);
        assert_eq!(stream.status(), Some(500), "{changes}");
    }
    provider.show(&[&signer]);
    assert_eq!(refusal(&with_token(&config(&provider, &json!({})), &token)), None, "once it answers all is well");
}

#[test]
fn wrong_configurations_are_refused() {
    let provider = Provider::start();
    for (changes, reason) in [
        (json!({"issuer": "id.test"}), "issuer is no URL"),
        (json!({"anonymous": ""}), "anonymous must name a consumer"),
        (json!({"upstream_headers_claims": ["a"]}), "must be of the same length"),
        (json!({"downstream_headers_claims": ["a"], "downstream_headers_names": ["host"]}), "the gateway itself sets"),
        (json!({"upstream_access_token_header": "x:y"}), "only bearer can stand"),
    ] {
        let error = plugins::parse("openid-connect", config(&provider, &changes)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
