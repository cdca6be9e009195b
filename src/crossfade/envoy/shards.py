"""The gateway's tables in parts: one changed object changes one part, and a root says which parts belong together."""

from collections import defaultdict
from collections.abc import Iterator
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


def table_texts(tables: GatewayTables) -> Iterator[TableText]:
    """The root last. Equal tables give equal texts."""
    members: dict[int, dict[str, list[object]]] = defaultdict(lambda: defaultdict(list))
    for kind, rows in (("routes", tables.routes), ("instances", tables.instances), ("consumers", tables.consumers)):
        for row in rows:
            members[shard_of(row.value.id)][kind].append(row.value)
    versions = []
    for number in range(SHARDS):
        content = msgspec.json.encode({"shard": number, **members.get(number, {})})
        version = blake2b(content, digest_size=8).hexdigest()
        versions.append(version)
        yield TableText(shard_name(number), "shard", b'{"version":"' + version.encode() + b'",' + content[1:])
    yield TableText(ROOT_TABLE, "root", msgspec.json.encode({"settings": tables.settings, "shards": versions}))


def shard_of(identity: str) -> int:
    return crc32(identity.encode("utf-8", "surrogatepass")) % SHARDS
