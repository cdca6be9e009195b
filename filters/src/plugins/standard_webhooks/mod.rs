//! The plugin standard-webhooks: takes only signed and recent messages (kong.md §5.22, standardwebhooks.com).

use crate::clock::seconds_of_ms;
use crate::error::ConfigError;
use crate::exchange::{Exchange, RawBody, Verdict};
use crate::lua;
use crate::plugins::{Plugin, checks};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use subtle::ConstantTimeEq;

pub struct StandardWebhooks {
    key: hmac::Key,
    tolerance_s: f64,
}

impl fmt::Debug for StandardWebhooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StandardWebhooks").field("tolerance_s", &self.tolerance_s).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct RawWebhooks {
    secret_v1: String,
    tolerance_second: Option<f64>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawWebhooks = serde_json::from_value(config)?;
    checks::some_text("secret_v1", &raw.secret_v1)?;
    let tolerance_s = raw.tolerance_second.unwrap_or(300.0);
    if tolerance_s < 0.0 {
        return Err(ConfigError::Invalid("tolerance_second: value must be greater than -1".into()));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, raw.secret_v1.as_bytes());
    Ok(Box::new(StandardWebhooks { key, tolerance_s }))
}

impl Plugin for StandardWebhooks {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if let (Some(_), RawBody::Pending) = (self.message(exchange), exchange.raw_body) {
            return Verdict::NeedsBody;
        }
        if self.is_right(exchange) { Verdict::Continue } else { Verdict::Reply(exchange.error(400, "Bad request")) }
    }
}

impl StandardWebhooks {
    /// What is signed before the body, if the message tells it and is not too old.
    fn message(&self, exchange: &Exchange<'_, '_>) -> Option<Vec<u8>> {
        let id = exchange.header("webhook-id")?;
        exchange.header("webhook-signature")?;
        let told = std::str::from_utf8(exchange.header("webhook-timestamp")?).ok();
        let timestamp_s = told.and_then(lua::parsed_number).filter(|number| number.is_finite()).unwrap_or_default();
        let age_s = seconds_of_ms(exchange.now_ms()) - timestamp_s;
        (age_s <= self.tolerance_s).then(|| [id, b".", &lua::number(timestamp_s), b"."].concat())
    }

    fn is_right(&self, exchange: &Exchange<'_, '_>) -> bool {
        let (Some(message), Some(told)) = (self.message(exchange), exchange.header("webhook-signature")) else {
            return false;
        };
        let body = match (&exchange.upstream.body, exchange.raw_body) {
            (Some(body), _) => body,
            (None, RawBody::Whole(body)) => body,
            (None, RawBody::Pending | RawBody::TooLarge) => return false,
        };
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(&message);
        signed.update(body);
        let expected = format!("v1,{}", STANDARD.encode(signed.sign()));
        !body.is_empty() && bool::from(expected.as_bytes().ct_eq(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Flow;
    use crate::stream::testing::Fake;
    use crate::testing::{filter, plugins};
    use serde_json::json;

    const NOW_S: i64 = 1_700_000_000;
    /// Of the message `id.1700000000.{}` under the key `secret`, made with openssl.
    const SIGNATURE: &str = "v1,GBemBzTgbKoVEGKycqyY3615LbdJbhFLE1oQk+zZ+lo=";

    fn status(headers: &[(&str, &str)], body: &[u8]) -> Option<u16> {
        let mut extra = plugins(&[("standard-webhooks", json!({"secret_v1": "secret", "tolerance_second": 60}))]);
        extra["settings"] = json!({"clock": {"now_ms": NOW_S * 1000}});
        let mut stream = Fake::request("POST", "/s", headers);
        let mut filter = filter(&extra, &stream);
        if filter.on_request_headers(&mut stream, body.is_empty()) == Flow::Wait {
            stream.request_body = body.to_vec();
            filter.on_request_body(&mut stream, true);
        }
        stream.status()
    }

    fn message<'a>(timestamp: &'a str, signature: &'a str) -> [(&'a str, &'a str); 3] {
        [("webhook-id", "id"), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]
    }

    #[test]
    fn messages() {
        for (timestamp, signature, body, expected) in [
            ("1700000000", SIGNATURE, "{}", None),
            (" 0x6553f100 ", SIGNATURE, "{}", None),
            ("1700000000", SIGNATURE, "{ }", Some(400)),
            ("1700000000", SIGNATURE, "", Some(400)),
            ("1700000000", "v1,AAAA", "{}", Some(400)),
            ("1700000001", SIGNATURE, "{}", Some(400)),
            ("1699999939", SIGNATURE, "{}", Some(400)),
            ("soon", SIGNATURE, "{}", Some(400)),
            ("nan", SIGNATURE, "{}", Some(400)),
        ] {
            assert_eq!(status(&message(timestamp, signature), body.as_bytes()), expected, "{timestamp} {body}");
        }
        for left_out in 0..3 {
            let mut headers = message("1700000000", SIGNATURE).to_vec();
            headers.remove(left_out);
            assert_eq!(status(&headers, b"{}"), Some(400));
        }
        assert_eq!(status(&message("1700000000", SIGNATURE), &[b' '; 600 * 1024]), Some(400));
    }

    #[test]
    fn configurations() {
        for (config, is_right) in [
            (json!({"secret_v1": "x"}), true),
            (json!({"secret_v1": "x", "tolerance_second": 0}), true),
            (json!({"secret_v1": "x", "tolerance_second": -1}), false),
            (json!({"secret_v1": ""}), false),
            (json!({}), false),
        ] {
            assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
        }
        let parsed = parse(json!({"secret_v1": "hidden"})).unwrap();
        assert!(!format!("{parsed:?}").contains("hidden"));
    }
}
