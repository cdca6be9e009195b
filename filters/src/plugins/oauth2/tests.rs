//! oauth2 on the fake stream: applications get tokens, callers show them.

use super::issue::secret_digest;
use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const SALT: &[u8] = &[0x5a];
const EXPIRED: &str = "The access token is invalid or has expired";

fn defaults(changes: &Value) -> Value {
    let mut config = json!({
        "scopes": ["email", "phone"], "mandatory_scope": false, "provision_key": "pk", "token_expiration": 7200,
        "enable_implicit_grant": true, "enable_client_credentials": true, "enable_password_grant": true,
        "hide_credentials": false, "accept_http_if_already_terminated": true, "anonymous": null,
        "global_credentials": false, "auth_header_name": "authorization", "refresh_token_ttl": 1_209_600,
        "reuse_refresh_token": false, "pkce": "lax", "realm": null,
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

struct Gateway {
    config: Value,
    now_s: i64,
    service: &'static str,
    consumers: Value,
}

impl Gateway {
    fn new(config: &Value) -> Self {
        let secret = |id: &str, secret: &str| secret_digest(SALT, id, secret);
        let consumers = json!([{"id": "c-al", "username": "alice", "credentials": {"oauth2": [
            {"id": "o-1", "index": "cid", "secret": secret("cid", "csec"),
             "client": {"redirect_uris": ["http://r.test/cb?x=1", "http://r.test/two"], "is_public": false}},
            {"id": "o-2", "index": "app", "secret": secret("app", ""),
             "client": {"redirect_uris": ["http://app.test/"], "is_public": true}},
            {"id": "o-3", "index": "bare", "secret": secret("bare", "s"), "client": {"redirect_uris": null, "is_public": false}},
        ]}}]);
        Self { config: defaults(config), now_s: 1000, service: "s", consumers }
    }

    fn asked(&self, mut stream: Fake, body: Option<&str>) -> Fake {
        let mut extra = plugins(&[("oauth2", self.config.clone())]);
        extra["settings"] =
            json!({"salt": "5a", "clock": {"now_ms": self.now_s * 1000}, "trusted_ips": ["192.0.2.1/32"]});
        extra["route"]["service"] = json!({"id": self.service, "path": "/"});
        extra["consumers"] = self.consumers.clone();
        let mut filter = filter(&extra, &stream);
        let flow = filter.on_request_headers(&mut stream, body.is_none());
        if let Some(body) = body.filter(|_| flow == Flow::Wait) {
            stream.request_body = body.as_bytes().to_vec();
            filter.on_request_body(&mut stream, true);
        }
        stream
    }

    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Fake {
        self.asked(Fake::request("GET", target, headers), None)
    }

    fn post(&self, target: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let form = [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-proto", "https")];
        let headers: Vec<_> = form.into_iter().chain(headers.iter().copied()).collect();
        let stream = self.asked(Fake::request("POST", target, &headers), Some(body));
        let (status, headers, body) = stream.reply.unwrap();
        if status != 405 {
            assert!(headers.contains(&("cache-control".to_owned(), "no-store".to_owned())));
        }
        (status, serde_json::from_str(&body).unwrap())
    }

    fn token(&self, body: &str) -> Value {
        let (status, answer) = self.post("/s/oauth2/token", &[], body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What the upstream is told of who shows the token, or the refusal.
    fn shown(&self, token: &str) -> Result<(Option<String>, Option<String>), String> {
        let stream =
            self.get("/s/x", &[("authorization", &format!("Bearer {token}")), ("x-authenticated-userid", "forged")]);
        match &stream.reply {
            Some((_, _, body)) => {
                let body: Value = serde_json::from_str(body).unwrap();
                Err(body["error_description"].as_str().unwrap().to_owned())
            }
            None => Ok((
                stream.sent(Map::Request, "x-authenticated-scope"),
                stream.sent(Map::Request, "x-authenticated-userid"),
            )),
        }
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap().to_owned()
}

const CLIENT: &str = "grant_type=client_credentials&client_id=cid&client_secret=csec";
const USER: &str = "grant_type=password&client_id=cid&client_secret=csec&provision_key=pk&authenticated_userid=7";

#[test]
fn an_application_gets_a_token_and_shows_it() {
    let gateway = Gateway::new(&json!({}));
    let answer = gateway.token(&format!("{CLIENT}&scope=email++phone&state=st"));
    assert_eq!(
        (&answer["token_type"], &answer["expires_in"], &answer["state"]),
        (&json!("bearer"), &json!(7200), &json!("st"))
    );
    assert_eq!(answer.get("refresh_token"), None);
    let token = text(&answer, "access_token");
    let stream = gateway.get("/s/x", &[("authorization", &format!("token  {token}"))]);
    for (name, expected) in [
        ("x-consumer-username", Some("alice")),
        ("x-credential-identifier", Some("cid")),
        ("x-authenticated-scope", Some("email phone")),
        ("x-authenticated-userid", None),
    ] {
        assert_eq!(stream.sent(Map::Request, name).as_deref(), expected, "{name}");
    }
    let user = text(&gateway.token(USER), "access_token");
    assert_eq!(gateway.shown(&user), Ok((None, Some("7".to_owned()))));
    let stream = gateway.get(&format!("/s/x?access_token={token}"), &[]);
    assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), Some("alice"));
    let basic = format!("Basic {}", STANDARD.encode("cid:csec"));
    let (status, _) = gateway.post("/s/oauth2/token/", &[("authorization", &basic)], "grant_type=client_credentials");
    assert_eq!(status, 200);
}

#[test]
fn when_a_token_is_no_longer_good() {
    let gateway = Gateway::new(&json!({}));
    let token = text(&gateway.token(CLIENT), "access_token");
    let refused = |gateway: Gateway, message: &str| assert_eq!(gateway.shown(&token), Err(message.to_owned()));
    assert!(Gateway { now_s: 8200, ..Gateway::new(&json!({})) }.shown(&token).is_ok());
    refused(Gateway { now_s: 8201, ..Gateway::new(&json!({})) }, EXPIRED);
    refused(Gateway { service: "other", ..Gateway::new(&json!({})) }, EXPIRED);
    refused(Gateway { consumers: json!([]), ..Gateway::new(&json!({})) }, EXPIRED);
    refused(Gateway::new(&json!({"provision_key": "other"})), EXPIRED);
    let mut again = Gateway::new(&json!({}));
    again.consumers[0]["credentials"]["oauth2"][0]["id"] = json!("o-new");
    refused(again, EXPIRED);
    for forged in ["nope", "", &token[1..], &token.to_uppercase()] {
        let message = if forged.is_empty() { "The access token is missing" } else { EXPIRED };
        let stream = gateway.get("/s/x", &[("authorization", &format!("Bearer {forged}"))]);
        let body: Value = serde_json::from_str(&stream.reply.unwrap().2).unwrap();
        // A scheme alone is taken for a token.
        assert!([message, EXPIRED].contains(&body["error_description"].as_str().unwrap()), "{forged}");
    }
    let endless = text(&Gateway::new(&json!({"token_expiration": 0})).token(CLIENT), "access_token");
    assert!(Gateway { now_s: 1 << 40, ..Gateway::new(&json!({})) }.shown(&endless).is_ok());
}

#[test]
fn global_tokens_are_good_wherever_the_key_is_the_same() {
    let global = |service| Gateway { service, ..Gateway::new(&json!({"global_credentials": true})) };
    let token = text(&global("a").token(CLIENT), "access_token");
    assert!(global("b").shown(&token).is_ok());
    let message = "The access token is global, but the current plugin is configured without 'global_credentials'";
    assert_eq!(Gateway::new(&json!({})).shown(&token), Err(message.to_owned()));
    let own = text(&Gateway::new(&json!({})).token(CLIENT), "access_token");
    assert!(global("s").shown(&own).is_ok());
    assert_eq!(global("b").shown(&own), Err(EXPIRED.to_owned()));
}

#[test]
fn tokens_are_given_anew() {
    let gateway = Gateway::new(&json!({"reuse_refresh_token": true}));
    let first = gateway.token(USER);
    let refresh = text(&first, "refresh_token");
    let body = format!("grant_type=refresh_token&client_id=cid&client_secret=csec&refresh_token={refresh}");
    let later = |now_s| Gateway { now_s, ..Gateway::new(&json!({"reuse_refresh_token": true})) };
    let again = later(100_000).token(&body);
    assert_eq!(text(&again, "refresh_token"), refresh);
    assert_eq!(later(100_000).shown(&text(&again, "access_token")), Ok((None, Some("7".to_owned()))));
    assert_eq!(later(100_000).shown(&refresh), Err(EXPIRED.to_owned()));
    let public = body.replace("client_id=cid&client_secret=csec", "client_id=app");
    for (gateway, body, error) in [
        (later(1_300_000), body.clone(), "Invalid refresh_token"),
        (Gateway { service: "other", ..later(1000) }, body.clone(), "Invalid refresh_token"),
        (Gateway::new(&json!({})), body.clone(), "Invalid refresh_token"),
        (later(1000), public, "Invalid client authentication"),
        (later(1000), body.replace(&refresh, &text(&first, "access_token")), "Invalid refresh_token"),
    ] {
        let (status, answer) = gateway.post("/s/oauth2/token", &[], &body);
        assert_eq!((status, answer["error_description"].as_str()), (400, Some(error)), "{body}");
    }
}

#[test]
fn who_gets_no_token() {
    let strict = json!({"mandatory_scope": true, "enable_password_grant": false});
    for (config, body, error, description) in [
        (
            json!({}),
            "grant_type=client_credentials&client_id=cid&client_secret=bad".to_owned(),
            "invalid_client",
            "Invalid client authentication",
        ),
        (
            json!({}),
            "grant_type=client_credentials&client_id=zz&client_secret=csec".to_owned(),
            "invalid_client",
            "Invalid client authentication",
        ),
        (
            json!({}),
            "grant_type=client_credentials&client_id=cid".to_owned(),
            "invalid_client",
            "Invalid client authentication",
        ),
        (
            json!({}),
            "grant_type=zz&client_id=cid&client_secret=csec".to_owned(),
            "unsupported_grant_type",
            "Invalid grant_type",
        ),
        (strict.clone(), USER.to_owned(), "unsupported_grant_type", "Invalid grant_type"),
        (strict, CLIENT.to_owned(), "invalid_scope", "You must specify a scope"),
        (json!({}), format!("{CLIENT}&scope=email+wat"), "invalid_scope", "\"wat\" is an invalid scope"),
        (json!({}), format!("{CLIENT}&scope=email&scope=phone"), "invalid_scope", "scope must be a string"),
        (json!({}), format!("{CLIENT}&authenticated_userid=7"), "invalid_provision_key", "Invalid provision_key"),
        (json!({}), USER.replace("=pk", "=no"), "invalid_provision_key", "Invalid provision_key"),
        (json!({"provision_key": null}), USER.to_owned(), "invalid_provision_key", "Invalid provision_key"),
        (json!({}), USER.replace("=7", "=+"), "invalid_authenticated_userid", "Missing authenticated_userid parameter"),
        (
            json!({}),
            USER.replace("cid&client_secret=csec", "bare&client_secret=s"),
            "invalid_client",
            "Invalid client authentication",
        ),
        (
            json!({}),
            USER.replace("cid&client_secret=csec", "app&client_secret=s"),
            "invalid_request",
            "client_secret is disallowed for public clients",
        ),
        (
            json!({}),
            format!("{USER}&redirect_uri=http://evil.test/"),
            "invalid_request",
            "Invalid redirect_uri that does not match with any redirect_uri created with the application",
        ),
        (
            json!({}),
            "grant_type=authorization_code&client_id=cid&client_secret=csec&code=x".to_owned(),
            "invalid_request",
            "Invalid code",
        ),
        (
            json!({}),
            format!("{CLIENT}&scope=email&authenticated_userid={}&provision_key=pk", "7".repeat(9000)),
            "invalid_request",
            "The parameters are too long",
        ),
    ] {
        let (status, answer) = Gateway::new(&config).post("/s/oauth2/token", &[], &body);
        assert_eq!(
            (status, &answer["error"], &answer["error_description"]),
            (400, &json!(error), &json!(description)),
            "{config} {body}"
        );
    }
    let gateway = Gateway::new(&json!({}));
    let stream = gateway.asked(
        Fake::request("POST", "/s/oauth2/token", &[("authorization", "Basic eDp5"), ("x-forwarded-proto", "https")]),
        None,
    );
    let (status, headers, _) = stream.reply.unwrap();
    assert_eq!(status, 401);
    assert!(headers.contains(&("www-authenticate".to_owned(), "Basic realm=\"OAuth2.0\"".to_owned())));
}

#[test]
fn only_over_tls() {
    for (config, told, description) in [
        (json!({"accept_http_if_already_terminated": false}), "https", Some("You must use HTTPS")),
        (json!({}), "http", Some("You must use HTTPS")),
        (json!({}), "https, http", Some("Only one X-Forwarded-Proto header allowed")),
        (json!({}), "HTTPS", None),
    ] {
        let gateway = Gateway::new(&config);
        for endpoint in ["token", "authorize"] {
            let request = Fake::request("POST", &format!("/s/oauth2/{endpoint}"), &[("x-forwarded-proto", told)]);
            let body: Value = serde_json::from_str(&gateway.asked(request, None).reply.unwrap().2).unwrap();
            let denied = (body["error"] == "access_denied").then(|| body["error_description"].as_str().unwrap());
            assert_eq!(denied, description, "{told} {endpoint}");
        }
    }
}

#[test]
fn a_site_is_given_tokens_for_users() {
    let gateway = Gateway::new(&json!({}));
    let asked = "client_id=cid&provision_key=pk&authenticated_userid=7&response_type=token&state=a%26b";
    let (status, answer) = gateway.post("/s/oauth2/authorize", &[], &format!("{asked}&scope=phone"));
    let uri = text(&answer, "redirect_uri");
    assert_eq!(status, 200);
    let (place, fragment) = uri.split_once('#').unwrap();
    assert_eq!(place, "http://r.test/cb?x=1");
    let (token, rest) = fragment.strip_prefix("access_token=").unwrap().split_once('&').unwrap();
    assert_eq!(rest, "expires_in=7200&state=a%26b&token_type=bearer");
    assert_eq!(gateway.shown(token), Ok((Some("phone".to_owned()), Some("7".to_owned()))));
    let failed = |error: &str, description: &str| {
        format!("http://r.test/cb?error={error}&error_description={description}&state=a%26b&x=1")
    };
    for (config, body, expected) in [
        (
            json!({"enable_implicit_grant": false}),
            asked.to_owned(),
            failed("unsupported_response_type", "Invalid%20response_type"),
        ),
        (json!({}), asked.replace("=token", "=code"), failed("unsupported_response_type", "Invalid%20response_type")),
        (json!({}), format!("{asked}&scope=wat"), failed("invalid_scope", "%22wat%22%20is%20an%20invalid%20scope")),
        (
            json!({"pkce": "strict"}),
            asked.to_owned(),
            failed("invalid_request", "code_challenge%20is%20required%20for%20confidential%20clients"),
        ),
        (
            json!({}),
            format!("{asked}&code_challenge_method=S256"),
            failed("invalid_request", "code_challenge%20is%20required%20when%20code_method%20is%20present"),
        ),
        (
            json!({}),
            format!("{asked}&code_challenge_method=plain&code_challenge=x"),
            failed("invalid_request", "code_challenge_method%20is%20not%20supported%2C%20must%20be%20S256"),
        ),
    ] {
        let (status, answer) = Gateway::new(&config).post("/s/oauth2/authorize", &[], &body);
        assert_eq!((status, text(&answer, "redirect_uri")), (400, expected), "{config} {body}");
    }
    for (body, error) in [
        (asked.replace("=pk", "=no"), "invalid_provision_key"),
        (asked.replace("=7", "="), "invalid_authenticated_userid"),
        (asked.replace("=cid", "=zz"), "invalid_client"),
        (asked.replace("=cid", "=bare"), "invalid_client"),
    ] {
        let (status, answer) = gateway.post("/s/oauth2/authorize", &[], &body);
        assert_eq!((status, answer["error"].as_str(), answer["state"].as_str()), (400, Some(error), Some("a&b")));
    }
    let (_, answer) = gateway.post("/s/oauth2/authorize", &[], &format!("{asked}&redirect_uri=http://evil.test/"));
    assert!(text(&answer, "redirect_uri").starts_with("http://r.test/cb?error=invalid_request"));
}

#[test]
fn what_the_upstream_does_not_see() {
    let gateway = Gateway::new(&json!({"hide_credentials": true}));
    let token = text(&gateway.token(CLIENT), "access_token");
    let stream = gateway.get("/s/x", &[("authorization", &format!("Bearer {token}"))]);
    assert_eq!((stream.reply.is_none(), stream.sent(Map::Request, "authorization")), (true, None));
    let stream = gateway.get(&format!("/s/x?a=1&access_token={token}"), &[]);
    assert!(stream.sent(Map::Request, ":path").unwrap().ends_with("/x?a=1"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let stream = gateway.asked(Fake::request("POST", "/s/x", &form), Some(&format!("a=1&access_token={token}")));
    assert_eq!((stream.reply.is_none(), stream.request_body.as_slice()), (true, b"a=1".as_slice()));
}

#[test]
fn challenges_and_configurations() {
    for (config, target, headers, expected) in [
        (json!({}), "/s/x", vec![], "Bearer"),
        (
            json!({"realm": "r"}),
            "/s/x",
            vec![("authorization", "Bearer no")],
            "Bearer realm=\"r\" error=\"invalid_token\" error_description=\"The access token is invalid or has expired\"",
        ),
        (
            json!({}),
            "/s/oauth2/token",
            vec![],
            "Bearer error=\"invalid_method\" error_description=\"The HTTP method GET is invalid for the token endpoint\"",
        ),
        (
            json!({}),
            "/s/oauth2/authorize/",
            vec![],
            "Bearer error=\"invalid_method\" error_description=\"The HTTP method GET is invalid for the authorization endpoint\"",
        ),
    ] {
        let headers = Gateway::new(&config).get(target, &headers).reply.unwrap().1;
        let challenge = headers.iter().find(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str());
        assert_eq!(challenge, Some(expected));
    }
    let stream = Gateway::new(&json!({"anonymous": "nobody"})).get("/s/x", &[("x-authenticated-scope", "forged")]);
    assert_eq!(stream.sent(Map::Request, "x-anonymous-consumer").as_deref(), Some("true"));
    assert_eq!(stream.sent(Map::Request, "x-authenticated-scope"), None);
    for (changes, is_right) in [
        (json!({}), true),
        (json!({"provision_key": null, "pkce": "none"}), true),
        (json!({"realm": "a\nb"}), false),
        (json!({"anonymous": ""}), false),
        (json!({"pkce": "plain"}), false),
    ] {
        assert_eq!(parse(defaults(&changes)).is_ok(), is_right, "{changes}");
    }
}

#[test]
fn a_secret_is_known_as_the_control_plane_writes_it() {
    let expected = "1e19037f75c9c401b5e1587d1e4413630d965617f971fe105dcaaa9358fac1e0";
    assert_eq!(secret_digest(SALT, "cid", "csec"), expected);
}
