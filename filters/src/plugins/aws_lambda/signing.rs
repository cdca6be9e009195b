//! AWS Signature Version 4 of one POST.

use crate::clock::Utc;
use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};
use std::fmt;

/// Who signs. Not shown anywhere.
#[derive(Clone)]
pub struct Signer {
    pub key: Box<str>,
    pub secret: Box<str>,
    pub region: Box<str>,
    pub service: &'static str,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.region)
    }
}

pub struct Signed<'a> {
    /// Encoded once, as it is sent.
    pub path: &'a str,
    pub query: &'a str,
    /// By lower-case name in order of names, `host` and `x-amz-date` among them.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl Signer {
    /// The value of `Authorization`; `time` is `x-amz-date`.
    pub fn authorization(&self, request: &Signed<'_>, time: &str) -> String {
        let day = &time[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical = format!(
            "POST\n{}\n{}\n{lines}\n{names}\n{}",
            encoded(request.path, true),
            request.query,
            hex::encode(Sha256::digest(request.body)),
        );
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let first = format!("AWS4{}", self.secret).into_bytes();
        let key = [day, &self.region, self.service, "aws4_request"].iter().fold(first, |key, part| sign(&key, part));
        let signature = hex::encode(sign(&key, &text));
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.key)
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// With everything escaped that RFC 3986 does not leave free; a path keeps its slashes.
pub fn encoded(text: &str, keeps_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keeps_slashes && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `20150830T123600Z`.
pub fn timestamp(now_ms: i64) -> String {
    let Utc { year, month, day, hour, minute, second } = Utc::of(now_ms.div_euclid(1000));
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_awss_own_suite() {
        let signer = Signer {
            key: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
            service: "service",
        };
        let plain = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        let typed = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        // post-vanilla, post-vanilla-query, post-x-www-form-urlencoded.
        for (headers, query, body, signature) in [
            (&plain[..], "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (&plain[..], "Param1=value1", "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
            (&typed[..], "", "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ] {
            let request = Signed { path: "/", query, headers, body: body.as_bytes() };
            let value = signer.authorization(&request, "20150830T123600Z");
            assert!(value.ends_with(&format!("Signature={signature}")), "{value}");
            assert!(value.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
            ));
        }
        assert!(!format!("{signer:?}").contains("wJalr"));
    }

    #[test]
    fn times() {
        for (ms, expected) in [
            (0, "19700101T000000Z"),
            (1_440_938_160_999, "20150830T123600Z"),
            (1_709_212_455_000, "20240229T131415Z"),
            (951_868_800_000, "20000301T000000Z"),
            (4_102_444_799_000, "20991231T235959Z"),
        ] {
            assert_eq!(timestamp(ms), expected);
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(
            encoded("arn:aws:lambda:eu:1:function:a b/ä", false),
            "arn%3Aaws%3Alambda%3Aeu%3A1%3Afunction%3Aa%20b%2F%C3%A4"
        );
        assert_eq!(encoded("/2015-03-31/a%3Ab", true), "/2015-03-31/a%253Ab");
    }
}
