"""The controllers of an embedded cluster: what kube-controller-manager does, for the kinds that people here use.

They know only a Kubernetes API and would work the same on any other server.
"""

from crossfade_local.controllers.run import run_controllers

__all__ = ["run_controllers"]
