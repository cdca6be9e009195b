//! Providers that answer, that change their keys, and that do not answer.

use super::testing::{Provider, Signer, looked, ok};
use super::{Look, issuer};
use crate::waiting::testing::{PATIENCE, begun};
use serde_json::json;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

fn eventually(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}

#[test]
fn a_provider_is_asked_once_for_all() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[&signer]);
    let issuer = provider.issuer(|_| ());
    assert!(Arc::ptr_eq(&issuer, &provider.issuer(|_| ())));
    let waits: Vec<_> = (0..5)
        .map(|_| match issuer.look(|_| true) {
            Look::Ask(wait) => begun(wait),
            _ => panic!("nothing is known yet"),
        })
        .collect();
    for (ticket, rung) in waits {
        rung.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ticket.take().unwrap().into::<()>(), Ok(()));
    }
    assert_eq!(looked(&issuer, "a"), (false, Some(provider.url.clone())));
    assert_eq!(provider.asked(), ["/.well-known/openid-configuration", "/keys"]);
    assert!(!Arc::ptr_eq(&issuer, &provider.issuer(|source| source.verifies = false)));
}

#[test]
fn an_unknown_key_is_asked_for_but_not_too_often() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    for (pause, waits) in [(Duration::ZERO, true), (Duration::from_hours(1), false)] {
        let provider = Provider::with_keys(&[&old]);
        let issuer = provider.issuer(|source| source.pause = pause);
        assert_eq!(looked(&issuer, "old"), (true, Some(provider.url.clone())));
        provider.show(&[&new]);
        assert_eq!(looked(&issuer, "new"), (waits, Some(provider.url.clone())), "{pause:?}");
        assert_eq!(provider.asked().len(), if waits { 4 } else { 2 });
        let has_new = issuer.last().unwrap().keys.candidates(Some("new"), "ES256").next().is_some();
        assert_eq!(has_new, waits);
    }
}

#[test]
fn keys_outlive_a_provider_that_fails() {
    let signer = Signer::new("a");
    let provider = Provider::with_keys(&[&signer]);
    let issuer = provider.issuer(|source| (source.lifetime, source.pause) = (Duration::ZERO, Duration::ZERO));
    let known = Some(provider.url.clone());
    assert_eq!(looked(&issuer, "a"), (true, known.clone()));
    provider.answer(|_| None);
    assert_eq!(looked(&issuer, "a"), (true, known.clone()), "the first one finds out");
    let before = provider.asked().len();
    assert_eq!(looked(&issuer, "a"), (false, known.clone()), "nobody else waits");
    eventually(|| provider.asked().len() > before);
    provider.show(&[&signer]);
    eventually(|| looked(&issuer, "a") == (true, known.clone()));
}

#[test]
fn what_is_no_provider_is_told_apart() {
    let big = "x".repeat(2 * 1024 * 1024);
    for (says, asked) in [
        (Some("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()), 1),
        (Some("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned()), 1),
        (Some(ok("{}")), 1),
        (Some(ok("[")), 1),
        (Some(ok(&big)), 1),
        (Some(ok(&json!({"issuer": "a", "jwks_uri": "file:///etc/passwd"}).to_string())), 1),
        (Some("SSH-2.0\r\n".to_owned()), 1),
        (None, 1),
    ] {
        let provider = Provider::start();
        provider.answer(move |_| says.clone());
        let issuer = provider.issuer(|_| ());
        assert_eq!(looked(&issuer, "a"), (true, None));
        assert_eq!(looked(&issuer, "a"), (false, None), "it is not asked again so soon");
        assert_eq!(provider.asked().len(), asked);
    }
    let without_keys = Provider::with_keys(&[]);
    assert_eq!(looked(&without_keys.issuer(|_| ()), "a"), (true, None));
    let nowhere = issuer(super::Source { url: "http://127.0.0.1:1/x".into(), ..without_keys.source() });
    assert_eq!(looked(&nowhere, "a"), (true, None));
}
