//! What configurations of several plugins must not hold. `compile/policies/checks.py` draws the same lines.

use crate::error::ConfigError;
use crate::router::patterns;
use crate::text::is_header_value;
use regex_automata::meta::Regex;

/// Refuses an empty text, as Kong does.
pub fn some_text(field: &str, text: &str) -> Result<(), ConfigError> {
    if text.is_empty() {
        Err(ConfigError::Invalid(format!("{field}: length must be at least 1").into()))
    } else {
        Ok(())
    }
}

/// Refuses an empty text, and one that no header can carry.
pub fn header_value(field: &str, text: &str) -> Result<(), ConfigError> {
    some_text(field, text)?;
    if is_header_value(text.as_bytes()) {
        return Ok(());
    }
    Err(ConfigError::Invalid(format!("{field}: control characters are not allowed in header values").into()))
}

/// Refuses what is no header's name: RFC 9110's `token`, so no pseudo-header either.
pub fn header_name(field: &str, text: &str) -> Result<(), ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&byte);
    if !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(is_token) {
        return Ok(());
    }
    Err(ConfigError::Invalid(format!("{field}: '{}' is not the name of a header", text.escape_debug()).into()))
}

/// Refuses the name of a header by which a message's end is found: the gateway writes those itself.
pub fn free_header_name(field: &str, text: &str) -> Result<(), ConfigError> {
    header_name(field, text)?;
    let dashed = text.to_ascii_lowercase().replace('_', "-");
    if RESERVED.contains(&dashed.as_str()) {
        return Err(ConfigError::Invalid(format!("{field}: the gateway itself sets {text}").into()));
    }
    Ok(())
}

/// Refuses limits that let nothing through.
pub fn limits(limits: &[Option<f64>]) -> Result<(), ConfigError> {
    if limits.iter().flatten().any(|limit| limit.is_nan() || *limit <= 0.0) {
        return Err(ConfigError::Invalid("a limit is not greater than 0".into()));
    }
    Ok(())
}

/// Refuses the name of a header by which the gateway tells Envoy where a request goes.
pub fn no_internal_header(field: &str, text: &str) -> Result<(), ConfigError> {
    if INTERNAL.iter().any(|prefix| text.to_ascii_lowercase().starts_with(prefix)) {
        return Err(ConfigError::Invalid(format!("{field}: the gateway keeps headers like {text} to itself").into()));
    }
    Ok(())
}

const INTERNAL: [&str; 2] = ["x-crossfade-", "x-envoy-"];

const LONGEST_NAME: usize = 16 * 1024;

const RESERVED: [&str; 5] = ["connection", "content-length", "host", "transfer-encoding", "upgrade"];

/// Regexes that are searched for anywhere in a text, of one configuration; refused with their place.
pub fn regexes(field: &str, patterns: &[String]) -> Result<Vec<Regex>, ConfigError> {
    let (mut found, mut size) = (Vec::with_capacity(patterns.len()), 0);
    for (place, pattern) in (1..).zip(patterns) {
        let refuse = |reason: String| ConfigError::Invalid(format!("{field}.{place}: {reason}").into());
        let regex = patterns::parse(pattern, false).and_then(|tree| patterns::compile(&tree));
        let regex = regex.map_err(|reason| refuse(format!("'{pattern}' is not a valid regex: {reason}")))?;
        size += regex.memory_usage();
        if size > LARGEST_REGEXES {
            return Err(refuse(format!("the regexes up to here take more than {LARGEST_REGEXES} bytes of memory")));
        }
        found.push(regex);
    }
    Ok(found)
}

/// Of one field's regexes together, in bytes.
const LARGEST_REGEXES: usize = 16 << 20;

/// Refuses a status with which a request cannot be answered.
pub fn reply_status(field: &str, status: f64) -> Result<u16, ConfigError> {
    if (200.0..=599.0).contains(&status) && status.fract() == 0.0 {
        // In range and whole.
        return Ok(status as u16);
    }
    Err(ConfigError::Invalid(format!("{field}: expected a whole number between 200 and 599").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_no_header_values() {
        for (text, is_right) in
            [("", false), ("a\tb", true), ("ä", true), ("a\r\nb", false), ("\0", false), ("\u{7f}", false)]
        {
            assert_eq!(header_value("field", text).is_ok(), is_right, "{text:?}");
        }
    }

    #[test]
    fn names_are_tokens() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for (text, is_right) in [
            ("X-A_1", true),
            ("a.b|c", true),
            ("", false),
            (":path", false),
            ("a b", false),
            ("a\n", false),
            ("ä", false),
            (long.as_str(), false),
        ] {
            assert_eq!(header_name("field", text).is_ok(), is_right, "{text:?}");
        }
        for text in ["Content-Length", "TRANSFER_ENCODING", "host", "a b"] {
            assert!(free_header_name("field", text).is_err(), "{text}");
        }
        assert!(free_header_name("field", "Content-Type").is_ok());
        for (text, is_right) in [("X-Envoy-Max-Retries", false), ("x-crossfade-cluster", false), ("x-envoy", true)] {
            assert_eq!(no_internal_header("field", text).is_ok(), is_right, "{text}");
        }
    }

    #[test]
    fn statuses_that_end_a_request() {
        for (status, expected) in
            [(200.0, Some(200)), (599.0, Some(599)), (199.0, None), (600.0, None), (403.5, None), (-403.0, None)]
        {
            assert_eq!(reply_status("status", status).ok(), expected, "{status}");
        }
    }
}
