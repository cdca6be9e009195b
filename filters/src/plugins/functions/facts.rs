//! What functions ask of a request in every phase.

use super::Functions;
use crate::lua::functions::{Given, arguments};
use crate::remembered::Remembered;
use crate::tables::Consumer;
use mlua::{Lua, Table, Value};

pub type Answer = Result<Value, String>;

/// One request as it is known in some phase.
pub struct Facts<'a> {
    pub functions: &'a Functions,
    pub remembered: &'a Remembered,
    pub method: &'a [u8],
    pub query: &'a [u8],
    /// Without `Host`, names in lower case.
    pub headers: &'a dyn Fn() -> Vec<(&'a [u8], &'a [u8])>,
    pub consumer: Option<&'a Consumer>,
    pub credential: Option<&'a str>,
}

pub fn failed(error: mlua::Error) -> String {
    error.to_string()
}

pub fn text(lua: &Lua, text: impl AsRef<[u8]>) -> Answer {
    Ok(Value::String(lua.create_string(text.as_ref()).map_err(failed)?))
}

pub fn table<'a>(lua: &Lua, members: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Answer {
    let table = lua.create_table().map_err(failed)?;
    for (name, value) in members {
        table.raw_set(name, value).map_err(failed)?;
    }
    Ok(Value::Table(table))
}

fn number(value: impl Into<f64>) -> Answer {
    Ok(Value::Number(value.into()))
}

impl Facts<'_> {
    /// None for what is no question of this kind.
    pub fn ask(&self, lua: &Lua, what: &str, given: &mut Given) -> Option<Answer> {
        self.of_line(lua, what).or_else(|| self.of_client(lua, what, given)).or_else(|| {
            Some(match what {
                "header" => given.text().and_then(|name| self.header(lua, &name)),
                "headers" => self.headers_table(lua, given.number()).map(Value::Table).map_err(failed),
                "query" => arguments(lua, self.query, given.number() as usize).map(Value::Table).map_err(failed),
                "uri_captures" => self.captures(lua).map_err(failed),
                "log" => {
                    let level = given.number();
                    given.text().map(|text| self.functions.log(level, &text)).map(|()| Value::Nil)
                }
                _ => return None,
            })
        })
    }

    fn of_line(&self, lua: &Lua, what: &str) -> Option<Answer> {
        let Remembered { target, path, host, protocol, forwarded, .. } = self.remembered;
        let raw_path = || target.split(|byte| *byte == b'?').next().unwrap_or_default();
        Some(match what {
            "method" => text(lua, self.method),
            "target" => text(lua, target),
            "path" => text(lua, path),
            "raw_path" => text(lua, raw_path()),
            "raw_query" => text(lua, self.query),
            "host" => text(lua, host),
            "scheme" => text(lua, if self.remembered.is_tls { "https" } else { "http" }),
            "port" => number(self.remembered.port),
            "version" => number(version(protocol)),
            "protocol_name" => text(lua, protocol),
            "start_time" => Ok(Value::Number(self.remembered.started_ms as f64)),
            "request_id" => text(lua, &self.remembered.request_id),
            "forwarded_scheme" => text(lua, &forwarded.scheme),
            "forwarded_host" => text(lua, &forwarded.host),
            "forwarded_port" => number(forwarded.port),
            "forwarded_path" => text(lua, &forwarded.path),
            "forwarded_prefix" => forwarded.prefix.as_ref().map_or(Ok(Value::Nil), |prefix| text(lua, prefix)),
            _ => return None,
        })
    }

    fn of_client(&self, lua: &Lua, what: &str, given: &mut Given) -> Option<Answer> {
        let Remembered { address, peer, route, service, is_tls, has_tls, is_grpc, .. } = self.remembered;
        let by_id = |id: &Option<Box<str>>| id.as_deref().map_or(Ok(Value::Nil), |id| table(lua, [("id", Some(id))]));
        Some(match what {
            "peer" => text(lua, peer),
            "address" => text(lua, address),
            "protocol" => {
                let tls = if given.truth() { *has_tls } else { *is_tls };
                let name = match (*is_grpc, tls) {
                    (false, false) => "http",
                    (false, true) => "https",
                    (true, false) => "grpc",
                    (true, true) => "grpcs",
                };
                text(lua, name)
            }
            "consumer" => self.consumer.map_or(Ok(Value::Nil), |consumer| {
                let (username, custom_id) = (consumer.username.as_deref(), consumer.custom_id.as_deref());
                table(lua, [("id", Some(&*consumer.id)), ("username", username), ("custom_id", custom_id)])
            }),
            "credential" => self.credential.map_or(Ok(Value::Nil), |id| table(lua, [("id", Some(id))])),
            "route" => by_id(route),
            "service" => by_id(service),
            _ => return None,
        })
    }

    /// The first value; a `_` in the name stands for a dash too.
    fn header(&self, lua: &Lua, name: &[u8]) -> Answer {
        let name = name.to_ascii_lowercase();
        if name == b"host" {
            return text(lua, &self.remembered.host);
        }
        let is_same = |other: &[u8]| {
            other.len() == name.len()
                && other.iter().zip(&name).all(|(one, other)| one == other || (*one == b'-' && *other == b'_'))
        };
        let headers = (self.headers)();
        let found = headers.iter().find(|(other, _)| is_same(other)).map(|(_, value)| *value);
        found.map_or(Ok(Value::Nil), |value| text(lua, value))
    }

    fn headers_table(&self, lua: &Lua, most: f64) -> mlua::Result<Table> {
        let host = (&b"host"[..], self.remembered.host.as_slice());
        grouped(lua, std::iter::once(host).chain((self.headers)()).take(most as usize))
    }

    fn captures(&self, lua: &Lua) -> mlua::Result<Value> {
        let (named, unnamed, both) = (lua.create_table()?, lua.create_table()?, lua.create_table()?);
        for (number, name, text) in &self.remembered.captures {
            let text = lua.create_string(text)?;
            if let Some(name) = name {
                named.raw_set(name.as_str(), &text)?;
            }
            unnamed.raw_set(*number, text)?;
        }
        both.raw_set("named", named)?;
        both.raw_set("unnamed", unnamed)?;
        Ok(Value::Table(both))
    }
}

/// Several lines of one name become a list.
pub fn grouped<'a>(lua: &Lua, headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> mlua::Result<Table> {
    let found = lua.create_table()?;
    for (name, value) in headers {
        let (name, value) = (lua.create_string(name)?, Value::String(lua.create_string(value)?));
        match found.raw_get::<Value>(&name)? {
            Value::Nil => found.raw_set(name, value)?,
            Value::Table(several) => several.raw_push(value)?,
            one => found.raw_set(name, lua.create_sequence_from([one, value])?)?,
        }
    }
    Ok(found)
}

fn version(protocol: &[u8]) -> f64 {
    let text = std::str::from_utf8(protocol).ok().and_then(|text| text.strip_prefix("HTTP/"));
    text.and_then(|text| text.parse().ok()).unwrap_or(1.1)
}
