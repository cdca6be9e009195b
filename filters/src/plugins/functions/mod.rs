//! The plugins pre-function and post-function: functions in Lua at the beginning and at the end of the order of plugins
//! (kong.md §5.22).

mod access;
mod answered;
mod facts;
pub mod fields;
#[cfg(test)]
mod tests;

use crate::ended::Ended;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, RawBody, Verdict};
use crate::headers::{End, Response};
use crate::journal::{self, Level};
use crate::lua::functions::offered::Phase;
use crate::lua::functions::{Functions as Chunks, Stop};
use crate::plugins::Plugin;
use crate::remembered::Remembered;
use crate::reply::{Reply, Style};
use serde::Deserialize;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub struct Functions {
    name: &'static str,
    /// Tells its `kong.ctx.plugin` from others.
    id: u64,
    access: Chunks,
    header_filter: Chunks,
    body_filter: Chunks,
    log: Chunks,
}

pub fn parse_pre(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    parse("pre-function", config)
}

pub fn parse_post(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    parse("post-function", config)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawFunctions {
    access: Option<Vec<String>>,
    header_filter: Option<Vec<String>>,
    body_filter: Option<Vec<String>>,
    log: Option<Vec<String>>,
}

fn parse(name: &'static str, config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawFunctions = serde_json::from_value(config)?;
    let chunks = |phase, texts: Option<Vec<String>>| {
        Chunks::parse(name, phase, &texts.unwrap_or_default()).map_err(|problem| ConfigError::Invalid(problem.into()))
    };
    Ok(Box::new(Functions {
        name,
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        access: chunks(Phase::Access, raw.access)?,
        header_filter: chunks(Phase::HeaderFilter, raw.header_filter)?,
        body_filter: chunks(Phase::BodyFilter, raw.body_filter)?,
        log: chunks(Phase::Log, raw.log)?,
    }))
}

impl Plugin for Functions {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if self.access.is_empty() {
            return Verdict::Continue;
        }
        if self.access.needs.body && matches!(exchange.raw_body, RawBody::Pending) {
            return Verdict::NeedsBody;
        }
        let remembered = exchange.take_remembered();
        let mut host = access::Access::new(self, exchange, &remembered);
        let outcome = self.access.run(&mut host, &remembered.context);
        let reply = host.reply.take();
        exchange.remembered.replace(remembered);
        match (outcome, reply) {
            (Ok(()), _) => Verdict::Continue,
            (Err(Stop::Ended), Some(reply)) => Verdict::Reply(reply),
            (Err(Stop::Ended), None) => Verdict::Reply(fault(exchange)),
            (Err(Stop::Fault(problem)), _) => {
                self.tell(Phase::Access, &problem);
                Verdict::Reply(fault(exchange))
            }
        }
    }

    fn changes_methods(&self) -> bool {
        !self.access.is_empty()
    }

    fn has_response_phase(&self) -> bool {
        !self.header_filter.is_empty() || !self.body_filter.is_empty()
    }

    fn on_response(&self, response: &mut Response<'_>, _: &Note) {
        let Some(remembered) = response.remembered.filter(|_| !self.header_filter.is_empty()) else { return };
        let mut host = answered::Headers { functions: self, response, remembered, has_ended: false };
        if let Err(Stop::Fault(problem)) = self.header_filter.run(&mut host, &remembered.context) {
            self.tell(Phase::HeaderFilter, &problem);
            response.end_as(End::Fault);
        }
    }

    fn wants_response_body(&self, _: &Response<'_>) -> bool {
        !self.body_filter.is_empty()
    }

    fn rewritten_body(&self, body: Vec<u8>, remembered: Option<&Remembered>) -> Option<Vec<u8>> {
        let remembered = remembered?;
        let mut host = answered::Body { functions: self, remembered, body };
        match self.body_filter.run(&mut host, &remembered.context) {
            Err(Stop::Fault(problem)) => {
                self.tell(Phase::BodyFilter, &problem);
                None
            }
            Ok(()) | Err(Stop::Ended) => Some(host.body),
        }
    }

    fn remembers_request(&self) -> bool {
        true
    }

    fn has_log_phase(&self) -> bool {
        !self.log.is_empty()
    }

    fn on_log(&self, ended: &Ended<'_, '_>, _: &Note) {
        let Some(remembered) = ended.remembered else { return };
        let mut host = answered::Log { functions: self, ended, remembered };
        if let Err(Stop::Fault(problem)) = self.log.run(&mut host, &remembered.context) {
            self.tell(Phase::Log, &problem);
        }
    }
}

impl Functions {
    /// For functions of another plugin, which run by themselves.
    fn without_any(name: &'static str) -> Result<Self, String> {
        let none = |phase| Chunks::parse(name, phase, &[]);
        Ok(Self {
            name,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            access: none(Phase::Access)?,
            header_filter: none(Phase::HeaderFilter)?,
            body_filter: none(Phase::BodyFilter)?,
            log: none(Phase::Log)?,
        })
    }
}

/// As Kong answers an error of a plugin, whatever the client accepts.
fn fault(exchange: &Exchange<'_, '_>) -> Reply {
    exchange.error(500, "An unexpected error occurred").with_style(Style::Compact)
}

/// Of one line in the log.
const LONGEST_LINE: usize = 4096;

impl Functions {
    fn tell(&self, phase: Phase, problem: &str) {
        self.log_line(Level::Error, &format!("{}: {problem}", phase.name()));
    }

    fn log_line(&self, level: Level, text: &str) {
        let text = text.replace(|character: char| character.is_control() && character != '\t', " ");
        journal::tell(level, &format!("[{}] {}", self.name, &text[..text.floor_char_boundary(LONGEST_LINE)]));
    }

    /// `level` is nginx's, 0 the gravest.
    fn log(&self, level: f64, text: &[u8]) {
        let level = match level {
            level if level <= 4.0 => Level::Error,
            level if level <= 5.0 => Level::Warning,
            level if level <= 7.0 => Level::Info,
            _ => Level::Debug,
        };
        self.log_line(level, &String::from_utf8_lossy(text));
    }
}
