//! Looks for kinds of bytes, eight at a time: each header that is written and each text of a record is looked through.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Whether `found` is not 0 for any eight bytes of the text; a shorter one has some of its bytes twice, or spaces behind it.
pub fn has_any(text: &[u8], found: impl Fn(u64) -> u64) -> bool {
    let words = text.as_chunks::<8>().0.iter();
    let all = words.fold(0, |all, word| all | found(u64::from_ne_bytes(*word)));
    // The last eight may have been seen in part.
    let last = text.last_chunk().map_or_else(|| short(text), |last| u64::from_ne_bytes(*last));
    (all | found(last)) != 0
}

fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_ne_bytes(*first)) << u32::BITS | u64::from(u32::from_ne_bytes(*last));
    }
    let mut word = [b' '; 8];
    word.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    u64::from_ne_bytes(word)
}

/// Not 0 if one of the bytes is a control character of ASCII.
pub fn controls(word: u64) -> u64 {
    below(word, 32) | byte(word, 127)
}

/// Not 0 if one of them is this one.
pub fn byte(word: u64, wanted: u8) -> u64 {
    below(word ^ (ONES * u64::from(wanted)), 1)
}

/// `bound` is 128 at most. Which of the bytes it is the result does not say.
pub fn below(word: u64, bound: u64) -> u64 {
    word.wrapping_sub(ONES * bound) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of all lengths with each byte at each place.
    fn texts() -> impl Iterator<Item = (u8, Vec<u8>)> {
        let places = (0..20).flat_map(|length| (0..length).map(move |place| (length, place)));
        places.flat_map(|(length, place)| {
            (0..=u8::MAX).map(move |byte| {
                let mut text = vec![b'a'; length];
                text[place] = byte;
                (byte, text)
            })
        })
    }

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        for (one, text) in texts() {
            assert_eq!(has_any(&text, controls), one.is_ascii_control(), "{text:?}");
            assert_eq!(has_any(&text, |word| byte(word, b'"')), one == b'"', "{text:?}");
        }
    }

    #[test]
    fn neighbours_are_not_taken_for_one_another() {
        for text in ["", "\u{80}\u{80}\u{80}\u{80}", "    ~~~~    ", "ÿÿ é !!"] {
            assert!(!has_any(text.as_bytes(), controls), "{text}");
        }
        assert!(has_any(b"\x80\x1f\x80\xff    ", controls));
    }
}
