//! Cookies as nginx's `$cookie_NAME` finds them, and as browsers name them.

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

/// The first value under a name as browsers tell names apart: by their case too.
pub fn find_exact<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &[u8]) -> Option<&'a [u8]> {
    headers.into_iter().flat_map(parts).find_map(|(found, value)| (found == name).then_some(value))
}

/// A value of `Cookie` without those whose names are taken; None if nothing is left.
pub fn without_all(header: &[u8], is_taken: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut left = Vec::with_capacity(header.len());
    for part in header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        if !part.is_empty() && !is_taken(name) {
            if !left.is_empty() {
                left.extend_from_slice(b"; ");
            }
            left.extend_from_slice(part);
        }
    }
    (!left.is_empty()).then_some(left)
}

fn parts(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|byte| *byte == b';').filter_map(|part| {
        let place = part.iter().position(|byte| *byte == b'=')?;
        Some((part[..place].trim_ascii(), part[place + 1..].trim_ascii()))
    })
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

    #[test]
    fn names_have_their_case() {
        let header: &[u8] = b"SESSION=app; session=1; session2=b; x=session=3;session =4";
        assert_eq!(find_exact([header], b"session"), Some(&b"1"[..]));
        assert_eq!(find_exact([header], b"SESSION"), Some(&b"app"[..]));
        assert_eq!(find_exact([header], b"Session"), None);
        let left = without_all(header, |name| name == b"session");
        assert_eq!(left.as_deref(), Some(&b"SESSION=app; session2=b; x=session=3"[..]));
        assert_eq!(without_all(b"a=1; ;a=2", |name| name == b"a"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_can_hurt(header in any::<Vec<u8>>(), name in any::<Vec<u8>>()) {
            find([header.as_slice()], &name);
            without(&header, &name);
            find_exact([header.as_slice()], &name);
            without_all(&header, |found| found == name);
        }
    }
}
