//! Edits of the members of a JSON object.

use super::edits::Edits;
use crate::body::lossy;
use crate::cjson;
use crate::lua::sandbox::Surroundings;
use crate::plugins::json_members::{Member, appended};
use indexmap::IndexMap;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `None` if nothing was edited, or the body is no JSON object. An empty body counts as an object without members.
pub fn edited(body: &[u8], edits: &Edits, surroundings: &Surroundings<'_>) -> Result<Option<Vec<u8>>, String> {
    // JSON is UTF-8. What breaks that must not get around the edits.
    let text = String::from_utf8_lossy(body);
    let mut members: IndexMap<String, Member<'_>> = match serde_json::from_str(&text) {
        Ok(members) => members,
        Err(_) if body.is_empty() => IndexMap::new(),
        Err(_) => return Ok(None),
    };
    let mut is_edited = !edits.remove.is_empty() && !body.is_empty();
    members.retain(|name, _| !edits.remove.contains(name));
    for pair in &edits.rename {
        let new = lossy(&pair.value.render(surroundings)?);
        let is_there = members.get(&pair.name).is_some_and(Member::is_there);
        if is_there
            && new != pair.name
            && let Some(value) = members.shift_remove(&pair.name)
        {
            members.insert(new, value);
            is_edited = true;
        }
    }
    for pair in &edits.replace {
        let value = quoted(&pair.value.render(surroundings)?)?;
        if let Some(member) = members.get_mut(&pair.name).filter(|member| member.is_there()) {
            *member = Member(Cow::Owned(value));
            is_edited = true;
        }
    }
    for pair in &edits.add {
        let value = quoted(&pair.value.render(surroundings)?)?;
        if !members.get(&pair.name).is_some_and(Member::is_there) {
            members.insert(pair.name.clone(), Member(Cow::Owned(value)));
            is_edited = true;
        }
    }
    for pair in &edits.append {
        let value = quoted(&pair.value.render(surroundings)?)?;
        let longer = appended(members.get(&pair.name).map(|member| &*member.0), &value);
        let longer = longer.ok_or("a member of the body cannot be read")?;
        members.insert(pair.name.clone(), Member(Cow::Owned(longer)));
        is_edited = true;
    }
    let written = serde_json::to_vec(&members).map_err(|error| error.to_string())?;
    Ok(is_edited.then_some(written))
}

fn quoted(value: &[u8]) -> Result<Box<RawValue>, String> {
    RawValue::from_string(cjson::quoted(&lossy(value))).map_err(|error| error.to_string())
}
