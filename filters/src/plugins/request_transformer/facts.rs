//! What the expressions of templates can know of a request.

use super::arguments::Arguments;
use crate::exchange::Exchange;
use crate::lua::sandbox::{Entries, Entry, Facts, Key};
use indexmap::IndexMap;

/// The request as earlier plugins have left it; this plugin's own edits do not show.
pub struct RequestFacts<'a, 'e, 'r> {
    pub exchange: &'a Exchange<'e, 'r>,
    /// With lower-case names.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

impl Facts for RequestFacts<'_, '_, '_> {
    fn headers(&self) -> Entries {
        let mut found: IndexMap<&[u8], Vec<&[u8]>> = IndexMap::new();
        found.insert(b"host", vec![self.exchange.request.authority]);
        for (name, value) in self.headers {
            found.entry(name).or_default().push(value);
        }
        let entry = |values: Vec<&[u8]>| match values.as_slice() {
            [only] => Entry::Text(only.to_vec()),
            several => Entry::Several(several.iter().map(|value| Entry::Text(value.to_vec())).collect()),
        };
        found.into_iter().map(|(name, values)| (Key::Name(name.to_vec()), entry(values))).collect()
    }

    fn query_params(&self) -> Entries {
        Arguments::parse(self.exchange.query().unwrap_or_default()).entries()
    }

    fn uri_captures(&self) -> Entries {
        let mut found = Entries::new();
        for (number, name, text) in self.exchange.pattern.captures(self.exchange.path) {
            found.push((Key::Place(number), Entry::Text(text.to_vec())));
            found.extend(name.map(|name| (Key::Name(name.as_bytes().to_vec()), Entry::Text(text.to_vec()))));
        }
        found
    }
}
