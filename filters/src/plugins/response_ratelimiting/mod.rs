//! The plugin response-ratelimiting: limits on what upstreams say that their answers use (kong.md §5.13).

mod limits;
#[cfg(test)]
mod tests;
mod usage;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::headers::Response;
use crate::plugins::rate_limiting::Policy;
use crate::plugins::rate_limiting::told::number;
use crate::plugins::{Plugin, checks};
use crate::redis::{Answer, Client, Commands, RawStore, client};
use crate::tables::Compat;
use crate::waiting::Outcome;
use indexmap::IndexMap;
use limits::{Limit, RawLimit};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use usage::{Usage, used};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LimitBy {
    Consumer,
    Credential,
    Ip,
}

#[derive(Debug)]
pub struct ResponseRateLimiting {
    limits: Vec<Limit>,
    /// In lower case.
    header_name: String,
    limit_by: LimitBy,
    /// None: counted in this process.
    store: Option<Arc<Client>>,
    fault_tolerant: bool,
    block_on_first_violation: bool,
    hide_client_headers: bool,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawResponseRateLimiting = serde_json::from_value(config)?;
    let header_name = raw.header_name.unwrap_or_else(|| "x-kong-limit".to_owned());
    checks::header_name("header_name", &header_name)?;
    if raw.limits.is_empty() {
        return Err(ConfigError::Invalid("limits: length must be at least 1".into()));
    }
    let missing = || ConfigError::Invalid("redis is missing: policy redis needs it".into());
    Ok(Box::new(ResponseRateLimiting {
        limits: raw.limits.into_iter().map(|(name, limit)| limit.named(name)).collect::<Result<_, _>>()?,
        header_name: header_name.to_ascii_lowercase(),
        limit_by: raw.limit_by,
        store: match raw.policy {
            Policy::Local => None,
            Policy::Redis => Some(client(raw.redis.ok_or_else(missing)?.checked()?)),
        },
        fault_tolerant: raw.fault_tolerant,
        block_on_first_violation: raw.block_on_first_violation,
        hide_client_headers: raw.hide_client_headers,
    }))
}

impl Plugin for ResponseRateLimiting {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let now_s = exchange.now_ms().div_euclid(1000);
        let usage = Usage { now_s, counted_by: self.counted_by(exchange), remaining: Vec::new() };
        let Some(store) = &self.store else {
            let left = |limit: &Limit| limit.left_here(exchange.counters, &usage.counted_by, now_s);
            let remaining = self.limits.iter().flat_map(left).collect();
            return self.judged(exchange, Usage { remaining, ..usage });
        };
        let keys = self.limits.iter().flat_map(|limit| limit.keys(&usage.counted_by, now_s));
        let wait = store.ask(keys.fold(Commands::default(), |all, (_, key)| all.with(&[b"GET", &key])));
        *exchange.note = usage.to_note();
        Verdict::Wait(wait)
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        let noted = Usage::from_note(&std::mem::take(exchange.note), 0);
        let counts = outcome
            .into::<Answer>()
            .ok()
            .and_then(Result::ok)
            .and_then(|replies| replies.iter().map(|reply| reply.amount().ok()).collect::<Option<Vec<f64>>>());
        let limits: Vec<f64> = self.limits.iter().flat_map(Limit::values).collect();
        match noted.zip(counts.filter(|counts| counts.len() == limits.len())) {
            Some((usage, counts)) => {
                let remaining = limits.iter().zip(counts).map(|(limit, count)| limit - count).collect();
                self.judged(exchange, Usage { remaining, ..usage })
            }
            None if self.fault_tolerant => Verdict::Continue,
            None => Verdict::Reply(exchange.error(500, "An unexpected error occurred")),
        }
    }

    fn has_response_phase(&self) -> bool {
        true
    }

    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        let windows = self.limits.iter().map(|limit| limit.values().count()).sum();
        let Some(usage) = Usage::from_note(note, windows) else { return };
        let told = response.value(&self.header_name).map(<[u8]>::to_vec).unwrap_or_default();
        let used: Vec<f64> = self.limits.iter().map(|limit| used(&told, &limit.name).unwrap_or_default()).collect();
        let is_over = self.tell(response, &usage, &used);
        response.remove(self.header_name.clone());
        if is_over {
            response.end(429);
            return;
        }
        for (limit, amount) in self.limits.iter().zip(used).filter(|(_, amount)| *amount != 0.0) {
            match &self.store {
                None => {
                    limit.count_here(response.counters, &usage.counted_by, response.now_ms.div_euclid(1000), amount)
                }
                Some(store) => store.tell(limit.commands(&usage.counted_by, usage.now_s, amount)),
            }
        }
    }
}

impl ResponseRateLimiting {
    fn counted_by(&self, exchange: &Exchange<'_, '_>) -> Vec<u8> {
        let consumer = exchange.who.consumer.as_ref().map(|consumer| &*consumer.id);
        let credential = exchange.who.credential.as_deref();
        let chosen = match self.limit_by {
            LimitBy::Consumer => consumer.or(credential),
            LimitBy::Credential => credential,
            LimitBy::Ip => None,
        };
        [exchange.scope, ":", chosen.unwrap_or(exchange.client_address)].concat().into_bytes()
    }

    /// Tells what is left, and refuses where nothing is and the configuration wants it so.
    fn judged(&self, exchange: &mut Exchange<'_, '_>, usage: Usage) -> Verdict {
        let mut left = usage.remaining.iter().copied();
        let mut told = Vec::with_capacity(self.limits.len());
        for limit in &self.limits {
            let least = left.by_ref().take(limit.values().count()).fold(f64::INFINITY, f64::min);
            if self.block_on_first_violation && least <= 0.0 {
                return Verdict::Reply(exchange.error(429, format!("API rate limit exceeded for '{}'", limit.name)));
            }
            told.push((limit.remaining_name.clone(), number(least)));
        }
        // Kong 2 told the upstream, Kong 3 tells the client.
        if exchange.compat() == Compat::Kong21 {
            told.into_iter().for_each(|(name, value)| exchange.upstream.set(name, value.as_slice()));
        } else {
            exchange.downstream.extend(told.into_iter().map(|(name, value)| (Cow::Owned(name), value)));
        }
        *exchange.note = usage.to_note();
        Verdict::Continue
    }

    /// Whether the answer uses what is used up already.
    fn tell(&self, response: &mut Response<'_>, usage: &Usage, used: &[f64]) -> bool {
        let mut left = usage.remaining.iter().copied();
        let mut is_over = false;
        for (limit, amount) in self.limits.iter().zip(used) {
            for (window, left) in limit.windows.iter().zip(left.by_ref()) {
                is_over |= *amount > 0.0 && left <= 0.0;
                if !self.hide_client_headers {
                    response.set(window.limit_name.clone(), number(window.limit));
                    response.set(window.remaining_name.clone(), number((left - amount).max(0.0)));
                }
            }
        }
        is_over
    }
}

#[derive(Deserialize)]
struct RawResponseRateLimiting {
    limits: IndexMap<String, RawLimit>,
    header_name: Option<String>,
    #[serde(default = "default_limit_by")]
    limit_by: LimitBy,
    #[serde(default)]
    policy: Policy,
    redis: Option<RawStore>,
    #[serde(default = "default_fault_tolerant")]
    fault_tolerant: bool,
    #[serde(default)]
    block_on_first_violation: bool,
    #[serde(default)]
    hide_client_headers: bool,
}

fn default_limit_by() -> LimitBy {
    LimitBy::Consumer
}

fn default_fault_tolerant() -> bool {
    true
}
