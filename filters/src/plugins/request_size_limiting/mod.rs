//! The plugin request-size-limiting: no body is longer than allowed (kong.md §5.14).

use crate::error::ConfigError;
use crate::exchange::{Exchange, RawBody, Verdict};
use crate::forwarding::BodyLimit;
use crate::plugins::Plugin;
use serde::Deserialize;
use serde_json::Value;

const EXCEEDED: &str = "Request size limit exceeded";

#[derive(Debug)]
pub struct RequestSizeLimiting {
    /// Kong takes negative sizes too, by which every request with a length is too long.
    allowed: i128,
    requires_length: bool,
}

#[derive(Deserialize)]
struct RawLimiting {
    allowed_payload_size: Option<f64>,
    #[serde(default)]
    size_unit: Unit,
    #[serde(default)]
    require_content_length: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Megabytes,
    Kilobytes,
    Bytes,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let raw: RawLimiting = serde_json::from_value(config)?;
    let unit = match raw.size_unit {
        Unit::Megabytes => 1 << 20,
        Unit::Kilobytes => 1 << 10,
        Unit::Bytes => 1,
    };
    let size = raw.allowed_payload_size.unwrap_or(128.0);
    if size.fract() != 0.0 {
        return Err(ConfigError::Invalid("allowed_payload_size: expected an integer".into()));
    }
    // A larger size is none that a request could have.
    let allowed = i128::from(size as i64) * unit;
    Ok(Box::new(RequestSizeLimiting { allowed, requires_length: raw.require_content_length }))
}

impl Plugin for RequestSizeLimiting {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let expects =
            exchange.header("expect").is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"100-continue"));
        let status = if expects { 417 } else { 413 };
        let length = exchange.request.header(b"content-length").and_then(number);
        let known = match (length, exchange.raw_body) {
            (Some(length), _) => Some(length),
            (None, _) if self.requires_length && !is_chunked(exchange) => {
                return Verdict::Reply(exchange.error(411, "A valid Content-Length header is required"));
            }
            (None, RawBody::Whole(body)) => i128::try_from(body.len()).ok().filter(|length| *length > 0),
            (None, RawBody::Pending | RawBody::TooLarge) => None,
        };
        if known.is_some_and(|length| length > self.allowed) {
            return Verdict::Reply(exchange.error(status, EXCEEDED));
        }
        if known.is_none() {
            let bytes = u64::try_from(self.allowed.max(0)).unwrap_or(u64::MAX);
            exchange.upstream.body_limit = Some(BodyLimit { bytes, status, message: EXCEEDED });
        }
        Verdict::Continue
    }
}

fn number(value: &[u8]) -> Option<i128> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// Envoy keeps `Transfer-Encoding` to itself. In HTTP/1 a body without a length has no other way to end.
fn is_chunked(exchange: &Exchange<'_, '_>) -> bool {
    exchange.request.protocol.starts_with(b"HTTP/1") && !matches!(exchange.raw_body, RawBody::Whole(b""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Flow;
    use crate::stream::testing::Fake;
    use crate::testing::{filter, passed, plugins};
    use serde_json::json;

    fn extra(config: &Value) -> Value {
        plugins(&[("request-size-limiting", config.clone())])
    }

    #[test]
    fn told_lengths() {
        let bytes = |size: i64| json!({"allowed_payload_size": size, "size_unit": "bytes"});
        for (config, length, expected) in [
            (bytes(5), "5", None),
            (bytes(5), "6", Some(413)),
            (bytes(0), "0", None),
            (bytes(-1), "0", Some(413)),
            (json!({"allowed_payload_size": 1, "size_unit": "kilobytes"}), "1024", None),
            (json!({"allowed_payload_size": 1, "size_unit": "kilobytes"}), "1025", Some(413)),
            (json!({"allowed_payload_size": 1}), "1048577", Some(413)),
            (json!({}), "134217728", None),
            (json!({}), "134217729", Some(413)),
            (json!({"allowed_payload_size": 1e300}), "18446744073709551616", None),
        ] {
            let (_, stream, _) = passed(&extra(&config), Fake::request("POST", "/s", &[("content-length", length)]));
            assert_eq!(stream.status(), expected, "{config} {length}");
        }
        let headers = [("content-length", "6"), ("expect", " 100-Continue")];
        let (_, stream, _) = passed(&extra(&bytes(5)), Fake::request("POST", "/s", &headers));
        assert_eq!(stream.status(), Some(417));
        let (_, stream, _) = passed(&extra(&bytes(0)), Fake::request("GET", "/s", &[]));
        assert_eq!(stream.status(), None);
    }

    #[test]
    fn a_length_can_be_required() {
        let config = json!({"require_content_length": true});
        for (protocol, headers, has_body, expected) in [
            ("HTTP/1.1", &[][..], false, Some(411)),
            ("HTTP/1.1", &[], true, None),
            ("HTTP/2", &[], true, Some(411)),
            ("HTTP/2", &[("content-length", "0")], false, None),
        ] {
            let mut stream = Fake { protocol: protocol.to_owned(), ..Fake::request("POST", "/s", headers) };
            let mut filter = filter(&extra(&config), &stream);
            filter.on_request_headers(&mut stream, !has_body);
            assert_eq!(stream.status(), expected, "{protocol} {headers:?}");
        }
    }

    #[test]
    fn bodies_without_a_length_are_counted_as_they_come() {
        let config = json!({"allowed_payload_size": 5, "size_unit": "bytes"});
        for (chunks, expected) in [(&[3, 5][..], None), (&[3, 6], Some(413)), (&[6], Some(413))] {
            let mut stream = Fake::request("POST", "/s", &[("transfer-encoding", "chunked")]);
            let mut filter = filter(&extra(&config), &stream);
            assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
            for (place, size) in (1..).zip(chunks) {
                stream.request_body = vec![0; *size];
                filter.on_request_body(&mut stream, place == chunks.len());
            }
            assert_eq!(stream.status(), expected, "{chunks:?}");
        }
    }

    #[test]
    fn what_was_sent_on_already_is_cut_off() {
        let config = json!({"allowed_payload_size": 100, "size_unit": "kilobytes"});
        let mut stream = Fake::request("POST", "/s", &[]);
        let mut filter = filter(&extra(&config), &stream);
        assert_eq!(filter.on_request_headers(&mut stream, false), Flow::Wait);
        stream.request_body = vec![0; 70_000];
        assert_eq!(filter.on_request_body(&mut stream, false), Flow::Continue);
        assert_eq!(filter.on_request_body(&mut stream, true), Flow::Answered);
        assert_eq!(stream.status(), Some(413));
        assert_eq!(filter.on_request_body(&mut stream, true), Flow::Answered);
    }

    #[test]
    fn configurations() {
        for (config, is_right) in [
            (json!({"allowed_payload_size": null}), true),
            (json!({"allowed_payload_size": 0.5}), false),
            (json!({"size_unit": "gigabytes"}), false),
        ] {
            assert_eq!(parse(config.clone()).is_ok(), is_right, "{config}");
        }
    }
}
