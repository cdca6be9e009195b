"""Role `gateway`: Ingress and Kong objects → configuration of the Envoy beside it, status, admission."""
