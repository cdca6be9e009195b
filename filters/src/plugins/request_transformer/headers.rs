//! Edits of a request's headers.

use super::edits::Edits;
use crate::lua::sandbox::Surroundings;
use crate::text::{Text, header_value};
use std::borrow::Cow;

/// The final values of the headers that were edited, by lower-case names; without values a header is to go.
pub type Edited = Vec<(String, Vec<Text>)>;

/// Headers of a request, and what edits have made of them so far.
pub struct Headers<'a> {
    /// Names are in lower case.
    sent: &'a [(&'a [u8], &'a [u8])],
    edited: Edited,
}

impl<'a> Headers<'a> {
    pub fn new(sent: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self { sent, edited: Edited::new() }
    }

    pub fn edit(&mut self, edits: &Edits, surroundings: &Surroundings<'_>) -> Result<(), String> {
        edits.remove.iter().for_each(|name| self.set(name, Vec::new()));
        for pair in &edits.rename {
            let new = pair.value.render(surroundings)?;
            let new = String::from_utf8_lossy(&new);
            let values = self.values(&pair.name);
            if !values.is_empty() && *new != *pair.name {
                self.set(&new, values);
                self.set(&pair.name, Vec::new());
            }
        }
        for pair in &edits.replace {
            let value = text(pair.value.render(surroundings)?);
            if pair.name == "host" || !self.values(&pair.name).is_empty() {
                self.set(&pair.name, vec![value]);
            }
        }
        for pair in &edits.add {
            let value = text(pair.value.render(surroundings)?);
            if self.values(&pair.name).is_empty() {
                self.set(&pair.name, vec![value]);
            }
        }
        for pair in &edits.append {
            let value = text(pair.value.render(surroundings)?);
            let mut values = self.values(&pair.name);
            values.push(value);
            self.set(&pair.name, values);
        }
        Ok(())
    }

    pub fn values(&self, name: &str) -> Vec<Text> {
        match self.edited.iter().find(|(other, _)| other == name) {
            Some((_, values)) => values.clone(),
            None => {
                let sent = self.sent.iter().filter(|(other, _)| *other == name.as_bytes());
                sent.map(|(_, value)| Text::from_slice(value)).collect()
            }
        }
    }

    pub fn into_edited(self) -> Edited {
        self.edited
    }

    fn set(&mut self, name: &str, values: Vec<Text>) {
        match self.edited.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = values,
            None => self.edited.push((name.to_owned(), values)),
        }
    }
}

/// Whatever a client put into a query must not become a header of its own.
fn text(value: Cow<'_, [u8]>) -> Text {
    Text::from_slice(&header_value(&value))
}
