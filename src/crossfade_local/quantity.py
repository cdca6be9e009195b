"""The API server's name for the quantities that all parts of the cluster know."""

from crossfade_local.values.quantity import QuantityError, canonical, parse

__all__ = ["QuantityError", "canonical", "parse"]
