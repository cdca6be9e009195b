"""jwt: callers are known by a signed token."""
