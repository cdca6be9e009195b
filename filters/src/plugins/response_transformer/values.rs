//! Values of a configuration as JSON, with Kong's own reading of them.

use super::JsonType;
use crate::cjson;
use serde_json::Number;
use serde_json::value::RawValue;

/// `None`: the value is none of the type. No value at all is the text `null`.
pub fn json_value(value: Option<&str>, json_type: Option<JsonType>) -> Option<Box<RawValue>> {
    let text = value.map_or_else(|| "null".to_owned(), escaped);
    let json = match json_type {
        Some(JsonType::Number) => number(&text)?,
        Some(JsonType::Boolean) => (text == "true").to_string(),
        Some(JsonType::String) | None => cjson::quoted(&text),
    };
    RawValue::from_string(json).ok()
}

/// Kong escapes a text as JSON wants it and takes back only the escapes of quotes and slashes, so that a backslash comes
/// out doubled.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '"' | '/' => out.push(character),
            other => cjson::push_escaped(&mut out, other),
        }
    }
    out
}

/// What Lua reads as a number, but with all its digits.
fn number(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if let Some(hexadecimal) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let is_right = hexadecimal.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u64::from_str_radix(hexadecimal, 16).ok().filter(|_| is_right)?;
        return Some(format!("{sign}{number}"));
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.to_string());
    }
    let found: f64 = text.parse().ok()?;
    // Also where Rust, unlike JSON, knows infinity.
    let number = Number::from_f64(found)?.to_string();
    Some(number.strip_suffix(".0").map(str::to_owned).unwrap_or(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: Option<&str>, json_type: Option<JsonType>) -> Option<String> {
        json_value(text, json_type).map(|value| value.get().to_owned())
    }

    #[test]
    fn texts_and_types() {
        use JsonType::{Boolean, Number, String};
        for (text, json_type, expected) in [
            (Some("x"), None, Some(r#""x""#)),
            (Some("1"), None, Some(r#""1""#)),
            (Some("1"), Some(String), Some(r#""1""#)),
            (Some("\"q\""), None, Some(r#""\"q\"""#)),
            (Some("a/b"), None, Some(r#""a\/b""#)),
            (Some(r"a\b"), None, Some(r#""a\\\\b""#)),
            (Some("a\nb"), None, Some(r#""a\\nb""#)),
            (None, None, Some(r#""null""#)),
            (None, Some(Number), None),
            (None, Some(Boolean), Some("false")),
            (Some("true"), Some(Boolean), Some("true")),
            (Some("True"), Some(Boolean), Some("false")),
            (Some("12"), Some(Number), Some("12")),
            (Some(" +12 "), Some(Number), Some("12")),
            (Some("007"), Some(Number), Some("7")),
            (Some("-0x1F"), Some(Number), Some("-31")),
            (Some("1.50"), Some(Number), Some("1.5")),
            (Some("1e3"), Some(Number), Some("1000")),
            (Some(".5"), Some(Number), Some("0.5")),
            (Some("1234567890123456"), Some(Number), Some("1234567890123456")),
            (Some("1e999"), Some(Number), None),
            (Some("inf"), Some(Number), None),
            (Some("nan"), Some(Number), None),
            (Some("0x"), Some(Number), None),
            (Some("0x+1"), Some(Number), None),
            (Some("x"), Some(Number), None),
        ] {
            assert_eq!(value(text, json_type).as_deref(), expected, "{text:?} {json_type:?}");
        }
    }
}
