//! A part of the tables: parsed once, shared by every state that holds it.
//!
//! An object that cannot be read costs itself alone: it is left out and told. The control plane asks the same parsers
//! (`library`) before it sends anything, so that nobody should ever see that.

use crate::error::ConfigError;
use crate::plugins;
use crate::tables::consumer_groups::ConsumerGroup;
use crate::tables::consumers::Consumer;
use crate::tables::route::{Route, RouteEntry};
use crate::tables::world::Instance;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

#[derive(Debug)]
pub struct Shard {
    pub number: usize,
    pub version: Box<str>,
    pub routes: Vec<Arc<RouteEntry>>,
    pub instances: Vec<Arc<Instance>>,
    pub consumers: Vec<Arc<Consumer>>,
    pub consumer_groups: Vec<Arc<ConsumerGroup>>,
    /// Texts about the objects that were left out.
    pub problems: Vec<String>,
}

impl Shard {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        let raw: RawShard<'_> = serde_json::from_str(json)?;
        let mut shard = Self {
            number: raw.shard,
            version: raw.version,
            routes: Vec::with_capacity(raw.routes.len()),
            instances: Vec::with_capacity(raw.instances.len()),
            consumers: Vec::with_capacity(raw.consumers.len()),
            consumer_groups: Vec::with_capacity(raw.consumer_groups.len()),
            problems: Vec::new(),
        };
        for text in raw.routes {
            let found = Route::parse(text.get());
            shard.routes.extend(found.unwrap_or_else(|error| told(&mut shard.problems, "route", text, &error)));
        }
        for text in raw.instances {
            let found = parse_instance(text.get()).map(|instance| vec![Arc::new(instance)]);
            shard.instances.extend(found.unwrap_or_else(|error| told(&mut shard.problems, "plugin", text, &error)));
        }
        for text in raw.consumers {
            let found = Consumer::parse(text.get()).map(|consumer| vec![consumer]);
            shard.consumers.extend(found.unwrap_or_else(|error| told(&mut shard.problems, "consumer", text, &error)));
        }
        for text in raw.consumer_groups {
            let found = ConsumerGroup::parse(text.get()).map(|group| vec![group]);
            let left_out = |error| told(&mut shard.problems, "consumer group", text, &error);
            shard.consumer_groups.extend(found.unwrap_or_else(left_out));
        }
        Ok(shard)
    }
}

pub fn parse_instance(json: &str) -> Result<Instance, ConfigError> {
    let raw: RawInstance = serde_json::from_str(json)?;
    Ok(Instance { kind: plugins::known(&raw.plugin), plugin: plugins::parse(&raw.plugin, raw.config)?, id: raw.id })
}

fn told<T>(problems: &mut Vec<String>, kind: &str, text: &RawValue, error: &ConfigError) -> Vec<T> {
    // Only the identity: the rest may hold what must not be logged.
    let id = serde_json::from_str::<Identified>(text.get()).map_or_else(|_| "without id".into(), |found| found.id);
    problems.push(format!("{kind} {id} is left out: {error}"));
    Vec::new()
}

#[derive(Deserialize)]
struct Identified {
    id: Box<str>,
}

#[derive(Deserialize)]
struct RawShard<'a> {
    shard: usize,
    version: Box<str>,
    #[serde(default, borrow)]
    routes: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    instances: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    consumers: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    consumer_groups: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawInstance {
    id: Box<str>,
    plugin: String,
    config: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_object_costs_itself_alone() {
        let json = r#"{"shard": 3, "version": "v", "instances": [
            {"id": "good", "plugin": "key-auth", "config": {}}, {"id": "bad", "plugin": "nope", "config": {"key": "s3cret"}}],
            "consumers": [{"username": 7}, {"id": "c"}]}"#;
        let shard = Shard::parse(json).unwrap();
        assert_eq!(shard.instances.len(), 1);
        assert_eq!(shard.consumers.len(), 1);
        assert_eq!(shard.problems.len(), 2);
        assert!(shard.problems[0].starts_with("plugin bad is left out: there is no plugin \"nope\""));
        assert!(!shard.problems.concat().contains("s3cret"));
    }
}
