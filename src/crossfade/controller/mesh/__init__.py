"""Role `mesh`: App Mesh objects → sidecar configuration, status, admission and injection."""
