//! JSON in one line, written piece by piece. What stands before a text or a number, from the comma to the colon, is given
//! with it.

use super::line::Line;

/// No text is longer: nginx takes no longer line of a header, and no longer request line.
const LONGEST_TEXT: usize = 8 * 1024;

#[inline(always)]
pub fn push_number(out: &mut Line, before: &str, number: u64) {
    out.push(before.as_bytes());
    out.push_number(number);
}

#[inline(always)]
pub fn push_text(out: &mut Line, before: &str, text: &[u8]) {
    out.push(before.as_bytes());
    push_string(out, text);
}

/// Whatever bytes there are; what is too long is cut.
pub fn push_string(out: &mut Line, text: &[u8]) {
    let is_usual = text.len() <= LONGEST_TEXT;
    if let Some([first, rest @ ..]) = out.room_left(text.len() + 2).filter(|_| is_usual)
        && let Some((last, to)) = rest.split_last_mut()
        && copies_as_it_is(text, to)
    {
        (*first, *last) = (b'"', b'"');
        return out.wrote(text.len() + 2);
    }
    // Called last, so that what most texts take needs no frame of its own.
    push_unusual(out, text);
}

#[cold]
#[inline(never)]
fn push_unusual(out: &mut Line, text: &[u8]) {
    push_parts(out, &[text]);
}

/// One text of several, each of which is cut where it is too long.
pub fn push_parts(out: &mut Line, parts: &[&[u8]]) {
    out.push(b"\"");
    for part in parts {
        let part = &part[..part.len().min(LONGEST_TEXT)];
        if copies_as_it_is(part, out.room(part.len())) {
            out.wrote(part.len());
        } else {
            push_escaped(out, part);
        }
    }
    out.push(b"\"");
}

/// Copies the text; false if something in it must be escaped.
#[inline(always)]
fn copies_as_it_is(text: &[u8], to: &mut [u8]) -> bool {
    let (Some(last), Some(last_to)) = (text.last_chunk::<8>(), to.last_chunk_mut::<8>()) else {
        return copies_short(text, to);
    };
    // The last eight may be among the others in part.
    *last_to = *last;
    let mut found = special(u64::from_ne_bytes(*last));
    for (word, to) in text.as_chunks::<8>().0.iter().zip(to.as_chunks_mut::<8>().0) {
        *to = *word;
        found |= special(u64::from_ne_bytes(*word));
    }
    found == 0
}

#[inline(always)]
fn copies_short(text: &[u8], to: &mut [u8]) -> bool {
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        to.first_chunk_mut().into_iter().for_each(|to| *to = *first);
        to.last_chunk_mut().into_iter().for_each(|to| *to = *last);
        let both = u64::from(u32::from_ne_bytes(*first)) << u32::BITS | u64::from(u32::from_ne_bytes(*last));
        return special(both) == 0;
    }
    let mut is_any = false;
    for (to, byte) in to.iter_mut().zip(text) {
        *to = *byte;
        is_any |= !(0x20..0x7f).contains(byte) | (*byte == b'"') | (*byte == b'\\');
    }
    !is_any
}

/// Not 0 if one of eight bytes is: in those of ASCII each sum and each difference sets the highest bit for one kind.
/// What a byte lends to or takes from its neighbour it does as one of these.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let less_one = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES);
    (word | controls | less_one(b'"') | less_one(b'\\')) & (ONES << 7)
}

/// Apart, since few texts need it.
#[cold]
#[inline(never)]
fn push_escaped(out: &mut Line, text: &[u8]) {
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            // Some readers end a line at these too.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.push(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => out.push(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// An object of names with one value each, or with a list of them where a name stands there more than once.
pub fn push_object<N, V, I>(out: &mut Line, pairs: I, push_value: impl Fn(&mut Line, &N, &V))
where
    N: AsRef<[u8]>,
    I: Iterator<Item = (N, V)> + Clone,
{
    let begin = out.len();
    let mut seen = Seen::default();
    out.push(b"{");
    for (place, (name, value)) in pairs.clone().enumerate() {
        let name_is_same = |other: (N, V)| other.0.as_ref() == name.as_ref();
        if seen.may_have(name.as_ref()) && pairs.clone().take(place).any(name_is_same) {
            out.truncate(begin);
            return push_with_lists(out, pairs, push_value);
        }
        if place > 0 {
            out.push(b",");
        }
        push_string(out, name.as_ref());
        out.push(b":");
        push_value(out, &name, &value);
    }
    out.push(b"}");
}

/// The names that were there: few share length and both ends, so that few are compared.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    /// Knows it from then on.
    #[inline(always)]
    fn may_have(&mut self, name: &[u8]) -> bool {
        let end = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
        let bit = 1 << ((name.len() + end(name.first()) + 3 * end(name.last())) % 64);
        let before = self.0;
        self.0 |= bit;
        before & bit != 0
    }
}

#[cold]
#[inline(never)]
fn push_with_lists<N, V, I>(out: &mut Line, pairs: I, push_value: impl Fn(&mut Line, &N, &V))
where
    N: AsRef<[u8]>,
    I: Iterator<Item = (N, V)> + Clone,
{
    out.push(b"{");
    let mut is_first = true;
    for (place, (name, value)) in pairs.clone().enumerate() {
        let is_same = |other: &(N, V)| other.0.as_ref() == name.as_ref();
        if pairs.clone().take(place).any(|other| is_same(&other)) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b",");
        }
        push_string(out, name.as_ref());
        out.push(b":");
        let mut more = pairs.clone().skip(place + 1).filter(is_same).peekable();
        if more.peek().is_none() {
            push_value(out, &name, &value);
            continue;
        }
        out.push(b"[");
        push_value(out, &name, &value);
        for (name, value) in more {
            out.push(b",");
            push_value(out, &name, &value);
        }
        out.push(b"]");
    }
    out.push(b"}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Line)) -> String {
        let mut out = Line::new();
        write(&mut out);
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    fn quoted(text: &[u8]) -> String {
        written(|out| push_string(out, text))
    }

    #[test]
    fn texts() {
        for (text, expected) in [
            (b"plain </script>".as_slice(), r#""plain </script>""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\r\n\0\x7f", r#""\u000d\u000a\u0000\u007f""#),
            ("é\u{2028}\u{85}".as_bytes(), r#""é\u2028\u0085""#),
            (b"\xff", "\"\u{fffd}\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(quoted(&[b'x'; 9000]).len(), LONGEST_TEXT + 2);
    }

    #[test]
    fn texts_of_all_lengths_are_copied_and_what_must_be_escaped_is_found_wherever_it_stands() {
        for length in 0..40 {
            let plain: Vec<_> = (b'a'..).take(length).map(|byte| byte.min(b'~')).collect();
            for (place, byte) in (0..length).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
                let mut text = plain.clone();
                text[place] = byte;
                let mut copy = vec![0; length];
                let expected = !matches!(byte, 0..0x20 | 0x7f.. | b'"' | b'\\');
                assert_eq!(copies_as_it_is(&text, &mut copy), expected, "{text:?}");
                assert_eq!(copy, text);
            }
        }
    }

    #[test]
    fn names_that_repeat_have_lists() {
        let object = |pairs: &[(&str, &str)]| {
            written(|out| push_object(out, pairs.iter().copied(), |out, _, value| push_string(out, value.as_bytes())))
        };
        let once = [("a", "1"), ("b", "2"), ("", "3")];
        assert_eq!(object(&once), r#"{"a":"1","b":"2","":"3"}"#);
        let often = [("a", "1"), ("b", "2"), ("a", "3"), ("c", ""), ("", "4"), ("", "5"), ("a", "6")];
        assert_eq!(object(&often), r#"{"a":["1","3","6"],"b":"2","c":"","":["4","5"]}"#);
        assert_eq!(object(&[]), "{}");
    }

    proptest! {
        #[test]
        fn whatever_bytes_there_are_they_are_a_string_in_one_line(text: Vec<u8>) {
            let quoted = quoted(&text);
            prop_assert!(!quoted.contains(['\n', '\r']));
            let read: String = serde_json::from_str(&quoted).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&text));
        }
    }
}
