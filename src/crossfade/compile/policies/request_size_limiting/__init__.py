"""request-size-limiting: no body is longer than allowed."""
