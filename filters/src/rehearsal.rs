//! One request through router and filter without Envoy: which route takes it, which comes next, and what its plugins make
//! of it. Nothing is decided here: the code that serves decides, on a stream that ends in memory.

use crate::gateway::{Filter, Flow};
use crate::incoming::{self, IncomingHeaders, Listener};
use crate::local_reply;
use crate::path;
use crate::plugins::rate_limiting::counters::Counters;
use crate::reply::Headers;
use crate::request::host_without_port;
use crate::router::{Entry, Query, Scheme};
use crate::stream::{Attribute, Connection, HeaderList, Map, Stream};
use crate::tables::{Route, World};
use crate::taking::Part;
use crate::waiting::Wake;
use serde::Deserialize;
use serde_json::{Value, json};
use smallvec::SmallVec;
use std::sync::Arc;

/// A request as a client would send it. `headers` have lower-case names, `peer` and `local` a port.
#[derive(Debug, Deserialize)]
pub struct Question {
    method: String,
    /// Path and query as sent.
    target: String,
    authority: String,
    #[serde(default)]
    is_tls: bool,
    sni: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    peer: String,
    local: String,
}

/// So many routes that nearly match are told where none does.
const NEAREST: usize = 3;

impl Question {
    fn scheme(&self) -> Scheme {
        if self.is_tls { Scheme::Https } else { Scheme::Http }
    }

    fn listener(&self) -> Listener {
        let port = self.local.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        Listener { scheme: self.scheme(), port: port.unwrap_or_default() }
    }
}

/// What the request meets, as JSON.
///
/// `route` and `runner_up` are `{"id", "rank"}`, null where there is none; `nearest`, where no route matches, are those of
/// which the least does not, with what (`fails`). `plugins` are `{"instance", "order", "part"}` in the order in which they
/// take part; `answer` is what the gateway says itself, `upstream` what goes on: path and headers. Neither is there where a
/// plugin asks somebody else. `without_endpoint` is
/// what it would say where the upstream has none. Counters are those handed in.
pub fn rehearse(world: &Arc<World>, question: &Question, counters: &'static Counters) -> Value {
    let mut stream = Rehearsal::new(question);
    let choice = incoming::mutate(&mut stream, Some(Arc::clone(world)), question.listener());
    let mut filter = Filter::new(choice, None, counters);
    filter.parts = Some(Vec::new());
    let flow = filter.on_request_headers(&mut stream, true);
    let parts = filter.parts.take().unwrap_or_default();
    let plugins: Vec<Value> = parts.iter().map(part_json).collect();
    let mut found = json!({
        "plugins": plugins,
        "answer": stream.reply,
        "upstream": (flow == Flow::Continue).then(|| stream.upstream()),
        "without_endpoint": local_reply::classify(503, b"no_healthy_upstream")
            .map(|error| json!({"status": error.status, "message": error.message})),
    });
    if let (Some(all), Some(matches)) = (found.as_object_mut(), matches(world, question).as_object()) {
        all.extend(matches.clone());
    }
    found
}

fn part_json((order, instance, part): &(u32, Box<str>, Part)) -> Value {
    let part = match part {
        Part::Ran => "ran",
        Part::Answered => "answered",
        Part::SeesResponse => "sees-response",
        Part::Asks => "asks",
        Part::MayRun => "may-run",
    };
    json!({"order": order, "instance": instance, "part": part})
}

fn matches(world: &World, question: &Question) -> Value {
    let Ok(path) = path::normalise(path::split_query(question.target.as_bytes()).0) else {
        return json!({"route": null, "runner_up": null, "nearest": []});
    };
    let headers: Vec<(&[u8], &[u8])> =
        question.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let query = Query {
        scheme: question.scheme(),
        host: host_without_port(question.authority.as_bytes()),
        path: &path,
        method: question.method.as_bytes(),
        sni: question.sni.as_deref().filter(|_| question.is_tls).map(str::as_bytes),
        headers: &headers,
    };
    let fitting = world.router.all(&query);
    let first = fitting.first();
    let next = fitting.iter().find(|entry| first.is_some_and(|first| entry.target.id != first.target.id));
    json!({
        "route": first.map(|entry| entry_json(entry)),
        "runner_up": next.map(|entry| entry_json(entry)),
        "nearest": if first.is_some() { Vec::new() } else { nearest(world, &query) },
    })
}

fn entry_json(entry: &Entry<Arc<Route>>) -> Value {
    json!({"id": entry.target.id, "rank": String::from_utf8_lossy(&entry.rank)})
}

fn nearest(world: &World, query: &Query<'_>) -> Vec<Value> {
    let mut found: Vec<_> = world.router.entries().map(|entry| (entry.misses(query), entry)).collect();
    // Stable: of those that fail alike the better rank comes first.
    found.sort_by_key(|(misses, _)| misses.len());
    let mut told: Vec<&str> = Vec::new();
    let mut nearest = Vec::new();
    for (misses, entry) in found {
        if nearest.len() < NEAREST && !told.contains(&&*entry.target.id) {
            told.push(&entry.target.id);
            nearest.push(json!({"id": entry.target.id, "fails": misses}));
        }
    }
    nearest
}

/// A stream that keeps what it is told.
#[derive(Debug)]
struct Rehearsal<'a> {
    question: &'a Question,
    request: Vec<(Vec<u8>, Vec<u8>)>,
    reply: Option<Value>,
}

impl<'a> Rehearsal<'a> {
    fn new(question: &'a Question) -> Self {
        let scheme = if question.is_tls { "https" } else { "http" };
        let pseudo = [
            (":method", question.method.as_str()),
            (":scheme", scheme),
            (":path", &question.target),
            (":authority", &question.authority),
        ];
        let own = question.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = pseudo.into_iter().chain(own);
        let request = request.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        Self { question, request: request.collect(), reply: None }
    }

    fn upstream(&self) -> Value {
        let headers = self.request.iter().filter(|(name, _)| !incoming::is_internal(name));
        let headers: Vec<_> = headers.map(|(name, value)| (lossy(name), lossy(value))).collect();
        json!({"headers": headers})
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl IncomingHeaders for Rehearsal<'_> {
    fn all(&self) -> HeaderList<'_> {
        self.headers(Map::Request)
    }

    fn server_name(&self) -> Option<&[u8]> {
        self.question.sni.as_deref().map(str::as_bytes)
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.set_header(Map::Request, name, value);
    }

    fn remove(&mut self, name: &[u8]) {
        self.remove_header(Map::Request, name);
    }
}

impl Connection for Rehearsal<'_> {
    fn id(&self) -> Option<u64> {
        None
    }

    fn local_address(&self) -> Option<&[u8]> {
        Some(self.question.local.as_bytes())
    }

    fn source_address(&self) -> Option<&[u8]> {
        self.peer_address()
    }
}

/// Waits for nothing.
#[derive(Debug)]
struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// There is neither a body nor a response.
impl Stream for Rehearsal<'_> {
    fn headers(&self, map: Map) -> HeaderList<'_> {
        let given = if map == Map::Request { self.request.as_slice() } else { &[] };
        given.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
    }

    fn attribute(&self, attribute: Attribute) -> Option<&[u8]> {
        match attribute {
            Attribute::Protocol => Some(b"HTTP/1.1"),
            Attribute::Target => {
                self.headers(Map::Request).iter().find(|(name, _)| *name == b":path").map(|pair| pair.1)
            }
            Attribute::TlsVersion => self.question.is_tls.then_some(b"TLSv1.3"),
        }
    }

    fn peer_address(&self) -> Option<&[u8]> {
        Some(self.question.peer.as_bytes())
    }

    fn waker(&self) -> Box<dyn Wake> {
        Box::new(Nobody)
    }

    fn sizes(&self) -> (u64, u64) {
        (0, 0)
    }

    fn request_body_bytes(&self) -> u64 {
        0
    }

    fn response_code(&self) -> u16 {
        0
    }

    fn endpoint(&self) -> Option<&str> {
        None
    }

    fn endpoints(&self) -> SmallVec<[&str; 4]> {
        SmallVec::new()
    }

    fn tries(&self) -> usize {
        0
    }

    fn set_hash_key(&mut self, _: &[u8]) {}

    fn set_tls_name(&mut self, _: &[u8]) {}

    fn set_verified_name(&mut self, _: &[u8]) {}

    fn prefer_endpoint(&mut self, _: &[u8]) {}

    fn note(&mut self, _key: &str, _text: &str) {}

    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) {
        self.remove_header(map, name);
        self.add_header(map, name, value);
    }

    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) {
        if map == Map::Request && !value.is_empty() {
            self.request.push((name.to_vec(), value.to_vec()));
        }
    }

    fn remove_header(&mut self, map: Map, name: &[u8]) {
        if map == Map::Request {
            self.request.retain(|(other, _)| other != name);
        }
    }

    fn choose_route_again(&mut self) {}

    fn send_reply(&mut self, status: u16, headers: Headers, body: Vec<u8>) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name, lossy(value))).collect();
        self.reply = Some(json!({"status": status, "headers": headers, "body": lossy(&body)}));
    }

    fn send_as_is(&mut self, mut headers: Headers, body: Vec<u8>) {
        let status = headers.iter().find(|(name, _)| name == ":status").map(|(_, value)| lossy(value));
        let status = status.and_then(|status| status.parse().ok()).unwrap_or_default();
        headers.retain(|(name, _)| name != ":status");
        self.send_reply(status, headers, body);
    }

    fn send_shared(&mut self, headers: Headers, body: Arc<Vec<u8>>) {
        self.send_as_is(headers, body.to_vec());
    }

    fn request_body_size(&self) -> usize {
        0
    }

    fn received_size(&self) -> usize {
        0
    }

    fn request_body(&self) -> Vec<u8> {
        Vec::new()
    }

    fn replace_request_body(&mut self, _: &[u8]) {}

    fn take_response_chunk(&mut self, _: &mut Vec<u8>) {}

    fn each_response_chunk(&self, _: &mut dyn FnMut(&[u8])) {}

    fn replace_response_chunk(&mut self, _: &[u8]) {}

    fn add_response_body(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::asking::ASKED;
    use crate::testing::{plugins, state};

    fn asked(extra: &Value, question: &Value) -> Value {
        let mut whole = json!({"method": "GET", "target": "/s", "authority": "gw.test",
            "peer": "192.0.2.1:999", "local": "192.0.2.2:8000"});
        whole.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
        let question = serde_json::from_value(whole).unwrap();
        rehearse(&state(extra), &question, Box::leak(Box::new(Counters::new())))
    }

    fn guarded() -> Value {
        plugins(&[
            ("correlation-id", json!({"header_name": "x-id"})),
            ("key-auth", json!({})),
            ("acl", json!({"allow": ["x"]})),
        ])
    }

    #[test]
    fn plugins_take_part_in_their_order_until_one_answers() {
        let found = asked(&guarded(), &json!({}));
        assert_eq!(found["route"]["id"], "r");
        assert_eq!(found["answer"]["status"], 401);
        let parts: Vec<_> =
            found["plugins"].as_array().unwrap().iter().map(|part| (&part["instance"], &part["part"])).collect();
        assert_eq!(
            parts,
            [("correlation-id", "ran"), ("key-auth", "answered"), ("acl", "sees-response")]
                .map(|(instance, part)| (json!(instance), json!(part)))
                .iter()
                .map(|(one, other)| (one, other))
                .collect::<Vec<_>>()
        );
        assert_eq!(found["upstream"], Value::Null);
    }

    #[test]
    fn what_goes_upstream_is_what_the_filter_made_of_it() {
        let key_auth = plugins(&[("key-auth", json!({}))]);
        let found = asked(&key_auth, &json!({"target": "/s/x?q=1", "headers": [["apikey", "ann-key"]]}));
        assert_eq!(found["answer"], Value::Null);
        let headers = found["upstream"]["headers"].as_array().unwrap();
        for header in [json!([":path", "/x?q=1"]), json!(["x-consumer-username", "ann"])] {
            assert!(headers.contains(&header), "{header} in {headers:?}");
        }
        assert!(!found.to_string().contains("x-crossfade"));
    }

    #[test]
    fn nobody_is_turned_to() {
        let found = asked(&plugins(&[("asking", json!({"times": 1})), ("key-auth", json!({}))]), &json!({}));
        let parts: Vec<_> = found["plugins"].as_array().unwrap().iter().map(|each| each["part"].clone()).collect();
        assert_eq!(parts, ["asks", "may-run"]);
        assert_eq!((&found["answer"], &found["upstream"]), (&Value::Null, &Value::Null));
        assert!(ASKED.with(|asked| asked.borrow().is_empty()));
    }

    #[test]
    fn no_route_says_what_the_nearest_lacks() {
        let extra = json!({"route": {"match": {"schemes": ["http"], "hosts": ["a.test"], "methods": ["POST"],
            "paths": [{"rank": "", "kind": "prefix", "text": "/s"}]}}});
        let found = asked(&extra, &json!({"target": "/s"}));
        assert_eq!((&found["route"], &found["answer"]["status"]), (&Value::Null, &json!(404)));
        assert_eq!(found["nearest"], json!([{"id": "r", "fails": ["host", "method"]}]));
        assert_eq!(asked(&extra, &json!({"target": "/../x"}))["answer"]["status"], 400);
    }

    #[test]
    fn over_tls_the_server_name_counts() {
        let extra = json!({"route": {"match": {"schemes": ["http", "https"], "snis": ["a.test"],
            "paths": [{"rank": "", "kind": "prefix", "text": "/s"}]}}});
        for (sni, route) in [(json!("a.test"), json!("r")), (json!("b.test"), Value::Null), (Value::Null, Value::Null)]
        {
            let found = asked(&extra, &json!({"is_tls": true, "sni": sni}));
            assert_eq!(found["route"]["id"], route, "{sni}");
        }
    }
}
