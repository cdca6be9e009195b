//! What makes two requests ask for the same.

use crate::arguments;
use crate::exchange::Exchange;
use crate::plugins::proxy_cache::store::Key;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Which parts of a request count besides consumer, route, method and path.
#[derive(Debug)]
pub struct Varies {
    /// Of the query; all of them if there are none here.
    pub arguments: Box<[Box<str>]>,
    /// In lower case.
    pub headers: Box<[Box<str>]>,
    pub ignores_case: bool,
    /// Which of Kong's stores it is kept in.
    pub dictionary: Box<str>,
}

impl Varies {
    /// `method` is that by which the upstream is asked.
    pub fn key(&self, exchange: &Exchange<'_, '_>, method: &[u8]) -> Key {
        let consumer = exchange.who.consumer.as_ref().map_or("", |consumer| &*consumer.id);
        let mut parts = Parts(Sha256::new());
        parts.add(self.dictionary.as_bytes());
        parts.add(exchange.route.id.as_bytes());
        parts.add(consumer.as_bytes());
        parts.add(method);
        let path = exchange.request.sent_path;
        parts.add(&if self.ignores_case { Cow::Owned(path.to_ascii_lowercase()) } else { Cow::Borrowed(path) });
        self.add_arguments(&mut parts, exchange.query().unwrap_or_default());
        for name in &self.headers {
            let mut values: Vec<&[u8]> = exchange.headers(name).collect();
            values.sort_unstable();
            parts.add_number(values.len());
            values.iter().for_each(|value| parts.add(value));
        }
        parts.0.finalize().into()
    }

    fn add_arguments(&self, parts: &mut Parts, query: &[u8]) {
        let mut found: Vec<_> = arguments::decoded(query).collect();
        if !self.arguments.is_empty() {
            found.retain(|(name, _)| self.arguments.iter().any(|wanted| wanted.as_bytes() == &**name));
        }
        found.sort_unstable();
        parts.add_number(found.len());
        for (name, value) in &found {
            parts.add(name);
            parts.add_number(usize::from(value.is_some()));
            parts.add(value.as_deref().unwrap_or_default());
        }
    }
}

/// Each with its length, so that no two requests look alike whatever they are made of.
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.add_number(part.len());
        self.0.update(part);
    }

    fn add_number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }
}
