//! Members of JSON objects that are edited: what no edit touches stays as it was written.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Serialize)]
#[serde(transparent)]
pub struct Member<'a>(pub Cow<'a, RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|value| Self(Cow::Borrowed(value)))
    }
}

impl Member<'_> {
    /// Kong does not tell `false` from a member that is not there.
    pub fn is_there(&self) -> bool {
        self.0.get() != "false"
    }
}

/// The member with one more value, by Kong's rules: a text becomes a list, an object gets a number as the name, anything
/// else gives way to a list of the one value.
pub fn appended(current: Option<&RawValue>, value: &RawValue) -> Option<Box<RawValue>> {
    let (current, value) = (current.map_or("null", RawValue::get), value.get());
    let inside = || current[1..current.len() - 1].trim_ascii();
    let json = match current.as_bytes().first() {
        Some(b'"') => format!("[{current},{value}]"),
        Some(b'[' | b'{') if inside().is_empty() => format!("[{value}]"),
        Some(b'[') => format!("[{},{value}]", inside()),
        Some(b'{') => {
            let members: HashMap<String, &RawValue> = serde_json::from_str(current).ok()?;
            let name = (1..).map(|number: usize| number.to_string()).find(|name| !members.contains_key(name))?;
            format!("{{{},\"{name}\":{value}}}", inside())
        }
        _ => format!("[{value}]"),
    };
    RawValue::from_string(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_value() {
        let more = RawValue::from_string("\"z\"".to_owned()).unwrap();
        for (current, expected) in [
            (None, r#"["z"]"#),
            (Some(r#""y""#), r#"["y","z"]"#),
            (Some("[1, 2 ]"), r#"[1, 2,"z"]"#),
            (Some("[ ]"), r#"["z"]"#),
            (Some("{}"), r#"["z"]"#),
            (Some(r#"{"a":1}"#), r#"{"a":1,"1":"z"}"#),
            (Some(r#"{"1":1}"#), r#"{"1":1,"2":"z"}"#),
            (Some("5"), r#"["z"]"#),
            (Some("true"), r#"["z"]"#),
            (Some("null"), r#"["z"]"#),
        ] {
            let current = current.map(|text| RawValue::from_string(text.to_owned()).unwrap());
            assert_eq!(appended(current.as_deref(), &more).unwrap().get(), expected, "{current:?}");
        }
    }
}
