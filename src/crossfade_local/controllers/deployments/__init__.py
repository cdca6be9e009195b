"""Deployments: ReplicaSets by revision, rolled over within the bounds of the strategy."""
