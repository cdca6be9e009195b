//! The message of a call, out of what a request says in its path, its query and its body.

use super::encoding;
use super::json;
use super::messages::{Kind, Messages, Scalar, Shape};
use super::paths::Binding;
use super::values::{Object, Value};
use crate::arguments;
use indexmap::IndexMap;

const UNFIT: &str = "failed to encode payload";

/// Encoded; else what the client is told.
pub fn message(
    messages: &Messages,
    binding: &Binding,
    variables: Vec<(&str, Vec<u8>)>,
    query: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, String> {
    let mut payload = Object::new();
    for (name, value) in variables {
        put(messages, binding.input, &mut payload, name.as_bytes(), Value::Text(value)).ok_or(UNFIT)?;
    }
    match binding.body.as_deref() {
        Some(field) => add_body(&mut payload, field, body)?,
        None => add_query(messages, binding.input, &mut payload, query).ok_or(UNFIT)?,
    }
    encoding::encoded(messages, binding.input, &payload).ok_or_else(|| UNFIT.to_owned())
}

fn add_body(payload: &mut Object, field: &str, body: &[u8]) -> Result<(), String> {
    if body.is_empty() {
        return Ok(());
    }
    let decoded = json::decoded(body).map_err(|error| format!("decode json err: {error}"))?;
    match decoded {
        other if field != "*" => drop(payload.insert(field.as_bytes().to_vec(), other)),
        Value::Object(members) => payload.extend(members),
        Value::List(members) if members.is_empty() => (),
        Value::List(_) => return Err(UNFIT.to_owned()),
        _ => return Err("body must be a table".to_owned()),
    }
    Ok(())
}

fn add_query(messages: &Messages, input: usize, payload: &mut Object, query: &[u8]) -> Option<()> {
    let mut given: IndexMap<Vec<u8>, Vec<Value>> = IndexMap::new();
    for (name, value) in arguments::decoded(query).filter(|(name, _)| !name.is_empty()) {
        let value = value.map_or(Value::Bool(true), |value| Value::Text(value.into_owned()));
        given.entry(name.into_owned()).or_default().push(value);
    }
    for (name, mut values) in given {
        let value = if values.len() == 1 { values.remove(0) } else { Value::List(values) };
        put(messages, input, payload, &name, value)?;
    }
    Some(())
}

/// `name` may lead into messages: `a.b.c`. What no field has the name of is left out; None for what is no message on the
/// way.
fn put(messages: &Messages, place: usize, payload: &mut Object, name: &[u8], value: Value) -> Option<()> {
    let mut parts = name.split(|byte| *byte == b'.').filter(|part| !part.is_empty()).peekable();
    let (mut place, mut at) = (place, payload);
    while let Some(part) = parts.next() {
        let Some(field) = messages.message(place).and_then(|message| message.field(part)) else { return Some(()) };
        if parts.peek().is_none() {
            at.insert(part.to_vec(), fitting(field.kind, field.shape, value));
            return Some(());
        }
        match (field.kind, field.shape) {
            (Kind::Message(next), Shape::Single) => place = next,
            (_, Shape::Single) => return None,
            _ => return Some(()),
        }
        match at.entry(part.to_vec()).or_insert_with(|| Value::Object(Object::new())) {
            Value::Object(members) => at = members,
            _ => return None,
        }
    }
    Some(())
}

/// The text of a path or query, as its field takes it.
fn fitting(kind: Kind, shape: Shape, value: Value) -> Value {
    match (shape, value) {
        (Shape::List { .. }, Value::List(values)) => {
            Value::List(values.into_iter().map(|value| fitting(kind, Shape::Single, value)).collect())
        }
        (Shape::List { .. }, value) => Value::List(vec![fitting(kind, Shape::Single, value)]),
        (_, Value::Text(text)) if kind == Kind::Scalar(Scalar::Bool) => {
            Value::Bool(!matches!(text.as_slice(), b"0" | b"false"))
        }
        (_, value) => value,
    }
}
