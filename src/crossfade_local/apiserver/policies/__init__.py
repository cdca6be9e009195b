"""Admission policies: what their expressions may say, which requests they are asked about, and what comes of it."""
