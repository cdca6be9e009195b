"""Which node a pod may run on, and in which words nobody takes it: the decisions of a scheduler, without I/O.

Kubernetes' default plugins where they filter; with one node there is next to nothing to score.
"""
