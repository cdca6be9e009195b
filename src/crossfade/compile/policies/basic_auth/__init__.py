"""basic-auth: callers are known by a username and a password."""
