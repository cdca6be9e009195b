//! The real stream and the real early headers: every call goes to Envoy through the ABI.

use crate::abi::{self, Buffer, EarlyHeaders, EnvoyFilter, Header, Scheduler};
use crate::bytes;
use crate::incoming::IncomingHeaders;
use crate::reply::Headers;
use crate::stream::{Attribute, Connection, HeaderList, Map, Stream};
use crate::text::Text;
use crate::waiting::Wake;
use memchr::memchr3;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// Filter state that Envoy's route hashes by; the name makes it an object that can be hashed.
const HASH_KEY: &[u8] = b"envoy.hashable_string";
/// Filter state by which Envoy overrides what its cluster says.
const TLS_NAME: &[u8] = b"envoy.network.upstream_server_name";
const VERIFIED_NAME: &[u8] = b"envoy.network.upstream_subject_alt_names";

/// Envoy destroys a stream's filters before the thread that they run on, and the stream takes its waker along when it
/// ends: where there is one, the thread is there.
#[derive(Debug)]
struct EnvoyWaker(Scheduler);

// SAFETY: Envoy's scheduler is made to be used and deleted on other threads than the filter's.
unsafe impl Send for EnvoyWaker {}

impl Wake for EnvoyWaker {
    fn wake(&self) {
        // SAFETY: ours until it is dropped.
        unsafe { abi::envoy_dynamic_module_callback_http_filter_scheduler_commit(self.0, 0) };
    }
}

impl Drop for EnvoyWaker {
    fn drop(&mut self) {
        // SAFETY: ours, deleted once.
        unsafe { abi::envoy_dynamic_module_callback_http_filter_scheduler_delete(self.0) };
    }
}

/// An answer to be sent when the filter is at rest.
#[derive(Debug)]
pub struct Reply {
    /// None: `:status` stands in the headers, and Envoy adds nothing of its own.
    status: Option<u16>,
    headers: Headers,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Reply {
    fn new(status: Option<u16>, mut headers: Headers, body: Body) -> Self {
        for (name, value) in &mut headers {
            if let Cow::Owned(clean) = one_line(name.as_bytes()) {
                *name = String::from_utf8_lossy(&clean).into_owned().into();
            }
            if let Cow::Owned(clean) = one_line(value) {
                *value = clean.into();
            }
        }
        Self { status, headers, body }
    }

    /// # Safety
    /// `filter` must be the pointer that Envoy passed to the running hook. Nothing of the stream may be touched
    /// afterwards.
    pub unsafe fn send(&self, filter: EnvoyFilter) {
        let buffers = |(name, value): &(Cow<'_, str>, Text)| Header {
            name: Buffer::of(name.as_bytes()),
            value: Buffer::of(value),
        };
        let headers: SmallVec<[Header; 24]> = self.headers.iter().map(buffers).collect();
        let (headers, count, body) = (headers.as_ptr(), headers.len(), Buffer::of(self.body.bytes()));
        // SAFETY: the pointer is valid; Envoy copies headers and body. With more to come it keeps the stream.
        unsafe {
            if let Some(status) = self.status {
                let details = Buffer::of(b"crossfade_policy");
                abi::envoy_dynamic_module_callback_http_send_response(
                    filter,
                    status.into(),
                    headers,
                    count,
                    body,
                    details,
                );
                return;
            }
            let is_all = self.body.bytes().is_empty();
            abi::envoy_dynamic_module_callback_http_send_response_headers(filter, headers, count, is_all);
            if !is_all {
                abi::envoy_dynamic_module_callback_http_send_response_data(filter, body, true);
            }
        }
    }
}

/// The namespace of what is left for the access log.
const NOTES: &[u8] = b"crossfade";

#[derive(Debug)]
pub struct EnvoyStream {
    filter: EnvoyFilter,
    reply: Option<Reply>,
}

impl EnvoyStream {
    /// # Safety
    /// `filter` must be the pointer that Envoy passed to the running hook, and the value must not outlive that hook.
    pub unsafe fn new(filter: EnvoyFilter) -> Self {
        Self { filter, reply: None }
    }

    pub fn into_reply(self) -> Option<Reply> {
        self.reply
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8]) {
        let (key, value) = (Buffer::of(key), Buffer::of(value));
        // SAFETY: the pointer is valid during the hook; Envoy copies both.
        unsafe { abi::envoy_dynamic_module_callback_http_set_filter_state_typed(self.filter, key, value) };
    }

    fn text(&self, attribute: u32) -> Option<&[u8]> {
        let mut result = Buffer::EMPTY;
        // SAFETY: the pointer is valid during the hook; the bytes live as long as the stream's attributes.
        unsafe {
            abi::envoy_dynamic_module_callback_http_filter_get_attribute_string(self.filter, attribute, &raw mut result)
                .then(|| result.bytes())
        }
    }

    fn number(&self, attribute: u32) -> Option<u64> {
        let mut result = 0;
        // SAFETY: the pointer is valid during the hook.
        unsafe {
            abi::envoy_dynamic_module_callback_http_filter_get_attribute_int(self.filter, attribute, &raw mut result)
                .then_some(result)
        }
    }

    fn chunks(&self, body: u32, show: &mut dyn FnMut(&[u8])) {
        // SAFETY: the pointer is valid during the hook; the vector has as many entries as Envoy said it fills.
        unsafe {
            let count = abi::envoy_dynamic_module_callback_http_get_body_chunks_size(self.filter, body);
            if count == 0 {
                return;
            }
            let mut chunks: SmallVec<[Buffer; 8]> = SmallVec::from_elem(Buffer::EMPTY, count);
            if abi::envoy_dynamic_module_callback_http_get_body_chunks(self.filter, body, chunks.as_mut_ptr()) {
                chunks.iter().for_each(|chunk| show(chunk.bytes()));
            }
        }
    }

    fn body_size(&self, body: u32) -> usize {
        // SAFETY: the pointer is valid during the hook.
        unsafe { abi::envoy_dynamic_module_callback_http_get_body_size(self.filter, body) }
    }

    fn drain(&mut self, body: u32) {
        let size = self.body_size(body);
        if size > 0 {
            // SAFETY: the pointer is valid during the hook.
            unsafe { abi::envoy_dynamic_module_callback_http_drain_body(self.filter, body, size) };
        }
    }

    fn append(&mut self, body: u32, data: &[u8]) {
        if !data.is_empty() {
            // SAFETY: the pointer is valid during the hook; Envoy copies the data.
            unsafe { abi::envoy_dynamic_module_callback_http_append_body(self.filter, body, Buffer::of(data)) };
        }
    }

    /// Envoy answers 500 when it has to keep more of a body than its limit.
    fn make_room(&mut self, size: usize) {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        // SAFETY: the pointer is valid during the hook.
        unsafe {
            let limit = abi::envoy_dynamic_module_callback_http_get_buffer_limit(self.filter);
            if limit != 0 && limit < size {
                abi::envoy_dynamic_module_callback_http_set_buffer_limit(self.filter, size);
            }
        }
    }

    /// Whether the chunk just received is the buffered body itself and must not be read twice.
    fn received_is_buffered(&self) -> bool {
        // SAFETY: the pointer is valid during the hook.
        unsafe { abi::envoy_dynamic_module_callback_http_received_buffered_request_body(self.filter) }
    }
}

fn map_id(map: Map) -> u32 {
    match map {
        Map::Request => abi::REQUEST_HEADERS,
        Map::Response => abi::RESPONSE_HEADERS,
    }
}

/// All up to the carriage return.
fn may_end_line(word: u64) -> u64 {
    bytes::below(word, u64::from(b'\r') + 1)
}

/// Envoy does not look at what modules write. A line end in a header would begin another one, whoever wrote it.
fn one_line(text: &[u8]) -> Cow<'_, [u8]> {
    match bytes::has_any(text, may_end_line).then(|| memchr3(0, b'\r', b'\n', text)).flatten() {
        None => Cow::Borrowed(text),
        Some(_) => text.iter().map(|byte| if matches!(byte, 0 | b'\r' | b'\n') { b' ' } else { *byte }).collect(),
    }
}

/// All headers at once. Asking for single ones by name would make Envoy index the whole map, which then every addition
/// has to keep up to date.
///
/// # Safety
/// `fill` must write `count` headers whose bytes stay valid for `'a`, or return false.
unsafe fn list<'a>(count: usize, fill: impl FnOnce(*mut Header) -> bool) -> HeaderList<'a> {
    let mut raw: SmallVec<[Header; 32]> = SmallVec::with_capacity(count);
    if count == 0 || !fill(raw.as_mut_ptr()) {
        return HeaderList::new();
    }
    // SAFETY: so many are there and have been written; the caller promises validity.
    unsafe {
        raw.set_len(count);
        raw.iter().map(|header| (header.name.bytes(), header.value.bytes())).collect()
    }
}

impl Connection for EnvoyStream {
    fn id(&self) -> Option<u64> {
        self.number(abi::ATTRIBUTE_CONNECTION_ID)
    }

    fn local_address(&self) -> Option<&[u8]> {
        self.text(abi::ATTRIBUTE_DESTINATION_ADDRESS)
    }

    fn source_address(&self) -> Option<&[u8]> {
        self.text(abi::ATTRIBUTE_SOURCE_ADDRESS)
    }
}

impl Stream for EnvoyStream {
    fn headers(&self, map: Map) -> HeaderList<'_> {
        // SAFETY: the pointer is valid during the hook; the bytes live until a write, which needs `&mut self`.
        unsafe {
            let count = abi::envoy_dynamic_module_callback_http_get_headers_size(self.filter, map_id(map));
            list(count, |into| abi::envoy_dynamic_module_callback_http_get_headers(self.filter, map_id(map), into))
        }
    }

    fn attribute(&self, attribute: Attribute) -> Option<&[u8]> {
        self.text(match attribute {
            Attribute::Protocol => abi::ATTRIBUTE_PROTOCOL,
            Attribute::Target => abi::ATTRIBUTE_REQUEST_PATH,
            Attribute::TlsVersion => abi::ATTRIBUTE_TLS_VERSION,
        })
    }

    fn peer_address(&self) -> Option<&[u8]> {
        let mut result = Buffer::EMPTY;
        // SAFETY: the pointer is valid during the hook; the address lives as long as the connection.
        unsafe {
            abi::envoy_dynamic_module_callback_http_get_downstream_direct_remote_address(self.filter, &raw mut result)
                .then(|| result.bytes())
        }
    }

    fn waker(&self) -> Box<dyn Wake> {
        // SAFETY: the pointer is valid during the hook.
        Box::new(EnvoyWaker(unsafe { abi::envoy_dynamic_module_callback_http_filter_scheduler_new(self.filter) }))
    }

    fn sizes(&self) -> (u64, u64) {
        let size = |attribute| self.number(attribute).unwrap_or_default();
        (size(abi::ATTRIBUTE_REQUEST_TOTAL_SIZE), size(abi::ATTRIBUTE_RESPONSE_TOTAL_SIZE))
    }

    fn request_body_bytes(&self) -> u64 {
        self.number(abi::ATTRIBUTE_REQUEST_SIZE).unwrap_or_default()
    }

    fn response_code(&self) -> u16 {
        self.number(abi::ATTRIBUTE_RESPONSE_CODE).and_then(|code| u16::try_from(code).ok()).unwrap_or_default()
    }

    fn endpoint(&self) -> Option<&str> {
        let mut result = Buffer::EMPTY;
        // SAFETY: the pointer is valid during the hook; the address lives as long as the upstream's connection.
        let bytes = unsafe {
            abi::envoy_dynamic_module_callback_http_get_upstream_remote_address(self.filter, &raw mut result)
                .then(|| result.bytes())
        };
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    fn endpoints(&self) -> SmallVec<[&str; 4]> {
        // SAFETY: the pointer is valid during the hook; the vector has as many entries as Envoy said it fills, and the
        // addresses live as long as the stream.
        unsafe {
            let count = abi::envoy_dynamic_module_callback_http_get_upstream_hosts_attempted_size(self.filter);
            let mut found: SmallVec<[Buffer; 4]> = SmallVec::from_elem(Buffer::EMPTY, count);
            if count == 0
                || !abi::envoy_dynamic_module_callback_http_get_upstream_hosts_attempted(
                    self.filter,
                    found.as_mut_ptr(),
                )
            {
                // One that could not be connected to is not among them.
                let picked = self.text(abi::ATTRIBUTE_UPSTREAM_ADDRESS).and_then(|text| std::str::from_utf8(text).ok());
                return picked.filter(|address| !address.is_empty()).into_iter().collect();
            }
            found.iter().filter_map(|buffer| std::str::from_utf8(buffer.bytes()).ok()).collect()
        }
    }

    fn tries(&self) -> usize {
        let count = self.number(abi::ATTRIBUTE_UPSTREAM_REQUEST_ATTEMPT_COUNT).unwrap_or_default();
        usize::try_from(count).unwrap_or_default()
    }

    fn set_hash_key(&mut self, key: &[u8]) {
        self.set_filter_state(HASH_KEY, key);
    }

    fn set_tls_name(&mut self, name: &[u8]) {
        self.set_filter_state(TLS_NAME, name);
    }

    fn set_verified_name(&mut self, name: &[u8]) {
        self.set_filter_state(VERIFIED_NAME, name);
    }

    fn prefer_endpoint(&mut self, address: &[u8]) {
        // SAFETY: the pointer is valid during the hook; Envoy copies the address.
        unsafe {
            abi::envoy_dynamic_module_callback_http_set_upstream_override_host(self.filter, Buffer::of(address), false)
        };
    }

    fn note(&mut self, key: &str, text: &str) {
        let (key, text) = (Buffer::of(key.as_bytes()), Buffer::of(text.as_bytes()));
        // SAFETY: the pointer is valid during the hook; Envoy copies the texts.
        unsafe {
            abi::envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
                self.filter,
                Buffer::of(NOTES),
                key,
                text,
            );
        }
    }

    fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) {
        let (name, value) = (one_line(name), one_line(value));
        let (name, value) = (Buffer::of(&name), Buffer::of(&value));
        // SAFETY: the pointer is valid during the hook; Envoy copies both.
        unsafe { abi::envoy_dynamic_module_callback_http_set_header(self.filter, map_id(map), name, value) };
    }

    fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) {
        let (name, value) = (one_line(name), one_line(value));
        let (name, value) = (Buffer::of(&name), Buffer::of(&value));
        // SAFETY: as above.
        unsafe { abi::envoy_dynamic_module_callback_http_add_header(self.filter, map_id(map), name, value) };
    }

    fn remove_header(&mut self, map: Map, name: &[u8]) {
        // SAFETY: as above; a null value means removal.
        unsafe {
            abi::envoy_dynamic_module_callback_http_set_header(
                self.filter,
                map_id(map),
                Buffer::of(name),
                Buffer::EMPTY,
            )
        };
    }

    fn choose_route_again(&mut self) {
        // SAFETY: the pointer is valid during the hook.
        unsafe { abi::envoy_dynamic_module_callback_http_clear_route_cache(self.filter) };
    }

    fn send_reply(&mut self, status: u16, headers: Headers, body: Vec<u8>) {
        self.reply = Some(Reply::new(Some(status), headers, Body::Own(body)));
    }

    fn send_as_is(&mut self, headers: Headers, body: Vec<u8>) {
        self.reply = Some(Reply::new(None, headers, Body::Own(body)));
    }

    fn send_shared(&mut self, headers: Headers, body: Arc<Vec<u8>>) {
        self.reply = Some(Reply::new(None, headers, Body::Shared(body)));
    }

    fn request_body_size(&self) -> usize {
        let received = if self.received_is_buffered() { 0 } else { self.body_size(abi::RECEIVED_REQUEST_BODY) };
        self.body_size(abi::BUFFERED_REQUEST_BODY) + received
    }

    fn received_size(&self) -> usize {
        self.body_size(abi::RECEIVED_REQUEST_BODY)
    }

    fn request_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.request_body_size());
        self.chunks(abi::BUFFERED_REQUEST_BODY, &mut |chunk| body.extend_from_slice(chunk));
        if !self.received_is_buffered() {
            self.chunks(abi::RECEIVED_REQUEST_BODY, &mut |chunk| body.extend_from_slice(chunk));
        }
        body
    }

    fn replace_request_body(&mut self, body: &[u8]) {
        let received = self.body_size(abi::RECEIVED_REQUEST_BODY) > 0 && !self.received_is_buffered();
        self.drain(abi::BUFFERED_REQUEST_BODY);
        if received {
            self.drain(abi::RECEIVED_REQUEST_BODY);
            self.append(abi::RECEIVED_REQUEST_BODY, body);
        } else {
            self.append(abi::BUFFERED_REQUEST_BODY, body);
        }
    }

    fn take_response_chunk(&mut self, into: &mut Vec<u8>) {
        self.chunks(abi::RECEIVED_RESPONSE_BODY, &mut |chunk| into.extend_from_slice(chunk));
        self.drain(abi::RECEIVED_RESPONSE_BODY);
    }

    fn each_response_chunk(&self, show: &mut dyn FnMut(&[u8])) {
        self.chunks(abi::RECEIVED_RESPONSE_BODY, show);
    }

    fn replace_response_chunk(&mut self, body: &[u8]) {
        self.drain(abi::RECEIVED_RESPONSE_BODY);
        self.make_room(body.len());
        self.append(abi::RECEIVED_RESPONSE_BODY, body);
    }

    fn add_response_body(&mut self, body: &[u8]) {
        self.make_room(body.len());
        self.append(abi::BUFFERED_RESPONSE_BODY, body);
    }
}

pub struct EnvoyIncomingHeaders(EarlyHeaders);

impl EnvoyIncomingHeaders {
    /// # Safety
    /// `headers` must be the pointer that Envoy passed to the running hook, and the value must not outlive that hook.
    pub unsafe fn new(headers: EarlyHeaders) -> Self {
        Self(headers)
    }
}

impl IncomingHeaders for EnvoyIncomingHeaders {
    fn all(&self) -> HeaderList<'_> {
        // SAFETY: the pointer is valid during the hook; the bytes live until a write, which needs `&mut self`.
        unsafe {
            let count = abi::envoy_dynamic_module_callback_early_header_mutation_get_headers_size(self.0);
            list(count, |into| abi::envoy_dynamic_module_callback_early_header_mutation_get_headers(self.0, into))
        }
    }

    fn server_name(&self) -> Option<&[u8]> {
        let mut result = Buffer::EMPTY;
        // SAFETY: the pointer is valid during the hook; the name lives as long as the connection.
        unsafe {
            abi::envoy_dynamic_module_callback_early_header_mutation_get_attribute_string(
                self.0,
                abi::ATTRIBUTE_SERVER_NAME,
                &raw mut result,
            )
            .then(|| result.bytes())
        }
    }

    fn set(&mut self, name: &[u8], value: &[u8]) {
        let (name, value) = (one_line(name), one_line(value));
        let (name, value) = (Buffer::of(&name), Buffer::of(&value));
        // SAFETY: the pointer is valid during the hook; Envoy copies both.
        unsafe { abi::envoy_dynamic_module_callback_early_header_mutation_set_header(self.0, name, value) };
    }

    fn remove(&mut self, name: &[u8]) {
        // SAFETY: the pointer is valid during the hook.
        unsafe { abi::envoy_dynamic_module_callback_early_header_mutation_remove_header(self.0, Buffer::of(name)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_line() {
        assert_eq!(&*one_line(b"a\r\nx: y\0"), b"a  x: y ");
        assert!(matches!(one_line("a \té".as_bytes()), Cow::Borrowed(_)));
    }
}
