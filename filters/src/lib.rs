//! Kong's request policies as an Envoy dynamic module: answers, headers and counters are Kong's to the byte.
//!
//! Two filters: `gateway` handles the requests of one route, `consumers` only carries the table of consumers. All
//! rules live in modules that know nothing of Envoy; `hooks`, `abi` and `envoy_stream` connect them to it.

mod abi;
mod arguments;
mod body;
mod config;
mod consumers;
mod counters;
#[cfg(not(test))]
mod envoy_stream;
mod error;
mod error_body;
mod forwarding;
mod gateway;
#[cfg(not(test))]
mod hooks;
mod key_auth;
mod local_reply;
mod path;
mod rate_limiting;
mod request;
mod stream;
mod windows;
