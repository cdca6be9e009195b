//! What is counted of every request, as who scrapes gets it.

use crate::metrics::family::{Families, escaped, family, written};
use crate::metrics::traffic::{BOUNDS, CACHED, CLASSES, Traffic};
use std::borrow::Cow;
use std::sync::Arc;

/// What goes onto a page of it.
#[derive(Debug, Default)]
pub struct Counted<'a> {
    pub routes: Vec<OfRoute<'a>>,
    pub consumers: Vec<OfConsumer<'a>>,
    /// Not only refusals.
    pub has_requests: bool,
}

/// Without names: of requests that no route takes.
#[derive(Debug)]
pub struct OfRoute<'a> {
    pub route: &'a str,
    pub service: &'a str,
    pub traffic: Arc<Traffic>,
}

#[derive(Debug)]
pub struct OfConsumer<'a> {
    pub name: &'a str,
    pub traffic: Arc<Traffic>,
}

/// A page without anything else.
pub fn page_of_traffic(counted: &Counted<'_>) -> String {
    let mut families = Families::new();
    traffic(counted, &mut families);
    written(families)
}

pub(super) fn traffic(counted: &Counted<'_>, families: &mut Families) {
    for one in &counted.routes {
        if counted.has_requests {
            requests(one, families);
        }
        refusals(one, families);
        cached(one, families);
    }
    counted.consumers.iter().for_each(|one| consumer(one, families));
}

fn requests(one: &OfRoute<'_>, families: &mut Families) {
    let labels = format!("reporter=\"gateway\",service=\"{}\",route=\"{}\"", escaped(one.service), escaped(one.route));
    let (name, help) = ("crossfade_requests_total", "Requests by the class of their status");
    for (class, count) in by_class(&one.traffic) {
        family(families, name, "counter", help).push(name, &format!("{labels},code_class=\"{class}\""), count);
    }
    let (name, help) = ("crossfade_request_duration_milliseconds", "How long requests took");
    let durations = one.traffic.durations();
    if durations.count() > 0 {
        let whole = |bound: u64| bound.to_string();
        family(families, name, "histogram", help).histogram(name, &labels, (&durations, &BOUNDS), whole);
    }
}

fn refusals(one: &OfRoute<'_>, families: &mut Families) {
    let route = escaped(one.route);
    // A namespace has no dot in it, and a route's name begins with its Ingress's.
    let namespace = route.split('.').next().unwrap_or_default();
    for ((policy, status), count) in one.traffic.denied() {
        let code = code(status);
        let labels = format!("policy=\"{policy}\",route=\"{route}\",namespace=\"{namespace}\",code=\"{code}\"");
        let name = "crossfade_denied_total";
        family(families, name, "counter", "Requests that a plugin refused").push(name, &labels, count);
    }
}

fn cached(one: &OfRoute<'_>, families: &mut Families) {
    let name = "crossfade_cache_requests_total";
    for ((_, result), count) in CACHED.into_iter().zip(one.traffic.cached()).filter(|(_, count)| *count > 0) {
        let labels = format!("route=\"{}\",result=\"{result}\"", escaped(one.route));
        family(families, name, "counter", "Requests by what the plugin proxy-cache found").push(name, &labels, count);
    }
}

fn consumer(one: &OfConsumer<'_>, families: &mut Families) {
    let consumer = escaped(one.name);
    let (name, help) = ("crossfade_consumer_requests_total", "Requests of consumers by the class of their status");
    for (class, count) in by_class(&one.traffic) {
        let labels = format!("consumer=\"{consumer}\",code_class=\"{class}\"");
        family(families, name, "counter", help).push(name, &labels, count);
    }
    for ((policy, status), count) in one.traffic.denied() {
        let labels = format!("consumer=\"{consumer}\",policy=\"{policy}\",code=\"{}\"", code(status));
        let name = "crossfade_consumer_denied_total";
        family(families, name, "counter", "Requests of consumers that a plugin refused").push(name, &labels, count);
    }
}

fn by_class(traffic: &Traffic) -> impl Iterator<Item = (&'static str, u64)> {
    CLASSES.into_iter().zip(traffic.classes()).filter(|(_, count)| *count > 0)
}

fn code(status: u16) -> Cow<'static, str> {
    if status == 0 { "other".into() } else { status.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::traffic::{Cached, Ending, Place, ROUTES};

    fn page(has_requests: bool, id: &str) -> String {
        let place = Place::default();
        place.count(&ROUTES, id, Cached::Refresh);
        let traffic = ROUTES.find(id).unwrap();
        for (status, denied_by) in [(200, None), (0, None), (401, Some("key-auth"))] {
            traffic.add(Ending { status, ms: 7, denied_by });
        }
        let routes = vec![
            OfRoute { route: "shop.\"web\".web..80", service: "shop.web.80", traffic: Arc::clone(&traffic) },
            OfRoute { route: "idle", service: "idle", traffic: Arc::default() },
        ];
        let consumers = vec![OfConsumer { name: "a\\b\nc", traffic }];
        page_of_traffic(&Counted { routes, consumers, has_requests })
    }

    #[test]
    fn routes_and_consumers_have_what_was_counted() {
        let text = page(true, "page-1");
        let lines: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#') && !line.contains("_milliseconds")).collect();
        let route = r#"route="shop.\"web\".web..80""#;
        assert_eq!(
            lines,
            [
                format!(r#"crossfade_cache_requests_total{{{route},result="refresh"}} 1"#),
                r#"crossfade_consumer_denied_total{consumer="a\\b\nc",policy="key-auth",code="401"} 1"#.to_owned(),
                r#"crossfade_consumer_requests_total{consumer="a\\b\nc",code_class="2xx"} 1"#.to_owned(),
                r#"crossfade_consumer_requests_total{consumer="a\\b\nc",code_class="4xx"} 1"#.to_owned(),
                r#"crossfade_consumer_requests_total{consumer="a\\b\nc",code_class="none"} 1"#.to_owned(),
                format!(r#"crossfade_denied_total{{policy="key-auth",{route},namespace="shop",code="401"}} 1"#),
                format!(
                    r#"crossfade_requests_total{{reporter="gateway",service="shop.web.80",{route},code_class="2xx"}} 1"#
                ),
                format!(
                    r#"crossfade_requests_total{{reporter="gateway",service="shop.web.80",{route},code_class="4xx"}} 1"#
                ),
                format!(
                    r#"crossfade_requests_total{{reporter="gateway",service="shop.web.80",{route},code_class="none"}} 1"#
                ),
            ]
        );
        let bucket = format!(
            r#"crossfade_request_duration_milliseconds_bucket{{reporter="gateway",service="shop.web.80",{route},le="7"}} 3"#
        );
        assert!(text.lines().any(|line| line == bucket), "{text}");
    }

    #[test]
    fn kongs_page_has_refusals_only() {
        let text = page(false, "page-2");
        assert!(text.contains("crossfade_denied_total{") && !text.contains("reporter="), "{text}");
    }
}
