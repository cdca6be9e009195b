//! One request as its headers tell it, read once.

use crate::client_certificate;
use crate::incoming::{Choice, Listener};
use crate::path::{self, BadPath};
use crate::stream::{Attribute, Connection, HeaderList, Map, Stream};
use crate::text::Text;
use std::borrow::Cow;

/// nginx's `large_client_header_buffers 4 8k`.
const LONGEST_LINE: usize = 8 * 1024;

#[derive(Debug)]
pub struct Request<'a> {
    /// Without what Envoy itself tells among them.
    pub headers: HeaderList<'a>,
    pub method: &'a [u8],
    /// As the client sent it.
    pub target: &'a [u8],
    /// As the client sent it, without the query.
    pub sent_path: &'a [u8],
    pub query: Option<&'a [u8]>,
    pub path: Result<Cow<'a, [u8]>, BadPath>,
    pub authority: &'a [u8],
    pub protocol: &'a [u8],
    pub is_tls: bool,
    /// What Envoy tells of the certificate that the client has shown.
    pub certificate: Option<&'a [u8]>,
    /// Where the gateway listens, whatever the PROXY protocol says.
    pub local_port: u16,
    /// `X-Forwarded-Proto` as it came, where a peer could be trusted with it.
    pub forwarded_proto: Option<Text>,
    /// The connection's other end, as Envoy writes addresses.
    pub peer: Option<&'a str>,
    pub connection: &'a dyn Connection,
}

impl<'a> Request<'a> {
    pub fn read(stream: &'a impl Stream, choice: Option<&Choice>) -> Self {
        let mut headers = stream.headers(Map::Request);
        let tells = |header: &(&[u8], &[u8])| header.0 == client_certificate::HEADER.as_bytes();
        let certificate = headers.iter().copied().find(tells).map(|(_, value)| value);
        if certificate.is_some() {
            headers.retain(|header| !tells(header));
        }
        let pseudo = |name: &[u8]| headers.iter().find(|(header, _)| *header == name).map_or(&b""[..], |pair| pair.1);
        let (method, target, authority) = (pseudo(b":method"), pseudo(b":path"), pseudo(b":authority"));
        let (path, query) = path::split_query(target);
        Self {
            method,
            target,
            sent_path: path,
            query,
            path: path::normalise(path),
            authority,
            protocol: stream.attribute(Attribute::Protocol).unwrap_or(b"HTTP/1.1"),
            is_tls: stream.attribute(Attribute::TlsVersion).is_some_and(|version| !version.is_empty()),
            certificate,
            local_port: choice.map_or(Listener::default(), |choice| choice.listener).port,
            forwarded_proto: choice.and_then(|choice| choice.forwarded_proto.clone()),
            peer: stream.peer_address().and_then(address_without_port),
            connection: stream,
            headers,
        }
    }

    /// The first value under a lower-case name.
    pub fn header(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| *value)
    }

    /// What nginx in front of Kong refuses and Envoy lets through (kong.md §3.9).
    pub fn refusal(&self) -> Option<(u16, &'static str)> {
        if self.method.len() + self.target.len() + b" HTTP/1.1\r\n".len() > LONGEST_LINE {
            return Some((414, "URI too long"));
        }
        if self.headers.iter().any(|(name, value)| name.len() + value.len() + b": \r\n".len() > LONGEST_LINE) {
            return Some((400, "Request header or cookie too large"));
        }
        // Envoy joins several lines of these.
        if self.authority.contains(&b',') || self.header(b"authorization").is_some_and(holds_several_credentials) {
            return Some((400, "Bad request"));
        }
        (self.method == b"TRACE").then_some((405, "Method not allowed"))
    }

    /// The address at which the connection arrived, as Envoy writes addresses.
    pub fn local_address(&self) -> Option<&'a str> {
        self.connection.local_address().and_then(address_without_port)
    }

    /// As Kong looks at it: gRPC-Web is one too.
    pub fn is_grpc(&self) -> bool {
        self.header(b"content-type").is_some_and(names_grpc)
    }
}

pub fn names_grpc(content_type: &[u8]) -> bool {
    content_type.starts_with(b"application/grpc")
}

/// Whether a value of `Authorization` was joined of two: a comma outside quotes is followed by a scheme and a space. In
/// one credential the name of a parameter would stand there, and `=` behind it.
fn holds_several_credentials(value: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let begins_credential = |rest: &[u8]| {
        let after = rest.iter().position(|byte| !is_token(byte)).map_or(&b""[..], |end| &rest[end..]);
        after.len() < rest.len() && after.starts_with(b" ") && !after.trim_ascii_start().starts_with(b"=")
    };
    let (mut is_quoted, mut place) = (false, 0);
    while let Some(found) = value[place..].iter().position(|byte| b",\"\\".contains(byte)) {
        place += found + 1;
        match value[place - 1] {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => place = (place + 1).min(value.len()),
            b',' if !is_quoted && begins_credential(&value[place..]) => return true,
            _ => (),
        }
    }
    false
}

/// What Envoy calls the host of a request that names none, as HTTP/1.0 allows.
const NO_HOST: &[u8] = b"_";

/// Kong's own `server_name`, which a client that names no host has come to.
const SERVER_NAME: &[u8] = b"kong";

/// An empty `Host` is none to nginx and Kong.
pub fn names_host(authority: &[u8]) -> bool {
    !authority.is_empty() && authority != NO_HOST
}

/// nginx's `$host`: without the port, in lower case.
pub fn told_host(authority: &[u8]) -> Text {
    let mut host = Text::from_slice(if names_host(authority) { host_without_port(authority) } else { SERVER_NAME });
    host.make_ascii_lowercase();
    host
}

pub fn host_without_port(authority: &[u8]) -> &[u8] {
    if authority.starts_with(b"[") {
        let end = authority.iter().position(|byte| *byte == b']').map_or(authority.len(), |at| at + 1);
        return &authority[..end];
    }
    authority.split(|byte| *byte == b':').next().unwrap_or(authority)
}

/// None for what is no IP address, like a socket's path.
pub fn address_without_port(address: &[u8]) -> Option<&str> {
    let end = address.iter().rposition(|byte| *byte == b':')?;
    let host = address[..end].strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(&address[..end]);
    let is_address = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'.' || *byte == b':';
    host.iter().all(is_address).then(|| std::str::from_utf8(host).ok()).flatten()
}

#[cfg(test)]
pub mod testing {
    use super::*;

    #[derive(Debug)]
    struct Unknown;

    impl Connection for Unknown {
        fn id(&self) -> Option<u64> {
            None
        }

        fn local_address(&self) -> Option<&[u8]> {
            None
        }

        fn source_address(&self) -> Option<&[u8]> {
            Some(b"203.0.113.77:40000")
        }
    }

    pub fn request<'a>(method: &'a str, target: &'a str, headers: &[(&'a str, &'a str)]) -> Request<'a> {
        let (sent_path, query) = path::split_query(target.as_bytes());
        Request {
            headers: headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
            method: method.as_bytes(),
            target: target.as_bytes(),
            sent_path,
            query,
            path: path::normalise(sent_path),
            authority: b"gw.test",
            protocol: b"HTTP/1.1",
            is_tls: false,
            certificate: None,
            local_port: 8000,
            forwarded_proto: None,
            peer: Some("127.0.0.1"),
            connection: &Unknown,
        }
    }

    #[test]
    fn refusals() {
        let (long, fits) = ("x".repeat(8200), "x".repeat(8000));
        let long_target = format!("/{long}");
        for (method, target, header, expected) in [
            ("GET", "/", fits.as_str(), None),
            ("GET", "/", long.as_str(), Some(400)),
            ("GET", long_target.as_str(), "", Some(414)),
            ("TRACE", "/", "", Some(405)),
        ] {
            let headers = [("x-big", header)];
            let refusal = request(method, target, &headers).refusal();
            assert_eq!(refusal.map(|(status, _)| status), expected, "{method} {}", target.len());
        }
        let twice = Request { authority: b"gw.test,gw.test", ..request("GET", "/", &[]) };
        assert_eq!(twice.refusal(), Some((400, "Bad request")));
    }

    #[test]
    fn joined_credentials() {
        for (value, expected) in [
            ("Basic QQ==,Basic eDp5", true),
            ("Bearer x,hmac username=\"u\", algorithm=\"a\"", true),
            ("Digest realm=\"a,b c\",Basic eDp5", true),
            ("Digest realm=\"a,b c\",nonce=\"d\", uri=\"/\"", false),
            ("Digest realm=\"a\\\",b c\"", false),
            ("Digest a=b,c = d", false),
            ("hmac username=\"u\", algorithm=\"a\"", false),
            ("Basic QQ==", false),
            ("Basic QQ==,", false),
            ("Basic QQ==, \\", false),
            ("\"\\", false),
            ("", false),
        ] {
            assert_eq!(holds_several_credentials(value.as_bytes()), expected, "{value}");
        }
        let refusal = request("GET", "/", &[("authorization", "Basic QQ==,Basic eDp5")]).refusal();
        assert_eq!(refusal, Some((400, "Bad request")));
    }

    #[test]
    fn addresses() {
        for (address, expected) in
            [("127.0.0.1:80", Some("127.0.0.1")), ("[::1]:80", Some("::1")), ("/tmp/socket", None), ("/tmp/a:1", None)]
        {
            assert_eq!(address_without_port(address.as_bytes()), expected, "{address}");
        }
    }

    #[test]
    fn hosts() {
        for (authority, host) in [("a.test:80", "a.test"), ("a.test", "a.test"), ("[::1]:80", "[::1]"), ("", "")] {
            assert_eq!(host_without_port(authority.as_bytes()), host.as_bytes());
        }
        for (authority, host) in [("A.test:80", "a.test"), ("_", "kong"), ("_:80", "_"), ("", "kong")] {
            assert_eq!(told_host(authority.as_bytes()).as_slice(), host.as_bytes());
        }
    }
}
