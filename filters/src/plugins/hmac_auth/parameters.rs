//! What a caller says of its signature: `hmac username="…", algorithm="…", headers="…", signature="…"`.

use regex_automata::meta::Regex;
use std::sync::LazyLock;

/// Kong's own. Each text is as long as can be, so the last of several names counts. The pattern is known to be right.
static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let parts = ["[Hh]mac\\s*username", "algorithm", "headers", "signature"];
    let pattern = parts.map(|part| format!("{part}=\"(.+)\"")).join(",\\s*");
    let syntax = regex_automata::util::syntax::Config::new().unicode(false).utf8(false);
    Regex::builder().syntax(syntax).build(&pattern).ok()
});

#[derive(Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    pub username: &'a [u8],
    pub algorithm: &'a [u8],
    /// Names of what is signed, separated by single spaces.
    pub headers: &'a [u8],
    /// In base64.
    pub signature: &'a [u8],
}

impl<'a> Parameters<'a> {
    pub fn read(header: &'a [u8]) -> Option<Self> {
        let regex = HEADER.as_ref()?;
        let mut captures = regex.create_captures();
        regex.captures(header, &mut captures);
        let part = |number| Some(&header[captures.get_group(number)?.range()]);
        Some(Self { username: part(1)?, algorithm: part(2)?, headers: part(3)?, signature: part(4)? })
    }

    pub fn headers(&self) -> impl Iterator<Item = &'a [u8]> {
        self.headers.split(|byte| *byte == b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_header_says() {
        let parts = |username, headers| Parameters { username, algorithm: b"a", headers, signature: b"s" };
        for (header, expected) in [
            (
                r#"hmac username="u", algorithm="a", headers="date x", signature="s""#,
                Some(parts(b"u".as_slice(), b"date x".as_slice())),
            ),
            (r#"x Hmac  username="u",algorithm="a",  headers="",signature="s" y"#, None),
            (r#"x Hmac  username="u",algorithm="a",  headers="d",signature="s" y"#, Some(parts(b"u", b"d"))),
            (r#"hmacusername="a", b",algorithm="a",headers="d",signature="s""#, Some(parts(br#"a", b"#, b"d"))),
            (r#"HMAC username="u", algorithm="a", headers="d", signature="s""#, None),
            (r#"hmac username="u", headers="d", algorithm="a", signature="s""#, None),
            (r#"hmac username="", algorithm="a", headers="d", signature="s""#, None),
            ("hmac nonsense", None),
            ("", None),
        ] {
            assert_eq!(Parameters::read(header.as_bytes()), expected, "{header}");
        }
        let bytes =
            [b"hmac username=\"".as_slice(), b"\xff\xc3", br#"", algorithm="a", headers="d", signature="s""#].concat();
        assert_eq!(Parameters::read(&bytes), Some(parts(b"\xff\xc3", b"d")));
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_can_hurt(header in any::<Vec<u8>>()) {
            Parameters::read(&header);
        }
    }
}
