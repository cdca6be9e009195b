//! JSON in one line, written piece by piece. What stands before a text or a number, from the comma to the colon, is given
//! with it.

use crate::bytes;
use crate::text::push_decimal;

/// No text is longer: nginx takes no longer line of a header, and no longer request line.
const LONGEST_TEXT: usize = 8 * 1024;

pub fn push_number(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    push_decimal(out, number);
}

pub fn push_text(out: &mut Vec<u8>, before: &str, text: &[u8]) {
    out.extend_from_slice(before.as_bytes());
    push_string(out, text);
}

/// Whatever bytes there are; what is too long is cut.
pub fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(LONGEST_TEXT)];
    out.reserve(text.len() + 2);
    out.push(b'"');
    if !needs_escape(text) {
        out.extend_from_slice(text);
    } else {
        push_escaped(out, text);
    }
    out.push(b'"');
}

fn needs_escape(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else { return bytes::has_any(text, special) };
    // The last sixteen may have been seen in part.
    text.as_chunks().0.iter().any(has_special) || has_special(last)
}

/// Without branches, so that the compiler takes all sixteen at once.
fn has_special(chunk: &[u8; 16]) -> bool {
    let is_special = |byte: u8| !(0x20..0x7f).contains(&byte) | (byte == b'"') | (byte == b'\\');
    chunk.iter().fold(false, |any, byte| any | is_special(*byte))
}

/// Of any of eight bytes.
fn special(word: u64) -> u64 {
    bytes::controls(word) | bytes::foreign(word) | bytes::byte(word, b'"') | bytes::byte(word, b'\\')
}

/// Apart, since few texts need it.
#[cold]
#[inline(never)]
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            // Some readers end a line at these too.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// An object of names with one value each, or with a list of them where a name stands there more than once.
pub fn push_object<N: AsRef<[u8]>, V>(out: &mut Vec<u8>, pairs: &[(N, V)], push_value: impl Fn(&mut Vec<u8>, &N, &V)) {
    let repeats = repeats(pairs);
    out.push(b'{');
    let mut is_first = true;
    for (place, (name, value)) in pairs.iter().enumerate() {
        let is_same = |other: &&(N, V)| other.0.as_ref() == name.as_ref();
        if repeats && pairs[..place].iter().any(|other| is_same(&other)) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        push_string(out, name.as_ref());
        out.push(b':');
        let mut more = pairs[place + 1..].iter().filter(is_same).peekable();
        if !repeats || more.peek().is_none() {
            push_value(out, name, value);
            continue;
        }
        out.push(b'[');
        push_value(out, name, value);
        for (_, value) in more {
            out.push(b',');
            push_value(out, name, value);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// Whether a name stands there more than once. Few share length and both ends, so that few are compared.
fn repeats<N: AsRef<[u8]>, V>(pairs: &[(N, V)]) -> bool {
    let mut seen = 0_u64;
    pairs.iter().enumerate().any(|(place, (name, _))| {
        let name = name.as_ref();
        let end = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
        let bit = 1 << ((name.len() + end(name.first()) + 3 * end(name.last())) % 64);
        let may_repeat = seen & bit != 0;
        seen |= bit;
        may_repeat && pairs[..place].iter().any(|(earlier, _)| earlier.as_ref() == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &[u8]) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
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
    fn what_must_be_escaped_is_found_wherever_it_stands() {
        for length in 0..40 {
            assert!(!needs_escape(&vec![b'a'; length]), "{length}");
            for (place, byte) in (0..length).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
                let mut text = vec![b'~'; length];
                text[place] = byte;
                let expected = matches!(byte, 0..0x20 | 0x7f.. | b'"' | b'\\');
                assert_eq!(needs_escape(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn names_that_repeat_have_lists() {
        let object = |pairs: &[(&str, &str)]| {
            let mut out = Vec::new();
            push_object(&mut out, pairs, |out, _, value| push_string(out, value.as_bytes()));
            String::from_utf8(out).unwrap()
        };
        let once = [("a", "1"), ("b", "2"), ("", "3")];
        assert_eq!(object(&once), r#"{"a":"1","b":"2","":"3"}"#);
        let often = [("a", "1"), ("b", "2"), ("a", "3"), ("c", ""), ("", "4"), ("", "5"), ("a", "6")];
        assert_eq!(object(&often), r#"{"a":["1","3","6"],"b":"2","c":"","":["4","5"]}"#);
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
