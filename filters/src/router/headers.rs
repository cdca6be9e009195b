//! Headers that a route asks for.

use super::error::PatternError;
use super::patterns;
use regex_automata::meta::Regex;

/// Before a value that is a regex (Kong's notation).
const REGEX_MARK: &str = "~*";

/// One of several lines may fit, in any case; a proxy before us may have joined lines by commas, so parts count too.
#[derive(Clone, Debug)]
pub struct HeaderCondition {
    /// In lower case.
    pub name: Box<[u8]>,
    values: Box<[Box<[u8]>]>,
    patterns: Box<[Pattern]>,
}

#[derive(Clone, Debug)]
struct Pattern {
    regex: Regex,
    /// Without `^`, `$` and the like, what is found in a part is found in the whole line too.
    looks_around: bool,
}

impl HeaderCondition {
    /// A value that begins with `~*` is a regex, which is not anchored.
    pub fn parse<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let (mut exact, mut patterns) = (Vec::new(), Vec::new());
        for value in values {
            match value.strip_prefix(REGEX_MARK) {
                None => exact.push(value.as_bytes().into()),
                Some(regex) => patterns.push(
                    Pattern::parse(regex).map_err(|reason| PatternError::new("the header regex", regex, reason))?,
                ),
            }
        }
        Ok(Self {
            name: name.to_ascii_lowercase().into_bytes().into(),
            values: exact.into(),
            patterns: patterns.into(),
        })
    }

    pub fn holds(&self, headers: &[(&[u8], &[u8])]) -> bool {
        headers.iter().any(|(name, line)| **name == *self.name && self.fits(line))
    }

    fn fits(&self, line: &[u8]) -> bool {
        self.has_value(line)
            || self.patterns.iter().any(|pattern| pattern.regex.is_match(line))
            || (line.contains(&b',') && parts(line).any(|part| self.has_value(part)))
            || self.patterns.iter().any(|pattern| pattern.looks_around && pattern.fits_a_part(line))
    }

    fn has_value(&self, text: &[u8]) -> bool {
        self.values.iter().any(|value| value.eq_ignore_ascii_case(text))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let tree = patterns::parse(text, true)?;
        Ok(Self { regex: patterns::compile(&tree)?, looks_around: !tree.properties().look_set().is_empty() })
    }

    fn fits_a_part(&self, line: &[u8]) -> bool {
        line.contains(&b',') && parts(line).any(|part| self.regex.is_match(part))
    }
}

fn parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_parts() {
        for (values, lines, expected) in [
            (["v1"].as_slice(), ["v1"].as_slice(), true),
            (&["V1"], &["v1"], true),
            (&["v1"], &["v2"], false),
            (&["v1"], &["v2", "v1"], true),
            (&["v1", "v2"], &["v2"], true),
            (&["v1"], &["v2,v1 , v3"], true),
            (&["v1"], &["v2, v11"], false),
            (&["v1, v2"], &["v1, v2"], true),
            (&[""], &[""], true),
            (&[""], &["v1"], false),
            (&["v1"], &[], false),
            (&["~*^v[12]$"], &["V2"], true),
            (&["~*^v[12]$"], &["x, V2"], true),
            (&["~*^v[12]$"], &["v3"], false),
            (&["~*b"], &["abc"], true),
            (&["~*^b"], &["abc"], false),
            (&["~*a.*c"], &["a, c"], true),
            (&["~*x", "v1"], &["v1"], true),
            (&["~*v1"], &["~*v1"], true),
            (&[], &["v1"], false),
        ] {
            let condition = HeaderCondition::parse("X-Version", values.iter().copied()).unwrap();
            let headers: Vec<_> = lines.iter().map(|line| (b"x-version".as_slice(), line.as_bytes())).collect();
            assert_eq!(condition.holds(&headers), expected, "{values:?} {lines:?}");
        }
        let condition = HeaderCondition::parse("x-version", ["v1"]).unwrap();
        assert!(!condition.holds(&[(b"x-other", b"v1")]));
    }

    #[test]
    fn refuses_with_the_reason() {
        let error = HeaderCondition::parse("x", ["~*(?=a)"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the header regex \"(?=a)\" cannot be used: look-around, including look-ahead and look-behind, is not \
             supported at byte 0"
        );
    }
}
