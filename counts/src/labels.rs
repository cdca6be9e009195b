//! Under which labels a request counts.

use crate::flags;
use std::str;

pub const COUNTER: &str = "envoy_crossfade_requests_total";
pub const COUNTER_LABELS: [&str; 8] =
    ["reporter", "source", "source_namespace", "service", "target", "target_namespace", "code_class", "flags"];
pub const HISTOGRAM: &str = "envoy_crossfade_request_duration_milliseconds";
pub const HISTOGRAM_LABELS: [&str; 4] = ["reporter", "source", "service", "target"];

/// App Mesh's name of connections to a node that are open.
pub const OPEN_CONNECTIONS: &str = "envoy_appmesh_ActiveConnectionCount";
pub const OPEN_CONNECTIONS_LABELS: [&str; 2] = ["Mesh", "VirtualNode"];

const UNKNOWN: &str = "unknown";
/// Of a cluster that is no node's.
const NOBODY: &str = "";
const CLUSTERS_OF_NODES: &str = "cds_egress_";
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Which side of a request the proxy is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Caller,
    /// A caller too; what no route of the mesh has taken does not count.
    Gateway,
    Callee,
}

impl Side {
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"caller" => Some(Self::Caller),
            b"gateway" => Some(Self::Gateway),
            b"callee" => Some(Self::Callee),
            _ => None,
        }
    }
}

/// The proxy's own virtual node or gateway.
#[derive(Clone, Debug)]
pub struct Own {
    pub name: String,
    pub namespace: String,
}

/// What Envoy tells of a request that has ended. At the callee's side cluster and route do not matter.
#[derive(Clone, Copy, Default)]
pub struct Ended<'a> {
    pub cluster: &'a [u8],
    /// `<service>/<name>`.
    pub route: &'a [u8],
    /// 0: no answer.
    pub code: u32,
    pub flags: u64,
}

/// No route of the virtual host fits.
const NO_ROUTE: u64 = 1 << 8;

impl<'a> Ended<'a> {
    /// At a caller's side another log knows whose virtual host it was, and counts it.
    pub fn counts_at(&self, side: Side) -> bool {
        match side {
            Side::Caller => self.flags & NO_ROUTE == 0,
            Side::Gateway => !self.service().is_empty(),
            Side::Callee => true,
        }
    }

    /// Empty where no route of the mesh has taken it.
    pub fn service(&self) -> &'a [u8] {
        let end = self.route.iter().position(|byte| *byte == b'/');
        end.map_or(&[], |end| &self.route[..end])
    }

    /// An index of the classes of statuses. There are statuses above 599, which are errors to whoever reads them.
    pub fn class(&self) -> u8 {
        let mut first = self.code;
        while first >= 10 {
            first /= 10;
        }
        first.min(5) as u8
    }
}

/// Values of `COUNTER_LABELS` and `HISTOGRAM_LABELS`.
#[derive(Debug, PartialEq, Eq)]
pub struct Labels {
    pub counter: [String; 8],
    pub histogram: [String; 4],
}

pub fn labels(side: Side, own: &Own, ended: &Ended) -> Labels {
    let service = String::from_utf8_lossy(ended.service()).into_owned();
    let (reporter, source, service, target) = match side {
        Side::Callee => ("destination", (UNKNOWN, UNKNOWN), UNKNOWN.to_owned(), (&*own.name, &*own.namespace)),
        Side::Caller | Side::Gateway => ("source", (&*own.name, &*own.namespace), service, node_of(ended.cluster)),
    };
    let class = CLASSES[usize::from(ended.class())];
    let texts = [reporter, source.0, source.1, &service, target.0, target.1, class, &flags::text(ended.flags)];
    Labels { counter: texts.map(str::to_owned), histogram: [reporter, source.0, &service, target.0].map(str::to_owned) }
}

/// Name and namespace of the virtual node behind `cds_egress_<mesh>_<name>_<namespace>_<protocol>_<port>`: only a mesh's
/// own name may have an underscore in it. The control plane has no proxy count here that may ask others.
fn node_of(cluster: &[u8]) -> (&str, &str) {
    found_node(cluster).unwrap_or((NOBODY, NOBODY))
}

fn found_node(cluster: &[u8]) -> Option<(&str, &str)> {
    let rest = str::from_utf8(cluster).ok()?.strip_prefix(CLUSTERS_OF_NODES)?;
    let mut parts = rest.rsplitn(5, '_');
    let (port, _protocol) = (parts.next()?, parts.next()?);
    let (namespace, name, _mesh) = (parts.next()?, parts.next()?, parts.next()?);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then_some((name, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        Own { name: "dj".to_owned(), namespace: "prod".to_owned() }
    }

    #[test]
    fn callers_say_whom_they_ask() {
        let ended =
            Ended { cluster: b"cds_egress_m_jazz-v1_music_http_9080", route: b"jazz.music/95 %", code: 200, flags: 0 };
        let found = labels(Side::Caller, &own(), &ended);
        assert_eq!(found.counter, ["source", "dj", "prod", "jazz.music", "jazz-v1", "music", "2xx", "-"]);
        assert_eq!(found.histogram, ["source", "dj", "jazz.music", "jazz-v1"]);
    }

    #[test]
    fn callees_know_nobody_but_themselves() {
        let found = labels(Side::Callee, &own(), &Ended { code: 0, flags: 1 << 14, ..Ended::default() });
        assert_eq!(found.counter, ["destination", "unknown", "unknown", "unknown", "dj", "prod", "none", "DC"]);
        assert_eq!(found.histogram, ["destination", "unknown", "unknown", "dj"]);
    }

    #[test]
    fn nodes_are_found_in_the_names_of_clusters() {
        let cases = [
            ("cds_egress_m_jazz_music_grpc_9080", ("jazz", "music")),
            ("cds_egress_a_mesh_jazz_music_http2_1", ("jazz", "music")),
            ("cds_egress_m_mesh-allow-all", ("", "")),
            ("cds_egress_a_b_c_mesh-allow-all_http2", ("", "")),
            ("cds_egress_a_b_c_d_unresolved", ("", "")),
            ("cds_egress_m_domain:example.com:443", ("", "")),
            ("cds_egress_jazz_music_http_9080", ("", "")),
            ("cds_ingress_m_jazz_music_http_9080", ("", "")),
            ("", ("", "")),
        ];
        for (cluster, expected) in cases {
            assert_eq!(node_of(cluster.as_bytes()), expected, "{cluster}");
        }
    }

    #[test]
    fn what_others_count_or_nobody_does_not_count_here() {
        let routed = Ended { route: b"s/r", ..Ended::default() };
        let unrouted = Ended { flags: NO_ROUTE, ..Ended::default() };
        for (side, expected) in
            [(Side::Caller, [true, false, true]), (Side::Gateway, [true, false, false]), (Side::Callee, [true; 3])]
        {
            assert_eq!([routed, unrouted, Ended::default()].map(|one| one.counts_at(side)), expected);
        }
    }

    #[test]
    fn routes_begin_with_their_service() {
        for (route, expected) in [("jazz.music/a/b", "jazz.music"), ("jazz", ""), ("", ""), ("/jazz", "")] {
            assert_eq!(Ended { route: route.as_bytes(), ..Ended::default() }.service(), expected.as_bytes());
        }
    }

    #[test]
    fn statuses_count_by_their_first_digit() {
        for (code, expected) in [(0, "none"), (101, "1xx"), (299, "2xx"), (404, "4xx"), (504, "5xx"), (999, "5xx")] {
            assert_eq!(CLASSES[usize::from(Ended { code, ..Ended::default() }.class())], expected);
        }
    }
}
