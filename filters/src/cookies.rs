//! Cookies as nginx's `$cookie_NAME` finds them.

/// The first value under a name, whatever its case, in these values of `Cookie`.
pub fn find<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &[u8]) -> Option<&'a [u8]> {
    headers.into_iter().find_map(|header| find_in(header, name))
}

/// A value of `Cookie` without the cookies of a name, whatever its case; None if nothing is left.
pub fn without(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let is_other = |part: &&[u8]| {
        let found = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        !part.is_empty() && !found.trim_ascii().eq_ignore_ascii_case(name)
    };
    let parts: Vec<&[u8]> = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(is_other).collect();
    (!parts.is_empty()).then(|| parts.join(&b"; "[..]))
}

fn find_in<'a>(mut rest: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    while !rest.is_empty() {
        if let Some(value) = value_at(rest, name) {
            return Some(value);
        }
        let end = rest.iter().position(|byte| matches!(byte, b';' | b','))?;
        rest = without_spaces(&rest[end + 1..]);
    }
    None
}

/// What stands behind `name=` up to the next semicolon.
fn value_at<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = text.split_at_checked(name.len())?;
    let value = without_spaces(rest).strip_prefix(b"=").filter(|_| found.eq_ignore_ascii_case(name))?;
    without_spaces(value).split(|byte| *byte == b';').next()
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_nginx_finds() {
        for (headers, expected) in [
            (vec!["tok=a"], Some("a")),
            (vec!["x=1; tok=a; tok=b"], Some("a")),
            (vec!["x=1,TOK=a,b; y=2"], Some("a,b")),
            (vec!["x=1", "tok=a"], Some("a")),
            (vec!["tok = a b ; x=1"], Some("a b ")),
            (vec!["tok="], Some("")),
            (vec!["tok; tok=a"], Some("a")),
            (vec!["xtok=a"], None),
            (vec!["token=a"], None),
            (vec!["x=tok=a"], None),
            (vec!["tok"], None),
            (vec!["", ";;,"], None),
        ] {
            let found = find(headers.iter().map(|header| header.as_bytes()), b"tok");
            assert_eq!(found, expected.map(str::as_bytes), "{headers:?}");
        }
    }

    #[test]
    fn leaves_one_out() {
        for (header, expected) in [
            ("x=1; tok=a; y=2", Some("x=1; y=2")),
            ("TOK = a;x=tok", Some("x=tok")),
            ("tok=a", None),
            ("tok; ;", None),
            ("token=a", Some("token=a")),
        ] {
            assert_eq!(without(header.as_bytes(), b"tok").as_deref(), expected.map(str::as_bytes), "{header}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_can_hurt(header in any::<Vec<u8>>(), name in any::<Vec<u8>>()) {
            find([header.as_slice()], &name);
            without(&header, &name);
        }
    }
}
