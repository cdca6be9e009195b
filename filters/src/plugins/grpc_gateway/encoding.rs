//! Values → messages on the wire, as Kong's lua-protobuf takes them.

use super::messages::{Field, Kind, Messages, Scalar, Shape, Wire};
use super::timestamps;
use super::values::{Number, Object, Value};

/// As deep as messages may lie in each other.
pub const DEEPEST: usize = 100;

/// None for what does not fit. Members that no field has the name of are left out.
pub fn encoded(messages: &Messages, place: usize, members: &Object) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_message(&mut out, messages, place, members, 0)?;
    Some(out)
}

fn write_message(out: &mut Vec<u8>, messages: &Messages, place: usize, members: &Object, depth: usize) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    let message = messages.message(place)?;
    for (name, value) in members {
        let Some(field) = message.field(name) else { continue };
        match field.shape {
            Shape::Single if message.has_defaults && !field.is_explicit && is_zero(field, messages, value) => (),
            Shape::Single => write_field(out, messages, field, value, depth)?,
            Shape::List { is_packed } => write_list(out, messages, field, value, is_packed, depth)?,
            Shape::Map(key) => write_map(out, messages, field, key, value, depth)?,
        }
    }
    Some(())
}

fn write_field(out: &mut Vec<u8>, messages: &Messages, field: &Field, value: &Value, depth: usize) -> Option<()> {
    push_tag(out, field.number, field.kind.wire());
    write_value(out, messages, field.kind, value, depth)
}

fn write_list(
    out: &mut Vec<u8>,
    messages: &Messages,
    field: &Field,
    value: &Value,
    is_packed: bool,
    depth: usize,
) -> Option<()> {
    let values = match value {
        Value::List(values) => values,
        // An empty table is both to Lua.
        Value::Object(members) if members.is_empty() => return Some(()),
        _ => return None,
    };
    if !is_packed {
        return values.iter().try_for_each(|value| write_field(out, messages, field, value, depth));
    }
    if values.is_empty() {
        return Some(());
    }
    let mut packed = Vec::new();
    values.iter().try_for_each(|value| write_value(&mut packed, messages, field.kind, value, depth))?;
    push_tag(out, field.number, Wire::Bytes);
    push_bytes(out, &packed);
    Some(())
}

fn write_map(
    out: &mut Vec<u8>,
    messages: &Messages,
    field: &Field,
    key: Scalar,
    value: &Value,
    depth: usize,
) -> Option<()> {
    let members = match value {
        Value::Object(members) => members,
        Value::List(values) if values.is_empty() => return Some(()),
        _ => return None,
    };
    for (name, value) in members {
        let mut entry = Vec::new();
        push_tag(&mut entry, 1, key.wire());
        write_scalar(&mut entry, key, &key_of(key, name))?;
        push_tag(&mut entry, 2, field.kind.wire());
        write_value(&mut entry, messages, field.kind, value, depth)?;
        push_tag(out, field.number, Wire::Bytes);
        push_bytes(out, &entry);
    }
    Some(())
}

/// A member's name where the map's keys are not texts.
fn key_of(key: Scalar, name: &[u8]) -> Value {
    match key {
        Scalar::Bool => Value::Bool(!matches!(name, b"0" | b"false")),
        _ => Value::Text(name.to_vec()),
    }
}

fn write_value(out: &mut Vec<u8>, messages: &Messages, kind: Kind, value: &Value, depth: usize) -> Option<()> {
    match kind {
        Kind::Scalar(scalar) => write_scalar(out, scalar, value),
        Kind::Enum(place) => {
            push_varint(out, enum_bits(messages, place, value)?);
            Some(())
        }
        Kind::Message(place) => {
            let message = messages.message(place)?;
            let mut inner = Vec::new();
            match value {
                Value::Text(text) if message.is_timestamp => write_timestamp(&mut inner, text)?,
                _ if message.is_timestamp => return None,
                Value::Object(members) => write_message(&mut inner, messages, place, members, depth + 1)?,
                Value::List(members) if members.is_empty() => (),
                _ => return None,
            }
            push_bytes(out, &inner);
            Some(())
        }
    }
}

fn write_timestamp(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let (seconds, nanos) = timestamps::parsed(text)?;
    if seconds != 0 {
        push_tag(out, 1, Wire::Varint);
        push_varint(out, seconds as u64);
    }
    if nanos != 0 {
        push_tag(out, 2, Wire::Varint);
        push_varint(out, nanos.into());
    }
    Some(())
}

/// By name, by number, or by a number in a text.
fn enum_bits(messages: &Messages, place: usize, value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.bits(),
        Value::Text(text) => match messages.of_enum(place)?.number(text) {
            Some(number) => Some(i64::from(number) as u64),
            None => Number::of_text(text)?.bits(),
        },
        _ => None,
    }
}

fn write_scalar(out: &mut Vec<u8>, scalar: Scalar, value: &Value) -> Option<()> {
    match scalar {
        Scalar::String | Scalar::Bytes => match value {
            Value::Text(text) => push_bytes(out, text),
            _ => return None,
        },
        Scalar::Bool => match value {
            Value::Null => return None,
            // To Lua whatever else there is is true.
            other => out.push(u8::from(*other != Value::Bool(false))),
        },
        Scalar::Double => out.extend_from_slice(&number(value)?.float().to_le_bytes()),
        Scalar::Float => out.extend_from_slice(&(number(value)?.float() as f32).to_le_bytes()),
        _ => write_whole(out, scalar, bits(value)?),
    }
    Some(())
}

/// Of less than 64 bits only the lower ones count.
fn write_whole(out: &mut Vec<u8>, scalar: Scalar, bits: u64) {
    let low = bits as u32;
    match scalar {
        Scalar::Fixed32 | Scalar::Sfixed32 => out.extend_from_slice(&low.to_le_bytes()),
        Scalar::Fixed64 | Scalar::Sfixed64 => out.extend_from_slice(&bits.to_le_bytes()),
        Scalar::Int32 => push_varint(out, i64::from(low as i32) as u64),
        Scalar::Uint32 => push_varint(out, low.into()),
        Scalar::Sint32 => push_varint(out, ((low << 1) ^ ((low as i32) >> 31) as u32).into()),
        Scalar::Sint64 => push_varint(out, (bits << 1) ^ ((bits as i64) >> 63) as u64),
        _ => push_varint(out, bits),
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Text(text) => Number::of_text(text),
        _ => None,
    }
}

fn bits(value: &Value) -> Option<u64> {
    match value {
        Value::Text(text) if text.is_empty() => Some(0),
        Value::Text(text) => number(&Value::Text(text.strip_prefix(b"#").unwrap_or(text).to_vec()))?.bits(),
        other => number(other)?.bits(),
    }
}

/// What proto3 does not write.
fn is_zero(field: &Field, messages: &Messages, value: &Value) -> bool {
    match field.kind {
        Kind::Scalar(Scalar::String | Scalar::Bytes) => *value == Value::Text(Vec::new()),
        Kind::Scalar(Scalar::Bool) => *value == Value::Bool(false),
        Kind::Scalar(Scalar::Double | Scalar::Float) => number(value).is_some_and(|number| number.float() == 0.0),
        Kind::Scalar(_) => bits(value) == Some(0),
        Kind::Enum(place) => enum_bits(messages, place, value) == Some(0),
        Kind::Message(_) => false,
    }
}

fn push_tag(out: &mut Vec<u8>, number: u32, wire: Wire) {
    push_varint(out, u64::from(number) << 3 | wire as u64);
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut bits: u64) {
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}
