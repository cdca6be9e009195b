//! Lua in configurations, and what of it shows in Kong's answers.

pub mod functions;
mod json;
mod names;
mod patterns;
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

/// As Lua's `tonumber` reads it: decimal or hexadecimal, with spaces around. Infinity and NaN have no spelling here.
pub fn parsed_number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let (sign, digits) = text.strip_prefix('-').map_or((1.0, text), |digits| (-1.0, digits));
    if let Some(hexadecimal) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let is_right = hexadecimal.bytes().all(|digit| digit.is_ascii_hexdigit());
        return u64::from_str_radix(hexadecimal, 16).ok().filter(|_| is_right).map(|whole| sign * whole as f64);
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    text.parse().ok().filter(|number: &f64| is_decimal && number.is_finite())
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

    #[test]
    fn numbers_are_read_as_lua_reads_them() {
        for (text, expected) in [
            ("12", Some(12.0)),
            (" -1.5e2\t", Some(-150.0)),
            ("0x1F", Some(31.0)),
            ("-0xa", Some(-10.0)),
            (".5", Some(0.5)),
            ("0x", None),
            ("0x+1", None),
            ("1e999", None),
            ("inf", None),
            ("nan", None),
            ("1 2", None),
            ("", None),
        ] {
            assert_eq!(parsed_number(text), expected, "{text}");
        }
    }
}
