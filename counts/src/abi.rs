//! Declarations of the part of Envoy's dynamic-module ABI (v0.2.0, Envoy 1.40) that this library uses.
//!
//! Envoy passes buffers by value as pointer and length; enumerations are 32 bits wide.

use std::ffi::c_void;

pub const VERSION: &std::ffi::CStr = c"v0.2.0";
pub const SUCCESS: u32 = 0;
pub const LOG_WARNING: u32 = 3;

/// Bytes owned by either side; Envoy's are valid until the hook returns.
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

/// In nanoseconds; -1 for what has not happened.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timing {
    pub start_time_unix: i64,
    pub request_complete: i64,
    pub others: [i64; 8],
}

/// One request that has ended, in the hook that tells of it.
pub type Ended = *mut c_void;
/// The configuration of a cluster.
pub type Config = *mut c_void;
pub type Cluster = *mut c_void;
/// Of one counter, gauge or histogram; valid as long as the configuration that gave it, on any thread.
pub type Handle = *mut c_void;

unsafe extern "C" {
    pub fn envoy_dynamic_module_callback_log(level: u32, message: Buffer);
    pub fn envoy_dynamic_module_callback_access_logger_get_upstream_cluster(ended: Ended, result: *mut Buffer) -> bool;
    pub fn envoy_dynamic_module_callback_access_logger_get_route_name(ended: Ended, result: *mut Buffer) -> bool;
    /// 0: nobody was answered.
    pub fn envoy_dynamic_module_callback_access_logger_get_response_code(ended: Ended) -> u32;
    /// A bit each, in Envoy's own order.
    pub fn envoy_dynamic_module_callback_access_logger_get_response_flags(ended: Ended) -> u64;
    pub fn envoy_dynamic_module_callback_access_logger_get_timing_info(ended: Ended, result: *mut Timing);
    pub fn envoy_dynamic_module_callback_cluster_pre_init_complete(cluster: Cluster);
    pub fn envoy_dynamic_module_callback_cluster_config_define_counter(
        config: Config,
        name: Buffer,
        labels: *const Buffer,
        labels_size: usize,
        result: *mut usize,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_cluster_config_define_histogram(
        config: Config,
        name: Buffer,
        labels: *const Buffer,
        labels_size: usize,
        result: *mut usize,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_cluster_config_define_gauge(
        config: Config,
        name: Buffer,
        labels: *const Buffer,
        labels_size: usize,
        result: *mut usize,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_cluster_config_resolve_gauge_vec(
        config: Config,
        id: usize,
        values: *const Buffer,
        values_size: usize,
        result: *mut Handle,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_cluster_metric_gauge_add(gauge: Handle, value: u64);
    pub fn envoy_dynamic_module_callback_cluster_metric_gauge_sub(gauge: Handle, value: u64);
    pub fn envoy_dynamic_module_callback_cluster_config_resolve_counter_vec(
        config: Config,
        id: usize,
        values: *const Buffer,
        values_size: usize,
        result: *mut Handle,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_cluster_config_resolve_histogram_vec(
        config: Config,
        id: usize,
        values: *const Buffer,
        values_size: usize,
        result: *mut Handle,
    ) -> u32;
    pub fn envoy_dynamic_module_callback_cluster_metric_counter_add(counter: Handle, value: u64);
    pub fn envoy_dynamic_module_callback_cluster_metric_histogram_record(histogram: Handle, value: u64);
}
