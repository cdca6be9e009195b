//! Connections of the module's own, for threads that may block: never longer than until a deadline.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, RootCerts};

/// Where to connect. Without `verifies` any certificate will do, so that only listeners are kept out, not impostors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name, or an address of either family; brackets around one are of no account.
    pub host: String,
    pub port: u16,
    pub tls: Option<Tls>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The system's authorities (or those of `SSL_CERT_FILE`) must vouch for the certificate.
    pub verifies: bool,
    /// For SNI and the certificate, in place of the host.
    pub server_name: Option<String>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

impl Endpoint {
    /// The TLS handshake is part of it.
    pub fn connect(&self, deadline: Instant) -> io::Result<Connection> {
        let socket = self.dial(deadline)?;
        socket.set_nodelay(true)?;
        let plain = Connection::Plain(Timed { socket, deadline });
        match &self.tls {
            Some(tls) => plain.secured(tls.server_name.as_deref().unwrap_or(&self.host), tls.verifies),
            None => Ok(plain),
        }
    }

    fn dial(&self, deadline: Instant) -> io::Result<TcpStream> {
        let mut last = invalid("the name has no address");
        let addresses: Vec<_> = (bare(&self.host), self.port).to_socket_addrs()?.collect();
        for (place, address) in addresses.iter().enumerate() {
            // One that swallows what is sent to it leaves time for the others.
            let share = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(address, left(deadline)? / share) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// As a certificate may name it.
pub fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(bare(host).to_owned()).map_err(|_| invalid("no name that a certificate could have"))
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Never zero, which a socket would take for no timeout at all.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_micros(1))) }
}

pub enum Connection {
    Plain(Timed),
    Secure(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Connection {
    /// Does the TLS handshake on a connection that has no TLS yet, with whoever the certificate must name.
    pub fn secured(self, name: &str, verifies: bool) -> io::Result<Self> {
        let Self::Plain(timed) = self else { return Ok(self) };
        let client = ClientConnection::new(tls_config(verifies)?, server_name(name)?).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, timed);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Secure(Box::new(stream)))
    }

    /// Until when all that follows must be done.
    pub fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Plain(timed) => timed.deadline = deadline,
            Self::Secure(stream) => stream.sock.deadline = deadline,
        }
    }

    /// Whether the other end has closed it, as far as that can be told without waiting.
    pub fn is_closed(&mut self) -> bool {
        match self {
            Self::Plain(timed) => timed.without_waiting(|socket| socket.peek(&mut [0])).is_none_or(|count| count == 0),
            Self::Secure(stream) => {
                let StreamOwned { conn, sock } = &mut **stream;
                loop {
                    match sock.without_waiting(|mut socket| conn.read_tls(&mut socket)) {
                        None | Some(0) => return true,
                        Some(WAITS) => return false,
                        Some(_) => (),
                    }
                    if conn.process_new_packets().is_ok_and(|state| !state.peer_has_closed()) {
                        continue;
                    }
                    return true;
                }
            }
        }
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.read(into),
            Self::Secure(stream) => stream.read(into),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.write(data),
            Self::Secure(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(timed) => timed.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

/// A socket of which no call lasts longer than until the deadline.
pub struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

/// Stands for the length of what is not there yet.
const WAITS: usize = usize::MAX;

impl Timed {
    /// None: it has failed.
    fn without_waiting(&mut self, call: impl FnOnce(&TcpStream) -> io::Result<usize>) -> Option<usize> {
        self.socket.set_nonblocking(true).ok()?;
        let result = call(&self.socket);
        self.socket.set_nonblocking(false).ok()?;
        match result {
            Ok(count) => Some(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(WAITS),
            Err(_) => None,
        }
    }
}

/// What a socket says when its own timeout is over.
fn told(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.deadline)?))?;
        self.socket.read(into).map_err(told)
    }
}

impl Write for Timed {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write(data).map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Made once: reading the system's authorities takes milliseconds.
fn tls_config(verifies: bool) -> io::Result<Arc<ClientConfig>> {
    static CONFIGS: [OnceLock<Arc<ClientConfig>>; 2] = [OnceLock::new(), OnceLock::new()];
    let place = &CONFIGS[usize::from(verifies)];
    if let Some(config) = place.get() {
        return Ok(Arc::clone(config));
    }
    let made = Arc::new(if verifies { verifying_config()? } else { trusting_config()? });
    Ok(Arc::clone(place.get_or_init(|| made)))
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The system's, or those of `SSL_CERT_FILE`: for whoever speaks TLS by other means. Read once.
pub fn authorities() -> RootCerts {
    static AUTHORITIES: LazyLock<RootCerts> = LazyLock::new(|| {
        let known = rustls_native_certs::load_native_certs().certs;
        RootCerts::from(known.iter().map(|one| Certificate::from_der(one).to_owned()))
    });
    AUTHORITIES.clone()
}

fn verifying_config() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(invalid("no certificate authorities are known on this system; set SSL_CERT_FILE"));
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

fn trusting_config() -> io::Result<ClientConfig> {
    let provider = provider();
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?.dangerous().with_custom_certificate_verifier(verifier);
    Ok(builder.with_no_client_auth())
}

/// Kong's `ssl_verify: false`: whoever owns the certificate that is shown may be anybody.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint { host: "[127.0.0.1]".into(), port, tls: None }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn nothing_lasts_longer_than_its_deadline() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let mut connection = endpoint(port).connect(soon()).unwrap();
        let started = Instant::now();
        connection.set_deadline(started + Duration::from_millis(30));
        assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let tls = Some(Tls { verifies: false, server_name: Some("redis.test".into()) });
        let handshake = Endpoint { tls, ..endpoint(port) }.connect(Instant::now() + Duration::from_millis(30));
        assert_eq!(handshake.err().unwrap().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_closed_connection_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = endpoint(listener.local_addr().unwrap().port()).connect(soon()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        assert!(!connection.is_closed());
        other.write_all(b"x").unwrap();
        connection.read_exact(&mut [0]).unwrap();
        drop(other);
        let deadline = soon();
        while !connection.is_closed() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }

    #[test]
    fn names_that_lead_nowhere_are_told() {
        let nowhere = Endpoint { host: "no such name".into(), port: 1, tls: None };
        assert!(nowhere.connect(soon()).is_err());
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(endpoint(refused).connect(soon()).err().unwrap().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(endpoint(refused).to_string(), format!("[127.0.0.1]:{refused}"));
    }
}
