//! The functions that Envoy calls: of the access log, and of the cluster whose configuration gives series out.
//!
//! No panic leaves them: what cannot be counted is not.

use crate::abi::{self, Buffer};
use crate::labels::{self, Ended, Own, Side};
use crate::series::Known;
use crate::source::{Series, Source};
use std::cell::UnsafeCell;
use std::env;
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

const NODE_VARIABLE: &str = "CROSSFADE_NODE";
const NAMESPACE_VARIABLE: &str = "CROSSFADE_NODE_NAMESPACE";
/// As Envoy writes a variable that is not set.
const NOT_SET: &str = "-";
const NANOSECONDS: u64 = 1_000_000;

/// Where series come from: there while the cluster is. What it has given out must not be used afterwards.
static SOURCE: AtomicPtr<Source> = AtomicPtr::new(ptr::null_mut());

pub fn quietly<T>(otherwise: T, action: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or(otherwise)
}

/// None before and after the cluster.
pub fn source() -> Option<&'static Source> {
    // SAFETY: nobody frees a source that is in use: it goes when workers have ended.
    unsafe { SOURCE.load(Ordering::Acquire).as_ref() }
}

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| NOT_SET.to_owned())
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    abi::VERSION.as_ptr()
}

// --- the access log --------------------------------------------------------------------------------------------------

struct Log {
    side: Side,
    own: Own,
}

/// One log on one thread.
struct Counting {
    log: Arc<Log>,
    known: UnsafeCell<Known<Series>>,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_config_new(
    _envoy: *mut c_void,
    name: Buffer,
    _config: Buffer,
) -> *const c_void {
    quietly(ptr::null(), || {
        // SAFETY: Envoy's text, valid during this call.
        let Some(side) = Side::named(unsafe { name.bytes() }) else { return ptr::null() };
        let own = Own { name: variable(NODE_VARIABLE), namespace: variable(NAMESPACE_VARIABLE) };
        Box::into_raw(Box::new(Arc::new(Log { side, own }))).cast::<c_void>().cast_const()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_config_destroy(config: *const c_void) {
    // SAFETY: what `config_new` gave, which Envoy uses no more.
    quietly((), || drop(unsafe { Box::from_raw(config.cast::<Arc<Log>>().cast_mut()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_new(
    config: *const c_void,
    _envoy: *mut c_void,
) -> *const c_void {
    quietly(ptr::null(), || {
        // SAFETY: what `config_new` gave, not freed yet.
        let Some(log) = (unsafe { config.cast::<Arc<Log>>().as_ref() }) else { return ptr::null() };
        let counting = Counting { log: Arc::clone(log), known: UnsafeCell::new(Known::new(log.side)) };
        Box::into_raw(Box::new(counting)).cast::<c_void>().cast_const()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_destroy(logger: *const c_void) {
    // SAFETY: what `logger_new` gave, which Envoy uses no more.
    quietly((), || drop(unsafe { Box::from_raw(logger.cast::<Counting>().cast_mut()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_log(envoy: *mut c_void, logger: *const c_void, _kind: u32) {
    quietly((), || {
        // SAFETY: what `logger_new` gave; Envoy calls it on one thread only, and no hook within another.
        let Some(counting) = (unsafe { logger.cast::<Counting>().as_ref() }) else { return };
        let Some(source) = source() else { return };
        // SAFETY: Envoy's request, valid during this call.
        unsafe { count(counting, source, envoy) };
    });
}

/// # Safety
/// `envoy` is the request that the running hook is told of.
unsafe fn count(counting: &Counting, source: &Source, envoy: abi::Ended) {
    let log = &*counting.log;
    // SAFETY: the caller's promise; the texts are used within this call.
    let ended = unsafe { ended(log.side, envoy) };
    if !ended.counts_at(log.side) {
        return;
    }
    // SAFETY: only this thread has it, and no other reference lives.
    let known = unsafe { &mut *counting.known.get() };
    let Some(series) = known.of(&ended, || source.series(labels::labels(log.side, &log.own, &ended))) else { return };
    // SAFETY: handles of a source that is there.
    unsafe {
        if !series.counter.is_null() {
            abi::envoy_dynamic_module_callback_cluster_metric_counter_add(series.counter, 1);
        }
        if !series.histogram.is_null() {
            let mut timing = abi::Timing::default();
            abi::envoy_dynamic_module_callback_access_logger_get_timing_info(envoy, &raw mut timing);
            if let Ok(nanoseconds) = u64::try_from(timing.request_complete) {
                let milliseconds = nanoseconds / NANOSECONDS;
                abi::envoy_dynamic_module_callback_cluster_metric_histogram_record(series.histogram, milliseconds);
            }
        }
    }
}

/// # Safety
/// As for `count`; the texts are valid as long as the hook runs.
unsafe fn ended<'a>(side: Side, envoy: abi::Ended) -> Ended<'a> {
    let (mut cluster, mut route) = (Buffer::EMPTY, Buffer::EMPTY);
    // SAFETY: the caller's promise.
    unsafe {
        if side != Side::Callee {
            abi::envoy_dynamic_module_callback_access_logger_get_upstream_cluster(envoy, &raw mut cluster);
            abi::envoy_dynamic_module_callback_access_logger_get_route_name(envoy, &raw mut route);
        }
        Ended {
            cluster: cluster.bytes(),
            route: route.bytes(),
            code: abi::envoy_dynamic_module_callback_access_logger_get_response_code(envoy),
            flags: abi::envoy_dynamic_module_callback_access_logger_get_response_flags(envoy),
        }
    }
}

// --- the cluster -----------------------------------------------------------------------------------------------------

/// Of the one cluster whose configuration this is.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_cluster_config_new(
    envoy: abi::Config,
    _name: Buffer,
    _config: Buffer,
) -> *const c_void {
    quietly(ptr::null(), || {
        // SAFETY: Envoy's configuration, during the call that makes it; the source is taken away with it.
        let Some(source) = (unsafe { Source::new(envoy) }) else { return ptr::null() };
        let source = Box::into_raw(Box::new(source));
        SOURCE.store(source, Ordering::Release);
        source.cast::<c_void>().cast_const()
    })
}

/// The cluster is static: this is the end of the process. The source itself is kept, should a thread still look at it.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_config_destroy(config: *const c_void) {
    let ours = config.cast::<Source>().cast_mut();
    let _ = SOURCE.compare_exchange(ours, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_new(config: *const c_void, _envoy: abi::Cluster) -> *const c_void {
    config
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_cluster_init(envoy: abi::Cluster, _cluster: *const c_void) {
    // SAFETY: Envoy's cluster, which waits for this.
    unsafe { abi::envoy_dynamic_module_callback_cluster_pre_init_complete(envoy) };
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_destroy(_cluster: *const c_void) {}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_lb_new(cluster: *const c_void, _envoy: *mut c_void) -> *const c_void {
    cluster
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_lb_destroy(_balancer: *const c_void) {}

/// There is no host.
///
/// # Safety
/// `host` and `handle` are Envoy's.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_cluster_lb_choose_host(
    _balancer: *const c_void,
    _context: *mut c_void,
    host: *mut *mut c_void,
    handle: *mut *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        *host = ptr::null_mut();
        *handle = ptr::null_mut();
    }
}
