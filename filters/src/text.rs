//! Header values, kept in place: most are too short to be worth an allocation of their own.

use crate::bytes;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Holds a UUID or a request id without an allocation.
pub type Text = SmallVec<[u8; 36]>;

pub fn decimal(number: u64) -> Text {
    let mut digits = [0; MOST_DIGITS];
    let length = write_decimal(number, &mut digits);
    Text::from_slice(&digits[..length])
}

pub const MOST_DIGITS: usize = 20;

/// Gives how many digits it has.
pub fn write_decimal(mut number: u64, to: &mut [u8; MOST_DIGITS]) -> usize {
    let length = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut place = length;
    while place >= 2 {
        place -= 2;
        to[place..place + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if place == 1 {
        to[0] = b'0' + number as u8;
    }
    length
}

/// 00 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Whether there is a control character of ASCII.
fn has_control(text: &[u8]) -> bool {
    bytes::has_any(text, bytes::controls)
}

/// Whether HTTP allows this as a header's value: no control characters but tabs.
pub fn is_header_value(value: &[u8]) -> bool {
    !has_control(value) || !value.iter().copied().any(is_control)
}

/// The value with control characters as `%0A`, as nginx's Lua module writes them: a name that someone gave to a consumer
/// must not become a header of its own.
pub fn header_value(value: &[u8]) -> Cow<'_, [u8]> {
    if is_header_value(value) {
        return Cow::Borrowed(value);
    }
    let mut escaped = Vec::with_capacity(value.len() + 8);
    for &byte in value {
        if is_control(byte) {
            escaped.push(b'%');
            escaped.extend_from_slice(hex::encode_upper([byte]).as_bytes());
        } else {
            escaped.push(byte);
        }
    }
    Cow::Owned(escaped)
}

/// Version 4: random.
pub fn uuid() -> Text {
    const VERSION: u128 = 4 << 76;
    const VARIANT: u128 = 2 << 62;
    let random = fastrand::u128(..) & !(0xf << 76) & !(3 << 62) | VERSION | VARIANT;
    let mut digits = [0; 32];
    // Both arrays have fixed, fitting lengths.
    let _ = hex::encode_to_slice(random.to_be_bytes(), &mut digits);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Text::from_slice(&parts.join(&b'-'))
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_end_its_line() {
        for (value, escaped) in [
            ("plain, \t\"ä\"", "plain, \t\"ä\""),
            ("ann\r\nx-admin: 1", "ann%0D%0Ax-admin: 1"),
            ("\0\x7f", "%00%7F"),
            ("", ""),
        ] {
            assert_eq!(&*header_value(value.as_bytes()), escaped.as_bytes());
            assert_eq!(is_header_value(value.as_bytes()), value == escaped);
        }
    }

    #[test]
    fn decimals() {
        for number in (0..2000).chain([1_000_000_009, 10_u64.pow(19), u64::MAX]) {
            assert_eq!(decimal(number).as_slice(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn uuids_are_random_ones() {
        let pattern =
            regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").unwrap();
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        for uuid in [one, other] {
            assert!(pattern.is_match(std::str::from_utf8(&uuid).unwrap()), "{uuid:?}");
        }
    }
}
