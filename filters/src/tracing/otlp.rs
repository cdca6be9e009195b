//! Spans of OTLP, as protocol buffers: the few messages of opentelemetry-proto that there are (field numbers are its).

use super::{SpanId, TraceId};
use std::time::SystemTime;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Server = 2,
    Client = 3,
}

pub enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Number(f64),
}

/// A Span, written field by field.
#[derive(Debug)]
pub struct Span(Vec<u8>);

impl Span {
    pub fn new(trace: &TraceId, id: &SpanId, parent: Option<&SpanId>, name: &str, kind: Kind) -> Self {
        let mut out = Vec::with_capacity(512);
        bytes(&mut out, 1, trace);
        bytes(&mut out, 2, id);
        if let Some(parent) = parent {
            bytes(&mut out, 4, parent);
        }
        bytes(&mut out, 5, name.as_bytes());
        number(&mut out, 6, kind as u64);
        Self(out)
    }

    pub fn lasts(&mut self, from: SystemTime, to: SystemTime) {
        for (field, time) in [(7, from), (8, to)] {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            tag(&mut self.0, field, 1);
            self.0.extend_from_slice(&u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
        }
    }

    pub fn attribute(&mut self, name: &str, value: &Value<'_>) {
        attribute(&mut self.0, 9, name, value);
    }

    pub fn fails(&mut self) {
        const ERROR: u64 = 2;
        let mut status = Vec::new();
        number(&mut status, 3, ERROR);
        bytes(&mut self.0, 15, &status);
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The attributes of a Resource.
pub fn resource<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    attributes.for_each(|(name, value)| attribute(&mut out, 1, name, &Value::Text(value)));
    out
}

/// ExportTraceServiceRequest with spans of one scope.
pub fn request(resource: &[u8], scope: (&str, &str), spans: &[Vec<u8>]) -> Vec<u8> {
    let mut named = Vec::new();
    bytes(&mut named, 1, scope.0.as_bytes());
    bytes(&mut named, 2, scope.1.as_bytes());
    let mut scoped = Vec::with_capacity(spans.iter().map(|span| span.len() + 8).sum());
    bytes(&mut scoped, 1, &named);
    spans.iter().for_each(|span| bytes(&mut scoped, 2, span));
    let mut of_resource = Vec::with_capacity(scoped.len() + resource.len() + 16);
    bytes(&mut of_resource, 1, resource);
    bytes(&mut of_resource, 2, &scoped);
    let mut out = Vec::with_capacity(of_resource.len() + 8);
    bytes(&mut out, 1, &of_resource);
    out
}

fn attribute(out: &mut Vec<u8>, field: u64, name: &str, value: &Value<'_>) {
    let mut any = Vec::new();
    match value {
        Value::Text(text) => bytes(&mut any, 1, text.as_bytes()),
        Value::Integer(integer) => number(&mut any, 3, integer.cast_unsigned()),
        Value::Number(float) => {
            tag(&mut any, 4, 1);
            any.extend_from_slice(&float.to_le_bytes());
        }
    }
    let mut pair = Vec::with_capacity(name.len() + any.len() + 8);
    bytes(&mut pair, 1, name.as_bytes());
    bytes(&mut pair, 2, &any);
    bytes(out, field, &pair);
}

fn tag(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    tag(out, field, 0);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    tag(out, field, 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
