//! Edits of the members of a JSON object, in Kong's order: remove, rename, replace, add, append. Whatever no edit touches
//! stays as it was written, to the last digit.

use super::values::json_value;
use super::{RawPairs, RawTransformer};
use crate::error::ConfigError;
use crate::plugins::json_members::{Member, appended};
use crate::plugins::pairs::{split, split_with_colon};
use indexmap::IndexMap;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;

#[derive(Debug, Default)]
pub struct JsonEdits {
    remove: HashSet<String>,
    rename: Vec<(String, String)>,
    replace: Vec<(String, Box<RawValue>)>,
    add: Vec<(String, Box<RawValue>)>,
    append: Vec<(String, Box<RawValue>)>,
}

impl JsonEdits {
    pub(super) fn parse(raw: &RawTransformer) -> Result<Self, ConfigError> {
        let removed = raw.remove.as_ref().and_then(|part| part.json.as_deref()).unwrap_or_default();
        let renamed = raw.rename.as_ref().and_then(|part| part.json.as_deref()).unwrap_or_default();
        let removed = removed.iter().map(|entry| split("remove.json", entry).map(|(name, _)| name));
        let renamed = renamed.iter().map(|pair| renamed_pair(pair)).filter_map(Result::transpose);
        Ok(Self {
            remove: removed.collect::<Result<_, _>>()?,
            rename: renamed.collect::<Result<_, _>>()?,
            replace: valued("replace.json", raw.replace.as_ref())?,
            add: valued("add.json", raw.add.as_ref())?,
            append: valued("append.json", raw.append.as_ref())?,
        })
    }

    pub fn is_empty(&self) -> bool {
        let Self { remove, rename, replace, add, append } = self;
        remove.is_empty() && rename.is_empty() && [replace, add, append].iter().all(|pairs| pairs.is_empty())
    }

    /// `None` for what is no JSON object; it stays as it is.
    pub fn apply(&self, body: &[u8]) -> Option<Vec<u8>> {
        // JSON is UTF-8. What breaks that must not get around the edits.
        let text = String::from_utf8_lossy(body);
        let mut members: IndexMap<String, Member<'_>> = serde_json::from_str(&text).ok()?;
        if !self.remove.is_empty() {
            members.retain(|name, _| !self.remove.contains(name));
        }
        for (old, new) in &self.rename {
            if let Some(value) = members.swap_remove(old) {
                // Renamed to itself, a member is gone.
                if old != new {
                    members.insert(new.clone(), value);
                }
            }
        }
        for (name, value) in &self.replace {
            if let Some(member) = members.get_mut(name).filter(|member| member.is_there()) {
                *member = Member(Cow::Borrowed(value));
            }
        }
        for (name, value) in &self.add {
            if !members.get(name).is_some_and(Member::is_there) {
                members.insert(name.clone(), Member(Cow::Borrowed(value)));
            }
        }
        for (name, value) in &self.append {
            let longer = appended(members.get(name).map(|member| &*member.0), value)?;
            members.insert(name.clone(), Member(Cow::Owned(longer)));
        }
        serde_json::to_vec(&members).ok()
    }
}

/// `None` without a new name, which changes nothing.
fn renamed_pair(pair: &str) -> Result<Option<(String, String)>, ConfigError> {
    let (old, new) = split_with_colon("rename.json", pair)?;
    Ok(new.map(|new| (old, new)))
}

/// Entries whose value is none of its type change nothing.
fn valued(field: &str, part: Option<&RawPairs>) -> Result<Vec<(String, Box<RawValue>)>, ConfigError> {
    let pairs = part.and_then(|part| part.json.as_deref()).unwrap_or_default();
    let types = part.and_then(|part| part.json_types.as_deref()).unwrap_or_default();
    let mut found = Vec::with_capacity(pairs.len());
    for (place, pair) in pairs.iter().enumerate() {
        let (name, value) = split_with_colon(field, pair)?;
        if let Some(value) = json_value(value.as_deref(), types.get(place).copied()) {
            found.push((name, value));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn edits(config: Value) -> JsonEdits {
        JsonEdits::parse(&serde_json::from_value(config).unwrap()).unwrap()
    }

    fn edited(config: Value, body: &str) -> Option<String> {
        edits(config).apply(body.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn edits_of_members() {
        for (config, body, expected) in [
            (json!({"remove": {"json": ["a", "b:x", "z"]}}), r#"{"a":1,"b":2,"c":3}"#, r#"{"c":3}"#),
            (json!({"remove": {"json": ["a"]}}), r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2}"#),
            (json!({"remove": {"json": ["a"]}}), r#"{"\u0061":1}"#, "{}"),
            (json!({"rename": {"json": ["a:b"]}}), r#"{"a":1,"b":2}"#, r#"{"b":1}"#),
            (json!({"rename": {"json": ["a:"]}}), r#"{"a":1}"#, r#"{"a":1}"#),
            (json!({"rename": {"json": ["a:a"]}}), r#"{"a":1}"#, "{}"),
            (json!({"rename": {"json": ["a:b:c"]}}), r#"{"a":1}"#, r#"{"b:c":1}"#),
            (json!({"replace": {"json": ["a:x", "b:x"]}}), r#"{"a":[1,{}]}"#, r#"{"a":"x"}"#),
            (json!({"replace": {"json": ["a:x", "b:x"]}}), r#"{"a":null,"b":false}"#, r#"{"a":"x","b":false}"#),
            (json!({"add": {"json": ["a:x", "b:x"]}}), r#"{"a":null}"#, r#"{"a":null,"b":"x"}"#),
            (json!({"add": {"json": ["a:x"]}}), r#"{"a":false}"#, r#"{"a":"x"}"#),
            (json!({"add": {"json": ["a:x", "a:y"]}}), "{}", r#"{"a":"x"}"#),
            (json!({"append": {"json": ["a:x", "a:y"]}}), r#"{"a":[ ]}"#, r#"{"a":["x","y"]}"#),
            (json!({"remove": {"json": ["a"]}, "add": {"json": ["a:x"]}}), r#"{"a":1}"#, r#"{"a":"x"}"#),
        ] {
            assert_eq!(edited(config.clone(), body).as_deref(), Some(expected), "{config} {body}");
        }
    }

    #[test]
    fn what_no_edit_touches_stays_as_it_was_written() {
        let body = r#"{"big": 12345678901234567890.10, "e":1E5 ,"n":{ "x": [1,  2], "s":"\u00e9\/"}, "a":1}"#;
        let expected = r#"{"big":12345678901234567890.10,"e":1E5,"n":{ "x": [1,  2], "s":"\u00e9\/"}}"#;
        assert_eq!(edited(json!({"remove": {"json": ["a"]}}), body).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_object_stays() {
        for body in ["", "not json", "[1]", "\"x\"", "null", r#"{"a":1"#, r#"{"a":1}x"#, "\u{feff}{}"] {
            assert_eq!(edited(json!({"add": {"json": ["a:x"]}}), body), None, "{body}");
        }
    }

    #[test]
    fn broken_text_does_not_get_around_the_edits() {
        let edited = edits(json!({"remove": {"json": ["secret"]}})).apply(b"{\"secret\":1,\"x\":\"\xff\"}").unwrap();
        assert_eq!(edited, "{\"x\":\"\u{fffd}\"}".as_bytes());
    }

    #[test]
    fn deep_bodies_cost_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let longer = edited(json!({"append": {"json": ["a:x"]}}), &deep).unwrap();
        assert!(longer.ends_with("],\"x\"]}"));
    }

    proptest! {
        #[test]
        fn edited_objects_are_right_json(
            body in "\\{(\"[ab]\":(1|\"x\"|\\[\\]|\\[1\\]|\\{\\}|\\{\"1\":2\\}|null|false),){0,3}\"c\":0\\}",
            pairs in proptest::collection::vec("[abc]:[a-z0-9\"\\\\/]{0,3}", 0..4),
        ) {
            let part = json!({"json": pairs});
            let config = json!({"rename": part, "replace": part, "add": part, "append": part});
            let edited = edited(config, &body).unwrap();
            let members = serde_json::from_str::<Value>(&edited).unwrap();
            prop_assert!(members.is_object());
            prop_assert!(pairs.iter().all(|pair| members[&pair[..1]].is_array() || members[&pair[..1]].is_object()));
        }
    }
}
