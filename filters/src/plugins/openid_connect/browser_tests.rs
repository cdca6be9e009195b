//! Browsers at a provider that says what a test wants: tokens that are not theirs, answers that do not come.

use super::tests::for_issuer;
use crate::gateway::Flow;
use crate::oidc::testing::{Provider, Signer, ok};
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins as on_route, received};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FAR: i64 = 32_503_680_000;

fn cookie(name: &str) -> Value {
    json!({"name": name, "path": "/", "domain": null, "same_site": "Lax", "http_only": true, "secure": null})
}

fn config(issuer: &str) -> Value {
    let mut config = for_issuer(issuer);
    let parts = json!({
        "auth_methods": ["authorization_code", "session"],
        "client": {
            "id": "shop", "secret": "s", "auth": null, "scopes": ["openid"], "audience": [],
            "authorization_endpoint": null, "token_endpoint": null, "introspection_endpoint": null,
            "revocation_endpoint": null, "end_session_endpoint": null, "introspection_hint": "access_token",
        },
        "session_secret": "a secret",
        "browser": {
            "audience": "default",
            "sign_in": {
                "cookie": cookie("authorization"), "timeout": 600, "redirect_uri": null, "response_mode": "query",
                "pkce": null, "extra": [["prompt", "a b"]], "preserve_query_args": false,
            },
            "sessions": {
                "cookie": cookie("session"), "idling_timeout": 900, "rolling_timeout": 3600,
                "absolute_timeout": 86400, "remember": null, "refreshes": true,
            },
            "logout": {
                "methods": ["GET"], "uri_suffix": "/out", "query_arg": null, "post_arg": null, "redirect_uri": null,
                "revokes_access": true, "revokes_refresh": true,
            },
            "login": {
                "methods": ["authorization_code"], "action": "upstream", "redirect_uri": null, "tokens": [],
                "redirect_mode": "fragment",
            },
            "unauthorized_destroy_session": true, "forbidden_destroy_session": true,
        },
    });
    merge(&mut config, &parts);
    config
}

/// What looks at most of a request.
pub fn hostile_config() -> Value {
    let mut config = config("http://127.0.0.1:9");
    let changes = json!({
        "auth_methods": ["password", "client_credentials", "authorization_code", "bearer", "introspection", "session"],
        "bearer_token_param_type": ["query", "body", "header"], "timeout": 1, "cache_ttl": 0, "hide_credentials": true,
        "introspect_jwt_tokens": true, "cache_tokens": true, "cache_introspection": true,
        "client": {"auth": "client_secret_post", "authorization_endpoint": "http://127.0.0.1:9/a", "token_endpoint": "http://127.0.0.1:9/b"},
        "browser": {
            "sign_in": {"cookie": {"name": "a", "same_site": "None"}, "timeout": 0, "response_mode": "form_post", "preserve_query_args": true},
            "sessions": {
                "cookie": {"name": "b", "domain": "a.test"}, "idling_timeout": 0, "rolling_timeout": 0, "absolute_timeout": 0,
                "remember": {"cookie": cookie("c"), "rolling_timeout": 0, "absolute_timeout": 0},
            },
            "logout": {"methods": ["POST", "GET"], "query_arg": "a", "post_arg": "b", "redirect_uri": "http://a.test/"},
            "login": {"methods": ["bearer", "session"], "action": "redirect", "tokens": ["id_token", "access_token"]},
        },
    });
    merge(&mut config, &changes);
    config
}

/// `now_s` fixes the clock.
struct Shop {
    provider: Provider,
    signer: Signer,
    config: Value,
    now_s: i64,
    cookies: BTreeMap<String, String>,
}

impl Shop {
    fn open(changes: &Value) -> Self {
        let signer = Signer::new("a");
        let provider = Provider::start();
        let mut config = config(&provider.url);
        merge(&mut config, changes);
        let shop = Self { provider, signer, config, now_s: 1_700_000_000, cookies: BTreeMap::new() };
        shop.answers(&json!({}), &[]);
        shop
    }

    /// The discovery document, the keys, and what else is said by path.
    fn answers(&self, metadata: &Value, pages: &[(&str, String)]) {
        let url = &self.provider.url;
        let mut document = json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/auth?a=b"),
            "token_endpoint": format!("{url}/token"), "code_challenge_methods_supported": ["S256"],
        });
        merge(&mut document, metadata);
        let mut said = BTreeMap::from([
            ("/.well-known/openid-configuration".to_owned(), ok(&document.to_string())),
            ("/keys".to_owned(), ok(&json!({"keys": [self.signer.jwk()]}).to_string())),
        ]);
        said.extend(pages.iter().map(|(path, page)| ((*path).to_owned(), page.clone())));
        self.provider.answer(move |path| said.get(path).cloned());
    }

    fn tokens(&self, id: &Value, others: &Value) -> String {
        let mut claims = json!({"iss": self.provider.url, "aud": "shop", "sub": "ann", "exp": FAR});
        merge(&mut claims, id);
        let mut answer = json!({
            "access_token": "opaque", "token_type": "bearer", "expires_in": 60, "refresh_token": "r1",
            "id_token": self.signer.token(&claims),
        });
        merge(&mut answer, others);
        ok(&answer.to_string())
    }

    fn visit(&mut self, target: &str) -> Fake {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers: &[(&str, &str)] = if cookies.is_empty() { &[] } else { &[("cookie", &cookies)] };
        let mut stream = Fake::request("GET", target, headers);
        let mut extra = on_route(&[("openid-connect", self.config.clone())]);
        extra["settings"] = json!({"clock": {"now_ms": self.now_s * 1000}});
        let mut filter = filter(&extra, &stream);
        let mut flow = filter.on_request_headers(&mut stream, true);
        while flow == Flow::Pause {
            stream.alarm.wait();
            flow = filter.on_scheduled(&mut stream);
        }
        if flow == Flow::Continue {
            stream.response = vec![(":status".to_owned(), b"200".to_vec())];
            filter.on_response_headers(&mut stream, true);
        }
        for line in received(&stream, "set-cookie") {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        stream
    }

    /// State and nonce with which the provider is asked.
    fn begin(&mut self) -> (String, String) {
        let location = received(&self.visit("/s?x=1"), "location").remove(0);
        let said = |name: &str| {
            let (_, rest) = location.split_once(&format!("&{name}=")).unwrap();
            rest.split('&').next().unwrap().to_owned()
        };
        (said("state"), said("nonce"))
    }

    fn sign_in(&mut self) {
        let (state, nonce) = self.begin();
        self.answers(&json!({}), &[("/token", self.tokens(&json!({"nonce": nonce}), &json!({})))]);
        let stream = self.visit(&format!("/s?code=c&state={state}"));
        assert_eq!(stream.status(), None, "{:?}", stream.reply);
    }
}

fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        match (into.get_mut(name), value) {
            (Some(old @ Value::Object(_)), Value::Object(_)) => merge(old, value),
            _ => drop(into.as_object_mut().unwrap().insert(name.clone(), value.clone())),
        }
    }
}

fn refused(body: &str) -> String {
    format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn where_browsers_are_sent() {
    for (changes, metadata, expected) in [
        (json!({}), json!({}), true),
        (json!({}), json!({"code_challenge_methods_supported": ["plain"]}), false),
        (json!({}), json!({"code_challenge_methods_supported": null}), false),
        (json!({"pkce": true}), json!({"code_challenge_methods_supported": null}), true),
        (json!({"pkce": false}), json!({}), false),
    ] {
        let mut shop = Shop::open(&json!({"browser": {"sign_in": changes}}));
        shop.answers(&metadata, &[]);
        let stream = shop.visit("/s?x=1");
        assert_eq!(stream.status(), Some(302));
        let location = received(&stream, "location").remove(0);
        let begin = format!(
            "{}/auth?a=b&response_type=code&client_id=shop&redirect_uri=http%3A%2F%2Fgw.test%2Fs&scope=openid&state=",
            shop.provider.url
        );
        assert!(location.starts_with(&begin) && location.ends_with("&prompt=a+b"), "{location}");
        assert_eq!(location.contains("&code_challenge_method=S256"), expected, "{changes} {metadata}");
    }
    let mut without = Shop::open(&json!({}));
    without.answers(&json!({"authorization_endpoint": null}), &[]);
    assert_eq!(without.visit("/s").status(), Some(500));
    let mut unsafe_one = Shop::open(&json!({}));
    unsafe_one.answers(&json!({"authorization_endpoint": "javascript:alert(1)"}), &[]);
    assert_eq!(unsafe_one.visit("/s").status(), Some(500));
}

#[test]
fn whose_tokens_are_taken() {
    let other = "urn:other";
    for (id, others, status) in [
        (json!({}), json!({}), None),
        (json!({"aud": ["x", "shop"], "azp": "shop"}), json!({}), None),
        (json!({}), json!({"token_type": null, "expires_in": "60", "refresh_token": null}), None),
        (json!({"nonce": "another"}), json!({}), Some(500)),
        (json!({"nonce": null}), json!({}), Some(500)),
        (json!({"aud": "another"}), json!({}), Some(500)),
        (json!({"aud": null}), json!({}), Some(500)),
        (json!({"aud": ["x", "shop"], "azp": "x"}), json!({}), Some(500)),
        (json!({"iss": other}), json!({}), Some(500)),
        (json!({"exp": 1}), json!({}), Some(500)),
        (json!({}), json!({"id_token": null}), Some(500)),
        (json!({}), json!({"id_token": "a.b.c"}), Some(500)),
        (json!({}), json!({"token_type": "DPoP"}), Some(500)),
        (json!({}), json!({"access_token": null}), Some(500)),
    ] {
        let mut shop = Shop::open(&json!({}));
        let (state, nonce) = shop.begin();
        let mut own = json!({"nonce": nonce});
        merge(&mut own, &id);
        shop.answers(&json!({}), &[("/token", shop.tokens(&own, &others))]);
        let stream = shop.visit(&format!("/s?code=c&state={state}&y=2"));
        assert_eq!(stream.status(), status, "{id} {others}");
        assert_eq!(shop.cookies.contains_key("session"), status.is_none());
        assert!(!shop.cookies.contains_key("authorization"), "it has ended either way");
        if status.is_none() {
            assert_eq!(stream.sent(Map::Request, ":path").as_deref(), Some("/?y=2"));
            assert_eq!(stream.sent(Map::Request, "authorization").as_deref(), Some("Bearer opaque"));
            assert_eq!(stream.sent(Map::Request, "cookie"), None);
            assert_eq!(shop.visit("/s").sent(Map::Request, "x-credential-identifier").as_deref(), Some("ann"));
        }
    }
}

#[test]
fn what_providers_answer_to_a_code() {
    for (page, status) in [
        (Some(refused(r#"{"error":"invalid_grant"}"#)), 401),
        (Some(refused(r#"{"error":"invalid_client"}"#)), 401),
        (Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned()), 500),
        (Some("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".to_owned()), 500),
        (Some(ok("[]")), 500),
        (None, 500),
    ] {
        let mut shop = Shop::open(&json!({}));
        let (state, _) = shop.begin();
        let pages: Vec<_> = page.iter().map(|page| ("/token", page.clone())).collect();
        shop.answers(&json!({}), &pages);
        assert_eq!(shop.visit(&format!("/s?code=c&state={state}")).status(), Some(status), "{page:?}");
    }
}

#[test]
fn another_providers_answer_is_not_taken() {
    for (says_so, issuer, status) in [
        (false, None, None),
        (false, Some("own"), None),
        (false, Some("another"), Some(401)),
        (true, Some("own"), None),
        (true, None, Some(401)),
    ] {
        let mut shop = Shop::open(&json!({}));
        let metadata = json!({"authorization_response_iss_parameter_supported": says_so});
        shop.answers(&metadata, &[]);
        let (state, nonce) = shop.begin();
        shop.answers(&metadata, &[("/token", shop.tokens(&json!({"nonce": nonce}), &json!({})))]);
        let own = shop.provider.url.clone();
        let issuer = issuer.map(|issuer| if issuer == "own" { own } else { issuer.to_owned() });
        let said = issuer.map(|issuer| format!("&iss={issuer}")).unwrap_or_default();
        assert_eq!(shop.visit(&format!("/s?code=c&state={state}{said}")).status(), status);
    }
}

#[test]
fn a_sign_in_has_its_time() {
    let mut shop = Shop::open(&json!({}));
    let (state, nonce) = shop.begin();
    shop.answers(&json!({}), &[("/token", shop.tokens(&json!({"nonce": nonce}), &json!({})))]);
    shop.now_s += 601;
    assert_eq!(shop.visit(&format!("/s?code=c&state={state}")).status(), Some(401));
    for _ in 0..10 {
        shop.begin();
        assert!(shop.cookies["authorization"].len() < 4096);
    }
}

#[test]
fn how_long_a_session_lasts() {
    for (seconds, status) in [(30, None), (901, Some(302)), (-5, None)] {
        let mut shop = Shop::open(&json!({}));
        shop.sign_in();
        shop.answers(&json!({}), &[("/token", shop.tokens(&json!({}), &json!({"access_token": "newer"})))]);
        shop.now_s += seconds;
        assert_eq!(shop.visit("/s").status(), status, "{seconds}");
    }
}

#[test]
fn access_tokens_are_refreshed() {
    let newer = |shop: &Shop, id: Value, others: Value| shop.tokens(&id, &others);
    for (id, others, status, access) in [
        (json!({}), json!({"access_token": "newer"}), None, Some("Bearer newer")),
        (
            json!({}),
            json!({"access_token": "newer", "id_token": null, "refresh_token": null}),
            None,
            Some("Bearer newer"),
        ),
        // Somebody else's tokens are as good as none.
        (json!({"sub": "eve"}), json!({}), Some(302), None),
        (json!({"aud": "another"}), json!({}), Some(500), None),
    ] {
        let mut shop = Shop::open(&json!({}));
        shop.sign_in();
        shop.answers(&json!({}), &[("/token", newer(&shop, id.clone(), others.clone()))]);
        shop.now_s += 61;
        let stream = shop.visit("/s");
        assert_eq!(stream.status(), status, "{id} {others}");
        if access.is_some() {
            assert_eq!(stream.sent(Map::Request, "authorization").as_deref(), access);
            assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some("ann"));
            let asked = shop.provider.asked().len();
            assert_eq!(shop.visit("/s").status(), None);
            assert_eq!(shop.provider.asked().len(), asked);
        }
    }
    for (page, status) in [(refused(r#"{"error":"invalid_grant"}"#), 302), (ok("{}"), 500)] {
        let mut shop = Shop::open(&json!({}));
        shop.sign_in();
        shop.answers(&json!({}), &[("/token", page)]);
        shop.now_s += 61;
        assert_eq!(shop.visit("/s").status(), Some(status));
    }
    let mut never = Shop::open(&json!({"browser": {"sessions": {"refreshes": false}}}));
    never.sign_in();
    never.now_s += 61;
    assert_eq!(never.visit("/s").status(), Some(302));
}

#[test]
fn a_session_is_of_use_where_it_began_only() {
    let mut shop = Shop::open(&json!({}));
    shop.sign_in();
    for changes in [
        json!({"session_secret": "another"}),
        json!({"browser": {"audience": "another"}}),
        json!({"client": {"id": "another"}}),
        json!({"browser": {"sessions": {"cookie": {"name": "another"}}}}),
    ] {
        let (cookies, mut config) = (shop.cookies.clone(), shop.config.clone());
        merge(&mut config, &changes);
        let before = std::mem::replace(&mut shop.config, config);
        shop.cookies.insert("another".to_owned(), shop.cookies["session"].clone());
        assert_eq!(shop.visit("/s").status(), Some(302), "{changes}");
        (shop.cookies, shop.config) = (cookies, before);
    }
    assert_eq!(shop.visit("/s").status(), None);
}

#[test]
fn leaving() {
    let mut shop = Shop::open(&json!({}));
    shop.sign_in();
    let end = json!({"end_session_endpoint": format!("{}/end", shop.provider.url)});
    let mut config = shop.config.clone();
    merge(&mut config, &json!({"cache_ttl": 0.0}));
    shop.config = config;
    shop.answers(&end, &[]);
    let stream = shop.visit("/s/out");
    assert_eq!(stream.status(), Some(302), "revoked or not, the session ends");
    assert!(
        received(&stream, "location")[0]
            .starts_with(&format!("{}/end?client_id=shop&id_token_hint=", shop.provider.url))
    );
    assert!(shop.cookies.is_empty());
    assert_eq!(shop.visit("/s").status(), Some(302));
    let mut nowhere = Shop::open(&json!({}));
    nowhere.sign_in();
    let stream = nowhere.visit("/s/out");
    assert_eq!((stream.status(), nowhere.cookies.len()), (Some(200), 0));
}

#[test]
fn strange_requests() {
    let mut shop = Shop::open(&json!({}));
    let (state, _) = shop.begin();
    for (target, status) in [
        (format!("/s?code=c&state={state}x"), 401),
        ("/s?code=c&state=".to_owned(), 302),
        (format!("/s?code=c&code=d&state={state}"), 302),
        (format!("/s?error=access_denied&state={state}"), 401),
        (format!("/s?code=c&state={state}"), 401),
    ] {
        assert_eq!(shop.visit(&target).status(), Some(status), "{target}");
    }
    let mut foreign = Fake::request("GET", "/s", &[]);
    foreign.request[2].1 = b"a@b/../c".to_vec();
    let extra = on_route(&[("openid-connect", shop.config.clone())]);
    let mut filter = filter(&extra, &foreign);
    filter.on_request_headers(&mut foreign, true);
    assert_eq!(foreign.status(), Some(401));
}
