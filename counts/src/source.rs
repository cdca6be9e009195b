//! Envoy's series by their labels. Each is asked for once in a process: Envoy keeps something for each answer.

use crate::abi::{self, Buffer, Handle};
use crate::labels::{self, Labels};
use crate::series::{MOST_COUNTERS, MOST_HISTOGRAMS};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

type Define = unsafe extern "C" fn(abi::Config, Buffer, *const Buffer, usize, *mut usize) -> u32;
type Resolve = unsafe extern "C" fn(abi::Config, usize, *const Buffer, usize, *mut Handle) -> u32;

/// Null: there was no room.
#[derive(Clone, Copy)]
pub struct Series {
    pub counter: Handle,
    pub histogram: Handle,
}

pub struct Source {
    config: abi::Config,
    families: Mutex<(Family<8>, Family<4>)>,
    gauges: Mutex<Family<2>>,
    open_connections: AtomicPtr<c_void>,
}

impl Source {
    /// None where Envoy refuses the names.
    ///
    /// # Safety
    /// Envoy is making `config`, and keeps it for as long as the source is used.
    pub unsafe fn new(config: abi::Config) -> Option<Self> {
        // SAFETY: the caller's promise.
        let counters = unsafe {
            Family::new(
                config,
                (labels::COUNTER, labels::COUNTER_LABELS, MOST_COUNTERS),
                abi::envoy_dynamic_module_callback_cluster_config_define_counter,
                abi::envoy_dynamic_module_callback_cluster_config_resolve_counter_vec,
            )
        };
        // SAFETY: the same.
        let histograms = unsafe {
            Family::new(
                config,
                (labels::HISTOGRAM, labels::HISTOGRAM_LABELS, MOST_HISTOGRAMS),
                abi::envoy_dynamic_module_callback_cluster_config_define_histogram,
                abi::envoy_dynamic_module_callback_cluster_config_resolve_histogram_vec,
            )
        };
        // SAFETY: the same.
        let gauges = unsafe {
            Family::new(
                config,
                (labels::OPEN_CONNECTIONS, labels::OPEN_CONNECTIONS_LABELS, 1),
                abi::envoy_dynamic_module_callback_cluster_config_define_gauge,
                abi::envoy_dynamic_module_callback_cluster_config_resolve_gauge_vec,
            )
        };
        Some(Self {
            config,
            families: Mutex::new((counters?, histograms?)),
            gauges: Mutex::new(gauges?),
            open_connections: AtomicPtr::default(),
        })
    }

    /// The process's one gauge, which is shown from when it is first asked for.
    pub fn open_connections(&self, labels: impl FnOnce() -> [String; 2]) -> Handle {
        let known = self.open_connections.load(Ordering::Acquire);
        if !known.is_null() {
            return known;
        }
        let made = self.gauges.lock().unwrap_or_else(PoisonError::into_inner).handle(self.config, labels());
        self.open_connections.store(made, Ordering::Release);
        made
    }

    pub fn series(&self, labels: Labels) -> Series {
        let (counters, histograms) = &mut *self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.handle(self.config, labels.counter);
        Series { counter, histogram: histograms.handle(self.config, labels.histogram) }
    }
}

/// The series of one metric.
struct Family<const N: usize> {
    id: usize,
    most: usize,
    resolve: Resolve,
    handles: HashMap<[String; N], Handle>,
}

impl<const N: usize> Family<N> {
    /// `named`: the metric, its labels, and how many series it may have.
    ///
    /// # Safety
    /// As for `Source::new`; both functions are those of one kind of metric.
    unsafe fn new(
        config: abi::Config,
        named: (&str, [&str; N], usize),
        define: Define,
        resolve: Resolve,
    ) -> Option<Self> {
        let (name, labels, most) = named;
        let labels = labels.map(|label| Buffer::of(label.as_bytes()));
        let mut id = 0;
        // SAFETY: the caller's promise; Envoy copies the names.
        let result = unsafe { define(config, Buffer::of(name.as_bytes()), labels.as_ptr(), N, &raw mut id) };
        (result == abi::SUCCESS).then(|| Self { id, most, resolve, handles: HashMap::new() })
    }

    fn handle(&mut self, config: abi::Config, labels: [String; N]) -> Handle {
        if let Some(known) = self.handles.get(&labels) {
            return *known;
        }
        if self.handles.len() >= self.most {
            warn_once();
            return ptr::null_mut();
        }
        let values = labels.each_ref().map(|value| Buffer::of(value.as_bytes()));
        let mut found: Handle = ptr::null_mut();
        // SAFETY: the configuration that the metric is of, which is there; Envoy copies the values.
        let result = unsafe { (self.resolve)(config, self.id, values.as_ptr(), N, &raw mut found) };
        let found = if result == abi::SUCCESS { found } else { ptr::null_mut() };
        self.handles.insert(labels, found);
        found
    }
}

fn warn_once() {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    if !IS_TOLD.swap(true, Ordering::Relaxed) {
        let text =
            "crossfade: this proxy has as many series of its mesh's requests as it may; further ones are not counted";
        // SAFETY: Envoy copies the message.
        unsafe { abi::envoy_dynamic_module_callback_log(abi::LOG_WARNING, Buffer::of(text.as_bytes())) };
    }
}
