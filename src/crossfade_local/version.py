"""The Kubernetes that the embedded cluster is like."""

from typing import Final

KUBERNETES_VERSION: Final = "v1.36.0"
