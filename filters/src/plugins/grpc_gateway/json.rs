//! JSON as lua-cjson, Kong's JSON library, reads it: with its words for what is wrong, and with numbers that JSON does
//! not have (`0x10`, `NaN`, `Infinity`). Texts need not be UTF-8. Whole numbers of 64 bits stay what they are.

use super::values::{Number, Object, Value};

const DEEPEST: usize = 1000;

pub fn decoded(text: &[u8]) -> Result<Value, String> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err("JSON parser does not support UTF-16 or UTF-32".to_owned());
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let first = reader.token();
    let value = reader.value(first)?;
    let last = reader.token();
    match last.kind {
        Kind::End if last.at >= text.len() => Ok(value),
        Kind::End => Err(wrong("EOF", &last)),
        _ => Err(wrong("the end", &last)),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

struct Token {
    at: usize,
    kind: Kind,
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(Number),
    Bool(bool),
    Null,
    Colon,
    Comma,
    End,
    /// Not readable, for this reason.
    Error(&'static str),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Text(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Bool(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(reason) => reason,
        }
    }
}

fn wrong(expected: &str, found: &Token) -> String {
    format!("Expected {expected} but found {} at character {}", found.kind.name(), found.at + 1)
}

impl Reader<'_> {
    fn value(&mut self, token: Token) -> Result<Value, String> {
        match token.kind {
            Kind::Text(text) => Ok(Value::Text(text)),
            Kind::Number(number) => Ok(Value::Number(number)),
            Kind::Bool(truth) => Ok(Value::Bool(truth)),
            Kind::Null => Ok(Value::Null),
            Kind::ObjectBegin => self.nested(Self::object),
            Kind::ArrayBegin => self.nested(Self::array),
            _ => Err(wrong("value", &token)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let (depth, at) = (self.depth, self.at);
            return Err(format!("Found too many nested data structures ({depth}) at character {at}"));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, String> {
        let mut members = Object::new();
        let mut token = self.token();
        if matches!(token.kind, Kind::ObjectEnd) {
            return Ok(Value::Object(members));
        }
        loop {
            let Kind::Text(name) = token.kind else { return Err(wrong("object key string", &token)) };
            let colon = self.token();
            if !matches!(colon.kind, Kind::Colon) {
                return Err(wrong("colon", &colon));
            }
            let first = self.token();
            let value = self.value(first)?;
            members.insert(name, value);
            token = self.token();
            match token.kind {
                Kind::ObjectEnd => return Ok(Value::Object(members)),
                Kind::Comma => token = self.token(),
                _ => return Err(wrong("comma or object end", &token)),
            }
        }
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut values = Vec::new();
        let mut token = self.token();
        if matches!(token.kind, Kind::ArrayEnd) {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(token)?);
            token = self.token();
            match token.kind {
                Kind::ArrayEnd => return Ok(Value::List(values)),
                Kind::Comma => token = self.token(),
                _ => return Err(wrong("comma or array end", &token)),
            }
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn token(&mut self) -> Token {
        while matches!(self.byte(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let kind = match self.byte(0) {
            b'{' => Kind::ObjectBegin,
            b'}' => Kind::ObjectEnd,
            b'[' => Kind::ArrayBegin,
            b']' => Kind::ArrayEnd,
            b':' => Kind::Colon,
            b',' => Kind::Comma,
            0 => return Token { at, kind: Kind::End },
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            _ => return self.word(),
        };
        self.at += 1;
        Token { at, kind }
    }

    fn word(&mut self) -> Token {
        let at = self.at;
        for (word, kind) in [("true", Kind::Bool(true)), ("false", Kind::Bool(false)), ("null", Kind::Null)] {
            if self.text[at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Token { at, kind };
            }
        }
        let begins = |word: &[u8]| self.text[at..].get(..3).is_some_and(|found| found.eq_ignore_ascii_case(word));
        if self.byte(0) == b'+' || begins(b"inf") || begins(b"nan") {
            return self.number();
        }
        Token { at, kind: Kind::Error("invalid token") }
    }

    fn number(&mut self) -> Token {
        let at = self.at;
        let length = length_of_number(&self.text[at..]);
        let text = std::str::from_utf8(&self.text[at..at + length]).unwrap_or_default();
        let digits = text.trim_start_matches(['+', '-']);
        let number = if digits.starts_with("0x") || digits.starts_with("0X") {
            Number::of_text(text.as_bytes())
        } else if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            Number::of_digits(text).or_else(|| text.parse().ok().map(Number::Fraction))
        } else {
            text.parse().ok().map(Number::Fraction)
        };
        match number {
            Some(number) => {
                self.at += length;
                Token { at, kind: Kind::Number(number) }
            }
            None => Token { at, kind: Kind::Error("invalid number") },
        }
    }

    fn string(&mut self) -> Token {
        let begin = self.at;
        let mut out = Vec::new();
        self.at += 1;
        loop {
            let byte = self.byte(0);
            match byte {
                b'"' => break,
                0 => return Token { at: self.at, kind: Kind::Error("unexpected end of string") },
                b'\\' => match self.escape() {
                    Ok(escaped) => out.extend(escaped),
                    Err(reason) => return Token { at: self.at, kind: Kind::Error(reason) },
                },
                other => {
                    out.push(other);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token { at: begin, kind: Kind::Text(out) }
    }

    fn escape(&mut self) -> Result<Vec<u8>, &'static str> {
        let byte = match self.byte(1) {
            b'u' => return self.unicode_escape().ok_or("invalid unicode escape code"),
            b'"' => b'"',
            b'\\' => b'\\',
            b'/' => b'/',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err("invalid escape code"),
        };
        self.at += 2;
        Ok(vec![byte])
    }

    fn unicode_escape(&mut self) -> Option<Vec<u8>> {
        let unit = |at: usize| {
            let digits = self.text.get(at + 2..at + 6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let first = unit(self.at)?;
        let (code, length) = match first {
            0xd800..=0xdbff => {
                let follows = self.text.get(self.at + 6..self.at + 8)? == b"\\u";
                let second = unit(self.at + 6).filter(|second| follows && (0xdc00..=0xdfff).contains(second))?;
                (0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff), 12)
            }
            _ => (first, 6),
        };
        let character = char::from_u32(code)?;
        self.at += length;
        Some(character.to_string().into_bytes())
    }
}

/// How much of a text C's `strtod` takes for a number.
fn length_of_number(text: &[u8]) -> usize {
    let count = |from: usize, is_right: fn(&u8) -> bool| text[from..].iter().take_while(|byte| is_right(byte)).count();
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let rest = &text[sign..];
    let begins = |word: &[u8]| rest.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word));
    for word in [b"infinity".as_slice(), b"inf", b"nan"] {
        if begins(word) {
            return sign + word.len();
        }
    }
    if begins(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        return sign + 2 + count(sign + 2, u8::is_ascii_hexdigit);
    }
    let mut end = sign + count(sign, u8::is_ascii_digit);
    if text.get(end) == Some(&b'.') {
        end += 1 + count(end + 1, u8::is_ascii_digit);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let digits = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let length = text.get(digits..).map_or(0, |_| count(digits, u8::is_ascii_digit));
        if length > 0 {
            end = digits + length;
        }
    }
    end
}
