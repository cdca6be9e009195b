"""proxy-cache: what upstreams answered is told again."""
