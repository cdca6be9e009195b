//! jwt on the fake stream: tokens of every algorithm, where they are found, and what a refusal says.

use super::parse;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{passed, plugins};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, signature::RsaEncoding};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The clock of the tests, in seconds.
const NOW: i64 = 1000;
const SECRET: &[u8] = b"top secret";

fn defaults(changes: Value) -> Value {
    let mut config = json!({
        "uri_param_names": ["jwt"], "cookie_names": [], "header_names": ["authorization"], "key_claim_name": "iss",
        "secret_is_base64": false, "claims_to_verify": null, "maximum_expiration": 0, "anonymous": null,
        "run_on_preflight": true, "realm": null,
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

fn extra(config: Value, key: Value) -> Value {
    let mut extra = plugins(&[("jwt", defaults(config))]);
    extra["consumers"] = json!([{"id": "c-jim", "username": "jim", "credentials": {"jwt": [
        {"id": "j-1", "index": "iss-1", "key": key}, {"id": "j-2", "index": "keyless"}]}}]);
    extra
}

fn shared(algorithm: &str) -> Value {
    json!({"algorithm": algorithm, "secret": STANDARD.encode(SECRET)})
}

fn token(algorithm: &str, claims: Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(json!({"alg": algorithm})), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(claims: Value) -> String {
    token("HS256", claims, |text| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), text).as_ref().to_vec())
}

fn asked(config: Value, key: Value, stream: Fake) -> (Fake, Flow) {
    let (_, stream, flow) = passed(&extra(config, key), stream);
    (stream, flow)
}

fn with_token(token: &str) -> Fake {
    Fake::request("GET", "/s", &[("authorization", &format!("Bearer {token}"))])
}

fn username(stream: &Fake) -> Option<String> {
    stream.sent(Map::Request, "x-consumer-username")
}

fn body(stream: &Fake) -> &str {
    stream.reply.as_ref().map_or("", |reply| &reply.2)
}

fn challenge(stream: &Fake) -> Option<String> {
    let headers = &stream.reply.as_ref()?.1;
    headers.iter().find(|(name, _)| name == "www-authenticate").map(|(_, value)| value.clone())
}

/// A name of an algorithm, a public key as DER, what signs a text.
type Signer = (&'static str, Vec<u8>, Box<dyn Fn(&[u8]) -> Vec<u8>>);

/// All algorithms of public keys.
fn signers() -> Vec<Signer> {
    let mut all: Vec<Signer> = Vec::new();
    let rsa: &'static RsaKeyPair = Box::leak(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));
    let encodings: [(&'static str, &'static dyn RsaEncoding); 6] = [
        ("RS256", &signature::RSA_PKCS1_SHA256),
        ("RS384", &signature::RSA_PKCS1_SHA384),
        ("RS512", &signature::RSA_PKCS1_SHA512),
        ("PS256", &signature::RSA_PSS_SHA256),
        ("PS384", &signature::RSA_PSS_SHA384),
        ("PS512", &signature::RSA_PSS_SHA512),
    ];
    for (name, encoding) in encodings {
        let sign = move |text: &[u8]| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(encoding, &SystemRandom::new(), text, &mut signature).unwrap();
            signature
        };
        all.push((name, rsa.public_key().as_der().unwrap().as_ref().to_vec(), Box::new(sign)));
    }
    for (name, algorithm) in [
        ("ES256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
    ] {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public = pair.public_key().as_der().unwrap().as_ref().to_vec();
        all.push((
            name,
            public,
            Box::new(move |text| pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec()),
        ));
    }
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = pair.public_key().as_der().unwrap().as_ref().to_vec();
    all.push(("EdDSA", public, Box::new(move |text| pair.sign(text).as_ref().to_vec())));
    all
}

#[test]
fn every_algorithm_of_public_keys() {
    for (name, public, sign) in signers() {
        let key = json!({"algorithm": name, "public": STANDARD.encode(&public)});
        let good = token(name, json!({"iss": "iss-1"}), &sign);
        let (stream, flow) = asked(json!({}), key.clone(), with_token(&good));
        assert_eq!((flow, username(&stream).as_deref()), (Flow::Continue, Some("jim")), "{name}: {}", body(&stream));
        assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some("iss-1"));
        for forged in [
            token(name, json!({"iss": "iss-1"}), |text| sign(&[text, b"x"].concat())),
            token(name, json!({"iss": "iss-1"}), |text| sign(text)[1..].to_vec()),
            token(name, json!({"iss": "iss-1"}), |_| Vec::new()),
        ] {
            let (stream, _) = asked(json!({}), key.clone(), with_token(&forged));
            assert_eq!(body(&stream), r#"{"message":"Invalid signature"}"#, "{name}");
        }
        // The public key, which everybody may have, as a shared secret.
        for algorithm in ["HS256", "HS512", "none", "RS257"] {
            let confused = token(algorithm, json!({"iss": "iss-1"}), |text| {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), text).as_ref().to_vec()
            });
            let (stream, flow) = asked(json!({}), key.clone(), with_token(&confused));
            assert_eq!((flow, stream.status()), (Flow::Answered, Some(401)), "{name} {algorithm}");
        }
    }
}

#[test]
fn every_algorithm_of_shared_secrets() {
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let sign = |secret: &[u8]| {
            let key = hmac::Key::new(algorithm, secret);
            token(name, json!({"iss": "iss-1"}), |text| hmac::sign(&key, text).as_ref().to_vec())
        };
        let (stream, flow) = asked(json!({}), shared(name), with_token(&sign(SECRET)));
        assert_eq!((flow, username(&stream).as_deref()), (Flow::Continue, Some("jim")), "{name}");
        let (stream, _) = asked(json!({}), shared(name), with_token(&sign(b"other")));
        assert_eq!(body(&stream), r#"{"message":"Invalid signature"}"#, "{name}");
    }
}

#[test]
fn a_secret_may_be_base64() {
    let signed_with = |secret: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        token("HS256", json!({"iss": "iss-1"}), |text| hmac::sign(&key, text).as_ref().to_vec())
    };
    for (stored, signing, expected) in [
        ("YmluYXJ5", b"binary".as_slice(), None),
        ("_-8=", b"\xff\xef", None),
        ("YmluYXJ5", b"YmluYXJ5", Some("Invalid signature")),
        ("/+8=", b"\xff\xef", Some(r"Invalid key\/secret")),
    ] {
        let key = json!({"algorithm": "HS256", "secret": STANDARD.encode(stored)});
        let (stream, _) = asked(json!({"secret_is_base64": true}), key, with_token(&signed_with(signing)));
        let refusal = expected.map(|text| format!("{{\"message\":\"{text}\"}}")).unwrap_or_default();
        assert_eq!(body(&stream), refusal, "{stored}");
    }
}

#[test]
fn where_a_token_is_found() {
    let (good, other) = (hs256(json!({"iss": "iss-1"})), hs256(json!({"iss": "iss-1", "a": 1})));
    let bearer = format!("Bearer {good}");
    let config =
        json!({"uri_param_names": ["jwt", "t"], "cookie_names": ["tok"], "header_names": ["Authorization", "x_jwt"]});
    let none = r#"{"message":"Unauthorized"}"#;
    let several = r#"{"message":"Multiple tokens provided"}"#;
    let strange = r#"{"message":"Unrecognizable token"}"#;
    for (target, headers, refusal) in [
        ("/s".to_owned(), vec![("authorization", bearer.clone())], ""),
        ("/s".to_owned(), vec![("x-jwt", bearer.clone())], ""),
        (format!("/s?jwt={good}"), vec![], ""),
        (format!("/s?a=1&t={good}&jwt="), vec![], ""),
        (format!("/s?jwt={good}&jwt={good}"), vec![("cookie", format!("tok={good}"))], ""),
        ("/s".to_owned(), vec![("cookie", format!("a=1; Tok={good}; b"))], ""),
        ("/s".to_owned(), vec![("cookie", "a=1".to_owned()), ("cookie", format!("tok={good}"))], ""),
        (format!("/s?jwt={good}"), vec![("authorization", format!("Bearer {other}"))], several),
        (format!("/s?jwt={good}&jwt"), vec![], several),
        ("/s?jwt".to_owned(), vec![], strange),
        ("/s?jwt=".to_owned(), vec![], none),
        (format!("/s?JWT={good}"), vec![("authorization", "Basic eDp5".to_owned())], none),
        (format!("/s/jwt={good}"), vec![], none),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (stream, _) = asked(config.clone(), shared("HS256"), Fake::request("GET", &target, &headers));
        assert_eq!(body(&stream), refusal, "{target} {headers:?}");
        assert_eq!(username(&stream).is_some(), refusal.is_empty());
    }
}

#[test]
fn what_is_wrong_with_a_token() {
    let message = |text: &str| format!("{{\"message\":\"{text}\"}}");
    for (token, expected) in [
        (hs256(json!({"sub": "x"})), message("No mandatory 'iss' in claims")),
        (hs256(json!({"iss": ""})), message("Invalid 'iss' in claims")),
        (hs256(json!({"iss": "iss-2"})), message("No credentials found for given 'iss'")),
        (hs256(json!({"iss": "keyless"})), message(r"Invalid key\/secret")),
        (token("HS384", json!({"iss": "iss-1"}), |_| b"x".to_vec()), message("Invalid algorithm")),
        ("a.b.c".to_owned(), message("Bad token; invalid JSON")),
    ] {
        let (stream, _) = asked(json!({}), shared("HS256"), with_token(&token));
        assert_eq!((stream.status(), body(&stream)), (Some(401), expected.as_str()));
        assert_eq!(challenge(&stream).as_deref(), Some("Bearer error=\"invalid_token\""), "{expected}");
    }
    for claims in [json!({"iss": 5}), json!({"iss": null}), json!({"iss": {}})] {
        let config = json!({"anonymous": "nobody"});
        let (stream, _) = asked(config, shared("HS256"), with_token(&hs256(claims)));
        assert_eq!((stream.status(), challenge(&stream)), (Some(500), None));
    }
}

#[test]
fn claims_are_checked() {
    let both = json!({"claims_to_verify": ["exp", "nbf"]});
    let longest = json!({"maximum_expiration": 60});
    for (config, claims, expected) in [
        (&json!({}), json!({"exp": 1, "nbf": 9999}), ""),
        (&both, json!({"exp": NOW + 1, "nbf": NOW}), ""),
        (&both, json!({"exp": NOW, "nbf": NOW}), r#"{"exp":"token expired"}"#),
        (&both, json!({"exp": NOW + 1, "nbf": NOW + 1}), r#"{"nbf":"token not valid yet"}"#),
        (&both, json!({"exp": 1e300, "nbf": -1e300}), ""),
        (&both, json!({"exp": "soon"}), r#"{"exp":"must be a number","nbf":"must be a number"}"#),
        (&longest, json!({"exp": NOW + 60}), ""),
        (&longest, json!({"exp": NOW + 61}), r#"{"exp":"exceeds maximum allowed expiration"}"#),
        (&longest, json!({}), r#"{"exp":"exceeds maximum allowed expiration"}"#),
    ] {
        let mut claims = claims;
        claims["iss"] = json!("iss-1");
        let (stream, _) = asked(config.clone(), shared("HS256"), with_token(&hs256(claims.clone())));
        assert_eq!(body(&stream), expected, "{config} {claims}");
    }
}

#[test]
fn challenges_name_the_realm() {
    let config = json!({"realm": "shop", "key_claim_name": "k\"/"});
    let (stream, _) = asked(config.clone(), shared("HS256"), Fake::request("GET", "/s", &[]));
    assert_eq!(challenge(&stream).as_deref(), Some("Bearer realm=\"shop\""));
    let (stream, _) = asked(config.clone(), shared("HS256"), with_token(&hs256(json!({}))));
    assert_eq!(challenge(&stream).as_deref(), Some("Bearer realm=\"shop\" error=\"invalid_token\""));
    assert_eq!(body(&stream), r#"{"message":"No mandatory 'k\"\/' in claims"}"#);
    let mut old = extra(config, shared("HS256"));
    old["settings"] = json!({"compat": "kong-2.1"});
    let (_, stream, _) = passed(&old, Fake::request("GET", "/s", &[]));
    assert_eq!((body(&stream), challenge(&stream)), (r#"{"message":"Unauthorized"}"#, None));
}

#[test]
fn who_may_pass_without_a_token() {
    for (config, method, status, expected) in [
        (json!({}), "OPTIONS", Some(401), None),
        (json!({"run_on_preflight": false}), "OPTIONS", None, None),
        (json!({"run_on_preflight": false}), "GET", Some(401), None),
        (json!({"anonymous": "nobody"}), "GET", None, Some("nobody")),
        (json!({"anonymous": "c-nobody"}), "GET", None, Some("nobody")),
        (json!({"anonymous": "absent"}), "GET", Some(500), None),
    ] {
        let (stream, _) = asked(config.clone(), shared("HS256"), Fake::request(method, "/s", &[]));
        assert_eq!((stream.status(), username(&stream).as_deref()), (status, expected), "{config} {method}");
    }
}

#[test]
fn grpc_callers_get_a_status_of_grpc() {
    let request = Fake::request("POST", "/s", &[("content-type", "application/grpc")]);
    let stream = Fake { protocol: "HTTP/2".to_owned(), ..request };
    let (stream, _) = asked(json!({}), shared("HS256"), stream);
    let headers = &stream.reply.as_ref().unwrap().1;
    let value = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!((value("grpc-status"), value("grpc-message")), (Some("16"), Some("Unauthorized")));
}

#[test]
fn what_a_configuration_may_be() {
    for (changes, is_right) in [
        (json!({}), true),
        (json!({"realm": "shop", "anonymous": "x", "claims_to_verify": []}), true),
        (json!({"realm": "a\r\nb"}), false),
        (json!({"anonymous": ""}), false),
        (json!({"claims_to_verify": ["aud"]}), false),
        (json!({"header_names": 7}), false),
    ] {
        assert_eq!(parse(defaults(changes.clone())).is_ok(), is_right, "{changes}");
    }
}
