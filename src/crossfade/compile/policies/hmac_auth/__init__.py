"""hmac-auth: callers sign their requests with a secret."""
