"""Builds the container images: `python -m images`. The modules beside it run in the build's own container."""
