//! What the upstream gets: path, forwarding headers, and what is taken away (kong.md §3.4 and §3.8).

use crate::client::Client;
use crate::client_certificate;
use crate::incoming;
use crate::path;
use crate::request::{Request, names_grpc, told_host};
use crate::router::PathPattern;
use crate::stream::NameHints;
use crate::tables::{Compat, IdentityHeaders, Route, Settings};
use crate::text::{Text, decimal};
use std::borrow::Cow;

/// A header to write.
#[derive(Debug)]
pub struct Change {
    pub name: Cow<'static, str>,
    pub value: Text,
    /// Further lines of the same name.
    pub more: Vec<Text>,
    /// The request has not had it: Envoy need not look for old values.
    pub is_new: bool,
}

/// What a body of unknown length may have, and how a longer one is refused.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    pub bytes: u64,
    pub status: u16,
    pub message: &'static str,
}

/// Changes to the request, collected while it is read and applied afterwards.
#[derive(Debug, Default)]
pub struct Changes {
    pub set: Vec<Change>,
    pub remove: Vec<Cow<'static, str>>,
    /// In place of what the route makes of the request's path; not yet escaped.
    pub path: Option<Vec<u8>>,
    /// In place of the request's own.
    pub query: Option<Vec<u8>>,
    /// No query goes on, nor the mark of one.
    pub drops_query: bool,
    pub body: Option<Vec<u8>>,
    /// Kept while the body goes by.
    pub body_limit: Option<BodyLimit>,
    /// How many of `set` may be written once more; None: all of them.
    rewritable: Option<usize>,
}

impl Changes {
    pub fn new() -> Self {
        Self { set: Vec::with_capacity(24), ..Self::default() }
    }

    /// From now on no name is written twice: one is looked for only among those that are written already.
    fn write_each_once(&mut self) {
        self.rewritable = Some(self.set.len());
    }

    /// Puts one value in place of all under a lower-case name; the last call for a name counts.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) {
        self.put(name.into(), Text::from_slice(value.as_ref()), Vec::new());
    }

    /// Puts a line for each value in place of all under a lower-case name; without a value the header goes.
    pub fn replace(&mut self, name: impl Into<Cow<'static, str>>, values: Vec<Text>) {
        let mut values = values.into_iter();
        match values.next() {
            Some(first) => self.put(name.into(), first, values.collect()),
            None => self.remove(name),
        }
    }

    fn put(&mut self, name: Cow<'static, str>, value: Text, more: Vec<Text>) {
        let rewritable = self.rewritable.unwrap_or(usize::MAX);
        match self.set.iter_mut().take(rewritable).find(|change| change.name == name) {
            Some(change) => (change.value, change.more) = (value, more),
            None => self.set.push(Change { name, value, more, is_new: true }),
        }
    }

    pub fn remove(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        self.set.retain(|change| change.name != name);
        self.remove.push(name);
    }

    /// What has been written to a header: a value, or nothing in its place. None while it is as it came.
    pub fn written(&self, name: &str) -> Option<Option<&[u8]>> {
        let set = self.set.iter().find(|change| change.name == name);
        let removed = || self.remove.iter().any(|removed| removed == name).then_some(None);
        set.map(|change| Some(change.value.as_slice())).or_else(removed)
    }

    /// Drops what changes nothing and tells additions from replacements; each saves a search in Envoy.
    pub fn settle(&mut self, request: &Request<'_>) {
        let sent = NameHints::of(&request.headers);
        self.remove.retain(|name| {
            (sent.may_have(name.as_bytes()) && request.header(name.as_bytes()).is_some())
                || (name == client_certificate::HEADER && request.certificate.is_some())
        });
        let removed = &self.remove;
        self.set.retain_mut(|change| {
            if !sent.may_have(change.name.as_bytes()) {
                return true;
            }
            let mut present = request.headers.iter().filter(|(name, _)| *name == change.name.as_bytes());
            let Some((name, value)) = present.next() else { return true };
            change.is_new = false;
            // What is removed first has to be written again.
            *value != change.value.as_slice()
                || !change.more.is_empty()
                || present.next().is_some()
                || removed.iter().any(|removed| removed.as_bytes() == *name)
        });
    }
}

/// By which sidecars say to the gateway alone that an answer of theirs stands for a connection that their application has
/// ended or refused: Envoy tries again by it, and no client is told.
pub const MARK: &str = "x-envoy-upstream-healthchecked-cluster";

/// What Envoy takes for WebSocket it answers itself, with an empty body, when the upstream says anything but 101. The
/// space, which is no part of the value, hides it.
const WEBSOCKET: &str = "websocket ";

const REMOVED: [&str; 4] = ["proxy", "proxy-connection", "keep-alive", "expect"];

const IDENTITY_PREFIXES: [&[u8]; 2] = [b"x-consumer-", b"x-credential-"];
const IDENTITY: [&[u8]; 3] = [b"x-anonymous-consumer", b"x-client-cert-dn", b"x-client-cert-san"];

/// Takes away what only an authentication plugin may say, before any plugin reads it.
pub fn strip_identity(settings: &Settings, request: &Request<'_>, changes: &mut Changes) {
    if settings.identity_headers == IdentityHeaders::Strip {
        let told = request.headers.iter().map(|(name, _)| *name).filter(|name| tells_identity(name));
        changes.remove.extend(told.map(|name| Cow::Owned(String::from_utf8_lossy(name).into_owned())));
    }
}

/// Many backends (CGI, WSGI) read `_` as `-`.
fn tells_identity(name: &[u8]) -> bool {
    let begins_with = |wanted: &[u8]| {
        let is_same = |(byte, wanted): (&u8, &u8)| byte == wanted || (*byte == b'_' && *wanted == b'-');
        name.len() >= wanted.len() && name.iter().zip(wanted).all(is_same)
    };
    IDENTITY_PREFIXES.into_iter().any(begins_with)
        || IDENTITY.into_iter().any(|whole| name.len() == whole.len() && begins_with(whole))
}

/// The way on that was chosen for a request.
pub struct Way<'a> {
    pub settings: &'a Settings,
    pub route: &'a Route,
    /// What the route's path matched by.
    pub pattern: &'a PathPattern,
    /// `Connection` as the client sent it, where it names headers that must not travel on.
    pub connection: Option<&'a [u8]>,
    /// Envoy's route knows already that it may be.
    pub is_sent_again: bool,
    pub client: &'a Client<'a>,
}

/// Adds path and forwarding headers to what the plugins have changed.
pub fn prepare(way: &Way<'_>, request: &Request<'_>, changes: &mut Changes) {
    let Way { settings, route, client, .. } = *way;
    changes.write_each_once();
    let path = request.path.as_deref().unwrap_or(b"/");
    let prefix = &path[..way.pattern.matched(path).unwrap_or_default()];
    set_path(route, request, path, prefix, changes);
    if let Some(host) = &route.host {
        changes.set(":authority", host.as_bytes());
    }
    let told = request.header(b"x-forwarded-for").filter(|value| !value.is_empty());
    match told {
        Some(told) => changes.set("x-forwarded-for", [told, b", ", client.peer.as_bytes()].concat()),
        None => changes.set("x-forwarded-for", &*client.address),
    }
    changes.set("x-real-ip", &*client.address);
    tell_origin(way, request, prefix, changes);
    if settings.compat == Compat::Kong3 {
        changes.set("via", request_via(request, &settings.server_token));
    }
    take_away(settings, request, changes);
    remove_named(way.connection, changes);
    let method = changes.written(":method").flatten().unwrap_or(request.method);
    if !way.is_sent_again && route.service.may_send_again(method) {
        changes.set("x-envoy-retry-on", "reset");
        changes.set("x-envoy-retriable-header-names", MARK);
    }
    // Kong's upstream connections are HTTP/1.1, except for gRPC.
    if is_websocket(request) {
        changes.set("connection", "keep-alive, Upgrade");
        changes.set("upgrade", WEBSOCKET);
    } else if !becomes_grpc(request, changes) {
        changes.set("connection", "keep-alive");
    }
}

/// Scheme, host, port and path as the client sees them: what a trusted peer says, or what the gateway knows.
fn tell_origin(way: &Way<'_>, request: &Request<'_>, prefix: &[u8], changes: &mut Changes) {
    let Way { settings, route, client, .. } = *way;
    let mut tell = |name: &'static str, own: &dyn Fn() -> Text| match client.told(request, name) {
        // An empty header is none to nginx.
        Some(b"") => changes.remove(name),
        Some(told) => changes.set(name, told),
        None => changes.set(name, own()),
    };
    tell("x-forwarded-proto", &|| Text::from_slice(if request.is_tls { b"https" } else { b"http" }));
    tell("x-forwarded-host", &|| told_host(request.authority));
    tell("x-forwarded-port", &|| decimal(settings.public_port(request.local_port).into()));
    if settings.compat == Compat::Kong3 {
        tell("x-forwarded-path", &|| Text::from_slice(request.sent_path));
    }
    match client.told(request, "x-forwarded-prefix") {
        Some(told) if !told.is_empty() => (),
        None if route.strip_path && !prefix.is_empty() && prefix != b"/" => {
            changes.set("x-forwarded-prefix", path::escape(prefix));
        }
        _ if request.header(b"x-forwarded-prefix").is_some() => changes.remove("x-forwarded-prefix"),
        _ => (),
    }
}

/// Where the same request would go over HTTPS: the port is dropped, path and query stay as they were sent.
pub fn https_location(client: &Client<'_>, request: &Request<'_>) -> String {
    let told = client.told(request, "x-forwarded-host").filter(|host| !host.is_empty());
    let host = told_host(told.unwrap_or(request.authority));
    let mut location = [b"https://", host.as_slice(), request.sent_path].concat();
    if let Some(query) = request.query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    String::from_utf8_lossy(&location).into_owned()
}

fn set_path(route: &Route, request: &Request<'_>, path: &[u8], prefix: &[u8], changes: &mut Changes) {
    let base = if route.service.path.is_empty() { "/" } else { &route.service.path };
    let upstream = || path::upstream(path, prefix, base.as_bytes(), route.strip_path);
    let mut upstream = changes.path.take().unwrap_or_else(upstream);
    if route.mesh.is_some()
        && let Ok(Cow::Owned(normal)) = path::normalise(&upstream)
    {
        // As a sidecar does it before it looks for a route; what has no normal form the node's own sidecar refuses.
        upstream = normal;
    }
    if let Cow::Owned(escaped) = path::escape(&upstream) {
        upstream = escaped;
    }
    let mut target = upstream;
    let query = changes.query.as_deref().or(request.query);
    if let Some(query) = query.filter(|_| !changes.drops_query) {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    if target != request.target {
        changes.set(":path", target);
    }
}

/// The client's first Via line, then the gateway as it speaks the client's protocol.
fn request_via(request: &Request<'_>, server_token: &str) -> Text {
    let version = match request.protocol.strip_prefix(b"HTTP/").unwrap_or(request.protocol) {
        b"1.0" => b"1",
        other => other,
    };
    let mut via = Text::new();
    if let Some(told) = request.header(b"via").filter(|value| !value.is_empty()) {
        via.extend_from_slice(told);
        via.extend_from_slice(b", ");
    }
    [version, b" ", server_token.as_bytes()].iter().for_each(|part| via.extend_from_slice(part));
    via
}

/// Whether the upstream is asked by gRPC, whatever the client sent.
fn becomes_grpc(request: &Request<'_>, changes: &Changes) -> bool {
    match changes.written("content-type") {
        Some(written) => written.is_some_and(names_grpc),
        None => request.is_grpc(),
    }
}

fn is_websocket(request: &Request<'_>) -> bool {
    request.header(b"upgrade").is_some_and(incoming::is_websocket)
}

fn take_away(settings: &Settings, request: &Request<'_>, changes: &mut Changes) {
    if request.certificate.is_some() {
        changes.remove.push(client_certificate::HEADER.into());
    }
    for (name, value) in &request.headers {
        match *name {
            // What a plugin has written there is for the upstream alone.
            b"te" if changes.written("te").is_none() => keep_trailers(value, changes),
            b"upgrade" if !is_websocket(request) => changes.remove("upgrade"),
            b"proxy-authorization" if settings.compat == Compat::Kong21 => changes.remove("proxy-authorization"),
            // A client must not steer Envoy's router.
            other if other.starts_with(b"x-envoy-") || incoming::is_internal(other) => {
                changes.remove.push(Cow::Owned(String::from_utf8_lossy(other).into_owned()));
            }
            other => {
                if let Some(removed) = REMOVED.iter().find(|removed| removed.as_bytes() == other) {
                    changes.remove(*removed);
                }
            }
        }
    }
}

/// Hop by hop: what `Connection` names goes no further.
fn remove_named(connection: Option<&[u8]>, changes: &mut Changes) {
    for name in connection.into_iter().flat_map(incoming::named_in) {
        changes.remove.push(Cow::Owned(String::from_utf8_lossy(name).to_ascii_lowercase()));
    }
}

fn keep_trailers(value: &[u8], changes: &mut Changes) {
    let wants = value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    if wants {
        changes.set("te", "trailers");
    } else {
        changes.remove("te");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing;
    use serde_json::{Value, json};

    fn settings(extra: Value) -> Settings {
        let mut json = json!({"compat": "kong-3", "server_token": "kong/3.9.1"});
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Settings::parse(&json.to_string()).unwrap()
    }

    fn changed(path: (&str, &str), route: Value, extra: Value, request: &Request<'_>) -> Changes {
        let mut json = json!({"id": "r", "match": {
            "paths": [{"rank": "", "kind": path.0, "text": path.1}], "schemes": ["http"]}});
        json.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
        let entries = Route::parse(&json.to_string()).unwrap();
        let settings = settings(extra);
        let client = Client::of(&settings, request);
        let way = Way {
            settings: &settings,
            route: &entries[0].target,
            pattern: &entries[0].path,
            connection: None,
            is_sent_again: false,
            client: &client,
        };
        let mut changes = Changes::new();
        prepare(&way, request, &mut changes);
        changes
    }

    fn sent(
        path: (&str, &str),
        route: Value,
        extra: Value,
        request: &Request<'_>,
    ) -> std::collections::HashMap<String, String> {
        let text = |bytes: Text| String::from_utf8(bytes.into_vec()).unwrap();
        let changes = changed(path, route, extra, request);
        changes.set.into_iter().map(|change| (change.name.into_owned(), text(change.value))).collect()
    }

    const ROOT: (&str, &str) = ("prefix", "/");

    #[test]
    fn strips_and_tells_the_prefix() {
        let route = json!({"strip_path": true, "service": {"path": "/"}});
        let headers = sent(("prefix", "/s/"), route, json!({}), &testing::request("GET", "/s/x/y?z", &[]));
        assert_eq!(headers[":path"], "/x/y?z");
        assert_eq!(headers["x-forwarded-prefix"], "/s/");
        assert_eq!(headers["x-forwarded-path"], "/s/x/y");
        assert_eq!(headers["via"], "1.1 kong/3.9.1");
    }

    #[test]
    fn regex_prefixes_are_anchored() {
        let route = json!({"strip_path": true});
        let path = ("regex", "/r/(?<id>\\d+)");
        let headers = sent(path, route, json!({}), &testing::request("GET", "/r/12z", &[]));
        assert_eq!((headers[":path"].as_str(), headers["x-forwarded-prefix"].as_str()), ("/z", "/r/12"));
    }

    #[test]
    fn untrusted_values_are_replaced() {
        let headers = [
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-for", "203.0.113.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.test"),
            ("via", "1.1 edge"),
        ];
        let sent = sent(ROOT, json!({}), json!({}), &testing::request("GET", "/h", &headers));
        assert_eq!(sent["x-forwarded-for"], "203.0.113.1, 127.0.0.1");
        assert_eq!(sent["x-forwarded-proto"], "http");
        assert_eq!(sent["x-forwarded-host"], "gw.test");
        assert_eq!(sent["x-forwarded-port"], "8000");
        assert_eq!(sent["via"], "1.1 edge, 1.1 kong/3.9.1");
        assert!(!sent.contains_key(":path"));
    }

    #[test]
    fn trusted_values_stay() {
        let extra = json!({"trusted_ips": ["127.0.0.0/8"], "real_ip_header": "X-Forwarded-For",
                           "port_maps": {"8000": 80}});
        let headers = [("x-forwarded-for", "198.51.100.1, 203.0.113.7"), ("x-forwarded-host", "front.test")];
        let sent = sent(ROOT, json!({}), extra, &testing::request("GET", "/h", &headers));
        assert_eq!(sent["x-real-ip"], "203.0.113.7");
        assert_eq!(sent["x-forwarded-for"], "198.51.100.1, 203.0.113.7, 127.0.0.1");
        assert_eq!(sent["x-forwarded-host"], "front.test");
        assert_eq!(sent["x-forwarded-port"], "80");
    }

    #[test]
    fn empty_trusted_values_are_dropped() {
        let names = ["x-forwarded-host", "x-forwarded-port", "x-forwarded-path"];
        let headers = names.map(|name| (name, ""));
        let mut asked = testing::request("GET", "/h", &headers);
        asked.forwarded_proto = Some(Text::new());
        let changes = changed(ROOT, json!({}), json!({"trusted_ips": ["127.0.0.1"]}), &asked);
        assert_eq!(changes.remove, ["x-forwarded-proto", names[0], names[1], names[2]]);
        assert!(changes.set.iter().all(|change| !change.name.starts_with("x-forwarded-p")));
    }

    #[test]
    fn takes_hop_by_hop_headers_away() {
        let headers = [
            ("proxy", "x"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("proxy-authorization", "Basic x"),
            ("x-envoy-max-retries", "9"),
            ("x-crossfade-cluster", "x"),
        ];
        let changes = changed(ROOT, json!({}), json!({}), &testing::request("GET", "/h", &headers));
        assert_eq!(changes.remove, ["proxy", "keep-alive", "x-envoy-max-retries", "x-crossfade-cluster"]);
        assert!(changes.set.iter().any(|change| change.name == "te" && change.value.as_slice() == b"trailers"));
    }

    #[test]
    fn what_may_be_sent_twice_is_tried_again() {
        for (method, retries, is_retried) in [
            ("GET", true, true),
            ("PUT", true, true),
            ("POST", true, false),
            ("PATCH", true, false),
            ("GET", false, false),
        ] {
            let route = json!({"service": {"retry_idempotent": retries}});
            let sent = sent(ROOT, route, json!({}), &testing::request(method, "/h", &[]));
            let told = ["x-envoy-retry-on", "x-envoy-retriable-header-names"].map(|name| sent.get(name).map(|s| &**s));
            let expected = [Some("reset"), Some(MARK)].map(|value| value.filter(|_| is_retried));
            assert_eq!(told, expected, "{method} {retries}");
        }
    }

    #[test]
    fn identity_is_stripped_however_it_is_written() {
        let names = [
            ("x-consumer-username", true),
            ("x-consumer-groups", true),
            ("x_consumer_id", true),
            ("x-credential_identifier", true),
            ("x-anonymous-consumer", true),
            ("x_anonymous_consumer", true),
            ("x-client-cert-dn", true),
            ("x_client-cert_san", true),
            ("x-client-cert", false),
            ("x-client-cert-dn-2", false),
            ("x-anonymous-consumers", false),
            ("x-consumer", false),
            ("x-consumers-id", false),
            ("x-request-id", false),
        ];
        let headers = names.map(|(name, _)| (name, "root"));
        let request = testing::request("GET", "/h", &headers);
        for (mode, strips) in [("strip", true), ("pass", false)] {
            let mut changes = Changes::default();
            strip_identity(&settings(json!({"identity_headers": mode})), &request, &mut changes);
            let stripped = names.iter().filter(|(_, is_told)| strips && *is_told).map(|(name, _)| *name);
            assert_eq!(changes.remove, stripped.collect::<Vec<_>>(), "{mode}");
        }
    }

    #[test]
    fn only_what_changes_something_is_written() {
        let headers = [("x-a", "1"), ("x-b", "1"), ("x-c", "1"), ("x-c", "1"), ("x-d", "1")];
        let mut changes = Changes::default();
        for (name, value) in [("x-a", "1"), ("x-b", "2"), ("x-c", "1"), ("x-d", "1"), ("x-e", "1")] {
            changes.set(name, value);
        }
        changes.remove.extend(["x-d".into(), "x-f".into()]);
        changes.settle(&testing::request("GET", "/h", &headers));
        let left: Vec<_> = changes.set.iter().map(|change| (&*change.name, change.is_new)).collect();
        assert_eq!(left, [("x-b", false), ("x-c", false), ("x-d", false), ("x-e", true)]);
        assert_eq!(changes.remove, ["x-d"]);
    }

    #[test]
    fn https_locations() {
        let plain = settings(json!({}));
        let trusting = settings(json!({"trusted_ips": ["127.0.0.1/32"]}));
        let headers = [("x-forwarded-host", "Front.test:80")];
        let request = testing::request("GET", "/b/x%20y?q=1&z", &headers);
        let location = |settings, request: &Request<'_>| https_location(&Client::of(settings, request), request);
        assert_eq!(location(&plain, &request), "https://gw.test/b/x%20y?q=1&z");
        assert_eq!(location(&trusting, &request), "https://front.test/b/x%20y?q=1&z");
        assert_eq!(location(&plain, &testing::request("GET", "/z?", &[])), "https://gw.test/z?");
    }
}
