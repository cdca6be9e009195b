//! Arguments of a query or a form: looking one up, and leaving one out.

use crate::path::{hex_digit, push_escaped};
use std::borrow::Cow;

/// What stands under one name, in a query or in a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Nothing,
    Text(Cow<'a, [u8]>),
    /// Present without a text: `?name`, or a JSON number.
    NoText,
    /// Repeated, or a JSON array or object.
    Several,
}

/// Looks `name` up among `a=1&b=2`, decoding names and values.
pub fn find<'a>(arguments: &'a [u8], name: &[u8]) -> Found<'a> {
    let mut found = Found::Nothing;
    for (raw_name, raw_value) in pairs(arguments) {
        if *decode(raw_name) != *name {
            continue;
        }
        found = match (found, raw_value) {
            (Found::Nothing, Some(value)) => Found::Text(decode(value)),
            (Found::Nothing, None) => Found::NoText,
            _ => return Found::Several,
        };
    }
    found
}

/// The arguments without `name`, written anew as a browser's form would be; `None` if `name` is not there.
pub fn without(arguments: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(arguments.len());
    let mut removed = false;
    for (raw_name, raw_value) in pairs(arguments) {
        let decoded = decode(raw_name);
        if *decoded == *name {
            removed = true;
            continue;
        }
        if !out.is_empty() {
            out.push(b'&');
        }
        encode_into(&mut out, &decoded);
        out.push(b'=');
        encode_into(&mut out, &decode(raw_value.unwrap_or_default()));
    }
    removed.then_some(out)
}

/// Names and values, decoded; None where there is no `=`.
pub fn decoded(arguments: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Option<Cow<'_, [u8]>>)> {
    pairs(arguments).map(|(name, value)| (decode(name), value.map(decode)))
}

/// Names and values as a browser's form writes them.
pub fn encoded<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = Vec::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(b'&');
        }
        encode_into(&mut out, name.as_bytes());
        out.push(b'=');
        encode_into(&mut out, value.as_bytes());
    }
    // Whatever is not ASCII has been escaped.
    String::from_utf8(out).unwrap_or_default()
}

fn pairs(arguments: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    arguments.split(|byte| *byte == b'&').filter(|part| !part.is_empty()).map(|part| {
        match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (&part[..at], Some(&part[at + 1..])),
            None => (part, None),
        }
    })
}

/// `+` is a space; a broken escape stays as it is.
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match (escaped, byte) {
            (Some((high, low)), _) => {
                out.push(high << 4 | low);
                rest = &tail[2..];
            }
            (None, b'+') => out.push(b' '),
            (None, other) => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn encode_into(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => push_escaped(out, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_what_kong_finds() {
        for (query, expected) in [
            ("apikey=a", Found::Text(Cow::Borrowed(b"a".as_slice()))),
            ("x=1&apikey=Bob%20Key%2F1%2B2", Found::Text(Cow::Borrowed(b"Bob Key/1+2"))),
            ("apikey=Bob+Key/1%2B2", Found::Text(Cow::Borrowed(b"Bob Key/1+2"))),
            ("api%6bey=a", Found::Text(Cow::Borrowed(b"a"))),
            ("apikey=", Found::Text(Cow::Borrowed(b""))),
            ("apikey", Found::NoText),
            ("apikey=a&apikey=a", Found::Several),
            ("apikey&apikey", Found::Several),
            ("apikey[]=a&apikey[1]=a", Found::Nothing),
            ("", Found::Nothing),
        ] {
            assert_eq!(find(query.as_bytes(), b"apikey"), expected, "{query}");
        }
    }

    #[test]
    fn leaves_one_out() {
        for (query, expected) in [
            ("a=1&apikey=k&b=%20x&a=2", Some("a=1&b=+x&a=2")),
            ("apikey=k", Some("")),
            ("c&apikey=k&d=%2f*~", Some("c=&d=%2F*%7E")),
            ("a=1", None),
        ] {
            assert_eq!(without(query.as_bytes(), b"apikey").as_deref(), expected.map(str::as_bytes), "{query}");
        }
    }

    #[test]
    fn written_as_a_form() {
        assert_eq!(encoded([("a b", "c&d=é"), ("e", "")]), "a+b=c%26d%3D%C3%A9&e=");
        assert_eq!(encoded([]), "");
    }

    proptest! {
        #[test]
        fn what_was_left_out_is_gone_and_the_rest_reads_the_same(query in "[a-c%+=&0-9]{0,30}") {
            if let Some(rest) = without(query.as_bytes(), b"a") {
                prop_assert_eq!(find(&rest, b"a"), Found::Nothing);
                if let Found::Text(before) = find(query.as_bytes(), b"b") {
                    prop_assert_eq!(find(&rest, b"b"), Found::Text(before));
                }
            }
        }
    }
}
