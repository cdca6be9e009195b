//! The plugin statsd: numbers about each request for a StatsD server (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::net::Endpoint;
use crate::plugins::Plugin;
use crate::plugins::recording::RawQueue;
use crate::plugins::statistics::{ConsumerIdentifier, StatType, in_line, measured, number, rate, without_dots};
use crate::record::{WORKSPACE, WORKSPACE_NAME};
use crate::sinks::datagrams::Udp;
use crate::sinks::host_name;
use crate::sinks::queue::{Queue, Sink};
use crate::sinks::stream::Lines;
use serde::Deserialize;
use serde_json::Value;
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
    sample_rate: Option<f64>,
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
    let host_name = without_dots(&host_name());
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
        host_name: host_name.into(),
    }))
}

/// Kong reads three digits before the dash and three behind it, and passes over what has less.
fn bounds(range: &str) -> Option<(u16, u16)> {
    let (from, to) = range.split_once('-')?;
    Some((from.get(from.len().checked_sub(3)?..)?.parse().ok()?, to.get(..3)?.parse().ok()?))
}

impl Statsd {
    fn lines(&self, ended: &Ended<'_, '_>) -> String {
        let mut lines = String::with_capacity(80 * self.metrics.len());
        for metric in &self.metrics {
            let line = match self.tag_style {
                Some(style) => self.tagged(ended, metric, style),
                None => self.scoped(ended, metric),
            };
            if let Some(line) = line {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        lines
    }

    /// The service's name and what is counted of it are the line's name.
    fn scoped(&self, ended: &Ended<'_, '_>, metric: &Metric) -> Option<String> {
        let scope = self.scope(ended, metric);
        let (name, value, stat_type) = match &*metric.name {
            "status_count" => (format!("{scope}.status.{}", ended.told_status()), "1".to_owned(), StatType::Counter),
            "unique_users" => {
                let consumer = self.consumer(ended, metric)?;
                return Some(self.line(&format!("{scope}.user.uniques"), &measured(&consumer, StatType::Set, "")));
            }
            "request_per_user" => {
                let consumer = self.consumer(ended, metric)?;
                (format!("{scope}.user.{consumer}.request.count"), "1".to_owned(), StatType::Counter)
            }
            "status_count_per_user" => {
                let consumer = self.consumer(ended, metric)?;
                let name = format!("{scope}.user.{consumer}.status.{}", ended.told_status());
                (name, "1".to_owned(), StatType::Counter)
            }
            "status_count_per_workspace" => {
                let workspace = metric.workspace_identifier.unwrap_or(self.identifiers.workspace).text();
                let name = format!("{scope}.workspace.{workspace}.status.{}", ended.told_status());
                (name, "1".to_owned(), StatType::Counter)
            }
            "status_count_per_user_per_route" => {
                let (consumer, route) = (self.consumer(ended, metric)?, ended.route.filter(|_| ended.is_routed())?);
                let name = format!("route.{}.user.{consumer}.status.{}", route.id, ended.told_status());
                (name, "1".to_owned(), StatType::Counter)
            }
            other => {
                let (name, value) = number(ended, other).filter(|(_, value)| value != "-1")?;
                (format!("{scope}.{name}"), value, metric.stat_type)
            }
        };
        Some(self.line(&name, &measured(&value, stat_type, &rate(metric.sample_rate))))
    }

    fn line(&self, name: &str, measured: &str) -> String {
        format!("{}.{name}:{measured}", self.prefix)
    }

    fn scope(&self, ended: &Ended<'_, '_>, metric: &Metric) -> String {
        if !ended.is_routed() {
            return "global.unmatched".to_owned();
        }
        match self.service(ended, metric) {
            Some(service) => format!("service.{}", without_dots(service)),
            None => "service.unnamed".to_owned(),
        }
    }

    fn service<'e>(&self, ended: &'e Ended<'_, '_>, metric: &Metric) -> Option<&'e str> {
        let logged = ended.logged()?;
        match metric.service_identifier.unwrap_or(self.identifiers.service) {
            ServiceIdentifier::Id => ended.route.and_then(|route| route.service.id.as_deref()),
            ServiceIdentifier::Host => Some(logged.service_host()),
            ServiceIdentifier::Name | ServiceIdentifier::NameOrHost => Some(logged.service_name()),
        }
    }

    fn consumer(&self, ended: &Ended<'_, '_>, metric: &Metric) -> Option<String> {
        let consumer = ended.who.consumer.as_ref()?;
        let by = metric.consumer_identifier.unwrap_or(self.identifiers.consumer);
        Some(in_line(by.of(consumer)?).into_owned())
    }

    /// Only the plain numbers have tags, and only where the service is known.
    fn tagged(&self, ended: &Ended<'_, '_>, metric: &Metric, style: TagStyle) -> Option<String> {
        let (name, value) = number(ended, &metric.name).filter(|(_, value)| value != "-1")?;
        let measured = measured(&value, metric.stat_type, &rate(metric.sample_rate));
        let Some(tags) = self.tags(ended, metric) else { return Some(self.line(name, &measured)) };
        let joined =
            |sign: char| tags.iter().map(|(tag, value)| format!("{tag}{sign}{value}")).collect::<Vec<_>>().join(",");
        let prefix = &self.prefix;
        Some(match style {
            TagStyle::Dogstatsd => format!("{prefix}.{name}:{measured}|#{}", joined(':')),
            TagStyle::Influxdb => format!("{prefix}.{name},{}:{measured}", joined('=')),
            TagStyle::Librato => format!("{prefix}.{name}#{}:{measured}", joined('=')),
            TagStyle::Signalfx => format!("{prefix}.{name}[{}]:{measured}", joined('=')),
        })
    }

    fn tags(&self, ended: &Ended<'_, '_>, metric: &Metric) -> Option<Vec<(&'static str, String)>> {
        let service = in_line(self.service(ended, metric)?).into_owned();
        let route = ended.logged().map(|logged| in_line(logged.route_name()).into_owned());
        let workspace = metric.workspace_identifier.unwrap_or(self.identifiers.workspace).text();
        let mut tags = vec![("service", service)];
        tags.extend(route.map(|route| ("route", route)));
        tags.push(("workspace", workspace.to_owned()));
        tags.extend(self.consumer(ended, metric).map(|consumer| ("consumer", consumer)));
        tags.push(("node", self.host_name.to_string()));
        tags.push(("status", ended.told_status().to_string()));
        Some(tags)
    }

    fn wants(&self, status: u16) -> bool {
        self.statuses.as_ref().is_none_or(|ranges| ranges.iter().any(|(from, to)| (*from..=*to).contains(&status)))
    }
}

impl Plugin for Statsd {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn writes_record(&self) -> bool {
        true
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        if self.wants(ended.told_status()) {
            let lines = self.lines(ended);
            if !lines.is_empty() {
                self.queue.put(lines.into_bytes());
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
