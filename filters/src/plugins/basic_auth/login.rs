//! `Authorization: Basic …` as Kong reads it: the scheme may stand anywhere, and what follows it is decoded generously.

use crate::nginx_base64;

const SCHEMES: [&[u8]; 2] = [b"Basic", b"basic"];

/// What a client says of itself. Not `Debug`: it holds a password.
pub struct Login {
    pub username: Vec<u8>,
    pub password: Vec<u8>,
}

impl Login {
    pub fn read(header: &[u8]) -> Option<Self> {
        let scheme = header.windows(5).position(|part| SCHEMES.contains(&part))?;
        Self::split(&nginx_base64::decode(header[scheme + 5..].trim_ascii_start())?)
    }

    /// Kong's `([^:]+):(.*)`: colons before the name are skipped, and a line feed ends the password.
    fn split(decoded: &[u8]) -> Option<Self> {
        let start = decoded.iter().position(|byte| *byte != b':')?;
        let rest = &decoded[start..];
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let password = rest[colon + 1..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        Some(Self { username: rest[..colon].to_vec(), password: password.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use proptest::prelude::*;

    #[test]
    fn what_a_header_says() {
        for (header, expected) in [
            ("Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==", Some(("Aladdin", "open:sesame"))),
            ("basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==", Some(("Aladdin", "open:sesame"))),
            ("BASIC QWxhZGRpbjpvcGVuOnNlc2FtZQ==", None),
            // Kong looks for the scheme anywhere and needs no space behind it.
            ("Bearer x, BasicQWxhZGRpbjpvcGVuOnNlc2FtZQ", Some(("Aladdin", "open:sesame"))),
            ("Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=!?", Some(("Aladdin", "open:sesame"))),
            ("Basic QWxhZGRpbjpvcGVuOnNlc2FtZR", Some(("Aladdin", "open:sesame"))),
            ("Basic QWxhZGRpbjpvcGVuOnNlc2FtZ", None),
            ("Basic QWxhZGRpbjo=", Some(("Aladdin", ""))),
            ("Basic QWxhZGRpbg==", None),
            ("Basic OjphOmI=", Some(("a", "b"))),
            ("Basic Ojo6", None),
            ("Basic YTpiCmM=", Some(("a", "b"))),
            ("Basic !!!", None),
            ("Basic =", None),
            ("Basic", None),
            ("Bearer x", None),
            ("", None),
        ] {
            let login = Login::read(header.as_bytes());
            let found = login.as_ref().map(|login| (login.username.as_slice(), login.password.as_slice()));
            let expected =
                expected.map(|(username, password): (&str, &str)| (username.as_bytes(), password.as_bytes()));
            assert_eq!(found, expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_can_hurt(header in ".*", tail in any::<Vec<u8>>()) {
            Login::read(header.as_bytes());
            Login::read(&[b"Basic ", tail.as_slice()].concat());
            Login::split(&tail);
        }

        #[test]
        fn any_login_is_understood(username in "[^:]+", password in any::<Vec<u8>>()) {
            let password: Vec<u8> = password.into_iter().filter(|byte| *byte != b'\n').collect();
            let encoded = STANDARD_NO_PAD.encode([username.as_bytes(), b":", &password].concat());
            let login = Login::read(format!("Basic {encoded}").as_bytes()).unwrap();
            prop_assert_eq!((login.username, login.password), (username.into_bytes(), password));
        }
    }
}
