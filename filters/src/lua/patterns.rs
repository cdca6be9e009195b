//! Lua's patterns, with a charge for each step: Lua's own matching can take time without bounds, inside of which nothing
//! stops it.

/// As in Lua.
pub const MOST_CAPTURES: usize = 32;
/// Of items that wait for what follows them.
const DEEPEST: usize = 200;

/// Where a text fits a pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub captures: Vec<Capture>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    Text(usize, usize),
    /// `()`
    Place(usize),
}

/// The first place at or behind `init` that fits; only there if the pattern begins with `^`. `charge` is told of work and
/// refuses more of it.
pub fn find(
    text: &[u8],
    pattern: &[u8],
    init: usize,
    charge: &mut dyn FnMut(u32) -> Result<(), String>,
) -> Result<Option<Found>, String> {
    let (is_anchored, pattern) = pattern.strip_prefix(b"^").map_or((false, pattern), |rest| (true, rest));
    let last = if is_anchored { init } else { text.len() };
    for start in init..=last {
        let mut matching = Matching { text, pattern, captures: Vec::new(), depth: 0, charge };
        if let Some(end) = matching.rest(start, 0)? {
            let captures = matching.captures.into_iter().map(Group::closed).collect::<Result<_, _>>()?;
            return Ok(Some(Found { start, end, captures }));
        }
    }
    Ok(None)
}

#[derive(Clone, Copy)]
struct Group {
    start: usize,
    /// None while it is open.
    length: Option<Length>,
}

#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Place,
}

impl Group {
    fn closed(self) -> Result<Capture, String> {
        match self.length {
            Some(Length::Bytes(length)) => Ok(Capture::Text(self.start, self.start + length)),
            Some(Length::Place) => Ok(Capture::Place(self.start)),
            None => Err("unfinished capture".to_owned()),
        }
    }
}

struct Matching<'a, 'c> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Group>,
    depth: usize,
    charge: &'c mut dyn FnMut(u32) -> Result<(), String>,
}

type Step = Result<Option<usize>, String>;

impl Matching<'_, '_> {
    /// Matches what is left of the pattern, from place `p`; gives where the text ends that fits.
    fn rest(&mut self, s: usize, p: usize) -> Step {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("pattern too complex".to_owned());
        }
        let found = self.items(s, p);
        self.depth -= 1;
        found
    }

    fn items(&mut self, mut s: usize, mut p: usize) -> Step {
        loop {
            (self.charge)(1)?;
            match (self.pattern.get(p), self.pattern.get(p + 1)) {
                (None, _) => return Ok(Some(s)),
                (Some(b'('), Some(b')')) => return self.open(s, p + 2, Some(Length::Place)),
                (Some(b'('), _) => return self.open(s, p + 1, None),
                (Some(b')'), _) => return self.close(s, p + 1),
                (Some(b'$'), None) => return Ok((s == self.text.len()).then_some(s)),
                (Some(b'%'), Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (Some(b'%'), Some(b'f')) => {
                    p += 2;
                    if self.pattern.get(p) != Some(&b'[') {
                        return Err("missing '[' after '%f' in pattern".to_owned());
                    }
                    let end = self.end_of_class(p)?;
                    let before = s.checked_sub(1).map_or(0, |before| self.text[before]);
                    let here = self.text.get(s).copied().unwrap_or(0);
                    if self.is_in_set(before, p, end) || !self.is_in_set(here, p, end) {
                        return Ok(None);
                    }
                    p = end;
                }
                (Some(b'%'), Some(digit @ b'0'..=b'9')) => match self.again(s, *digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.end_of_class(p)?;
                    match self.pattern.get(end) {
                        Some(b'?') => {
                            if self.is_single(s, p, end)
                                && let Some(found) = self.rest(s + 1, end + 1)?
                            {
                                return Ok(Some(found));
                            }
                            p = end + 1;
                        }
                        Some(b'*') => return self.most(s, p, end, 0),
                        Some(b'+') => return self.most(s, p, end, 1),
                        Some(b'-') => return self.least(s, p, end),
                        _ if self.is_single(s, p, end) => (s, p) = (s + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn most(&mut self, s: usize, p: usize, end: usize, least: usize) -> Step {
        let mut count = 0;
        while self.is_single(s + count, p, end) {
            (self.charge)(1)?;
            count += 1;
        }
        while count >= least {
            if let Some(found) = self.rest(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                break;
            }
            count -= 1;
        }
        Ok(None)
    }

    fn least(&mut self, mut s: usize, p: usize, end: usize) -> Step {
        loop {
            if let Some(found) = self.rest(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.is_single(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize, length: Option<Length>) -> Step {
        if self.captures.len() >= MOST_CAPTURES {
            return Err("too many captures".to_owned());
        }
        let count = self.captures.len();
        self.captures.push(Group { start: s, length });
        let found = self.rest(s, p)?;
        if found.is_none() {
            self.captures.truncate(count);
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Step {
        let open = self.captures.iter().rposition(|group| group.length.is_none());
        let Some(open) = open else { return Err("invalid pattern capture".to_owned()) };
        self.captures[open].length = Some(Length::Bytes(s - self.captures[open].start));
        let found = self.rest(s, p)?;
        if found.is_none() {
            self.captures[open].length = None;
        }
        Ok(found)
    }

    /// `%b()`
    fn balanced(&mut self, s: usize, p: usize) -> Step {
        let (Some(&opens), Some(&closes)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err("unbalanced pattern".to_owned());
        };
        if self.text.get(s) != Some(&opens) {
            return Ok(None);
        }
        let mut depth = 1;
        for (place, byte) in self.text.iter().enumerate().skip(s + 1) {
            (self.charge)(1)?;
            if *byte == closes {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(place + 1));
                }
            } else if *byte == opens {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%1`
    fn again(&mut self, s: usize, digit: u8) -> Step {
        let group = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|index| self.captures.get(index));
        let Some(&Group { start, length: Some(Length::Bytes(length)) }) = group else {
            return Err("invalid capture index".to_owned());
        };
        let captured = &self.text[start..start + length];
        (self.charge)(u32::try_from(length / 16).unwrap_or(u32::MAX))?;
        Ok(self.text[s..].starts_with(captured).then_some(s + length))
    }

    fn end_of_class(&self, p: usize) -> Result<usize, String> {
        match self.pattern[p] {
            b'%' if p + 1 >= self.pattern.len() => Err("malformed pattern (ends with '%')".to_owned()),
            b'%' => Ok(p + 2),
            b'[' => {
                let mut at = p + 1 + usize::from(self.pattern.get(p + 1) == Some(&b'^'));
                let first = at;
                // A bracket that comes first is one of the set.
                while let Some(byte) = self.pattern.get(at) {
                    match byte {
                        b']' if at > first => return Ok(at + 1),
                        b'%' => at += 2,
                        _ => at += 1,
                    }
                }
                Err("malformed pattern (missing ']')".to_owned())
            }
            _ => Ok(p + 1),
        }
    }

    fn is_single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&byte) = self.text.get(s) else { return false };
        match self.pattern[p] {
            b'.' => true,
            b'%' => is_of_class(byte, self.pattern[p + 1]),
            b'[' => self.is_in_set(byte, p, end),
            other => other == byte,
        }
    }

    /// `end` is behind the closing bracket.
    fn is_in_set(&self, byte: u8, p: usize, end: usize) -> bool {
        let inner = &self.pattern[p + 1..end - 1];
        let (is_negated, mut rest) = inner.strip_prefix(b"^").map_or((false, inner), |rest| (true, rest));
        while let Some((&first, others)) = rest.split_first() {
            let (is_in, length) = match others {
                [class, ..] if first == b'%' => (is_of_class(byte, *class), 2),
                [b'-', last, ..] => ((first..=*last).contains(&byte), 3),
                _ => (first == byte, 1),
            };
            if is_in {
                return !is_negated;
            }
            rest = &rest[length..];
        }
        is_negated
    }
}

fn is_of_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, pattern: &str) -> Result<Option<(usize, usize, Vec<String>)>, String> {
        let mut left = 1_000_000_u32;
        let mut charge = |steps: u32| {
            left = left.checked_sub(steps).ok_or("too long")?;
            Ok(())
        };
        let found = find(text.as_bytes(), pattern.as_bytes(), 0, &mut charge)?;
        Ok(found.map(|found| {
            let captured = found.captures.iter().map(|capture| match capture {
                Capture::Text(from, to) => text[*from..*to].to_owned(),
                Capture::Place(place) => format!("@{place}"),
            });
            (found.start, found.end, captured.collect())
        }))
    }

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("hello", "l+", Some((2, 4, &[][..]))),
            ("hello", "^l+", None),
            ("hello", "lo$", Some((3, 5, &[]))),
            ("a.b", "%.", Some((1, 2, &[]))),
            ("key = value", "^(%w+)%s*=%s*(%w+)$", Some((0, 11, &["key", "value"]))),
            ("<<x>>", "<(.-)>", Some((0, 4, &["<x"]))),
            ("f(a(b)c)d", "%b()", Some((1, 8, &[]))),
            ("THE (quick) fox", "%f[%a]%a+%f[%A]", Some((0, 3, &[]))),
            ("abab", "(ab)%1", Some((0, 4, &["ab"]))),
            ("abc", "()b()", Some((1, 2, &["@1", "@2"]))),
            ("a]b", "[]]", Some((1, 2, &[]))),
            ("a-b", "[a%-]+", Some((0, 2, &[]))),
            ("x9", "[^%d]", Some((0, 1, &[]))),
            ("Bearer abc", "[Bb]earer%s+(.+)", Some((0, 10, &["abc"]))),
            ("ab", "a?b?c?", Some((0, 2, &[]))),
            ("a$b", "a$b", Some((0, 3, &[]))),
            ("", "", Some((0, 0, &[]))),
            ("abc", "((a)(b))", Some((0, 2, &["ab", "a", "b"]))),
        ] {
            let expected = expected.map(|(start, end, captures)| {
                (start, end, captures.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
            });
            assert_eq!(found(text, pattern), Ok(expected), "{text} {pattern}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (pattern, problem) in [
            ("%", "malformed pattern (ends with '%')"),
            ("[a", "malformed pattern (missing ']')"),
            ("(a", "unfinished capture"),
            ("a)", "invalid pattern capture"),
            ("%1", "invalid capture index"),
            ("%b", "unbalanced pattern"),
            ("%fa", "missing '[' after '%f' in pattern"),
            (&"a?".repeat(300), "pattern too complex"),
        ] {
            let text = "a".repeat(400);
            assert_eq!(found(&text, pattern).unwrap_err(), problem, "{pattern}");
        }
    }

    #[test]
    fn time_has_bounds() {
        let text = "a".repeat(5_000);
        assert_eq!(found(&text, &format!("{}b", "a-".repeat(20))).unwrap_err(), "too long");
    }

    proptest! {
        #[test]
        fn no_pattern_is_too_strange(text in "[ab() %]{0,12}", pattern in "[ab.%()\\[\\]^$*+?f1-]{0,10}") {
            if let Ok(Some((start, end, _))) = found(&text, &pattern) {
                prop_assert!(start <= end && end <= text.len());
            }
        }

        #[test]
        fn plain_texts_are_found_as_such(text in "[ab]{0,12}", wanted in "[ab]{0,3}") {
            let place = found(&text, &wanted).unwrap().map(|(start, ..)| start);
            prop_assert_eq!(place, text.find(&wanted));
        }
    }
}
