//! The plugin statsd: numbers about each request for a StatsD server (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::net::Endpoint;
use crate::plugins::recording::RawQueue;
use crate::plugins::statistics::{
    ConsumerIdentifier, SampleRate, StatType, in_line, number, push_measure, without_dots,
};
use crate::plugins::{Asks, Plugin};
use crate::record::line::Line;
use crate::record::{WORKSPACE, WORKSPACE_NAME};
use crate::sinks::datagrams::Udp;
use crate::sinks::host_name;
use crate::sinks::queue::{Queue, Sink};
use crate::sinks::stream::Lines;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Kong's own for StatsD over TCP.
const TIMEOUT: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Statsd {
    queue: Arc<Queue>,
    prefix: Box<str>,
    metrics: Vec<Metric>,
    /// From and to; None for all.
    statuses: Option<Vec<(u16, u16)>>,
    identifiers: Identifiers,
    tag_style: Option<TagStyle>,
    host_name: Box<str>,
}

#[derive(Clone, Copy, Debug)]
struct Identifiers {
    consumer: ConsumerIdentifier,
    service: ServiceIdentifier,
    workspace: WorkspaceIdentifier,
}

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    prefix: Option<String>,
    metrics: Vec<Metric>,
    allow_status_codes: Option<Vec<String>>,
    udp_packet_size: f64,
    use_tcp: bool,
    hostname_in_prefix: bool,
    consumer_identifier_default: ConsumerIdentifier,
    service_identifier_default: ServiceIdentifier,
    workspace_identifier_default: WorkspaceIdentifier,
    tag_style: Option<TagStyle>,
    #[serde(default)]
    queue: RawQueue,
}

#[derive(Debug, Deserialize)]
struct Metric {
    name: Box<str>,
    stat_type: StatType,
    #[serde(default)]
    sample_rate: SampleRate,
    consumer_identifier: Option<ConsumerIdentifier>,
    service_identifier: Option<ServiceIdentifier>,
    workspace_identifier: Option<WorkspaceIdentifier>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum ServiceIdentifier {
    #[serde(rename = "service_id")]
    Id,
    #[serde(rename = "service_name")]
    Name,
    #[serde(rename = "service_host")]
    Host,
    #[serde(rename = "service_name_or_host")]
    NameOrHost,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum WorkspaceIdentifier {
    #[serde(rename = "workspace_id")]
    Id,
    #[serde(rename = "workspace_name")]
    Name,
}

impl WorkspaceIdentifier {
    fn text(self) -> &'static str {
        match self {
            Self::Id => WORKSPACE,
            Self::Name => WORKSPACE_NAME,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TagStyle {
    Dogstatsd,
    Influxdb,
    Librato,
    Signalfx,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let host_name = host_name();
    let host_name = without_dots(&host_name);
    let prefix = in_line(config.prefix.as_deref().unwrap_or("kong")).into_owned();
    let prefix = match config.hostname_in_prefix && config.tag_style.is_none() {
        true => format!("{prefix}.node.{host_name}"),
        false => prefix,
    };
    let endpoint = Endpoint { host: config.host, port: config.port, tls: None };
    let place = endpoint.to_string();
    let sink = || -> Box<dyn Sink> {
        if config.use_tcp {
            return Box::new(Lines { endpoint, timeout: TIMEOUT, keepalive: KEEPALIVE });
        }
        // At most what a datagram takes.
        let size = config.udp_packet_size.clamp(0.0, 65_507.0) as usize;
        Box::new(Udp::new(&endpoint.host, endpoint.port, Some(size)))
    };
    Ok(Box::new(Statsd {
        queue: Queue::of("statsd", &key, &place, &config.queue.settings(), sink),
        prefix: prefix.into(),
        metrics: config.metrics,
        statuses: config.allow_status_codes.map(|ranges| ranges.iter().filter_map(|range| bounds(range)).collect()),
        identifiers: Identifiers {
            consumer: config.consumer_identifier_default,
            service: config.service_identifier_default,
            workspace: config.workspace_identifier_default,
        },
        tag_style: config.tag_style,
        host_name: host_name.into_owned().into(),
    }))
}

/// Kong reads three digits before the dash and three behind it, and passes over what has less.
fn bounds(range: &str) -> Option<(u16, u16)> {
    let (from, to) = range.split_once('-')?;
    Some((from.get(from.len().checked_sub(3)?..)?.parse().ok()?, to.get(..3)?.parse().ok()?))
}

impl Statsd {
    fn write(&self, ended: &Ended<'_, '_>, out: &mut Line) {
        for metric in &self.metrics {
            let begin = out.len();
            let written = match self.tag_style {
                Some(style) => self.push_tagged(out, ended, metric, style),
                None => self.push_scoped(out, ended, metric),
            };
            match written {
                Some(()) => out.push(b"\n"),
                None => out.truncate(begin),
            }
        }
    }

    /// The service's name and what is counted of it are the line's name. None of what there is nothing to tell of.
    fn push_scoped(&self, out: &mut Line, ended: &Ended<'_, '_>, metric: &Metric) -> Option<()> {
        let consumer = || self.consumer(ended, metric);
        push_all(out, &[&self.prefix, "."]);
        if metric.name.as_ref() == "status_count_per_user_per_route" {
            let route = ended.route.filter(|_| ended.is_routed())?;
            push_all(out, &["route.", &route.id, ".user.", &consumer()?, ".status."]);
        } else {
            self.push_scope(out, ended, metric);
        }
        match &*metric.name {
            "status_count_per_user_per_route" => (),
            "status_count" => out.push(b".status."),
            "status_count_per_user" => push_all(out, &[".user.", &consumer()?, ".status."]),
            "status_count_per_workspace" => push_all(out, &[".workspace.", self.workspace(metric), ".status."]),
            "request_per_user" => push_all(out, &[".user.", &consumer()?, ".request.count:1"]),
            "unique_users" => {
                push_all(out, &[".user.uniques:", &consumer()?]);
                push_measure(out, StatType::Set, &SampleRate::default());
                return Some(());
            }
            other => {
                let (name, value) = number(ended, other)?;
                push_all(out, &[".", name, ":"]);
                out.push_number(value?);
                push_measure(out, metric.stat_type, &metric.sample_rate);
                return Some(());
            }
        }
        if metric.name.starts_with("status_count") {
            out.push_number(ended.told_status().into());
            out.push(b":1");
        }
        push_measure(out, StatType::Counter, &metric.sample_rate);
        Some(())
    }

    fn push_scope(&self, out: &mut Line, ended: &Ended<'_, '_>, metric: &Metric) {
        if !ended.is_routed() {
            return out.push(b"global.unmatched");
        }
        match self.service(ended, metric) {
            Some(service) => push_all(out, &["service.", &without_dots(service)]),
            None => out.push(b"service.unnamed"),
        }
    }

    fn workspace(&self, metric: &Metric) -> &'static str {
        metric.workspace_identifier.unwrap_or(self.identifiers.workspace).text()
    }

    fn service<'e>(&self, ended: &'e Ended<'_, '_>, metric: &Metric) -> Option<&'e str> {
        let logged = ended.logged()?;
        match metric.service_identifier.unwrap_or(self.identifiers.service) {
            ServiceIdentifier::Id => ended.route.and_then(|route| route.service.id.as_deref()),
            ServiceIdentifier::Host => Some(logged.service_host()),
            ServiceIdentifier::Name | ServiceIdentifier::NameOrHost => Some(logged.service_name()),
        }
    }

    fn consumer<'e>(&self, ended: &'e Ended<'_, '_>, metric: &Metric) -> Option<Cow<'e, str>> {
        let consumer = ended.who.consumer.as_ref()?;
        let by = metric.consumer_identifier.unwrap_or(self.identifiers.consumer);
        by.of(consumer).map(in_line)
    }

    /// Only the plain numbers have tags, and only where the service is known.
    fn push_tagged(&self, out: &mut Line, ended: &Ended<'_, '_>, metric: &Metric, style: TagStyle) -> Option<()> {
        let (name, value) = number(ended, &metric.name)?;
        let (value, service) = (value?, self.service(ended, metric));
        push_all(out, &[&self.prefix, ".", name]);
        let tell = |out: &mut Line, before: &str, sign: &str, behind: &str| {
            if let Some(service) = service {
                out.push(before.as_bytes());
                self.push_tags(out, ended, metric, service, sign);
                out.push(behind.as_bytes());
            }
        };
        match style {
            TagStyle::Dogstatsd => (),
            TagStyle::Influxdb => tell(out, ",", "=", ""),
            TagStyle::Librato => tell(out, "#", "=", ""),
            TagStyle::Signalfx => tell(out, "[", "=", "]"),
        }
        out.push(b":");
        out.push_number(value);
        push_measure(out, metric.stat_type, &metric.sample_rate);
        if style == TagStyle::Dogstatsd {
            tell(out, "|#", ":", "");
        }
        Some(())
    }

    fn push_tags(&self, out: &mut Line, ended: &Ended<'_, '_>, metric: &Metric, service: &str, sign: &str) {
        push_all(out, &["service", sign, &in_line(service)]);
        if let Some(logged) = ended.logged() {
            push_all(out, &[",route", sign, &in_line(logged.route_name())]);
        }
        push_all(out, &[",workspace", sign, self.workspace(metric)]);
        if let Some(consumer) = self.consumer(ended, metric) {
            push_all(out, &[",consumer", sign, &consumer]);
        }
        push_all(out, &[",node", sign, &self.host_name, ",status", sign]);
        out.push_number(ended.told_status().into());
    }

    fn wants(&self, status: u16) -> bool {
        self.statuses.as_ref().is_none_or(|ranges| ranges.iter().any(|(from, to)| (*from..=*to).contains(&status)))
    }
}

fn push_all(out: &mut Line, parts: &[&str]) {
    parts.iter().for_each(|part| out.push(part.as_bytes()));
}

impl Plugin for Statsd {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn asks(&self) -> Asks {
        Asks::Numbers
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        if self.wants(ended.told_status()) {
            let mut lines = Line::new();
            self.write(ended, &mut lines);
            if !lines.is_empty() {
                self.queue.put(lines.as_slice().to_vec());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_statuses() {
        for (range, expected) in [
            ("200-299", Some((200, 299))),
            ("1200-2990", Some((200, 299))),
            ("20-299", None),
            ("200-29", None),
            ("x", None),
        ] {
            assert_eq!(bounds(range), expected, "{range}");
        }
    }
}
