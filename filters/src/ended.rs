//! The end of a stream: what the plugins that log see of it.

use crate::clock::now_ms;
use crate::exchange::Identity;
use crate::forwarding::Changes;
use crate::gateway::{Filter, Phase};
use crate::metrics::traffic::{CONSUMERS, Ending, ROUTES, UNROUTED};
use crate::record::arrival::{Arrival, Told};
use crate::record::line::Line;
use crate::remembered::Remembered;
use crate::request::Request;
use crate::router::PathPattern;
use crate::stream::{HeaderList, Map, Stream};
use crate::tables::{Route, World};
use smallvec::SmallVec;
use std::cell::{LazyCell, OnceCell};
use std::time::Duration;

/// One stream that has ended, whoever answered it.
pub struct Ended<'a, 'r> {
    /// As it went upstream; where it never did, as the client sent it.
    pub request: LazyCell<Request<'r>, &'a dyn Fn() -> Request<'r>>,
    /// As the client got it, or would have; without any where the client had gone before there was an answer.
    pub response: &'a HeaderList<'r>,
    /// 0 without an answer.
    pub status: u16,
    pub world: &'a World,
    pub route: Option<&'a Route>,
    /// That of the route's paths which took the request.
    pub pattern: Option<&'a PathPattern>,
    /// What the request was to become; nothing more once it has gone upstream.
    pub changes: &'a Changes,
    pub who: &'a Identity,
    /// Of the client; a trusted peer's word for it counted.
    pub client_address: &'a str,
    pub request_id: &'a str,
    /// Where a plugin of the request wants it.
    pub remembered: Option<&'a Remembered>,
    pub times: Times,
    /// The service, or a cache in its place, has answered, or was to when the client left.
    pub by_service: bool,
    /// The plugin that has answered with an error.
    pub denied_by: Option<&'a str>,
    /// Of headers and bodies.
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// It has gone on to the service, whether or not anybody answered.
    pub is_proxied: bool,
    /// Unix time in milliseconds.
    pub started_ms: i64,
    pub stream: &'a dyn Stream,
    /// Where a plugin writes records.
    pub arrival: Option<&'a Arrival>,
    pub told: &'a Told,
    /// The record, once a plugin has asked for it.
    pub made: OnceCell<Line>,
}

impl<'a> Ended<'a, '_> {
    /// The endpoints that were to take the request, as `address:port`, one for each try; none where it was never sent.
    pub fn tries(&self) -> Vec<&'a str> {
        let endpoints = if self.is_proxied { self.stream.endpoints() } else { SmallVec::new() };
        let count = if endpoints.is_empty() { 0 } else { self.stream.tries().max(endpoints.len()) };
        // One that was tried more than once stands in the list once.
        (0..count).filter_map(|number| endpoints.get(number).or(endpoints.last()).copied()).collect()
    }
}

/// Kong's `latencies` (kong.md §7.2).
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub total: Duration,
    /// Until the request went upstream, or was answered by the gateway.
    pub gateway: Duration,
    /// From there to the first of the response; None where the request never went there.
    pub upstream: Option<Duration>,
}

impl Filter {
    pub fn on_stream_complete(&mut self, stream: &impl Stream) {
        self.stop_waiting(stream);
        let total = self.started.elapsed();
        self.count(stream.response_code(), total);
        if !self.logs() {
            return;
        }
        let Some(choice) = &self.choice else { return };
        let read = || Request::read(stream, Some(choice));
        let response = stream.headers(Map::Response);
        let (request_bytes, response_bytes) = stream.sizes();
        let ended = Ended {
            request: LazyCell::new(&read),
            response: &response,
            status: crate::response::status_of(&response),
            world: &choice.world,
            route: choice.entry.as_ref().map(|entry| &*entry.target),
            pattern: choice.entry.as_ref().map(|entry| &entry.path),
            changes: &self.changes,
            who: &self.who,
            client_address: self.client_address.as_deref().unwrap_or_default(),
            request_id: self.request_id(),
            remembered: self.remembered.as_deref(),
            times: self.times(total),
            by_service: self.phase == Phase::Proxied,
            denied_by: self.denied_by,
            request_bytes,
            response_bytes,
            is_proxied: self.proxied.is_some(),
            started_ms: now_ms(self.settings()).saturating_sub(whole_ms(total)),
            stream,
            arrival: self.arrival.as_deref(),
            told: &self.told,
            made: OnceCell::new(),
        };
        let logging = self.taking.iter().filter(|taking| taking.logs);
        logging.for_each(|taking| taking.instance.plugin.on_log(&ended, &taking.note));
    }

    /// By route, and by consumer; whoever asks where there is no configuration has met neither.
    fn count(&self, status: u16, total: Duration) {
        let Some(choice) = &self.choice else { return };
        let ms = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
        let ending = Ending { status, ms, denied_by: self.denied_by };
        match &choice.entry {
            Some(entry) => entry.target.traffic.add(&ROUTES, &entry.target.id, ending),
            None => UNROUTED.add(ending),
        }
        if let Some(consumer) = &self.who.consumer {
            consumer.traffic.add(&CONSUMERS, &consumer.id, ending);
        }
    }

    fn times(&self, total: Duration) -> Times {
        let until = |end: Option<std::time::Instant>| end.map(|end| end.duration_since(self.started));
        let (gateway, answered) = (until(self.proxied).or(until(self.answered)), until(self.answered));
        Times {
            total,
            gateway: gateway.unwrap_or(total),
            upstream: self.proxied.and(answered).map(|answered| answered.saturating_sub(gateway.unwrap_or_default())),
        }
    }
}

fn whole_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
