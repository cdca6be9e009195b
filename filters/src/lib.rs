//! Kong's request policies as an Envoy dynamic module: answers, headers and counters are Kong's to the byte.
//!
//! `incoming` (an early header mutation) chooses the route of a request, `gateway` (a filter) carries it out: plugins,
//! headers, path, the response. The tables by which both decide (`tables`) are the configurations of the filters `root`
//! and `shard`. All rules live in modules that know nothing of Envoy; `hooks`, `abi` and `envoy_stream` connect them to
//! it, `library` to the control plane.

#[cfg(not(test))]
mod abi;
mod again;
mod arguments;
mod balancing;
mod body;
mod bytes;
mod cached;
mod charset;
mod cjson;
mod client;
mod client_certificate;
mod clock;
mod cookies;
mod copying;
#[allow(dead_code, reason = "plugins choose what they log")]
mod ended;
#[cfg(not(test))]
mod envoy_stream;
mod error;
mod error_body;
mod exchange;
mod filter_config;
mod forwarding;
mod gateway;
#[cfg(test)]
mod gateway_tests;
mod hashing;
mod headers;
#[cfg(not(test))]
mod hooks;
#[cfg(test)]
mod hostile_tests;
mod http_call;
mod incoming;
mod journal;
mod kept;
mod library;
mod local_reply;
mod lua;
mod messages;
mod metrics;
mod net;
mod networks;
mod nginx_base64;
mod oidc;
mod path;
mod plugins;
#[allow(dead_code, reason = "plugins choose what they tell")]
mod record;
mod recorded;
mod redis;
mod rehearsal;
mod remembered;
mod reply;
mod request;
mod response;
mod rewriting;
mod router;
mod sealed;
#[cfg(not(test))]
mod session_hooks;
#[cfg_attr(test, allow(dead_code, reason = "the hooks use it"))]
mod sessions;
mod signature;
mod sinks;
mod stream;
mod tables;
mod taking;
#[cfg(test)]
mod testing;
mod text;
mod tracing;
#[allow(dead_code, reason = "plugins choose what they wait with")]
mod waiting;
#[cfg(test)]
mod waiting_tests;
