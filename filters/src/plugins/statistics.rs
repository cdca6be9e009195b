//! What statsd and datadog have in common: lines of numbers about a request, in StatsD's form.

use crate::ended::Ended;
use crate::lua;
use crate::tables::Consumer;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum StatType {
    Counter,
    Gauge,
    Timer,
    Histogram,
    Meter,
    Set,
    /// Datadog's.
    Distribution,
}

impl StatType {
    fn mark(self) -> &'static str {
        match self {
            Self::Counter => "c",
            Self::Gauge => "g",
            Self::Timer => "ms",
            Self::Histogram => "h",
            Self::Meter => "m",
            Self::Set => "s",
            Self::Distribution => "d",
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerIdentifier {
    ConsumerId,
    CustomId,
    Username,
}

impl ConsumerIdentifier {
    pub fn of(self, consumer: &Consumer) -> Option<&str> {
        match self {
            Self::ConsumerId => Some(&consumer.id),
            Self::CustomId => consumer.custom_id.as_deref(),
            Self::Username => consumer.username.as_deref(),
        }
    }
}

/// `|@0.5` where not all are counted.
pub fn rate(sample_rate: Option<f64>) -> String {
    match sample_rate.filter(|rate| rate.is_finite() && rate.to_bits() != 1.0_f64.to_bits()) {
        Some(rate) => format!("|@{}", String::from_utf8_lossy(&lua::number(rate))),
        None => String::new(),
    }
}

/// `value|type|@rate`.
pub fn measured(value: &str, stat_type: StatType, rate: &str) -> String {
    format!("{value}|{}{rate}", stat_type.mark())
}

/// A name that cannot end the line it stands in.
pub fn in_line(name: &str) -> Cow<'_, str> {
    if name.contains(char::is_control) { name.replace(char::is_control, "_").into() } else { name.into() }
}

/// With `_` for the dots, by which parts of names are told apart.
pub fn without_dots(name: &str) -> String {
    in_line(name).replace('.', "_")
}

/// The numbers of Kong's record by the name of a metric, and what each is called; -1 where nothing was proxied.
pub fn number(ended: &Ended<'_, '_>, metric: &str) -> Option<(&'static str, String)> {
    let latencies = || ended.latencies();
    let proxy = || latencies().proxy.map_or_else(|| "-1".to_owned(), |proxy| proxy.to_string());
    Some(match metric {
        "request_count" => ("request.count", "1".to_owned()),
        "latency" => ("latency", latencies().request.to_string()),
        "request_size" => ("request.size", ended.told_sizes().0.to_string()),
        "response_size" => ("response.size", ended.told_sizes().1.to_string()),
        "upstream_latency" => ("upstream_latency", proxy()),
        "kong_latency" => ("kong_latency", latencies().kong.to_string()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(measured("1", StatType::Counter, &rate(Some(1.0))), "1|c");
        assert_eq!(measured("12", StatType::Timer, &rate(None)), "12|ms");
        assert_eq!(measured("x", StatType::Set, &rate(Some(0.25))), "x|s|@0.25");
        assert_eq!(without_dots("a.b\nc.d"), "a_b_c_d");
    }
}
