//! What the gateway alone knows of a request, left for the record that Envoy's access log makes of it.
//!
//! No query, no header and no body is among it. Of so many requests a second only: what it costs has a bound, whatever
//! the load.

use crate::gateway::Filter;
use crate::reply::Reply;
use crate::request::Request;
use crate::stream::Stream;
use crate::tables::Instance;
use serde::Serialize;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Envoy's access log finds it under this name.
const NOTE: &str = "record";

/// Bytes of a text that a client has chosen.
const LONGEST: usize = 512;

/// No proxy is asked for more.
pub const MOST_A_SECOND: u32 = 1000;

static GATE: LazyLock<Gate> = LazyLock::new(|| Gate { since: Instant::now(), counted: AtomicU64::new(0) });

/// Lets the first of each second pass.
struct Gate {
    since: Instant,
    /// The second, and how many have come in it.
    counted: AtomicU64,
}

impl Gate {
    fn passes(&self, now: Instant) -> bool {
        let second = now.saturating_duration_since(self.since).as_secs() << u32::BITS;
        let counted = self.counted.load(Ordering::Relaxed);
        if counted & !u64::from(u32::MAX) == second {
            // What comes too late between both lines goes through: the bound need not be exact.
            return counted - second < u64::from(MOST_A_SECOND)
                && self.counted.fetch_add(1, Ordering::Relaxed) - second < u64::from(MOST_A_SECOND);
        }
        self.counted.store(second + 1, Ordering::Relaxed);
        true
    }
}

/// The request as the client sent it, and what has become of it until now.
pub struct Recorded {
    method: String,
    host: String,
    path: String,
    reason: Option<String>,
    met: Vec<Arc<Instance>>,
}

impl Recorded {
    /// None: no record is to be taken of the request.
    pub fn of(request: &Request<'_>, is_wanted: bool, now: Instant) -> Option<Box<Self>> {
        (is_wanted && GATE.passes(now)).then(|| {
            Box::new(Self {
                method: shown(request.method),
                host: shown(request.authority),
                path: shown(request.sent_path),
                reason: None,
                met: Vec::new(),
            })
        })
    }

    /// The plugin has let the request through, or has answered it.
    pub fn meet(&mut self, instance: &Arc<Instance>) {
        self.met.push(Arc::clone(instance));
    }

    pub fn answer(&mut self, reply: &Reply) {
        self.reason = (reply.status >= 400 && !reply.message.is_empty()).then(|| shown(reply.message.as_bytes()));
    }
}

/// As the control plane reads it.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    /// Kind and id of each plugin that the request met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    met: Vec<(&'static str, &'a str)>,
}

impl Filter {
    /// When everything is known, before the access log is written.
    pub fn leave_record(&self, stream: &mut impl Stream) {
        let Some(recorded) = &self.recorded else { return };
        let consumer = self.who.consumer.as_deref();
        let told = Told {
            id: self.request_id(),
            method: &recorded.method,
            host: &recorded.host,
            path: &recorded.path,
            client: self.client_address.as_deref(),
            route: self.route().map(|route| &*route.id),
            consumer: consumer
                .map(|one| one.username.as_deref().or(one.custom_id.as_deref()).unwrap_or(&one.id))
                .filter(|_| !self.who.is_anonymous),
            denied_by: self.denied_by,
            reason: recorded.reason.as_deref(),
            trace: self.told.traces.whole(),
            met: recorded.met.iter().map(|instance| (instance.kind, &*instance.id)).collect(),
        };
        if let Ok(text) = serde_json::to_string(&told) {
            stream.note(NOTE, &text);
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::Fake;
    use crate::testing::{passed, plugins};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn note(extra: &Value, stream: Fake) -> Option<Value> {
        let (filter, mut stream, _) = passed(extra, stream);
        filter.leave_record(&mut stream);
        let found = stream.notes.iter().find(|(key, _)| key == NOTE);
        found.map(|(_, text)| serde_json::from_str(text).unwrap())
    }

    fn wanted(mut extra: Value) -> Value {
        extra["settings"] = json!({"records": true});
        extra
    }

    #[test]
    fn a_refusal_says_by_whom_and_why_and_no_key() {
        let protected = wanted(plugins(&[("key-auth", json!({})), ("acl", json!({"allow": ["team"]}))]));
        let stream = Fake::request("GET", "/s/a?apikey=ann-key", &[]);
        let found = note(&protected, stream).unwrap();
        assert_eq!(found["denied_by"], "acl");
        assert_eq!(found["consumer"], "ann");
        assert_eq!(found["route"], "r");
        assert_eq!(found["path"], "/s/a");
        assert_eq!(found["met"], json!([["key-auth", "key-auth"], ["acl", "acl"]]));
        assert!(!found["reason"].as_str().unwrap().is_empty());
        assert!(!found.to_string().contains("ann-key"));
        let nobody = note(&protected, Fake::request("GET", "/s", &[])).unwrap();
        assert_eq!((&nobody["denied_by"], &nobody["met"]), (&json!("key-auth"), &json!([["key-auth", "key-auth"]])));
    }

    #[test]
    fn what_is_let_through_has_no_reason_and_what_no_route_takes_has_one() {
        let passed = note(&wanted(json!({})), Fake::request("GET", "/s", &[])).unwrap();
        assert_eq!((passed.get("reason"), passed.get("denied_by")), (None, None));
        let lost = note(&wanted(json!({})), Fake::request("GET", "/elsewhere", &[])).unwrap();
        assert_eq!((lost.get("route"), &lost["reason"]), (None, &json!("no Route matched with those values")));
    }

    #[test]
    fn a_trace_is_told_whatever_its_headers() {
        let config = crate::plugins::zipkin::tests::config(json!({}));
        let traced = wanted(plugins(&[("zipkin", config)]));
        let headers = [("x-b3-traceid", "00000000000000ab"), ("x-b3-spanid", "00000000000000cd")];
        let found = note(&traced, Fake::request("GET", "/s", &headers)).unwrap();
        assert_eq!(found["trace"], "000000000000000000000000000000ab");
    }

    #[test]
    fn nothing_is_left_unless_asked_and_never_much() {
        assert_eq!(note(&json!({}), Fake::request("GET", "/s", &[])), None);
        let target = format!("/s/{}", "x".repeat(4000));
        let long = note(&wanted(json!({})), Fake::request("GET", &target, &[("x-secret", "s")])).unwrap();
        assert!(long.to_string().len() < 2 * LONGEST + 300, "{long}");
    }

    #[test]
    fn the_gate_lets_so_many_of_a_second_through() {
        let since = Instant::now();
        let gate = Gate { since, counted: AtomicU64::new(0) };
        let most = usize::try_from(MOST_A_SECOND).unwrap();
        let count = |now: Instant| (0..2 * most).filter(|_| gate.passes(now)).count();
        for seconds in [0, 1, 7] {
            assert_eq!(count(since + Duration::from_secs(seconds)), most, "in second {seconds}");
        }
    }
}
