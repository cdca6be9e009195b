"""Ingress and Kong objects → the model of one gateway proxy, in ordered pure passes."""
