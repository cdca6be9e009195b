"""The gateway's tables in parts: one changed object changes one part, and a root says which parts belong together."""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from crossfade.compile.routing.tables import GatewayTables
from crossfade.envoy.names import ROOT_TABLE, shard_name

# So many that a part of large tables is still small, so few that Envoy does not notice them.
SHARDS: Final = 128


class TableText(NamedTuple):
    """A configuration of the policy module: the resource's name, the module's name for it, its JSON."""

    name: str
    kind: str
    content: bytes


_Members = dict[str, list[object]]


class _Shard(NamedTuple):
    members: _Members
    version: str
    text: TableText


class TableTexts:
    """Of one gateway, one state after the other; only what has changed is written again."""

    def __init__(self) -> None:
        self._known: dict[int, _Shard] = {}

    def of(self, tables: GatewayTables) -> Iterator[TableText]:
        """The root last. Equal tables give equal texts."""
        shards = []
        for number, members in enumerate(_members(tables)):
            known = self._known.get(number)
            if known is None or known.members != members:
                known = self._known[number] = _written(number, members)
            shards.append(known)
            yield known.text
        root = {"settings": tables.settings, "shards": [shard.version for shard in shards]}
        yield TableText(ROOT_TABLE, "root", msgspec.json.encode(root))


def _members(tables: GatewayTables) -> list[_Members]:
    members: list[_Members] = [defaultdict(list) for _ in range(SHARDS)]
    for kind, rows in (
        ("routes", tables.routes),
        ("instances", tables.instances),
        ("consumers", tables.consumers),
        ("consumer_groups", tables.consumer_groups),
    ):
        for row in rows:
            members[shard_of(row.value.id)][kind].append(row.value)
    return members


def _written(number: int, members: _Members) -> _Shard:
    content = msgspec.json.encode({"shard": number, **members})
    version = blake2b(content, digest_size=8).hexdigest()
    text = b'{"version":"' + version.encode() + b'",' + content[1:]
    return _Shard(members, version, TableText(shard_name(number), "shard", text))


# Identities come again with every state.
@lru_cache(maxsize=1 << 17)
def shard_of(identity: str) -> int:
    return crc32(identity.encode("utf-8", "surrogatepass")) % SHARDS
