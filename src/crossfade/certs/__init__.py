"""Certificates for Crossfade's own servers: a private authority and what it signs."""
