//! Kong's treatment of the request path: normalisation before matching, the upstream path, re-escaping.
//!
//! Paths are bytes without the query; kong.md §3.3 and §3.4 are the rules.

use std::borrow::Cow;

/// A path that Kong answers with 400: not absolute, a broken or zero escape, or `..` above the root.
#[derive(Debug, PartialEq, Eq)]
pub struct BadPath;

const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";
/// May stand in a request line as it is.
const UNESCAPED: [bool; 256] = {
    let marks = b"!#$&'()*+,/:;=?@[]-_.~%";
    let mut stays = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        stays[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut place = 0;
    while place < marks.len() {
        stays[marks[place] as usize] = true;
        place += 1;
    }
    stays
};
const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The request target cut at the first `?`; the query is `None` when there is no `?` at all.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

/// Decodes needless escapes, upper-cases the others, resolves dot segments, merges slashes.
pub fn normalise(path: &[u8]) -> Result<Cow<'_, [u8]>, BadPath> {
    if path.first() != Some(&b'/') {
        return Err(BadPath);
    }
    let plain = !path.contains(&b'%') && !path.windows(2).any(|pair| pair == b"//" || pair == b"/.");
    if plain {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode_needless(path)?;
    resolve_segments(&decoded).map(Cow::Owned)
}

/// Why no request can match a route's plain path; None when its text is the normal form.
pub fn problem(path: &str) -> Option<String> {
    if path.contains(['?', '#']) {
        return Some("a request's path ends before ? and #".into());
    }
    match normalise(path.as_bytes()).map(|normal| String::from_utf8(normal.into_owned())) {
        Ok(Ok(normal)) if normal == path => None,
        Ok(Ok(normal)) => Some(format!("not normalized path. Suggest: '{normal}'")),
        Ok(Err(_)) => Some("its escapes stand for bytes that are no text".into()),
        Err(BadPath) => Some("a request with such a path is answered 400 (broken escape, or .. above the root)".into()),
    }
}

fn decode_needless(path: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = match tail {
            [high, low, ..] => (hex_digit(*high).ok_or(BadPath)?, hex_digit(*low).ok_or(BadPath)?),
            _ => return Err(BadPath),
        };
        rest = &tail[2..];
        match high << 4 | low {
            0 => return Err(BadPath),
            code if RESERVED.contains(&code) => push_escaped(&mut out, code),
            code => out.push(code),
        }
    }
    Ok(out)
}

fn resolve_segments(path: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut out = Vec::with_capacity(path.len());
    let mut ends_with_slash = false;
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => ends_with_slash = true,
            b".." => {
                let parent = out.iter().rposition(|byte| *byte == b'/').ok_or(BadPath)?;
                out.truncate(parent);
                ends_with_slash = true;
            }
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
                ends_with_slash = false;
            }
        }
    }
    if ends_with_slash || out.is_empty() {
        out.push(b'/');
    }
    Ok(out)
}

/// Percent-encodes what may not stand in a request line; escapes that are there stay.
pub fn escape(path: &[u8]) -> Cow<'_, [u8]> {
    let stays = |byte: u8| UNESCAPED[usize::from(byte)];
    if path.iter().all(|byte| stays(*byte)) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len() + 16);
    for &byte in path {
        if stays(byte) {
            out.push(byte);
        } else {
            push_escaped(&mut out, byte);
        }
    }
    Cow::Owned(out)
}

/// The path sent upstream, not yet escaped (path handling v0). `prefix` is what the route matched.
pub fn upstream(request: &[u8], prefix: &[u8], base: &[u8], strip: bool) -> Vec<u8> {
    let stem = base.strip_suffix(b"/");
    if !strip {
        return match stem {
            Some(_) => [base, request.strip_prefix(b"/").unwrap_or(request)].concat(),
            None if request == b"/" => base.to_vec(),
            None => [base, request].concat(),
        };
    }
    let rest = without_leading_dots(request.strip_prefix(prefix).unwrap_or(request));
    let slash_at_end = request.len() > 1 && request.ends_with(b"/");
    match (stem, rest.first()) {
        (Some(b""), None) => b"/".to_vec(),
        (Some(stem), None) => (if slash_at_end { base } else { stem }).to_vec(),
        (Some(stem), Some(b'/')) => [stem, rest].concat(),
        (Some(_), Some(_)) => [base, rest].concat(),
        (None, None) => [base, if slash_at_end { b"/" } else { b"" }].concat(),
        (None, Some(b'/')) => [base, rest].concat(),
        (None, Some(_)) => [base, b"/", rest].concat(),
    }
}

fn without_leading_dots(rest: &[u8]) -> &[u8] {
    match rest {
        b"." | b".." => b"",
        _ => rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"../")).unwrap_or(rest),
    }
}

pub fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'%', UPPER_HEX[usize::from(byte >> 4)], UPPER_HEX[usize::from(byte & 15)]]);
}

pub fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str) -> String {
        String::from_utf8(normalise(path.as_bytes()).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn routes_have_paths_in_normal_form() {
        for (path, expected) in [
            ("/naïve", None),
            ("/two words", None),
            ("/a%2Fb", None),
            ("/na%C3%AFve", Some("not normalized path. Suggest: '/naïve'")),
            ("/two%20words", Some("not normalized path. Suggest: '/two words'")),
            ("/un%41res", Some("not normalized path. Suggest: '/unAres'")),
            ("/a%2fb", Some("not normalized path. Suggest: '/a%2Fb'")),
            ("/a/./b", Some("not normalized path. Suggest: '/a/b'")),
            ("/a?b", Some("a request's path ends before ? and #")),
            ("/%ff", Some("its escapes stand for bytes that are no text")),
            ("/100%", Some("a request with such a path is answered 400 (broken escape, or .. above the root)")),
        ] {
            assert_eq!(problem(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn normalises_as_kong_does() {
        for (path, expected) in [
            ("/n/a%20b", "/n/a b"),
            ("/n/%61bc", "/n/abc"),
            ("/n/a%2fb", "/n/a%2Fb"),
            ("/n/./a", "/n/a"),
            ("/n/a/../b", "/n/b"),
            ("/n/%2e%2e/s/x", "/s/x"),
            ("/n//a", "/n/a"),
            ("//n/a", "/n/a"),
            ("/n/a/..", "/n/"),
            ("/n/a/.", "/n/a/"),
            ("/a//../b", "/b"),
            ("/", "/"),
            ("/..x", "/..x"),
            ("/%25", "/%25"),
            ("/%7Eu%2Dx%5F", "/~u-x_"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
    }

    #[test]
    fn refuses_what_nginx_refuses() {
        for path in ["/../x", "/%2e%2e/x", "/a%", "/a%2", "/%zz", "/a%00b", "nopath", ""] {
            assert_eq!(normalise(path.as_bytes()), Err(BadPath), "{path}");
        }
    }

    #[test]
    fn escapes_for_the_upstream() {
        for (path, expected) in
            [("/a|b\"<>^`{}\\", "/a%7Cb%22%3C%3E%5E%60%7B%7D%5C"), ("/ü x", "/%C3%BC%20x"), ("/a%2F;=:", "/a%2F;=:")]
        {
            assert_eq!(escape(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn upstream_path_follows_the_v0_table() {
        for (request, prefix, base, strip, expected) in [
            ("/dj/jazz", "/dj/jazz", "/", true, "/"),
            ("/dj/jazz/", "/dj/jazz", "/", true, "/"),
            ("/dj/jazzy", "/dj/jazz", "/", true, "/y"),
            ("/p/x", "/p/", "/", true, "/x"),
            ("/b", "/b", "/base", true, "/base"),
            ("/b/", "/b/", "/base", true, "/base/"),
            ("/b/x", "/b/", "/base", true, "/base/x"),
            ("/sl", "/sl", "/base/", true, "/base"),
            ("/sl/", "/sl", "/base/", true, "/base/"),
            ("/sl/x", "/sl", "/base/", true, "/base/x"),
            ("/slx", "/sl", "/base/", true, "/base/x"),
            ("/sln/", "/sln", "/base/", false, "/base/sln/"),
            ("/bn/x", "/bn/", "/base", false, "/base/bn/x"),
            ("/", "/", "/base", false, "/base"),
            ("/", "/", "/base", true, "/base"),
            ("/s/..x", "/s/", "/", true, "/..x"),
            ("/s/../x", "/s/", "/", true, "/x"),
        ] {
            let path = upstream(request.as_bytes(), prefix.as_bytes(), base.as_bytes(), strip);
            assert_eq!(path, expected.as_bytes(), "{request} {prefix} {base} {strip}");
        }
    }

    proptest! {
        #[test]
        fn normalising_leaves_no_dots_and_no_double_slashes(path in "/[a-c./%25efE2]{0,24}") {
            if let Ok(normal) = normalise(path.as_bytes()) {
                prop_assert_eq!(normal.first(), Some(&b'/'));
                prop_assert!(!normal.windows(2).any(|pair| pair == b"//"));
                prop_assert!(normal.split(|byte| *byte == b'/').all(|segment| segment != b"." && segment != b".."));
            }
        }

        #[test]
        fn normalising_twice_changes_nothing(path in proptest::collection::vec(any::<u8>(), 0..32)) {
            let path = [b"/".as_slice(), &path].concat();
            if let Ok(once) = normalise(&path) {
                // A raw `%` cannot remain, so what came out is a valid path again.
                let twice = normalise(&once).unwrap();
                prop_assert_eq!(&twice, &once);
            }
        }

        #[test]
        fn upstream_paths_are_absolute(rest in "[a-z./]{0,12}", strip: bool, base in "/([a-z]{1,4}/?)?") {
            let request = [b"/pre".as_slice(), rest.as_bytes()].concat();
            let path = upstream(&request, b"/pre", base.as_bytes(), strip);
            prop_assert_eq!(path.first(), Some(&b'/'));
        }

        #[test]
        fn escaped_paths_are_printable(path in proptest::collection::vec(any::<u8>(), 0..32)) {
            prop_assert!(escape(&path).iter().all(u8::is_ascii_graphic));
        }
    }
}
