//! The plugin proxy-cache: what upstreams answered is told again (kong.md §5.19).

mod conditional;
mod directives;
mod gather;
mod key;
mod media_type;
pub mod store;
#[cfg(test)]
mod tests;

use crate::clock;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::metrics::traffic::{Cached, ROUTES};
use crate::plugins::Plugin;
use crate::remembered::Source;
use crate::reply::{Headers, Kept, Reply, Style};
use crate::text::{Text, decimal};
use directives::Directives;
use gather::Gathering;
use key::Varies;
use media_type::MediaType;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use store::{Answer, Key, STORE, Store};

const AGE: &str = "age";
const STATUS: &str = "x-cache-status";
const KEY: &str = "x-cache-key";
/// Of a connection, or told anew with each answer.
const NOT_KEPT: [&str; 13] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "content-length",
    AGE,
    STATUS,
    KEY,
];
const OF_A_BODY: [&str; 3] = ["content-type", "content-encoding", "accept-ranges"];

#[derive(Debug)]
pub struct ProxyCache {
    response_code: Box<[u16]>,
    request_method: Box<[Box<str>]>,
    content_type: Box<[MediaType]>,
    cache_ttl: f64,
    storage_ttl: Option<f64>,
    cache_control: bool,
    shown: Shown,
    varies: Varies,
    store: &'static Store,
}

/// Which headers clients get.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Shown {
    #[serde(default = "yes")]
    age: bool,
    #[serde(default = "yes", rename = "X-Cache-Status")]
    status: bool,
    #[serde(default = "yes", rename = "X-Cache-Key")]
    key: bool,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: Raw = serde_json::from_value(config)?;
    if raw.cache_ttl <= 0.0 || raw.storage_ttl.is_some_and(|ttl| ttl < 0.0) {
        return Err(ConfigError::Invalid("cache_ttl must be positive, and storage_ttl not negative".into()));
    }
    if raw.vary_headers.iter().any(|name| name.is_empty()) {
        return Err(ConfigError::Invalid("vary_headers: a name is empty".into()));
    }
    Ok(Box::new(ProxyCache {
        response_code: raw.response_code,
        request_method: raw.request_method,
        content_type: raw.content_type.iter().filter_map(|text| MediaType::parse(text.as_bytes())).collect(),
        cache_ttl: raw.cache_ttl,
        storage_ttl: raw.storage_ttl,
        cache_control: raw.cache_control,
        shown: raw.response_headers,
        varies: Varies {
            arguments: raw.vary_query_params,
            headers: raw.vary_headers.iter().map(|name| name.to_ascii_lowercase().into()).collect(),
            ignores_case: raw.ignore_uri_case,
            dictionary: raw.memory.dictionary_name,
        },
        store: &STORE,
    }))
}

impl Plugin for ProxyCache {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let shown = self.shown.to(exchange);
        let lines = exchange.headers("cache-control").filter(|_| self.cache_control);
        let asked = Directives::read(lines);
        let method = exchange.upstream.written(":method").flatten().unwrap_or(exchange.request.method);
        let is_kept_for = self.request_method.iter().any(|known| known.as_bytes() == method);
        if !is_kept_for || asked.no_store || asked.no_cache {
            count(exchange, Cached::Bypass);
            shown.tell_status("Bypass", exchange.downstream);
            return Verdict::Continue;
        }
        let key = self.varies.key(exchange, method);
        shown.tell_key(&key, exchange.downstream);
        self.store.allow(exchange.settings().cache_bytes);
        match self.store.get(&key, exchange.now_ms()) {
            Some(answer) if self.satisfies(&asked, &answer, now_s(exchange)) => {
                count(exchange, Cached::Hit);
                Verdict::Reply(again(exchange, &answer, shown, &key))
            }
            None if asked.only_if_cached => {
                count(exchange, Cached::Miss);
                Verdict::Reply(Reply::error(504, "The upstream server is timing out", exchange.formats.proxy))
            }
            found => {
                let (status, result) =
                    if found.is_some() { ("Refresh", Cached::Refresh) } else { ("Miss", Cached::Miss) };
                count(exchange, result);
                shown.tell_status(status, exchange.downstream);
                *exchange.note = [&[u8::from(shown.status)], key.as_slice()].concat();
                Verdict::Continue
            }
        }
    }

    fn has_response_phase(&self) -> bool {
        true
    }

    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        let Some((shows_status, key)) = note.split_first() else { return };
        let Ok(key) = Key::try_from(key) else { return };
        let now_s = response.now_ms.div_euclid(1000);
        let Some((status, ttl_s)) = self.good_for(response, now_s) else {
            if *shows_status == 1 {
                response.set(STATUS, "Bypass");
            }
            return;
        };
        let told = response.value("content-length").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let kept_ms = self.storage_ttl.unwrap_or(ttl_s) * 1000.0;
        let answer = Answer {
            status,
            headers: kept_headers(response),
            body: Arc::default(),
            told_length: told,
            given_s: now_s,
            ttl_s,
            // Floats beyond the last moment become that one.
            #[allow(clippy::cast_possible_truncation, reason = "as said")]
            expires_ms: (kept_ms > 0.0).then_some(response.now_ms.saturating_add(kept_ms as i64)),
        };
        if let Some(gathering) = Gathering::new(self.store, key, answer, told) {
            response.copy_body(Box::new(gathering));
        }
    }
}

impl ProxyCache {
    /// Whether the client takes it.
    fn satisfies(&self, asked: &Directives, answer: &Answer, now_s: i64) -> bool {
        let age = clock::number(now_s.saturating_sub(answer.given_s));
        if !self.cache_control {
            return age <= self.cache_ttl;
        }
        asked.max_age.is_none_or(|most| age <= most)
            && asked.max_stale.is_none_or(|most| age - answer.ttl_s <= most)
            && asked.min_fresh.is_none_or(|least| answer.ttl_s - age >= least)
    }

    /// The status of a response that may be kept, and for how many seconds it is good.
    fn good_for(&self, response: &Response<'_>, now_s: i64) -> Option<(u16, f64)> {
        let status = response.status;
        // What follows an upgrade is no body.
        let is_whole = response.source == Source::Service && !response.has_ended() && response.sent_status() >= 200;
        if !is_whole || !self.response_code.contains(&status) {
            return None;
        }
        let types = response.values("content-type");
        let [content_type] = types.as_slice() else { return None };
        let media_type = MediaType::parse(content_type);
        let is_meant = |known: &MediaType| known.stands_for(media_type.as_ref());
        if content_type.is_empty() || !self.content_type.iter().any(is_meant) {
            return None;
        }
        if !self.cache_control {
            return Some((status, self.cache_ttl));
        }
        let told = Directives::read(response.values("cache-control"));
        let lifetime = told.lifetime(response.values("expires").last().copied(), now_s);
        let may = !(told.private || told.no_store || told.no_cache) && lifetime > 0.0;
        may.then_some((status, lifetime))
    }
}

impl Shown {
    /// All to whoever asks for them with a header of any value.
    fn to(self, exchange: &Exchange<'_, '_>) -> Self {
        let all = Self { age: true, status: true, key: true };
        if exchange.header("kong-debug").is_some() { all } else { self }
    }

    fn tell_status(self, status: &str, headers: &mut Headers) {
        tell(self.status, STATUS, status.as_bytes(), headers);
    }

    fn tell_key(self, key: &Key, headers: &mut Headers) {
        tell(self.key, KEY, hex::encode(key).as_bytes(), headers);
    }
}

fn tell(is_shown: bool, name: &'static str, value: &[u8], headers: &mut Headers) {
    if is_shown {
        headers.push((name.into(), Text::from_slice(value)));
    }
}

fn now_s(exchange: &Exchange<'_, '_>) -> i64 {
    exchange.now_ms().div_euclid(1000)
}

fn count(exchange: &Exchange<'_, '_>, found: Cached) {
    exchange.route.traffic.count(&ROUTES, &exchange.route.id, found);
}

fn kept_headers(response: &Response<'_>) -> Headers {
    let lines = response.all().into_iter().filter_map(|(name, value)| Some((String::from_utf8(name).ok()?, value)));
    let kept = lines.filter(|(name, _)| !NOT_KEPT.contains(&&**name) && !name.contains("ratelimit-remaining"));
    kept.map(|(name, value)| (name.into(), Text::from_slice(&value))).collect()
}

/// What is kept counts more than what plugins have said of this request, as on Kong.
fn again(exchange: &mut Exchange<'_, '_>, answer: &Answer, shown: Shown, key: &Key) -> Reply {
    let is_unchanged = conditional::is_unchanged(exchange, answer);
    let is_said =
        |name: &str| [AGE, STATUS, KEY].contains(&name) || answer.headers.iter().any(|(other, _)| other == name);
    exchange.downstream.retain(|(name, _)| !is_said(name));
    let is_head = exchange.request.method == b"HEAD";
    let mut headers = answer.headers.clone();
    if is_unchanged {
        headers.retain(|(name, _)| !OF_A_BODY.contains(&&**name));
    }
    let age = u64::try_from(now_s(exchange).saturating_sub(answer.given_s)).unwrap_or_default();
    tell(shown.age, AGE, &decimal(age), &mut headers);
    shown.tell_status("Hit", &mut headers);
    shown.tell_key(key, &mut headers);
    let length =
        if is_head && answer.body.is_empty() { answer.told_length } else { u64::try_from(answer.body.len()).ok() };
    let kept = Kept {
        body: if is_unchanged { Arc::default() } else { Arc::clone(&answer.body) },
        length: length.filter(|_| !is_unchanged && answer.status != 204),
    };
    let status = if is_unchanged { 304 } else { answer.status };
    Reply { headers, ..Reply::error(status, "", exchange.formats.proxy) }.with_style(Style::Kept(kept))
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Raw {
    response_code: Box<[u16]>,
    request_method: Box<[Box<str>]>,
    content_type: Box<[Box<str>]>,
    cache_ttl: f64,
    storage_ttl: Option<f64>,
    #[serde(default)]
    cache_control: bool,
    #[serde(default)]
    ignore_uri_case: bool,
    #[serde(default)]
    vary_query_params: Box<[Box<str>]>,
    #[serde(default)]
    vary_headers: Box<[Box<str>]>,
    response_headers: Shown,
    memory: Memory,
}

#[derive(Deserialize)]
struct Memory {
    dictionary_name: Box<str>,
}
