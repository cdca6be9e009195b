//! Bearer tokens (RFC 6750): where they stand, and how they are taken away.

use super::config::{Place, Settings};
use crate::arguments::{self, Found};
use crate::body::Content;
use crate::cookies;
use crate::exchange::{Body, Exchange};
use std::borrow::Cow;

/// RFC 6750, sections 2.2 and 2.3.
const ARGUMENT: &[u8] = b"access_token";

#[derive(Debug, PartialEq, Eq)]
pub enum Search {
    Nothing,
    Token(Place, Vec<u8>),
    NeedsBody,
}

/// The first place that has a token decides.
pub fn search(exchange: &Exchange<'_, '_>, settings: &Settings) -> Search {
    for place in &settings.places {
        let found = match place {
            Place::Header => exchange.header("authorization").and_then(after_scheme).map(<[u8]>::to_vec),
            Place::Cookie => in_cookie(exchange, settings.cookie.as_deref()),
            Place::Query => text(arguments::find(exchange.query().unwrap_or_default(), ARGUMENT)),
            Place::Body => match exchange.body {
                Body::Pending => return Search::NeedsBody,
                Body::Unusable => None,
                Body::Whole(kind, bytes) => Content::new(kind, bytes).find(ARGUMENT).and_then(text),
            },
        };
        if let Some(token) = found.filter(|token| !token.is_empty()) {
            return Search::Token(*place, token);
        }
    }
    Search::Nothing
}

fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

fn in_cookie(exchange: &Exchange<'_, '_>, name: Option<&str>) -> Option<Vec<u8>> {
    cookies::find(exchange.headers("cookie"), name?.as_bytes()).map(|value| value.trim_ascii().to_vec())
}

/// Several are as good as none.
fn text(found: Found<'_>) -> Option<Vec<u8>> {
    match found {
        Found::Text(text) => Some(Cow::into_owned(text)),
        _ => None,
    }
}

/// Takes the token away from where it stood.
pub fn hide(exchange: &mut Exchange<'_, '_>, settings: &Settings, place: Place) {
    match place {
        Place::Header => exchange.upstream.remove("authorization"),
        Place::Cookie => {
            let Some(name) = &settings.cookie else { return };
            let left: Vec<Vec<u8>> =
                exchange.headers("cookie").filter_map(|header| cookies::without(header, name.as_bytes())).collect();
            exchange.upstream.remove("cookie");
            if !left.is_empty() {
                exchange.upstream.set("cookie", left.join(&b"; "[..]));
            }
        }
        Place::Query => {
            if let Some(rest) = arguments::without(exchange.query().unwrap_or_default(), ARGUMENT) {
                exchange.upstream.query = Some(rest);
            }
        }
        Place::Body => {
            let Body::Whole(kind, bytes) = exchange.body else { return };
            if let Some(rest) = Content::new(kind, bytes).without(ARGUMENT) {
                exchange.upstream.body = Some(rest);
            }
        }
    }
}
