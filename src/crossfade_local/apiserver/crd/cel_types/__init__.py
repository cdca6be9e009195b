"""Types of expressions in CEL, and whether they fit, as the compiler of Kubernetes decides it."""
