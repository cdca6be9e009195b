//! Which of Kong's errors stands for a reply that Envoy made itself.

/// How Kong would have made the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Kong itself, before proxying.
    Plugin,
    /// nginx, before proxying.
    Server,
    /// nginx, after it had turned to the upstream.
    Upstream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalError {
    pub status: u16,
    /// Empty where Kong has no words of its own: the client gets nginx's page.
    pub message: &'static str,
    pub origin: Origin,
}

const NO_PEER: LocalError =
    LocalError { status: 503, message: "failure to get a peer from the ring-balancer", origin: Origin::Plugin };
const INVALID_RESPONSE: LocalError = LocalError {
    status: 502,
    message: "An invalid response was received from the upstream server",
    origin: Origin::Upstream,
};
const TIMEOUT: LocalError =
    LocalError { status: 504, message: "The upstream server is timing out", origin: Origin::Upstream };
const UNAVAILABLE: LocalError =
    LocalError { status: 503, message: "The upstream server is currently unavailable", origin: Origin::Upstream };

/// The first whose text occurs in the details decides; overflow and timeout are reasons inside a reset's details.
const BY_DETAILS: [(&str, LocalError); 10] = [
    ("no_healthy_upstream", NO_PEER),
    ("cluster_not_found", NO_PEER),
    ("no_cluster", NO_PEER),
    ("overflow", UNAVAILABLE),
    ("response_timeout", TIMEOUT),
    ("per_try_timeout", TIMEOUT),
    ("per_try_idle_timeout", TIMEOUT),
    ("max_stream_duration", TIMEOUT),
    ("timeout}", TIMEOUT),
    ("upstream_reset", INVALID_RESPONSE),
];

const BY_STATUS: [(u16, &str); 13] = [
    (400, "Bad request"),
    (405, "Method not allowed"),
    (408, "Request timeout"),
    (411, "Length required"),
    (412, "Precondition failed"),
    (413, "Payload too large"),
    (414, "URI too long"),
    (417, "Expectation failed"),
    (500, "An unexpected error occurred"),
    (501, ""),
    (502, "An invalid response was received from the upstream server"),
    (503, "The upstream server is currently unavailable"),
    (504, "The upstream server is timing out"),
];

/// How Envoy's details begin where it has turned to the upstream, or to none.
const OF_ROUTING: [&[u8]; 7] = [
    b"upstream",
    b"route_not_found",
    b"direct_response",
    b"cluster_not_found",
    b"no_cluster",
    b"no_healthy_upstream",
    b"response_timeout",
];

/// Whether the routes of a mesh answer like that. A 502 that was configured stands for the closed port of a sidecar, on
/// which Kong has its own say.
pub fn is_of_mesh(status: u32, details: &[u8]) -> bool {
    !is_closed_port(status, details) && OF_ROUTING.iter().any(|begin| details.starts_with(begin))
}

fn is_closed_port(status: u32, details: &[u8]) -> bool {
    status == 502 && details.starts_with(b"direct_response")
}

/// `None`: the reply was configured on purpose (a direct response, a redirect) and stays as it is.
pub fn classify(status: u32, details: &[u8]) -> Option<LocalError> {
    if is_closed_port(status, details) {
        return Some(INVALID_RESPONSE);
    }
    let details = String::from_utf8_lossy(details);
    if details.starts_with("direct_response") {
        return None;
    }
    if details.starts_with("upstream") || status >= 500 {
        let by_details = BY_DETAILS.iter().find(|(text, _)| details.contains(text));
        if let Some((_, error)) = by_details {
            return Some(*error);
        }
    }
    let (status, message) = *BY_STATUS.iter().find(|(code, _)| u32::from(*code) == status)?;
    let origin = if matches!(status, 502..=504) { Origin::Upstream } else { Origin::Server };
    Some(LocalError { status, message, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_replies_become_kongs() {
        for (status, details, expected) in [
            (503, "no_healthy_upstream", Some(NO_PEER)),
            (503, "cluster_not_found", Some(NO_PEER)),
            (
                503,
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                Some(INVALID_RESPONSE),
            ),
            (503, "upstream_reset_before_response_started{connection_termination}", Some(INVALID_RESPONSE)),
            (502, "upstream_reset_before_response_started{protocol_error}", Some(INVALID_RESPONSE)),
            (503, "upstream_reset_before_response_started{overflow}", Some(UNAVAILABLE)),
            (503, "upstream_reset_before_response_started{connection_timeout}", Some(TIMEOUT)),
            (504, "response_timeout", Some(TIMEOUT)),
            (504, "upstream_per_try_timeout", Some(TIMEOUT)),
            (504, "upstream_per_try_idle_timeout", Some(TIMEOUT)),
            (301, "direct_response", None),
            (200, "", None),
        ] {
            assert_eq!(classify(status, details.as_bytes()), expected, "{status} {details}");
        }
        let too_large = classify(413, b"request_payload_too_large").unwrap();
        assert_eq!((too_large.message, too_large.origin), ("Payload too large", Origin::Server));
    }
}
