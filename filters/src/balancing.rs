//! By what a request finds its endpoint, where its service does not take them in turn (kong.md §3.7).
//!
//! Envoy hashes the key that is found here, which stands where no client can write; an endpoint that a cookie names is
//! preferred while it is healthy.

use crate::arguments;
use crate::exchange::Identity;
use crate::forwarding::Changes;
use crate::request::Request;
use crate::router::PathPattern;
use crate::stream::{Map, Stream};
use crate::tables::Compat;
use crate::text::{Text, uuid};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::borrow::Cow;
use std::net::SocketAddr;

/// How a service chooses among its endpoints; without either Envoy takes them as its cluster says.
#[derive(Debug, Default)]
pub struct Balancing {
    pub hashing: Option<Hashing>,
    pub sticky: Option<Cookie>,
}

/// The first input that a request has is hashed.
#[derive(Debug, Deserialize)]
pub struct Hashing {
    inputs: Vec<Input>,
    /// Of a cookie that is set where the client has none.
    cookie_path: Box<str>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Input {
    Consumer,
    Ip,
    Path,
    Header { name: Box<str> },
    Cookie { name: Box<str> },
    QueryArg { name: Box<str> },
    UriCapture { name: Box<str> },
}

/// Its value names the endpoint that took a client's first request.
#[derive(Debug, Deserialize)]
pub struct Cookie {
    name: Box<str>,
    path: Box<str>,
}

impl Hashing {
    pub fn needs_groups(&self) -> bool {
        self.inputs.iter().any(|input| matches!(input, Input::UriCapture { .. }))
    }

    fn cookie_name(&self) -> Option<&str> {
        self.inputs.iter().find_map(|input| if let Input::Cookie { name } = input { Some(&**name) } else { None })
    }
}

/// What is known of a request when it is about to go upstream.
pub struct Known<'a, 'r> {
    pub request: &'a Request<'r>,
    /// Normalised, without the query.
    pub path: &'a [u8],
    pub pattern: &'a PathPattern,
    pub changes: &'a Changes,
    pub who: &'a Identity,
    /// The client's address.
    pub address: &'a str,
}

/// Where one request shall go.
#[derive(Debug, Default)]
pub struct Placement {
    key: Option<Vec<u8>>,
    preferred: Option<String>,
    /// The client had no cookie to hash: this is the value of its first one.
    first_cookie: Option<Text>,
}

impl Placement {
    pub fn find(balancing: &Balancing, known: &Known<'_, '_>) -> Self {
        let mut found = Self::default();
        if let Some(hashing) = &balancing.hashing {
            found.key = hashing.inputs.iter().find_map(|input| found.first_key(input, known));
        }
        if let Some(sticky) = &balancing.sticky {
            found.preferred = cookie(known.request, &sticky.name).and_then(endpoint_in);
        }
        found
    }

    fn first_key(&mut self, input: &Input, known: &Known<'_, '_>) -> Option<Vec<u8>> {
        let found = key_of(input, known);
        if found.is_none() && matches!(input, Input::Cookie { .. }) {
            let value = uuid();
            self.first_cookie = Some(value.clone());
            return Some(value.into_vec());
        }
        found.map(Cow::into_owned)
    }

    /// Tells Envoy.
    pub fn tell(&self, stream: &mut impl Stream) {
        if let Some(key) = &self.key {
            stream.set_hash_key(key);
        }
        if let Some(address) = &self.preferred {
            stream.prefer_endpoint(address.as_bytes());
        }
    }

    /// Adds what the client is to send next time to the upstream's response.
    pub fn set_cookie(&self, balancing: &Balancing, compat: Compat, stream: &mut impl Stream) {
        let given = if let Some(sticky) = &balancing.sticky {
            let answered = stream.endpoint().filter(|address| self.preferred.as_deref() != Some(*address));
            answered.map(|address| (&*sticky.name, URL_SAFE_NO_PAD.encode(address).into_bytes(), &*sticky.path))
        } else {
            let hashing = balancing.hashing.as_ref();
            let name = hashing.and_then(Hashing::cookie_name);
            let value = self.first_cookie.as_ref().map(|value| value.to_vec());
            name.zip(value).zip(hashing).map(|((name, value), hashing)| (name, value, &*hashing.cookie_path))
        };
        if let Some((name, value, path)) = given {
            write_cookie((name, &value, path), compat, stream);
        }
    }
}

fn key_of<'a>(input: &Input, known: &Known<'a, '_>) -> Option<Cow<'a, [u8]>> {
    match input {
        Input::Consumer => {
            let consumer = known.who.consumer.as_deref().map(|consumer| &*consumer.id);
            consumer.or(known.who.credential.as_deref()).map(|id| Cow::Borrowed(id.as_bytes()))
        }
        Input::Ip => Some(Cow::Borrowed(known.address.as_bytes())),
        Input::Path => Some(Cow::Borrowed(known.path)),
        Input::Header { name } => header(known, name),
        Input::Cookie { name } => cookie(known.request, name).map(Cow::Borrowed),
        Input::QueryArg { name } => argument(known, name).map(Cow::Owned),
        Input::UriCapture { name } => known.pattern.group(known.path, name).map(Cow::Borrowed),
    }
}

/// As the plugins have left it, of several lines all.
fn header<'a>(known: &Known<'a, '_>, name: &str) -> Option<Cow<'a, [u8]>> {
    if let Some(written) = known.changes.written(name) {
        return written.map(Cow::Borrowed);
    }
    let mut lines =
        known.request.headers.iter().filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| *value);
    let first = lines.next()?;
    let rest: Vec<_> = lines.collect();
    Some(Cow::Owned([&[first][..], &rest].concat().join(&b", "[..])))
}

/// Of several of the name all, sorted, as Kong puts them together.
fn argument(known: &Known<'_, '_>, name: &str) -> Option<Vec<u8>> {
    let query = known.changes.query.as_deref().or(known.request.query)?;
    let mut values: Vec<_> = arguments::decoded(query)
        .filter(|(other, _)| **other == *name.as_bytes())
        .map(|(_, value)| value.map_or(Cow::Borrowed(&b"true"[..]), |value| value))
        .collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| values.join(&b","[..]))
}

/// The first of the name, whose case does not count for nginx.
fn cookie<'a>(request: &Request<'a>, name: &str) -> Option<&'a [u8]> {
    let lines = request.headers.iter().filter(|(other, _)| *other == b"cookie");
    let mut pairs = lines.flat_map(|(_, line)| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| {
        let (found, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then(|| value[1..].trim_ascii())
    })
}

/// What a client sends may be anything; Envoy looks whether the cluster has such an endpoint.
fn endpoint_in(cookie: &[u8]) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cookie).ok()?).ok()?;
    text.parse::<SocketAddr>().ok().map(|address| address.to_string())
}

/// An upstream's own cookie of the name gives way, as on Kong, whose attribute is spelled so.
fn write_cookie((name, value, path): (&str, &[u8], &str), compat: Compat, stream: &mut impl Stream) {
    let attributes = if compat == Compat::Kong3 { "; Same-Site=Lax; HttpOnly" } else { "" };
    let start = [name.as_bytes(), b"="].concat();
    let line = [&start, value, b"; Path=", path.as_bytes(), attributes.as_bytes()].concat();
    let mut lines: Vec<_> = {
        let headers = stream.headers(Map::Response);
        headers.iter().filter(|(other, _)| *other == b"set-cookie").map(|(_, value)| value.to_vec()).collect()
    };
    let Some(place) = lines.iter().position(|line| line.starts_with(&start)) else {
        stream.add_header(Map::Response, b"set-cookie", &line);
        return;
    };
    lines[place] = line;
    stream.remove_header(Map::Response, b"set-cookie");
    lines.iter().for_each(|line| stream.add_header(Map::Response, b"set-cookie", line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Flow;
    use crate::stream::testing::Fake;
    use crate::testing::{answered, passed, received};
    use serde_json::{Value, json};

    fn route(balancing: &Value) -> Value {
        let mut service = json!({"id": "s", "path": "/"});
        service.as_object_mut().unwrap().extend(balancing.as_object().unwrap().clone());
        json!({"route": {"service": service, "strip_path": false}})
    }

    fn hashing(inputs: &Value) -> Value {
        route(&json!({"hashing": {"inputs": inputs, "cookie_path": "/c"}}))
    }

    fn key(extra: &Value, target: &str, headers: &[(&str, &str)]) -> Option<String> {
        let (_, stream, flow) = passed(extra, Fake::request("GET", target, headers));
        assert_eq!(flow, Flow::Continue);
        stream.hash_key
    }

    #[test]
    fn keys() {
        let pair = [("x-a", "1"), ("x-a", "2"), ("cookie", "b=1; SID = x"), ("cookie", "sid=y")];
        for (input, target, expected) in [
            (json!({"kind": "ip", "name": ""}), "/s", Some("192.0.2.1")),
            (json!({"kind": "path"}), "/s/%7Ea?q=1", Some("/s/~a")),
            (json!({"kind": "header", "name": "x-a"}), "/s", Some("1, 2")),
            (json!({"kind": "header", "name": "x-b"}), "/s", None),
            (json!({"kind": "cookie", "name": "sid"}), "/s", Some("x")),
            (json!({"kind": "query_arg", "name": "q"}), "/s?q=b&q=%61&x", Some("a,b")),
            (json!({"kind": "query_arg", "name": "q"}), "/s?q", Some("true")),
            (json!({"kind": "query_arg", "name": "q"}), "/s", None),
            (json!({"kind": "consumer"}), "/s", None),
            (json!({"kind": "uri_capture", "name": "id"}), "/s", None),
        ] {
            assert_eq!(key(&hashing(&json!([input])), target, &pair).as_deref(), expected, "{input} {target}");
        }
    }

    #[test]
    fn groups_of_the_path() {
        let mut extra = hashing(&json!([{"kind": "uri_capture", "name": "id"}]));
        let path = |kind: &str, text: &str| json!([{"rank": "", "kind": kind, "text": text}]);
        for (kind, text, target, expected) in [
            ("regex", r"/s/(?<id>\d+)", "/s/12x", Some("12")),
            ("regex", r"/s/(?<id>\d+)?", "/s/x", None),
            ("regex", r"/s/(?<other>\d+)", "/s/1", None),
            ("prefix", "/s", "/s/1", None),
        ] {
            extra["route"]["match"] = json!({"schemes": ["http"], "paths": path(kind, text)});
            assert_eq!(key(&extra, target, &[]).as_deref(), expected, "{text} {target}");
        }
    }

    #[test]
    fn the_fallback_stands_in() {
        let both = hashing(&json!([{"kind": "header", "name": "x-a"}, {"kind": "ip"}]));
        assert_eq!(key(&both, "/s", &[("x-a", "1")]).as_deref(), Some("1"));
        assert_eq!(key(&both, "/s", &[]).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn a_consumer_is_hashed_by_id() {
        let mut extra = hashing(&json!([{"kind": "consumer"}]));
        extra["route"]["steps"] = json!([{"order": 1, "candidates": [{"instance": "ka", "rank": 6, "scope": "ka"}]}]);
        extra["instances"] = json!([{"id": "ka", "plugin": "key-auth", "config": {}}]);
        assert_eq!(key(&extra, "/s", &[("apikey", "ann-key")]).as_deref(), Some("c-ann"));
    }

    #[test]
    fn a_client_without_the_cookie_gets_one() {
        let extra = hashing(&json!([{"kind": "cookie", "name": "sid"}]));
        let stream =
            answered(&extra, Fake::request("GET", "/s", &[]), &[("set-cookie", "a=1"), ("set-cookie", "sid=2")]);
        let cookies = received(&stream, "set-cookie");
        let key = stream.hash_key.unwrap();
        assert_eq!(cookies, ["a=1".to_owned(), format!("sid={key}; Path=/c; Same-Site=Lax; HttpOnly")]);
        let stream = answered(&extra, Fake::request("GET", "/s", &[("cookie", "sid=x")]), &[]);
        assert_eq!(received(&stream, "set-cookie"), [""; 0]);
    }

    #[test]
    fn kong_2_sets_no_attributes() {
        let mut extra = hashing(&json!([{"kind": "cookie", "name": "sid"}]));
        extra["settings"] = json!({"compat": "kong-2.1"});
        let stream = answered(&extra, Fake::request("GET", "/s", &[]), &[]);
        assert!(received(&stream, "set-cookie")[0].ends_with("; Path=/c"));
    }

    #[test]
    fn sessions_stick_to_the_endpoint_that_answered() {
        let extra = route(&json!({"sticky": {"name": "at", "path": "/"}}));
        let stream = answered(&extra, Fake::request("GET", "/s", &[]), &[]);
        assert_eq!(stream.preferred, None);
        let (cookie, rest) =
            received(&stream, "set-cookie")[0].split_once("; ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(rest, "Path=/; Same-Site=Lax; HttpOnly");
        let stream = answered(&extra, Fake::request("GET", "/s", &[("cookie", &cookie)]), &[]);
        assert_eq!(stream.preferred.as_deref(), Some("192.0.2.9:80"));
        assert_eq!(received(&stream, "set-cookie"), [""; 0], "it knows its endpoint");
    }

    #[test]
    fn nonsense_prefers_nothing() {
        let extra = route(&json!({"sticky": {"name": "at", "path": "/"}}));
        for value in ["", "!", "AAAA", &URL_SAFE_NO_PAD.encode("evil.test:80"), &URL_SAFE_NO_PAD.encode("10.0.0.1")] {
            let cookie = format!("at={value}");
            let stream = answered(&extra, Fake::request("GET", "/s", &[("cookie", &cookie)]), &[]);
            assert_eq!(stream.preferred, None, "{value}");
            assert_eq!(received(&stream, "set-cookie").len(), 1, "{value}");
        }
    }
}
