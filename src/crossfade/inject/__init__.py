"""Sidecar injection: whether a pod gets one, and the JSON Patch that adds it. Pure."""
