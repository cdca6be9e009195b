//! `custom_fields_by_lua` of log plugins: functions whose results are put into a record, or taken out of it.

use super::Functions;
use super::answered::Log;
use crate::ended::Ended;
use crate::error::ConfigError;
use crate::lua::functions::offered::Phase;
use crate::lua::functions::{Functions as Chunks, Stop};
use serde_json::{Map, Value};

/// Of one value, as JSON.
const LONGEST: usize = 64 * 1024;

#[derive(Debug)]
pub struct Fields {
    /// Where in the record, by names, one within the other.
    places: Vec<Vec<Box<str>>>,
    chunks: Chunks,
    functions: Functions,
}

impl Fields {
    /// None without any.
    pub fn parse(plugin: &'static str, given: Option<&Map<String, Value>>) -> Result<Option<Self>, ConfigError> {
        let given: Vec<_> = given.into_iter().flatten().collect();
        if given.is_empty() {
            return Ok(None);
        }
        let invalid = |problem: String| ConfigError::Invalid(format!("custom_fields_by_lua{problem}").into());
        let mut texts = Vec::with_capacity(given.len());
        for (key, text) in &given {
            let text = text.as_str().ok_or_else(|| invalid(format!(".{key}: expected a string")))?;
            texts.push(text.to_owned());
            let checked = Chunks::parse(plugin, Phase::Log, &texts[texts.len() - 1..]);
            checked.map_err(|problem| invalid(format!(".{key}: {}", problem.trim_start_matches("log.1: "))))?;
        }
        let invalid = |problem: String| invalid(format!(": {problem}"));
        Ok(Some(Self {
            places: given.iter().map(|(key, _)| parts(key)).collect(),
            chunks: Chunks::parse(plugin, Phase::Log, &texts).map_err(invalid)?,
            functions: Functions::without_any(plugin).map_err(invalid)?,
        }))
    }

    /// The record with its fields, line end and all; a function that fails leaves its field as it is, and is told.
    pub fn applied(&self, ended: &Ended<'_, '_>, record: &[u8]) -> Option<Vec<u8>> {
        let remembered = ended.remembered?;
        let mut whole: Value = serde_json::from_slice(record).ok()?;
        let mut host = Log { functions: &self.functions, ended, remembered };
        let results = match self.chunks.evaluate(&mut host, &remembered.context) {
            Ok(results) => results,
            Err(Stop::Fault(problem)) => {
                self.functions.tell(Phase::Log, &problem);
                Vec::new()
            }
            Err(Stop::Ended) => Vec::new(),
        };
        for (place, result) in self.places.iter().zip(results) {
            let put = result.and_then(|text| read(text.as_deref())).and_then(|value| put(&mut whole, place, value));
            if let Err(problem) = put {
                self.functions.tell(Phase::Log, &format!("custom_fields_by_lua {}: {problem}", place.join(".")));
            }
        }
        let mut line = serde_json::to_vec(&whole).ok()?;
        line.push(b'\n');
        Some(line)
    }
}

fn read(text: Option<&str>) -> Result<Option<Value>, String> {
    match text {
        None => Ok(None),
        Some(text) if text.len() > LONGEST => Err(format!("its value takes more than {LONGEST} bytes")),
        Some(text) => serde_json::from_str(text).map(Some).map_err(|error| error.to_string()),
    }
}

/// Names between dots; a dot behind a backslash is a part of a name.
fn parts(key: &str) -> Vec<Box<str>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    for (place, character) in key.char_indices() {
        match character {
            '.' if part.ends_with('\\') => {
                part.pop();
                part.push('.');
            }
            '.' if place > 0 => parts.push(std::mem::take(&mut part).into()),
            other => part.push(other),
        }
    }
    parts.push(part.into());
    parts
}

/// Without a value the field is taken out.
fn put(whole: &mut Value, place: &[Box<str>], value: Option<Value>) -> Result<(), String> {
    let Some((last, outer)) = place.split_last() else { return Ok(()) };
    let mut node = whole;
    for name in outer {
        let Some(object) = node.as_object_mut() else { return Err(format!("what {name} is in is no table")) };
        if value.is_none() && !object.contains_key(&**name) {
            return Ok(());
        }
        node = object.entry(name.to_string()).or_insert_with(|| Value::Object(Map::new()));
    }
    let Some(object) = node.as_object_mut() else { return Err(format!("what {last} is in is no table")) };
    match value {
        Some(value) => object.insert(last.to_string(), value),
        None => object.shift_remove(&**last),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_name_places() {
        for (key, expected) in [
            ("a", vec!["a"]),
            ("my.nested.field", vec!["my", "nested", "field"]),
            ("my\\.name", vec!["my.name"]),
            (".a", vec![".a"]),
            ("a.", vec!["a", ""]),
            ("", vec![""]),
        ] {
            assert_eq!(parts(key).iter().map(|part| &**part).collect::<Vec<_>>(), expected, "{key}");
        }
    }

    #[test]
    fn values_are_put_and_taken() {
        let mut record = json!({"route": {"id": "r"}, "n": 1});
        for (key, value, is_fine) in [
            ("my.nested", Some(json!(42)), true),
            ("route.name", Some(json!("x")), true),
            ("route.id", None, true),
            ("not.there", None, true),
            ("n.x", Some(json!(1)), false),
            ("n", None, true),
        ] {
            assert_eq!(put(&mut record, &parts(key), value).is_ok(), is_fine, "{key}");
        }
        assert_eq!(record, json!({"route": {"name": "x"}, "my": {"nested": 42}}));
    }
}
