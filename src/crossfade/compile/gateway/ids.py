"""Stable UUIDs: the same names give the same identifiers in every gateway and after every restart."""

from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("6f2a8a1c-6c0b-4f57-9c1e-0d3b5f7e4a21")
ZERO: Final = str(UUID(int=0))


def entity_id(kind: str, name: str) -> str:
    """`kind` is Kong's word for the entity (route, service, consumer, key-auth)."""
    return str(uuid5(_NAMESPACE, f"{kind}/{name}"))


def counter_scope(*, route_id: str = ZERO, service_id: str = ZERO) -> str:
    """Which counters a plugin instance uses: those of its attachment, not of the request's route (R-31)."""
    return f"{route_id}:{service_id}"
