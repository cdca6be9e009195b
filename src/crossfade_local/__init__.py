"""The embedded cluster: a Kubernetes-compatible API server, controllers and a node that runs pods as processes."""
