//! JSON as lua-cjson, Kong's JSON library, reads and writes it.

use crate::cjson;
use crate::lua::number;
use mlua::{Lua, Table, Value};
use serde_json::Value as Json;

/// As deep as what is read; lua-cjson goes down to 1000.
const DEEPEST: usize = 128;
/// A list with more holes than this is refused, as by lua-cjson: `{[1000] = 1}`.
const SAFE_LENGTH: usize = 10;
const SPARSEST: usize = 2;

/// `lists` marks tables that are lists also where they are empty.
pub fn encode(value: &Value, lists: &Table) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, lists, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, lists: &Table, depth: usize) -> Result<(), String> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => out.push_str("null"),
        Value::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Integer(whole) => push_number(out, *whole as f64)?,
        Value::Number(found) => push_number(out, *found)?,
        Value::String(text) => push_text(out, &text.as_bytes()),
        Value::Table(_) if depth >= DEEPEST => return Err("Cannot serialise, excessive depth".to_owned()),
        Value::Table(table) => return write_table(out, table, lists, depth + 1),
        other => return Err(format!("Cannot serialise {}: type not supported", other.type_name())),
    }
    Ok(())
}

fn push_number(out: &mut String, value: f64) -> Result<(), String> {
    if !value.is_finite() {
        return Err("Cannot serialise number: must not be NaN or Infinity".to_owned());
    }
    out.push_str(&String::from_utf8_lossy(&number(value)));
    Ok(())
}

fn push_text(out: &mut String, text: &[u8]) {
    out.push('"');
    String::from_utf8_lossy(text).chars().for_each(|character| cjson::push_escaped(out, character));
    out.push('"');
}

fn write_table(out: &mut String, table: &Table, lists: &Table, depth: usize) -> Result<(), String> {
    let is_marked = table.metatable().is_some_and(|found| found == *lists);
    if let Some(length) = length_of_list(table, is_marked)? {
        out.push('[');
        for place in 1..=length {
            if place > 1 {
                out.push(',');
            }
            write(out, &table.raw_get::<Value>(place).map_err(|error| error.to_string())?, lists, depth)?;
        }
        out.push(']');
        return Ok(());
    }
    out.push('{');
    let mut is_first = true;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        match &key {
            Value::String(text) => push_text(out, &text.as_bytes()),
            Value::Integer(whole) => push_text(out, &number(*whole as f64)),
            Value::Number(found) => push_text(out, &number(*found)),
            _ => return Err("Cannot serialise table: table key must be a number or string".to_owned()),
        }
        out.push(':');
        write(out, &value, lists, depth)?;
    }
    out.push('}');
    Ok(())
}

/// None for what is an object.
fn length_of_list(table: &Table, is_marked: bool) -> Result<Option<usize>, String> {
    let (mut highest, mut count) = (0, 0);
    for pair in table.pairs::<Value, Value>() {
        let place = match pair.map_err(|error| error.to_string())?.0 {
            Value::Integer(whole) => usize::try_from(whole).ok().filter(|place| *place > 0),
            Value::Number(found) if found.fract() == 0.0 && (1.0..1e15).contains(&found) => Some(found as usize),
            _ => None,
        };
        let Some(place) = place else { return if is_marked { Ok(Some(table.raw_len())) } else { Ok(None) } };
        highest = highest.max(place);
        count += 1;
    }
    if highest > SAFE_LENGTH && highest > count * SPARSEST {
        return Err("Cannot serialise table: excessively sparse array".to_owned());
    }
    Ok((highest > 0 || is_marked).then_some(highest))
}

/// `null` is Lua's light userdata of no address, as `ngx.null`.
pub fn decode(lua: &Lua, text: &[u8], lists: &Table) -> Result<Value, String> {
    let json: Json = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    value(lua, &json, lists).map_err(|error| error.to_string())
}

pub fn value(lua: &Lua, json: &Json, lists: &Table) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(found) => Value::Number(found.as_f64().unwrap_or(f64::MAX)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(members) => {
            let table = lua.create_table_with_capacity(members.len(), 0)?;
            for (place, member) in (1_usize..).zip(members) {
                table.raw_set(place, value(lua, member, lists)?)?;
            }
            table.set_metatable(Some(lists.clone()))?;
            Value::Table(table)
        }
        Json::Object(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (name, member) in members {
                table.raw_set(name.as_str(), value(lua, member, lists)?)?;
            }
            Value::Table(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written() {
        let lua = Lua::new();
        let lists = lua.create_table().unwrap();
        for (expression, expected) in [
            ("{message = 'pay'}", Ok(r#"{"message":"pay"}"#)),
            ("{}", Ok("{}")),
            ("{1, 2.5, 'a/b', true}", Ok(r#"[1,2.5,"a\/b",true]"#)),
            ("{[1] = 1, [3] = 3}", Ok("[1,null,3]")),
            ("{[2.5] = 'x'}", Ok(r#"{"2.5":"x"}"#)),
            ("{a = {b = {}}}", Ok(r#"{"a":{"b":{}}}"#)),
            ("'x'", Ok("\"x\"")),
            ("nil", Ok("null")),
            ("1e20", Ok("1e+20")),
            ("{[1000] = 1}", Err("Cannot serialise table: excessively sparse array")),
            ("{f = print}", Err("Cannot serialise function: type not supported")),
            ("0/0", Err("Cannot serialise number: must not be NaN or Infinity")),
            ("{[true] = 1}", Err("Cannot serialise table: table key must be a number or string")),
            ("(function() local t = {} t.t = t return t end)()", Err("Cannot serialise, excessive depth")),
        ] {
            let value = lua.load(format!("return {expression}")).eval().unwrap();
            let written = encode(&value, &lists);
            assert_eq!(written.as_deref().map_err(String::as_str), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_read_is_written_alike() {
        let lua = Lua::new();
        let lists = lua.create_table().unwrap();
        for text in [r#"{"a":[],"b":null}"#, "[1,[2,{}]]", r#""é""#, "12", "true"] {
            let value = decode(&lua, text.as_bytes(), &lists).unwrap();
            assert_eq!(encode(&value, &lists).unwrap(), text);
        }
        let deep = "[".repeat(5_000);
        for text in ["", "{", "nope", "\"\u{0}\"", &deep] {
            assert!(decode(&lua, text.as_bytes(), &lists).is_err(), "{text}");
        }
    }
}
