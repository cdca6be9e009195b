//! ldap-auth on the fake stream, with a directory that knows one password.

use super::message::bind;
use super::parse;
use crate::gateway::{Filter, Flow};
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, plugins, received};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn config(changes: &Value) -> Value {
    let mut config = json!({
        "ldap_host": "127.0.0.1", "ldap_port": 389, "ldaps": false, "start_tls": false, "verify_ldap_host": false,
        "base_dn": "dc=test", "attribute": "uid", "cache_ttl": 60, "hide_credentials": false, "timeout": 10_000,
        "keepalive": 60_000, "anonymous": null, "header_type": "ldap", "realm": null,
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

struct Directory {
    port: u16,
    asked: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Directory {
    /// Knows `ann` by `secret`; says another code to `busy`, and nothing but good-bye to `gone`.
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counted = (Arc::clone(&asked), Arc::clone(&connections));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                counted.1.fetch_add(1, Ordering::SeqCst);
                let asked = Arc::clone(&counted.0);
                std::thread::spawn(move || answer(&mut socket.unwrap(), &asked));
            }
        });
        Self { port, asked, connections }
    }

    fn counts(&self) -> (usize, usize) {
        (self.asked.load(Ordering::SeqCst), self.connections.load(Ordering::SeqCst))
    }

    fn plugin(&self, changes: &Value) -> Value {
        let mut config = config(changes);
        config["ldap_port"] = json!(self.port);
        plugins(&[("ldap-auth", config)])
    }
}

fn answer(socket: &mut (impl Read + Write), asked: &AtomicUsize) {
    let mut request = [0; 1024];
    while let Ok(length @ 1..) = socket.read(&mut request) {
        asked.fetch_add(1, Ordering::SeqCst);
        let request = &request[..length];
        let code = match request {
            request if *request == bind("uid=ann,dc=test", b"secret") => 0,
            request if *request == bind("uid=busy,dc=test", b"secret") => 51,
            request if *request == bind("uid=gone,dc=test", b"secret") => return,
            _ => 49,
        };
        socket.write_all(&[0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, code, 4, 0, 4, 0]).unwrap();
    }
}

fn login(username: &str, password: &str) -> String {
    format!("ldap {}", STANDARD.encode(format!("{username}:{password}")))
}

fn settled(filter: &mut Filter, stream: &mut Fake) -> Flow {
    let mut flow = filter.on_request_headers(stream, true);
    while flow == Flow::Pause {
        stream.alarm.wait();
        flow = filter.on_scheduled(stream);
    }
    flow
}

fn asked(extra: &Value, headers: &[(&str, &str)]) -> Fake {
    let mut stream = Fake::request("GET", "/s", headers);
    settled(&mut filter(extra, &stream), &mut stream);
    stream
}

#[test]
fn the_directory_decides() {
    let directory = Directory::new();
    let extra = directory.plugin(&json!({"realm": "staff"}));
    for (header, value, status) in [
        ("authorization", login("ann", "secret"), None),
        ("proxy-authorization", login("ann", "secret"), None),
        ("authorization", login("ann", "wrong"), Some(401)),
        ("authorization", login("ann,dc=x", "secret"), Some(401)),
        ("authorization", login("ann", ""), Some(401)),
        ("authorization", "Basic YW5uOnNlY3JldA==".to_owned(), Some(401)),
        ("authorization", login("busy", "secret"), Some(401)),
        ("authorization", login("gone", "secret"), Some(500)),
        ("x-none", String::new(), Some(401)),
    ] {
        let stream = asked(&extra, &[(header, &value), ("x-consumer-username", "z")]);
        assert_eq!(stream.status(), status, "{header} {value}");
        match status {
            None => {
                assert_eq!(stream.sent(Map::Request, "x-credential-identifier").as_deref(), Some("ann"));
                assert_eq!(stream.sent(Map::Request, "x-consumer-username"), None);
                assert_eq!(stream.sent(Map::Request, header), Some(value));
            }
            Some(401) => assert_eq!(received(&stream, "www-authenticate"), ["LDAP realm=\"staff\""]),
            Some(_) => assert!(received(&stream, "www-authenticate").is_empty()),
        }
    }
}

#[test]
fn both_headers_are_tried_and_hidden() {
    let directory = Directory::new();
    let (wrong, right) = (login("ann", "wrong"), login("ann", "secret"));
    for (proxy, own) in [(&wrong, &right), (&right, &wrong)] {
        let extra = directory.plugin(&json!({"hide_credentials": true}));
        let stream = asked(&extra, &[("proxy-authorization", proxy), ("authorization", own)]);
        assert_eq!(stream.status(), None);
        for header in ["proxy-authorization", "authorization"] {
            assert_eq!(stream.sent(Map::Request, header), None);
        }
    }
}

#[test]
fn answers_are_remembered_and_connections_kept() {
    let directory = Directory::new();
    let extra = directory.plugin(&json!({}));
    for _ in 0..3 {
        assert_eq!(asked(&extra, &[("authorization", &login("ann", "secret"))]).status(), None);
        assert_eq!(asked(&extra, &[("authorization", &login("ann", "guess"))]).status(), Some(401));
    }
    assert_eq!(directory.counts(), (2, 1));
    for _ in 0..2 {
        assert_eq!(asked(&extra, &[("authorization", &login("busy", "secret"))]).status(), Some(401));
    }
    assert_eq!(directory.counts(), (4, 1), "what is no judgement is not remembered");
    let each_time = directory.plugin(&json!({"cache_ttl": 0}));
    for _ in 0..2 {
        assert_eq!(asked(&each_time, &[("authorization", &login("ann", "secret"))]).status(), None);
    }
    assert_eq!(directory.counts(), (6, 1));
}

#[test]
fn kept_connections_that_the_directory_closed_are_replaced() {
    let directory = Directory::new();
    let extra = directory.plugin(&json!({"cache_ttl": 0}));
    for (username, status) in [("ann", None), ("gone", Some(500)), ("ann", None)] {
        assert_eq!(asked(&extra, &[("authorization", &login(username, "secret"))]).status(), status);
    }
}

#[test]
fn anonymous_and_the_words_of_kong_2() {
    let directory = Directory::new();
    let anonymous = directory.plugin(&json!({"anonymous": "nobody"}));
    for headers in [&[][..], &[("authorization", login("ann", "wrong"))]] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let stream = asked(&anonymous, &headers);
        assert_eq!(stream.sent(Map::Request, "x-consumer-username").as_deref(), Some("nobody"));
        assert_eq!(stream.sent(Map::Request, "x-anonymous-consumer").as_deref(), Some("true"));
    }
    let mut old = directory.plugin(&json!({"realm": "staff"}));
    old["settings"] = json!({"compat": "kong-2.1"});
    let missing = asked(&old, &[]);
    assert_eq!(received(&missing, "www-authenticate"), ["LDAP realm=\"kong\""]);
    let wrong = asked(&old, &[("authorization", &login("ann", "wrong"))]);
    assert_eq!((wrong.status(), received(&wrong, "www-authenticate").len()), (Some(401), 0));
    assert!(wrong.reply.unwrap().2.contains("Invalid authentication credentials"));
}

#[test]
fn a_directory_that_is_not_there() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let extra = plugins(&[("ldap-auth", config(&json!({"ldap_port": closed, "anonymous": "nobody"})))]);
    assert_eq!(asked(&extra, &[("authorization", &login("ann", "secret"))]).status(), Some(500));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for (changes, status) in [(json!({}), 500), (json!({"start_tls": true}), 500), (json!({"ldaps": true}), 401)] {
        let mut config = config(&changes);
        config["ldap_port"] = json!(port);
        config["timeout"] = json!(50);
        let stream = asked(&plugins(&[("ldap-auth", config)]), &[("authorization", &login("ann", "secret"))]);
        assert!([Some(500), Some(status)].contains(&stream.status()), "{changes}");
    }
}

#[test]
fn configurations() {
    assert!(parse(config(&json!({"attribute": "0.9.2342.19200300.100.1.1", "timeout": 0, "keepalive": 0}))).is_ok());
    assert!(parse(config(&json!({"start_tls": true, "ldap_host": "ldap.test", "verify_ldap_host": true}))).is_ok());
    for changes in [
        json!({"ldap_host": ""}),
        json!({"base_dn": ""}),
        json!({"attribute": ""}),
        json!({"attribute": "uid=x,"}),
        json!({"attribute": "1..2"}),
        json!({"anonymous": ""}),
        json!({"header_type": ""}),
        json!({"header_type": "a\nb"}),
        json!({"realm": "a\rb"}),
        json!({"cache_ttl": -1}),
        json!({"timeout": 1e12}),
        json!({"keepalive": -0.5}),
        json!({"ldaps": true, "start_tls": true}),
        json!({"ldaps": true, "ldap_host": "no such name"}),
        json!({"unknown": 1}),
    ] {
        assert!(parse(config(&changes)).is_err(), "{changes}");
    }
}
