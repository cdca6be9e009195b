//! Parameters of OAuth: in the query and, with methods that have one, in the body, which comes first.

use crate::arguments::{self, Found};
use crate::body::Content;
use crate::exchange::{Body, Exchange};

const WITH_BODY: [&[u8]; 3] = [b"POST", b"PUT", b"PATCH"];

pub struct Parameters<'a> {
    query: &'a [u8],
    content: Option<Content<'a>>,
}

impl<'a> Parameters<'a> {
    /// None while the body has not come.
    pub fn read(exchange: &'a Exchange<'_, '_>) -> Option<Self> {
        let content = match exchange.body {
            _ if !WITH_BODY.contains(&exchange.request.method) => None,
            Body::Pending => return None,
            Body::Unusable => None,
            Body::Whole(kind, bytes) => Some(Content::new(kind, bytes)),
        };
        Some(Self { query: exchange.query().unwrap_or_default(), content })
    }

    pub fn find(&self, name: &str) -> Found<'_> {
        match self.content.as_ref().and_then(|content| content.find(name.as_bytes())) {
            None | Some(Found::Nothing) => arguments::find(self.query, name.as_bytes()),
            Some(found) => found,
        }
    }

    /// None also for what comes several times and for what is no text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.find(name) {
            Found::Text(text) => String::from_utf8(text.into_owned()).ok(),
            _ => None,
        }
    }
}
