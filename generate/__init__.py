"""Makes what the package needs but must not be committed: Kubernetes types, Envoy message classes, the policy module."""
