//! Regexes out of a configuration: limited in size, refused in one line.

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

/// Of one compiled regex. `[\w-]{1,64}`, in which each place takes any letter of any script, has 3.2 MB.
const SIZE_LIMIT: usize = 4 << 20;
/// Of the states that a worker keeps for one regex; a search that needs more goes on without them.
const CACHE_LIMIT: usize = 256 << 10;

/// Why not, in one line.
pub fn parse(pattern: &str, ignores_case: bool) -> Result<Hir, String> {
    let mut parser = ParserBuilder::new().utf8(false).case_insensitive(ignores_case).build();
    parser.parse(pattern).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => format!("{} at byte {}", error.kind(), error.span().start.offset),
        regex_syntax::Error::Translate(error) => format!("{} at byte {}", error.kind(), error.span().start.offset),
        other => other.to_string(),
    })
}

/// For bytes that need not be UTF-8; knows no groups.
pub fn compile(tree: &Hir) -> Result<Regex, String> {
    compile_with(tree, WhichCaptures::Implicit)
}

/// Knows the groups, which takes more memory and time.
pub fn compile_with_groups(tree: &Hir) -> Result<Regex, String> {
    compile_with(tree, WhichCaptures::All)
}

fn compile_with(tree: &Hir, captures: WhichCaptures) -> Result<Regex, String> {
    let config = Config::new()
        .utf8_empty(false)
        .which_captures(captures)
        .nfa_size_limit(Some(SIZE_LIMIT))
        .hybrid_cache_capacity(CACHE_LIMIT);
    Regex::builder().configure(config).build_from_hir(tree).map_err(|error| match error.size_limit() {
        Some(limit) => format!("it takes more than {limit} bytes of memory"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(pattern: &str) -> Result<Regex, String> {
        compile(&parse(pattern, false)?)
    }

    #[test]
    fn reasons_are_one_line() {
        let nested = ["(".repeat(300), ")".repeat(300)].concat();
        for (pattern, reason) in [
            ("/(", "unclosed group at byte 1"),
            ("a)|(b", "unopened group at byte 1"),
            ("(?x)a #)", ""),
            ("/(?=x)", "look-around, including look-ahead and look-behind, is not supported at byte 1"),
            (r"/(x)\1", "backreferences are not supported at byte 4"),
            (r"/\p{Nonsense}", "Unicode property not found at byte 1"),
            (r"/\w{9999}", "it takes more than 4194304 bytes of memory"),
            (&nested, "exceed the maximum number of nested parentheses/brackets (250) at byte 250"),
        ] {
            assert_eq!(compiled(pattern).err().unwrap_or_default(), reason, "{pattern}");
        }
    }

    #[test]
    fn usual_patterns_fit() {
        for pattern in
            [r"/users/[\w-]{1,64}/?$", r"/[^/]{1,255}/x", r"(?i)/(en|de|fr)/.*", r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}"]
        {
            assert!(compiled(pattern).is_ok(), "{pattern}");
        }
    }
}
