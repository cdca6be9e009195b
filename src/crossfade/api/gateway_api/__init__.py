"""Kinds of the Kubernetes Gateway API that the gateway reads."""
