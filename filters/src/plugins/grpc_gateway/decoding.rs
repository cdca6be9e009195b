//! Messages on the wire → JSON, as Kong's lua-protobuf and lua-cjson write it: by the fields' names in the .proto file,
//! with proto3's defaults, enums by name.

use super::encoding::DEEPEST;
use super::messages::{Enum, Field, Kind, Message, Messages, Scalar, Shape, Wire};
use super::timestamps;
use crate::lua;
use indexmap::IndexMap;
use std::fmt::Display;

/// What one message may cost: bytes of JSON, and fields that are looked at. Defaults make a lot of a few bytes.
const MOST: usize = 64 << 20;

/// None for what is no such message, or too much of one.
pub fn json(messages: &Messages, place: usize, bytes: &[u8]) -> Option<Vec<u8>> {
    Decoding { messages, left: MOST }.message(place, bytes, 0)
}

struct Decoding<'a> {
    messages: &'a Messages,
    left: usize,
}

/// What has been read of one field, as JSON.
enum Read {
    Single(Vec<u8>),
    List(Vec<u8>),
    Map(IndexMap<Vec<u8>, Vec<u8>>),
}

impl Decoding<'_> {
    fn message(&mut self, place: usize, bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
        let message = self.messages.message(place)?;
        if depth > DEEPEST {
            return None;
        }
        self.spend(message.fields.len())?;
        if message.is_timestamp {
            return timestamp(bytes);
        }
        let mut read: Vec<Option<Read>> = message.fields.iter().map(|_| None).collect();
        let mut chosen: IndexMap<&str, &str> = IndexMap::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (number, wire) = tag(&mut rest)?;
            let known = message.numbered(number).and_then(|at| Some((message.fields.get(at)?, read.get_mut(at)?)));
            let Some((field, into)) = known else {
                skip(&mut rest, number, wire, 0)?;
                continue;
            };
            if let Some(oneof) = &field.oneof {
                chosen.insert(oneof, &field.name);
            }
            self.field(field, wire, &mut rest, into, depth)?;
        }
        self.written(message, read, &chosen)
    }

    fn field(
        &mut self,
        field: &Field,
        wire: u8,
        rest: &mut &[u8],
        into: &mut Option<Read>,
        depth: usize,
    ) -> Option<()> {
        let kind = field.kind;
        match field.shape {
            Shape::Single => *into = Some(Read::Single(self.value(kind, wire, rest, depth)?)),
            Shape::List { .. } => {
                let Read::List(list) = into.get_or_insert_with(|| Read::List(Vec::new())) else { return None };
                if wire == Wire::Bytes as u8 && kind.wire() != Wire::Bytes {
                    let mut packed = length_delimited(rest)?;
                    while !packed.is_empty() {
                        let value = self.value(kind, kind.wire() as u8, &mut packed, depth)?;
                        append(list, &value);
                    }
                } else {
                    let value = self.value(kind, wire, rest, depth)?;
                    append(list, &value);
                }
            }
            Shape::Map(key) => {
                let Read::Map(map) = into.get_or_insert_with(|| Read::Map(IndexMap::new())) else { return None };
                if wire != Wire::Bytes as u8 {
                    return None;
                }
                let (name, value) = self.entry(key, kind, length_delimited(rest)?, depth)?;
                map.insert(name, value);
            }
        }
        Some(())
    }

    fn entry(&mut self, key: Scalar, kind: Kind, mut rest: &[u8], depth: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut name, mut value) = (None, None);
        while !rest.is_empty() {
            match tag(&mut rest)? {
                (1, wire) => name = Some(self.value(Kind::Scalar(key), wire, &mut rest, depth)?),
                (2, wire) => value = Some(self.value(kind, wire, &mut rest, depth)?),
                (number, wire) => skip(&mut rest, number, wire, 0)?,
            }
        }
        let mut name = name.map_or_else(|| self.default(Kind::Scalar(key), depth), Some)?;
        if !name.starts_with(b"\"") {
            name = [b"\"", name.as_slice(), b"\""].concat();
        }
        Some((name, value.map_or_else(|| self.default(kind, depth), Some)?))
    }

    fn value(&mut self, kind: Kind, wire: u8, rest: &mut &[u8], depth: usize) -> Option<Vec<u8>> {
        if wire != kind.wire() as u8 {
            return None;
        }
        let text = match kind {
            Kind::Message(place) => self.message(place, length_delimited(rest)?, depth + 1)?,
            Kind::Enum(place) => enum_text(self.messages.of_enum(place)?, varint(rest)?),
            Kind::Scalar(scalar) => scalar_text(scalar, rest)?,
        };
        self.spend(text.len())?;
        Some(text)
    }

    fn default(&mut self, kind: Kind, depth: usize) -> Option<Vec<u8>> {
        Some(match kind {
            Kind::Scalar(Scalar::Bool) => b"false".to_vec(),
            Kind::Scalar(Scalar::String | Scalar::Bytes) => b"\"\"".to_vec(),
            Kind::Scalar(_) => b"0".to_vec(),
            Kind::Enum(place) => enum_text(self.messages.of_enum(place)?, 0),
            Kind::Message(place) => self.message(place, b"", depth + 1)?,
        })
    }

    /// Fields in the order in which they are declared, then which of each oneof is there.
    fn written(
        &mut self,
        message: &Message,
        read: Vec<Option<Read>>,
        chosen: &IndexMap<&str, &str>,
    ) -> Option<Vec<u8>> {
        let mut out = b"{".to_vec();
        for (field, read) in message.fields.iter().zip(read) {
            let text = match (read, field.shape) {
                (Some(Read::Single(text)), _) => text,
                (Some(Read::List(list)), _) => [b"[", list.as_slice(), b"]"].concat(),
                (Some(Read::Map(map)), _) => object(&map),
                (None, Shape::List { .. }) => b"[]".to_vec(),
                (None, Shape::Map(_)) => b"{}".to_vec(),
                (None, Shape::Single) => {
                    let is_left_out = field.is_explicit || matches!(field.kind, Kind::Message(_));
                    if !message.has_defaults || is_left_out {
                        continue;
                    }
                    self.default(field.kind, 0)?
                }
            };
            push_member(&mut out, field.name.as_bytes(), &text);
            self.spend(field.name.len() + 8)?;
        }
        for (oneof, field) in chosen {
            let mut text = Vec::new();
            push_text(&mut text, field.as_bytes());
            push_member(&mut out, oneof.as_bytes(), &text);
        }
        out.push(b'}');
        Some(out)
    }

    fn spend(&mut self, cost: usize) -> Option<()> {
        self.left = self.left.checked_sub(cost)?;
        Some(())
    }
}

fn enum_text(of: &Enum, bits: u64) -> Vec<u8> {
    match of.name(bits as i32) {
        Some(name) => {
            let mut out = Vec::new();
            push_text(&mut out, name.as_bytes());
            out
        }
        None => whole(bits as i64),
    }
}

fn scalar_text(scalar: Scalar, rest: &mut &[u8]) -> Option<Vec<u8>> {
    Some(match scalar {
        Scalar::Double => float(f64::from_bits(fixed64(rest)?))?,
        Scalar::Float => float(f32::from_bits(fixed32(rest)?).into())?,
        Scalar::Fixed32 => whole(fixed32(rest)?),
        Scalar::Sfixed32 => whole(fixed32(rest)? as i32),
        Scalar::Fixed64 => whole(fixed64(rest)?),
        Scalar::Sfixed64 => whole(fixed64(rest)? as i64),
        Scalar::Int32 => whole(varint(rest)? as i32),
        Scalar::Uint32 => whole(varint(rest)? as u32),
        Scalar::Sint32 => {
            let bits = varint(rest)? as u32;
            whole((bits >> 1) as i32 ^ -((bits & 1) as i32))
        }
        Scalar::Int64 => whole(varint(rest)? as i64),
        Scalar::Uint64 => whole(varint(rest)?),
        Scalar::Sint64 => {
            let bits = varint(rest)?;
            whole((bits >> 1) as i64 ^ -((bits & 1) as i64))
        }
        Scalar::Bool => if varint(rest)? != 0 { b"true".as_slice() } else { b"false" }.to_vec(),
        Scalar::String | Scalar::Bytes => {
            let mut out = Vec::new();
            push_text(&mut out, length_delimited(rest)?);
            out
        }
    })
}

fn timestamp(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut seconds, mut rest) = (0, bytes);
    while !rest.is_empty() {
        match tag(&mut rest)? {
            (1, 0) => seconds = varint(&mut rest)? as i64,
            (number, wire) => skip(&mut rest, number, wire, 0)?,
        }
    }
    let mut out = Vec::new();
    push_text(&mut out, timestamps::written(seconds)?.as_bytes());
    Some(out)
}

fn whole(value: impl Display) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// What JSON cannot say stops Kong too.
fn float(value: f64) -> Option<Vec<u8>> {
    value.is_finite().then(|| lua::number(value).to_vec())
}

fn append(list: &mut Vec<u8>, value: &[u8]) {
    if !list.is_empty() {
        list.push(b',');
    }
    list.extend_from_slice(value);
}

fn object(map: &IndexMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (place, (name, value)) in map.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out
}

fn push_member(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if out.len() > 1 {
        out.push(b',');
    }
    push_text(out, name);
    out.push(b':');
    out.extend_from_slice(value);
}

/// As lua-cjson; what is not UTF-8 goes on as it is.
fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' | b'/' => out.extend([b'\\', *byte]),
            0x08 => out.extend(b"\\b"),
            0x0c => out.extend(b"\\f"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..=0x1f | 0x7f => out.extend(format!("\\u{byte:04x}").bytes()),
            other => out.push(*other),
        }
    }
    out.push(b'"');
}

fn tag(rest: &mut &[u8]) -> Option<(u32, u8)> {
    let tag = varint(rest)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0)?;
    Some((number, (tag & 7) as u8))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut bits = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        bits |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(bits);
        }
    }
    None
}

fn fixed32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_le_bytes(*bytes))
}

fn fixed64(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u64::from_le_bytes(*bytes))
}

fn length_delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    let (bytes, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(bytes)
}

/// A field that the file does not know; groups may lie in each other.
fn skip(rest: &mut &[u8], number: u32, wire: u8, depth: usize) -> Option<()> {
    match wire {
        0 => drop(varint(rest)?),
        1 => drop(fixed64(rest)?),
        2 => drop(length_delimited(rest)?),
        3 if depth < DEEPEST => loop {
            match tag(rest)? {
                (end, 4) => return (end == number).then_some(()),
                (inner, wire) => skip(rest, inner, wire, depth + 1)?,
            }
        },
        5 => drop(fixed32(rest)?),
        _ => return None,
    }
    Some(())
}
