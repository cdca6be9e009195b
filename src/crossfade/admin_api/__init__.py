"""Kong's Admin API for tools that read it: what the gateway serves, as Kong's own entities (kong.md §7.3)."""
