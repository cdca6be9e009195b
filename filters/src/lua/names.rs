//! Which names a Lua text uses: what the sandbox does not have is refused before anything runs.

use super::tokens::{Token, tokens};
use std::collections::BTreeSet;

pub const KEYWORDS: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];
/// With these a text can run for ever.
const LOOPS: [&str; 4] = ["for", "function", "repeat", "while"];

/// What a text asks of its surroundings.
#[derive(Debug, Default)]
pub struct Names<'a> {
    /// Of these that the sandbox offers.
    pub globals: BTreeSet<&'a str>,
    /// It could run for ever.
    pub may_loop: bool,
}

/// Refuses names that are neither the text's own nor among `globals`, and methods that are not among `methods`.
pub fn names<'a>(source: &'a str, globals: &[&str], methods: &[&str]) -> Result<Names<'a>, String> {
    let tokens = tokens(source)?;
    let own = declared(&tokens);
    let mut found = Names::default();
    let mut brackets = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| tokens[place]);
        match *token {
            Token::Symbol(open @ ("(" | "[" | "{")) => brackets.push(open),
            Token::Symbol(")" | "]" | "}") => drop(brackets.pop()),
            Token::Name(word) if KEYWORDS.contains(&word) => found.may_loop |= LOOPS.contains(&word),
            Token::Name(_) if before == Some(Token::Symbol(".")) => (),
            Token::Name(method) if before == Some(Token::Symbol(":")) => known("method", method, methods)?,
            Token::Name(_) if is_member(&brackets, before, tokens.get(place + 1)) => (),
            Token::Name(word) if own.contains(word) => (),
            Token::Name(word) => {
                known("name", word, globals)?;
                found.globals.insert(word);
            }
            Token::Symbol(_) | Token::Value => (),
        }
    }
    Ok(found)
}

fn known(kind: &str, word: &str, offered: &[&str]) -> Result<(), String> {
    if offered.contains(&word) {
        return Ok(());
    }
    Err(format!("the {kind} '{word}' is not available here, use {}", offered.join(", ")))
}

/// `{name = …}`
fn is_member(brackets: &[&str], before: Option<Token<'_>>, after: Option<&Token<'_>>) -> bool {
    brackets.last() == Some(&"{")
        && matches!(before, Some(Token::Symbol("{" | "," | ";")))
        && after == Some(&Token::Symbol("="))
}

/// Variables, parameters and functions of the text's own, whatever their scope.
fn declared<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut own = BTreeSet::new();
    let mut rest = tokens;
    while let [first, others @ ..] = rest {
        rest = others;
        let list = match (first, others) {
            (Token::Name("local"), [Token::Name("function"), Token::Name(name), ..]) => {
                own.insert(*name);
                continue;
            }
            (Token::Name("function"), [Token::Symbol("("), list @ ..] | [_, Token::Symbol("("), list @ ..]) => list,
            (Token::Name("local" | "for"), list) => list,
            _ => continue,
        };
        own.extend(list_of_names(list));
    }
    own
}

/// `a, b, c` as far as it goes.
fn list_of_names<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut pairs = tokens.chunks(2);
    while let Some([Token::Name(name), after @ ..]) = pairs.next() {
        found.push(*name);
        if after != [Token::Symbol(",")] {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBALS: [&str; 2] = ["headers", "type"];
    const METHODS: [&str; 2] = ["lower", "sub"];

    #[test]
    fn what_may_be_used() {
        for (source, globals, may_loop) in [
            ("headers.os or 'x'", &["headers"][..], false),
            ("headers['user-agent']:lower():sub(1, 2)", &["headers"], false),
            ("({os = 1, [headers] = 2}).os", &["headers"], false),
            ("(function(a, b) local c, d = a, b return c..d end)(1, 2)", &[], true),
            ("(function() local function f(n) return f(n) end return f(1) end)()", &[], true),
            ("(function() for i = 1, 2 do local x = i end end)()", &[], true),
            ("type(headers) == 'os'", &["headers", "type"], false),
            ("not nil and true", &[], false),
        ] {
            let found = names(source, &GLOBALS, &METHODS).unwrap();
            assert_eq!(found.globals.into_iter().collect::<Vec<_>>(), globals, "{source}");
            assert_eq!(found.may_loop, may_loop, "{source}");
        }
    }

    #[test]
    fn what_may_not() {
        for (source, problem) in [
            ("os.execute('x')", "the name 'os' is not available here, use headers, type"),
            ("headers.x or io", "the name 'io' is not available here, use headers, type"),
            ("headers.x:dump()", "the method 'dump' is not available here, use lower, sub"),
            ("{os}", "the name 'os' is not available here, use headers, type"),
            ("{a = os}", "the name 'os' is not available here, use headers, type"),
            ("(function() x = 1 end)()", "the name 'x' is not available here, use headers, type"),
            ("(function(a) local b = a, os end)()", "the name 'os' is not available here, use headers, type"),
            ("'x", "a text has no closing quote"),
        ] {
            assert_eq!(names(source, &GLOBALS, &METHODS).unwrap_err(), problem, "{source}");
        }
    }
}
