//! Values with `$(…)` in them, each a Lua expression (kong.md §5.16).

use crate::error::ConfigError;
use crate::lua::sandbox::{Expressions, Surroundings};
use std::borrow::Cow;

#[derive(Debug)]
pub struct Template {
    parts: Box<[Part]>,
    expressions: Option<Expressions>,
}

#[derive(Debug)]
enum Part {
    Text(Box<[u8]>),
    /// Of the next expression.
    Result,
}

impl Template {
    pub fn parse(field: &str, text: &str) -> Result<Self, ConfigError> {
        let (mut parts, mut expressions) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((before, expression, after)) = first_expression(rest) {
            if !before.is_empty() {
                parts.push(Part::Text(before.as_bytes().into()));
            }
            parts.push(Part::Result);
            expressions.push(expression);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.as_bytes().into()));
        }
        let problem = |reason: String| {
            let value = text.replace(char::is_control, " ");
            ConfigError::Invalid(format!("{field}: value '{value}' is not in supported format, error:{reason}").into())
        };
        let expressions = match expressions.as_slice() {
            [] => None,
            some => Some(Expressions::parse(some).map_err(problem)?),
        };
        Ok(Self { parts: parts.into(), expressions })
    }

    /// `Err` says why an expression has no value.
    pub fn render(&self, surroundings: &Surroundings<'_>) -> Result<Cow<'_, [u8]>, String> {
        let results = match &self.expressions {
            Some(expressions) => expressions.evaluate(surroundings)?,
            None => Vec::new(),
        };
        if let ([Part::Text(only)], []) = (&*self.parts, results.as_slice()) {
            return Ok(Cow::Borrowed(only));
        }
        let mut results = results.into_iter();
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Result => out.extend(results.next().unwrap_or_default()),
            }
        }
        Ok(Cow::Owned(out))
    }
}

/// What stands before the first `$(…)` with balanced parentheses, in it and behind it.
fn first_expression(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("$(").find_map(|(start, _)| {
        let inside = &text[start + 2..];
        let mut depth = 1;
        let end = inside.bytes().position(|byte| {
            depth += i32::from(byte == b'(') - i32::from(byte == b')');
            depth == 0
        })?;
        Some((&text[..start], &inside[..end], &inside[end + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::sandbox::{Entries, Entry, Facts, Key};
    use proptest::prelude::*;

    struct Known;

    impl Facts for Known {
        fn headers(&self) -> Entries {
            vec![(Key::Name(b"a".to_vec()), Entry::Text(b"1".to_vec()))]
        }

        fn query_params(&self) -> Entries {
            Entries::new()
        }

        fn uri_captures(&self) -> Entries {
            Entries::new()
        }
    }

    fn rendered(text: &str) -> Result<String, String> {
        let template = Template::parse("add", text).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(template.render(&Surroundings::new(&Known))?.into_owned()).unwrap())
    }

    #[test]
    fn texts_with_expressions() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("$(headers.a)", "1"),
            ("x-$(headers.a)-$(headers.b or 'none')!", "x-1-none!"),
            ("$((headers.a) .. '(' .. ')')", "1()"),
            ("$('$(kept)')", "$(kept)"),
            ("$5 and ${x} and $(open", "$5 and ${x} and $(open"),
        ] {
            assert_eq!(rendered(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(
            rendered("$(os.time())").unwrap_err(),
            "add: value '$(os.time())' is not in supported format, error:the name 'os' is not available here, use \
             headers, query_params, shared, type, uri_captures"
        );
        assert!(rendered("$(headers.b.c)").is_err());
    }

    proptest! {
        #[test]
        fn what_has_no_expression_stays(text in "[^(]{0,20}") {
            prop_assert_eq!(rendered(&text).unwrap(), text);
        }

        #[test]
        fn no_template_is_too_strange(text in ".{0,30}", lua in "\\$\\([a-c0-9.'\"()\\[\\]= ]{0,20}\\)") {
            let _ = (rendered(&text), rendered(&lua));
        }
    }
}
