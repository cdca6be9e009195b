//! A login in a header, as Kong reads it: `<scheme> base64(username:password)`.

use crate::{nginx_base64, text};

/// What a client says of itself. Not `Debug`: it holds a password.
pub struct Login {
    pub username: String,
    /// Never empty: a directory takes a name without a password for nobody in particular, and says yes (RFC 4513 §5.1.2).
    pub password: Vec<u8>,
}

impl Login {
    /// `scheme` matches in any case. None too for a name that no header could carry to the upstream.
    pub fn read(header: &[u8], scheme: &str) -> Option<Self> {
        let (found, rest) = header.trim_ascii_start().split_at_checked(scheme.len())?;
        let encoded = rest.trim_ascii_start();
        if !found.eq_ignore_ascii_case(scheme.as_bytes()) || encoded.len() == rest.len() {
            return None;
        }
        Self::split(&nginx_base64::decode(encoded)?)
    }

    /// Kong's `^(.*?):(.+)$`: the first colon counts, and one line feed at the end does not.
    fn split(decoded: &[u8]) -> Option<Self> {
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let username = std::str::from_utf8(&decoded[..colon]).ok()?;
        let password = &decoded[colon + 1..];
        let password = password.strip_suffix(b"\n").unwrap_or(password);
        let is_right = !username.is_empty() && text::is_header_value(username.as_bytes());
        if !is_right || password.is_empty() || password.contains(&b'\n') {
            return None;
        }
        Some(Self { username: username.to_owned(), password: password.to_vec() })
    }

    /// The name below which the directory keeps the user. All but letters, digits and a few marks is escaped (RFC 4514
    /// §2.4), so that no name reaches beyond its own place.
    pub fn distinguished_name(&self, attribute: &str, base: &str) -> String {
        let mut name = format!("{attribute}=");
        for letter in self.username.chars() {
            if letter.is_ascii_alphanumeric() || "-_.@".contains(letter) || !letter.is_ascii() {
                name.push(letter);
            } else {
                name.push_str(&format!("\\{:02x}", u32::from(letter)));
            }
        }
        name + "," + base
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn read(scheme: &str, decoded: &[u8]) -> Option<(String, Vec<u8>)> {
        let header = format!("{scheme}{}", STANDARD.encode(decoded));
        Login::read(header.as_bytes(), "ldap").map(|login| (login.username, login.password))
    }

    #[test]
    fn logins() {
        for (scheme, decoded, expected) in [
            ("ldap ", "ann:secret", Some(("ann", "secret"))),
            ("  LDAP \t ", "ann:a:b", Some(("ann", "a:b"))),
            ("ldap ", "änn:pässword", Some(("änn", "pässword"))),
            ("ldap ", "ann:secret\n", Some(("ann", "secret"))),
            ("ldap ", "ann:", None),
            ("ldap ", "ann:\n", None),
            ("ldap ", "ann", None),
            ("ldap ", ":secret", None),
            ("ldap ", "ann:a\nb", None),
            ("ldap ", "a\nnn:secret", None),
            ("ldap ", "a\0:secret", None),
            ("ldap", "ann:secret", None),
            ("basic ", "ann:secret", None),
            ("x ldap ", "ann:secret", None),
        ] {
            let expected = expected.map(|(name, password)| (name.to_owned(), password.as_bytes().to_vec()));
            assert_eq!(read(scheme, decoded.as_bytes()), expected, "{scheme:?} {decoded:?}");
        }
        assert_eq!(read("ldap ", b"\xff:secret"), None);
        assert_eq!(read("ldap ", b"ann:\xff"), Some(("ann".to_owned(), vec![0xff])));
        for header in ["", "ldap", "ldap ", "ldap !"] {
            assert!(Login::read(header.as_bytes(), "ldap").is_none(), "{header}");
        }
    }

    #[test]
    fn names_stay_in_their_place() {
        for (username, expected) in [
            ("ann.b-c_d@e", "uid=ann.b-c_d@e,dc=test"),
            ("ann,ou=admins", "uid=ann\\2cou\\3dadmins,dc=test"),
            ("#a+b ", "uid=\\23a\\2bb\\20,dc=test"),
            ("a\\,\"", "uid=a\\5c\\2c\\22,dc=test"),
            ("jörg", "uid=jörg,dc=test"),
        ] {
            let login = Login { username: username.to_owned(), password: b"x".to_vec() };
            assert_eq!(login.distinguished_name("uid", "dc=test"), expected);
        }
    }

    proptest! {
        #[test]
        fn no_name_has_anything_special_in_it(username in ".{1,20}") {
            let login = Login { username, password: b"x".to_vec() };
            let name = login.distinguished_name("uid", "dc=test");
            let value = name.strip_prefix("uid=").unwrap().strip_suffix(",dc=test").unwrap();
            prop_assert!(!value.contains([',', '+', '=', ';', '"', '<', '>', '#', ' ', '\0']));
            prop_assert!(value.split('\\').skip(1).all(|part| u8::from_str_radix(&part[..2], 16).is_ok()));
        }
    }
}
