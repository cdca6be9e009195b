//! The three messages of LDAP that a login takes (RFC 4511), in BER.

use std::io::{self, Read};

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const BIND: u8 = 0x60;
const BIND_ANSWER: u8 = 0x61;
const EXTENDED: u8 = 0x77;
const EXTENDED_ANSWER: u8 = 0x78;
/// Context-specific and primitive, number 0: a simple bind's password, an extended operation's name.
const SIMPLE: u8 = 0x80;
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// One is answered before the next is sent, so all may have the same number.
const ID: u8 = 1;
/// Text for people is the only part of an answer that may be long.
const LONGEST_ANSWER: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Bind,
    StartTls,
}

pub fn bind(name: &str, password: &[u8]) -> Vec<u8> {
    let content = [element(INTEGER, &[3]), element(OCTETS, name.as_bytes()), element(SIMPLE, password)].concat();
    message(&element(BIND, &content))
}

pub fn start_tls() -> Vec<u8> {
    message(&element(EXTENDED, &element(SIMPLE, START_TLS)))
}

fn message(operation: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(INTEGER, &[ID]), operation.to_vec()].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut whole = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    if content.len() >= 0x80 {
        // At most eight.
        whole.push(0x80 | significant.len() as u8);
    }
    whole.extend_from_slice(significant);
    whole.extend_from_slice(content);
    whole
}

/// The result code with which the directory answers the operation; nothing is read beyond the answer.
pub fn read_result(stream: &mut impl Read, operation: Operation) -> io::Result<u32> {
    let mut tag = [0];
    stream.read_exact(&mut tag)?;
    let mut content = vec![0; read_length(stream)?];
    stream.read_exact(&mut content)?;
    let expected = if operation == Operation::Bind { BIND_ANSWER } else { EXTENDED_ANSWER };
    if tag != [SEQUENCE] {
        return Err(unreadable());
    }
    result(&content, expected).ok_or_else(unreadable)
}

fn read_length(stream: &mut impl Read) -> io::Result<usize> {
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let count = usize::from(first[0] & 0x7f);
    if first[0] < 0x80 {
        return Ok(count);
    }
    let mut bytes = [0; 4];
    if !(1..=4).contains(&count) {
        return Err(unreadable());
    }
    stream.read_exact(&mut bytes[4 - count..])?;
    let length = u32::from_be_bytes(bytes) as usize;
    if length > LONGEST_ANSWER { Err(unreadable()) } else { Ok(length) }
}

/// None too for another operation, like the notice that the directory closes the connection.
fn result(content: &[u8], expected: u8) -> Option<u32> {
    let (tag, id, rest) = split(content)?;
    let (operation, answer, _) = split(rest)?;
    if tag != INTEGER || id != [ID] || operation != expected {
        return None;
    }
    let (tag, code, _) = split(answer)?;
    let is_right = tag == ENUMERATED && (1..=3).contains(&code.len());
    is_right.then(|| code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)))
}

/// Tag, content and what follows.
fn split(mut bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let mut tag = [0];
    bytes.read_exact(&mut tag).ok()?;
    let length = read_length(&mut bytes).ok()?;
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag[0], content, rest))
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what came is no answer of LDAP's")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_sent() {
        assert_eq!(bind("a", b"b"), b"\x30\x0e\x02\x01\x01\x60\x09\x02\x01\x03\x04\x01a\x80\x01b");
        assert_eq!(start_tls()[..9], *b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16");
        let long = element(OCTETS, &[b'x'; 300]);
        assert_eq!((&long[..4], long.len()), (&b"\x04\x82\x01\x2c"[..], 304));
        assert_eq!(element(OCTETS, &[b'x'; 128])[..3], *b"\x04\x81\x80");
        assert_eq!(element(OCTETS, b""), b"\x04\x00");
    }

    fn read(mut answer: &[u8], operation: Operation) -> Option<u32> {
        read_result(&mut answer, operation).ok()
    }

    #[test]
    fn what_is_answered() {
        let bound = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
        let wrong = b"\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00";
        let closing = b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00";
        let extended = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert_eq!(read(bound, Operation::Bind), Some(0));
        assert_eq!(read(wrong, Operation::Bind), Some(49));
        assert_eq!(read(extended, Operation::StartTls), Some(0));
        assert_eq!(read(closing, Operation::StartTls), None);
        assert_eq!(read(extended, Operation::Bind), None);
        for cut in 0..bound.len() {
            assert_eq!(read(&bound[..cut], Operation::Bind), None, "{cut}");
        }
        for broken in
            [&b"\x30\x80"[..], b"\x30\x85\x00\x00\x00\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x31\x00", b"HTTP/1.1"]
        {
            assert_eq!(read(broken, Operation::Bind), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(answer in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&answer, Operation::Bind);
            let framed = element(SEQUENCE, &[&b"\x02\x01\x01\x61"[..], &answer].concat());
            let _ = read(&framed, Operation::Bind);
        }
    }
}
