"""response-ratelimiting: limits on what upstreams say that their answers use."""
