//! The early header mutation `incoming`: runs on every request before Envoy's own treatment and the choice of a route.
//!
//! Routes match the normalised path (kong.md §3.3). What the client sent stays known to the filter `gateway` through two
//! internal headers, which the filter takes away; a client's own headers of those names never get through.

use crate::path;
use crate::stream::HeaderList;

pub trait IncomingHeaders {
    /// All headers, names in lower case.
    fn all(&self) -> HeaderList<'_>;
    fn set(&mut self, name: &[u8], value: &[u8]);
    fn remove(&mut self, name: &[u8]);
}

/// The target as sent, when it is not the one that routes match.
pub const SENT_TARGET: &[u8] = b"x-crossfade-target";
/// The `Connection` header, which Envoy drops, when it names headers that must not travel on.
pub const HOP_BY_HOP: &[u8] = b"x-crossfade-connection";

/// What has to change; empty for most requests.
#[derive(Default)]
struct Changes {
    forged: Vec<&'static [u8]>,
    /// The target as sent and as routes match it.
    target: Option<(Vec<u8>, Vec<u8>)>,
    connection: Option<Vec<u8>>,
}

pub fn mutate(headers: &mut impl IncomingHeaders) {
    let changes = needed(&headers.all());
    for name in changes.forged {
        headers.remove(name);
    }
    if let Some((sent, normal)) = changes.target {
        headers.set(SENT_TARGET, &sent);
        headers.set(b":path", &normal);
    }
    if let Some(connection) = changes.connection {
        headers.set(HOP_BY_HOP, &connection);
    }
}

fn needed(headers: &HeaderList<'_>) -> Changes {
    let mut changes = Changes::default();
    for (name, value) in headers {
        match *name {
            // A bad path stays as it is; the filter `gateway` answers it.
            b":path" => changes.target = normalised(value),
            b"connection" if named_in(value).next().is_some() => changes.connection = Some(value.to_vec()),
            SENT_TARGET => changes.forged.push(SENT_TARGET),
            HOP_BY_HOP => changes.forged.push(HOP_BY_HOP),
            _ => {}
        }
    }
    changes
}

fn normalised(target: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sent, query) = path::split_query(target);
    let mut normal = path::for_matching(sent)?;
    if let Some(query) = query {
        normal.push(b'?');
        normal.extend_from_slice(query);
    }
    Some((target.to_vec(), normal))
}

/// Headers that a `Connection` value names, without those that mean something to the connection itself.
pub fn named_in(connection: &[u8]) -> impl Iterator<Item = &[u8]> {
    connection.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| {
        let is_own = KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        !name.is_empty() && !is_own && !name.starts_with(b":")
    })
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
    use std::collections::BTreeMap;

    impl IncomingHeaders for BTreeMap<Vec<u8>, Vec<u8>> {
        fn all(&self) -> HeaderList<'_> {
            self.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
        }

        fn set(&mut self, name: &[u8], value: &[u8]) {
            self.insert(name.to_vec(), value.to_vec());
        }

        fn remove(&mut self, name: &[u8]) {
            BTreeMap::remove(self, name);
        }
    }

    fn mutated(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut map: BTreeMap<Vec<u8>, Vec<u8>> =
            headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        mutate(&mut map);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        map.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn routes_match_the_normalised_path() {
        let seen = mutated(&[(":path", "/n//%61?x=//%61")]);
        assert_eq!(seen, pairs(&[(":path", "/n/a?x=//%61"), ("x-crossfade-target", "/n//%61?x=//%61")]));
        assert_eq!(mutated(&[(":path", "/n?x=%61")]), pairs(&[(":path", "/n?x=%61")]));
        assert_eq!(mutated(&[(":path", "/../x")]), pairs(&[(":path", "/../x")]));
    }

    #[test]
    fn a_client_cannot_bring_the_internal_headers() {
        let headers = [(":path", "/"), ("x-crossfade-target", "/x"), ("x-crossfade-connection", "x-a")];
        assert_eq!(mutated(&headers), pairs(&[(":path", "/")]));
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
            let kept = mutated(&[("connection", connection)]).len() == 2;
            assert_eq!(kept, !named.is_empty(), "{connection}");
        }
    }
}
