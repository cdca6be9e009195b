//! What proxy-cache keeps, for the control plane: shown and forgotten. Only who knows the token is answered; it comes
//! with the configuration and is new with each control plane.

use crate::clock::wall_ms;
use crate::error::ConfigError;
use crate::plugins::proxy_cache::store::{Answer, Key, Store};
use crate::reply;
use crate::stream::{Map, Stream};
use serde::Deserialize;
use serde_json::{Map as Object, Value, json};
use std::fmt;
use subtle::ConstantTimeEq;

const SHORTEST_TOKEN: usize = 16;

#[derive(PartialEq, Eq)]
pub struct Door {
    token: Box<[u8]>,
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Door(***)")
    }
}

impl Door {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct Raw {
            token: Box<str>,
        }
        let raw: Raw = serde_json::from_str(json)?;
        if raw.token.len() < SHORTEST_TOKEN {
            return Err(ConfigError::Invalid("the token is too short".into()));
        }
        Ok(Self { token: raw.token.as_bytes().into() })
    }

    /// `/` stands for everything, `/<key>` for one answer; `GET` shows it, `DELETE` forgets it.
    pub fn on_request(&self, stream: &mut impl Stream, store: &Store) {
        let (status, body) = {
            let headers = stream.headers(Map::Request);
            let value = |wanted: &[u8]| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
            let token = value(b"authorization").and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
            if bool::from(token.ct_eq(&self.token)) {
                let path = value(b":path").unwrap_or_default();
                answer(value(b":method").unwrap_or_default(), path, store)
            } else {
                (403, Vec::new())
            }
        };
        stream.send_as_is(reply::head(status, "application/json", body.len()), body);
    }
}

fn answer(method: &[u8], path: &[u8], store: &Store) -> (u16, Vec<u8>) {
    if (method, path) == (b"DELETE", b"/") {
        store.flush();
        return (204, Vec::new());
    }
    let Some(key) = key_of(path) else { return (404, Vec::new()) };
    match method {
        b"GET" => match store.get(&key, wall_ms()) {
            Some(answer) => (200, shown(&answer).to_string().into_bytes()),
            None => (404, Vec::new()),
        },
        b"DELETE" => (if store.purge(&key) { 204 } else { 404 }, Vec::new()),
        _ => (405, Vec::new()),
    }
}

fn key_of(path: &[u8]) -> Option<Key> {
    let mut key = Key::default();
    hex::decode_to_slice(path.strip_prefix(b"/")?, &mut key).ok()?;
    Some(key)
}

/// As Kong shows it: a header of several lines is a list of them.
fn shown(answer: &Answer) -> Value {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    let mut headers = Object::new();
    for (name, value) in &answer.headers {
        let value = text(value);
        match headers.get_mut(&**name) {
            Some(Value::Array(values)) => values.push(value),
            Some(before) => *before = json!([before.take(), value]),
            None => drop(headers.insert(name.to_string(), value)),
        }
    }
    json!({
        "status": answer.status,
        "headers": headers,
        "body": text(&answer.body),
        "body_len": answer.body.len(),
        "timestamp": answer.given_s,
        "ttl": number(answer.ttl_s),
        "version": 1,
    })
}

/// Whole seconds without a point.
#[allow(clippy::cast_possible_truncation, reason = "what is longer than all time is shown as that")]
fn number(seconds: f64) -> Value {
    if seconds.fract() == 0.0 { json!(seconds as i64) } else { json!(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::Fake;
    use std::sync::Arc;

    const TOKEN: &str = "0123456789abcdef";

    fn store() -> Store {
        let store = Store::new(1 << 20);
        let headers = [("content-type", "text/plain"), ("set-cookie", "a"), ("set-cookie", "b"), ("set-cookie", "c")];
        let answer = Answer {
            status: 200,
            headers: headers.map(|(name, value)| (name.into(), value.as_bytes().into())).to_vec(),
            body: Arc::new(b"h\xe4llo".to_vec()),
            told_length: None,
            given_s: 5,
            ttl_s: 60.0,
            expires_ms: None,
        };
        store.put([0xab; 32], answer);
        store
    }

    fn asked(store: &Store, method: &str, path: &str, token: &str) -> (u16, String) {
        let door = Door::parse(&json!({"token": TOKEN}).to_string()).unwrap();
        let mut stream = Fake::request(method, path, &[("authorization", token)]);
        door.on_request(&mut stream, store);
        let (status, _, body) = stream.reply.unwrap();
        (status, body)
    }

    #[test]
    fn what_is_kept_is_shown_and_forgotten() {
        let (store, key) = (store(), format!("/{}", "ab".repeat(32)));
        let right = format!("Bearer {TOKEN}");
        for (method, path, token, status) in [
            ("GET", &*key, "", 403),
            ("DELETE", "/", "Bearer 0123456789abcdeX", 403),
            ("DELETE", "/", "Bearer ", 403),
            ("GET", "/", &right, 404),
            ("GET", "/ab", &right, 404),
            ("GET", &"/cd".repeat(22), &right, 404),
            ("POST", &key, &right, 405),
            ("GET", &key, &right, 200),
            ("DELETE", &key, &right, 204),
            ("DELETE", &key, &right, 404),
            ("GET", &key, &right, 404),
        ] {
            assert_eq!(asked(&store, method, path, token).0, status, "{method} {path} {token}");
        }
    }

    #[test]
    fn it_is_shown_as_kong_does() {
        let (_, body) = asked(&store(), "GET", &format!("/{}", "AB".repeat(32)), &format!("Bearer {TOKEN}"));
        let shown: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            shown,
            json!({
                "status": 200, "headers": {"content-type": "text/plain", "set-cookie": ["a", "b", "c"]},
                "body": "h\u{fffd}llo", "body_len": 5, "timestamp": 5, "ttl": 60, "version": 1,
            })
        );
    }

    #[test]
    fn everything_is_forgotten_at_once() {
        let store = store();
        assert_eq!(asked(&store, "DELETE", "/", &format!("Bearer {TOKEN}")).0, 204);
        assert_eq!(store.sizes(), (0, 0, 0));
    }

    #[test]
    fn no_token_is_told() {
        let door = Door::parse(&json!({"token": TOKEN}).to_string()).unwrap();
        assert!(!format!("{door:?}").contains(TOKEN));
    }
}
