"""Where accounts, certificates, challenges and failures are kept; keys and contents are those of `acme_store`."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

Entries: TypeAlias = Mapping[str, bytes]
Changes: TypeAlias = Mapping[str, bytes | None]
"""New contents by key; None takes an entry away."""


class StoreError(Exception):
    """The store cannot be read or written; the text says why, and shows nothing of what is kept."""


class Store(Protocol):
    """Both raise StoreError. What was written reaches every gateway that shares the store."""

    async def read(self) -> Entries: ...

    async def write(self, changes: Changes) -> None: ...
