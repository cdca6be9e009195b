//! What a filter may ask of and do to one HTTP stream; Envoy implements it in production, a fake in tests.
//!
//! Reading borrows the stream and writing borrows it mutably, so no header survives a write: Envoy's pointers are
//! dead by then.

use crate::reply::Headers;
use crate::waiting::Wake;
use smallvec::SmallVec;
use std::fmt::Debug;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `HTTP/1.1` and the like.
    Protocol,
    /// Of the request: its path with the query, as it stands.
    Target,
    /// Present on TLS connections only.
    TlsVersion,
}

pub type HeaderList<'a> = SmallVec<[(&'a [u8], &'a [u8]); 32]>;

/// Which names are among those of some headers: what it says no to is not there, and is looked for no further.
#[derive(Clone, Copy, Debug)]
pub struct NameHints(u64);

impl NameHints {
    pub fn of(headers: &[(&[u8], &[u8])]) -> Self {
        Self(headers.iter().fold(0, |all, (name, _)| all | Self::bit(name)))
    }

    pub fn may_have(self, name: &[u8]) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// Names that begin alike seldom have the same length and the same end.
    fn bit(name: &[u8]) -> u64 {
        let last = name.last().copied().unwrap_or_default();
        1 << ((name.len() * 7 + usize::from(last)) % 64)
    }
}

/// What only few ask of the connection on which a request came.
pub trait Connection: Debug {
    /// Its number in this process.
    fn id(&self) -> Option<u64>;
    /// `address:port` at which it arrived.
    fn local_address(&self) -> Option<&[u8]>;
    /// `address:port` from which it comes, where the PROXY protocol says so; else the peer's.
    fn source_address(&self) -> Option<&[u8]>;
}

pub trait Stream: Connection {
    /// All headers in order, names in lower case.
    fn headers(&self, map: Map) -> HeaderList<'_>;
    fn attribute(&self, attribute: Attribute) -> Option<&[u8]>;
    /// `address:port` of the peer, whatever forwarding headers say.
    fn peer_address(&self) -> Option<&[u8]>;
    /// Has the filter's `on_scheduled` called on this stream's worker.
    fn waker(&self) -> Box<dyn Wake>;
    /// What has gone over the wire of the request, and of the response: headers and bodies.
    fn sizes(&self) -> (u64, u64);
    /// What has come of the request's body.
    fn request_body_bytes(&self) -> u64;
    /// What the client got, whoever answered; 0 without an answer.
    fn response_code(&self) -> u16;
    /// The endpoint that took the request, as `address:port`.
    fn endpoint(&self) -> Option<&str>;
    /// The endpoints that were to take it, each once, as `address:port`.
    fn endpoints(&self) -> SmallVec<[&str; 4]>;
    /// How often it was sent to one of them.
    fn tries(&self) -> usize;
    /// By what Envoy hashes the request, where its cluster is balanced by hashes.
    fn set_hash_key(&mut self, key: &[u8]);
    /// What is asked for in the TLS handshake with the upstream: nothing where the name is empty.
    fn set_tls_name(&mut self, name: &[u8]);
    /// The name that the upstream's certificate must have.
    fn set_verified_name(&mut self, name: &[u8]);
    /// The endpoint (`address:port`) that takes the request if the cluster has it and it is healthy.
    fn prefer_endpoint(&mut self, address: &[u8]);
    /// Leaves a text for Envoy's access log.
    fn note(&mut self, key: &str, text: &str);
    /// Replaces all values of `name`; without one if `value` is empty.
    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]);
    /// Nothing is added if `value` is empty.
    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]);
    fn remove_header(&mut self, map: Map, name: &[u8]);
    /// Envoy's own route is chosen once more, by the headers as they are now.
    fn choose_route_again(&mut self);
    /// Answers the request; nothing reaches the upstream.
    fn send_reply(&mut self, status: u16, headers: Headers, body: Vec<u8>);
    /// Answers with this as it is (`:status` included), without Envoy's treatment of local replies.
    fn send_as_is(&mut self, headers: Headers, body: Vec<u8>);
    /// The same with a body that others have too.
    fn send_shared(&mut self, headers: Headers, body: Arc<Vec<u8>>);
    /// Of what has arrived of the request body and has not gone on.
    fn request_body_size(&self) -> usize;
    /// Of the part of the request body just received; what has gone on may be kept too, for another try.
    fn received_size(&self) -> usize;
    /// Everything of the request body that has arrived.
    fn request_body(&self) -> Vec<u8>;
    fn replace_request_body(&mut self, body: &[u8]);
    /// Moves the part of the response body just received to the end of `into`.
    fn take_response_chunk(&mut self, into: &mut Vec<u8>);
    /// Shows the part of the response body just received, in pieces; it goes on as it is.
    fn each_response_chunk(&self, show: &mut dyn FnMut(&[u8]));
    /// Puts `body` in place of the part of the response body just received.
    fn replace_response_chunk(&mut self, body: &[u8]);
    /// Adds to what Envoy has kept of the response body: while the headers are handled, or trailers after a body of
    /// which everything was kept back.
    fn add_response_body(&mut self, body: &[u8]);
}

/// A stream for tests: what goes in is set beforehand, what came out is read afterwards.
#[cfg(test)]
pub mod testing {
    use super::*;
    use crate::waiting::testing::{Bell, PATIENCE};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Status, headers and body.
    pub type Reply = (u16, Vec<(String, String)>, String);

    #[derive(Debug, Default)]
    pub struct Fake {
        pub request: Vec<(String, Vec<u8>)>,
        pub response: Vec<(String, Vec<u8>)>,
        pub request_body: Vec<u8>,
        pub notes: Vec<(String, String)>,
        /// The part of the upstream's body that the filter is shown.
        pub response_chunk: Vec<u8>,
        /// What has gone on to the client.
        pub response_body: Vec<u8>,
        pub protocol: String,
        pub reply: Option<Reply>,
        pub shared: Option<Arc<Vec<u8>>>,
        pub alarm: Alarm,
        pub hash_key: Option<String>,
        pub preferred: Option<String>,
        pub tls_name: Option<String>,
        pub verified_name: Option<String>,
        /// How the request looked when Envoy's route was chosen again.
        pub chosen_again: Option<Vec<(String, Vec<u8>)>>,
    }

    /// Rings when the stream is to go on.
    #[derive(Debug)]
    pub struct Alarm(Sender<()>, Receiver<()>);

    impl Default for Alarm {
        fn default() -> Self {
            let (bell, rung) = channel();
            Self(bell, rung)
        }
    }

    impl Alarm {
        pub fn wait(&self) {
            self.1.recv_timeout(PATIENCE).unwrap();
        }

        pub fn has_rung(&self) -> bool {
            self.1.try_recv().is_ok()
        }
    }

    impl Fake {
        pub fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Self {
            let pseudo = [(":method", method), (":path", target), (":authority", "gw.test")];
            let request = pseudo.iter().chain(headers);
            Self {
                request: request.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
                protocol: "HTTP/1.1".to_owned(),
                ..Self::default()
            }
        }

        pub fn sent(&self, map: Map, name: &str) -> Option<String> {
            let values: Vec<_> = self.map(map).iter().filter(|(header, _)| header == name).collect();
            assert!(values.len() <= 1, "{name} stands there {} times", values.len());
            values.first().map(|(_, value)| text(value))
        }

        pub fn status(&self) -> Option<u16> {
            self.reply.as_ref().map(|reply| reply.0)
        }

        fn map(&self, map: Map) -> &Vec<(String, Vec<u8>)> {
            match map {
                Map::Request => &self.request,
                Map::Response => &self.response,
            }
        }

        fn map_mut(&mut self, map: Map) -> &mut Vec<(String, Vec<u8>)> {
            match map {
                Map::Request => &mut self.request,
                Map::Response => &mut self.response,
            }
        }
    }

    pub fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    impl Connection for Fake {
        fn id(&self) -> Option<u64> {
            Some(7)
        }

        fn local_address(&self) -> Option<&[u8]> {
            Some(b"192.0.2.2:8000")
        }

        fn source_address(&self) -> Option<&[u8]> {
            self.peer_address()
        }
    }

    impl Stream for Fake {
        fn headers(&self, map: Map) -> HeaderList<'_> {
            self.map(map).iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect()
        }

        fn attribute(&self, attribute: Attribute) -> Option<&[u8]> {
            match attribute {
                Attribute::Protocol => Some(self.protocol.as_bytes()),
                Attribute::Target => {
                    self.request.iter().find(|(name, _)| name == ":path").map(|(_, target)| target.as_slice())
                }
                Attribute::TlsVersion => None,
            }
        }

        fn peer_address(&self) -> Option<&[u8]> {
            Some(b"192.0.2.1:999")
        }

        fn waker(&self) -> Box<dyn Wake> {
            Box::new(Bell(self.alarm.0.clone()))
        }

        fn sizes(&self) -> (u64, u64) {
            let length = |body: &Vec<u8>| u64::try_from(body.len()).unwrap();
            (length(&self.request_body), length(&self.response_body))
        }

        fn request_body_bytes(&self) -> u64 {
            self.sizes().0
        }

        fn response_code(&self) -> u16 {
            let status = self.response.iter().find(|(name, _)| name == ":status");
            self.status().or_else(|| text(&status?.1).parse().ok()).unwrap_or_default()
        }

        fn endpoint(&self) -> Option<&str> {
            Some("192.0.2.9:80")
        }

        fn endpoints(&self) -> SmallVec<[&str; 4]> {
            smallvec::smallvec!["192.0.2.8:80", "192.0.2.9:80"]
        }

        fn tries(&self) -> usize {
            2
        }

        fn set_hash_key(&mut self, key: &[u8]) {
            self.hash_key = Some(text(key));
        }

        fn set_tls_name(&mut self, name: &[u8]) {
            self.tls_name = Some(text(name));
        }

        fn set_verified_name(&mut self, name: &[u8]) {
            self.verified_name = Some(text(name));
        }

        fn prefer_endpoint(&mut self, address: &[u8]) {
            self.preferred = Some(text(address));
        }

        fn note(&mut self, key: &str, text: &str) {
            self.notes.push((key.to_owned(), text.to_owned()));
        }

        fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) {
            self.remove_header(map, name);
            self.add_header(map, name, value);
        }

        fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) {
            if !value.is_empty() {
                self.map_mut(map).push((text(name), value.to_vec()));
            }
        }

        fn remove_header(&mut self, map: Map, name: &[u8]) {
            self.map_mut(map).retain(|(header, _)| header.as_bytes() != name);
        }

        fn choose_route_again(&mut self) {
            self.chosen_again = Some(self.request.clone());
        }

        fn send_reply(&mut self, status: u16, headers: Headers, body: Vec<u8>) {
            assert!(self.reply.is_none(), "answered twice");
            let headers = headers.into_iter().map(|(name, value)| (name.into_owned(), text(&value))).collect();
            self.reply = Some((status, headers, text(&body)));
        }

        fn send_as_is(&mut self, headers: Headers, body: Vec<u8>) {
            let status = headers.iter().find(|(name, _)| name == ":status").map(|(_, value)| text(value)).unwrap();
            self.send_reply(status.parse().unwrap(), headers, body);
        }

        fn send_shared(&mut self, headers: Headers, body: Arc<Vec<u8>>) {
            self.send_as_is(headers, body.to_vec());
            self.shared = Some(body);
        }

        fn request_body_size(&self) -> usize {
            self.request_body.len()
        }

        fn received_size(&self) -> usize {
            self.request_body.len()
        }

        fn request_body(&self) -> Vec<u8> {
            self.request_body.clone()
        }

        fn replace_request_body(&mut self, body: &[u8]) {
            self.request_body = body.to_vec();
        }

        fn take_response_chunk(&mut self, into: &mut Vec<u8>) {
            into.append(&mut self.response_chunk);
        }

        fn each_response_chunk(&self, show: &mut dyn FnMut(&[u8])) {
            // Envoy has it in several pieces.
            self.response_chunk.chunks(7).for_each(show);
        }

        fn replace_response_chunk(&mut self, body: &[u8]) {
            self.response_chunk.clear();
            self.response_body.extend_from_slice(body);
        }

        fn add_response_body(&mut self, body: &[u8]) {
            self.response_body.extend_from_slice(body);
        }
    }
}
