//! The early header mutation `incoming`: runs on every request before Envoy's own treatment and chooses its route.
//!
//! Envoy asks for the choice while it looks through its own table: for the entry, which says how to treat the request, and
//! for the cluster. The filter `gateway` gets it by hand. Headers that are ours never get through from a client.

use crate::client_certificate;
use crate::path;
use crate::request::{host_without_port, names_host};
use crate::router::Entry;
use crate::router::{Query, Scheme};
use crate::stream::HeaderList;
use crate::tables::{Route, World};
use crate::text::Text;
use serde::Deserialize;
use std::sync::Arc;

pub trait IncomingHeaders {
    /// All headers, names in lower case.
    fn all(&self) -> HeaderList<'_>;
    /// The server name that the client asked for in the TLS handshake.
    fn server_name(&self) -> Option<&[u8]>;
    fn set(&mut self, name: &[u8], value: &[u8]);
    fn remove(&mut self, name: &[u8]);
}

/// The cluster that takes the request, where it goes into a mesh.
pub const CLUSTER: &[u8] = b"x-crossfade-cluster";
/// Which routes of the mesh carry it there.
pub const ACTION: &[u8] = b"x-crossfade-action";

/// Marks the twin of an action that asks each target by the target's own name.
const NAMELESS: &[u8] = b"~";

/// Marks the twin of an action that sends once more what an upstream may have seen.
const AGAIN: &[u8] = b"+";

/// `Host` in lower case, by which the routes of a mesh are found.
pub const MESH_HOST: &[u8] = b"x-crossfade-mesh-host";

/// Names that are ours: whatever a client sends under them goes no further.
pub fn is_internal(name: &[u8]) -> bool {
    name.starts_with(b"x-crossfade-")
}

/// By which of the gateway's listeners a request came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Listener {
    pub scheme: Scheme,
    pub port: u16,
}

/// What was decided before any filter ran. It keeps the state of all tables: a request ends in the one it began in.
pub struct Choice {
    pub world: Arc<World>,
    /// None: no route matches.
    pub entry: Option<Arc<Entry<Arc<Route>>>>,
    /// `Connection`, which Envoy drops, where it names headers that must not travel on.
    pub connection: Option<Vec<u8>>,
    pub listener: Listener,
    /// In HTTP/1.0 a `Host` may be missing, and an empty one names nothing.
    pub names_host: bool,
    /// Envoy's route sends it once more where its upstream, which may have seen it, gives no answer.
    pub is_sent_again: bool,
    /// `X-Forwarded-Proto`, which Envoy replaces, where some peers are trusted.
    pub forwarded_proto: Option<Text>,
}

/// Chooses the route. First of all, and whatever follows, forged headers go.
pub fn mutate(headers: &mut impl IncomingHeaders, world: Option<Arc<World>>, listener: Listener) -> Option<Choice> {
    let all = headers.all();
    // Each look at all of them costs as much as reading them does.
    if !all.iter().any(|(name, _)| *name == b"upgrade" || OWN.contains(name)) {
        return Some(choose(headers, &all, world?, listener));
    }
    drop(all);
    OWN.into_iter().for_each(|name| headers.remove(name));
    settle_upgrade(headers);
    Some(choose(headers, &headers.all(), world?, listener))
}

impl Choice {
    /// The entry of Envoy's table; None where there is no route, or none of its backends.
    pub fn action(&self) -> Option<Text> {
        let route = &self.entry.as_ref()?.target;
        if route.backends.is_empty() {
            return None;
        }
        let mut action = Text::from_slice(route.action.as_bytes());
        action.extend_from_slice(if self.is_sent_again { AGAIN } else { b"" });
        action.extend_from_slice(if self.names_host { b"" } else { NAMELESS });
        Some(action)
    }

    pub fn cluster(&self) -> Option<&str> {
        self.entry.as_ref()?.target.pick_cluster()
    }
}

/// Kong upgrades to WebSocket, whatever `Connection` says, and to nothing else. Envoy would refuse the request.
fn settle_upgrade(headers: &mut impl IncomingHeaders) {
    let (asked, connection) = {
        let all = headers.all();
        let value = |name: &[u8]| all.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        let Some(asked) = value(b"upgrade") else { return };
        let names_it = |value: &[u8]| parts(value).any(|name| name.eq_ignore_ascii_case(b"upgrade"));
        let connection = value(b"connection").unwrap_or_default();
        (is_websocket(asked), if names_it(connection) { None } else { Some([connection, b", upgrade"].concat()) })
    };
    match connection {
        _ if !asked => headers.remove(b"upgrade"),
        Some(connection) => headers.set(b"connection", connection.strip_prefix(b", ").unwrap_or(&connection)),
        None => (),
    }
}

pub fn is_websocket(upgrade: &[u8]) -> bool {
    upgrade.eq_ignore_ascii_case(b"websocket")
}

/// What a client must not say.
const OWN: [&[u8]; 3] = [CLUSTER, ACTION, client_certificate::HEADER.as_bytes()];

fn choose(headers: &impl IncomingHeaders, all: &HeaderList<'_>, world: Arc<World>, listener: Listener) -> Choice {
    let value = |name: &[u8]| all.iter().find(|(other, _)| *other == name).map_or(&b""[..], |(_, value)| *value);
    let connection = value(b"connection");
    let connection = named_in(connection).next().map(|_| connection.to_vec());
    // A bad path has no route; the filter `gateway` answers it.
    let path = path::normalise(path::split_query(value(b":path")).0);
    let entry = path.ok().and_then(|path| {
        let query = Query {
            scheme: listener.scheme,
            host: host_without_port(value(b":authority")),
            path: &path,
            method: value(b":method"),
            sni: if listener.scheme == Scheme::Https { headers.server_name() } else { None },
            headers: all,
        };
        world.router.choose(&query).cloned()
    });
    let forwarded_proto = (!world.settings.trusted.is_empty()).then(|| first_line(all, b"x-forwarded-proto")).flatten();
    let names_host = names_host(value(b":authority"));
    let may_be_again = |entry: &Arc<Entry<Arc<Route>>>| entry.target.service.may_send_again(value(b":method"));
    let is_sent_again = world.keeps_methods && entry.as_ref().is_some_and(may_be_again);
    Choice { entry, connection, listener, names_host, is_sent_again, forwarded_proto, world }
}

/// The first of several lines of one name. Envoy joins some with a comma alone; in a list that a client wrote a space
/// follows.
fn first_line(headers: &HeaderList<'_>, name: &[u8]) -> Option<Text> {
    let (_, value) = headers.iter().find(|(other, _)| *other == name)?;
    let end = value.windows(2).position(|pair| pair[0] == b',' && pair[1] != b' ').unwrap_or(value.len());
    Some(Text::from_slice(&value[..end]))
}

/// Headers that a `Connection` value names, without those that mean something to the connection itself.
pub fn named_in(connection: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(connection).filter(|name| {
        let is_own = KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        !name.is_empty() && !is_own && !name.starts_with(b":")
    })
}

fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

const KEPT: [&[u8]; 9] = [
    b"keep-alive",
    b"close",
    b"upgrade",
    b"te",
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"http2-settings",
    b"x-forwarded-for",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::world;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    impl IncomingHeaders for BTreeMap<Vec<u8>, Vec<u8>> {
        fn all(&self) -> HeaderList<'_> {
            self.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
        }

        fn server_name(&self) -> Option<&[u8]> {
            None
        }

        fn set(&mut self, name: &[u8], value: &[u8]) {
            self.insert(name.to_vec(), value.to_vec());
        }

        fn remove(&mut self, name: &[u8]) {
            BTreeMap::remove(self, name);
        }
    }

    fn mutated(headers: &[(&str, &str)]) -> (Vec<(String, String)>, Option<Choice>) {
        let mut map: BTreeMap<Vec<u8>, Vec<u8>> =
            headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        let route = json!({"id": "r", "action": "a", "backends": [{"cluster": "c"}], "match": {
            "hosts": ["one.test"], "schemes": ["http"], "paths": [{"rank": "", "kind": "prefix", "text": "/n/a"}]}});
        let choice = mutate(&mut map, Some(world(&json!({"routes": [route]}))), Listener::default());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (map.into_iter().map(|(name, value)| (text(name), text(value))).collect(), choice)
    }

    fn internal(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        let found = headers.iter().filter(|(name, _)| name.starts_with("x-crossfade-"));
        found.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn told(choice: &Choice) -> (Option<String>, Option<&str>) {
        (choice.action().map(|action| String::from_utf8(action.into_vec()).unwrap()), choice.cluster())
    }

    #[test]
    fn envoy_learns_the_choice() {
        let (headers, choice) = mutated(&[(":path", "/n//%61b?x=//%61"), (":authority", "one.test:8000")]);
        let choice = choice.unwrap();
        assert_eq!(told(&choice), (Some("a".to_owned()), Some("c")));
        assert!(internal(&headers).is_empty(), "{headers:?}");
        assert!(headers.contains(&(":path".into(), "/n//%61b?x=//%61".into())), "the target stays as it was sent");
        assert_eq!(&*choice.entry.unwrap().target.id, "r");
    }

    #[test]
    fn a_request_without_a_host_is_sent_to_the_targets_own() {
        let route = json!({"id": "r", "action": "a", "backends": [{"cluster": "c"}], "match": {
            "schemes": ["http"], "paths": [{"rank": "", "kind": "prefix", "text": "/"}]}});
        for (host, action) in [("_", "a~"), ("one.test", "a"), ("_.test", "a"), ("", "a~")] {
            let mut headers =
                BTreeMap::from([(b":path".to_vec(), b"/".to_vec()), (b":authority".to_vec(), host.into())]);
            let choice = mutate(&mut headers, Some(world(&json!({"routes": [route]}))), Listener::default()).unwrap();
            assert_eq!(told(&choice).0.as_deref(), Some(action), "{host}");
        }
    }

    #[test]
    fn what_may_be_sent_twice_is_sent_again() {
        let transformer = |config: Value| json!({"id": "i", "plugin": "request-transformer", "config": config});
        for (method, retries, config, action) in [
            ("GET", true, json!({}), "a+"),
            ("PUT", true, json!({}), "a+"),
            ("POST", true, json!({}), "a"),
            ("PATCH", true, json!({}), "a"),
            ("GET", false, json!({}), "a"),
            ("GET", true, json!({"http_method": "POST"}), "a"),
        ] {
            let route = json!({"id": "r", "action": "a", "backends": [{"cluster": "c"}],
                "service": {"retry_idempotent": retries},
                "match": {"schemes": ["http"], "paths": [{"rank": "", "kind": "prefix", "text": "/"}]}});
            let mut headers = BTreeMap::from(
                [(":path", "/"), (":authority", "one.test"), (":method", method)]
                    .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())),
            );
            let world = world(&json!({"routes": [route], "instances": [transformer(config)]}));
            let choice = mutate(&mut headers, Some(world), Listener::default()).unwrap();
            assert_eq!(told(&choice).0.as_deref(), Some(action), "{method} {retries}");
            assert_eq!(choice.is_sent_again, action == "a+");
        }
    }

    #[test]
    fn websocket_is_the_only_upgrade() {
        for (upgrade, connection, kept) in [
            ("websocket", None, Some("upgrade")),
            ("WebSocket", Some("keep-alive"), Some("keep-alive, upgrade")),
            ("websocket", Some("keep-alive, Upgrade"), Some("keep-alive, Upgrade")),
            ("h2c", Some("Upgrade"), None),
            ("", None, None),
        ] {
            let connection = connection.map(|value| ("connection", value));
            let (headers, _) = mutated(&[&[("upgrade", upgrade)][..], connection.as_slice()].concat());
            let found = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
            assert_eq!(found("upgrade"), kept.map(|_| upgrade), "{upgrade}");
            assert!(kept.is_none() || found("connection") == kept, "{upgrade}: {headers:?}");
        }
    }

    #[test]
    fn a_client_cannot_choose_by_itself() {
        for (path, expected) in [("/n/a", (Some("a".to_owned()), Some("c"))), ("/", (None, None))] {
            let forged =
                [("x-crossfade-cluster", "evil"), ("x-crossfade-action", "evil"), ("x-forwarded-client-cert", "evil")];
            let (headers, choice) = mutated(&[&[(":path", path), (":authority", "one.test")][..], &forged].concat());
            assert!(internal(&headers).is_empty(), "{headers:?}");
            assert!(!headers.iter().any(|(name, _)| name == "x-forwarded-client-cert"));
            assert_eq!(told(&choice.unwrap()), expected);
        }
    }

    #[test]
    fn named_hop_by_hop_headers_stay_known() {
        for (connection, named) in [
            ("keep-alive, X-Hop", vec!["X-Hop"]),
            ("close", vec![]),
            ("Upgrade, HTTP2-Settings", vec![]),
            ("x-a,x-b , X-Forwarded-For", vec!["x-a", "x-b"]),
            (":path, ", vec![]),
        ] {
            let names: Vec<_> = named_in(connection.as_bytes()).collect();
            assert_eq!(names, named.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(), "{connection}");
            let (_, choice) = mutated(&[("connection", connection)]);
            assert_eq!(choice.unwrap().connection.is_some(), !named.is_empty(), "{connection}");
        }
    }
}
