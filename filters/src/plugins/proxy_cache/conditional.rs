//! Whether a client has what is kept already: nginx answers so in front of Kong (RFC 9110 §13).

use crate::exchange::Exchange;
use crate::plugins::proxy_cache::store::Answer;

/// Both must hold where a request has both.
pub fn is_unchanged(exchange: &Exchange<'_, '_>, answer: &Answer) -> bool {
    if answer.status != 200 {
        return false;
    }
    let since = exchange.header("if-modified-since");
    let tags = exchange.header("if-none-match");
    let same_time = since.is_none_or(|since| value(answer, "last-modified").is_some_and(|last| last == since));
    let same_tag = tags.is_none_or(|tags| value(answer, "etag").is_some_and(|tag| names(tags, tag)));
    (since.is_some() || tags.is_some()) && same_time && same_tag
}

fn value<'a>(answer: &'a Answer, name: &str) -> Option<&'a [u8]> {
    answer.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
}

/// Weakly compared.
fn names(tags: &[u8], tag: &[u8]) -> bool {
    let strong = |tag: &'_ [u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    let wanted = strong(tag);
    tags.trim_ascii() == b"*" || tags.split(|byte| *byte == b',').any(|one| strong(one.trim_ascii()) == wanted)
}
