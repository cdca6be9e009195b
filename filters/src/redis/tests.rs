//! The client against a Redis that says what a test wants.

use super::client::Client;
use super::protocol::{Commands, Reply};
use super::testing::{Server, store};
use super::{Answer, Found, Key, RawStore, client};
use crate::journal;
use crate::waiting::testing::{PATIENCE, begun};
use crate::waiting::{NotDone, Ticket};
use serde_json::json;
use std::net::TcpListener;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn answer((ticket, rung): &(Ticket, Receiver<()>)) -> Result<Answer, NotDone> {
    rung.recv_timeout(PATIENCE).unwrap();
    ticket.take().unwrap().into()
}

fn asked(client: &Client, commands: &[&[u8]]) -> Result<Answer, NotDone> {
    answer(&begun(client.ask(Commands::default().with(commands))))
}

#[test]
fn one_store_has_one_client_as_long_as_anybody_uses_it() {
    let store = |user: &str| {
        let raw: RawStore = serde_json::from_value(json!({"host": "one.test", "username": user})).unwrap();
        raw.checked().unwrap()
    };
    let (one, same, other) = (client(store("a")), client(store("a")), client(store("b")));
    assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
}

#[test]
fn what_is_asked_meanwhile_goes_out_together() {
    let server = Server::start(|_| ":7\r\n".into());
    let client = client(store(server.port, json!({"username": "ann", "password": "s3cret", "database": 3})));
    assert_eq!(asked(&client, &[b"INCR", b"a"]), Ok(Ok(vec![Reply::Number(7)])));
    let two = Commands::default().with(&[b"INCR", b"b"]).with(&[b"INCR", b"c"]);
    let many: Vec<_> = (0..300).map(|_| begun(client.ask(Commands::default().with(&[b"INCR", b"d"])))).collect();
    assert_eq!(answer(&begun(client.ask(two))), Ok(Ok(vec![Reply::Number(7), Reply::Number(7)])));
    many.iter().for_each(|one| assert_eq!(answer(one), Ok(Ok(vec![Reply::Number(7)]))));
    let seen = server.seen();
    assert_eq!(seen[..3], [vec!["AUTH", "ann", "s3cret"], vec!["SELECT", "3"], vec!["INCR", "a"]]);
    assert_eq!(seen.len(), 2 + 1 + 300 + 2, "one connection for all");
}

#[test]
fn a_connection_that_has_gone_is_opened_anew() {
    let server = Server::start(|_| ":1\r\n".into());
    let client = client(store(server.port, json!({})));
    for _ in 0..3 {
        assert_eq!(asked(&client, &[b"INCR", b"a"]), Ok(Ok(vec![Reply::Number(1)])));
        server.close_all();
    }
}

#[test]
fn trouble_is_told_without_what_opens_the_store() {
    static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    journal::set_sink(|_, text| LOG.lock().unwrap().push(text.to_owned()));
    let server = Server::start(|command| match command[0].as_str() {
        "AUTH" => "-WRONGPASS invalid username-password pair or user is disabled.\r\n".into(),
        _ => ":1\r\n".into(),
    });
    let client = client(store(server.port, json!({"username": "ann-smith", "password": "s3cret"})));
    for _ in 0..3 {
        let trouble = asked(&client, &[b"INCR", b"a"]).unwrap().unwrap_err();
        assert!(trouble.starts_with("WRONGPASS"), "{trouble}");
    }
    let log = LOG.lock().unwrap();
    let own: Vec<_> = log.iter().filter(|text| text.contains(&format!(":{}:", server.port))).collect();
    assert_eq!(own.len(), 1, "told once: {own:?}");
    assert!(own[0].contains("WRONGPASS") && own[0].contains("fault_tolerant"), "{own:?}");
    assert!(!log.iter().any(|text| text.contains("s3cret") || text.contains("ann-smith")));
}

#[test]
fn nobody_waits_for_longer_than_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(store(silent.local_addr().unwrap().port(), json!({"timeout": 60})));
    let started = Instant::now();
    let all: Vec<_> = (0..50).map(|_| begun(client.ask(Commands::default().with(&[b"INCR", b"a"])))).collect();
    for one in &all {
        match answer(one) {
            Err(reason) => assert_eq!(reason, NotDone::TooLate),
            Ok(answer) => assert_eq!(answer, Err("timed out".to_owned())),
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(60));
    assert!(started.elapsed() < Duration::from_secs(5), "not one after the other");
}

#[test]
fn a_store_that_is_down_fails_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = client(store(port, json!({"timeout": 60_000})));
    assert!(asked(&client, &[b"INCR", b"a"]).unwrap().unwrap_err().contains("refused"));
    let server = Server::start_at(port, |_| ":1\r\n".into());
    assert_eq!(asked(&client, &[b"INCR", b"a"]), Ok(Ok(vec![Reply::Number(1)])));
    drop(server);
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(store(silent.local_addr().unwrap().port(), json!({"timeout": 60_000})));
    let huge = vec![b'x'; 4 << 20];
    let all: Vec<_> = (0..6).map(|_| begun(client.ask(Commands::default().with(&[b"GET", &huge])))).collect();
    assert_eq!(answer(all.last().unwrap()), Err(NotDone::TooMany));
}

#[test]
fn what_is_counted_here_is_told_in_time_and_at_the_end() {
    let server = Server::start(|_| ":12\r\n".into());
    let key = Key { name: b"k".as_slice().into(), expires_s: 1 << 40 };
    let keys = std::slice::from_ref(&key);
    let own = client(store(server.port, json!({})));
    own.learn(keys, &[4]);
    own.add(keys, Duration::from_millis(20));
    own.add(keys, Duration::from_millis(20));
    let told = |added: &str| vec!["k".to_owned(), added.to_owned(), (1_u64 << 40).to_string()];
    server.wait_for(1);
    assert_eq!(server.seen()[0][3..], told("2"));
    let deadline = Instant::now() + PATIENCE;
    while own.find(keys, 0) != Found::Known(vec![12]) {
        assert!(Instant::now() < deadline, "others' counts are learnt");
        std::thread::yield_now();
    }
    own.add(keys, Duration::from_hours(1));
    drop(own);
    server.wait_for(2);
    assert_eq!(server.seen()[1][3..], told("1"));
}

#[test]
fn what_could_not_be_told_is_told_later() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let key = Key { name: b"k".as_slice().into(), expires_s: 1 << 40 };
    let keys = std::slice::from_ref(&key);
    let own = client(store(port, json!({})));
    own.learn(keys, &[0]);
    own.add(keys, Duration::from_millis(1));
    assert!(asked(&own, &[b"GET", b"k"]).unwrap().is_err(), "it is down");
    let server = Server::start_at(port, |_| ":1\r\n".into());
    server.wait_for(1);
    assert_eq!(server.seen()[0][4], "1");
}
