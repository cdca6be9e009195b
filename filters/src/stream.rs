//! What a filter may ask of and do to one HTTP stream; Envoy implements it in production, a fake in tests.
//!
//! Reading borrows the stream and writing borrows it mutably, so no header survives a write: Envoy's pointers are
//! dead by then.

use smallvec::SmallVec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `HTTP/1.1` and the like.
    Protocol,
    /// `address:port` of the client.
    SourceAddress,
    /// Present on TLS connections only.
    TlsVersion,
}

pub type HeaderList<'a> = SmallVec<[(&'a [u8], &'a [u8]); 32]>;

pub trait Stream {
    /// All headers in order, names in lower case.
    fn headers(&self, map: Map) -> HeaderList<'_>;
    fn attribute(&self, attribute: Attribute) -> Option<&[u8]>;
    /// The port on which the connection arrived.
    fn local_port(&self) -> Option<u64>;
    /// Replaces all values of `name`.
    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]);
    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]);
    fn remove_header(&mut self, map: Map, name: &[u8]);
    /// Answers the request; nothing reaches the upstream.
    fn send_reply(&mut self, status: u16, headers: &[(&[u8], &[u8])], body: &[u8]);
    /// Answers with these headers only, as they are (`:status` included), without Envoy's treatment of local replies.
    fn send_headers(&mut self, headers: &[(&[u8], &[u8])]);
    fn request_body_size(&self) -> usize;
    /// Everything of the request body that has arrived.
    fn request_body(&self) -> Vec<u8>;
    fn replace_request_body(&mut self, body: &[u8]);
    /// Puts `body` in place of the part of the response body just received.
    fn replace_response_chunk(&mut self, body: &[u8]);
    /// Gives a body to a response that has none; only while its headers are handled.
    fn add_response_body(&mut self, body: &[u8]);
}
