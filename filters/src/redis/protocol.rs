//! Redis' protocol, version 2: commands in, replies out, as much of it as counters need.

use crate::text::decimal;
use std::io::{self, BufRead, Read};

/// Several commands in one piece; each gets one reply, in their order.
#[derive(Debug, Default)]
pub struct Commands {
    pub bytes: Vec<u8>,
    pub count: usize,
}

impl Commands {
    #[must_use]
    pub fn with(mut self, arguments: &[&[u8]]) -> Self {
        self.number(b'*', arguments.len());
        for argument in arguments {
            self.number(b'$', argument.len());
            self.bytes.extend_from_slice(argument);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.count += 1;
        self
    }

    fn number(&mut self, kind: u8, number: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&decimal(number as u64));
        self.bytes.extend_from_slice(b"\r\n");
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `OK` and the like.
    Status,
    Number(i64),
    Text(Vec<u8>),
    /// There is no such key.
    Nothing,
    /// In Redis' words, on one line.
    Error(String),
}

impl Reply {
    /// Of a counter, which is 0 before anything was counted.
    pub fn count(&self) -> Result<i64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Nothing => Ok(0),
            Self::Text(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| "the key holds no number".to_owned())
            }
            Self::Error(text) => Err(text.clone()),
            Self::Status => Err("a status came in place of a number".to_owned()),
        }
    }
}

impl Reply {
    /// Of a counter that others may add fractions to.
    pub fn amount(&self) -> Result<f64, String> {
        match self {
            Self::Text(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.filter(|number: &f64| number.is_finite()).ok_or_else(|| "the key holds no number".to_owned())
            }
            #[allow(clippy::cast_precision_loss)] // nobody counts that far
            other => other.count().map(|number| number as f64),
        }
    }

    pub fn error(&self) -> Option<&str> {
        if let Self::Error(text) = self { Some(text) } else { None }
    }
}

/// Longer lines and texts are none that were asked for.
const LONGEST: u64 = 64 * 1024;

/// The next reply. Fails on anything that was not asked for: what follows it could not be told from rubbish.
pub fn read_reply(from: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = Vec::new();
    from.take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.strip_suffix(b"\r\n").ok_or_else(garbled)?;
    let (kind, rest) = line.split_first().ok_or_else(garbled)?;
    match kind {
        b'+' => Ok(Reply::Status),
        b'-' => Ok(Reply::Error(String::from_utf8_lossy(rest).chars().filter(|c| !c.is_control()).collect())),
        b':' => Ok(Reply::Number(number(rest)?)),
        b'$' => read_text(number(rest)?, from),
        _ => Err(garbled()),
    }
}

fn read_text(length: i64, from: &mut impl BufRead) -> io::Result<Reply> {
    if length == -1 {
        return Ok(Reply::Nothing);
    }
    let length = u64::try_from(length).ok().filter(|length| *length <= LONGEST).ok_or_else(garbled)?;
    let mut text = Vec::new();
    from.take(length + 2).read_to_end(&mut text)?;
    if !text.ends_with(b"\r\n") || text.len() as u64 != length + 2 {
        return Err(garbled());
    }
    text.truncate(text.len() - 2);
    Ok(Reply::Text(text))
}

fn number(digits: &[u8]) -> io::Result<i64> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or_else(garbled)
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply is none of Redis'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_arrays_of_texts() {
        let commands = Commands::default().with(&[b"GET", b"a\r\nb"]).with(&[b"PING"]);
        assert_eq!(commands.bytes, b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n");
        assert_eq!(commands.count, 2);
    }

    #[test]
    fn replies() {
        let mut from = &b"+OK\r\n:-7\r\n$2\r\n12\r\n$-1\r\n-ERR bad\tthing\r\n$0\r\n\r\n"[..];
        for (expected, count) in [
            (Reply::Status, None),
            (Reply::Number(-7), Some(-7)),
            (Reply::Text(b"12".to_vec()), Some(12)),
            (Reply::Nothing, Some(0)),
            (Reply::Error("ERR badthing".into()), None),
            (Reply::Text(Vec::new()), None),
        ] {
            let reply = read_reply(&mut from).unwrap();
            assert_eq!(reply, expected);
            assert_eq!(reply.count().ok(), count);
        }
        assert_eq!(read_reply(&mut from).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_reply_ends_the_connection() {
        for text in
            ["HTTP/1.1 400\r\n", "\r\n", ":x\r\n", ":1", "$3\r\nab\r\n", "$-2\r\n", "$99999999\r\n", "$1\r\nabc\r\n"]
        {
            assert!(read_reply(&mut text.as_bytes()).is_err(), "{text:?}");
        }
        let endless = vec![b'-'; 1 << 20];
        assert!(read_reply(&mut &endless[..]).is_err());
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut from = &bytes[..];
            while read_reply(&mut from).is_ok() {}
        }
    }
}
