//! Answers who scrapes. Envoy's admin interface is asked on a thread of its own: the worker goes on meanwhile.

use crate::error::ConfigError;
use crate::metrics::node::{Admin, Healths, Node};
use crate::metrics::page::{Facts, Upstreams, page};
use crate::metrics::store::STORE;
use crate::plugins::proxy_cache::store::STORE as KEPT;
use crate::stream::{Map, Stream};
use crate::tables::{Compat, Names, Route, World};
use crate::waiting::{Ticket, Wait};
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Prometheus itself waits for ten seconds.
const TIMEOUT: Duration = Duration::from_secs(8);
const LONGEST_CALL: Duration = Duration::from_secs(3);

/// As Kong's: new with each process that has none of its own.
static NODE_ID: LazyLock<String> = LazyLock::new(|| {
    let text = hex::encode(fastrand::u128(..).to_be_bytes());
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
});

/// Where the pages of this process's metrics are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Scrapes {
    /// Of Envoy's admin interface.
    admin_port: u16,
}

impl Scrapes {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        Ok(serde_json::from_str(json)?)
    }

    /// None: it is answered already.
    pub fn on_request(&self, world: Option<Arc<World>>, stream: &mut impl Stream) -> Option<Ticket> {
        let (is_read, wants_all) = {
            let headers = stream.headers(Map::Request);
            let value = |wanted: &[u8]| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
            let path = value(b":path").unwrap_or_default();
            let query = path.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
            (value(b":method") == Some(b"GET"), query.split(|byte| *byte == b'&').any(|part| part == b"all"))
        };
        if !is_read {
            answer(405, String::new(), stream);
            return None;
        }
        let admin = Admin { port: self.admin_port };
        let wait = Wait::for_job("metrics", TIMEOUT, move || text(world.as_deref(), admin, wants_all));
        Some(wait.begin(stream.waker()))
    }

    pub fn on_scheduled(ticket: &Ticket, stream: &mut impl Stream) {
        match ticket.take().map(|outcome| outcome.into::<String>()) {
            Some(Ok(text)) => answer(200, text, stream),
            Some(Err(reason)) => answer(503, format!("no page: {reason}\n"), stream),
            None => (),
        }
    }
}

fn answer(status: u16, text: String, stream: &mut impl Stream) {
    let (status, length) = (status.to_string(), text.len().to_string());
    let headers: [(&[u8], &[u8]); 3] = [
        (b":status", status.as_bytes()),
        (b"content-type", b"text/plain; charset=UTF-8"),
        (b"content-length", length.as_bytes()),
    ];
    stream.send_shared(&headers, &Arc::new(text.into_bytes()));
}

fn text(world: Option<&World>, admin: Admin, wants_all: bool) -> String {
    let deadline = || Instant::now() + LONGEST_CALL;
    let healths = world.filter(|world| world.shows_upstreams()).and_then(|_| admin.healths(deadline()));
    let mut text = composed(world, admin.node(deadline()), healths.as_ref());
    if let Some(statistics) = wants_all.then(|| admin.statistics(deadline())).flatten() {
        text.push_str(&String::from_utf8_lossy(&statistics));
    }
    text
}

fn composed(world: Option<&World>, node: Option<Node>, healths: Option<&Healths>) -> String {
    let routes: HashSet<&str> = named(world).map(|(_, names)| &*names.route).collect();
    let groups = STORE.all(&routes);
    let (taken, most) = STORE.sizes();
    let cache_bytes = world.map_or(0, |world| world.settings.cache_bytes);
    let token = world.map_or("", |world| &world.settings.server_token);
    page(&Facts {
        groups: &groups,
        healths: healths.map(|healths| watched(world, healths)).unwrap_or_default(),
        node,
        node_id: &NODE_ID,
        version: token.rsplit('/').next().unwrap_or_default(),
        pid: std::process::id(),
        stores: &[("kong_db_cache", KEPT.bytes(), cache_bytes), ("prometheus_metrics", taken, most)],
        dropped: STORE.dropped(),
        has_old: world.is_some_and(|world| world.settings.compat == Compat::Kong21),
    })
}

fn named(world: Option<&World>) -> impl Iterator<Item = (&Route, &Names)> {
    let routes = world.into_iter().flat_map(|world| world.router.entries()).map(|entry| &*entry.target);
    routes.filter_map(|route| route.names.as_ref().map(|names| (route, names)))
}

/// Those of Envoy's clusters that are upstreams of routes.
fn watched<'a>(world: Option<&'a World>, healths: &'a Healths) -> Upstreams<'a> {
    let mut found = Upstreams::new();
    for (route, names) in named(world) {
        for backend in &route.backends {
            if let Some(targets) = healths.get(&backend.cluster) {
                found.insert((&*backend.cluster, names.is_watched), &targets[..]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::Fake;
    use crate::testing::state;
    use serde_json::json;

    #[test]
    fn a_page_is_for_who_reads() {
        let mut stream = Fake::request("POST", "/metrics", &[]);
        assert!(Scrapes { admin_port: 1 }.on_request(None, &mut stream).is_none());
        assert_eq!(stream.status(), Some(405));
    }

    #[test]
    fn without_an_answer_of_envoys_what_this_process_knows_is_shown() {
        let mut stream = Fake::request("GET", "/metrics?all", &[]);
        let ticket = Scrapes { admin_port: 1 }.on_request(None, &mut stream).unwrap();
        stream.alarm.wait();
        Scrapes::on_scheduled(&ticket, &mut stream);
        let (status, headers, body) = stream.reply.unwrap();
        assert_eq!(status, 200);
        assert!(headers.contains(&("content-type".to_owned(), "text/plain; charset=UTF-8".to_owned())));
        assert!(body.contains("kong_datastore_reachable 1\n") && !body.contains("kong_nginx_requests_total"), "{body}");
    }

    #[test]
    fn upstreams_are_those_of_routes() {
        let names = json!({"route": "r", "service": "s", "is_watched": true});
        let world = state(&json!({"route": {"names": names}}));
        let targets: Vec<(Box<str>, bool)> = vec![("192.0.2.1:80".into(), true)];
        let healths: Healths =
            [("c", targets.clone()), ("crossfade_ads", targets)].map(|(name, of)| (name.into(), of)).into();
        assert_eq!(watched(Some(&world), &healths).keys().collect::<Vec<_>>(), [&("c", true)]);
        assert!(composed(Some(&world), None, Some(&healths)).contains("state=\"healthy\",subsystem=\"http\"} 1\n"));
        assert!(!world.shows_upstreams());
    }
}
