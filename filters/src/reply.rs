//! What the gateway answers by itself.

use crate::error_body::Format;
use crate::text::{Text, decimal};
use std::borrow::Cow;
use std::sync::Arc;

/// Headers by lower-case name.
pub type Headers = Vec<(Cow<'static, str>, Text)>;

/// Status, type and length of an answer.
pub fn head(status: u16, content_type: &str, body_bytes: usize) -> Headers {
    let length = u64::try_from(body_bytes).unwrap_or(u64::MAX);
    vec![
        (":status".into(), decimal(status.into())),
        ("content-type".into(), content_type.as_bytes().into()),
        ("content-length".into(), decimal(length)),
    ]
}

/// How the body of a reply is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// Kong's error page in the reply's format.
    Error,
    /// Compact JSON, whatever the client accepts.
    Compact,
    /// nginx's page for a redirect.
    Redirect,
    /// What an upstream once answered: told as if it had been asked now.
    Kept(Kept),
    /// These bytes; without a content type where it is `None`.
    Raw { content_type: Option<String>, body: Vec<u8> },
}

/// A body that many may be sent at once. Its headers stand in the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub body: Arc<Vec<u8>>,
    /// None where the client is told none.
    pub length: Option<u64>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub message: String,
    pub format: Format,
    pub style: Style,
    pub headers: Headers,
}

impl Reply {
    pub fn error(status: u16, message: impl Into<String>, format: Format) -> Self {
        Self { status, message: message.into(), format, style: Style::Error, headers: Headers::new() }
    }

    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((Cow::Borrowed(name), Text::from_slice(value.as_ref())));
        self
    }

    #[must_use]
    pub fn with_style(self, style: Style) -> Self {
        Self { style, ..self }
    }
}
