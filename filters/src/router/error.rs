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

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:?} cannot be used: {}", self.subject, self.text, self.reason)
    }
}

impl std::error::Error for PatternError {}
