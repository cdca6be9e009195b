"""Immutable views of the objects that the control plane has seen."""
