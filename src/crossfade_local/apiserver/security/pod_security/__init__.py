"""Kubernetes' Pod Security Standards: which pods the levels baseline and restricted allow, in its words. Pure."""
