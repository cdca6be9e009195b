"""A Kubernetes-compatible API server on SQLite: what `kubectl` and the controllers of the embedded cluster talk to."""
