//! What a provider gives for a code, a password or an older token (RFC 6749, section 5.1), and what it claims.

use super::claims::Claims;
use crate::plugins::jwt::token::Token;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// As a session keeps them.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct Tokens {
    #[serde(rename = "a")]
    pub access: String,
    /// The access token is a JWT that the provider has signed: what it claims can be believed.
    #[serde(rename = "j")]
    pub is_checked: bool,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Seconds since 1970; None: nobody said so.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tokens(***)")
    }
}

impl Tokens {
    pub fn is_over(&self, now_s: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now_s)
    }

    pub fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.access.len() + length(&self.refresh) + length(&self.id) + length(&self.scope)
    }

    /// What the access token claims, then the ID token, then the scope that the provider has granted.
    pub fn claims(&self) -> Claims<'static> {
        let access = self.is_checked.then(|| claims_of(&self.access)).flatten();
        let id = self.id.as_deref().and_then(claims_of);
        let granted = self.scope.as_ref().map(|scope| Map::from_iter([("scope".to_owned(), scope.clone().into())]));
        Claims::owned([access, id, granted].into_iter().flatten())
    }

    pub fn subject(&self) -> Option<String> {
        Some(claims_of(self.id.as_deref()?)?.get("sub")?.as_str()?.to_owned())
    }
}

/// Of a token that was checked when it came.
pub fn claims_of(token: &str) -> Option<Map<String, Value>> {
    Token::read(token.as_bytes()).ok().map(Token::into_claims)
}

/// What the token endpoint answers.
#[derive(Deserialize)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    pub expires_in: Option<i64>,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
    pub scope: Option<String>,
}

/// Some providers write numbers as texts; what is neither is nothing.
#[allow(clippy::cast_possible_truncation)] // within bounds by then
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    const MOST: f64 = 1e9;
    let value = Value::deserialize(from)?;
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    Ok(number.map(|number: f64| if number.is_nan() { 0 } else { number.clamp(0.0, MOST) as i64 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lifetimes_as_providers_write_them() {
        for (told, expected) in [
            (json!(300), Some(300)),
            (json!("300"), Some(300)),
            (json!(1.5), Some(1)),
            (json!(-5), Some(0)),
            (json!(1e300), Some(1_000_000_000)),
            (json!("NaN"), Some(0)),
            (json!("soon"), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            let read: TokenResponse = serde_json::from_value(json!({"access_token": "a", "expires_in": told})).unwrap();
            assert_eq!(read.expires_in, expected, "{told}");
        }
        assert!(serde_json::from_value::<TokenResponse>(json!({"access_token": 7})).is_err());
        let none: TokenResponse = serde_json::from_value(json!({"access_token": "a"})).unwrap();
        assert_eq!(none.expires_in, None);
    }

    #[test]
    fn tokens_are_not_shown() {
        let tokens = Tokens {
            access: "very secret".into(),
            is_checked: false,
            refresh: None,
            id: None,
            scope: None,
            expires: Some(7),
        };
        assert_eq!(format!("{tokens:?}"), "Tokens(***)");
        assert!(tokens.is_over(7) && !tokens.is_over(6));
    }
}
