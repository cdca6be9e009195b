//! Which answers are believed, in the year 2030, and what becomes of a request by each of them.

use super::super::places::Places;
use super::super::tests::{IN_2030, asked, authority, config, gateway, message};
use super::ocsp::Asked;
use super::{Question, Status, Ways, lists};
use crate::client_certificate::testing::header;
use crate::gateway::Flow;
use crate::stream::testing::Fake;
use crate::testing::filter;
use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

macro_rules! files {
    ($($name:ident = $file:literal;)*) => {
        $(const $name: &[u8] = include_bytes!(concat!("../testdata/", $file));)*
    };
}
files! {
    ROOT = "root.der";
    OF_RESPONDER = "of-responder.der";
    OF_LIST = "of-list.der";
    OF_BOTH = "of-both.der";
    SUB_OF_LIST = "sub-of-list.der";
    DEEP_OF_LIST = "deep-of-list.der";
    GOOD = "good.ocsp";
    REVOKED = "revoked.ocsp";
    UNKNOWN = "unknown.ocsp";
    DELEGATED = "delegated.ocsp";
    DELEGATED_REVOKED = "delegated-revoked.ocsp";
    NONE_LISTED = "none-revoked.crl";
    LISTED = "revoked.crl";
    V1_NONE_LISTED = "v1-none-revoked.crl";
    V1_LISTED = "v1-revoked.crl";
}

fn chain(ders: &[&'static [u8]]) -> Vec<CertificateDer<'static>> {
    ders.iter().map(|der| CertificateDer::from(*der)).collect()
}

fn told(answer: &[u8]) -> Result<Status, &'static str> {
    let [certificate, issuer] = [CertificateDer::from(OF_RESPONDER), CertificateDer::from(ROOT)];
    Asked::new(&certificate, &issuer).unwrap().read(answer, IN_2030).map(|answered| answered.status)
}

fn listed(ders: &[&'static [u8]], list: &[u8]) -> Result<Status, &'static str> {
    let places = Places { has_others: true, ..Places::default() };
    lists::read(&Question::new(&chain(ders), places), list, IN_2030).map(|answered| answered.status)
}

#[test]
fn answers_of_responders() {
    for (name, answer, expected) in [
        ("good", GOOD, Ok(Status::Good)),
        ("revoked", REVOKED, Ok(Status::Revoked)),
        ("unknown", UNKNOWN, Ok(Status::Unknown)),
        ("by a delegate", DELEGATED, Ok(Status::Good)),
        ("revoked, by a delegate", DELEGATED_REVOKED, Ok(Status::Revoked)),
        ("old", include_bytes!("../testdata/old.ocsp"), Err("its answer is too old")),
        ("future", include_bytes!("../testdata/future.ocsp"), Err("its answer is of the future")),
        ("another", include_bytes!("../testdata/of-another.ocsp"), Err("its answer is about another certificate")),
        ("wrong signer", include_bytes!("../testdata/wrong-signer.ocsp"), Err("its answer is not signed by who may")),
        (
            "a delegate for other things",
            include_bytes!("../testdata/delegate-without-usage.ocsp"),
            Err("its answer is not signed by who may"),
        ),
        (
            "somebody else's delegate",
            include_bytes!("../testdata/delegate-of-another.ocsp"),
            Err("its answer is not signed by who may"),
        ),
        (
            "a delegate's delegate",
            include_bytes!("../testdata/delegate-of-delegate.ocsp"),
            Err("its answer is not signed by who may"),
        ),
        (
            "an expired delegate",
            include_bytes!("../testdata/delegate-expired.ocsp"),
            Err("its answer is not signed by who may"),
        ),
        ("a refusal", &[0x30, 3, 0x0a, 1, 6], Err("it refuses to answer")),
        ("nothing", b"", Err("its answer cannot be read")),
        ("a page", b"<html>", Err("its answer cannot be read")),
    ] {
        assert_eq!(told(answer), expected, "{name}");
    }
}

#[test]
fn what_lists_say() {
    let old = include_bytes!("../testdata/old.crl");
    let future = include_bytes!("../testdata/future.crl");
    let other_issuer = include_bytes!("../testdata/wrong-issuer.crl");
    let other_signer = include_bytes!("../testdata/wrong-signer.crl");
    let part = include_bytes!("../testdata/part.crl");
    let leaf = &[OF_LIST, ROOT][..];
    let between = &[DEEP_OF_LIST, SUB_OF_LIST, ROOT][..];
    let of_others = Err("its list is of another issuer or of other certificates");
    for (name, chain, list, expected) in [
        ("not on it", leaf, NONE_LISTED, Ok(Status::Good)),
        ("on it", leaf, LISTED, Ok(Status::Revoked)),
        ("old", leaf, old, Err("its list is too old")),
        ("future", leaf, future, Err("its list is of the future")),
        ("another issuer", leaf, other_issuer, of_others),
        ("another signer", leaf, other_signer, Err("its list is not signed by who may")),
        ("of other certificates", leaf, part, of_others),
        ("nothing", leaf, b"", Err("its list cannot be read")),
        ("one between, not on it", between, NONE_LISTED, Ok(Status::Good)),
        ("one between, on it", between, LISTED, Ok(Status::Revoked)),
        ("one between, another issuer", between, other_issuer, of_others),
        ("one between, another signer", between, other_signer, Err("its list is not signed by who may")),
        ("one between, of a part", between, part, Ok(Status::Unreadable)),
        ("changes of a list", leaf, include_bytes!("../testdata/delta.crl"), Ok(Status::Unreadable)),
        ("of the first version, not on it", leaf, V1_NONE_LISTED, Ok(Status::Good)),
        ("of the first version, on it", leaf, V1_LISTED, Ok(Status::Revoked)),
        ("of the first version, one between", between, V1_NONE_LISTED, Ok(Status::Good)),
        ("of the first version, old", leaf, include_bytes!("../testdata/v1-old.crl"), Err("its list is too old")),
        ("of the first version, another issuer", leaf, include_bytes!("../testdata/v1-wrong-issuer.crl"), of_others),
        (
            "of the first version, another signer",
            leaf,
            include_bytes!("../testdata/v1-wrong-signer.crl"),
            Err("its list is not signed by who may"),
        ),
        ("nobody's", &[OF_LIST], LISTED, of_others),
    ] {
        assert_eq!(listed(chain, list), expected, "{name}");
    }
}

/// Answers requests to any host, as a proxy does, by their target; notes what was asked.
struct Elsewhere {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    fn new(say: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let lines = reader.by_ref().lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let lengths = head.iter().filter_map(|line| line.strip_prefix("Content-Length: "));
                let length = lengths.map(|length| length.parse().unwrap()).next().unwrap_or_default();
                reader.take(length).read_to_end(&mut Vec::new()).unwrap();
                let target = head.first().map(|line| line.replace(" HTTP/1.1", "")).unwrap_or_default();
                seen.lock().unwrap().push(target.clone());
                let _ = stream.write_all(&say(&target));
            }
        });
        Self { port, asked }
    }

    fn config(&self, mode: &str) -> Value {
        config(&json!({"revocation_check_mode": mode, "http_proxy_host": "127.0.0.1", "http_proxy_port": self.port}))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// What the client is told in the end.
fn outcome(config: Value, chain: &[&[u8]]) -> Option<String> {
    let (mut filter, mut stream, mut flow) = begun(config, chain);
    while flow == Flow::Pause {
        stream.alarm.wait();
        flow = filter.on_scheduled(&mut stream);
    }
    message(&stream).map(str::to_owned)
}

fn begun(config: Value, chain: &[&[u8]]) -> (crate::gateway::Filter, Fake, Flow) {
    let mut stream = Fake::request("GET", "/s", &[]);
    stream.request.push(("x-forwarded-client-cert".to_owned(), header(chain).into_bytes()));
    let mut filter = filter(&gateway(&[("mtls-auth", config)], &json!([])), &Fake::request("GET", "/s", &[]));
    let flow = filter.on_request_headers(&mut stream, true);
    (filter, stream, flow)
}

const FAILED: Option<&str> = Some("TLS certificate failed verification");

#[test]
fn who_passes() {
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://other.test/\r\nContent-Length: 0\r\n\r\n".to_vec();
    let too_long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", lists::LONGEST + 1).into_bytes();
    for (name, chain, responder, list, by_default, strict) in [
        ("good", &[OF_RESPONDER][..], ok(GOOD), ok(b""), None, None),
        ("revoked", &[OF_RESPONDER], ok(REVOKED), ok(b""), FAILED, FAILED),
        ("unknown", &[OF_RESPONDER], ok(UNKNOWN), ok(b""), None, FAILED),
        ("an error", &[OF_RESPONDER], b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(), ok(b""), None, FAILED),
        ("nothing", &[OF_RESPONDER], Vec::new(), ok(b""), None, FAILED),
        ("elsewhere", &[OF_RESPONDER], redirect, ok(b""), None, FAILED),
        ("not on the list", &[OF_LIST], ok(b""), ok(NONE_LISTED), None, None),
        ("on the list", &[OF_LIST], ok(b""), ok(LISTED), FAILED, FAILED),
        ("too long a list", &[OF_LIST], ok(b""), too_long, None, FAILED),
        ("no responder, on the list", &[OF_BOTH], Vec::new(), ok(LISTED), FAILED, FAILED),
        ("no responder, not on the list", &[OF_BOTH], Vec::new(), ok(NONE_LISTED), None, None),
        ("one between is listed", &[DEEP_OF_LIST, SUB_OF_LIST], ok(b""), ok(LISTED), FAILED, FAILED),
        ("one between is not listed", &[DEEP_OF_LIST, SUB_OF_LIST], ok(b""), ok(NONE_LISTED), None, FAILED),
    ] {
        let elsewhere = Elsewhere::new(move |target| match target {
            "POST http://ocsp.test/" => responder.clone(),
            "GET http://lists.test/root.crl" => list.clone(),
            other => panic!("nobody names {other}"),
        });
        for (mode, expected) in [("IGNORE_CA_ERROR", by_default), ("STRICT", strict)] {
            for _ in 0..2 {
                assert_eq!(outcome(elsewhere.config(mode), chain).as_deref(), expected, "{name}, {mode}");
            }
        }
        assert_eq!(outcome(elsewhere.config("SKIP"), chain), None, "{name}");
    }
}

#[test]
fn proxies_are_told_where_to() {
    let elsewhere = Elsewhere::new(|target| if target.starts_with("CONNECT") { Vec::new() } else { ok(b"body") });
    let proxy = Some((Box::from("127.0.0.1"), elsewhere.port));
    let ways = Ways { timeout: Duration::from_secs(5), http_proxy: proxy.clone(), https_proxy: proxy };
    for (url, asked, is_answered) in [
        ("http://ocsp.test", "GET http://ocsp.test/", true),
        ("HTTP://ocsp.test:81/a?b=c#d", "GET http://ocsp.test:81/a?b=c", true),
        ("http://[2001:db8::1]:81/", "GET http://[2001:db8::1]:81/", true),
        ("https://ocsp.test/a", "CONNECT ocsp.test:443", false),
    ] {
        let body = ways.fetch(url, None, 10, Instant::now() + ways.timeout);
        assert_eq!(body.ok(), is_answered.then(|| b"body".to_vec()), "{url}");
        assert_eq!(elsewhere.asked().last().map(String::as_str), Some(asked));
    }
    for url in ["http://", "http:///a", "http://a b/", "http://a/\r\nX: y", "ocsp.test", ""] {
        assert!(ways.fetch(url, None, 10, Instant::now() + ways.timeout).is_err(), "{url}");
    }
    assert_eq!(elsewhere.asked().len(), 4, "nobody is asked for what is no URL");
}

#[test]
fn one_question_for_all_who_wait() {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let elsewhere = Elsewhere::new(move |_| {
        gate.recv().unwrap();
        ok(REVOKED)
    });
    let config = elsewhere.config("IGNORE_CA_ERROR");
    let all: Vec<_> = (0..5).map(|_| begun(config.clone(), &[OF_RESPONDER])).collect();
    release.send(()).unwrap();
    for (mut filter, mut stream, flow) in all {
        assert_eq!(flow, Flow::Pause);
        stream.alarm.wait();
        assert_eq!(filter.on_scheduled(&mut stream), Flow::Answered);
        assert_eq!(message(&stream), FAILED);
    }
    assert_eq!(elsewhere.asked(), ["POST http://ocsp.test/"]);
    let (_, stream, flow) = begun(config, &[OF_RESPONDER]);
    assert_eq!((flow, message(&stream)), (Flow::Answered, FAILED), "it is known");
}

#[test]
fn no_answer_is_waited_for_longer_than_the_timeout() {
    let (_held, gate) = std::sync::mpsc::channel::<()>();
    let elsewhere = Elsewhere::new(move |_| {
        let _ = gate.recv();
        Vec::new()
    });
    for (mode, expected) in [("IGNORE_CA_ERROR", None), ("STRICT", FAILED)] {
        let mut config = elsewhere.config(mode);
        config["http_timeout"] = json!(50);
        assert_eq!(outcome(config, &[OF_RESPONDER]).as_deref(), expected, "{mode}");
    }
}

#[test]
fn an_answer_is_good_for_no_longer_than_the_configuration_says() {
    let elsewhere = Elsewhere::new(|_| ok(GOOD));
    let mut config = elsewhere.config("STRICT");
    config["cert_cache_ttl"] = json!(0);
    for _ in 0..3 {
        assert_eq!(outcome(config.clone(), &[OF_RESPONDER]), None);
    }
    assert_eq!(elsewhere.asked().len(), 3);
}

#[test]
fn who_names_nobody() {
    let known = json!({"authorities": [authority("root", ROOT), authority("sub", SUB_OF_LIST)]});
    let (stream, _) = asked(&gateway(&[("mtls-auth", config(&known))], &json!([])), &[DEEP_OF_LIST]);
    assert_eq!(message(&stream), None);
}

proptest! {
    /// Bytes of real answers changed anywhere: nothing panics, and none says of a certificate what nobody said.
    #[test]
    fn no_answer_does_harm(
        which in proptest::sample::select(vec![GOOD, REVOKED, UNKNOWN, DELEGATED, NONE_LISTED, LISTED, V1_LISTED]),
        at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
    ) {
        let mut changed = which.to_vec();
        let place = at.index(changed.len());
        changed[place] = byte;
        let before = (told(which).ok(), listed(&[OF_LIST, ROOT], which).ok());
        let after = (told(&changed).ok(), listed(&[OF_LIST, ROOT], &changed).ok());
        prop_assert!(after.0.is_none() || after.0 == before.0);
        prop_assert!(after.1.is_none() || after.1 == before.1);
        changed.truncate(cut.index(changed.len()));
        prop_assert!(told(&changed).is_err() && listed(&[OF_LIST, ROOT], &changed).is_err());
    }
}
