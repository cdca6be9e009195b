//! Base64 as nginx decodes it: left-over bits count for nothing, and so does all that follows the first `=`.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const fn generous(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    GeneralPurpose::new(alphabet, config)
}

const PLAIN: GeneralPurpose = generous(&STANDARD);
const URL: GeneralPurpose = generous(&URL_SAFE);

pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    PLAIN.decode(before_padding(text)).ok()
}

/// With the alphabet for URLs and file names only.
pub fn decode_url(text: &[u8]) -> Option<Vec<u8>> {
    URL.decode(before_padding(text)).ok()
}

fn before_padding(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nginx_decodes() {
        for (text, plain, url) in [
            ("aGk_", None, Some("hi?")),
            ("aGk/", Some("hi?"), None),
            ("aGk=", Some("hi"), Some("hi")),
            ("aGk", Some("hi"), Some("hi")),
            ("aGl", Some("hi"), Some("hi")),
            ("aGk=!?", Some("hi"), Some("hi")),
            ("aGkaG", None, None),
            ("aG k", None, None),
            ("=", Some(""), Some("")),
            ("", Some(""), Some("")),
        ] {
            let as_bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            assert_eq!(decode(text.as_bytes()), as_bytes(plain), "{text}");
            assert_eq!(decode_url(text.as_bytes()), as_bytes(url), "{text}");
        }
    }
}
