//! Paths of routes, each with a literal text with which every path that it takes begins.

use super::error::PatternError;
use super::patterns;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input, PatternID};
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind, Look};
use std::sync::{Arc, OnceLock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// `/ab` also takes `/abc`.
    Prefix,
    Exact,
    /// Anchored at the start only.
    Regex,
}

#[derive(Clone, Debug)]
pub struct PathPattern {
    literal: Box<[u8]>,
    rest: Rest,
    /// Of regexes with groups.
    groups: Option<Arc<Groups>>,
}

/// A regex with groups, compiled when somebody first asks for what they caught: most routes' are never asked.
#[derive(Debug)]
struct Groups {
    text: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

/// What a path must be beyond beginning with the literal.
#[derive(Clone, Debug)]
enum Rest {
    Anything,
    Nothing,
    /// The regex is for what follows the first so many bytes of the literal.
    Regex(usize, Regex),
}

impl PathPattern {
    pub fn parse(kind: PathKind, text: &str) -> Result<Self, PatternError> {
        if kind == PathKind::Regex {
            return Self::regex(text).map_err(|reason| PatternError::new("the path regex", text, reason));
        }
        if !text.starts_with('/') {
            return Err(PatternError::new("the path", text, "it does not begin with a slash, as every request's does"));
        }
        let rest = if kind == PathKind::Exact { Rest::Nothing } else { Rest::Anything };
        Ok(Self { literal: text.as_bytes().into(), rest, groups: None })
    }

    /// As `parse`, for who asks for `group`: what cannot be caught is refused now.
    pub fn parse_with_groups(kind: PathKind, text: &str) -> Result<Self, PatternError> {
        let made = Self::parse(kind, text)?;
        if let Some(groups) = &made.groups {
            let regex = groups.compile().map_err(|reason| PatternError::new("the path regex", text, reason))?;
            groups.compiled.get_or_init(|| Some(regex));
        }
        Ok(made)
    }

    /// What the named group takes of a path that the pattern matches.
    pub fn group<'a>(&'a self, path: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.captures(path).find(|(_, other, _)| *other == Some(name)).map(|(_, _, text)| text)
    }

    fn regex(pattern: &str) -> Result<Self, String> {
        let tree = patterns::parse(pattern, false)?;
        let (head, rest) = split(&tree);
        let rest = match rest.kind() {
            HirKind::Empty => Rest::Anything,
            HirKind::Look(Look::End) => Rest::Nothing,
            _ => Rest::Regex(head.len(), patterns::compile(&rest)?),
        };
        // The common text reaches into alternatives, but knows only so many bytes.
        let common = Extractor::new().extract(&tree);
        let common = common.longest_common_prefix().unwrap_or_default();
        let literal = if common.len() > head.len() { common } else { &head };
        let has_groups = tree.properties().explicit_captures_len() > 0;
        let groups = has_groups.then(|| Arc::new(Groups { text: pattern.into(), compiled: OnceLock::new() }));
        Ok(Self { literal: literal.into(), rest, groups })
    }

    /// What the groups of the regex caught of a path: number and name of the group, and the text.
    pub fn captures<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (usize, Option<&'a str>, &'a [u8])> {
        let regex = self.groups.as_ref().and_then(|groups| groups.regex());
        let found = regex.and_then(|regex| {
            let mut captures = regex.create_captures();
            regex.captures(anchored(path, 0), &mut captures);
            captures.is_match().then_some((regex, captures))
        });
        found.into_iter().flat_map(move |(regex, captures)| {
            let names: Vec<_> = regex.group_info().pattern_names(PatternID::ZERO).enumerate().skip(1).collect();
            names.into_iter().filter_map(move |(number, name)| {
                captures.get_group(number).map(|span| (number, name, &path[span.start..span.end]))
            })
        })
    }

    pub fn literal(&self) -> &[u8] {
        &self.literal
    }

    /// How much of `path` the pattern takes up, which is what `strip_path` strips; `None` if it does not match.
    pub fn matched(&self, path: &[u8]) -> Option<usize> {
        path.starts_with(&self.literal).then(|| self.matched_known(path)).flatten()
    }

    fn matched_known(&self, path: &[u8]) -> Option<usize> {
        match &self.rest {
            Rest::Regex(from, regex) => regex.find(anchored(path, *from)).map(|found| found.end()),
            Rest::Anything => Some(self.literal.len()),
            Rest::Nothing => (path.len() == self.literal.len()).then_some(path.len()),
        }
    }

    /// Whether a path fits that is known to begin with the literal.
    pub(super) fn takes_known(&self, path: &[u8]) -> bool {
        match &self.rest {
            Rest::Regex(from, regex) => regex.is_match(anchored(path, *from)),
            _ => self.matched_known(path).is_some(),
        }
    }
}

impl Groups {
    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| self.compile().ok()).as_ref()
    }

    fn compile(&self) -> Result<Regex, String> {
        patterns::compile_with_groups(&patterns::parse(&self.text, false)?)
    }
}

fn anchored(path: &[u8], from: usize) -> Input<'_> {
    Input::new(path).range(from..).anchored(Anchored::Yes)
}

/// The literal that stands first, and what follows it. Searches are anchored, so a `^` before it says nothing.
///
/// The index has compared the literal already. A regex without it is smaller, and touches less memory in a search:
/// with thousands of regexes that is what a search costs.
fn split(tree: &Hir) -> (Box<[u8]>, Hir) {
    let mut parts = match tree.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(tree),
    };
    while let [first, others @ ..] = parts
        && *first.kind() == HirKind::Look(Look::Start)
    {
        parts = others;
    }
    match parts {
        [first, others @ ..] if let HirKind::Literal(literal) = first.kind() => {
            (literal.0.clone(), Hir::concat(others.to_vec()))
        }
        _ => (Box::default(), Hir::concat(parts.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn regex(text: &str) -> PathPattern {
        PathPattern::parse(PathKind::Regex, text).unwrap()
    }

    #[test]
    fn what_a_path_takes_up() {
        for (kind, text, path, expected) in [
            (PathKind::Prefix, "/ab", "/ab", Some(3)),
            (PathKind::Prefix, "/ab", "/abc", Some(3)),
            (PathKind::Prefix, "/ab", "/Ab", None),
            (PathKind::Prefix, "/ab", "/a", None),
            (PathKind::Exact, "/ab", "/ab", Some(3)),
            (PathKind::Exact, "/ab", "/ab/", None),
            (PathKind::Regex, r"/foo/\d{3}", "/foo/123abc", Some(8)),
            (PathKind::Regex, r"/foo/\d{3}", "/x/foo/123", None),
            (PathKind::Regex, "/foo$", "/foo/", None),
            (PathKind::Regex, "^/foo", "/foo/", Some(4)),
            (PathKind::Regex, "/a|/b", "/b", Some(2)),
            (PathKind::Regex, "/a|/b", "/c/b", None),
        ] {
            let pattern = PathPattern::parse(kind, text).unwrap();
            assert_eq!(pattern.matched(path.as_bytes()), expected, "{kind:?} {text} {path}");
            if path.starts_with(std::str::from_utf8(pattern.literal()).unwrap()) {
                assert_eq!(pattern.takes_known(path.as_bytes()), expected.is_some(), "{kind:?} {text} {path}");
            }
        }
    }

    #[test]
    fn literals_of_regexes() {
        for (text, expected) in [
            ("/foo$", "/foo"),
            ("^/foo/(?<id>[^/]+)", "/foo/"),
            (r"/v\d/users", "/v"),
            ("/api/(users|uses)/x", "/api/use"),
            ("/abc?", "/ab"),
            ("/ab{0,2}", "/a"),
            (r"/a\.b", "/a.b"),
            (r"/\Qa", ""),
            ("(?i)/api", "/"),
            ("/a|b", ""),
            (".*/x", ""),
            ("", ""),
        ] {
            let literal = PathPattern::parse(PathKind::Regex, text).map(|pattern| pattern.literal().to_vec());
            assert_eq!(literal.unwrap_or_default(), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_groups_catch() {
        let caught = |pattern: &str, path: &str| -> Vec<String> {
            let tell = |(number, name, text): (usize, Option<&str>, &[u8])| {
                format!("{number} {} {}", name.unwrap_or("-"), String::from_utf8_lossy(text))
            };
            regex(pattern).captures(path.as_bytes()).map(tell).collect()
        };
        for (pattern, path, expected) in [
            (r"/uri/(?<id>[^/]+)/(\w+)", "/uri/42/abc", &["1 id 42", "2 - abc"][..]),
            ("/a(b)?(c)", "/ac", &["2 - c"]),
            ("/a(b)", "/xab", &[]),
            ("/ab", "/ab", &[]),
        ] {
            assert_eq!(caught(pattern, path), expected, "{pattern} {path}");
        }
        assert_eq!(PathPattern::parse(PathKind::Prefix, "/(a)").unwrap().captures(b"/(a)").count(), 0);
    }

    #[test]
    fn refuses_with_the_reason() {
        for (kind, text, message) in [
            (
                PathKind::Prefix,
                "ab",
                "the path \"ab\" cannot be used: it does not begin with a slash, as every request's does",
            ),
            (
                PathKind::Exact,
                "",
                "the path \"\" cannot be used: it does not begin with a slash, as every request's does",
            ),
            (PathKind::Regex, "/(", "the path regex \"/(\" cannot be used: unclosed group at byte 1"),
            (PathKind::Regex, "/a)|(b", "the path regex \"/a)|(b\" cannot be used: unopened group at byte 2"),
        ] {
            assert_eq!(PathPattern::parse(kind, text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn bytes_that_are_no_text_match_too() {
        assert_eq!(regex("/a.*").matched(b"/a\xff\xfe"), Some(2));
        assert_eq!(regex(r"/a(?-u:\xff)").literal(), b"/a\xff");
    }

    /// Regexes of all kinds of parts, so that no property of the literal rests on a shape that was thought of.
    fn any_regex() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            4 => "[a-c/]{1,3}",
            1 => Just(r"\.".to_owned()),
            1 => Just(".".to_owned()),
            1 => Just("[ab]".to_owned()),
            1 => Just("[^a]".to_owned()),
            1 => Just(r"\d".to_owned()),
            1 => Just("ß".to_owned()),
            1 => Just(String::new()),
            1 => Just(r"\b".to_owned()),
            1 => Just("^".to_owned()),
            1 => Just("$".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                3 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                1 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                1 => (inner.clone(), prop_oneof![Just("?"), Just("*"), Just("+?"), Just("{0,2}"), Just("{2}")])
                    .prop_map(|(part, times)| format!("({part}){times}")),
                1 => inner.prop_map(|part| format!("(?i:{part})")),
            ]
        })
    }

    proptest! {
            #[test]
        fn what_matches_begins_with_the_literal(
            (text, paths) in any_regex().prop_flat_map(|text| {
                // Texts made from the regex itself, so that many match.
                let made = proptest::string::bytes_regex(&text.replace(['^', '$'], "").replace(r"\b", ""))
                    .map_or_else(|_| any::<Vec<u8>>().boxed(), |made| made.boxed());
                let other = "[a-c/A]{0,6}".prop_map(String::into_bytes);
                (Just(text), proptest::collection::vec(prop_oneof![3 => made, 1 => other], 1..8))
            }),
        ) {
            let Ok(pattern) = PathPattern::parse(PathKind::Regex, &text) else { return Ok(()) };
            for path in paths {
                if pattern.matched(&path).is_some() {
                    prop_assert!(path.starts_with(pattern.literal()), "{} {:?}", text, path);
                }
            }
        }

        #[test]
        fn no_pattern_is_too_strange(text in ".{0,24}", path in any::<Vec<u8>>()) {
            for kind in [PathKind::Prefix, PathKind::Exact, PathKind::Regex] {
                if let Ok(pattern) = PathPattern::parse(kind, &text) {
                    let known = path.starts_with(pattern.literal());
                    prop_assert_eq!(known && pattern.takes_known(&path), pattern.matched(&path).is_some());
                }
            }
        }
    }
}
