"""Validation of built-in kinds in Kubernetes' words and order."""
