//! JSON Web Tokens in their compact form, read before anybody knows whether to believe them (RFC 7519).

use crate::nginx_base64::decode_url;
use crate::signature;
use serde_json::{Map, Value};

/// A token of three parts whose header names an algorithm that can be checked.
#[derive(Debug)]
pub struct Token<'a> {
    pub algorithm: String,
    /// The first two parts, with the dot between them.
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Why a text is no such token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    Json,
    Algorithm,
    Claims,
    Signature,
}

impl BadToken {
    pub fn message(self) -> &'static str {
        match self {
            Self::Json => "Bad token; invalid JSON",
            Self::Algorithm => "Bad token; invalid alg",
            Self::Claims => "Bad token; invalid claims",
            Self::Signature => "Bad token; invalid signature",
        }
    }
}

impl<'a> Token<'a> {
    pub fn read(text: &'a [u8]) -> Result<Self, BadToken> {
        let mut parts = text.splitn(3, |byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadToken::Json);
        };
        let decoded = |part: &[u8]| -> Option<Value> { serde_json::from_slice(&decode_url(part)?).ok() };
        let (Some(head), Some(body)) = (decoded(header), decoded(claims)) else { return Err(BadToken::Json) };
        let (Value::Object(head), Some(algorithm)) = known_algorithm(head) else { return Err(BadToken::Algorithm) };
        let Value::Object(claims_found) = body else { return Err(BadToken::Claims) };
        Ok(Self {
            algorithm,
            signed: &text[..header.len() + 1 + claims.len()],
            signature: decode_url(signature).ok_or(BadToken::Signature)?,
            header: head,
            claims: claims_found,
        })
    }

    pub fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub fn into_claims(self) -> Map<String, Value> {
        self.claims
    }

    /// By which the credential is found: a claim, else a member of the header; `false` is as good as none.
    pub fn key(&self, name: &str) -> Option<&Value> {
        let is_there = |value: &&Value| **value != Value::Bool(false);
        self.claims.get(name).filter(is_there).or_else(|| self.header.get(name).filter(is_there))
    }
}

fn known_algorithm(header: Value) -> (Value, Option<String>) {
    let named = header.get("alg").and_then(Value::as_str).filter(|name| signature::is_known(name.as_bytes()));
    let named = named.map(str::to_owned);
    (header, named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn token(header: &str, claims: &str, signature: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{signature}", encode(header), encode(claims))
    }

    #[test]
    fn what_is_no_token() {
        let good = r#"{"alg":"HS256"}"#;
        for (text, expected) in [
            (token(good, "{}", "c2ln"), Ok("HS256".to_owned())),
            (token(good, "{}", ""), Ok("HS256".to_owned())),
            (token(r#"{"alg":"EdDSA"}"#, "{}", "c2ln"), Ok("EdDSA".to_owned())),
            ("abc".to_owned(), Err(BadToken::Json)),
            ("a.b.c".to_owned(), Err(BadToken::Json)),
            (token(good, "{", "c2ln"), Err(BadToken::Json)),
            (token("{}", "{}", "c2ln"), Err(BadToken::Algorithm)),
            (token(r#"{"alg":"none"}"#, "{}", "c2ln"), Err(BadToken::Algorithm)),
            (token(r#"{"alg":"HMAC"}"#, "{}", "c2ln"), Err(BadToken::Algorithm)),
            (token(r#"{"alg":7}"#, "{}", "c2ln"), Err(BadToken::Algorithm)),
            (token(r#""alg""#, "{}", "c2ln"), Err(BadToken::Algorithm)),
            (token("null", "{}", "c2ln"), Err(BadToken::Algorithm)),
            (token(good, "false", "c2ln"), Err(BadToken::Claims)),
            (token(good, "[1]", "c2ln"), Err(BadToken::Claims)),
            (token(good, "{}", "c2ln.x"), Err(BadToken::Signature)),
            (token(good, "{}", "+/"), Err(BadToken::Signature)),
        ] {
            assert_eq!(Token::read(text.as_bytes()).map(|token| token.algorithm), expected, "{text}");
        }
    }

    #[test]
    fn the_key_is_a_claim_or_stands_in_the_header() {
        for (header, claims, expected) in [
            (r#"{"alg":"HS256","iss":"h"}"#, r#"{"iss":"c"}"#, Some(r#""c""#)),
            (r#"{"alg":"HS256","iss":"h"}"#, r#"{"iss":false}"#, Some(r#""h""#)),
            (r#"{"alg":"HS256","iss":"h"}"#, "{}", Some(r#""h""#)),
            (r#"{"alg":"HS256","iss":"h"}"#, r#"{"iss":null}"#, Some("null")),
            (r#"{"alg":"HS256"}"#, "{}", None),
        ] {
            let text = token(header, claims, "");
            let token = Token::read(text.as_bytes()).unwrap();
            assert_eq!(token.key("iss").map(ToString::to_string).as_deref(), expected, "{header} {claims}");
            assert_eq!(token.signed, text.trim_end_matches('.').as_bytes());
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_can_hurt(text in "[-_A-Za-z0-9.=]*", bytes in any::<Vec<u8>>()) {
            let _ = Token::read(text.as_bytes());
            let _ = Token::read(&bytes);
        }
    }
}
