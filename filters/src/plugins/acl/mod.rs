//! The plugin acl: which groups of consumers may pass, and what the upstream learns of them (kong.md §5.7).

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::Plugin;
use crate::tables::{Consumer, World};
use crate::text::{Text, header_value};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;

#[cfg(test)]
mod tests;

type Groups = HashSet<Box<str>>;

#[derive(Debug)]
struct Acl {
    list: List,
    hide_groups_header: bool,
    always_use_authenticated_groups: bool,
    include_consumer_groups: bool,
}

#[derive(Debug)]
enum List {
    Allow(Groups),
    Deny(Groups),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    allow: Option<Groups>,
    deny: Option<Groups>,
    #[serde(default)]
    hide_groups_header: bool,
    #[serde(default)]
    always_use_authenticated_groups: bool,
    #[serde(default)]
    include_consumer_groups: bool,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    let groups = |list: Option<Groups>| list.filter(|groups| !groups.is_empty());
    let list = match (groups(config.allow), groups(config.deny)) {
        (Some(groups), None) => List::Allow(groups),
        (None, Some(groups)) => List::Deny(groups),
        _ => return Err(ConfigError::Invalid("exactly one of allow and deny must name groups".into())),
    };
    if list.groups().contains("") {
        return Err(ConfigError::Invalid("a group's name must not be empty".into()));
    }
    Ok(Box::new(Acl {
        list,
        hide_groups_header: config.hide_groups_header,
        always_use_authenticated_groups: config.always_use_authenticated_groups,
        include_consumer_groups: config.include_consumer_groups,
    }))
}

impl Plugin for Acl {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let who = &*exchange.who;
        // An anonymous consumer's groups count only where no others are known.
        let prefers_authenticated =
            who.consumer.is_none() || who.credential.is_none() || self.always_use_authenticated_groups;
        let authenticated = who.groups.as_deref().filter(|_| prefers_authenticated);
        let (header, verdict) = match (authenticated, &who.consumer) {
            (Some(groups), _) => ("x-authenticated-groups", self.judge(groups.iter().map(|group| &**group))),
            (None, Some(consumer)) => {
                let groups = self.groups_of(consumer, exchange.world);
                if groups.clone().next().is_none() && matches!(self.list, List::Allow(_)) {
                    return refusal_of_stranger(exchange);
                }
                ("x-consumer-groups", self.judge(groups))
            }
            (None, None) => return refusal_of_stranger(exchange),
        };
        let Some(told) = verdict else { return refusal(exchange) };
        if !self.hide_groups_header {
            exchange.upstream.set(header, header_value(&told));
        }
        Verdict::Continue
    }
}

impl Acl {
    /// What the upstream is told of the groups; None where they may not pass.
    fn judge<'g>(&self, groups: impl Iterator<Item = &'g str> + Clone) -> Option<Text> {
        self.list.admits(groups.clone()).then(|| if self.hide_groups_header { Text::new() } else { joined(groups) })
    }

    fn groups_of<'g>(&self, consumer: &'g Consumer, world: &'g World) -> impl Iterator<Item = &'g str> + Clone {
        let names = world.groups_of(consumer).filter(|_| self.include_consumer_groups).map(|group| &*group.name);
        let others = names.filter(|name| !consumer.groups.iter().any(|group| **group == **name));
        consumer.groups.iter().map(|group| &**group).chain(others)
    }
}

impl List {
    fn groups(&self) -> &Groups {
        match self {
            Self::Allow(groups) | Self::Deny(groups) => groups,
        }
    }

    fn admits<'g>(&self, mut groups: impl Iterator<Item = &'g str>) -> bool {
        let is_listed = groups.any(|group| self.groups().contains(group));
        is_listed == matches!(self, Self::Allow(_))
    }
}

/// Who showed a credential has no right; who showed none is asked for one.
fn refusal_of_stranger(exchange: &Exchange<'_, '_>) -> Verdict {
    match exchange.who.credential {
        Some(_) => refusal(exchange),
        None => Verdict::Reply(exchange.error(401, "Unauthorized")),
    }
}

fn refusal(exchange: &Exchange<'_, '_>) -> Verdict {
    Verdict::Reply(exchange.error(403, "You cannot consume this service"))
}

fn joined<'g>(groups: impl Iterator<Item = &'g str>) -> Text {
    let mut text = Text::new();
    for (place, group) in groups.enumerate() {
        if place > 0 {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(group.as_bytes());
    }
    text
}
