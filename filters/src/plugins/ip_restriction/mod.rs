//! The plugin ip-restriction: from which addresses requests may come (kong.md §5.10).

#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::networks::Networks;
use crate::plugins::{Plugin, checks};
use crate::tables::Compat;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(IpRestriction::new(serde_json::from_value(config)?)?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    status: Option<f64>,
    message: Option<String>,
}

#[derive(Debug)]
struct IpRestriction {
    /// None: all but those denied.
    allowed: Option<Networks>,
    denied: Option<Networks>,
    status: u16,
    message: Option<String>,
}

impl IpRestriction {
    fn new(config: Config) -> Result<Self, ConfigError> {
        let allowed = config.allow.map(|list| Networks::parse("allow", &list)).transpose()?;
        let denied = config.deny.map(|list| Networks::parse("deny", &list)).transpose()?;
        let (allowed, denied) = (allowed.filter(|list| !list.is_empty()), denied.filter(|list| !list.is_empty()));
        if allowed.is_none() && denied.is_none() {
            return Err(ConfigError::Invalid("at least one of allow and deny must name an address".into()));
        }
        config.message.as_deref().map_or(Ok(()), |message| checks::some_text("message", message))?;
        let status = config.status.map_or(Ok(403), |status| checks::reply_status("status", status))?;
        Ok(Self { allowed, denied, status, message: config.message })
    }

    fn admits(&self, address: IpAddr) -> bool {
        let is_denied = self.denied.as_ref().is_some_and(|denied| denied.contain(address));
        !is_denied && self.allowed.as_ref().is_none_or(|allowed| allowed.contain(address))
    }

    fn refusal<'a>(&'a self, compat: Compat, address: &str) -> Cow<'a, str> {
        match (&self.message, compat) {
            (Some(message), _) => message.into(),
            (None, Compat::Kong3) => format!("IP address not allowed: {address}").into(),
            (None, Compat::Kong21) => "Your IP address is not allowed".into(),
        }
    }
}

impl Plugin for IpRestriction {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let Ok(address) = exchange.client_address.parse::<IpAddr>() else {
            let text = "Cannot identify the client IP address, unix domain sockets are not supported.";
            return Verdict::Reply(exchange.error(403, text));
        };
        if self.admits(address) {
            return Verdict::Continue;
        }
        let message = self.refusal(exchange.compat(), exchange.client_address);
        Verdict::Reply(exchange.error(self.status, message))
    }
}
