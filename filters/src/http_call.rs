//! One request over HTTP/1.1 on a connection of the module's own, for threads that may block.

use crate::kept::Pool;
use crate::net::Endpoint;
use std::io::{self, Read, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// To one endpoint.
const MOST_KEPT: usize = 32;
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
/// Of a piece of a chunked body; its line may carry extensions.
const LONGEST_LINE: usize = 1024;

/// Names are lower-case.
type Headers = Vec<(String, Vec<u8>)>;

#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    /// The end of its body was told by other means than the connection's end.
    fn leaves_it_open(&self) -> bool {
        let closes = self.header("connection").is_some_and(|value| value.to_ascii_lowercase().ends_with(b"close"));
        let has_end = matches!(self.status, 204 | 304)
            || self.header("content-length").is_some()
            || self.header("transfer-encoding").is_some();
        has_end && !closes
    }
}

/// Sends what is written out already, head and body, and reads the answer. A longer body than `longest` is an error.
///
/// Nothing is sent twice, since it may have had its effect.
pub fn call(target: &Target, request: &[u8], longest: usize, deadline: Instant) -> io::Result<Answer> {
    static POOL: LazyLock<Pool<Endpoint>> = LazyLock::new(|| Pool::new(MOST_KEPT));
    let mut connection = match POOL.take(&target.endpoint) {
        Some(mut kept) => {
            kept.set_deadline(deadline);
            kept
        }
        None => target.endpoint.connect(deadline)?,
    };
    connection.write_all(request)?;
    connection.flush()?;
    let mut reader = Reader { connection, buffer: Vec::new() };
    let answer = reader.answer(longest)?;
    if reader.buffer.is_empty() && answer.leaves_it_open() {
        POOL.keep(&target.endpoint, reader.connection, target.keepalive);
    }
    Ok(answer)
}

/// Where to, and for how long a connection may be idle before it is used again.
#[derive(Clone, Debug)]
pub struct Target {
    pub endpoint: Endpoint,
    pub keepalive: Duration,
}

struct Reader<C> {
    connection: C,
    /// What was read and not taken yet.
    buffer: Vec<u8>,
}

impl<C: Read> Reader<C> {
    fn answer(&mut self, longest: usize) -> io::Result<Answer> {
        let (status, headers) = loop {
            let head = self.head()?;
            // 100 and 103 come before the answer.
            if head.0 >= 200 {
                break head;
            }
        };
        let mut answer = Answer { status, headers, body: Vec::new() };
        if matches!(status, 204 | 304) {
            return Ok(answer);
        }
        let is_chunked = answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
        let length = answer.header("content-length").map(|value| {
            std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(unreadable)
        });
        answer.body = match (is_chunked, length.transpose()?) {
            (true, _) => self.chunks(longest)?,
            (false, Some(length)) if length > longest => return Err(too_long()),
            (false, Some(length)) => self.take(length)?,
            (false, None) => self.rest(longest)?,
        };
        Ok(answer)
    }

    fn head(&mut self) -> io::Result<(u16, Headers)> {
        loop {
            let mut places = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut parsed = httparse::Response::new(&mut places);
            if let httparse::Status::Complete(length) = parsed.parse(&self.buffer).map_err(io::Error::other)? {
                let status = parsed.code.ok_or_else(unreadable)?;
                let named = |header: &httparse::Header<'_>| (header.name.to_ascii_lowercase(), header.value.to_vec());
                let headers = parsed.headers.iter().map(named).collect();
                self.buffer.drain(..length);
                return Ok((status, headers));
            }
            if self.buffer.len() > LONGEST_HEAD {
                return Err(too_long());
            }
            self.more()?;
        }
    }

    fn chunks(&mut self, longest: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let digits = std::str::from_utf8(digits).map_err(|_| unreadable())?;
            let length = usize::from_str_radix(digits, 16).map_err(|_| unreadable())?;
            if length == 0 {
                // Trailers are of no use.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            if length > longest.saturating_sub(body.len()) {
                return Err(too_long());
            }
            body.append(&mut self.take(length)?);
            if !self.line()?.is_empty() {
                return Err(unreadable());
            }
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let mut line = self.take(end + 2)?;
                line.truncate(end);
                return Ok(line);
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(unreadable());
            }
            self.more()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn rest(&mut self, longest: usize) -> io::Result<Vec<u8>> {
        let mut body = std::mem::take(&mut self.buffer);
        let room = u64::try_from(longest.saturating_sub(body.len())).unwrap_or(u64::MAX);
        self.connection.by_ref().take(room.saturating_add(1)).read_to_end(&mut body)?;
        if body.len() > longest { Err(too_long()) } else { Ok(body) }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let length = self.connection.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&piece[..length]);
        Ok(())
    }
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what came is no answer of HTTP's")
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is too long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(answer: &[u8]) -> Option<(u16, String)> {
        let answer = Reader { connection: answer, buffer: Vec::new() }.answer(10).ok()?;
        Some((answer.status, String::from_utf8(answer.body).unwrap()))
    }

    #[test]
    fn bodies() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Some((200, "hi"))),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", Some((204, ""))),
            ("HTTP/1.1 200 OK\r\n\r\nuntil", Some((200, "until"))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
                Some((200, "hi!")),
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", None),
            ("HTTP/1.1 200 OK\r\n\r\nhello world", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n", None),
            ("HTTP/1.1 200", None),
            ("SSH-2.0\r\n", None),
        ] {
            assert_eq!(read(answer.as_bytes()), expected.map(|(status, body)| (status, body.to_owned())), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(rest in "[ -~\r\n]{0,80}") {
            let _ = read(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}").as_bytes());
            let _ = read(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes());
        }
    }
}
