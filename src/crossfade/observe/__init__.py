"""What proxies tell of what happens now, for who asks."""
