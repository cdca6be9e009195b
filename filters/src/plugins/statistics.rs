//! What statsd and datadog have in common: lines of numbers about a request, in StatsD's form.

use crate::ended::Ended;
use crate::lua;
use crate::record::line::Line;
use crate::tables::Consumer;
use serde::{Deserialize, Deserializer};
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
            Self::Counter => "|c",
            Self::Gauge => "|g",
            Self::Timer => "|ms",
            Self::Histogram => "|h",
            Self::Meter => "|m",
            Self::Set => "|s",
            Self::Distribution => "|d",
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

/// As it stands in a line: `|@0.5` where not all are counted.
#[derive(Debug, Default)]
pub struct SampleRate(Box<str>);

impl<'de> Deserialize<'de> for SampleRate {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        let rate = Option::<f64>::deserialize(given)?;
        let rate = rate.filter(|rate| rate.is_finite() && rate.to_bits() != 1.0_f64.to_bits());
        Ok(rate
            .map(|rate| Self(format!("|@{}", String::from_utf8_lossy(&lua::number(rate))).into()))
            .unwrap_or_default())
    }
}

/// `|type|@rate`, behind a value.
pub fn push_measure(out: &mut Line, stat_type: StatType, rate: &SampleRate) {
    out.push(stat_type.mark().as_bytes());
    out.push(rate.0.as_bytes());
}

/// A name that cannot end the line it stands in.
pub fn in_line(name: &str) -> Cow<'_, str> {
    if name.contains(char::is_control) { name.replace(char::is_control, "_").into() } else { name.into() }
}

/// With `_` for the dots, by which parts of names are told apart.
pub fn without_dots(name: &str) -> Cow<'_, str> {
    match in_line(name) {
        name if name.contains('.') => name.replace('.', "_").into(),
        name => name,
    }
}

/// The numbers of Kong's record by the name of a metric, and what each is called; without a number where nothing was
/// proxied.
pub fn number(ended: &Ended<'_, '_>, metric: &str) -> Option<(&'static str, Option<u64>)> {
    let latencies = || ended.latencies();
    Some(match metric {
        "request_count" => ("request.count", Some(1)),
        "latency" => ("latency", Some(latencies().request)),
        "request_size" => ("request.size", Some(ended.told_sizes().0)),
        "response_size" => ("response.size", Some(ended.told_sizes().1)),
        "upstream_latency" => ("upstream_latency", latencies().proxy),
        "kong_latency" => ("kong_latency", Some(latencies().kong)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let measure = |stat_type, rate: &str| {
            let mut out = Line::new();
            push_measure(&mut out, stat_type, &serde_json::from_str(rate).unwrap());
            String::from_utf8(out.as_slice().to_vec()).unwrap()
        };
        assert_eq!(measure(StatType::Counter, "1.0"), "|c");
        assert_eq!(measure(StatType::Timer, "null"), "|ms");
        assert_eq!(measure(StatType::Set, "0.25"), "|s|@0.25");
        assert_eq!(without_dots("a.b\nc.d"), "a_b_c_d");
    }
}
