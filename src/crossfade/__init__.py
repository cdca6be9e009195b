"""Runs AWS App Mesh and Kong manifests, unchanged, on a current Envoy."""

__version__ = "0.1.0"
