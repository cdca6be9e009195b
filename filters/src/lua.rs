//! Lua in configurations, and what of it shows in Kong's answers.

mod names;
pub mod sandbox;
mod tokens;

use crate::text::Text;

/// As Lua writes numbers (`%.14g`); the number must be finite.
pub fn number(value: f64) -> Text {
    const DIGITS: i32 = 14;
    let scientific = format!("{value:.13e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let without_zeros = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let written = if (-4..DIGITS).contains(&exponent) {
        let places = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
        without_zeros(&format!("{value:.places$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs())
    };
    Text::from_slice(written.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_lua_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (600.0, "600"),
            (-1.0, "-1"),
            (0.5, "0.5"),
            (0.1 + 0.2, "0.3"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (99_999_999_999_999.0, "99999999999999"),
            (1e14, "1e+14"),
            (123_456_789_012_345_678.0, "1.2345678901235e+17"),
            (f64::MAX, "1.7976931348623e+308"),
        ] {
            assert_eq!(number(value).as_slice(), expected.as_bytes(), "{value}");
        }
    }
}
