"""What handlers give back: an object to be shown in the form the client asked for, plain bytes, or a stream."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.registry import ResourceType


@dataclass(frozen=True)
class ObjectAnswer:
    """One object in the version of its resource (or any other object, if `resource` is None)."""

    object: JsonObject
    resource: ResourceType | None = None
    status: int = 200


@dataclass(frozen=True)
class ListAnswer:
    """Objects of one resource, each with its kind left out, and the list's own metadata."""

    resource: ResourceType
    items: list[JsonObject]
    metadata: JsonObject


@dataclass(frozen=True)
class BytesAnswer:
    """A ready body."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamAnswer:
    """Chunks as they come, until the iterator ends or the client leaves."""

    chunks: AsyncIterator[bytes]
    content_type: str = "application/json"
    status: int = 200


@dataclass(frozen=True)
class TakenOver:
    """The handler speaks on the connection by itself; `run` returns when it is done with it."""

    run: Callable[[], Awaitable[Any]]


Answer = ObjectAnswer | ListAnswer | BytesAnswer | StreamAnswer | TakenOver
