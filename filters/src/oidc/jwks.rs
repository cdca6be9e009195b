//! The keys by which a provider signs (RFC 7517): of each, what can be used to check a signature.

use crate::signature::Key;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Providers have a handful; more would make checking tokens without `kid` slow.
const MOST_KEYS: usize = 64;
/// So many keys are tried for a token that does not say which one it is.
const MOST_TRIED: usize = 8;
/// Shorter keys are weak, longer ones slow.
const RSA_BYTES: RangeInclusive<usize> = 2048 / 8..=8192 / 8;
const OF_RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

#[derive(Deserialize)]
pub struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<Box<str>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Debug, Default)]
pub struct KeySet(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    kid: Option<Box<str>>,
    key: Key,
}

impl From<Document> for KeySet {
    /// What cannot be used is left out: keys of other kinds, for encryption, and shared ones, which no provider shows.
    fn from(document: Document) -> Self {
        let known = document.keys.into_iter().filter_map(|one| serde_json::from_value::<Jwk>(one).ok());
        let signing = known.filter(|one| one.purpose.as_deref().is_none_or(|purpose| purpose == "sig"));
        Self(signing.take(MOST_KEYS).flat_map(|one| one.entries()).collect())
    }
}

impl KeySet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that may have signed a token of an algorithm; all of them for a token without `kid`.
    pub fn candidates(&self, kid: Option<&str>, algorithm: &str) -> impl Iterator<Item = &Key> {
        let fits =
            move |entry: &&Entry| entry.key.algorithm() == algorithm && (kid.is_none() || entry.kid.as_deref() == kid);
        self.0.iter().filter(fits).map(|entry| &entry.key).take(MOST_TRIED)
    }
}

impl Jwk {
    fn entries(&self) -> Vec<Entry> {
        let Some((algorithms, bytes)) = self.material() else { return Vec::new() };
        let is_right = |name: &&&str| self.alg.as_deref().is_none_or(|alg| alg == **name);
        let keys = algorithms.iter().filter(is_right).filter_map(|name| Key::public(name, &bytes).ok());
        keys.map(|key| Entry { kid: self.kid.clone(), key }).collect()
    }

    /// Which algorithms the key can have, and the key as `Key::public` takes it.
    fn material(&self) -> Option<(&'static [&'static str], Vec<u8>)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (number(self.n.as_ref())?, number(self.e.as_ref())?);
                let parts = RSA_BYTES.contains(&n.len()).then_some(RsaPublicKeyComponents { n, e })?;
                Some((&OF_RSA, parts.as_der().ok()?.as_ref().to_vec()))
            }
            ("EC", Some("P-256")) => Some((&["ES256"], self.point(32)?)),
            ("EC", Some("P-384")) => Some((&["ES384"], self.point(48)?)),
            ("EC", Some("P-521")) => Some((&["ES512"], self.point(66)?)),
            ("OKP", Some("Ed25519")) => Some((&["EdDSA"], decoded(self.x.as_ref())?)),
            _ => None,
        }
    }

    /// Uncompressed (SEC 1, section 2.3.3).
    fn point(&self, length: usize) -> Option<Vec<u8>> {
        let (x, y) = (decoded(self.x.as_ref())?, decoded(self.y.as_ref())?);
        (x.len() == length && y.len() == length).then(|| [&[4], x.as_slice(), &y].concat())
    }
}

fn decoded(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok()
}

/// Without the zeros in front that some providers write.
fn number(text: Option<&String>) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::testing::Signer;
    use serde_json::json;

    fn set(keys: Value) -> KeySet {
        serde_json::from_value::<Document>(json!({"keys": keys})).unwrap().into()
    }

    #[test]
    fn keys_are_found_by_id_and_algorithm() {
        let (one, other) = (Signer::new("one"), Signer::new("other"));
        let keys = set(json!([one.jwk(), other.jwk()]));
        for (kid, algorithm, expected) in [
            (Some("one"), "ES256", 1),
            (Some("one"), "ES384", 0),
            (Some("third"), "ES256", 0),
            (None, "ES256", 2),
            (None, "HS256", 0),
        ] {
            assert_eq!(keys.candidates(kid, algorithm).count(), expected, "{kid:?} {algorithm}");
        }
        let many: Vec<_> = (0..100).map(|number| Signer::new(&number.to_string()).jwk()).collect();
        assert_eq!(set(json!(many)).candidates(None, "ES256").count(), MOST_TRIED);
        assert_eq!(set(json!(many)).0.len(), MOST_KEYS);
    }

    #[test]
    fn rsa_keys_have_one_algorithm_or_all() {
        let n = "u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-qKhbwKfBstIs-bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLVkjRo9z-40RQzuVaE8AkAFmxZzow3x-VJYKdjykkJ0iT9wCS0DRTXu269V264Vf_3jvredZiKRkgwlL9xNAwxXFg0x_XFw005UWVRIkdgcKWTjpBP2dPwVZ4WWC-9aGVd-Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbcmw";
        let key = |changes: Value| {
            let mut key = json!({"kty": "RSA", "kid": "r", "n": n, "e": "AQAB"});
            key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let keys = set(json!([key]));
            OF_RSA.iter().filter(|name| keys.candidates(Some("r"), name).next().is_some()).count()
        };
        for (changes, expected) in [
            (json!({}), 6),
            (json!({"alg": "RS256"}), 1),
            (json!({"use": "sig"}), 6),
            (json!({"use": "enc"}), 0),
            (json!({"alg": "HS256"}), 0),
            (json!({"alg": "none"}), 0),
            (json!({"n": "AQAB"}), 0),
            (json!({"n": format!("AA{n}A")}), 0),
            (json!({"e": ""}), 0),
            (json!({"e": "AAEAAQ"}), 6),
        ] {
            assert_eq!(key(changes.clone()), expected, "{changes}");
        }
    }

    #[test]
    fn what_is_no_public_key_is_left_out() {
        let good = Signer::new("good").jwk();
        let mut short = good.clone();
        short["x"] = json!("AAAA");
        let mut off_curve = good.clone();
        off_curve["y"] = good["x"].clone();
        let keys = set(json!([
            7, {}, {"kty": "oct", "k": "c2VjcmV0", "kid": "good"}, {"kty": "EC", "crv": "secp256k1"},
            {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, short, off_curve, good,
        ]));
        assert_eq!(keys.0.len(), 1);
        assert!(set(json!([])).is_empty());
    }
}
