//! The plugin datadog: numbers about each request for Datadog's agent, tagged (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::plugins::Plugin;
use crate::plugins::recording::RawQueue;
use crate::plugins::statistics::{ConsumerIdentifier, StatType, in_line, measured, number, rate, without_dots};
use crate::sinks::datagrams::Udp;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;

#[derive(Debug)]
struct Datadog {
    queue: Arc<Queue>,
    prefix: Box<str>,
    service_tag: Box<str>,
    status_tag: Box<str>,
    consumer_tag: Box<str>,
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    prefix: Option<String>,
    service_name_tag: Option<String>,
    status_tag: Option<String>,
    consumer_tag: Option<String>,
    metrics: Vec<Metric>,
    #[serde(default)]
    queue: RawQueue,
}

#[derive(Debug, Deserialize)]
struct Metric {
    name: Box<str>,
    stat_type: StatType,
    tags: Option<Vec<String>>,
    sample_rate: Option<f64>,
    consumer_identifier: Option<ConsumerIdentifier>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let key = config.to_string();
    let config: Config = serde_json::from_value(config)?;
    let place = format!("{}:{}", config.host, config.port);
    let sink = || -> Box<dyn Sink> { Box::new(Udp::new(&config.host, config.port, Some(0))) };
    let text = |given: Option<String>, default: &str| in_line(given.as_deref().unwrap_or(default)).into_owned().into();
    Ok(Box::new(Datadog {
        queue: Queue::of("datadog", &key, &place, &config.queue.settings(), sink),
        prefix: text(config.prefix, "kong"),
        service_tag: text(config.service_name_tag, "name"),
        status_tag: text(config.status_tag, "status"),
        consumer_tag: text(config.consumer_tag, "consumer"),
        metrics: config.metrics,
    }))
}

impl Datadog {
    fn lines(&self, ended: &Ended<'_, '_>) -> String {
        let mut lines = String::with_capacity(100 * self.metrics.len());
        let service = ended.logged().map(|logged| without_dots(logged.service_name())).unwrap_or_default();
        for metric in &self.metrics {
            let Some((name, value)) = number(ended, &metric.name) else { continue };
            let measured = measured(&value, metric.stat_type, &rate(metric.sample_rate));
            // Writing to a text does not fail.
            let _ = write!(
                lines,
                "{}.{name}:{measured}|#{}:{service},{}:{}",
                self.prefix,
                self.service_tag,
                self.status_tag,
                ended.told_status()
            );
            let consumer = ended.who.consumer.as_ref().zip(metric.consumer_identifier);
            if let Some(consumer) = consumer.and_then(|(consumer, by)| Some((by, by.of(consumer)?))) {
                let id = match consumer {
                    (ConsumerIdentifier::ConsumerId, id) => id.replace('-', "_"),
                    (_, name) => in_line(name).into_owned(),
                };
                let _ = write!(lines, ",{}:{id}", self.consumer_tag);
            }
            for tag in metric.tags.iter().flatten() {
                let _ = write!(lines, ",{}", in_line(tag));
            }
            lines.push('\n');
        }
        lines
    }
}

impl Plugin for Datadog {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn writes_record(&self) -> bool {
        true
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        let lines = self.lines(ended);
        if !lines.is_empty() {
            self.queue.put(lines.into_bytes());
        }
    }
}
