//! Header values, kept in place: most are too short to be worth an allocation of their own.

use smallvec::SmallVec;

/// Holds a UUID or a request id without an allocation.
pub type Text = SmallVec<[u8; 36]>;

pub fn decimal(mut number: u64) -> Text {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            return Text::from_slice(&digits[start..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for number in [0, 7, 10, 1_000_000_009, u64::MAX] {
            assert_eq!(decimal(number).as_slice(), number.to_string().as_bytes());
        }
    }
}
