//! Declarations of the part of Envoy's dynamic-module ABI (v0.2.0, Envoy 1.40) that this module uses.
//!
//! Envoy passes buffers by value as pointer and length; enumerations are 32 bits wide.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub const VERSION: &std::ffi::CStr = c"v0.2.0";

/// Bytes owned by either side; valid only until the next call that writes to what they point into.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buffer {
    pub ptr: *const u8,
    pub length: usize,
}

impl Buffer {
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), length: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), length: bytes.len() }
    }

    /// # Safety
    /// The bytes must stay valid and unchanged for `'a`.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: the caller promises validity; the null case is handled above.
        unsafe { std::slice::from_raw_parts(self.ptr, self.length) }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    pub name: Buffer,
    pub value: Buffer,
}

/// In nanoseconds; -1 for what has not happened.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timing {
    pub start_time_unix: i64,
    pub request_complete: i64,
    pub others: [i64; 8],
}

pub type EnvoyFilter = *mut c_void;
/// What an access log is told of, in the hook that tells it.
pub type Ended = *mut c_void;
/// Calls one filter's hook `scheduled` on its own thread; ours, until it is deleted.
pub type Scheduler = *mut c_void;
/// The headers of one request before its route is chosen.
pub type EarlyHeaders = *mut c_void;
/// What a matcher of Envoy's asks for.
pub type MatcherInput = *mut c_void;
/// A request whose route in Envoy's table is found, and whose cluster is not.
pub type ClusterContext = *mut c_void;

pub const REQUEST_HEADERS: u32 = 0;
pub const RESPONSE_HEADERS: u32 = 2;

pub const RECEIVED_REQUEST_BODY: u32 = 0;
pub const BUFFERED_REQUEST_BODY: u32 = 1;
pub const RECEIVED_RESPONSE_BODY: u32 = 2;
pub const BUFFERED_RESPONSE_BODY: u32 = 3;

pub const CONTINUE: u32 = 0;
/// Headers: stop here. Body: stop and keep what was received. Trailers: stop.
pub const STOP: u32 = 1;
/// The same, and slow the sender down instead of refusing what is too much to keep.
pub const STOP_BODY_WATERMARK: u32 = 2;
pub const STOP_BODY_NO_BUFFER: u32 = 3;

pub const ATTRIBUTE_REQUEST_PATH: u32 = 0;
pub const ATTRIBUTE_PROTOCOL: u32 = 10;
pub const ATTRIBUTE_REQUEST_SIZE: u32 = 13;
pub const ATTRIBUTE_REQUEST_TOTAL_SIZE: u32 = 14;
pub const ATTRIBUTE_RESPONSE_CODE: u32 = 15;
pub const ATTRIBUTE_RESPONSE_TOTAL_SIZE: u32 = 22;

pub const ATTRIBUTE_SOURCE_ADDRESS: u32 = 24;
pub const ATTRIBUTE_DESTINATION_ADDRESS: u32 = 26;
pub const ATTRIBUTE_CONNECTION_ID: u32 = 28;
pub const ATTRIBUTE_SERVER_NAME: u32 = 30;
pub const ATTRIBUTE_TLS_VERSION: u32 = 31;

pub const ATTRIBUTE_UPSTREAM_ADDRESS: u32 = 41;
pub const ATTRIBUTE_UPSTREAM_REQUEST_ATTEMPT_COUNT: u32 = 53;

pub const LOG_DEBUG: u32 = 1;
pub const LOG_INFO: u32 = 2;
pub const LOG_WARNING: u32 = 3;
pub const LOG_ERROR: u32 = 4;

/// Declares functions of Envoy that are looked up by name when it loads the module. The control plane loads the same
/// library where there is no Envoy: linked by name, it could not be loaded there.
macro_rules! callbacks {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        struct Callbacks {
            $($name: unsafe extern "C" fn($($type),*) $(-> $result)?,)*
        }

        /// Null until `find_callbacks` has found all of them.
        static CALLBACKS: AtomicPtr<Callbacks> = AtomicPtr::new(ptr::null_mut());

        /// Whether this process has all the functions; to be called before any of them.
        pub fn find_callbacks() -> bool {
            if !CALLBACKS.load(Ordering::Acquire).is_null() {
                return true;
            }
            let found = Callbacks {
                $($name: {
                    // SAFETY: the name is a constant that ends with a zero byte.
                    let address = unsafe {
                        libc::dlsym(libc::RTLD_DEFAULT, concat!(stringify!($name), "\0").as_ptr().cast())
                    };
                    if address.is_null() {
                        return false;
                    }
                    // SAFETY: a function of Envoy's ABI of this name has this signature.
                    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($type),*) $(-> $result)?>(address) }
                },)*
            };
            CALLBACKS.store(Box::into_raw(Box::new(found)), Ordering::Release);
            true
        }

        $($(#[$doc])*
        pub unsafe fn $name($($argument: $type),*) $(-> $result)? {
            // SAFETY: Envoy calls no hook unless `find_callbacks` succeeded, and the table is never freed; for the
            // arguments the caller promises what Envoy asks.
            unsafe { ((*CALLBACKS.load(Ordering::Relaxed)).$name)($($argument),*) }
        })*
    };
}

callbacks! {
    fn envoy_dynamic_module_callback_log(level: u32, message: Buffer);
    /// A bit each, in Envoy's own order.
    fn envoy_dynamic_module_callback_access_logger_get_response_flags(ended: Ended) -> u64;
    fn envoy_dynamic_module_callback_access_logger_get_timing_info(ended: Ended, result: *mut Timing);
    /// Why TLS with the client was not agreed on.
    fn envoy_dynamic_module_callback_access_logger_get_downstream_transport_failure_reason(
        ended: Ended,
        result: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_headers_size(filter: EnvoyFilter, map: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(filter: EnvoyFilter, map: u32, result: *mut Header) -> bool;
    /// Replaces every value of the header; a null value removes it.
    fn envoy_dynamic_module_callback_http_set_header(
        filter: EnvoyFilter,
        map: u32,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_add_header(
        filter: EnvoyFilter,
        map: u32,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        filter: EnvoyFilter,
        attribute: u32,
        result: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
        filter: EnvoyFilter,
        attribute: u32,
        result: *mut u64,
    ) -> bool;
    /// `address:port` of the connection's other end, whatever the headers say.
    fn envoy_dynamic_module_callback_http_get_downstream_direct_remote_address(
        filter: EnvoyFilter,
        result: *mut Buffer,
    ) -> bool;
    /// `address:port` of the endpoint that has been asked.
    fn envoy_dynamic_module_callback_http_get_upstream_remote_address(
        filter: EnvoyFilter,
        result: *mut Buffer,
    ) -> bool;
    /// Of those that have an address.
    fn envoy_dynamic_module_callback_http_get_upstream_hosts_attempted_size(filter: EnvoyFilter) -> usize;
    /// `address:port` of each endpoint that a try was for, in order; as many as the size says.
    fn envoy_dynamic_module_callback_http_get_upstream_hosts_attempted(
        filter: EnvoyFilter,
        result: *mut Buffer,
    ) -> bool;
    /// Makes an object of the kind that Envoy knows under `key`, of the text `value`.
    fn envoy_dynamic_module_callback_http_set_filter_state_typed(
        filter: EnvoyFilter,
        key: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_set_upstream_override_host(
        filter: EnvoyFilter,
        host: Buffer,
        strict: bool,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_send_response(
        filter: EnvoyFilter,
        status: u32,
        headers: *const Header,
        headers_size: usize,
        body: Buffer,
        details: Buffer,
    );
    fn envoy_dynamic_module_callback_http_send_response_headers(
        filter: EnvoyFilter,
        headers: *const Header,
        headers_size: usize,
        end_of_stream: bool,
    );
    fn envoy_dynamic_module_callback_http_send_response_data(filter: EnvoyFilter, data: Buffer, end_of_stream: bool);
    fn envoy_dynamic_module_callback_http_get_body_chunks_size(filter: EnvoyFilter, body: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_body_chunks(
        filter: EnvoyFilter,
        body: u32,
        result: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_body_size(filter: EnvoyFilter, body: u32) -> usize;
    fn envoy_dynamic_module_callback_http_append_body(filter: EnvoyFilter, body: u32, data: Buffer) -> bool;
    /// 0: no limit.
    fn envoy_dynamic_module_callback_http_get_buffer_limit(filter: EnvoyFilter) -> u64;
    fn envoy_dynamic_module_callback_http_set_buffer_limit(filter: EnvoyFilter, limit: u64);
    fn envoy_dynamic_module_callback_http_drain_body(filter: EnvoyFilter, body: u32, bytes: usize) -> bool;
    /// Envoy chooses its route anew, by what the request's headers are then.
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: EnvoyFilter);
    fn envoy_dynamic_module_callback_http_filter_continue_decoding(filter: EnvoyFilter);
    fn envoy_dynamic_module_callback_http_filter_scheduler_new(filter: EnvoyFilter) -> Scheduler;
    /// From any thread, as long as the filter's thread is there. Nothing happens if the filter has gone.
    fn envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler: Scheduler, event: u64);
    fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: Scheduler);
    fn envoy_dynamic_module_callback_early_header_mutation_get_headers_size(headers: EarlyHeaders) -> usize;
    fn envoy_dynamic_module_callback_early_header_mutation_get_headers(
        headers: EarlyHeaders,
        result: *mut Header,
    ) -> bool;
    fn envoy_dynamic_module_callback_early_header_mutation_set_header(
        headers: EarlyHeaders,
        name: Buffer,
        value: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_early_header_mutation_remove_header(
        headers: EarlyHeaders,
        name: Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_matcher_data_input_set_result(input: MatcherInput, result: Buffer);
    fn envoy_dynamic_module_callback_cluster_specifier_set_cluster_name(context: ClusterContext, name: Buffer);
    /// What the access log finds as `%DYNAMIC_METADATA(namespace:key)%`.
    fn envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
        filter: EnvoyFilter,
        namespace: Buffer,
        key: Buffer,
        value: Buffer,
    );
    fn envoy_dynamic_module_callback_http_received_buffered_request_body(filter: EnvoyFilter) -> bool;
    fn envoy_dynamic_module_callback_early_header_mutation_get_attribute_string(
        headers: EarlyHeaders,
        attribute: u32,
        result: *mut Buffer,
    ) -> bool;
}
