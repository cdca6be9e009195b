//! What the prelude calls that asks nothing of a request.

use super::budget::Budget;
use super::regexes::Regexes;
use crate::arguments::decoded;
use crate::body::{Content, Kind};
use crate::lua::{json, patterns};
use crate::nginx_base64;
use crate::path::push_escaped;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use mlua::prelude::LuaString;
use mlua::{FromLuaMulti, IntoLuaMulti, Lua, MultiValue, Table, Value};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Fills the table that the prelude gets. `lists` marks what JSON writes as a list.
pub fn register(lua: &Lua, native: &Table, budget: &Rc<Budget>, lists: &Table) -> mlua::Result<()> {
    let natives = Natives { lua, native, budget };
    natives.control()?;
    natives.texts()?;
    natives.encodings()?;
    natives.json(lists)?;
    natives.times()?;
    natives.bits()?;
    native.set("null", Value::NULL)?;
    native.set("version", "3.9.1")?;
    native.set("statuses", lua.create_table_from(STATUSES)?)
}

struct Natives<'a> {
    lua: &'a Lua,
    native: &'a Table,
    budget: &'a Rc<Budget>,
}

/// What is read takes more memory than its text.
const LONGEST_JSON: usize = 4 << 20;

fn runtime(problem: String) -> mlua::Error {
    mlua::Error::runtime(problem)
}

/// What a text of this length costs.
fn by_bytes(length: usize) -> u32 {
    u32::try_from(length / 16).unwrap_or(u32::MAX).saturating_add(1)
}

impl Natives<'_> {
    fn add<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        run: impl Fn(&Lua, &Budget, A) -> Result<R, String> + 'static,
    ) -> mlua::Result<()> {
        let budget = Rc::clone(self.budget);
        let function = self.lua.create_function(move |lua, given: A| run(lua, &budget, given).map_err(runtime))?;
        self.native.set(name, function)
    }

    fn control(&self) -> mlua::Result<()> {
        self.add("charge", |_, budget, steps: f64| budget.charge(steps.clamp(0.0, 4e9) as u32))?;
        self.add("is_over", |_, budget, ()| Ok(budget.is_over()))?;
        // An error of a native is a thing of its own in Lua; functions know texts.
        self.add("message_of", |lua, _, problem: Value| {
            Ok(match problem {
                Value::Error(error) => Value::String(made(lua, super::message(&error).as_bytes())?),
                other => other,
            })
        })
    }

    fn texts(&self) -> mlua::Result<()> {
        self.add("dashed", |lua, _, name: LuaString| {
            let dashed: Vec<u8> = name.as_bytes().iter().map(|byte| dashed(*byte)).collect();
            made(lua, &dashed)
        })?;
        self.add("plain_find", |_, budget, (text, wanted, init): (LuaString, LuaString, Option<f64>)| {
            let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
            let Some(start) = first_place(init, text.len()) else { return Ok((None, None)) };
            budget.charge(by_bytes(text.len()))?;
            let found = memchr::memmem::find(&text[start..], &wanted).map(|place| start + place);
            Ok((found.map(|place| place + 1), found.map(|place| place + wanted.len())))
        })?;
        self.add("pattern", pattern)?;
        self.add("fill", |lua, _, (template, whole, captures): (LuaString, LuaString, MultiValue)| {
            made(lua, &filled(&template.as_bytes(), &whole.as_bytes(), &captures)?)
        })?;
        self.add("rep", |lua, budget, (text, count): (LuaString, f64)| {
            let (text, count) = (text.as_bytes(), count.clamp(0.0, 1e9) as usize);
            let length = text.len().saturating_mul(count);
            if length > super::MEMORY {
                return Err("not enough memory".to_owned());
            }
            budget.charge(by_bytes(length))?;
            made(lua, &if text.is_empty() { Vec::new() } else { text.repeat(count) })
        })?;
        let regexes = Regexes::default();
        self.add(
            "regex",
            move |lua, budget, (subject, regex, options, init): (LuaString, LuaString, LuaString, usize)| {
                let subject = subject.as_bytes();
                budget.charge(by_bytes(subject.len()))?;
                let (regex, options) = (regex.as_bytes(), options.as_bytes());
                regexes.find((lua, budget), &subject, (&regex, &options), init.saturating_sub(1))
            },
        )
    }

    fn encodings(&self) -> mlua::Result<()> {
        self.add("escape", |lua, budget, text: LuaString| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            made(lua, &escaped(&text.as_bytes()))
        })?;
        self.add("unescape", |lua, budget, text: LuaString| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            made(lua, &crate::arguments::decode(&text.as_bytes()))
        })?;
        self.add("decode_args", |lua, budget, (text, most): (LuaString, usize)| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            arguments(lua, &text.as_bytes(), most).map_err(|error| error.to_string())
        })?;
        self.add("encode_base64", |lua, budget, (text, no_padding): (LuaString, Option<bool>)| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            let engine = if no_padding == Some(true) { &STANDARD_NO_PAD } else { &STANDARD };
            made(lua, engine.encode(text.as_bytes()).as_bytes())
        })?;
        self.add("decode_base64", |lua, budget, text: LuaString| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            nginx_base64::decode(&text.as_bytes()).map(|found| made(lua, &found)).transpose()
        })?;
        self.add("sha1_bin", |lua, budget, text: LuaString| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            made(lua, digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text.as_bytes()).as_ref())
        })?;
        self.add("hmac_sha1", |lua, budget, (key, text): (LuaString, LuaString)| {
            budget.charge(by_bytes(text.as_bytes().len()))?;
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key.as_bytes());
            made(lua, hmac::sign(&key, &text.as_bytes()).as_ref())
        })?;
        self.add("crc32", |_, budget, text: LuaString| {
            budget.charge(by_bytes(text.as_bytes().len()) * 4)?;
            Ok(f64::from(crc32(&text.as_bytes())))
        })?;
        self.add("boundary", |lua, _, content_type: LuaString| {
            let boundary = match Kind::of(&content_type.as_bytes()) {
                Some(Kind::Multipart { boundary }) => boundary,
                _ => format!("{:032x}", fastrand::u128(..)).into_bytes(),
            };
            made(lua, &boundary)
        })
    }

    fn json(&self, lists: &Table) -> mlua::Result<()> {
        let marks = lists.clone();
        self.add("json_encode", move |lua, budget, value: Value| {
            let text = json::encode(&value, &marks)?;
            budget.charge(by_bytes(text.len()) * 4)?;
            made(lua, text.as_bytes())
        })?;
        let marks = lists.clone();
        self.add("json_decode", move |lua, budget, text: LuaString| {
            if text.as_bytes().len() > LONGEST_JSON {
                return Err("the text is too long to be read as JSON".to_owned());
            }
            budget.charge(by_bytes(text.as_bytes().len()) * 4)?;
            Ok(json::decode(lua, &text.as_bytes(), &marks).unwrap_or(Value::Nil))
        })?;
        let marks = lists.clone();
        self.add("multipart", move |lua, budget, (body, content_type): (LuaString, LuaString)| {
            budget.charge(by_bytes(body.as_bytes().len()) * 4)?;
            let Some(kind @ Kind::Multipart { .. }) = Kind::of(&content_type.as_bytes()) else { return Ok(Value::Nil) };
            let members = Content::new(&kind, &body.as_bytes()).members();
            members.map_or(Ok(Value::Nil), |found| json::value(lua, &found, &marks).map_err(|error| error.to_string()))
        })
    }

    fn times(&self) -> mlua::Result<()> {
        self.add("now", |_, _, ()| Ok((since_epoch().as_secs_f64() * 1000.0).floor() / 1000.0))?;
        self.add("time", |_, _, ()| Ok(since_epoch().as_secs_f64().floor()))?;
        self.add("http_time", |lua, _, seconds: f64| made(lua, http_time(seconds).as_bytes()))?;
        self.add("cookie_time", |lua, _, seconds: f64| {
            let parts = http_time(seconds);
            let cookie = [&parts[..7], "-", &parts[8..11], "-", &parts[14..16], &parts[16..]].concat();
            made(lua, cookie.as_bytes())
        })?;
        self.add("parse_http_time", |_, _, text: LuaString| {
            let time = httpdate::parse_http_date(&text.to_string_lossy()).ok();
            Ok(time.and_then(|time| Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())))
        })?;
        self.add("utctime", |lua, _, ()| made(lua, utc(since_epoch().as_secs()).as_bytes()))?;
        self.add("today", |lua, _, ()| made(lua, &utc(since_epoch().as_secs()).as_bytes()[..10]))
    }

    /// As LuaJIT's, on signed words of 32 bits.
    fn bits(&self) -> mlua::Result<()> {
        let bit = self.lua.create_table()?;
        let add = |name: &str, run: fn(i32, i32) -> i32| {
            let function = self.lua.create_function(move |_, (first, rest): (f64, mlua::Variadic<f64>)| {
                Ok(rest.iter().fold(word(first), |found, next| run(found, word(*next))))
            });
            bit.set(name, function?)
        };
        add("band", |one, other| one & other)?;
        add("bor", |one, other| one | other)?;
        add("bxor", |one, other| one ^ other)?;
        add("lshift", |found, count| found.wrapping_shl(count.cast_unsigned()))?;
        add("rshift", |found, count| found.cast_unsigned().wrapping_shr(count.cast_unsigned()).cast_signed())?;
        add("arshift", |found, count| found.wrapping_shr(count.cast_unsigned()))?;
        add("tobit", |found, _| found)?;
        bit.set("bnot", self.lua.create_function(|_, found: f64| Ok(!word(found)))?)?;
        bit.set("tohex", self.lua.create_function(|_, found: f64| Ok(format!("{:08x}", word(found))))?)?;
        self.native.set("bit", bit)
    }
}

fn made(lua: &Lua, text: &[u8]) -> Result<LuaString, String> {
    lua.create_string(text).map_err(|error| error.to_string())
}

fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

/// Where a search begins, as Lua counts: from 1, or from the end where negative.
fn first_place(init: Option<f64>, length: usize) -> Option<usize> {
    let init = init.unwrap_or(1.0);
    let place = if init < 0.0 { (length as f64 + init).max(0.0) } else { (init - 1.0).max(0.0) };
    (place <= length as f64).then_some(place as usize)
}

/// Where the pattern is found, and what it captures.
fn pattern(lua: &Lua, budget: &Budget, given: (LuaString, LuaString, Option<f64>)) -> Result<MultiValue, String> {
    let (text, pattern, init) = (given.0.as_bytes(), given.1.as_bytes(), given.2);
    let Some(start) = first_place(init, text.len()) else { return Ok(MultiValue::new()) };
    let found = patterns::find(&text, &pattern, start, &mut |steps| budget.charge(steps))?;
    let Some(found) = found else { return Ok(MultiValue::new()) };
    let mut values = MultiValue::with_capacity(2 + found.captures.len());
    values.push_back(Value::Number((found.start + 1) as f64));
    values.push_back(Value::Number(found.end as f64));
    for capture in found.captures {
        values.push_back(match capture {
            patterns::Capture::Text(from, to) => Value::String(made(lua, &text[from..to])?),
            patterns::Capture::Place(place) => Value::Number((place + 1) as f64),
        });
    }
    Ok(values)
}

/// A replacement's `%0` to `%9`.
fn filled(template: &[u8], whole: &[u8], captures: &MultiValue) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(template.len());
    let mut bytes = template.iter();
    while let Some(byte) = bytes.next() {
        match (byte, (*byte == b'%').then(|| bytes.next()).flatten()) {
            (b'%', Some(b'0')) => out.extend_from_slice(whole),
            (b'%', Some(b'1')) if captures.is_empty() => out.extend_from_slice(whole),
            (b'%', Some(digit @ b'1'..=b'9')) => match captures.get(usize::from(digit - b'1')) {
                Some(Value::String(text)) => out.extend_from_slice(&text.as_bytes()),
                Some(Value::Number(place)) => out.extend_from_slice(&crate::lua::number(*place)),
                _ => return Err("invalid capture index".to_owned()),
            },
            (b'%', Some(other)) => out.push(*other),
            (other, _) => out.push(*other),
        }
    }
    Ok(out)
}

/// Names with their values: `true` without one, a list where there are several.
pub fn arguments(lua: &Lua, text: &[u8], most: usize) -> mlua::Result<Table> {
    let found = lua.create_table()?;
    for (name, value) in decoded(text).filter(|(name, _)| !name.is_empty()).take(most) {
        let value = match value {
            Some(value) => Value::String(lua.create_string(&value)?),
            None => Value::Boolean(true),
        };
        let name = lua.create_string(&name)?;
        match found.raw_get::<Value>(&name)? {
            Value::Nil => found.raw_set(name, value)?,
            Value::Table(several) => several.raw_push(value)?,
            one => found.raw_set(name, lua.create_sequence_from([one, value])?)?,
        }
    }
    Ok(found)
}

/// RFC 3986's unreserved characters stay.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            push_escaped(&mut out, byte);
        }
    }
    out
}

/// IEEE 802.3, as zlib computes it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |found, byte| {
        (0..8).fold(found ^ u32::from(*byte), |found, _| (found >> 1) ^ (0xedb8_8320 & (found & 1).wrapping_neg()))
    })
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Of the years that HTTP can write.
fn http_time(seconds: f64) -> String {
    const LAST: f64 = 253_402_300_799.0;
    let seconds = if seconds.is_nan() { 0.0 } else { seconds.clamp(0.0, LAST) };
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds as u64))
}

/// `2026-11-28 12:00:00`
fn utc(seconds: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // `Sat, 28 Nov 2026 12:00:00 GMT`
    let date = http_time(seconds as f64);
    let month = MONTHS.iter().position(|name| *name == &date[8..11]).unwrap_or_default() + 1;
    format!("{}-{month:02}-{} {}", &date[12..16], &date[5..7], &date[17..25])
}

/// As LuaJIT's `bit.tobit`.
fn word(value: f64) -> i32 {
    let wrapped = if value.is_finite() { value.round_ties_even().rem_euclid(4_294_967_296.0) } else { 0.0 };
    (wrapped as u32).cast_signed()
}

#[rustfmt::skip]
const STATUSES: [(&str, u16); 36] = [
    ("CONTINUE", 100), ("SWITCHING_PROTOCOLS", 101), ("OK", 200), ("CREATED", 201), ("ACCEPTED", 202), ("NO_CONTENT", 204),
    ("PARTIAL_CONTENT", 206), ("SPECIAL_RESPONSE", 300), ("MOVED_PERMANENTLY", 301), ("MOVED_TEMPORARILY", 302),
    ("SEE_OTHER", 303), ("NOT_MODIFIED", 304), ("TEMPORARY_REDIRECT", 307), ("PERMANENT_REDIRECT", 308),
    ("BAD_REQUEST", 400), ("UNAUTHORIZED", 401), ("PAYMENT_REQUIRED", 402), ("FORBIDDEN", 403), ("NOT_FOUND", 404),
    ("NOT_ALLOWED", 405), ("NOT_ACCEPTABLE", 406), ("REQUEST_TIMEOUT", 408), ("CONFLICT", 409), ("GONE", 410),
    ("UPGRADE_REQUIRED", 426), ("TOO_MANY_REQUESTS", 429), ("CLOSE", 444), ("ILLEGAL", 451),
    ("INTERNAL_SERVER_ERROR", 500), ("METHOD_NOT_IMPLEMENTED", 501), ("NOT_IMPLEMENTED", 501), ("BAD_GATEWAY", 502),
    ("SERVICE_UNAVAILABLE", 503), ("GATEWAY_TIMEOUT", 504), ("VERSION_NOT_SUPPORTED", 505), ("INSUFFICIENT_STORAGE", 507),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(http_time(1_547_178_471.0), "Fri, 11 Jan 2019 03:47:51 GMT");
        assert_eq!(utc(1_547_178_471), "2019-01-11 03:47:51");
        for strange in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(http_time(strange).ends_with(" GMT"));
        }
    }

    #[test]
    fn words() {
        for (value, expected) in
            [(1.0, 1), (4_294_967_295.0, -1), (2_147_483_648.0, i32::MIN), (f64::NAN, 0), (-1.0, -1)]
        {
            assert_eq!(word(value), expected, "{value}");
        }
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn places() {
        for (init, expected) in
            [(None, Some(0)), (Some(2.0), Some(1)), (Some(-2.0), Some(3)), (Some(-9.0), Some(0)), (Some(7.0), None)]
        {
            assert_eq!(first_place(init, 5), expected, "{init:?}");
        }
    }
}
