//! The plugin key-auth: where a key is found, what a refusal says, what is hidden from the upstream (kong.md §5.1).

use crate::arguments::{self, Found};
use crate::body::Content;
use crate::error::ConfigError;
use crate::exchange::{Body, Exchange, Verdict};
use crate::plugins::{Plugin, authentication};
use crate::record::secrets::Secrets;
use crate::request::Request;
use crate::tables::{Compat, Consumer, Credential};
use crate::text;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let plugin: KeyAuth = serde_json::from_value(config)?;
    if plugin.realm.as_deref().is_some_and(|realm| !text::is_header_value(realm.as_bytes())) {
        return Err(ConfigError::Invalid("the realm cannot stand in a header".into()));
    }
    Ok(Box::new(plugin))
}

const NAME: &str = "key-auth";

#[derive(Debug, Deserialize)]
pub struct KeyAuth {
    #[serde(default = "default_key_names")]
    pub key_names: Vec<String>,
    #[serde(default = "yes")]
    pub key_in_header: bool,
    #[serde(default = "yes")]
    pub key_in_query: bool,
    #[serde(default)]
    pub key_in_body: bool,
    #[serde(default)]
    pub hide_credentials: bool,
    /// Id or username of the consumer to whom a request without a valid key belongs.
    #[serde(default, deserialize_with = "some_text")]
    pub anonymous: Option<String>,
    #[serde(default = "yes")]
    pub run_on_preflight: bool,
    pub realm: Option<String>,
}

/// An empty text is as good as none.
fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

fn default_key_names() -> Vec<String> {
    vec!["apikey".to_owned()]
}

fn yes() -> bool {
    true
}

/// The request's body, as far as a key may be looked for in it.
#[derive(Debug)]
pub enum Searched<'a> {
    Pending,
    Unusable,
    Whole(Content<'a>),
}

impl<'a> From<Body<'a>> for Searched<'a> {
    fn from(body: Body<'a>) -> Self {
        match body {
            Body::Pending => Self::Pending,
            Body::Unusable => Self::Unusable,
            Body::Whole(kind, bytes) => Self::Whole(Content::new(kind, bytes)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Search<'a> {
    Key(Cow<'a, [u8]>),
    Refused(Refusal),
    NeedsBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoKey,
    Duplicate,
    UnknownKey,
    UnreadableBody,
}

impl Refusal {
    pub fn status(self) -> u16 {
        match self {
            Self::NoKey | Self::Duplicate | Self::UnknownKey => 401,
            Self::UnreadableBody => 400,
        }
    }

    pub fn message(self, compat: Compat) -> &'static str {
        match (self, compat) {
            (Self::NoKey, _) => "No API key found in request",
            (Self::Duplicate, _) => "Duplicate API key found",
            (Self::UnknownKey, Compat::Kong3) => "Unauthorized",
            (Self::UnknownKey, Compat::Kong21) => "Invalid authentication credentials",
            (Self::UnreadableBody, _) => "Cannot process request body",
        }
    }
}

/// What must go before the request travels on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    pub headers: Vec<String>,
    pub query: Option<Vec<u8>>,
    pub body: Option<Vec<u8>>,
}

impl Plugin for KeyAuth {
    fn secrets<'a>(&'a self, found: &mut Secrets<'a>) {
        let names = || self.key_names.iter().map(String::as_str);
        found.headers.extend(names().filter(|_| self.key_in_header));
        found.arguments.extend(names().filter(|_| self.key_in_query));
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let compat = exchange.compat();
        let anonymous = self.anonymous.as_deref();
        if self.lets_pass(exchange.request.method) || authentication::is_settled(exchange, anonymous) {
            return Verdict::Continue;
        }
        let decision = match exchange.changed_request() {
            Some(changed) => self.decide(&changed, exchange),
            None => self.decide(exchange.request, exchange),
        };
        let refusal = match decision {
            Decision::NeedsBody => return Verdict::NeedsBody,
            Decision::Known(consumer, credential, hidden) => {
                hide(hidden, exchange);
                return authentication::accept(exchange, consumer, credential, &credential.id);
            }
            Decision::Refused(refusal) => refusal,
        };
        let mut reply = exchange.error(refusal.status(), refusal.message(compat));
        if let Some(challenge) = self.challenge(refusal, compat) {
            reply = reply.with_header("www-authenticate", challenge);
        }
        authentication::refuse(exchange, anonymous, reply)
    }
}

enum Decision<'a> {
    NeedsBody,
    Refused(Refusal),
    Known(&'a Arc<Consumer>, &'a Credential, Hidden),
}

fn hide(hidden: Hidden, exchange: &mut Exchange<'_, '_>) {
    for name in hidden.headers {
        exchange.upstream.remove(name);
    }
    exchange.upstream.query = hidden.query.or(exchange.upstream.query.take());
    exchange.upstream.body = hidden.body.or(exchange.upstream.body.take());
}

impl KeyAuth {
    fn decide<'a>(&self, request: &Request<'_>, exchange: &Exchange<'a, '_>) -> Decision<'a> {
        let body = exchange.body.into();
        let key = match self.search(request, &body, exchange.compat()) {
            Search::NeedsBody => return Decision::NeedsBody,
            Search::Refused(refusal) => return Decision::Refused(refusal),
            Search::Key(key) => key,
        };
        let digest = authentication::digest(&exchange.settings().salt, &key);
        match exchange.world.consumers.credential(NAME, &digest) {
            Some((consumer, credential)) if !credential.is_expired(exchange.now_ms()) => {
                Decision::Known(consumer, credential, self.hidden(request, &body))
            }
            _ => Decision::Refused(Refusal::UnknownKey),
        }
    }

    pub fn lets_pass(&self, method: &[u8]) -> bool {
        !self.run_on_preflight && method == b"OPTIONS"
    }

    pub fn challenge(&self, refusal: Refusal, compat: Compat) -> Option<String> {
        match (compat, refusal, &self.realm) {
            (_, Refusal::UnreadableBody, _) => None,
            (Compat::Kong21, Refusal::NoKey, _) => Some("Key realm=\"kong\"".to_owned()),
            (Compat::Kong21, ..) => None,
            (Compat::Kong3, _, Some(realm)) => Some(format!("Key realm=\"{realm}\"")),
            (Compat::Kong3, _, None) => Some("Key".to_owned()),
        }
    }

    /// The first of the names that yields a value decides; for each name header, then query, then body.
    pub fn search<'a>(&self, request: &'a Request<'_>, body: &'a Searched<'_>, compat: Compat) -> Search<'a> {
        if self.key_in_body && compat == Compat::Kong21 {
            match body {
                Searched::Unusable => return Search::Refused(Refusal::UnreadableBody),
                Searched::Pending => return Search::NeedsBody,
                Searched::Whole(_) => {}
            }
        }
        for name in &self.key_names {
            let mut found = Found::Nothing;
            if self.key_in_header {
                found = find_in_headers(request, name);
            }
            if self.key_in_query && found == Found::Nothing {
                found = arguments::find(request.query.unwrap_or_default(), name.as_bytes());
            }
            if self.key_in_body && found == Found::Nothing {
                found = match body {
                    Searched::Pending => return Search::NeedsBody,
                    Searched::Unusable => Found::Nothing,
                    Searched::Whole(content) => content.find(name.as_bytes()).unwrap_or(Found::Nothing),
                };
            }
            match found {
                Found::Text(key) if key.is_empty() => return Search::Refused(Refusal::NoKey),
                // The key must go from the body too, which has to be there for that.
                Found::Text(_) if self.hides_in_body() && matches!(body, Searched::Pending) => {
                    return Search::NeedsBody;
                }
                Found::Text(key) => return Search::Key(key),
                Found::Several => return Search::Refused(Refusal::Duplicate),
                Found::Nothing | Found::NoText => {}
            }
        }
        Search::Refused(Refusal::NoKey)
    }

    fn hides_in_body(&self) -> bool {
        self.hide_credentials && self.key_in_body
    }

    /// Empty unless `hide_credentials` is set. Only the name that carried the key is hidden, wherever it stands.
    pub fn hidden(&self, request: &Request<'_>, body: &Searched<'_>) -> Hidden {
        let Some(name) = self.hide_credentials.then(|| self.name_with_key(request, body)).flatten() else {
            return Hidden::default();
        };
        let exact = name.to_ascii_lowercase();
        Hidden {
            headers: request.header(exact.as_bytes()).map(|_| exact).into_iter().collect(),
            query: request.query.and_then(|query| arguments::without(query, name.as_bytes())),
            body: match body {
                Searched::Whole(content) if self.key_in_body => content.without(name.as_bytes()),
                _ => None,
            },
        }
    }

    fn name_with_key(&self, request: &Request<'_>, body: &Searched<'_>) -> Option<&str> {
        let carries_key = |name: &&String| {
            let in_body = |content: &Content<'_>| matches!(content.find(name.as_bytes()), Some(Found::Text(_)));
            let in_query = || arguments::find(request.query.unwrap_or_default(), name.as_bytes());
            (self.key_in_header && find_in_headers(request, name) != Found::Nothing)
                || (self.key_in_query && matches!(in_query(), Found::Text(_)))
                || (self.key_in_body && matches!(body, Searched::Whole(content) if in_body(content)))
        };
        self.key_names.iter().find(carries_key).map(String::as_str)
    }
}

/// A configured `api_key` also finds the header `Api-Key`, not the other way round.
fn find_in_headers<'a>(request: &'a Request<'_>, name: &str) -> Found<'a> {
    let exact = name.to_ascii_lowercase();
    match find_header(request, &exact) {
        Found::Nothing if exact.contains('_') => find_header(request, &exact.replace('_', "-")),
        found => found,
    }
}

fn find_header<'a>(request: &'a Request<'_>, name: &str) -> Found<'a> {
    let mut values = request.headers.iter().filter(|(header, _)| *header == name.as_bytes());
    match (values.next(), values.next()) {
        (None, _) => Found::Nothing,
        (Some((_, value)), None) => Found::Text(Cow::Borrowed(value)),
        _ => Found::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Kind;
    use crate::request::testing;
    use serde_json::{Value, json};

    fn plugin(config: Value) -> KeyAuth {
        serde_json::from_value(config).unwrap()
    }

    fn key(text: &str) -> Search<'_> {
        Search::Key(Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn where_a_key_is_found() {
        let no_key = || Search::Refused(Refusal::NoKey);
        let duplicate = || Search::Refused(Refusal::Duplicate);
        let default = json!({});
        let names = json!({"key_names": ["X-Token", "tok"]});
        for (config, target, headers, expected) in [
            (&default, "/k", vec![], no_key()),
            (&default, "/k", vec![("apikey", "a")], key("a")),
            (&default, "/k?apikey=a", vec![], key("a")),
            (&default, "/k?apikey=a", vec![("apikey", "b")], key("b")),
            (&default, "/k", vec![("apikey", "")], no_key()),
            (&default, "/k?apikey=a", vec![("apikey", "")], no_key()),
            (&default, "/k?apikey=", vec![], no_key()),
            (&default, "/k?apikey", vec![], no_key()),
            (&default, "/k?apikey[]=a", vec![], no_key()),
            (&default, "/k", vec![("apikey", "a"), ("apikey", "a")], duplicate()),
            (&default, "/k?apikey=a&apikey=b", vec![], duplicate()),
            (&names, "/k", vec![("tok", "b"), ("x-token", "a")], key("a")),
            (&names, "/k?tok=b", vec![], key("b")),
            (&names, "/k", vec![("apikey", "a")], no_key()),
            (&json!({"key_in_query": false}), "/k?apikey=a", vec![], no_key()),
            (&json!({"key_in_header": false}), "/k", vec![("apikey", "a")], no_key()),
            (&json!({"key_names": ["api_key"]}), "/k", vec![("api-key", "a")], key("a")),
            (&json!({"key_names": ["api-key"]}), "/k", vec![("api_key", "a")], no_key()),
        ] {
            let request = testing::request("GET", target, &headers);
            let search = plugin(config.clone()).search(&request, &Searched::Unusable, Compat::Kong3);
            assert_eq!(search, expected, "{config} {target} {headers:?}");
        }
    }

    #[test]
    fn body_is_asked_for_only_when_needed() {
        let plugin = plugin(json!({"key_in_body": true}));
        let bare = testing::request("POST", "/k", &[]);
        assert_eq!(plugin.search(&bare, &Searched::Pending, Compat::Kong3), Search::NeedsBody);
        let form = Searched::from(Body::Whole(&Kind::Form, b"apikey=f"));
        let found = plugin.search(&bare, &form, Compat::Kong3);
        assert_eq!(found, key("f"));
        let with_header = testing::request("POST", "/k", &[("apikey", "h")]);
        assert_eq!(plugin.search(&with_header, &Searched::Pending, Compat::Kong3), key("h"));
        let refused = plugin.search(&with_header, &Searched::Unusable, Compat::Kong21);
        assert_eq!(refused, Search::Refused(Refusal::UnreadableBody));
    }

    #[test]
    fn hides_the_key() {
        let plugin = plugin(json!({"hide_credentials": true, "key_in_body": true}));
        let request = testing::request("POST", "/k?a=1&apikey=k", &[("apikey", "k"), ("x-other", "1")]);
        let hidden = plugin.hidden(&request, &Body::Whole(&Kind::Json, br#"{"apikey":"k"}"#).into());
        assert_eq!(
            hidden,
            Hidden { headers: vec!["apikey".into()], query: Some(b"a=1".into()), body: Some(b"{}".into()) }
        );
        let plain = testing::request("GET", "/k?b=%20", &[("apikey", "k")]);
        let hidden = plugin.hidden(&plain, &Searched::Unusable);
        assert_eq!((hidden.headers.len(), hidden.query, hidden.body), (1, None, None));
    }

    #[test]
    fn a_realm_cannot_end_its_header() {
        assert!(parse(json!({"realm": "cats"})).is_ok());
        assert!(parse(json!({"realm": "cats\r\nx-evil: 1"})).is_err());
    }

    #[test]
    fn refusals_of_both_generations() {
        let plain = plugin(json!({}));
        let realm = plugin(json!({"realm": "cats"}));
        for (refusal, compat, message, challenge) in [
            (Refusal::NoKey, Compat::Kong3, "No API key found in request", Some("Key")),
            (Refusal::UnknownKey, Compat::Kong3, "Unauthorized", Some("Key")),
            (Refusal::NoKey, Compat::Kong21, "No API key found in request", Some("Key realm=\"kong\"")),
            (Refusal::UnknownKey, Compat::Kong21, "Invalid authentication credentials", None),
        ] {
            assert_eq!(refusal.message(compat), message);
            assert_eq!(plain.challenge(refusal, compat).as_deref(), challenge, "{refusal:?} {compat:?}");
        }
        assert_eq!(realm.challenge(Refusal::Duplicate, Compat::Kong3).as_deref(), Some("Key realm=\"cats\""));
    }
}
