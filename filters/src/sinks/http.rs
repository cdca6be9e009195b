//! Records as bodies of HTTP requests: each by itself, or several as a list.

use super::deadline;
use super::queue::Sink;
use crate::http_call::{Target, call};
use std::fmt;
use std::time::{Duration, Instant};

/// Of an answer, which is of no use.
const LONGEST_ANSWER: usize = 1024 * 1024;

pub struct Http {
    pub target: Target,
    pub timeout: Duration,
    /// Request line and headers, but for the length.
    pub head: String,
    /// A list also of one record.
    pub is_list: bool,
}

impl fmt::Debug for Http {
    /// Headers may hold what is secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Http({}, ***)", self.target.endpoint)
    }
}

impl Sink for Http {
    fn send(&self, batch: &[Vec<u8>], end: Option<Instant>) -> Result<(), String> {
        let request = self.request(batch);
        let answer = call(&self.target, &request, LONGEST_ANSWER, deadline(self.timeout, end));
        match answer {
            Ok(answer) if answer.status < 300 => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Http {
    fn request(&self, batch: &[Vec<u8>]) -> Vec<u8> {
        let body = if self.is_list { list(batch) } else { batch.concat() };
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
        [head.as_bytes(), &body].concat()
    }
}

fn list(batch: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![b'['];
    for (place, record) in batch.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record);
    }
    body.push(b']');
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Endpoint;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    fn sink(port: u16, is_list: bool) -> Http {
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, tls: None };
        let target = Target { endpoint, keepalive: Duration::ZERO };
        Http { target, timeout: Duration::from_millis(300), head: "POST / HTTP/1.1\r\nHost: a\r\n".to_owned(), is_list }
    }

    fn records(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn several_records_are_a_list() {
        let text = |is_list, batch: &[&str]| String::from_utf8(sink(1, is_list).request(&records(batch))).unwrap();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
        assert_eq!(text(false, &["{}"]), format!("{head}2\r\n\r\n{{}}"));
        assert_eq!(text(true, &["{}", "{}"]), format!("{head}7\r\n\r\n[{{}},{{}}]"));
    }

    #[test]
    fn only_an_answer_below_300_takes_the_records() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
            ("HTTP/1.1 204 No Content\r\n\r\n", None),
            ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", Some("it answered 302")),
            ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", Some("it answered 500")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Some("")),
            ("", Some("")),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let outcome = sink(port, false).send(&records(&["{}"]), None);
            server.join().unwrap();
            match (outcome, expected) {
                (Ok(()), None) => (),
                (Err(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
                other => panic!("{answer}: {other:?}"),
            }
        }
    }

    #[test]
    fn who_never_answers_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let began = Instant::now();
        assert!(sink(listener.local_addr().unwrap().port(), false).send(&records(&["{}"]), None).is_err());
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
