"""mtls-auth: callers are known by the certificate that they show in the TLS handshake."""
