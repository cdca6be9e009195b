//! The page for Prometheus, as Kong writes it (kong.md §7.1): families and lines in order, a help and a type each.

use crate::metrics::family::{Families, escaped, family, written};
use crate::metrics::histogram::{KONG_BOUNDS, OLD_BOUNDS, UPSTREAM_BOUNDS};
use crate::metrics::node::Node;
use crate::metrics::store::{Counts, Group};
use crate::metrics::traffic_page::{Counted, traffic};
use std::collections::BTreeMap;

/// By upstream, and whether its health is watched, its targets and whether each is healthy.
pub type Upstreams<'a> = BTreeMap<(&'a str, bool), &'a [(Box<str>, bool)]>;

/// What goes onto a page; without `node` Envoy did not answer.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    pub groups: &'a [Group],
    /// Of streams.
    pub sessions: &'a [Group],
    pub traffic: Counted<'a>,
    /// Empty where nobody wants to know.
    pub healths: Upstreams<'a>,
    pub node: Option<Node>,
    pub node_id: &'a str,
    pub version: &'a str,
    pub pid: u32,
    /// Name, bytes taken, bytes there are.
    pub stores: &'a [(&'static str, usize, usize)],
    pub dropped: u64,
    /// By log plugin, the records that did not get where they should.
    pub lost: &'a [(&'static str, u64)],
    /// Kong 2.1's families stand there too.
    pub has_old: bool,
}

pub fn page(facts: &Facts<'_>) -> String {
    let mut families = Families::new();
    traffic(&facts.traffic, &mut families);
    node(facts, &mut families);
    health(facts, &mut families);
    for (plugin, count) in facts.lost {
        let name = "crossfade_log_records_lost_total";
        let help = "Records of log plugins that did not get where they should";
        family(&mut families, name, "counter", help).push(name, &format!("plugin=\"{plugin}\""), *count);
    }
    for group in facts.groups {
        requests(group, &mut families);
        latencies(group, &mut families);
        if facts.has_old {
            old(group, &mut families);
        }
    }
    facts.sessions.iter().for_each(|group| sessions(group, &mut families));
    written(families)
}

fn requests(group: &Group, families: &mut Families) {
    let (service, route) = (escaped(&group.service), escaped(&group.route));
    for (consumer, counts) in &group.consumers {
        let consumer = escaped(consumer);
        let name = "kong_http_requests_total";
        for ((code, by_service), count) in &counts.codes {
            let source = source(*by_service);
            let labels = format!(
                "service=\"{service}\",route=\"{route}\",code=\"{code}\",source=\"{source}\",workspace=\"default\",consumer=\"{consumer}\""
            );
            family(families, name, "counter", "HTTP status codes per consumer/service/route in Kong")
                .push(name, &labels, *count);
        }
        let name = "kong_bandwidth_bytes";
        for (direction, bytes) in directions(counts) {
            let labels = format!(
                "service=\"{service}\",route=\"{route}\",direction=\"{direction}\",workspace=\"default\",consumer=\"{consumer}\""
            );
            family(families, name, "counter", "Total bandwidth (ingress/egress) throughput in bytes")
                .push(name, &labels, bytes);
        }
    }
}

/// They have no consumers.
fn sessions(group: &Group, families: &mut Families) {
    let labels = format!("service=\"{}\",route=\"{}\"", escaped(&group.service), escaped(&group.route));
    let name = "kong_stream_sessions_total";
    for ((code, by_service), count) in group.consumers.values().flat_map(|counts| &counts.codes) {
        let labels = format!("{labels},code=\"{code}\",source=\"{}\",workspace=\"default\"", source(*by_service));
        family(families, name, "counter", "Stream status codes per service/route in Kong").push(name, &labels, *count);
    }
    if let Some(found) = &group.latencies {
        let name = "kong_session_duration_ms";
        let labels = format!("{labels},workspace=\"default\"");
        let whole = |bound: u64| bound.to_string();
        family(families, name, "histogram", "latency incurred in stream session for each service/route in Kong")
            .histogram(name, &labels, (&found.request, &UPSTREAM_BOUNDS), whole);
    }
}

fn source(by_service: bool) -> &'static str {
    if by_service { "service" } else { "kong" }
}

fn directions(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
    [("egress", counts.egress), ("ingress", counts.ingress)].into_iter().filter(|(_, bytes)| *bytes > 0)
}

fn latencies(group: &Group, families: &mut Families) {
    let Some(found) = &group.latencies else { return };
    let labels =
        format!("service=\"{}\",route=\"{}\",workspace=\"default\"", escaped(&group.service), escaped(&group.route));
    let whole = |bound: u64| bound.to_string();
    let (name, help) =
        ("kong_kong_latency_ms", "Latency added by Kong and enabled plugins for each service/route in Kong");
    family(families, name, "histogram", help).histogram(name, &labels, (&found.kong, &KONG_BOUNDS), whole);
    for (name, help, histogram) in [
        (
            "kong_request_latency_ms",
            "Total latency incurred during requests for each service/route in Kong",
            &found.request,
        ),
        (
            "kong_upstream_latency_ms",
            "Latency added by upstream response for each service/route in Kong",
            &found.upstream,
        ),
    ] {
        if histogram.count() > 0 {
            family(families, name, "histogram", help).histogram(name, &labels, (histogram, &UPSTREAM_BOUNDS), whole);
        }
    }
}

/// Kong 2.1's, whose plugin had no options.
fn old(group: &Group, families: &mut Families) {
    let (service, route) = (escaped(&group.service), escaped(&group.route));
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for (consumer, counts) in &group.consumers {
        for ((code, _), count) in &counts.codes {
            *statuses.entry(*code).or_default() += count;
            if !consumer.is_empty() {
                let name = "kong_http_consumer_status";
                let labels = format!(
                    "service=\"{service}\",route=\"{route}\",code=\"{code}\",consumer=\"{}\"",
                    escaped(consumer)
                );
                family(families, name, "counter", "HTTP status codes for customer per service/route in Kong")
                    .push(name, &labels, *count);
            }
        }
        directions(counts).for_each(|(direction, count)| *bytes.entry(direction).or_default() += count);
    }
    for (code, count) in statuses {
        let (name, labels) = ("kong_http_status", format!("code=\"{code}\",service=\"{service}\",route=\"{route}\""));
        family(families, name, "counter", "HTTP status codes per service/route in Kong").push(name, &labels, count);
    }
    for (direction, count) in bytes {
        let (name, labels) =
            ("kong_bandwidth", format!("type=\"{direction}\",service=\"{service}\",route=\"{route}\""));
        family(families, name, "counter", "Total bandwidth in bytes consumed per service/route in Kong")
            .push(name, &labels, count);
    }
    let Some(found) = &group.old else { return };
    let help = "Latency added by Kong, total request time and upstream latency for each service/route in Kong";
    for (kind, histogram) in [("kong", &found.kong), ("request", &found.request), ("upstream", &found.upstream)] {
        let (name, labels) = ("kong_latency", format!("type=\"{kind}\",service=\"{service}\",route=\"{route}\""));
        family(families, name, "histogram", help)
            .histogram(name, &labels, (histogram, &OLD_BOUNDS), |bound| format!("{bound:05}.0"));
    }
}

fn node(facts: &Facts<'_>, families: &mut Families) {
    let Facts { node_id, version, pid, .. } = facts;
    let mut add = |name: &'static str, kind: &'static str, help: &'static str, labels: &str, value: u64| {
        family(families, name, kind, help).push(name, labels, value);
    };
    add("kong_datastore_reachable", "gauge", "Datastore reachable from Kong, 0 is unreachable", "", 1);
    let name = "kong_nginx_metric_errors_total";
    add(name, "counter", "Number of nginx-lua-prometheus errors", "", facts.dropped);
    for state in ["pending", "running"] {
        add("kong_nginx_timers", "gauge", "Number of nginx timers", &format!("state=\"{state}\""), 0);
    }
    let labels = format!("node_id=\"{node_id}\",version=\"{}\"", escaped(version));
    add("kong_node_info", "gauge", "Kong Node metadata information", &labels, 1);
    for (store, taken, most) in facts.stores {
        let labels = format!("node_id=\"{node_id}\",shared_dict=\"{store}\",kong_subsystem=\"http\"");
        let (taken, most) = (u64::try_from(*taken).unwrap_or(u64::MAX), u64::try_from(*most).unwrap_or(u64::MAX));
        let name = "kong_memory_lua_shared_dict_bytes";
        add(name, "gauge", "Allocated slabs in bytes in a shared_dict", &labels, taken);
        let name = "kong_memory_lua_shared_dict_total_bytes";
        add(name, "gauge", "Total capacity in bytes of a shared_dict", &labels, most);
    }
    let Some(node) = facts.node else { return };
    let name = "kong_memory_workers_lua_vms_bytes";
    let labels = format!("node_id=\"{node_id}\",pid=\"{pid}\",kong_subsystem=\"http\"");
    add(name, "gauge", "Allocated bytes in worker Lua VM", &labels, node.heap_bytes);
    let labels = format!("node_id=\"{node_id}\",subsystem=\"http\"");
    add("kong_nginx_requests_total", "gauge", "Number of requests total", &labels, node.requests);
    let writing = node.active.min(node.open_requests);
    for (state, value) in [
        ("accepted", node.accepted),
        ("active", node.active),
        ("handled", node.accepted),
        ("reading", 0),
        ("total", node.requests),
        ("waiting", node.active - writing),
        ("writing", writing),
    ] {
        let labels = format!("{labels},state=\"{state}\"");
        add("kong_nginx_connections_total", "gauge", "Number of connections by subsystem", &labels, value);
        if facts.has_old {
            let labels = format!("state=\"{state}\"");
            add("kong_nginx_http_current_connections", "gauge", "Number of HTTP connections", &labels, value);
        }
    }
}

fn health(facts: &Facts<'_>, families: &mut Families) {
    let name = "kong_upstream_target_health";
    let help = "Health status of targets of upstream. \
        States = healthchecks_off|healthy|unhealthy|dns_error, value is 1 when state is populated.";
    for ((upstream, is_watched), targets) in &facts.healths {
        let upstream = escaped(upstream);
        for (target, is_healthy) in *targets {
            let now = match (is_watched, is_healthy) {
                (false, _) => "healthchecks_off",
                (true, true) => "healthy",
                (true, false) => "unhealthy",
            };
            for state in ["dns_error", "healthchecks_off", "healthy", "unhealthy"] {
                let labels = format!(
                    "upstream=\"{upstream}\",target=\"{target}\",address=\"{target}\",state=\"{state}\",subsystem=\"http\""
                );
                family(families, name, "gauge", help).push(name, &labels, u64::from(state == now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::store::{MOST_BYTES, Seen, Store, Wanted};
    use std::collections::HashSet;

    fn groups(wanted: Wanted) -> Vec<Group> {
        let store = Store::new(MOST_BYTES);
        let seen = Seen {
            service: "shop.web.80",
            route: "shop.\"web\".web..80",
            consumer: "",
            code: 200,
            by_service: true,
            request_bytes: 10,
            response_bytes: 0,
            request_ms: 30,
            kong_ms: 3,
            upstream_ms: Some(27),
        };
        store.record(&seen, wanted);
        let refused = Seen { code: 401, by_service: false, upstream_ms: None, ..seen };
        store.record(&Seen { consumer: "a\\b\nc", ..refused }, wanted);
        store.all(&HashSet::new())
    }

    fn lines<'a>(text: &'a str, family: &str) -> Vec<&'a str> {
        text.lines().filter(|line| line.starts_with(family)).collect()
    }

    #[test]
    fn families_stand_in_order_with_help_and_type() {
        let groups = groups(Wanted { status: true, latency: true, bandwidth: true, old: false });
        let text = page(&Facts { groups: &groups, node: Some(Node::default()), ..Facts::default() });
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.is_sorted() && names.contains(&"kong_kong_latency_ms histogram"), "{names:?}");
        assert_eq!(names.len(), text.lines().filter(|line| line.starts_with("# HELP ")).count());
    }

    #[test]
    fn labels_stand_in_kongs_order_and_are_escaped() {
        let groups = groups(Wanted { status: true, bandwidth: true, ..Wanted::default() });
        let text = page(&Facts { groups: &groups, ..Facts::default() });
        let route = r#"service="shop.web.80",route="shop.\"web\".web..80""#;
        assert_eq!(
            lines(&text, "kong_http_requests_total"),
            [
                format!(
                    "kong_http_requests_total{{{route},code=\"200\",source=\"service\",workspace=\"default\",consumer=\"\"}} 1"
                ),
                format!(
                    "kong_http_requests_total{{{route},code=\"401\",source=\"kong\",workspace=\"default\",consumer=\"a\\\\b\\nc\"}} 1"
                ),
            ]
        );
        assert_eq!(lines(&text, "kong_bandwidth_bytes").len(), 2);
        assert!(lines(&text, "kong_kong_latency_ms").is_empty());
    }

    #[test]
    fn empty_buckets_are_left_out() {
        let groups = groups(Wanted { latency: true, ..Wanted::default() });
        let text = page(&Facts { groups: &groups, ..Facts::default() });
        let shown = lines(&text, "kong_upstream_latency_ms_bucket");
        assert!(shown[0].ends_with("le=\"50\"} 1"), "{shown:?}");
        assert!(shown[shown.len() - 1].ends_with("le=\"+Inf\"} 1"));
        assert!(lines(&text, "kong_request_latency_ms_sum")[0].ends_with(" 60"));
    }

    #[test]
    fn the_older_kong_has_its_families_too() {
        let groups = groups(Wanted { status: true, latency: true, bandwidth: true, old: true });
        let facts = Facts { groups: &groups, has_old: true, node: Some(Node::default()), ..Facts::default() };
        let text = page(&facts);
        assert_eq!(lines(&text, "kong_http_status{").len(), 2);
        let first = lines(&text, "kong_latency_bucket{type=\"kong\"")[0];
        assert!(first.ends_with("le=\"00005.0\"} 2"), "{first}");
        assert_eq!(lines(&text, "kong_nginx_http_current_connections{").len(), 7);
        assert_eq!(lines(&text, "kong_http_consumer_status{").len(), 1);
    }

    #[test]
    fn a_target_has_one_state() {
        let targets = [("192.0.2.1:80".into(), true), ("192.0.2.2:80".into(), false)];
        for (is_watched, expected) in [(false, ["healthchecks_off"; 2]), (true, ["healthy", "unhealthy"])] {
            let healths = BTreeMap::from([(("web.shop.80.svc", is_watched), &targets[..])]);
            let text = page(&Facts { healths, ..Facts::default() });
            let populated: Vec<_> =
                lines(&text, "kong_upstream_target_health").into_iter().filter(|line| line.ends_with(" 1")).collect();
            assert_eq!(populated.len(), 2);
            for (line, state) in populated.iter().zip(expected) {
                assert!(line.contains(&format!("state=\"{state}\"")), "{line}");
            }
        }
    }
}
