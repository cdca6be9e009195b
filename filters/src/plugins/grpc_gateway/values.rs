//! What clients send, before it is known of what type it is to be.

use indexmap::IndexMap;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    /// Of JSON, or of a path or query: need not be UTF-8.
    Text(Vec<u8>),
    List(Vec<Value>),
    Object(Object),
}

/// Of several members of one name the last counts.
pub type Object = IndexMap<Vec<u8>, Value>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Within those of 64 bits, with or without a sign.
    Whole(i128),
    Fraction(f64),
}

impl Number {
    /// None where the digits say more than 64 bits can.
    pub fn of_digits(text: &str) -> Option<Self> {
        let whole: i128 = text.parse().ok()?;
        (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&whole).then_some(Self::Whole(whole))
    }

    pub fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Fraction(value) => value,
        }
    }

    /// Its 64 bits, a fraction cut off; None for what has no whole number.
    pub fn bits(self) -> Option<u64> {
        match self {
            Self::Whole(whole) => Some(whole as u64),
            Self::Fraction(value) if value >= i64::MIN as f64 && value <= i64::MAX as f64 => Some(value as i64 as u64),
            Self::Fraction(_) => None,
        }
    }

    /// A text where a number belongs: decimal, hexadecimal, or with a `#` in front, as lua-protobuf writes large ones. An
    /// empty text is zero where a whole number belongs.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let trimmed = text.trim_ascii();
        if let Some(whole) = Self::of_digits(trimmed) {
            return Some(whole);
        }
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        if let Some(hexadecimal) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            let is_right = hexadecimal.bytes().all(|digit| digit.is_ascii_hexdigit());
            let whole = u64::from_str_radix(hexadecimal, 16).ok().filter(|_| is_right).map(i128::from)?;
            return Some(Self::Whole(if negative { -whole } else { whole }));
        }
        trimmed.parse().ok().map(Self::Fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_numbers() {
        for (text, expected) in [
            ("12", Some(Number::Whole(12))),
            (" -12 ", Some(Number::Whole(-12))),
            ("18446744073709551615", Some(Number::Whole(u64::MAX.into()))),
            ("18446744073709551616", Some(Number::Fraction(18_446_744_073_709_551_616.0))),
            ("0x1F", Some(Number::Whole(31))),
            ("-0xa", Some(Number::Whole(-10))),
            ("1.5", Some(Number::Fraction(1.5))),
            ("1e3", Some(Number::Fraction(1000.0))),
            ("0x", None),
            ("", None),
            ("12 a", None),
        ] {
            assert_eq!(Number::of_text(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(Number::of_text(b"\xff"), None);
    }

    #[test]
    fn bits() {
        for (number, expected) in [
            (Number::Whole(-1), Some(u64::MAX)),
            (Number::Fraction(-1.9), Some(u64::MAX)),
            (Number::Fraction(2.9), Some(2)),
            (Number::Fraction(1e30), None),
            (Number::Fraction(f64::NAN), None),
        ] {
            assert_eq!(number.bits(), expected, "{number:?}");
        }
    }
}
