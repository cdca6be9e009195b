"""Garbage collection by ownerReferences: background, foreground and orphaning, as kube-controller-manager does it."""
