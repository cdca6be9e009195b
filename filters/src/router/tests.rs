use super::{Entry, HeaderCondition, HostPattern, PathKind, PathPattern, Query, Router, Scheme, Schemes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regex::bytes::Regex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// A route as it stands in a configuration; the target is its place in the list.
#[derive(Clone, Debug)]
struct Route {
    rank: Vec<u8>,
    hosts: Vec<&'static str>,
    kind: PathKind,
    path: String,
    methods: Vec<&'static str>,
    headers: Vec<(&'static str, Vec<&'static str>)>,
    snis: Vec<&'static str>,
    schemes: Vec<Scheme>,
}

fn route(path: &str) -> Route {
    Route {
        rank: vec![],
        hosts: vec![],
        kind: PathKind::Prefix,
        path: path.to_owned(),
        methods: vec![],
        headers: vec![],
        snis: vec![],
        schemes: vec![Scheme::Http, Scheme::Https],
    }
}

impl Route {
    fn entry(&self, target: usize) -> Arc<Entry<usize>> {
        let conditions =
            self.headers.iter().map(|(name, values)| HeaderCondition::parse(name, values.iter().copied()).unwrap());
        Arc::new(Entry {
            rank: self.rank.clone().into(),
            hosts: self.hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            path: PathPattern::parse(self.kind, &self.path).unwrap(),
            methods: self.methods.iter().map(|method| method.as_bytes().into()).collect(),
            headers: conditions.collect(),
            snis: self.snis.iter().map(|sni| HostPattern::parse_sni(sni).unwrap()).collect(),
            schemes: self.schemes.iter().copied().collect::<Schemes>(),
            target,
        })
    }

    /// Kong's rules word by word, with nothing of the router in it.
    fn matches(&self, query: &Query<'_>) -> bool {
        let path = query.path;
        let path_fits = match self.kind {
            PathKind::Prefix => path.starts_with(self.path.as_bytes()),
            PathKind::Exact => path == self.path.as_bytes(),
            PathKind::Regex => regex(&self.path).find_iter(path).any(|found| found.start() == 0),
        };
        let sni = query.sni.unwrap_or_default();
        path_fits
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| name_fits(host, query.host)))
            && (self.methods.is_empty() || self.methods.iter().any(|method| method.as_bytes() == query.method))
            && (self.snis.is_empty()
                || query.scheme == Scheme::Http
                || self.snis.iter().any(|name| name_fits(name.trim_end_matches('.'), sni)))
            && self.headers.iter().all(|(name, values)| {
                query.headers.iter().any(|(other, line)| {
                    *other == name.as_bytes() && values.iter().any(|value| value_fits(value, line))
                })
            })
            && self.schemes.contains(&query.scheme)
    }
}

/// Compiled once: few patterns are asked for very often.
fn regex(pattern: &str) -> Regex {
    static KNOWN: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).clone()
}

fn name_fits(pattern: &str, name: &[u8]) -> bool {
    let pattern = regex::escape(pattern).replace(r"\*", "(?s-u:.+)");
    regex(&format!("^(?:{pattern})$")).is_match(name)
}

fn value_fits(value: &str, line: &[u8]) -> bool {
    let pattern = match value.strip_prefix("~*") {
        Some(regex) => regex.to_owned(),
        None => format!("^(?:{})$", regex::escape(value)),
    };
    let regex = regex(&format!("(?i){pattern}"));
    let parts = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    std::iter::once(line).chain(parts).any(|text| regex.is_match(text))
}

fn chosen(routes: &[Route], query: &Query<'_>) -> Option<usize> {
    let router = Router::build(routes.iter().enumerate().map(|(place, route)| route.entry(place)));
    router.choose(query).map(|entry| entry.target)
}

fn get<'a>(host: &'a str, path: &'a str) -> Query<'a> {
    Query {
        scheme: Scheme::Http,
        host: host.as_bytes(),
        path: path.as_bytes(),
        method: b"GET",
        sni: None,
        headers: &[],
    }
}

#[test]
fn the_smallest_rank_wins_wherever_it_stands() {
    let hosted = Route { hosts: vec!["a.test"], rank: vec![1], ..route("/a") };
    let wildcard = Route { hosts: vec!["*.test", "a.*"], rank: vec![1, 0], ..route("/a/b") };
    let any = Route { rank: vec![0, 9], ..route("/") };
    let routes = [hosted, wildcard, any];
    assert_eq!(chosen(&routes, &get("a.test", "/a/b")), Some(2));
    assert_eq!(chosen(&routes[..2], &get("a.test", "/a/b")), Some(0));
    assert_eq!(chosen(&routes[1..], &get("b.test", "/a/b")), Some(1));
    assert_eq!(chosen(&routes[..2], &get("b.test", "/a/b")), Some(1));
    assert_eq!(chosen(&routes[..2], &get("b.test", "/a/c")), None);
    assert_eq!(chosen(&[], &get("b.test", "/")), None);
}

#[test]
fn of_equal_ranks_the_first_wins() {
    let routes =
        [Route { hosts: vec!["*.test"], ..route("/") }, route("/a"), Route { hosts: vec!["a.test"], ..route("/a") }];
    assert_eq!(chosen(&routes, &get("a.test", "/a")), Some(0));
    assert_eq!(chosen(&routes[1..], &get("a.test", "/a")), Some(0));
    // More than an unstable sort would leave in order.
    let routes: Vec<_> =
        (0..1_000u16).map(|place| Route { rank: vec![(place % 251) as u8 / 50], ..route("/") }).collect();
    assert_eq!(chosen(&routes, &get("a.test", "/a")), Some(0));
}

#[test]
fn a_better_shorter_path_beats_a_longer_one() {
    let routes = [Route { rank: vec![2], ..route("/a/b") }, Route { rank: vec![1], ..route("/a") }];
    assert_eq!(chosen(&routes, &get("", "/a/b/c")), Some(1));
}

#[test]
fn names_of_tls_count_over_tls_only() {
    let routes = [Route { snis: vec!["a.test."], ..route("/") }];
    let tls = |sni| Query { scheme: Scheme::Https, sni, ..get("", "/") };
    assert_eq!(chosen(&routes, &get("", "/")), Some(0));
    assert_eq!(chosen(&routes, &tls(Some(b"a.test"))), Some(0));
    assert_eq!(chosen(&routes, &tls(Some(b"A.test"))), None);
    assert_eq!(chosen(&routes, &tls(None)), None);
}

#[test]
fn a_hostile_host_costs_little() {
    let wild: Vec<_> = ["*.a", "a.*"].iter().map(|host| Route { hosts: vec![host], ..route("/") }).collect();
    let host = ".".repeat(1 << 20);
    let router = Router::build(wild.iter().map(|route| route.entry(0)));
    let started = std::time::Instant::now();
    assert!(router.choose(&get(&host, "/")).is_none());
    // Hashing what follows each dot would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

fn any_path() -> impl Strategy<Value = (PathKind, String)> {
    let plain = "/[ab/]{0,4}";
    const REGEXES: [&str; 10] =
        [r"/a", "/[ab]+/?$", "/a|/b", "^/(?i)ab", ".*b$", "/a?b", "/a{2}", "/(a|b)*/", "b", r"/\w+/\b"];
    prop_oneof![
        4 => plain.prop_map(|path| (PathKind::Prefix, path)),
        2 => plain.prop_map(|path| (PathKind::Exact, path)),
        3 => select(&REGEXES).prop_map(|regex| (PathKind::Regex, regex.to_owned())),
    ]
}

fn any_route() -> impl Strategy<Value = Route> {
    let hosts = ["a.b", "b.a", "a.b.a", "*.b", "*.b.a", "*.a", "a.*", "a.b.*", "b.*"];
    let headers = [("x", vec!["1"]), ("x", vec!["2", "~*^a$"]), ("y", vec!["~*b.", "1, A"]), ("y", vec!["~*^1|a$"])];
    (
        vec(0u8..3, 0..3),
        prop_oneof![Just(vec![]), subsequence(hosts.to_vec(), 1..4)],
        any_path(),
        prop_oneof![3 => Just(vec![]), 1 => subsequence(vec!["GET", "POST", "PUT"], 1..3)],
        prop_oneof![3 => Just(vec![]), 1 => subsequence(headers.to_vec(), 1..3)],
        prop_oneof![4 => Just(vec![]), 1 => subsequence(vec!["a.b", "b.a.", "*.b"], 1..3)],
        subsequence(vec![Scheme::Http, Scheme::Https], 1..=2),
    )
        .prop_map(|(rank, hosts, (kind, path), methods, headers, snis, schemes)| Route {
            rank,
            hosts,
            kind,
            path,
            methods,
            headers,
            snis,
            schemes,
        })
}

#[derive(Debug)]
struct Request {
    scheme: Scheme,
    host: Vec<u8>,
    path: Vec<u8>,
    method: &'static str,
    sni: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
}

fn any_request() -> impl Strategy<Value = Request> {
    let bytes = || vec(any::<u8>(), 0..8);
    let host = prop_oneof![6 => "[ab](\\.[ab]){0,3}".prop_map(String::into_bytes), 1 => "[ab.]{0,6}".prop_map(String::into_bytes), 1 => bytes()];
    let path = prop_oneof![8 => "/[abA/]{0,6}".prop_map(String::into_bytes), 1 => bytes()];
    (
        select(&[Scheme::Http, Scheme::Https]),
        host,
        path,
        select(&["GET", "POST", "get"]),
        proptest::option::of(select(&["a.b", "b.a", "a.b.a"])),
        vec((select(&["x", "y", "z"]), "[12aAb]{0,2}( ?, ?[12aAb]){0,2}"), 0..4),
    )
        .prop_map(|(scheme, host, path, method, sni, headers)| Request {
            scheme,
            host,
            path,
            method,
            sni,
            headers,
        })
}

proptest! {
    #[test]
    fn chooses_as_a_search_through_all_routes_would(
        routes in vec(any_route(), 0..25),
        requests in vec(any_request(), 1..12),
    ) {
        let router = Router::build(routes.iter().enumerate().map(|(place, route)| route.entry(place)));
        for request in requests {
            let headers: Vec<_> =
                request.headers.iter().map(|(name, line)| (name.as_bytes(), line.as_bytes())).collect();
            let query = Query {
                scheme: request.scheme,
                host: &request.host,
                path: &request.path,
                method: request.method.as_bytes(),
                sni: request.sni.map(str::as_bytes),
                headers: &headers,
            };
            let mut fitting: Vec<_> = (0..routes.len()).filter(|place| routes[*place].matches(&query)).collect();
            fitting.sort_by_key(|place| (&routes[*place].rank, *place));
            let chosen = router.choose(&query).map(|entry| entry.target);
            prop_assert_eq!(chosen, fitting.first().copied(), "{:?}", request);
            let all: Vec<_> = router.all(&query).iter().map(|entry| entry.target).collect();
            prop_assert_eq!(all, fitting, "{:?}", request);
            for entry in router.entries() {
                prop_assert_eq!(entry.misses(&query).is_empty(), routes[entry.target].matches(&query), "{:?}", request);
            }
        }
    }
}
