//! Texts as lua-cjson, Kong's JSON library, writes them.

/// As a JSON string: a slash is escaped, and so is DEL; what is not ASCII stays.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|character| push_escaped(&mut out, character));
    out.push('"');
    out
}

/// A member of an object.
pub fn member(name: &str, text: &str) -> String {
    format!("{}:{}", quoted(name), quoted(text))
}

pub fn push_escaped(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '/' => out.push_str("\\/"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("so \"long\"", r#""so \"long\"""#),
            ("a/b\\c", r#""a\/b\\c""#),
            ("\n\t\u{1}\u{7f}é", r#""\n\t\u0001\u007fé""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back(text in ".*") {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }
    }
}
