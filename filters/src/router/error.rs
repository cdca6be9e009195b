//! Why a host, path or header of a route is refused.

use std::fmt;

#[derive(Debug, PartialEq, Eq)]
pub struct PatternError {
    /// "the host", "the path" and so on.
    pub subject: &'static str,
    pub text: String,
    pub reason: String,
}

impl PatternError {
    pub fn new(subject: &'static str, text: &str, reason: impl Into<String>) -> Self {
        Self { subject, text: text.to_owned(), reason: reason.into() }
    }
}

/// Of the text; the reason behind it is what matters.
const MOST_SHOWN: usize = 200;

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.text[..self.text.floor_char_boundary(MOST_SHOWN)];
        let rest = if shown.len() < self.text.len() { "…" } else { "" };
        write!(out, "{} {shown:?}{rest} cannot be used: {}", self.subject, self.reason)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_seen_behind_any_text() {
        let long = PatternError::new("the path", &"ü".repeat(100_000), "it is odd").to_string();
        assert!(long.len() < 300 && long.ends_with("ü\"… cannot be used: it is odd"), "{long}");
        assert_eq!(PatternError::new("the path", "a", "x").to_string(), "the path \"a\" cannot be used: x");
    }
}
