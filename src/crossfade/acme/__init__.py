"""Certificates of an authority that speaks ACME (RFC 8555), for the plugin acme: asked for, kept and renewed."""
