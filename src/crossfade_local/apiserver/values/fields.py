"""The API server's name for what all parts of the cluster read objects with."""

from crossfade_local.values.fields import at, flag, mapping, number, objects, sequence, text

__all__ = ["at", "flag", "mapping", "number", "objects", "sequence", "text"]
