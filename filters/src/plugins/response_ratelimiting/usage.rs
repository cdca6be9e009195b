//! What an answer uses of its limits, and what a request keeps for it.

use crate::exchange::Note;

/// What was left of each limited window when the request came, in the order of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    pub now_s: i64,
    /// Where the plugin is attached, and by what the request is counted: `<scope>:<identifier>`.
    pub counted_by: Vec<u8>,
    pub remaining: Vec<f64>,
}

impl Usage {
    pub fn to_note(&self) -> Note {
        let remaining = self.remaining.iter().flat_map(|left| left.to_be_bytes());
        self.now_s.to_be_bytes().into_iter().chain(remaining).chain(self.counted_by.iter().copied()).collect()
    }

    /// None for a note that `to_note` has not written: the request was not counted.
    pub fn from_note(note: &Note, windows: usize) -> Option<Self> {
        let (now_s, rest) = note.split_first_chunk()?;
        let (remaining, counted_by) = rest.split_at_checked(windows * size_of::<f64>())?;
        let (remaining, _) = remaining.as_chunks();
        Some(Self {
            now_s: i64::from_be_bytes(*now_s),
            counted_by: counted_by.to_vec(),
            remaining: remaining.iter().map(|bytes| f64::from_be_bytes(*bytes)).collect(),
        })
    }
}

/// How much of the limit `name` the header of an answer says was used (`sms=2, mail=1`): the last word counts.
pub fn used(header: &[u8], name: &str) -> Option<f64> {
    let header = std::str::from_utf8(header).ok()?;
    let mut amounts = header.split(',').filter_map(|part| {
        let (key, amount) = part.split_once('=')?;
        (key.trim() == name && !amount.contains('=')).then(|| number(amount.trim()))
    });
    amounts.next_back().flatten()
}

/// As Lua reads numbers.
fn number(text: &str) -> Option<f64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    #[allow(clippy::cast_precision_loss)] // as Lua does
    let number = match hexadecimal {
        Some(digits) => u64::from_str_radix(digits, 16).ok()? as f64,
        None => text.parse().ok()?,
    };
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_an_answer_says_it_used() {
        for (header, amount) in [
            ("sms=2", Some(2.0)),
            (" mail=1 , sms = 3 ", Some(3.0)),
            ("sms=1, sms=4", Some(4.0)),
            ("sms=1, sms=x", None),
            ("sms", None),
            ("sms=", None),
            ("sms=1=2", None),
            ("SMS=1", None),
            ("smsx=1", None),
            ("sms=0x10", Some(16.0)),
            ("sms=-1", Some(-1.0)),
            ("sms=1.5", Some(1.5)),
            ("sms=inf", None),
            ("sms=1e999", None),
            ("", None),
        ] {
            assert_eq!(used(header.as_bytes(), "sms"), amount, "{header}");
        }
        assert_eq!(used(b"sms=1\xff", "sms"), None);
    }

    proptest! {
        #[test]
        fn notes_come_back(
            now_s in any::<i64>(), counted_by in proptest::collection::vec(any::<u8>(), 0..40),
            remaining in proptest::collection::vec(-1e9..1e9f64, 0..9), rubbish in proptest::collection::vec(any::<u8>(), 0..99),
        ) {
            let usage = Usage { now_s, counted_by, remaining };
            prop_assert_eq!(Usage::from_note(&usage.to_note(), usage.remaining.len()), Some(usage));
            Usage::from_note(&rubbish, 3);
        }
    }
}
