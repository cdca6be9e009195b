//! The functions that Envoy calls. No panic leaves them: a fault in a request is answered with 500.

mod choosing;

use crate::abi::{self, Buffer, EnvoyFilter, Header};
use crate::cached::Door;
use crate::envoy_stream::EnvoyStream;
use crate::filter_config::FilterConfig;
use crate::gateway::{Filter, Flow};
use crate::journal::{self, Level};
use crate::metrics::scrape::Scrapes;
use crate::plugins::proxy_cache::store::STORE as KEPT;
use crate::plugins::rate_limiting::counters::Counters;
use crate::sinks::queue;
use crate::tables::{Store, World};
use crate::waiting::Ticket;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The counters of this process; they outlive every configuration.
static COUNTERS: LazyLock<Counters> = LazyLock::new(Counters::new);

/// The tables of this process, fed by the configurations of the filters `root` and `shard`.
static STORE: LazyLock<Store> = LazyLock::new(Store::default);

/// What holds now.
pub fn world() -> Option<Arc<World>> {
    STORE.world()
}

/// One filter of one stream.
struct Instance {
    /// A hook is running, and no other one may touch the filter.
    is_busy: Cell<bool>,
    /// A fault could not even be answered: nothing of this stream goes on.
    is_broken: Cell<bool>,
    filter: Option<UnsafeCell<Filter>>,
    door: Option<Arc<Door>>,
    page: Option<Page>,
}

/// Of metrics; the ticket is there while it is being made.
struct Page {
    scrapes: Arc<Scrapes>,
    ticket: RefCell<Option<Ticket>>,
}

fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => abi::LOG_DEBUG,
        Level::Info => abi::LOG_INFO,
        Level::Warning => abi::LOG_WARNING,
        Level::Error => abi::LOG_ERROR,
    };
    // SAFETY: Envoy copies the message; its log may be written to from any thread.
    unsafe { abi::envoy_dynamic_module_callback_log(level, Buffer::of(message.as_bytes())) };
}

pub fn log_error(message: &str) {
    log(Level::Error, message);
}

/// Runs `action` on the filter and its stream. A panic ends the request with 500. A reply is sent when the action is
/// over: inside the call Envoy runs other hooks of the same filter, and may destroy it.
///
/// # Safety
/// Both pointers must be those that Envoy passed to the running hook.
unsafe fn run(
    envoy: EnvoyFilter,
    module: *const c_void,
    action: impl FnOnce(&mut Filter, &mut EnvoyStream) -> Flow,
) -> Flow {
    // SAFETY: `module` is what `filter_new` gave, alive until `filter_destroy`.
    let Some(instance) = (unsafe { module.cast::<Instance>().as_ref() }) else { return Flow::Continue };
    let Some(cell) = &instance.filter else { return Flow::Continue };
    if instance.is_broken.get() {
        return Flow::Answered;
    }
    if instance.is_busy.replace(true) {
        return Flow::Continue;
    }
    // SAFETY: Envoy runs the hooks of a stream on one thread, and `is_busy` keeps a nested one out.
    let (filter, mut stream) = unsafe { (&mut *cell.get(), EnvoyStream::new(envoy)) };
    let outcome = catch_unwind(AssertUnwindSafe(|| action(filter, &mut stream)));
    let flow = outcome.unwrap_or_else(|_| {
        let answered = catch_unwind(AssertUnwindSafe(|| {
            log_error("a request failed on a fault in the policy module");
            filter.fail(&mut stream);
        }));
        // Going on would let the request through without its policies.
        instance.is_broken.set(answered.is_err());
        Flow::Answered
    });
    instance.is_busy.set(false);
    if let Some(reply) = stream.into_reply() {
        // Sending it may end the stream, and with it the instance.
        // SAFETY: Envoy passed the pointer to this hook, and nothing follows.
        unsafe { reply.send(envoy) };
    }
    flow
}

/// Whether the stream is one of the control plane's, which is answered then; after a fault it is not, and goes nowhere.
///
/// # Safety
/// Both pointers must be those that Envoy passed to the running hook.
unsafe fn answer_at_door(envoy: EnvoyFilter, module: *const c_void) -> bool {
    // SAFETY: `module` is what `filter_new` gave, alive until `filter_destroy`.
    let instance = unsafe { module.cast::<Instance>().as_ref() };
    let Some(door) = instance.and_then(|instance| instance.door.as_ref()) else { return false };
    // SAFETY: the pointer is Envoy's for this hook.
    let mut stream = unsafe { EnvoyStream::new(envoy) };
    if catch_unwind(AssertUnwindSafe(|| door.on_request(&mut stream, &KEPT))).is_err() {
        log_error("a request for what is cached failed on a fault in the policy module");
    }
    if let Some(reply) = stream.into_reply() {
        // SAFETY: as above, and nothing follows.
        unsafe { reply.send(envoy) };
    }
    true
}

/// The same for who scrapes: the request begins to be answered, or what it waited for is here.
///
/// # Safety
/// Both pointers must be those that Envoy passed to the running hook.
unsafe fn show_page(envoy: EnvoyFilter, module: *const c_void) -> bool {
    // SAFETY: `module` is what `filter_new` gave, alive until `filter_destroy`.
    let instance = unsafe { module.cast::<Instance>().as_ref() };
    let Some(page) = instance.and_then(|instance| instance.page.as_ref()) else { return false };
    // SAFETY: the pointer is Envoy's for this hook.
    let mut stream = unsafe { EnvoyStream::new(envoy) };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut ticket = page.ticket.borrow_mut();
        match &*ticket {
            Some(ticket) => Scrapes::on_scheduled(ticket, &mut stream),
            None => *ticket = page.scrapes.on_request(STORE.world(), &mut stream),
        }
    }));
    if outcome.is_err() {
        log_error("a request for metrics failed on a fault in the policy module");
    }
    if let Some(reply) = stream.into_reply() {
        // SAFETY: as above, and nothing follows.
        unsafe { reply.send(envoy) };
    }
    true
}

/// How long the end of the process waits for what is queued for others.
const LONGEST_FLUSH: Duration = Duration::from_secs(3);

/// Envoy's own log is no more by then.
extern "C" fn at_exit() {
    journal::fall_silent();
    let left = catch_unwind(|| queue::flush(LONGEST_FLUSH)).unwrap_or_default();
    if left > 0 {
        eprintln!("log plugins: {left} records that were queued are lost at the end of the process");
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    if !abi::find_callbacks() {
        return ptr::null();
    }
    journal::set_sink(log);
    // SAFETY: the function is there as long as this library, which is never unloaded, and catches its panics.
    unsafe { libc::atexit(at_exit) };
    abi::VERSION.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    _config: *mut c_void,
    name: Buffer,
    config: Buffer,
) -> *const c_void {
    // SAFETY: Envoy's buffers live during the call.
    let (name, config) = unsafe { (name.bytes(), config.bytes()) };
    match catch_unwind(|| FilterConfig::parse(name, config, &STORE, log_error)) {
        Ok(Ok(parsed)) => Box::into_raw(Box::new(parsed)).cast(),
        Ok(Err(error)) => {
            log_error(&format!("crossfade_policy filter \"{}\": {error}", String::from_utf8_lossy(name)));
            ptr::null()
        }
        Err(_) => ptr::null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(config: *const c_void) {
    // SAFETY: made by `config_new`, destroyed once.
    let _ = catch_unwind(|| drop(unsafe { Box::from_raw(config.cast_mut().cast::<FilterConfig>()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const c_void,
    _envoy: EnvoyFilter,
) -> *const c_void {
    // SAFETY: made by `config_new`, alive as long as its filters.
    let config = unsafe { config.cast::<FilterConfig>().as_ref() };
    let made = catch_unwind(AssertUnwindSafe(|| {
        let (mut door, mut page) = (None, None);
        let filter = match config {
            Some(FilterConfig::Gateway) => {
                let choice = choosing::take();
                let settings = || Some(Arc::clone(&STORE.world()?.settings));
                let settings = if choice.is_none() { settings() } else { None };
                Some(UnsafeCell::new(Filter::new(choice, settings, &COUNTERS)))
            }
            Some(FilterConfig::Cached(one)) => {
                door = Some(Arc::clone(one));
                None
            }
            Some(FilterConfig::Metrics(scrapes)) => {
                page = Some(Page { scrapes: Arc::clone(scrapes), ticket: RefCell::new(None) });
                None
            }
            Some(FilterConfig::Table) | None => None,
        };
        let (is_busy, is_broken) = (Cell::new(false), Cell::new(false));
        Box::into_raw(Box::new(Instance { is_busy, is_broken, filter, door, page }))
    }));
    made.map_or(ptr::null(), |instance| instance.cast::<c_void>().cast_const())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(module: *const c_void) {
    // SAFETY: made by `filter_new`, destroyed once.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(module.cast_mut().cast::<Instance>()) })));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: EnvoyFilter,
    module: *const c_void,
    end_of_stream: bool,
) -> u32 {
    // SAFETY: the pointers are Envoy's for this hook.
    if unsafe { answer_at_door(envoy, module) || show_page(envoy, module) } {
        return abi::STOP;
    }
    // SAFETY: as above.
    match unsafe { run(envoy, module, |filter, stream| filter.on_request_headers(stream, end_of_stream)) } {
        Flow::Continue => abi::CONTINUE,
        Flow::Wait | Flow::Pause | Flow::Answered => abi::STOP,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    envoy: EnvoyFilter,
    module: *const c_void,
    end_of_stream: bool,
) -> u32 {
    // SAFETY: the pointers are Envoy's for this hook.
    match unsafe { run(envoy, module, |filter, stream| filter.on_request_body(stream, end_of_stream)) } {
        Flow::Continue => abi::CONTINUE,
        Flow::Wait => abi::STOP,
        Flow::Pause => abi::STOP_BODY_WATERMARK,
        Flow::Answered => abi::STOP_BODY_NO_BUFFER,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    envoy: EnvoyFilter,
    module: *const c_void,
) -> u32 {
    // SAFETY: the pointers are Envoy's for this hook.
    match unsafe { run(envoy, module, |filter, stream| filter.on_request_trailers(stream)) } {
        Flow::Continue => abi::CONTINUE,
        Flow::Wait | Flow::Pause | Flow::Answered => abi::STOP,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: EnvoyFilter,
    module: *const c_void,
    end_of_stream: bool,
) -> u32 {
    // SAFETY: the pointers are Envoy's for this hook.
    match unsafe { run(envoy, module, |filter, stream| filter.on_response_headers(stream, end_of_stream)) } {
        Flow::Continue => abi::CONTINUE,
        Flow::Wait | Flow::Pause | Flow::Answered => abi::STOP,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    envoy: EnvoyFilter,
    module: *const c_void,
    end_of_stream: bool,
) -> u32 {
    // SAFETY: the pointers are Envoy's for this hook.
    match unsafe { run(envoy, module, |filter, stream| filter.on_response_body(stream, end_of_stream)) } {
        Flow::Continue => abi::CONTINUE,
        Flow::Wait => abi::STOP,
        Flow::Pause => abi::STOP_BODY_WATERMARK,
        Flow::Answered => abi::STOP_BODY_NO_BUFFER,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    envoy: EnvoyFilter,
    module: *const c_void,
) -> u32 {
    // SAFETY: the pointers are Envoy's for this hook.
    match unsafe { run(envoy, module, |filter, stream| filter.on_response_trailers(stream)) } {
        Flow::Continue => abi::CONTINUE,
        Flow::Wait | Flow::Pause | Flow::Answered => abi::STOP,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_local_reply(
    envoy: EnvoyFilter,
    module: *const c_void,
    status: u32,
    details: Buffer,
    _reset_imminent: bool,
) -> u32 {
    let action = |filter: &mut Filter, _: &mut EnvoyStream| {
        // SAFETY: Envoy's buffer lives during the hook.
        filter.on_local_reply(status, unsafe { details.bytes() });
        Flow::Continue
    };
    // SAFETY: the pointers are Envoy's for this hook.
    unsafe { run(envoy, module, action) };
    abi::CONTINUE
}

/// Some answer that the stream waited for is here. Envoy carries the request on inside the call that tells it to, and may
/// answer it there: the filter is free by then.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    envoy: EnvoyFilter,
    module: *const c_void,
    _event: u64,
) {
    // SAFETY: the pointers are Envoy's for this hook.
    if unsafe { show_page(envoy, module) } {
        return;
    }
    // SAFETY: as above.
    if unsafe { run(envoy, module, |filter, stream| filter.on_scheduled(stream)) } == Flow::Continue {
        // SAFETY: as above; the request was stopped in a hook of its own.
        unsafe { abi::envoy_dynamic_module_callback_http_filter_continue_decoding(envoy) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(envoy: EnvoyFilter, module: *const c_void) {
    let action = |filter: &mut Filter, stream: &mut EnvoyStream| {
        // Nothing is left that could be answered.
        let end = || {
            filter.on_stream_complete(stream);
            filter.leave_record(stream);
        };
        if catch_unwind(AssertUnwindSafe(end)).is_err() {
            log_error("the log phase of a request failed on a fault in the policy module");
        }
        Flow::Continue
    };
    // SAFETY: the pointers are Envoy's for this hook.
    unsafe { run(envoy, module, action) };
}

/// Hooks that Envoy demands and this module has no use for.
macro_rules! unused_hooks {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name($(_: $argument),*) $(-> $result)? {
            $(<$result>::default())?
        })*
    };
}

unused_hooks! {
    envoy_dynamic_module_on_http_filter_http_callout_done(
        EnvoyFilter, *const c_void, u64, u32, *const Header, usize, *const Buffer, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        EnvoyFilter, *const c_void, u64, *const Header, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(
        EnvoyFilter, *const c_void, u64, *const Buffer, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(EnvoyFilter, *const c_void, u64, *const Header, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(EnvoyFilter, *const c_void, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(EnvoyFilter, *const c_void, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(EnvoyFilter, *const c_void);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(EnvoyFilter, *const c_void);
}
