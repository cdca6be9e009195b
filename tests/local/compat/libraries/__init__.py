"""Kubernetes' own libraries, asked what patches, applied configurations and expressions come to."""
