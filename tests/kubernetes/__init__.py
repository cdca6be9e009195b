"""A real Kubernetes on this machine, and what the product must hold on one: `make test-kubernetes`.

Linux with root and cgroup v1. Nothing of it takes part in `make test` but the unit tests of its pure functions.
"""
