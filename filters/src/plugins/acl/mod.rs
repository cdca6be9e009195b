//! The plugin acl: which groups of consumers may pass, and what the upstream learns of them (kong.md §5.7).

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::Plugin;
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
    Ok(Box::new(Acl { list, hide_groups_header: config.hide_groups_header }))
}

impl Plugin for Acl {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let Some(consumer) = exchange.who.consumer.as_deref() else { return refusal_of_stranger(exchange) };
        let groups = &consumer.groups;
        if groups.is_empty() && matches!(self.list, List::Allow(_)) {
            return refusal_of_stranger(exchange);
        }
        if !self.list.admits(groups) {
            return refusal(exchange);
        }
        if !self.hide_groups_header {
            exchange.upstream.set("x-consumer-groups", header_value(&joined(groups)));
        }
        Verdict::Continue
    }
}

impl List {
    fn groups(&self) -> &Groups {
        match self {
            Self::Allow(groups) | Self::Deny(groups) => groups,
        }
    }

    fn admits(&self, groups: &[Box<str>]) -> bool {
        let is_listed = groups.iter().any(|group| self.groups().contains(group));
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

fn joined(groups: &[Box<str>]) -> Text {
    let mut text = Text::new();
    for (place, group) in groups.iter().enumerate() {
        if place > 0 {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(group.as_bytes());
    }
    text
}
