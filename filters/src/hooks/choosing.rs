//! The functions by which Envoy has a request's route chosen: the choice is made once, before Envoy's own treatment, and
//! told when it asks for the entry of its table and for the cluster.

use super::{STORE, log_error};
use crate::abi::{self, Buffer, ClusterContext, EarlyHeaders, MatcherInput};
use crate::envoy_stream::EnvoyIncomingHeaders;
use crate::incoming::{self, Choice, Listener};
use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// By which Envoy's table asks for the entry.
const ACTION_INPUT: &[u8] = b"action";
/// By which its entries ask for the cluster.
const CLUSTER_SPECIFIER: &[u8] = b"cluster";

thread_local! {
    /// From the early header mutation to the filter of the same request: Envoy makes the filter before this thread sees
    /// another request, and looks for its own route in between.
    static CHOICE: RefCell<Option<Choice>> = const { RefCell::new(None) };
}

/// For the filter of the request that is on its way; nothing is left for another.
pub(super) fn take() -> Option<Choice> {
    CHOICE.with(|choice| choice.borrow_mut().take())
}

/// The configuration of `incoming` says which listener it is for.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_early_header_mutation_config_new(
    _config: *mut c_void,
    _name: Buffer,
    value: Buffer,
) -> *const c_void {
    // SAFETY: Envoy's buffer lives during the call.
    match serde_json::from_slice::<Listener>(unsafe { value.bytes() }) {
        Ok(listener) => Box::into_raw(Box::new(listener)).cast(),
        Err(error) => {
            log_error(&format!("early header mutation: {error}"));
            ptr::null()
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_early_header_mutation_config_destroy(config: *const c_void) {
    // SAFETY: made by `config_new`, destroyed once.
    drop(unsafe { Box::from_raw(config.cast_mut().cast::<Listener>()) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_early_header_mutation_mutate(
    config: *const c_void,
    headers: EarlyHeaders,
) -> bool {
    // SAFETY: made by `config_new`, alive as long as its requests.
    let listener = unsafe { config.cast::<Listener>().as_ref() }.copied().unwrap_or_default();
    // Without a choice, as after a fault, the filter `gateway` refuses the request.
    let choice = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the pointer is Envoy's for this hook.
        incoming::mutate(&mut unsafe { EnvoyIncomingHeaders::new(headers) }, STORE.world(), listener)
    }));
    CHOICE.with(|place| place.replace(choice.unwrap_or(None)));
    true
}

/// What both have instead of a configuration: they only hand on what has been chosen.
static NOTHING: u8 = 0;

fn known(is_known: bool, kind: &str, name: Buffer) -> *const c_void {
    if is_known {
        return (&raw const NOTHING).cast();
    }
    // SAFETY: Envoy's buffer lives during the call.
    log_error(&format!("there is no {kind} \"{}\"", String::from_utf8_lossy(unsafe { name.bytes() })));
    ptr::null()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_matcher_data_input_config_new(
    _config: *mut c_void,
    name: Buffer,
    _value: Buffer,
) -> *const c_void {
    // SAFETY: Envoy's buffer lives during the call.
    known(unsafe { name.bytes() } == ACTION_INPUT, "matcher input", name)
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_matcher_data_input_config_destroy(_config: *const c_void) {}

/// Which entry of Envoy's table the request takes; nothing is told where no route was chosen.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_matcher_data_input_get(_config: *const c_void, input: MatcherInput) {
    let action = catch_unwind(|| CHOICE.with(|choice| choice.borrow().as_ref().and_then(Choice::action)));
    if let Ok(Some(action)) = action {
        // SAFETY: the pointer is Envoy's for this hook; the text is copied.
        unsafe { abi::envoy_dynamic_module_callback_matcher_data_input_set_result(input, Buffer::of(&action)) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_specifier_config_new(
    _config: *mut c_void,
    name: Buffer,
    _value: Buffer,
) -> *const c_void {
    // SAFETY: Envoy's buffer lives during the call.
    known(unsafe { name.bytes() } == CLUSTER_SPECIFIER, "cluster specifier", name)
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_cluster_specifier_config_destroy(_config: *const c_void) {}

/// The cluster that takes the request. Without one, as after a fault, Envoy finds none.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_cluster_specifier_select(
    _config: *const c_void,
    context: ClusterContext,
) -> bool {
    let select = || {
        CHOICE.with(|choice| {
            let choice = choice.borrow();
            let Some(cluster) = choice.as_ref().and_then(Choice::cluster) else { return false };
            let name = Buffer::of(cluster.as_bytes());
            // SAFETY: the pointer is Envoy's for this hook; the name is copied.
            unsafe { abi::envoy_dynamic_module_callback_cluster_specifier_set_cluster_name(context, name) };
            true
        })
    };
    catch_unwind(AssertUnwindSafe(select)).unwrap_or(false)
}
