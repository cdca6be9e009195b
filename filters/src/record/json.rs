//! JSON in one line, written piece by piece.

use crate::bytes;
use std::borrow::Cow;

/// No text is longer: nginx takes no longer line of a header, and no longer request line.
const LONGEST_TEXT: usize = 8 * 1024;

pub fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&crate::text::decimal(number));
}

/// As a JSON string, whatever bytes there are; what is too long is cut.
pub fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(LONGEST_TEXT)];
    out.push(b'"');
    if !bytes::has_any(text, needs_escape) {
        out.extend_from_slice(text);
    } else {
        push_escaped(out, &String::from_utf8_lossy(text));
    }
    out.push(b'"');
}

/// `"name":"text"`, the name being plain.
pub fn push_member(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    push_name(out, name);
    push_text(out, text);
}

pub fn push_name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Of any of eight bytes.
fn needs_escape(word: u64) -> u64 {
    bytes::controls(word) | bytes::foreign(word) | bytes::byte(word, b'"') | bytes::byte(word, b'\\')
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            // Some readers end a line at these too.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// One value of several under a name.
pub enum Value<'a> {
    Text(Cow<'a, [u8]>),
    True,
}

/// An object of names with one value each, or with a list of them where a name stands there more than once.
pub fn push_grouped<'a>(out: &mut Vec<u8>, pairs: &[(Cow<'a, [u8]>, Value<'a>)]) {
    out.push(b'{');
    let mut is_first = true;
    for (place, (name, value)) in pairs.iter().enumerate() {
        if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        push_text(out, name);
        out.push(b':');
        let mut more = pairs[place + 1..].iter().filter(|(other, _)| other == name).peekable();
        if more.peek().is_none() {
            push_value(out, value);
            continue;
        }
        out.push(b'[');
        push_value(out, value);
        for (_, value) in more {
            out.push(b',');
            push_value(out, value);
        }
        out.push(b']');
    }
    out.push(b'}');
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(text) => push_text(out, text),
        Value::True => out.extend_from_slice(b"true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts() {
        for (text, expected) in [
            (b"plain </script>".as_slice(), r#""plain </script>""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\r\n\0\x7f", r#""\u000d\u000a\u0000\u007f""#),
            ("é\u{2028}\u{85}".as_bytes(), r#""é\u2028\u0085""#),
            (b"\xff", "\"\u{fffd}\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(quoted(&[b'x'; 9000]).len(), LONGEST_TEXT + 2);
    }

    #[test]
    fn names_that_repeat_have_lists() {
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text.as_bytes()));
        let pairs = [("a", text("1")), ("b", Value::True), ("a", text("2")), ("c", text(""))];
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name.as_bytes()), value)).collect();
        let mut out = Vec::new();
        push_grouped(&mut out, &pairs);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":["1","2"],"b":true,"c":""}"#);
    }

    proptest! {
        #[test]
        fn whatever_bytes_there_are_they_are_a_string_in_one_line(text: Vec<u8>) {
            let quoted = quoted(&text);
            prop_assert!(!quoted.contains(['\n', '\r']));
            let read: String = serde_json::from_str(&quoted).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&text));
        }
    }
}
