"""What a proxy counts of its requests and tells others."""
