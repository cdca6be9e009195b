//! The plugin datadog: numbers about each request for Datadog's agent, tagged (kong.md §5.21).

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::Note;
use crate::plugins::recording::RawQueue;
use crate::plugins::statistics::{
    ConsumerIdentifier, SampleRate, StatType, in_line, number, push_measure, without_dots,
};
use crate::plugins::{Asks, Plugin};
use crate::record::line::Line;
use crate::sinks::datagrams::Udp;
use crate::sinks::queue::{Queue, Sink};
use serde::Deserialize;
use serde_json::Value;
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
    #[serde(default)]
    sample_rate: SampleRate,
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
    fn write(&self, ended: &Ended<'_, '_>, out: &mut Line) {
        let service = ended.logged().map(|logged| without_dots(logged.service_name())).unwrap_or_default();
        for metric in &self.metrics {
            let Some((name, value)) = number(ended, &metric.name) else { continue };
            [&self.prefix, ".", name, ":"].into_iter().for_each(|part| out.push(part.as_bytes()));
            match value {
                Some(value) => out.push_number(value),
                None => out.push(b"-1"),
            }
            push_measure(out, metric.stat_type, &metric.sample_rate);
            let tags = ["|#", &self.service_tag, ":", &service, ",", &self.status_tag, ":"];
            tags.into_iter().for_each(|part| out.push(part.as_bytes()));
            out.push_number(ended.told_status().into());
            let consumer = ended.who.consumer.as_ref().zip(metric.consumer_identifier);
            if let Some((by, id)) = consumer.and_then(|(consumer, by)| Some((by, by.of(consumer)?))) {
                let id = if by == ConsumerIdentifier::ConsumerId { id.replace('-', "_").into() } else { in_line(id) };
                [",", &self.consumer_tag, ":", &id].into_iter().for_each(|part| out.push(part.as_bytes()));
            }
            for tag in metric.tags.iter().flatten() {
                out.push(b",");
                out.push(in_line(tag).as_bytes());
            }
            out.push(b"\n");
        }
    }
}

impl Plugin for Datadog {
    fn has_log_phase(&self) -> bool {
        true
    }

    fn asks(&self) -> Asks {
        Asks::Numbers
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        let mut lines = Line::new();
        self.write(ended, &mut lines);
        if !lines.is_empty() {
            self.queue.put(lines.as_slice().to_vec());
        }
    }
}
