"""key-auth: callers are known by an API key."""
