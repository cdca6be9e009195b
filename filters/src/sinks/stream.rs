//! Records as lines on a TCP connection, which is kept.

use super::deadline;
use super::queue::Sink;
use crate::kept::Pool;
use crate::net::Endpoint;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// To one endpoint.
const MOST_KEPT: usize = 8;

#[derive(Debug)]
pub struct Lines {
    pub endpoint: Endpoint,
    pub timeout: Duration,
    pub keepalive: Duration,
}

impl Sink for Lines {
    fn send(&self, batch: &[Vec<u8>], end: Option<Instant>) -> Result<(), String> {
        self.sent(batch, deadline(self.timeout, end)).map_err(|error| error.to_string())
    }
}

impl Lines {
    fn sent(&self, batch: &[Vec<u8>], deadline: Instant) -> io::Result<()> {
        static POOL: LazyLock<Pool<Endpoint>> = LazyLock::new(|| Pool::new(MOST_KEPT));
        let mut connection = match POOL.take(&self.endpoint) {
            Some(mut kept) => {
                kept.set_deadline(deadline);
                kept
            }
            None => self.endpoint.connect(deadline)?,
        };
        connection.write_all(&lines(batch))?;
        connection.flush()?;
        POOL.keep(&self.endpoint, connection, self.keepalive);
        Ok(())
    }
}

fn lines(batch: &[Vec<u8>]) -> Vec<u8> {
    batch.iter().flat_map(|record| [record.as_slice(), b"\n"]).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    fn sink(port: u16) -> Lines {
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port, tls: None };
        Lines { endpoint, timeout: Duration::from_millis(500), keepalive: Duration::from_secs(60) }
    }

    #[test]
    fn lines_go_over_one_connection_until_the_other_end_closes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = sink(listener.local_addr().unwrap().port());
        sink.send(&[b"a".to_vec()], None).unwrap();
        sink.send(&[b"b".to_vec(), b"c".to_vec()], None).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let lines: Vec<_> = BufReader::new(&stream).lines().take(3).map(Result::unwrap).collect();
        assert_eq!(lines, ["a", "b", "c"]);
        drop(stream);
        sink.send(&[b"d".to_vec()], None).unwrap();
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(BufReader::new(stream).lines().next().unwrap().unwrap(), "d");
    }

    #[test]
    fn nobody_there_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(sink(port).send(&[b"a".to_vec()], None).is_err());
    }
}
