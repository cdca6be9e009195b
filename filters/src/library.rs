//! What the control plane asks of this library, without Envoy: whether a configuration can be used, and which route a
//! request would take. The same code answers as in the data plane, so the two cannot disagree.

use crate::error::ConfigError;
use crate::plugins::rate_limiting::counters::Counters;
use crate::rehearsal::{Question, rehearse};
use crate::router::{HeaderCondition, HostPattern, PathKind, PathPattern, Query, Scheme};
use crate::tables::{Consumer, ConsumerGroup, Route, Settings, Shard, World, parse_instance};
use crate::{path, plugins};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// # Safety
/// `length` bytes must be readable at `text` for `'a`.
unsafe fn text<'a>(text: *const u8, length: usize) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: the caller promises the bytes.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(text, length) }).unwrap_or_default()
}

/// # Safety
/// `capacity` bytes must be writable at `place`.
unsafe fn write(answer: &str, place: *mut u8, capacity: usize) -> usize {
    let cut = answer.floor_char_boundary(capacity);
    // SAFETY: the caller promises the room; `cut` is at most `capacity`.
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), place, cut) };
    cut
}

/// The length of the answer, which is written only if there is room for all of it.
///
/// # Safety
/// `capacity` bytes must be writable at `place`.
unsafe fn write_whole(answer: &str, place: *mut u8, capacity: usize) -> usize {
    if answer.len() <= capacity {
        // SAFETY: the caller promises the room.
        unsafe { write(answer, place, capacity) };
    }
    answer.len()
}

/// Writes why the configuration cannot be used, as UTF-8; gives the length, 0 where nothing is wrong with it.
///
/// `kind` is `settings`, `route`, `instance`, `consumer`, `consumer_group`, `regex` (a path's), `header` (one value, which
/// may be a regex), `host` or `path` (a plain one).
///
/// # Safety
/// Both texts must be readable and `capacity` bytes writable at `place`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_check(
    kind: *const u8,
    kind_length: usize,
    config: *const u8,
    config_length: usize,
    place: *mut u8,
    capacity: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (kind, config) = unsafe { (text(kind, kind_length), text(config, config_length)) };
    let problem = catch_unwind(|| problem(kind, config)).unwrap_or_else(|_| Some("its parser fails on it".to_owned()));
    // SAFETY: as the caller promises.
    problem.map_or(0, |problem| unsafe { write(&problem, place, capacity) })
}

fn problem(kind: &str, config: &str) -> Option<String> {
    let result: Result<(), ConfigError> = match kind {
        "settings" => Settings::parse(config).map(drop),
        "route" => Route::parse(config).map(drop),
        "instance" => parse_instance(config).map(drop),
        "consumer" => Consumer::parse(config).map(drop),
        "consumer_group" => ConsumerGroup::parse(config).map(drop),
        "regex" => PathPattern::parse(PathKind::Regex, config).map(drop).map_err(Into::into),
        "header" => HeaderCondition::parse("header", [config]).map(drop).map_err(Into::into),
        "host" => HostPattern::parse(config).map(drop).map_err(Into::into),
        "path" => return path::problem(config),
        _ => return Some(format!("there is nothing of kind {kind} to check")),
    };
    result.err().map(|error| error.to_string())
}

/// Writes the names of all plugins, separated by spaces; gives the length.
///
/// # Safety
/// `capacity` bytes must be writable at `place`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_plugins(place: *mut u8, capacity: usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe { write(&plugins::names().collect::<Vec<_>>().join(" "), place, capacity) }
}

/// A state of the tables outside of Envoy.
struct Tables {
    world: Arc<World>,
    /// Texts about what was left out.
    problems: Vec<String>,
}

#[derive(Deserialize)]
struct RawTables<'a> {
    #[serde(borrow)]
    settings: &'a RawValue,
    #[serde(borrow)]
    shards: Vec<&'a RawValue>,
}

impl Tables {
    fn parse(json: &str) -> Result<Self, ConfigError> {
        let raw: RawTables<'_> = serde_json::from_str(json)?;
        let settings = Arc::new(Settings::parse(raw.settings.get())?);
        let shards = raw.shards.iter().map(|shard| Shard::parse(shard.get()).map(Arc::new));
        let shards = shards.collect::<Result<Vec<_>, _>>()?;
        let problems = shards.iter().flat_map(|shard| shard.problems.iter().cloned()).collect();
        Ok(Self { world: Arc::new(World::build(settings, shards.iter())), problems })
    }
}

/// A state of the tables from `{"settings": …, "shards": […]}`; null if it cannot be read.
///
/// # Safety
/// The text must be readable. What comes back is freed by `crossfade_tables_free`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_new(json: *const u8, length: usize) -> *mut Tables {
    // SAFETY: as the caller promises.
    let json = unsafe { text(json, length) };
    let built = catch_unwind(|| Tables::parse(json).ok());
    built.ok().flatten().map_or(std::ptr::null_mut(), |tables| Box::into_raw(Box::new(tables)))
}

/// # Safety
/// `tables` must come from `crossfade_tables_new` and not be used again.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_free(tables: *mut Tables) {
    if !tables.is_null() {
        // SAFETY: as the caller promises.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(tables) })));
    }
}

/// Writes what was left out of the tables because it cannot be read, as a JSON list of texts; gives the length of all of
/// it. What does not fit into `capacity` bytes is not written at all.
///
/// # Safety
/// `tables` must come from `crossfade_tables_new` and `capacity` bytes be writable at `place`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_problems(tables: *const Tables, place: *mut u8, capacity: usize) -> usize {
    // SAFETY: as the caller promises.
    let Some(tables) = (unsafe { tables.as_ref() }) else { return 0 };
    let problems = catch_unwind(AssertUnwindSafe(|| serde_json::to_string(&tables.problems).ok()));
    // SAFETY: as the caller promises.
    problems.ok().flatten().map_or(0, |problems| unsafe { write_whole(&problems, place, capacity) })
}

#[derive(Deserialize)]
struct RawQuery<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    host: Cow<'a, str>,
    #[serde(borrow, default = "get")]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    scheme: Cow<'a, str>,
    #[serde(borrow)]
    sni: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

fn get() -> Cow<'static, str> {
    Cow::Borrowed("GET")
}

impl RawQuery<'_> {
    fn chosen_in<'a>(&self, world: &'a World) -> Option<&'a str> {
        let headers: Vec<(&[u8], &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let query = Query {
            scheme: if self.scheme == "https" { Scheme::Https } else { Scheme::Http },
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            method: self.method.as_bytes(),
            sni: self.sni.as_deref().map(str::as_bytes),
            headers: &headers,
        };
        Some(&world.router.choose(&query)?.target.id)
    }
}

/// Writes which routes requests take, as a JSON list of ids, null where none matches; gives the length of all of it, 0
/// where the requests cannot be read. What does not fit into `capacity` bytes is not written at all.
///
/// A request is `{"path", "host", "method", "scheme", "sni", "headers": [[name, value]]}`: the path normalised and without
/// the query, the host without its port, names of headers in lower case; all but the path may be left out.
///
/// # Safety
/// `tables` must come from `crossfade_tables_new`, the text be readable and `capacity` bytes writable at `place`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_choose(
    tables: *const Tables,
    requests: *const u8,
    length: usize,
    place: *mut u8,
    capacity: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (Some(tables), requests) = (unsafe { (tables.as_ref(), text(requests, length)) }) else { return 0 };
    let chosen = catch_unwind(AssertUnwindSafe(|| {
        let requests: Vec<RawQuery<'_>> = serde_json::from_str(requests).ok()?;
        let chosen: Vec<_> = requests.iter().map(|request| request.chosen_in(&tables.world)).collect();
        serde_json::to_string(&chosen).ok()
    }));
    // SAFETY: as the caller promises.
    chosen.ok().flatten().map_or(0, |chosen| unsafe { write_whole(&chosen, place, capacity) })
}

/// Writes what becomes of one request, as JSON (`rehearsal`); gives the length of all of it, 0 where the request cannot be
/// read. What does not fit into `capacity` bytes is not written at all.
///
/// # Safety
/// `tables` must come from `crossfade_tables_new`, the text be readable and `capacity` bytes writable at `place`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_rehearse(
    tables: *const Tables,
    request: *const u8,
    length: usize,
    place: *mut u8,
    capacity: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (Some(tables), request) = (unsafe { (tables.as_ref(), text(request, length)) }) else { return 0 };
    let found = catch_unwind(AssertUnwindSafe(|| {
        let question: Question = serde_json::from_str(request).ok()?;
        // Of its own, so that asking counts for nobody.
        let counters = Box::into_raw(Box::new(Counters::new()));
        // SAFETY: it was just made.
        let found = rehearse(&tables.world, &question, unsafe { &*counters }).to_string();
        // SAFETY: it was made above, and the filter that borrowed it is gone.
        drop(unsafe { Box::from_raw(counters) });
        Some(found)
    }));
    // SAFETY: as the caller promises.
    found.ok().flatten().map_or(0, |found| unsafe { write_whole(&found, place, capacity) })
}
