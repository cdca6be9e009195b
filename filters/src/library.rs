//! What the control plane asks of this library, without Envoy: whether a configuration can be used, and which route a
//! request would take. The same code answers as in the data plane, so the two cannot disagree.

use crate::error::ConfigError;
use crate::plugins;
use crate::router::{HeaderCondition, HostPattern, PathKind, PathPattern, Query, Scheme};
use crate::tables::{Consumer, Route, Settings, Shard, World, parse_instance};
use serde::Deserialize;
use serde_json::value::RawValue;
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

/// Writes why the configuration cannot be used, as UTF-8; gives the length, 0 where nothing is wrong with it.
///
/// `kind` is `settings`, `route`, `instance`, `consumer`, `regex` (a path's), `header` (one value, which may be a regex) or
/// `host`.
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
        "regex" => PathPattern::parse(PathKind::Regex, config).map(drop).map_err(Into::into),
        "header" => HeaderCondition::parse("header", [config]).map(drop).map_err(Into::into),
        "host" => HostPattern::parse(config).map(drop).map_err(Into::into),
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

#[derive(Deserialize)]
struct RawTables<'a> {
    #[serde(borrow)]
    settings: &'a RawValue,
    #[serde(borrow)]
    shards: Vec<&'a RawValue>,
}

/// A state of the tables from `{"settings": …, "shards": […]}`; null if it cannot be read.
///
/// # Safety
/// The text must be readable. What comes back is freed by `crossfade_tables_free`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_new(json: *const u8, length: usize) -> *mut World {
    // SAFETY: as the caller promises.
    let json = unsafe { text(json, length) };
    let built = catch_unwind(|| {
        let raw: RawTables<'_> = serde_json::from_str(json).ok()?;
        let settings = Arc::new(Settings::parse(raw.settings.get()).ok()?);
        let shards =
            raw.shards.iter().map(|shard| Shard::parse(shard.get()).map(Arc::new)).collect::<Result<Vec<_>, _>>();
        Some(World::build(settings, shards.ok()?.iter()))
    });
    built.ok().flatten().map_or(std::ptr::null_mut(), |world| Box::into_raw(Box::new(world)))
}

/// # Safety
/// `tables` must come from `crossfade_tables_new` and not be used again.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_free(tables: *mut World) {
    if !tables.is_null() {
        // SAFETY: as the caller promises.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(tables) })));
    }
}

#[derive(Deserialize)]
struct RawQuery<'a> {
    scheme: &'a str,
    #[serde(borrow)]
    host: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    path: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    method: std::borrow::Cow<'a, str>,
    sni: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

/// Writes the id of the route that a request takes; gives the length, 0 where none matches.
///
/// The request is `{"scheme", "host", "path", "method", "sni", "headers": [[name, value]]}`: the path normalised and
/// without the query, the host without its port, names of headers in lower case.
///
/// # Safety
/// `tables` must come from `crossfade_tables_new`, the text be readable and `capacity` bytes writable at `place`.
#[unsafe(no_mangle)]
unsafe extern "C" fn crossfade_tables_choose(
    tables: *const World,
    request: *const u8,
    length: usize,
    place: *mut u8,
    capacity: usize,
) -> usize {
    // SAFETY: as the caller promises.
    let (Some(world), request) = (unsafe { (tables.as_ref(), text(request, length)) }) else { return 0 };
    let chosen = catch_unwind(AssertUnwindSafe(|| {
        let raw: RawQuery<'_> = serde_json::from_str(request).ok()?;
        let headers: Vec<(&[u8], &[u8])> =
            raw.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let query = Query {
            scheme: if raw.scheme == "https" { Scheme::Https } else { Scheme::Http },
            host: raw.host.as_bytes(),
            path: raw.path.as_bytes(),
            method: raw.method.as_bytes(),
            sni: raw.sni.as_deref().map(str::as_bytes),
            headers: &headers,
        };
        Some(world.router.choose(&query)?.target.id.clone())
    }));
    // SAFETY: as the caller promises.
    chosen.ok().flatten().map_or(0, |id| unsafe { write(&id, place, capacity) })
}
