"""Makes what the package needs but must not be committed: Kubernetes types, Envoy classes, the policy module."""
