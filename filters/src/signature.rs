//! Signatures of callers: HMAC with a shared secret, or a public key of RSA, ECDSA or Ed25519 (RFC 7518, RFC 8037).
//!
//! A key belongs to one algorithm from the start. What a token says of its own algorithm is only compared, so a public
//! key is never taken for a shared secret, nor anything for `none`.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// An algorithm of JSON Web Signatures, by its registered name.
#[derive(Clone, Copy)]
enum Method {
    Shared(hmac::Algorithm),
    Public(&'static dyn VerificationAlgorithm),
}

const METHODS: [(&str, Method); 13] = [
    ("HS256", Method::Shared(hmac::HMAC_SHA256)),
    ("HS384", Method::Shared(hmac::HMAC_SHA384)),
    ("HS512", Method::Shared(hmac::HMAC_SHA512)),
    ("RS256", Method::Public(&signature::RSA_PKCS1_2048_8192_SHA256)),
    ("RS384", Method::Public(&signature::RSA_PKCS1_2048_8192_SHA384)),
    ("RS512", Method::Public(&signature::RSA_PKCS1_2048_8192_SHA512)),
    ("ES256", Method::Public(&signature::ECDSA_P256_SHA256_FIXED)),
    ("ES384", Method::Public(&signature::ECDSA_P384_SHA384_FIXED)),
    ("ES512", Method::Public(&signature::ECDSA_P521_SHA512_FIXED)),
    ("PS256", Method::Public(&signature::RSA_PSS_2048_8192_SHA256)),
    ("PS384", Method::Public(&signature::RSA_PSS_2048_8192_SHA384)),
    ("PS512", Method::Public(&signature::RSA_PSS_2048_8192_SHA512)),
    ("EdDSA", Method::Public(&signature::ED25519)),
];

/// Of a shared secret without an algorithm: the caller chooses among those that a plugin allows.
const ANY_HMAC: &str = "HMAC";

/// Whether this is the name of an algorithm for which there can be keys.
pub fn is_known(algorithm: &[u8]) -> bool {
    METHODS.iter().any(|(name, _)| name.as_bytes() == algorithm)
}

/// A secret that both sides have. It shows nowhere.
pub struct SharedSecret(Box<[u8]>);

impl SharedSecret {
    pub fn new(secret: impl Into<Box<[u8]>>) -> Self {
        Self(secret.into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the HMAC of the message; the time that it takes tells nothing about where it differs.
    pub fn has_signed(&self, algorithm: hmac::Algorithm, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&hmac::Key::new(algorithm, &self.0), message, tag).is_ok()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// The key of a credential.
#[derive(Debug)]
pub enum Key {
    Shared { algorithm: &'static str, method: Option<hmac::Algorithm>, secret: SharedSecret },
    Public { algorithm: &'static str, key: ParsedPublicKey },
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawKey::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
struct RawKey {
    algorithm: String,
    secret: Option<String>,
    public: Option<String>,
}

/// Why a key cannot be used, without a word of what it holds.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyError {
    UnknownAlgorithm,
    /// A shared secret for an algorithm of public keys, or the other way round, or none at all.
    Missing,
    NotBase64,
    /// Not a public key, or not one of the algorithm.
    Unfit(&'static str),
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAlgorithm => out.write_str("there are no keys of this algorithm"),
            Self::Missing => out.write_str("a credential lacks the key that its algorithm needs"),
            Self::NotBase64 => out.write_str("a key is not base64"),
            Self::Unfit(algorithm) => write!(out, "the public key is not one for {algorithm}"),
        }
    }
}

impl TryFrom<RawKey> for Key {
    type Error = KeyError;

    fn try_from(raw: RawKey) -> Result<Self, KeyError> {
        let decoded =
            |text: Option<String>| STANDARD.decode(text.ok_or(KeyError::Missing)?).map_err(|_| KeyError::NotBase64);
        if raw.algorithm == ANY_HMAC {
            let secret = SharedSecret::new(decoded(raw.secret)?);
            return Ok(Self::Shared { algorithm: ANY_HMAC, method: None, secret });
        }
        let known = METHODS.iter().find(|(name, _)| *name == raw.algorithm);
        let &(algorithm, method) = known.ok_or(KeyError::UnknownAlgorithm)?;
        match method {
            Method::Shared(method) => {
                let secret = SharedSecret::new(decoded(raw.secret)?);
                Ok(Self::Shared { algorithm, method: Some(method), secret })
            }
            Method::Public(_) => Self::public(algorithm, &decoded(raw.public)?),
        }
    }
}

impl Key {
    /// A public key as DER (SubjectPublicKeyInfo), a point of ECDSA's, or the bytes of Ed25519's.
    pub fn public(algorithm: &str, bytes: &[u8]) -> Result<Self, KeyError> {
        let known = METHODS.iter().find(|(name, _)| *name == algorithm);
        let &(algorithm, method) = known.ok_or(KeyError::UnknownAlgorithm)?;
        let Method::Public(method) = method else { return Err(KeyError::Missing) };
        let key = ParsedPublicKey::new(method, bytes).map_err(|_| KeyError::Unfit(algorithm))?;
        Ok(Self::Public { algorithm, key })
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Shared { algorithm, .. } | Self::Public { algorithm, .. } => algorithm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(raw: Value) -> Result<Key, String> {
        serde_json::from_value(raw).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_belongs_to_its_algorithm() {
        let secret = STANDARD.encode("s3cret");
        for (raw, reason) in [
            (json!({"algorithm": "none"}), "there are no keys of this algorithm"),
            (json!({"algorithm": "hs256", "secret": secret}), "there are no keys of this algorithm"),
            (json!({"algorithm": "HS256"}), "a credential lacks the key that its algorithm needs"),
            (json!({"algorithm": "HS256", "public": secret}), "a credential lacks the key that its algorithm needs"),
            (json!({"algorithm": "RS256", "secret": secret}), "a credential lacks the key that its algorithm needs"),
            (json!({"algorithm": "RS256", "public": secret}), "the public key is not one for RS256"),
            (json!({"algorithm": "EdDSA", "public": secret}), "the public key is not one for EdDSA"),
            (json!({"algorithm": "HS256", "secret": "s3cret!"}), "a key is not base64"),
        ] {
            let error = parsed(raw).unwrap_err();
            assert_eq!(error, reason);
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        let key = parsed(json!({"algorithm": "HS512", "secret": STANDARD.encode("s3cret")})).unwrap();
        assert!(!format!("{key:?}").contains("s3cret"));
        assert!(!format!("{key:?}").contains(&STANDARD.encode("s3cret")));
        assert_eq!(key.algorithm(), "HS512");
        assert!(is_known(b"HS512") && !is_known(b"none") && !is_known(b"HMAC"));
    }
}
