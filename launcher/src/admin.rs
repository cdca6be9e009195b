//! Asks Envoy's admin interface, over a connection for each question: none is kept while nothing happens.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status, parse_chunk_size};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Of the statistics that are asked for there are two lines a listener, of a hundred bytes.
const LARGEST: u64 = 32 << 20;
const MOST_HEADERS: usize = 64;

/// Since the start of this Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests and raw connections in progress.
    pub active: u64,
    /// How many there ever were.
    pub seen: u64,
}

#[derive(Clone, Copy)]
pub struct Admin {
    pub port: u16,
}

impl Admin {
    /// Envoy has its first configuration.
    pub fn is_ready(self) -> bool {
        self.ask("GET", "/ready").is_ok_and(|answer| answer.status == 200)
    }

    /// Envoy has had no configuration yet, so that nobody was ever sent to it.
    pub fn awaits_its_first(self) -> bool {
        self.ask("GET", "/ready").is_ok_and(|answer| answer.body.trim_ascii().ends_with(b"INITIALIZING"))
    }

    /// Envoy still accepts, and tells whoever comes to reconnect elsewhere.
    ///
    /// A sidecar (`stands_alone` is false) does so at its inbound side alone and stays ready: the pod's own calls go on,
    /// and a pod that is the last one of its Service still gets requests.
    pub fn turn_peers_away(self, stands_alone: bool) {
        let paths: &[&str] = if stands_alone {
            &["/healthcheck/fail", "/drain_listeners?graceful&skip_exit"]
        } else {
            &["/drain_listeners?inboundonly&graceful&skip_exit"]
        };
        for path in paths {
            // An Envoy that has ended is seen elsewhere.
            if self.ask("POST", path).is_err() {
                return;
            }
        }
    }

    /// The admin interface's own left out.
    pub fn traffic(self) -> io::Result<Traffic> {
        let path = "/stats?filter=downstream_(rq|cx)_(active|total)$";
        let answer = self.ask("GET", path)?;
        Ok(traffic(&String::from_utf8_lossy(&answer.body)))
    }

    fn ask(self, method: &str, path: &str) -> io::Result<Answer> {
        let mut connection = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        let question =
            format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(question.as_bytes())?;
        let mut answer = Vec::new();
        connection.take(LARGEST).read_to_end(&mut answer)?;
        parsed(&answer)
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

fn parsed(bytes: &[u8]) -> io::Result<Answer> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut head = Response::new(&mut headers);
    let Ok(Status::Complete(length)) = head.parse(bytes) else { return Err(no_answer()) };
    let body = &bytes[length..];
    let is_chunked = head.headers.iter().any(|one| one.name.eq_ignore_ascii_case("transfer-encoding"));
    let body = if is_chunked { unchunked(body)? } else { body.to_vec() };
    Ok(Answer { status: head.code.ok_or_else(no_answer)?, body })
}

fn unchunked(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let Ok(Status::Complete((head, size))) = parse_chunk_size(rest) else { return Err(no_answer()) };
        if size == 0 {
            return Ok(body);
        }
        let end = usize::try_from(size).ok().and_then(|size| head.checked_add(size)).ok_or_else(no_answer)?;
        body.extend_from_slice(rest.get(head..end).ok_or_else(no_answer)?);
        rest = rest.get(end + 2..).ok_or_else(no_answer)?;
    }
}

fn no_answer() -> Error {
    Error::new(ErrorKind::InvalidData, "Envoy's admin interface gives no answer of HTTP")
}

/// Of lines `http.<name>.downstream_rq_active: 1`.
fn traffic(text: &str) -> Traffic {
    let mut found = Traffic::default();
    for line in text.lines() {
        let Some((stat, value)) = line.rsplit_once(": ") else { continue };
        let (Some((kind, name)), Ok(value)) = (stat.split_once('.'), value.parse::<u64>()) else { continue };
        if name.starts_with("admin.") || name.starts_with("crossfade_status.") {
            continue;
        }
        match (kind, name.rsplit_once('.').map_or(name, |(_, what)| what)) {
            ("http", "downstream_rq_active") | ("tcp", "downstream_cx_active") => found.active += value,
            ("http", "downstream_rq_total") | ("tcp", "downstream_cx_total") => found.seen += value,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Answers each question with what is given for its path.
    fn admin(answers: &'static [(&'static str, &'static str)]) -> Admin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut question = [0; 4096];
                let length = connection.read(&mut question).unwrap_or(0);
                let line = String::from_utf8_lossy(&question[..length]).lines().next().unwrap_or_default().to_owned();
                let found = answers.iter().find(|(asked, _)| line.starts_with(asked));
                let _ = connection.write_all(found.map_or("", |(_, answer)| answer).as_bytes());
            }
        });
        Admin { port }
    }

    #[test]
    fn readiness_is_a_status() {
        for (answer, is_ready, awaits) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nLIVE\n", true, false),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nINITIALIZING\n", false, true),
            ("HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\nd\r\nINITIALIZING\n\r\n0\r\n\r\n", false, true),
            ("HTTP/1.1 503 No\r\n\r\nDRAINING\n", false, false),
            ("nonsense", false, false),
            ("", false, false),
        ] {
            let answers: &'static _ = Box::leak(Box::new([("GET /ready ", answer)]));
            assert_eq!((admin(answers).is_ready(), admin(answers).awaits_its_first()), (is_ready, awaits), "{answer}");
        }
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(!Admin { port }.is_ready());
        assert!(Admin { port }.traffic().is_err());
    }

    #[test]
    fn traffic_is_added_up_over_chunks() {
        let answers = &[(
            "GET /stats?",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             1e\r\nhttp.a.downstream_rq_active: 2\r\n1e\r\n\nhttp.a.downstream_rq_total: 7\r\n0\r\n\r\n",
        )];
        assert_eq!(admin(answers).traffic().unwrap(), Traffic { active: 2, seen: 7 });
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        for body in ["5\r\nabc", "5\r\nabcde", "fffffffffffffffff\r\n", "x\r\n"] {
            assert!(unchunked(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn requests_and_raw_connections_count_but_for_the_admin_interfaces() {
        let text = "http.admin.downstream_rq_active: 1\nhttp.crossfade_status.downstream_rq_active: 1\n\
                    http.in.downstream_rq_active: 1\nhttp.in.downstream_cx_active: 8\nhttp.in.downstream_rq_total: 5\n\
                    tcp.raw.downstream_cx_active: 1\ntcp.raw.downstream_cx_total: 2\nlistener.x.downstream_cx_total: 9\n\
                    http.a: b.downstream_rq_total: 4\nhttp.no.downstream_rq_total: P0(nan)\nnonsense\n";
        assert_eq!(traffic(text), Traffic { active: 2, seen: 11 });
    }
}
