//! A provider for tests: it has keys, signs tokens, and answers as a test wants.

use super::issuer::{Source, issuer};
use super::{Issuer, Look};
use crate::waiting::testing::{PATIENCE, begun};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub struct Signer {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid: kid.to_owned(), pair }
    }

    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }

    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "ES256", "kid": self.kid}), claims)
    }

    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Answers by path: a whole response, or nothing at all.
type Pages = Arc<Mutex<Box<dyn Fn(&str) -> Option<String> + Send>>>;

pub struct Provider {
    pub url: String,
    pages: Pages,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pages: Pages = Arc::new(Mutex::new(Box::new(|_| None)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (say, seen) = (Arc::clone(&pages), Arc::clone(&asked));
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let lines = reader.by_ref().lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let length =
                    head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let _ = reader.take(length.unwrap_or_default()).read_to_string(&mut String::new());
                let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
                let answer = say.lock().unwrap()(&path);
                seen.lock().unwrap().push(path);
                if let Some(answer) = answer {
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Self { url, pages, asked }
    }

    /// With keys, as a provider answers.
    pub fn with_keys(signers: &[&Signer]) -> Self {
        let provider = Self::start();
        provider.show(signers);
        provider
    }

    pub fn show(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        let metadata = json!({"issuer": self.url, "jwks_uri": format!("{}/keys", self.url)});
        let (metadata, keys) = (metadata.to_string(), json!({"keys": keys}).to_string());
        self.answer(move |path| Some(ok(if path == "/keys" { &keys } else { &metadata })));
    }

    pub fn answer(&self, say: impl Fn(&str) -> Option<String> + Send + 'static) {
        *self.pages.lock().unwrap() = Box::new(say);
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn source(&self) -> Source {
        Source {
            url: format!("{}/.well-known/openid-configuration", self.url).into(),
            verifies: true,
            timeout: Duration::from_secs(5),
            lifetime: Duration::from_hours(1),
            pause: Duration::from_hours(1),
        }
    }

    pub fn issuer(&self, changed: impl FnOnce(&mut Source)) -> Arc<Issuer> {
        let mut source = self.source();
        changed(&mut source);
        issuer(source)
    }
}

pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Looks, waits once if it must, and says whether it waited and what the provider's issuer is then.
pub fn looked(issuer: &Arc<Issuer>, kid: &str) -> (bool, Option<String>) {
    let has_key = |known: &super::Known| known.keys.candidates(Some(kid), "ES256").next().is_some();
    let name = |known: Arc<super::Known>| known.metadata.issuer.to_string();
    match issuer.look(has_key) {
        Look::Known(known) => (false, Some(name(known))),
        Look::Unknown => (false, None),
        Look::Ask(wait) => {
            let (ticket, rung) = begun(wait);
            rung.recv_timeout(PATIENCE).unwrap();
            ticket.take().unwrap().into::<()>().unwrap();
            (true, issuer.last().map(name))
        }
    }
}
