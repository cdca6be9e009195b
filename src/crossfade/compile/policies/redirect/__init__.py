"""redirect: sends clients elsewhere."""
