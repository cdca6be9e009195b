//! The plugin redirect: sends clients elsewhere (kong.md §5.22).

mod location;

use crate::error::ConfigError;
use crate::error_body::Format;
use crate::exchange::{Exchange, Verdict};
use crate::plugins::{Plugin, checks};
use crate::reply::{Reply, Style};
use location::Location;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub struct Redirect {
    status: u16,
    location: Location,
    keeps_path: bool,
}

#[derive(Deserialize)]
struct RawRedirect {
    status_code: Option<f64>,
    location: String,
    keep_incoming_path: Option<bool>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawRedirect = serde_json::from_value(config)?;
    Ok(Box::new(Redirect {
        status: checks::reply_status("status_code", raw.status_code.unwrap_or(301.0))?,
        location: Location::parse(&raw.location)?,
        keeps_path: raw.keep_incoming_path.unwrap_or_default(),
    }))
}

impl Plugin for Redirect {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let location = if self.keeps_path {
            self.location.with(exchange.request.sent_path, exchange.request.query.unwrap_or_default())
        } else {
            self.location.text().to_vec()
        };
        let style = Style::Raw { content_type: None, body: b"redirecting".to_vec() };
        let reply = Reply::error(self.status, "redirecting", Format::Json).with_style(style);
        Verdict::Reply(reply.with_header("location", location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::Fake;
    use crate::testing::{passed, plugins, received};
    use serde_json::json;

    #[test]
    fn where_clients_are_sent() {
        let keeping = |location: &str| json!({"location": location, "keep_incoming_path": true, "status_code": 307});
        for (config, target, status, location) in [
            (json!({"location": "https://new.test/x?y=1"}), "/s/z?q=1", 301, "https://new.test/x?y=1"),
            (keeping("https://new.test/base?p=1"), "/s/%20z?q=1", 307, "https://new.test/s/%20z?q=1"),
            (keeping("https://new.test/base?p=1"), "/s?", 307, "https://new.test/s"),
        ] {
            let (_, stream, _) = passed(&plugins(&[("redirect", config)]), Fake::request("GET", target, &[]));
            assert_eq!(received(&stream, "location"), [location]);
            assert_eq!(received(&stream, "content-type"), [""; 0]);
            let (answered, _, body) = stream.reply.unwrap();
            assert_eq!((answered, body.as_str()), (status, "redirecting"));
        }
    }

    #[test]
    fn configurations() {
        for (config, is_right) in [
            (json!({"location": "https://a.test"}), true),
            (json!({"location": "https://a.test", "status_code": null, "keep_incoming_path": null}), true),
            (json!({"location": "https://a.test", "status_code": 101}), false),
            (json!({"location": "/only/a/path"}), false),
            (json!({"location": "https://"}), false),
            (json!({"location": "https://a.test/\r\nX: 1"}), false),
            (json!({}), false),
        ] {
            assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
        }
    }
}
