//! `name:value` as Kong reads it.

use crate::error::ConfigError;

/// The value begins after all colons that follow the name; an empty one is none.
pub fn split(field: &str, pair: &str) -> Result<(String, Option<String>), ConfigError> {
    let end = pair.find(':').unwrap_or(pair.len());
    let (name, rest) = pair.split_at(end);
    if name.is_empty() {
        return Err(ConfigError::Invalid(format!("{field}: an entry has no name before its colon").into()));
    }
    let value = rest.trim_start_matches(':');
    Ok((name.to_owned(), (!value.is_empty()).then(|| value.to_owned())))
}

/// Where the configuration wants a colon.
pub fn split_with_colon(field: &str, pair: &str) -> Result<(String, Option<String>), ConfigError> {
    if !pair.contains(':') {
        return Err(ConfigError::Invalid(format!("{field}: an entry has no colon after its name").into()));
    }
    split(field, pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for (pair, expected) in [
            ("a:b", Some(("a", Some("b")))),
            ("a:b:c", Some(("a", Some("b:c")))),
            ("a::b", Some(("a", Some("b")))),
            ("a:", Some(("a", None))),
            ("a::", Some(("a", None))),
            ("a: b ", Some(("a", Some(" b ")))),
            (":b", None),
            ("a", None),
            ("", None),
        ] {
            let found = split_with_colon("field", pair).ok();
            let found = found.as_ref().map(|(name, value)| (name.as_str(), value.as_deref()));
            assert_eq!(found, expected, "{pair}");
        }
        assert_eq!(split("field", "a").unwrap(), ("a".to_owned(), None));
    }
}
