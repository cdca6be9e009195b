//! Answers who scrapes. Envoy's admin interface is asked on a thread of its own: the worker goes on meanwhile.

use crate::error::ConfigError;
use crate::metrics::node::{Admin, Healths, Node};
use crate::metrics::page::{Facts, Upstreams, page};
use crate::metrics::store::{SESSIONS, STORE};
use crate::metrics::traffic::{CONSUMERS, ROUTES, UNROUTED};
use crate::metrics::traffic_page::{Counted, OfConsumer, OfRoute, page_of_traffic};
use crate::plugins::proxy_cache::store::STORE as KEPT;
use crate::reply;
use crate::sinks::losses;
use crate::stream::{Map, Stream};
use crate::tables::{Compat, Names, Route, World};
use crate::waiting::{Ticket, Wait};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Prometheus itself waits for ten seconds.
const TIMEOUT: Duration = Duration::from_secs(8);
const LONGEST_CALL: Duration = Duration::from_secs(3);

/// As Kong's: new with each process that has none of its own.
pub static NODE_ID: LazyLock<String> = LazyLock::new(|| {
    let text = hex::encode(fastrand::u128(..).to_be_bytes());
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
});

/// Where the pages of this process's metrics are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Scrapes {
    /// Of Envoy's admin interface.
    admin_port: u16,
}

/// What of all there is a page is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// Envoy's own statistics besides.
    all: bool,
    /// In place of Kong's metrics what is counted of every request.
    traffic: bool,
    /// The same of consumers.
    consumers: bool,
    /// Only what Envoy has counted of requests to nodes of a mesh.
    mesh: bool,
}

impl Asked {
    fn of(query: &[u8]) -> Self {
        let has = |wanted: &[u8]| query.split(|byte| *byte == b'&').any(|part| part == wanted);
        Self { all: has(b"all"), traffic: has(b"traffic"), consumers: has(b"consumers"), mesh: has(b"mesh") }
    }
}

impl Scrapes {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        Ok(serde_json::from_str(json)?)
    }

    /// None: it is answered already.
    pub fn on_request(&self, world: Option<Arc<World>>, stream: &mut impl Stream) -> Option<Ticket> {
        let (is_read, asked) = {
            let headers = stream.headers(Map::Request);
            let value = |wanted: &[u8]| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
            let path = value(b":path").unwrap_or_default();
            let query = path.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
            (value(b":method") == Some(b"GET"), Asked::of(query))
        };
        if !is_read {
            answer(405, String::new(), stream);
            return None;
        }
        let admin = Admin { port: self.admin_port };
        let wait = Wait::for_job("metrics", TIMEOUT, move || text(world.as_deref(), admin, asked));
        Some(wait.begin(stream.waker()))
    }

    pub fn on_scheduled(ticket: &Ticket, stream: &mut impl Stream) {
        match ticket.take().map(|outcome| outcome.into::<Option<String>>()) {
            Some(Ok(Some(text))) => answer(200, text, stream),
            Some(Ok(None)) => answer(503, "no page: Envoy's admin interface does not answer\n".to_owned(), stream),
            Some(Err(reason)) => answer(503, format!("no page: {reason}\n"), stream),
            None => (),
        }
    }
}

fn answer(status: u16, text: String, stream: &mut impl Stream) {
    stream.send_as_is(reply::head(status, "text/plain; charset=UTF-8", text.len()), text.into_bytes());
}

/// None: what only Envoy knows could not be had.
fn text(world: Option<&World>, admin: Admin, asked: Asked) -> Option<String> {
    let deadline = || Instant::now() + LONGEST_CALL;
    if asked.mesh {
        return admin.calls(deadline()).map(|page| String::from_utf8_lossy(&page).into_owned());
    }
    if asked.traffic {
        return Some(page_of_traffic(&counted(world, asked)));
    }
    let healths = world.filter(|world| world.shows_upstreams()).and_then(|_| admin.healths(deadline()));
    let mut text = composed(world, admin.node(deadline()), healths.as_ref(), asked);
    if let Some(statistics) = asked.all.then(|| admin.statistics(deadline())).flatten() {
        text.push_str(&String::from_utf8_lossy(&statistics));
    }
    Some(text)
}

fn composed(world: Option<&World>, node: Option<Node>, healths: Option<&Healths>, asked: Asked) -> String {
    let routes: HashSet<&str> = named(world).map(|(_, names)| &*names.route).collect();
    let groups = STORE.all(&routes);
    let streams = world.map(|world| world.settings.sessions.keys().map(|route| &**route).collect()).unwrap_or_default();
    let sessions = SESSIONS.all(&streams);
    let (taken, most) = STORE.sizes();
    let cache_bytes = world.map_or(0, |world| world.settings.cache_bytes);
    let token = world.map_or("", |world| &world.settings.server_token);
    page(&Facts {
        groups: &groups,
        sessions: &sessions,
        traffic: counted(world, asked),
        healths: healths.map(|healths| watched(world, healths)).unwrap_or_default(),
        node,
        node_id: &NODE_ID,
        version: token.rsplit('/').next().unwrap_or_default(),
        pid: std::process::id(),
        stores: &[("kong_db_cache", KEPT.bytes(), cache_bytes), ("prometheus_metrics", taken, most)],
        dropped: STORE.dropped() + SESSIONS.dropped(),
        lost: &losses::totals(),
        has_old: world.is_some_and(|world| world.settings.compat == Compat::Kong21),
    })
}

fn counted(world: Option<&World>, asked: Asked) -> Counted<'_> {
    // A route has an entry for each of its paths.
    let by_id: BTreeMap<&str, &Names> = named(world).map(|(route, names)| (&*route.id, names)).collect();
    let mut routes: Vec<_> = by_id
        .into_iter()
        .filter_map(|(id, names)| {
            ROUTES.find(id).map(|traffic| OfRoute { route: &names.route, service: &names.service, traffic })
        })
        .collect();
    routes.push(OfRoute { route: "", service: "", traffic: Arc::clone(&UNROUTED) });
    let all = world.filter(|_| asked.consumers).into_iter().flat_map(|world| world.consumers.all());
    let consumers = all.filter_map(|consumer| {
        let names = [&consumer.username, &consumer.custom_id];
        let name = names.into_iter().find_map(|name| name.as_deref()).unwrap_or(&consumer.id);
        CONSUMERS.find(&consumer.id).map(|traffic| OfConsumer { name, traffic })
    });
    Counted { routes, consumers: consumers.collect(), has_requests: asked.traffic }
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
    use crate::testing::{filter, plugins, state};
    use serde_json::json;
    use sha2::{Digest, Sha256};

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
    fn what_only_envoy_knows_is_not_shown_without_its_answer() {
        let mut stream = Fake::request("GET", "/metrics?mesh", &[]);
        let ticket = Scrapes { admin_port: 1 }.on_request(None, &mut stream).unwrap();
        stream.alarm.wait();
        Scrapes::on_scheduled(&ticket, &mut stream);
        let (status, _, body) = stream.reply.unwrap();
        assert_eq!((status, &*body), (503, "no page: Envoy's admin interface does not answer\n"));
    }

    #[test]
    fn upstreams_are_those_of_routes() {
        let names = json!({"route": "r", "service": "s", "is_watched": true});
        let world = state(&json!({"route": {"names": names}}));
        let targets: Vec<(Box<str>, bool)> = vec![("192.0.2.1:80".into(), true)];
        let healths: Healths =
            [("c", targets.clone()), ("crossfade_ads", targets)].map(|(name, of)| (name.into(), of)).into();
        assert_eq!(watched(Some(&world), &healths).keys().collect::<Vec<_>>(), [&("c", true)]);
        assert!(
            composed(Some(&world), None, Some(&healths), Asked::default())
                .contains("state=\"healthy\",subsystem=\"http\"} 1\n")
        );
        assert!(!world.shows_upstreams());
    }

    fn shown(world: &World, query: &str) -> String {
        text(Some(world), Admin { port: 1 }, Asked::of(query.as_bytes())).unwrap()
    }

    #[test]
    fn what_is_counted_of_every_request_is_shown_to_who_asks() {
        let mut extra = plugins(&[("key-auth", json!({}))]);
        let route = json!({"id": "counted", "names": {"route": "shop.web", "service": "shop.web.80"}});
        extra["route"].as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
        extra["consumers"] = json!([{"id": "c-busy", "username": "busy", "credentials": {"key-auth": [
            {"id": "k", "index": hex::encode(Sha256::digest("busy-key"))}]}}]);
        for key in ["busy-key", "wrong"] {
            let mut stream = Fake::request("GET", "/s", &[("apikey", key)]);
            let mut filter = filter(&extra, &stream);
            let _ = filter.on_request_headers(&mut stream, true);
            stream.response = vec![(":status".into(), b"204".to_vec())];
            filter.on_stream_complete(&stream);
        }
        let world = state(&extra);
        let (kongs, traffic, all) = (shown(&world, ""), shown(&world, "traffic"), shown(&world, "x&traffic&consumers"));
        let denied = r#"crossfade_denied_total{policy="key-auth",route="shop.web",namespace="shop",code="401"} 1"#;
        for page in [&kongs, &traffic, &all] {
            assert!(page.lines().any(|line| line == denied), "{page}");
        }
        let labels = r#"reporter="gateway",service="shop.web.80",route="shop.web""#;
        for class in ["2xx", "4xx"] {
            let line = format!(r#"crossfade_requests_total{{{labels},code_class="{class}"}} 1"#);
            assert!(traffic.contains(&line) && !kongs.contains(&line), "{traffic}");
        }
        let consumer = r#"crossfade_consumer_requests_total{consumer="busy",code_class="2xx"} 1"#;
        assert!(all.contains(consumer) && !traffic.contains(consumer), "{all}");
        assert!(kongs.contains("kong_node_info") && !traffic.contains("kong_"), "{traffic}");
    }
}
