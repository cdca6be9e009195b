"""What each quota's namespace uses, kept up with every change of the store, so that a write asks a few numbers only."""

import asyncio
from fractions import Fraction
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.quota.usage import looks_at, usage
from crossfade_local.apiserver.state.storage import Event, Storage
from crossfade_local.pod_resources import Amounts
from crossfade_local.values.fields import mapping

QUOTAS: Final = "/resourcequotas"
UNCOUNTED: Final = frozenset({"/events"})
"""Too many, and gone by themselves."""


class Count:
    """What one object uses, found when a quota asks first: a namespace may have thousands of quotas."""

    def __init__(self, bucket: str, obj: JsonObject | None) -> None:
        self.bucket: Final = bucket
        self.object: Final = None if bucket in UNCOUNTED else obj
        self._usage: Amounts | None = None

    def by(self, quota: JsonObject) -> Amounts:
        """What of it this quota limits."""
        if self.object is None or not looks_at(quota, self.bucket, self.object):
            return {}
        if self._usage is None:
            self._usage = usage(self.bucket, self.object)
        hard = mapping(quota, "spec", "hard")
        return {name: value for name, value in self._usage.items() if name in hard}


class Ledger:
    """`dirty` holds the keys of quotas whose numbers changed since somebody emptied it; `changed` tells of new ones."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._used: dict[str, dict[str, Amounts]] = {}
        self.dirty: set[tuple[str, str]] = set()
        self.changed = asyncio.Event()
        for stored in storage.scan(QUOTAS):
            self._open(*stored.key, stored.object)
        storage.on_change(self._hear)

    def quotas(self, namespace: str) -> list[tuple[JsonObject, Amounts]]:
        """Each quota of a namespace with what is used of it."""
        used = self._used.get(namespace)
        if not used:
            return []
        return [(stored.object, used.get(stored.key[1], {})) for stored in self._storage.scan(QUOTAS, namespace)]

    def used(self, namespace: str, name: str) -> Amounts:
        return self._used.get(namespace, {}).get(name, {})

    def mark(self, key: tuple[str, str]) -> None:
        """The numbers of this quota are to be written."""
        self.dirty.add(key)
        self.changed.set()

    def _hear(self, bucket: str, event: Event) -> None:
        namespace, name = event.after.key
        before = event.before.object if event.before else None
        after = None if event.type == "DELETED" else event.after.object
        if bucket == QUOTAS:
            self._hear_of_quota(namespace, name, before, after)
        less, more = Count(bucket, before), Count(bucket, after)
        for own, used in self._used.get(namespace, {}).items():
            stored = self._storage.get(QUOTAS, namespace, own)
            if stored is not None and (bucket, name) != (QUOTAS, own):
                self._count((namespace, own), used, less.by(stored.object), more.by(stored.object))

    def _hear_of_quota(self, namespace: str, name: str, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is None:
            left = self._used.get(namespace, {})
            left.pop(name, None)
            if not left:
                self._used.pop(namespace, None)
        elif before is None or before.get("spec") != after.get("spec"):
            self._open(namespace, name, after)

    def _count(self, key: tuple[str, str], used: Amounts, less: Amounts, more: Amounts) -> None:
        if less == more:
            return
        for name in less.keys() | more.keys():
            used[name] = used.get(name, Fraction(0)) + more.get(name, Fraction(0)) - less.get(name, Fraction(0))
        self.mark(key)

    def _open(self, namespace: str, name: str, quota: JsonObject) -> None:
        """Counts everything that is in the namespace; the quota itself too."""
        total: Amounts = {}
        for bucket in self._storage.buckets():
            for stored in self._storage.scan(bucket, namespace):
                for resource, value in Count(bucket, stored.object).by(quota).items():
                    total[resource] = total.get(resource, Fraction(0)) + value
        self._used.setdefault(namespace, {})[name] = total
        self.mark((namespace, name))
