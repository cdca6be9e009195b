//! What indexing and deciding cost: `cargo test --release measure -- --ignored --nocapture`.

use super::{Entry, HostPattern, PathKind, PathPattern, Query, Router, Scheme};
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const ROUTES: usize = 5_000;
const DECISIONS: usize = 1_000_000;
const INDEXINGS: u32 = 50;

struct Shape {
    name: &'static str,
    host: fn(usize) -> Option<String>,
    kind: PathKind,
    /// For a place the path and a request path that fits.
    path: fn(usize) -> (String, String),
}

const SHAPES: [Shape; 6] = [
    Shape { name: "one host, prefixes", host: |_| Some("a.test".into()), kind: PathKind::Prefix, path: nested },
    Shape { name: "one host, regexes", host: |_| Some("a.test".into()), kind: PathKind::Regex, path: regex },
    Shape { name: "no host, prefixes", host: |_| None, kind: PathKind::Prefix, path: nested },
    Shape { name: "exact hosts", host: |at| Some(format!("h{at}.example.test")), kind: PathKind::Prefix, path: root },
    Shape { name: "wildcard hosts", host: |at| Some(format!("*.h{at}.test")), kind: PathKind::Prefix, path: root },
    Shape { name: "one chain of prefixes", host: |_| None, kind: PathKind::Prefix, path: chain },
];

fn nested(at: usize) -> (String, String) {
    let path = format!("/team-{}/service-{}", at / 50, at % 50);
    (path.clone(), path + "/users/7")
}

fn regex(at: usize) -> (String, String) {
    let path = format!("/team-{}/service-{}", at / 50, at % 50);
    (format!(r"{path}/\d+$"), path + "/7")
}

fn root(_: usize) -> (String, String) {
    ("/".into(), "/users/7".into())
}

fn chain(at: usize) -> (String, String) {
    (format!("/{}", "a".repeat(at)), format!("/{}", "a".repeat(ROUTES)))
}

fn entry(shape: &Shape, at: usize) -> Arc<Entry<usize>> {
    let mut rank = String::new();
    // Not in the order of the paths, and longer paths first as Kong has them.
    write!(rank, "{:05}{:05}", usize::MAX - (shape.path)(at).0.len(), at * 7_919 % ROUTES).unwrap();
    Arc::new(Entry {
        rank: rank.into_bytes().into(),
        hosts: (shape.host)(at).iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
        path: PathPattern::parse(shape.kind, &(shape.path)(at).0).unwrap(),
        methods: vec![],
        headers: vec![],
        snis: vec![],
        schemes: [Scheme::Http].into_iter().collect(),
        target: at,
    })
}

/// Of this thread, so that others on the machine count less.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "measures"]
fn measure() {
    for shape in SHAPES {
        let entries: Vec<_> = (0..ROUTES).map(|at| entry(&shape, at)).collect();
        let started = cpu_time();
        let mut router = Router::build(entries.iter().cloned());
        // The clock ticks every few milliseconds.
        (1..INDEXINGS).for_each(|_| router = Router::build(entries.iter().cloned()));
        let indexing = (cpu_time() - started) / INDEXINGS;
        let requests: Vec<_> = (0..ROUTES)
            .map(|at| at * 7_907 % ROUTES)
            .map(|at| ((shape.host)(at).unwrap_or_default().replace('*', "x"), (shape.path)(at).1))
            .collect();
        let decisions = if shape.name == "one chain of prefixes" { DECISIONS / 100 } else { DECISIONS };
        let started = cpu_time();
        let mut found = 0;
        for (host, path) in requests.iter().cycle().take(decisions) {
            let query = Query {
                scheme: Scheme::Http,
                host: host.as_bytes(),
                path: path.as_bytes(),
                method: b"GET",
                sni: None,
                headers: &[],
            };
            found += usize::from(router.choose(black_box(&query)).is_some());
        }
        let per_decision = (cpu_time() - started) / u32::try_from(decisions).unwrap();
        assert_eq!(found, decisions);
        println!("{}: {indexing:?} to index {ROUTES} routes, {per_decision:?} a decision", shape.name);
    }
}
