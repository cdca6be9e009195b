//! What only Envoy knows, asked of its admin interface on loopback: connections, memory, the health of endpoints.

use crate::http_call::{self, Target};
use crate::net::Endpoint;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const LONGEST: usize = 64 * 1024 * 1024;
const STATS: &str = "/stats?format=json&filter=\
    ^(server\\.memory_allocated|http\\..*\\.downstream_(cx_total|cx_active|rq_total|rq_active))$";
/// Envoy's own interfaces do not count.
const OWN: [&str; 4] = ["http.admin.", "http.async-client.", "http.gateway_", "http.crossfade_"];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub accepted: u64,
    pub active: u64,
    pub requests: u64,
    pub open_requests: u64,
    pub heap_bytes: u64,
}

/// Endpoints (`address:port`) and whether they are sent to, by cluster.
pub type Healths = BTreeMap<Box<str>, Vec<(Box<str>, bool)>>;

#[derive(Clone, Copy, Debug)]
pub struct Admin {
    pub port: u16,
}

impl Admin {
    pub fn node(self, deadline: Instant) -> Option<Node> {
        node_of(&self.get(STATS, deadline)?)
    }

    pub fn healths(self, deadline: Instant) -> Option<Healths> {
        healths_of(&self.get("/clusters?format=json", deadline)?)
    }

    /// Envoy's own page for Prometheus.
    pub fn statistics(self, deadline: Instant) -> Option<Vec<u8>> {
        self.get("/stats/prometheus?usedonly", deadline)
    }

    /// Requests to nodes of a mesh, which an access log counts (`envoy/telemetry/counted.py`).
    pub fn calls(self, deadline: Instant) -> Option<Vec<u8>> {
        self.get("/stats/prometheus?filter=crossfade%5B._%5Drequest&usedonly", deadline)
    }

    fn get(self, path: &str, deadline: Instant) -> Option<Vec<u8>> {
        let endpoint = Endpoint { host: "127.0.0.1".into(), port: self.port, tls: None };
        let target = Target { endpoint, keepalive: Duration::ZERO };
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        let answer = http_call::call(&target, request.as_bytes(), LONGEST, deadline).ok()?;
        (answer.status == 200).then_some(answer.body)
    }
}

#[derive(Deserialize)]
struct Stats {
    stats: Vec<Stat>,
}

#[derive(Deserialize)]
struct Stat {
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: u64,
}

fn node_of(body: &[u8]) -> Option<Node> {
    let mut node = Node::default();
    for Stat { name, value } in serde_json::from_slice::<Stats>(body).ok()?.stats {
        if name == "server.memory_allocated" {
            node.heap_bytes = value;
        } else if !OWN.iter().any(|own| name.starts_with(own)) {
            let sum = match name.rsplit('.').next() {
                Some("downstream_cx_total") => &mut node.accepted,
                Some("downstream_cx_active") => &mut node.active,
                Some("downstream_rq_total") => &mut node.requests,
                Some("downstream_rq_active") => &mut node.open_requests,
                _ => continue,
            };
            *sum = sum.saturating_add(value);
        }
    }
    Some(node)
}

#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    name: Box<str>,
    #[serde(default)]
    host_statuses: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    address: Address,
    #[serde(default)]
    health_status: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Address {
    socket_address: Option<Socket>,
}

#[derive(Deserialize)]
struct Socket {
    address: String,
    port_value: u16,
}

fn healths_of(body: &[u8]) -> Option<Healths> {
    let clusters: Clusters = serde_json::from_slice(body).ok()?;
    let each = clusters.cluster_statuses.into_iter();
    Some(each.map(|cluster| (cluster.name, cluster.host_statuses.iter().filter_map(health_of).collect())).collect())
}

fn health_of(host: &Host) -> Option<(Box<str>, bool)> {
    let Socket { address, port_value } = host.address.socket_address.as_ref()?;
    let name =
        if address.contains(':') { format!("[{address}]:{port_value}") } else { format!("{address}:{port_value}") };
    let has_failed =
        host.health_status.iter().any(|(name, value)| name.starts_with("failed_") && value.as_bool() == Some(true));
    let told = host.health_status.get("eds_health_status").and_then(serde_json::Value::as_str);
    Some((name.into(), !has_failed && matches!(told, None | Some("HEALTHY" | "UNKNOWN"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_those_of_clients() {
        let body = br#"{"stats": [
            {"name": "server.memory_allocated", "value": 7},
            {"name": "http.http.downstream_cx_total", "value": 3}, {"name": "http.https.downstream_cx_total", "value": 4},
            {"name": "http.admin.downstream_cx_total", "value": 9}, {"name": "http.http.downstream_cx_active", "value": 2},
            {"name": "http.http.downstream_rq_total", "value": 5}, {"name": "http.http.downstream_rq_active", "value": 1},
            {"name": "http.crossfade_status.downstream_rq_total", "value": 8}, {"histograms": {}}]}"#;
        let expected = Node { accepted: 7, active: 2, requests: 5, open_requests: 1, heap_bytes: 7 };
        assert_eq!(node_of(body), Some(expected));
        assert_eq!(node_of(b"{"), None);
    }

    #[test]
    fn who_failed_a_check_or_is_said_to_be_ill_is_not_healthy() {
        let body = br#"{"cluster_statuses": [{"name": "c", "host_statuses": [
            {"address": {"socket_address": {"address": "192.0.2.1", "port_value": 80}}},
            {"address": {"socket_address": {"address": "2001:db8::1", "port_value": 80}},
             "health_status": {"eds_health_status": "HEALTHY", "failed_active_health_check": true}},
            {"address": {"socket_address": {"address": "192.0.2.2", "port_value": 80}},
             "health_status": {"eds_health_status": "DRAINING"}},
            {"address": {"pipe": {"path": "/p"}}}]}, {"name": "empty"}]}"#;
        let healths = healths_of(body).unwrap();
        let expected = [("192.0.2.1:80", true), ("[2001:db8::1]:80", false), ("192.0.2.2:80", false)];
        assert_eq!(healths["c"].iter().map(|(name, is)| (&**name, *is)).collect::<Vec<_>>(), expected);
        assert!(healths["empty"].is_empty());
    }
}
