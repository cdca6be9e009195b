//! The functions of an access log that Envoy calls: for sessions of streams, when they have ended.
//!
//! No panic leaves them: what cannot be counted is not.

use crate::abi::{self, Buffer, Ended, Timing};
use crate::hooks::{log_error, world};
use crate::sessions::{Place, lasted};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_config_new(
    _envoy: *mut c_void,
    name: Buffer,
    config: Buffer,
) -> *const c_void {
    // SAFETY: Envoy's buffers live during the call.
    let (name, config) = unsafe { (name.bytes(), config.bytes()) };
    match catch_unwind(|| Place::parse(&String::from_utf8_lossy(config))) {
        Ok(Ok(place)) => Box::into_raw(Box::new(Arc::new(place))).cast_const().cast(),
        Ok(Err(error)) => {
            log_error(&format!("crossfade_policy access log \"{}\": {error}", String::from_utf8_lossy(name)));
            ptr::null()
        }
        Err(_) => ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_config_destroy(config: *const c_void) {
    // SAFETY: made by `config_new`, destroyed once.
    let _ = catch_unwind(|| drop(unsafe { Box::from_raw(config.cast_mut().cast::<Arc<Place>>()) }));
}

/// One for each thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_new(
    config: *const c_void,
    _envoy: *mut c_void,
) -> *const c_void {
    // SAFETY: made by `config_new`, not destroyed yet.
    let Some(place) = (unsafe { config.cast::<Arc<Place>>().as_ref() }) else { return ptr::null() };
    Arc::into_raw(Arc::clone(place)).cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_destroy(logger: *const c_void) {
    // SAFETY: made by `logger_new`, destroyed once.
    let _ = catch_unwind(|| drop(unsafe { Arc::from_raw(logger.cast::<Place>()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_log(envoy: Ended, logger: *const c_void, _kind: u32) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: made by `logger_new`, alive until `logger_destroy`.
        let Some(place) = (unsafe { logger.cast::<Place>().as_ref() }) else { return };
        // SAFETY: Envoy's session, valid during this call.
        if let (Some(world), Some((flags, duration))) = (world(), unsafe { told(envoy) }) {
            place.end(&world, flags, duration);
        }
    }));
    if outcome.is_err() {
        log_error("the end of a session failed on a fault in the policy module");
    }
}

/// Flags and duration; None where TLS has not been agreed on, so that no session began.
///
/// # Safety
/// `envoy` is the session that the running hook is told of.
unsafe fn told(envoy: Ended) -> Option<(u64, Duration)> {
    let (mut failure, mut timing) = (Buffer::EMPTY, Timing::default());
    // SAFETY: the caller's promise.
    unsafe {
        let has_failed = abi::envoy_dynamic_module_callback_access_logger_get_downstream_transport_failure_reason(
            envoy,
            &raw mut failure,
        );
        if has_failed && failure.length > 0 {
            return None;
        }
        abi::envoy_dynamic_module_callback_access_logger_get_timing_info(envoy, &raw mut timing);
        let flags = abi::envoy_dynamic_module_callback_access_logger_get_response_flags(envoy);
        Some((flags, lasted(timing.start_time_unix, timing.request_complete, SystemTime::now())))
    }
}
