//! Arguments of a query or a form that are edited.

use super::edits::Edits;
use crate::arguments::decoded;
use crate::lua::sandbox::{Entries, Entry, Key, Surroundings};
use crate::path::push_escaped;
use indexmap::IndexMap;

/// Without `=` an argument has no text.
type Value = Option<Vec<u8>>;

/// In order of first appearance; a name that comes several times has all its values in one place.
#[derive(Debug, Default)]
pub struct Arguments(IndexMap<Vec<u8>, Vec<Value>>);

impl Arguments {
    pub fn parse(text: &[u8]) -> Self {
        let mut found = Self::default();
        for (name, value) in decoded(text).filter(|(name, _)| !name.is_empty()) {
            found.append(name.into_owned(), [value.map(|value| value.into_owned())]);
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds all values of the others to those that are here.
    pub fn extend(&mut self, others: Self) {
        others.0.into_iter().for_each(|(name, values)| self.append(name, values));
    }

    fn append(&mut self, name: Vec<u8>, values: impl IntoIterator<Item = Value>) {
        self.0.entry(name).or_default().extend(values);
    }

    /// Whether anything was there to edit.
    pub fn edit(&mut self, edits: &Edits, surroundings: &Surroundings<'_>) -> Result<bool, String> {
        let mut is_edited = !edits.remove.is_empty();
        edits.remove.iter().for_each(|name| drop(self.0.shift_remove(name.as_bytes())));
        for (old, new) in edits.rename.iter().map(|pair| (pair.name.as_bytes(), &pair.value)) {
            let new = new.render(surroundings)?.into_owned();
            if old != new
                && let Some(values) = self.0.shift_remove(old)
            {
                self.0.insert(new, values);
                is_edited = true;
            }
        }
        for pair in &edits.replace {
            let value = pair.value.render(surroundings)?;
            if let Some(values) = self.0.get_mut(pair.name.as_bytes()) {
                *values = vec![Some(value.into_owned())];
                is_edited = true;
            }
        }
        for pair in &edits.add {
            let value = pair.value.render(surroundings)?;
            if !self.0.contains_key(pair.name.as_bytes()) {
                self.0.insert(pair.name.clone().into_bytes(), vec![Some(value.into_owned())]);
                is_edited = true;
            }
        }
        for pair in &edits.append {
            let value = Some(pair.value.render(surroundings)?.into_owned());
            let values = self.0.entry(pair.name.clone().into_bytes()).or_default();
            if *values == [None] {
                // Kong puts the value in place of an argument without one.
                values.clear();
            }
            values.push(value);
            is_edited = true;
        }
        Ok(is_edited)
    }

    /// As a form.
    pub fn written(&self) -> Vec<u8> {
        join(self.0.iter().map(|(name, values)| argument(name, values)).collect())
    }

    /// As a query, in which Kong sorts what it has written.
    pub fn sorted(&self) -> Vec<u8> {
        let mut all: Vec<_> = self.0.iter().map(|(name, values)| argument(name, values)).collect();
        all.sort_unstable();
        join(all)
    }

    /// As Lua expressions see them.
    pub fn entries(self) -> Entries {
        let entry = |value: Value| value.map_or(Entry::True, Entry::Text);
        let entries = self.0.into_iter().map(|(name, mut values)| {
            let found = match values.len() {
                1 => entry(values.pop().flatten()),
                _ => Entry::Several(values.into_iter().map(entry).collect()),
            };
            (Key::Name(name), found)
        });
        entries.collect()
    }
}

fn argument(name: &[u8], values: &[Value]) -> Vec<u8> {
    let one = |value: &Value| {
        let mut out = escaped(name);
        if let Some(value) = value {
            out.push(b'=');
            out.extend(escaped(value));
        }
        out
    };
    join(values.iter().map(one).collect())
}

fn join(parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.join(&b"&"[..])
}

/// RFC 3986's unreserved characters stay.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            push_escaped(&mut out, byte);
        }
    }
    out
}
