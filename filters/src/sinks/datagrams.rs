//! Records as datagrams: over UDP, or to the system's log.

use super::queue::Sink;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So long an address is good for a name.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// The system's log takes a datagram at once, or is full.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Each entry by itself, or what is told apart by line ends within one, together up to a size.
#[derive(Debug)]
pub struct Udp {
    host: String,
    port: u16,
    /// Lines of an entry are datagrams, so many bytes of them together.
    packet_size: Option<usize>,
    socket: Mutex<Option<(UdpSocket, Instant)>>,
}

impl Udp {
    pub fn new(host: &str, port: u16, packet_size: Option<usize>) -> Self {
        Self { host: host.to_owned(), port, packet_size, socket: Mutex::new(None) }
    }

    fn sent(&self, batch: &[Vec<u8>]) -> io::Result<()> {
        let mut kept = self.kept();
        let socket = match kept.take().filter(|(_, since)| since.elapsed() < GOOD_FOR) {
            Some(known) => known,
            None => (connected(&self.host, self.port)?, Instant::now()),
        };
        let outcome = batch.iter().try_for_each(|entry| self.send_entry(&socket.0, entry));
        *kept = Some(socket);
        outcome
    }

    fn send_entry(&self, socket: &UdpSocket, entry: &[u8]) -> io::Result<()> {
        match self.packet_size {
            None => send(socket, entry),
            Some(size) => packets(entry, size).iter().try_for_each(|packet| send(socket, packet)),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<(UdpSocket, Instant)>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Udp {
    fn send(&self, batch: &[Vec<u8>], _: Option<Instant>) -> Result<(), String> {
        self.sent(batch).map_err(|error| error.to_string())
    }
}

/// What the other end has said to an earlier datagram shows with the next, which is sent again then.
fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    match socket.send(datagram) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send(datagram)?,
        other => other?,
    };
    Ok(())
}

fn connected(host: &str, port: u16) -> io::Result<UdpSocket> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = (host, port).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own)?;
    socket.connect(address)?;
    Ok(socket)
}

/// Lines together, as many as fit; one that does not fit goes by itself.
fn packets(entry: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match packets.last_mut().filter(|last| last.len() + 1 + line.len() <= size) {
            Some(last) => {
                last.push(b'\n');
                last.extend_from_slice(line);
            }
            None => packets.push(line.to_vec()),
        }
    }
    packets
}

/// The system's log, at a socket of datagrams.
#[derive(Debug)]
pub struct SystemLog {
    path: &'static str,
    socket: Mutex<Option<UnixDatagram>>,
}

impl SystemLog {
    pub fn new(path: &'static str) -> Self {
        Self { path, socket: Mutex::new(None) }
    }

    fn sent(&self, batch: &[Vec<u8>]) -> io::Result<()> {
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads the log may have begun anew: then this socket leads nowhere.
        let socket = match kept.take() {
            Some(socket) => socket,
            None => dialled(Path::new(self.path))?,
        };
        batch.iter().try_for_each(|entry| socket.send(entry).map(drop))?;
        *kept = Some(socket);
        Ok(())
    }
}

impl Sink for SystemLog {
    fn send(&self, batch: &[Vec<u8>], _: Option<Instant>) -> Result<(), String> {
        self.sent(batch).map_err(|error| error.to_string())
    }
}

fn dialled(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(LONGEST_WAIT))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UdpSocket) -> String {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn an_entry_is_a_datagram() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sink = Udp::new("127.0.0.1", socket.local_addr().unwrap().port(), None);
        sink.send(&[b"a\nb".to_vec(), b"c".to_vec()], None).unwrap();
        assert_eq!([received(&socket), received(&socket)], ["a\nb", "c"]);
        let six = UdpSocket::bind("[::1]:0").unwrap();
        Udp::new("[::1]", six.local_addr().unwrap().port(), None).send(&[b"d".to_vec()], None).unwrap();
        assert_eq!(received(&six), "d");
    }

    #[test]
    fn lines_go_together_up_to_a_size() {
        for (size, expected) in [
            (0, vec!["aa", "bbb", "c"]),
            (4, vec!["aa", "bbb", "c"]),
            (6, vec!["aa\nbbb", "c"]),
            (100, vec!["aa\nbbb\nc"]),
        ] {
            let packets = packets(b"aa\nbbb\nc\n", size);
            assert_eq!(packets, expected.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>(), "{size}");
        }
    }

    #[test]
    fn what_is_too_long_is_an_error() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sink = Udp::new("127.0.0.1", socket.local_addr().unwrap().port(), None);
        assert!(sink.send(&[vec![b'x'; 70_000]], None).is_err());
        assert!(Udp::new("not.there.invalid", 1, None).send(&[b"a".to_vec()], None).is_err());
    }

    #[test]
    fn the_systems_log_may_begin_anew() {
        let name = format!("crossfade-syslog-{}", std::process::id());
        let path: &'static str = String::leak(std::env::temp_dir().join(name).to_str().unwrap().to_owned());
        let _ = std::fs::remove_file(path);
        let sink = SystemLog::new(path);
        assert!(sink.send(&[b"a".to_vec()], None).is_err());
        for _ in 0..2 {
            let log = UnixDatagram::bind(path).unwrap();
            log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // The first one after it has begun anew finds the old socket, and is tried again by the queue.
            let _ = sink.send(&[b"b".to_vec()], None);
            sink.send(&[b"b".to_vec()], None).unwrap();
            let mut buffer = [0; 10];
            assert_eq!(log.recv(&mut buffer).unwrap(), 1);
            std::fs::remove_file(path).unwrap();
        }
    }
}
