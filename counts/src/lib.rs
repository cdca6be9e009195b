//! Counts the requests of a mesh's proxies as an access log of Envoy's, for an increment each.
//!
//! Envoy's own access log of statistics (`envoy.access_loggers.stats`) formats all labels of a request and looks its
//! series up by them, each time. Here a series is looked up when its first request ends; later ones find it by the few
//! names that tell it apart (`series`). What the labels say is in `labels`, which knows nothing of Envoy; `hooks` and
//! `abi` connect both to it.
//!
//! Only the configuration of a cluster gives Envoy's series out to keep: so this library is a cluster too, which has no
//! host and takes no request. It is a network filter besides, where connections that are open are to be counted.

#[cfg(not(test))]
mod abi;
#[cfg(not(test))]
mod connection_hooks;
mod flags;
#[cfg(not(test))]
mod hooks;
#[cfg_attr(test, allow(dead_code, reason = "the hooks use it"))]
mod labels;
#[cfg_attr(test, allow(dead_code, reason = "the hooks use it"))]
mod series;
#[cfg(not(test))]
mod source;
