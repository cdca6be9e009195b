//! Request bodies that may carry a key: forms, JSON objects and multipart forms.

use crate::arguments::{self, Found};
use memchr::memmem;
use serde::Serializer;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::OnceCell;

/// A larger body is not searched: it counts as one without a key.
pub const LARGEST_SEARCHED: usize = 512 * 1024;
/// RFC 2046, section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Form,
    Json,
    Multipart { boundary: Vec<u8> },
}

impl Kind {
    /// `None` for media types in which Kong looks for nothing.
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let mut parts = content_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        match parts.next()?.to_ascii_lowercase().as_slice() {
            b"application/x-www-form-urlencoded" => Some(Self::Form),
            b"application/json" => Some(Self::Json),
            b"multipart/form-data" => {
                let boundary = parts.find_map(|part| parameter(part, b"boundary"))?.to_vec();
                (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then_some(Self::Multipart { boundary })
            }
            _ => None,
        }
    }
}

/// A whole body; JSON is parsed once, when something is first looked up.
#[derive(Debug)]
pub struct Content<'a> {
    kind: &'a Kind,
    bytes: &'a [u8],
    object: OnceCell<Option<Map<String, Value>>>,
}

impl<'a> Content<'a> {
    pub fn new(kind: &'a Kind, bytes: &'a [u8]) -> Self {
        Self { kind, bytes, object: OnceCell::new() }
    }

    /// `None` if the body cannot be read as what it claims to be.
    pub fn find(&self, name: &[u8]) -> Option<Found<'_>> {
        match self.kind {
            Kind::Form => Some(arguments::find(self.bytes, name)),
            Kind::Json => Some(match self.object()?.get(std::str::from_utf8(name).ok()?) {
                None | Some(Value::Null) => Found::Nothing,
                Some(Value::String(text)) => Found::Text(Cow::Borrowed(text.as_bytes())),
                Some(Value::Array(_) | Value::Object(_)) => Found::Several,
                Some(_) => Found::NoText,
            }),
            Kind::Multipart { boundary } => {
                let mut values = parts(self.bytes, boundary).filter(|part| part.name == name).map(|part| part.value);
                Some(match (values.next(), values.next()) {
                    (None, _) => Found::Nothing,
                    (Some(value), None) => Found::Text(Cow::Borrowed(value)),
                    _ => Found::Several,
                })
            }
        }
    }

    /// Everything in it, as JSON; what is not UTF-8 becomes U+FFFD.
    pub fn members(&self) -> Option<Value> {
        match self.kind {
            Kind::Form => Some(object_of(arguments::decoded(self.bytes).map(|(name, value)| {
                (lossy(&name), value.map_or(Value::Bool(true), |value| Value::String(lossy(&value))))
            }))),
            Kind::Json => {
                serde_json::from_slice(self.bytes).ok().filter(|all: &Value| all.is_object() || all.is_array())
            }
            Kind::Multipart { boundary } => Some(object_of(
                parts(self.bytes, boundary).map(|part| (lossy(part.name), Value::String(lossy(part.value)))),
            )),
        }
    }

    /// The body without `name`; `None` if it is not there.
    pub fn without(&self, name: &[u8]) -> Option<Vec<u8>> {
        match self.kind {
            Kind::Form => arguments::without(self.bytes, name),
            Kind::Json => {
                let (object, name) = (self.object()?, std::str::from_utf8(name).ok()?);
                object.contains_key(name).then(|| json_without(object, name)).flatten()
            }
            Kind::Multipart { boundary } => {
                let mut out = Vec::with_capacity(self.bytes.len());
                let mut copied = 0;
                for part in parts(self.bytes, boundary).filter(|part| part.name == name) {
                    out.extend_from_slice(&self.bytes[copied..part.from]);
                    copied = part.to;
                }
                (copied > 0).then(|| [&out, &self.bytes[copied..]].concat())
            }
        }
    }

    fn object(&self) -> Option<&Map<String, Value>> {
        self.object.get_or_init(|| serde_json::from_slice(self.bytes).ok()).as_ref()
    }
}

fn json_without(object: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let rest = object.iter().filter(|(other, _)| *other != name);
    serde_json::Serializer::new(&mut out).collect_map(rest).ok()?;
    Some(out)
}

/// Names that come several times have a list of their values.
pub fn object_of(pairs: impl Iterator<Item = (String, Value)>) -> Value {
    let mut members = Map::new();
    for (name, value) in pairs {
        match members.get_mut(&name) {
            None => drop(members.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(members)
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One part of a multipart body: `from` is where its delimiter begins, `to` where the next one begins.
struct Part<'a> {
    name: &'a [u8],
    value: &'a [u8],
    from: usize,
    to: usize,
}

fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> impl Iterator<Item = Part<'a>> {
    let delimiter = memmem::Finder::new(&[b"--", boundary].concat()).into_owned();
    let mut next = delimiter.find(body);
    std::iter::from_fn(move || {
        loop {
            let from = next?;
            let start = from + delimiter.needle().len();
            let to = start + delimiter.find(&body[start..])?;
            next = Some(to);
            if let Some((name, value)) = name_and_value(&body[start..to]) {
                return Some(Part { name, value, from, to });
            }
        }
    })
}

fn name_and_value(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end_of_head = memmem::find(part, b"\r\n\r\n")?;
    let value = part[end_of_head + 4..].strip_suffix(b"\r\n")?;
    Some((name_of_part(&part[..end_of_head])?, value))
}

/// As its `Content-Disposition` says.
pub fn name_of_part(head: &[u8]) -> Option<&[u8]> {
    let disposition = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() >= 20 && line[..20].eq_ignore_ascii_case(b"content-disposition:"))?;
    disposition.split(|byte| *byte == b';').find_map(|field| parameter(field.trim_ascii(), b"name"))
}

fn parameter<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (key, value) = field.split_at_checked(name.len())?;
    let value = value.strip_prefix(b"=")?;
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    key.eq_ignore_ascii_case(name).then_some(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const MULTIPART: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n\
        --b\r\ncontent-disposition: form-data; name=\"apikey\"\r\n\r\nkey-1\r\n--b--\r\n";

    fn text(value: &str) -> Option<Found<'_>> {
        Some(Found::Text(Cow::Borrowed(value.as_bytes())))
    }

    fn multipart() -> Kind {
        Kind::Multipart { boundary: b"b".to_vec() }
    }

    #[test]
    fn kinds() {
        for (content_type, expected) in [
            ("application/json", Some(Kind::Json)),
            ("Application/JSON; charset=utf-8", Some(Kind::Json)),
            ("application/x-www-form-urlencoded", Some(Kind::Form)),
            ("multipart/form-data; boundary=b", Some(multipart())),
            ("multipart/form-data; Boundary=\"b\"", Some(multipart())),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("text/plain", None),
        ] {
            assert_eq!(Kind::of(content_type.as_bytes()), expected, "{content_type}");
        }
        for (length, expected) in [(70, true), (71, false), (7_900, false)] {
            let content_type = format!("multipart/form-data; boundary={}", "-".repeat(length));
            assert_eq!(Kind::of(content_type.as_bytes()).is_some(), expected, "{length}");
        }
    }

    #[test]
    fn json() {
        for (body, expected) in [
            (r#"{"apikey":"k","x":[1]}"#, text("k")),
            (r#"{"apikey":["k"]}"#, Some(Found::Several)),
            (r#"{"apikey":7}"#, Some(Found::NoText)),
            (r"{}", Some(Found::Nothing)),
            (r#"{"apikey":"#, None),
            (r#"["apikey"]"#, None),
        ] {
            assert_eq!(Content::new(&Kind::Json, body.as_bytes()).find(b"apikey"), expected, "{body}");
        }
        for (body, expected) in [
            (r#"{"b":1,"apikey":"k","a":2}"#, Some(r#"{"b":1,"a":2}"#)),
            (r#"{"apikey":null}"#, Some("{}")),
            ("{}", None),
            ("[]", None),
        ] {
            let rest = Content::new(&Kind::Json, body.as_bytes()).without(b"apikey");
            assert_eq!(rest.as_deref(), expected.map(str::as_bytes), "{body}");
        }
    }

    #[test]
    fn multipart_forms() {
        let kind = multipart();
        let content = Content::new(&kind, MULTIPART);
        assert_eq!(content.find(b"apikey"), text("key-1"));
        assert_eq!(content.find(b"y"), Some(Found::Nothing));
        assert_eq!(
            content.without(b"apikey").unwrap(),
            b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b--\r\n"
        );
    }

    #[test]
    fn everything_in_a_body() {
        for (kind, body, expected) in [
            (Kind::Form, &b"a=1&b&a=2&a=%ff"[..], Some(json!({"a": ["1", "2", "\u{fffd}"], "b": true}))),
            (Kind::Json, br#"{"a":[1]}"#, Some(json!({"a": [1]}))),
            (Kind::Json, b"1", None),
            (multipart(), MULTIPART, Some(json!({"x": "1", "apikey": "key-1"}))),
        ] {
            assert_eq!(Content::new(&kind, body).members(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_strange(body in proptest::collection::vec(any::<u8>(), 0..64), boundary in "[a-b]{1,2}") {
            for kind in [Kind::Form, Kind::Json, Kind::Multipart { boundary: boundary.into_bytes() }] {
                let content = Content::new(&kind, &body);
                content.find(b"k");
                content.without(b"k");
                content.members();
            }
        }
    }
}
