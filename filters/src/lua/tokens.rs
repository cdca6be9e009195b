//! The words of a Lua text, as far as it must be known which names it uses before it runs.

/// The Lua text is cut into these; comments and spaces are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// Also keywords.
    Name(&'a str),
    Symbol(&'a str),
    /// A text or a number.
    Value,
}

/// Longest first.
const SYMBOLS: [&str; 7] = ["...", "..", "==", "~=", "<=", ">=", "::"];

/// `Err` says what cannot be read.
pub fn tokens(source: &str) -> Result<Vec<Token<'_>>, String> {
    Ok(placed_tokens(source)?.into_iter().map(|(token, _)| token).collect())
}

/// Each with the number of its line, from 1.
pub fn placed_tokens(source: &str) -> Result<Vec<(Token<'_>, usize)>, String> {
    let mut found = Vec::new();
    let mut rest = source.trim_start();
    let (mut line, mut counted) = (1, source);
    while let Some(first) = rest.chars().next() {
        line += newlines(&counted[..counted.len() - rest.len()]);
        counted = rest;
        let (token, length) = next(rest, first)?;
        found.extend(token.map(|token| (token, line)));
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn newlines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

fn next(rest: &str, first: char) -> Result<(Option<Token<'_>>, usize), String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let word = |bytes: &str| bytes.bytes().position(|byte| !is_word(byte)).unwrap_or(bytes.len());
    if first.is_ascii_digit() {
        return Ok((Some(Token::Value), number(rest)));
    }
    if is_word(u8::try_from(first).unwrap_or_default()) {
        let length = word(rest);
        return Ok((Some(Token::Name(&rest[..length])), length));
    }
    if let Some(comment) = rest.strip_prefix("--") {
        let length = match long_bracket(comment) {
            Some(length) => 2 + length?,
            None => rest.find('\n').unwrap_or(rest.len()),
        };
        return Ok((None, length));
    }
    if matches!(first, '"' | '\'') {
        return Ok((Some(Token::Value), quoted(rest, first)?));
    }
    if let Some(length) = long_bracket(rest) {
        return Ok((Some(Token::Value), length?));
    }
    let length = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).map_or(first.len_utf8(), |found| found.len());
    Ok((Some(Token::Symbol(&rest[..length])), length))
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is_sign_of_exponent =
        |place: usize| matches!(bytes[place], b'+' | b'-') && matches!(bytes[place - 1], b'e' | b'E');
    let belongs =
        |place: &usize| bytes[*place].is_ascii_alphanumeric() || bytes[*place] == b'.' || is_sign_of_exponent(*place);
    1 + (1..bytes.len()).take_while(belongs).count()
}

fn quoted(rest: &str, quote: char) -> Result<usize, String> {
    let mut is_escaped = false;
    for (place, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' => break,
            other if other == quote => return Ok(place + 1),
            _ => (),
        }
    }
    Err("a text has no closing quote".to_owned())
}

/// The length of `[[…]]` or `[=[…]=]`; None for what does not begin so.
fn long_bracket(rest: &str) -> Option<Result<usize, String>> {
    let inner = rest.strip_prefix('[')?;
    let level = inner.len() - inner.trim_start_matches('=').len();
    inner[level..].strip_prefix('[')?;
    let closing = format!("]{}]", "=".repeat(level));
    let found = rest[level + 2..].find(&closing).map(|place| place + 2 * (level + 2));
    Some(found.ok_or_else(|| "a long bracket is not closed".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words() {
        use Token::{Name, Symbol, Value};
        for (source, expected) in [
            ("a.b or 'x'", &[Name("a"), Symbol("."), Name("b"), Name("or"), Value][..]),
            ("a..'it\\'s'..\"\"", &[Name("a"), Symbol(".."), Value, Symbol(".."), Value]),
            ("1e-3+0x1F -- x\n;", &[Value, Symbol("+"), Value, Symbol(";")]),
            ("[[os]] [=[ ]] ]=] --[[ os ]] a", &[Value, Value, Name("a")]),
            ("a[1]~=nil", &[Name("a"), Symbol("["), Value, Symbol("]"), Symbol("~="), Name("nil")]),
            ("ä", &[Symbol("ä")]),
            ("", &[]),
        ] {
            assert_eq!(tokens(source).unwrap(), expected, "{source}");
        }
        for source in ["'a", "'a\n'", "[[a]", "--[[ a", "\"\\\""] {
            assert!(tokens(source).is_err(), "{source}");
        }
    }

    #[test]
    fn lines() {
        let found = placed_tokens("\n a\nb --[[ \n ]] c [[\n]] d").unwrap();
        assert_eq!(found.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [2, 3, 4, 4, 5]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(source in ".{0,40}", lua in "[a-c0-9.'\"\\[\\]=\\\\ -]{0,24}") {
            let _ = tokens(&source);
            let _ = tokens(&lua);
        }
    }
}
