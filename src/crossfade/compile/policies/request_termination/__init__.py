"""request-termination: the gateway answers instead of the upstream."""
