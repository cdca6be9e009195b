//! mtls-auth with certificates of `testdata` in the year 2030: who is known, what the upstream is told, who is refused.

use super::authorities::{Authorities, Given};
use super::parse;
use crate::client_certificate::testing::header;
use crate::gateway::Flow;
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

pub const IN_2030: u64 = 1_893_500_000;

macro_rules! certificates {
    ($($name:ident = $file:literal;)*) => {
        $(const $name: &[u8] = include_bytes!(concat!("testdata/", $file, ".der"));)*
    };
}
certificates! {
    ROOT = "root";
    OTHER = "other";
    SUB = "sub";
    SAN = "san";
    CN = "cn";
    DEEP = "deep";
    OLD = "old";
    STRANGER = "stranger";
    EXPIRED = "expired-2029";
    FUTURE = "future-2040";
    EXPIRED_ROOT = "root-expired-2029";
    OF_EXPIRED_ROOT = "of-expired-root";
    FOR_SERVERS = "for-servers";
    FOR_CLIENTS = "for-clients";
    OTHER_NAMES = "other-names";
}

pub fn authority(id: &str, der: &[u8]) -> Value {
    json!({"id": id, "der": STANDARD.encode(der)})
}

pub fn config(extra: &Value) -> Value {
    let mut config = json!({
        "authorities": [authority("root", ROOT)], "allow_partial_chain": false, "anonymous": null,
        "default_consumer": null, "consumer_by": ["username", "custom_id"], "skip_consumer_lookup": false,
        "authenticated_group_by": "CN", "revocation_check_mode": "SKIP",
        "http_timeout": 10_000, "cert_cache_ttl": 60_000, "http_proxy_host": null, "http_proxy_port": null,
        "https_proxy_host": null, "https_proxy_port": null,
    });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    config
}

pub fn gateway(all: &[(&str, Value)], credentials: &Value) -> Value {
    let mut extra = plugins(all);
    extra["settings"] = json!({"clock": {"now_ms": IN_2030 * 1000}});
    extra["consumers"] = json!([{"id": "c-mapped", "username": "mapped", "credentials": {"mtls-auth": credentials}}]);
    extra
}

pub fn asked(extra: &Value, chain: &[&[u8]]) -> (Fake, Flow) {
    let header = header(chain);
    let mut stream = Fake::request("GET", "/s", &[("x-client-cert-dn", "CN=root")]);
    // Envoy writes it when the route has been chosen.
    if !chain.is_empty() {
        stream.request.push(("x-forwarded-client-cert".to_owned(), header.into_bytes()));
    }
    let mut filter = filter(extra, &Fake::request("GET", "/s", &[]));
    let flow = filter.on_request_headers(&mut stream, true);
    assert!(flow != Flow::Continue || stream.sent(Map::Request, "x-forwarded-client-cert").is_none());
    (stream, flow)
}

pub fn message(stream: &Fake) -> Option<&str> {
    let (status, _, body) = stream.reply.as_ref()?;
    assert_eq!(*status, 401);
    let messages = ["No required TLS certificate was sent", "TLS certificate failed verification"];
    Some(messages.into_iter().find(|message| body.contains(message)).unwrap())
}

#[test]
fn who_is_vouched_for() {
    let only_sub = json!({"authorities": [authority("sub", SUB)]});
    let partial = json!({"authorities": [authority("sub", SUB)], "allow_partial_chain": true});
    let both = json!({"authorities": [authority("sub", SUB), authority("root", ROOT)]});
    let old_root = json!({"authorities": [authority("late", EXPIRED_ROOT)]});
    let none = json!({});
    let (not_sent, failed) =
        (Some("No required TLS certificate was sent"), Some("TLS certificate failed verification"));
    for (name, config_extra, chain, expected) in [
        ("right", &none, &[CN][..], None),
        ("of the first version", &none, &[OLD], None),
        ("for clients", &none, &[FOR_CLIENTS], None),
        ("for servers only", &none, &[FOR_SERVERS], failed),
        ("nothing", &none, &[], not_sent),
        ("of another root", &none, &[STRANGER], failed),
        ("of another root, which is sent along", &none, &[STRANGER, OTHER], failed),
        ("of another root, with the right one sent along", &none, &[STRANGER, OTHER, ROOT], failed),
        ("expired", &none, &[EXPIRED], failed),
        ("not valid yet", &none, &[FUTURE], failed),
        ("of an expired root", &old_root, &[OF_EXPIRED_ROOT], failed),
        ("intermediate missing", &none, &[DEEP], failed),
        ("intermediate sent", &none, &[DEEP, SUB], None),
        ("intermediate and root sent", &none, &[DEEP, ROOT, SUB], None),
        ("intermediate configured", &both, &[DEEP], None),
        ("intermediate alone", &only_sub, &[DEEP], failed),
        ("partial chain", &partial, &[DEEP], None),
        ("partial chain, another way", &partial, &[CN], failed),
        ("an authority itself", &none, &[SUB], failed),
        ("garbage", &none, &[b"garbage"], failed),
        ("garbage behind it", &none, &[CN, b"garbage"], None),
    ] {
        let (stream, _) = asked(&gateway(&[("mtls-auth", config(config_extra))], &json!([])), chain);
        assert_eq!(message(&stream), expected, "{name}");
        // As remembered.
        let (stream, _) = asked(&gateway(&[("mtls-auth", config(config_extra))], &json!([])), chain);
        assert_eq!(message(&stream), expected, "{name}, again");
    }
}

#[test]
fn who_names_nobody_passes_unless_that_is_needed() {
    for (name, chain) in [("known", &[CN][..]), ("of the first version", &[OLD]), ("one between", &[DEEP, SUB])] {
        for (mode, expected) in
            [("SKIP", None), ("IGNORE_CA_ERROR", None), ("STRICT", Some("TLS certificate failed verification"))]
        {
            let extra = json!({"revocation_check_mode": mode});
            let (stream, _) = asked(&gateway(&[("mtls-auth", config(&extra))], &json!([])), chain);
            assert_eq!(message(&stream), expected, "{name}, {mode}");
        }
    }
}

#[test]
fn an_old_certificate_must_be_signed_by_its_issuer() {
    let mut forged = OLD.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let (stream, _) = asked(&gateway(&[("mtls-auth", config(&json!({})))], &json!([])), &[&forged]);
    assert_eq!(message(&stream), Some("TLS certificate failed verification"));
}

#[test]
fn which_consumer_it_is() {
    let credential = |id: &str, index: &str| json!({"id": id, "index": index});
    let by_custom_id = json!({"consumer_by": ["custom_id"]});
    let by_nothing = json!({"consumer_by": []});
    let with_default = json!({"consumer_by": [], "default_consumer": "vip"});
    let none = json!({});
    let two_ways = json!({"authorities": [authority("root", ROOT), authority("sub", SUB)]});
    for (name, extra, credentials, chain, expected) in [
        ("the common name", &none, json!([]), &[CN][..], Some(("ann", "c-ann"))),
        ("not by custom id", &by_custom_id, json!([]), &[CN], None),
        ("by nothing", &by_nothing, json!([]), &[CN], None),
        ("the default", &with_default, json!([]), &[CN], Some(("vip", "c-vip"))),
        ("no default for strangers", &with_default, json!([]), &[STRANGER], None),
        ("a host", &none, json!([credential("m", "/ann.test")]), &[SAN], Some(("mapped", "m"))),
        ("an e-mail", &none, json!([credential("m", "/ann@mail.test")]), &[SAN], Some(("mapped", "m"))),
        ("an address", &none, json!([credential("m", "/2001:db8::9")]), &[SAN], Some(("mapped", "m"))),
        ("a URI", &none, json!([credential("m", "/spiffe://test/ann")]), &[SAN], Some(("mapped", "m"))),
        ("no common name beside others", &none, json!([credential("m", "/somebody")]), &[SAN], None),
        ("no common name beside names of other kinds", &none, json!([]), &[OTHER_NAMES], None),
        ("mapping before username", &none, json!([credential("m", "/ann")]), &[CN], Some(("mapped", "m"))),
        ("of this authority", &none, json!([credential("m", "root/ann")]), &[CN], Some(("mapped", "m"))),
        ("of another authority", &none, json!([credential("m", "other/ann")]), &[CN], Some(("ann", "c-ann"))),
        (
            "of one between",
            &two_ways,
            json!([credential("m1", "/ann"), credential("m2", "sub/ann")]),
            &[DEEP],
            Some(("mapped", "m2")),
        ),
        ("expired mapping", &by_nothing, json!([{"id": "m", "index": "/ann", "expires_at": 1}]), &[CN], None),
    ] {
        let (stream, _) = asked(&gateway(&[("mtls-auth", config(extra))], &credentials), chain);
        let told = |name| stream.sent(Map::Request, name);
        let found = told("x-consumer-username").zip(told("x-credential-identifier"));
        let expected = expected.map(|(username, id)| (username.to_owned(), id.to_owned()));
        assert_eq!(found, expected, "{name}");
        assert_eq!(message(&stream).is_some(), expected.is_none(), "{name}");
        assert!(expected.is_none() || told("x-client-cert-dn").is_none(), "{name}");
    }
}

#[test]
fn whoever_it_is_without_consumers() {
    for (group_by, group, chain, name, alternative) in [
        ("CN", "ann", CN, "CN=ann,O=Crossfade\\, Ltd.", None),
        ("DN", "CN=ann,O=Crossfade\\, Ltd.", CN, "CN=ann,O=Crossfade\\, Ltd.", None),
        (
            "CN",
            "somebody",
            SAN,
            "CN=somebody,O=Crossfade\\, Ltd.",
            Some("ann.test,ann@mail.test,2001:db8::9,spiffe://test/ann"),
        ),
    ] {
        let extra = json!({"skip_consumer_lookup": true, "authenticated_group_by": group_by});
        let acl = json!({"allow": [group]});
        let (stream, flow) = asked(&gateway(&[("mtls-auth", config(&extra)), ("acl", acl)], &json!([])), &[chain]);
        assert_eq!(flow, Flow::Continue, "{group_by}: {:?}", stream.reply);
        for (header, expected) in [
            ("x-client-cert-dn", Some(name)),
            ("x-client-cert-san", alternative),
            ("x-authenticated-groups", Some(group)),
            ("x-consumer-username", None),
            ("x-credential-identifier", None),
        ] {
            assert_eq!(stream.sent(Map::Request, header).as_deref(), expected, "{header}");
        }
        let acl = json!({"allow": ["others"]});
        let (stream, _) = asked(&gateway(&[("mtls-auth", config(&extra)), ("acl", acl)], &json!([])), &[chain]);
        assert_eq!(stream.status(), Some(403));
    }
}

#[test]
fn anonymous_suffices_where_it_is_named() {
    let extra = config(&json!({"anonymous": "nobody"}));
    for chain in [&[][..], &[STRANGER]] {
        let (stream, flow) = asked(&gateway(&[("mtls-auth", extra.clone())], &json!([])), chain);
        assert_eq!(flow, Flow::Continue);
        assert_eq!(stream.sent(Map::Request, "x-anonymous-consumer").as_deref(), Some("true"));
        assert_eq!(stream.sent(Map::Request, "x-client-cert-dn"), None);
    }
    let key = json!({"anonymous": "nobody"});
    let (stream, _) = asked(&gateway(&[("mtls-auth", extra), ("key-auth", key)], &json!([])), &[CN]);
    assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), Some("ann"));
}

/// While one of the plugins waits, no request carries more of a chain than one could need.
#[test]
fn a_chain_that_is_too_long_is_dropped_at_once() {
    let header = vec![b'a'; crate::client_certificate::LONGEST + 1];
    for (certificate, kept) in [(&header[..], "Chain=\"-\""), (b"short", "short")] {
        let mut stream = Fake::request("GET", "/s", &[]);
        let extra = gateway(&[("asking", json!({"times": 1})), ("mtls-auth", config(&json!({})))], &json!([]));
        let mut filter = filter(&extra, &stream);
        stream.request.push(("x-forwarded-client-cert".to_owned(), certificate.to_vec()));
        assert_eq!(filter.on_request_headers(&mut stream, true), Flow::Pause);
        assert_eq!(stream.sent(Map::Request, "x-forwarded-client-cert").as_deref(), Some(kept));
    }
}

#[test]
fn configurations_that_cannot_be() {
    for (extra, reason) in [
        (json!({"anonymous": ""}), "anonymous must name a consumer"),
        (json!({"default_consumer": ""}), "default_consumer must name a consumer"),
        (json!({"authorities": [{"id": "a", "der": "!"}]}), "ca_certificates: a: its certificate is not base64"),
        (json!({"authorities": [{"id": "a", "der": "AAAA"}]}), "ca_certificates: a: its certificate cannot be read"),
    ] {
        assert_eq!(parse(config(&extra)).unwrap_err().to_string(), reason);
    }
}

fn read(ders: &[&[u8]]) -> Authorities {
    let given = ders.iter().map(|der| serde_json::from_value::<Given>(authority("a", der)).unwrap()).collect();
    Authorities::read(given, true).unwrap()
}

proptest! {
    /// Bytes of real certificates changed anywhere: nothing panics, and nobody is let in who was not.
    #[test]
    fn no_certificate_does_harm(
        which in proptest::sample::select(vec![CN, SAN, OLD, DEEP, OTHER_NAMES]), at: prop::sample::Index, byte: u8,
        cut: prop::sample::Index,
    ) {
        let authorities = read(&[ROOT, SUB]);
        let mut changed = which.to_vec();
        let place = at.index(changed.len());
        let is_changed = changed[place] != byte;
        changed[place] = byte;
        let verified = authorities.verify(&[CertificateDer::from(changed.clone())], IN_2030);
        prop_assert_eq!(verified.is_some(), !is_changed);
        changed.truncate(cut.index(changed.len()));
        prop_assert!(authorities.verify(&[CertificateDer::from(changed)], IN_2030).is_none());
    }
}
