"""rate-limiting: so many requests per calendar second, minute, hour, day, month or year."""
