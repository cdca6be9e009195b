//! What clients keep for the gateway is encrypted and cannot be changed: AES-256-GCM under a key derived from a secret.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::sync::LazyLock;

const NONCE_LENGTH: usize = 12;
const KEY_LENGTH: usize = 32;

/// Where no secret is given: what was sealed ends with this process then.
static OWN_SECRET: LazyLock<Option<[u8; KEY_LENGTH]>> = LazyLock::new(|| {
    let mut secret = [0; KEY_LENGTH];
    rand::fill(&mut secret).ok().map(|()| secret)
});

pub struct Sealer {
    key: RandomizedNonceKey,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer(***)")
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_LENGTH
    }
}

impl Sealer {
    /// What is sealed for one purpose is of no use for another. None where the system gives no random numbers.
    pub fn new(purpose: &str, secret: Option<&[u8]>) -> Option<Self> {
        let mut key = [0; KEY_LENGTH];
        let secret = secret.or(OWN_SECRET.as_ref().map(<[u8; KEY_LENGTH]>::as_slice))?;
        let derived = Salt::new(HKDF_SHA256, b"crossfade").extract(secret);
        derived.expand(&[purpose.as_bytes()], Length).ok()?.fill(&mut key).ok()?;
        Some(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &key).ok()? })
    }

    /// Letters, digits, `-` and `_`. Under another name it cannot be opened.
    pub fn seal(&self, name: &str, content: &[u8]) -> Option<String> {
        let mut sealed = content.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(name), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    pub fn open(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let mut content = sealed.to_vec();
        let length =
            self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealer(secret: &str) -> Sealer {
        Sealer::new("test", Some(secret.as_bytes())).unwrap()
    }

    #[test]
    fn only_the_same_secret_purpose_and_name_open_it() {
        let value = sealer("a").seal("sid", b"content").unwrap();
        assert_eq!(sealer("a").open("sid", value.as_bytes()).as_deref(), Some(b"content".as_slice()));
        assert_eq!(sealer("b").open("sid", value.as_bytes()), None);
        assert_eq!(sealer("a").open("remember", value.as_bytes()), None);
        assert_ne!(sealer("a").seal("sid", b"content").unwrap(), value);
        let own = Sealer::new("test", None).unwrap().seal("sid", b"content").unwrap();
        assert!(Sealer::new("test", None).unwrap().open("sid", own.as_bytes()).is_some());
        assert!(Sealer::new("other", None).unwrap().open("sid", own.as_bytes()).is_none());
        assert_eq!(format!("{:?}", sealer("a")), "Sealer(***)");
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_can_hurt(value in any::<Vec<u8>>(), text in "[-_A-Za-z0-9]{0,80}") {
            prop_assert_eq!(sealer("a").open("sid", &value), None);
            prop_assert_eq!(sealer("a").open("sid", text.as_bytes()), None);
        }

        #[test]
        fn no_byte_can_be_changed(place in any::<proptest::sample::Index>()) {
            let mut value = sealer("a").seal("sid", b"content").unwrap().into_bytes();
            let place = place.index(value.len());
            value[place] = if value[place] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(sealer("a").open("sid", &value), None);
        }
    }
}
