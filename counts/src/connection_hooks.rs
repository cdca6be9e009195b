//! The functions of a network filter that Envoy calls: it lets everything through, and counts a connection as open for
//! as long as it lives.

use crate::abi::{self, Buffer, Handle};
use crate::hooks::{quietly, source, variable};
use std::ffi::c_void;
use std::ptr;

const MESH_VARIABLE: &str = "CROSSFADE_MESH";
const AWS_NODE_VARIABLE: &str = "CROSSFADE_AWS_NODE";
const CONTINUE: u32 = 0;

/// What stands for a configuration, and for a connection that could not be counted: Envoy takes null for a failure.
static NOTHING: u8 = 0;

fn nothing() -> *const c_void {
    (&raw const NOTHING).cast()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_config_new(
    _envoy: *mut c_void,
    _name: Buffer,
    _config: Buffer,
) -> *const c_void {
    nothing()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_config_destroy(_config: *const c_void) {}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_new(_config: *const c_void, _envoy: *mut c_void) -> *const c_void {
    quietly(nothing(), || {
        let labels = || [MESH_VARIABLE, AWS_NODE_VARIABLE].map(variable);
        let gauge = source().map_or(ptr::null_mut(), |source| source.open_connections(labels));
        if gauge.is_null() {
            return nothing();
        }
        // SAFETY: the handle is of a source that is there.
        unsafe { abi::envoy_dynamic_module_callback_cluster_metric_gauge_add(gauge, 1) };
        gauge.cast_const()
    })
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_destroy(filter: *const c_void) {
    let gauge: Handle = filter.cast_mut();
    quietly((), || {
        if filter != nothing() && source().is_some() {
            // SAFETY: what `filter_new` gave, of the source that is there still: it is static.
            unsafe { abi::envoy_dynamic_module_callback_cluster_metric_gauge_sub(gauge, 1) };
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_new_connection(
    _envoy: *mut c_void,
    _filter: *const c_void,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_read(
    _envoy: *mut c_void,
    _filter: *const c_void,
    _length: usize,
    _is_end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_write(
    _envoy: *mut c_void,
    _filter: *const c_void,
    _length: usize,
    _is_end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_event(_envoy: *mut c_void, _filter: *const c_void, _event: u32) {}
