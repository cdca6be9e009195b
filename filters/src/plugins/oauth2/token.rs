//! Tokens that say themselves to whom they were given: there is no database to look them up in.

use super::OAuth2;
use crate::clock::seconds_of_ms;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Kind {
    Access,
    Refresh,
}

impl Kind {
    /// Under which it is sealed: one is never taken for the other.
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access token",
            Self::Refresh => "refresh token",
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Token {
    pub client_id: Box<str>,
    /// The id of the credential.
    pub credential: Box<str>,
    /// For which Kong service; None for all that have the same provision key.
    pub service: Option<Box<str>>,
    pub user: Option<Box<str>>,
    pub scope: Option<Box<str>>,
    pub issued_ms: i64,
    /// Seconds; 0 is for ever.
    pub lasts: f64,
}

impl Token {
    pub fn is_over(&self, now_ms: i64) -> bool {
        self.lasts > 0.0 && seconds_of_ms(now_ms.saturating_sub(self.issued_ms)) > self.lasts
    }
}

impl OAuth2 {
    /// As it is given to the client. None if it could not be carried in a header.
    pub fn sealed(&self, kind: Kind, token: &Token) -> Option<String> {
        let text = self.sealer.seal(kind.name(), &serde_json::to_vec(token).ok()?)?;
        (text.len() <= LONGEST).then_some(text)
    }

    pub fn opened(&self, kind: Kind, text: &[u8]) -> Option<Token> {
        serde_json::from_slice(&self.sealer.open(kind.name(), text)?).ok()
    }
}

/// nginx and this gateway take no longer lines.
const LONGEST: usize = 7 * 1024;
