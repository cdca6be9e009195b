"""Kinds that the embedded cluster stores but on which nothing in it acts: creating one earns a warning that says so."""

from typing import Final

_INERT: Final = {
    ("policy", "PodSecurityPolicy"): "pods are not restricted by it",
}


def warning_for(group: str, kind: str, name: str) -> str:
    """Empty for kinds that work."""
    consequence = _INERT.get((group, kind))
    return (
        f"the embedded cluster does not act on {kind} objects: {name} is stored, {consequence}" if consequence else ""
    )
