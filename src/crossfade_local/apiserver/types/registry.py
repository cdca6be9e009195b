"""Every resource that is served now: the built-in ones and those of established CustomResourceDefinitions."""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any, Final

import orjson

from crossfade_local.apiserver.conversion import renamed
from crossfade_local.apiserver.types.builtin_resources import ROWS, ResourceRow
from crossfade_local.apiserver.types.schema import UNKNOWN, Definitions, JsonSchema, SchemaNode

Gvk = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Subresource:
    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]
    foreign: bool
    """It speaks another kind than its parent (Scale, TokenRequest)."""


@dataclass(frozen=True)
class CustomVersion:
    """What a CustomResourceDefinition says about one of its versions."""

    crd: dict[str, Any]
    version: dict[str, Any]

    @property
    def scale(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (self.version.get("subresources") or {}).get("scale")
        return found

    @cached_property
    def weight(self) -> int:
        """Bytes of the schema: what is done with an object, however small, may go through all of it."""
        return len(orjson.dumps(self.version.get("schema")))

    @property
    def columns(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.version.get("additionalPrinterColumns") or []
        return found


@dataclass(frozen=True)
class ResourceType:
    """One served resource in one version."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    list_kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    schema: SchemaNode
    storage: tuple[str, str, str]
    """(group, version, plural) under which objects are stored."""
    storage_kind: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    counts_generation: bool = False
    custom: CustomVersion | None = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def gvk(self) -> Gvk:
        return self.group, self.version, self.kind

    @property
    def storage_gvk(self) -> Gvk:
        return self.storage[0], self.storage[1], self.storage_kind

    @property
    def storage_api_version(self) -> str:
        return f"{self.storage[0]}/{self.storage[1]}" if self.storage[0] else self.storage[1]

    @property
    def is_stored_form(self) -> bool:
        return self.storage == (self.group, self.version, self.plural)

    @property
    def bucket(self) -> str:
        """Name of the collection in the store; the same for all versions of a resource."""
        return f"{self.storage[0]}/{self.storage[2]}"

    @property
    def weight(self) -> int:
        """Bytes that are gone through besides those of an object."""
        return self.custom.weight if self.custom else 0

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


class BuiltinTypes:
    """The generated definitions: schemas by name and by kind."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.definitions: Final = Definitions(content["definitions"])
        self._kinds: Final[Mapping[str, str]] = content["kinds"]

    @classmethod
    def load(cls) -> "BuiltinTypes":
        """Read the generated file; raises FileNotFoundError before `python -m generate` has run."""
        packed = files("crossfade_local").joinpath("_generated/kubernetes.json.gz").read_bytes()
        return cls(orjson.loads(gzip.decompress(packed)))

    def definition_name(self, gvk: Gvk) -> str | None:
        return self._kinds.get("/".join(gvk))

    def schema(self, gvk: Gvk) -> SchemaNode:
        name = self.definition_name(gvk)
        return UNKNOWN if name is None else self.definitions.node(name)

    def raw(self, name: str) -> JsonSchema:
        return self.definitions.schemas[name]


class Registry:
    """Looks resources up by path, kind or group; custom ones come and go."""

    def __init__(self, types: BuiltinTypes) -> None:
        self.types: Final = types
        self.revision = 0
        """Counts changes, so that documents made from the registry know when they are stale."""
        self._builtin: Final = {(row.group, row.version, row.plural): _from_row(row, types) for row in ROWS}
        self._custom: dict[str, tuple[ResourceType, ...]] = {}
        self._served: dict[tuple[str, str, str], ResourceType] = {}
        self._by_kind: dict[Gvk, ResourceType] = {}
        self._by_bucket: dict[str, tuple[ResourceType, ...]] = {}
        self._serve(self._builtin)

    def get(self, group: str, version: str, plural: str) -> ResourceType | None:
        return self._served.get((group, version, plural))

    def builtin(self, group: str, version: str, plural: str) -> ResourceType:
        return self._builtin[group, version, plural]

    def by_kind(self, group: str, version: str, kind: str) -> ResourceType | None:
        return self._by_kind.get((group, version, kind))

    def by_bucket(self, bucket: str) -> ResourceType | None:
        """The type in which objects of a bucket are stored."""
        return next((found for found in self.all_of(bucket) if found.version == found.storage[1]), None)

    def all_of(self, bucket: str) -> tuple[ResourceType, ...]:
        """All versions, in other groups too, that are stored in a bucket."""
        return self._by_bucket.get(bucket, ())

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._served.values())

    def groups(self) -> dict[str, list[str]]:
        """Served groups in order, each with its versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for entry in self:
            versions = found.setdefault(entry.group, [])
            if entry.version not in versions:
                versions.append(entry.version)
        # Kinds that live on in a newer group must not win there when kubectl resolves a bare name.
        if "extensions" in found:
            found["extensions"] = found.pop("extensions")
        return {group: sorted(versions, key=version_priority, reverse=True) for group, versions in found.items()}

    def in_version(self, group: str, version: str) -> list[ResourceType]:
        return [entry for entry in self if (entry.group, entry.version) == (group, version)]

    def has_group_version(self, group: str, version: str) -> bool:
        return any((key[0], key[1]) == (group, version) for key in self._served)

    def has_group(self, group: str) -> bool:
        return any(key[0] == group for key in self._served)

    def set_custom(self, crd_name: str, entries: Iterable[ResourceType]) -> None:
        """Serve these versions for a CustomResourceDefinition, in place of those served so far."""
        found = tuple(entries)
        if found:
            self._custom[crd_name] = found
        elif self._custom.pop(crd_name, None) is None:
            return
        served = dict(self._builtin)
        for group in self._custom.values():
            served.update({(entry.group, entry.version, entry.plural): entry for entry in group})
        self._serve(served)
        self.revision += 1

    def _serve(self, served: dict[tuple[str, str, str], ResourceType]) -> None:
        by_bucket: dict[str, list[ResourceType]] = {}
        for entry in served.values():
            by_bucket.setdefault(entry.bucket, []).append(entry)
        self._served = served
        self._by_bucket = {bucket: tuple(entries) for bucket, entries in by_bucket.items()}
        # Of two with one kind the first that is served counts.
        self._by_kind = {entry.gvk: entry for entry in reversed(served.values())}


def version_priority(version: str) -> tuple[int, int, int]:
    """Kubernetes' order of versions: v2 > v1 > v2beta1 > v1beta2 > v1alpha1 > anything else."""
    stages = {"alpha": 1, "beta": 2}
    head, stage = version, 3
    minor = "0"
    for name, rank in stages.items():
        if name in version:
            head, _, minor = version.partition(name)
            stage = rank
    if head.startswith("v") and head[1:].isdigit() and (minor or "0").isdigit():
        return stage, int(head[1:]), int(minor or 0)
    return 0, 0, 0


def _from_row(row: ResourceRow, types: BuiltinTypes) -> ResourceType:
    subresources = {
        sub.name: Subresource(
            sub.name, *(sub.gvk or (row.group, row.version, row.kind)), sub.verbs, sub.gvk is not None
        )
        for sub in row.subresources
    }
    gvk = row.group, row.version, row.kind
    return ResourceType(
        group=row.group,
        version=row.version,
        kind=row.kind,
        plural=row.plural,
        singular=row.kind.lower(),
        list_kind=f"{row.kind}List",
        namespaced=row.namespaced,
        verbs=row.verbs,
        schema=types.schema((row.group, renamed(gvk) or row.version, row.kind)),
        storage=row.stored_as or (row.group, row.version, row.plural),
        storage_kind=row.kind,
        short_names=row.short_names,
        categories=row.categories,
        subresources=subresources,
        counts_generation=row.counts_generation,
    )
