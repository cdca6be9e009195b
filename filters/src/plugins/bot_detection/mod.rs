//! The plugin bot-detection: refuses bots by their User-Agent (kong.md §5.11).

mod known;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::{Plugin, checks};
use regex_automata::meta::Regex;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub struct BotDetection {
    allow: Vec<Regex>,
    deny: Vec<Regex>,
}

#[derive(Deserialize)]
struct RawDetection {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawDetection = serde_json::from_value(config)?;
    Ok(Box::new(BotDetection {
        allow: checks::regexes("allow", &raw.allow.unwrap_or_default())?,
        deny: checks::regexes("deny", &raw.deny.unwrap_or_default())?,
    }))
}

impl Plugin for BotDetection {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let headers = exchange.all_headers();
        let mut found = headers.iter().filter(|(name, _)| *name == b"user-agent").map(|(_, value)| value.trim_ascii());
        let Some(user_agent) = found.next() else { return Verdict::Continue };
        // Envoy joins lines that it knows, of HTTP/1 and HTTP/2: this is for what plugins add.
        if found.next().is_some() {
            return Verdict::Reply(exchange.error(400, "Only one User-Agent header allowed"));
        }
        let fits = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(user_agent));
        if !fits(&self.allow) && (fits(&self.deny) || known::is_bot(user_agent)) {
            return Verdict::Reply(exchange.error(403, "Forbidden"));
        }
        Verdict::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::Fake;
    use crate::testing::{passed, plugins};
    use serde_json::json;

    #[test]
    fn who_gets_in() {
        let own = json!({"deny": ["^curl/", "Foo"], "allow": ["curl/9", "Googlebot"]});
        for (config, agents, expected) in [
            (json!({}), &[][..], None),
            (json!({}), &["Googlebot/2.1"], Some(403)),
            (json!({"allow": null, "deny": null}), &[" curl/8.0 "], None),
            (json!({}), &["a", "b"], Some(400)),
            (own.clone(), &["curl/8"], Some(403)),
            (own.clone(), &["curl/9"], None),
            (own.clone(), &["x curl/8"], None),
            (own.clone(), &["x Foo y"], Some(403)),
            (own.clone(), &["foo"], None),
            (own.clone(), &["Googlebot/2.1"], None),
            (own, &["axios"], Some(403)),
        ] {
            let headers: Vec<_> = agents.iter().map(|agent| ("user-agent", *agent)).collect();
            let extra = plugins(&[("bot-detection", config.clone())]);
            let (_, stream, _) = passed(&extra, Fake::request("GET", "/s", &headers));
            assert_eq!(stream.status(), expected, "{config} {agents:?}");
        }
    }

    #[test]
    fn configurations() {
        for (config, problem) in [
            (json!({"allow": ["a("]}), "allow.1: 'a(' is not a valid regex: unclosed group at byte 1"),
            (
                json!({"deny": ["a", "(?=a)"]}),
                "deny.2: '(?=a)' is not a valid regex: look-around, including look-ahead and look-behind, is not supported at byte 0",
            ),
        ] {
            assert_eq!(parse(config).unwrap_err().to_string(), problem);
        }
    }
}
