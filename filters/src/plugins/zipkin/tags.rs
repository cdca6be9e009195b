//! Tags that a client asks for in a header: `foo=bar; baz=qux`.

/// Those that can be read.
pub fn tags(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(';').filter_map(|item| {
        let (name, value) = item.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let is_right = !name.is_empty() && !value.is_empty() && !name.contains(char::is_whitespace);
        is_right.then_some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_counts() {
        for (text, expected) in [
            ("foo=bar; baz=qux", vec![("foo", "bar"), ("baz", "qux")]),
            (" a = b c=d ;;x", vec![("a", "b c=d")]),
            ("a b=c;=d;e=", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(tags(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
