//! Kong's request policies as an Envoy dynamic module: answers, headers and counters are Kong's to the byte.
//!
//! Three extensions: `incoming` (an early header mutation) normalises the path before the route is chosen, `gateway` (a
//! filter) handles the requests of one route, `consumers` (a filter) only carries the table of consumers. All rules live
//! in modules that know nothing of Envoy; `hooks`, `abi` and `envoy_stream` connect them to it.

#[cfg(not(test))]
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
mod filter_config;
mod forwarding;
mod gateway;
#[cfg(test)]
mod gateway_tests;
#[cfg(not(test))]
mod hooks;
mod incoming;
mod key_auth;
mod local_reply;
mod path;
mod rate_limiting;
mod request;
mod response;
mod stream;
mod text;
mod windows;
