//! Entries of a queue as bodies of HTTP requests: one for each batch.

use super::deadline;
use super::queue::Sink;
use crate::error::ConfigError;
use crate::http_call::{Target, call};
use crate::net::{self, Endpoint, Tls};
use crate::plugins::checks;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write};
use std::time::{Duration, Instant};
use ureq::http::Uri;

/// Of an answer, which is of no use.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// What makes a body of a batch.
pub trait Body: Debug + Send + Sync {
    fn of(&self, batch: &[Vec<u8>]) -> Vec<u8>;
    /// By its status.
    fn is_taken(&self, status: u16) -> bool;
}

pub struct Http {
    pub target: Target,
    pub timeout: Duration,
    /// Request line and headers, but for the length.
    pub head: String,
    pub body: Box<dyn Body>,
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
        match call(&self.target, &request, LONGEST_ANSWER, deadline(self.timeout, end)) {
            Ok(answer) if self.body.is_taken(answer.status) => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Http {
    fn request(&self, batch: &[Vec<u8>]) -> Vec<u8> {
        let body = self.body.of(batch);
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
        [head.as_bytes(), &body].concat()
    }
}

/// The JSON of entries as one.
pub fn list(batch: &[Vec<u8>]) -> Vec<u8> {
    [b"[".as_slice(), &batch.join(&b','), b"]"].concat()
}

/// A URL as configurations have it.
pub struct Place {
    /// Speaks TLS for `https`, and verifies.
    pub endpoint: Endpoint,
    /// Host, and port where it has one.
    pub authority: String,
    /// `name:password`
    pub user: Option<String>,
    /// Without the query; never empty.
    pub path: String,
    pub query: Option<String>,
}

impl Place {
    pub fn parse(field: &str, url: &str) -> Result<Self, ConfigError> {
        let invalid = |reason: &str| ConfigError::Invalid(format!("{field}: {reason}").into());
        let uri: Uri = url.parse().map_err(|_| invalid("it is no URL"))?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid("only http and https can be spoken")),
        };
        let all = uri.authority().ok_or_else(|| invalid("missing host in url"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("missing host in url"))?;
        let (user, authority) = match all.as_str().rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, all.as_str()),
        };
        if authority.len() > host.len() && all.port_u16().is_none() {
            return Err(invalid("its port is no number from 0 to 65535"));
        }
        if is_secure {
            net::server_name(host).map_err(|_| invalid("its host is no name that a certificate could have"))?;
        }
        let endpoint = Endpoint {
            host: host.to_owned(),
            port: all.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            tls: is_secure.then_some(Tls { verifies: true, server_name: None }),
        };
        let path = if uri.path().starts_with('/') { uri.path() } else { "/" };
        let query = uri.query().map(str::to_owned);
        Ok(Self { endpoint, authority: authority.to_owned(), user, path: path.to_owned(), query })
    }

    /// Request line and headers but for the length. Of `headers` those count that it does not write itself.
    pub fn head(
        &self,
        method: &str,
        content_type: &str,
        headers: Option<&BTreeMap<String, String>>,
    ) -> Result<String, ConfigError> {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let mut head = format!("{method} {}{query} HTTP/1.1\r\nHost: {}\r\n", self.path, self.authority);
        let _ = write!(head, "User-Agent: crossfade\r\nContent-Type: {content_type}\r\n");
        if let Some(user) = &self.user {
            let _ = write!(head, "Authorization: Basic {}\r\n", STANDARD.encode(user));
        }
        let own = ["content-type", "user-agent", if self.user.is_some() { "authorization" } else { "" }];
        for (name, value) in headers.into_iter().flatten() {
            checks::free_header_name("headers", name)?;
            checks::header_value("headers", value)?;
            if !own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Endpoint;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    #[derive(Debug)]
    struct Listed;

    impl Body for Listed {
        fn of(&self, batch: &[Vec<u8>]) -> Vec<u8> {
            list(batch)
        }

        fn is_taken(&self, status: u16) -> bool {
            status < 300
        }
    }

    fn sink(port: u16) -> Http {
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, tls: None };
        let target = Target { endpoint, keepalive: Duration::ZERO };
        let head = "POST / HTTP/1.1\r\nHost: a\r\n".to_owned();
        Http { target, timeout: Duration::from_millis(300), head, body: Box::new(Listed) }
    }

    fn records(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_request_tells_its_length() {
        let text = |batch: &[&str]| String::from_utf8(sink(1).request(&records(batch))).unwrap();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
        assert_eq!(text(&["{}"]), format!("{head}4\r\n\r\n[{{}}]"));
        assert_eq!(text(&["{}", "{}"]), format!("{head}7\r\n\r\n[{{}},{{}}]"));
    }

    #[test]
    fn places() {
        for (url, endpoint, line) in [
            ("http://a.test", "a.test:80", "POST / HTTP/1.1\r\nHost: a.test\r\n"),
            ("http://a.test?y=z", "a.test:80", "POST /?y=z HTTP/1.1\r\nHost: a.test\r\n"),
            ("https://a.test/x/y?z=1", "a.test:443", "POST /x/y?z=1 HTTP/1.1\r\nHost: a.test\r\n"),
            ("http://u:p@[::1]:81/", "[::1]:81", "POST / HTTP/1.1\r\nHost: [::1]:81\r\n"),
        ] {
            let place = Place::parse("url", url).unwrap();
            assert_eq!(place.endpoint.to_string(), endpoint);
            assert!(place.head("POST", "a/b", None).unwrap().starts_with(line), "{url}");
            assert_eq!(place.endpoint.tls.is_some(), url.starts_with("https"));
        }
        for (url, reason) in [
            ("ftp://a.test/", "only http"),
            ("http://", "no URL"),
            ("http://a.test:99999/", "no"),
            ("http://a:x/", "its port is no number from 0 to 65535"),
            ("http://a b/", "no URL"),
            ("/logs", "only http"),
            ("https://_.-/", "no name that a certificate could have"),
        ] {
            let error = Place::parse("url", url).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("url: ") && error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn headers_are_added_but_for_those_that_it_has() {
        let head = |url: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Place::parse("url", url).unwrap().head("PUT", "a/b", Some(&headers)).map_err(|error| error.to_string())
        };
        let given = [("X-Tok", "t1"), ("Content-Type", "x"), ("Authorization", "y")];
        assert_eq!(
            head("http://user:pw@a.test/logs", &given).unwrap(),
            "PUT /logs HTTP/1.1\r\nHost: a.test\r\nUser-Agent: crossfade\r\nContent-Type: a/b\r\n\
             Authorization: Basic dXNlcjpwdw==\r\nX-Tok: t1\r\n"
        );
        assert!(head("http://a.test", &given[2..]).unwrap().ends_with("Authorization: y\r\n"));
        for wrong in [("a b", "1"), ("a", "1\r\nb: 2"), ("Transfer-Encoding", "chunked")] {
            assert!(head("http://a.test", &[wrong]).is_err());
        }
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
            let outcome = sink(port).send(&records(&["{}"]), None);
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
        assert!(sink(listener.local_addr().unwrap().port()).send(&records(&["{}"]), None).is_err());
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
