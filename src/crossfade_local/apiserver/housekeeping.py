"""What the server does by itself: forget old revisions, drop old Events, fill aggregated ClusterRoles."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.state.selectors import selector_from_struct
from crossfade_local.apiserver.state.storage import Conflict, Event, NotWritten, Storage, Stored
from crossfade_local.apiserver.writing.strategies import timestamp

EVENT_LIFETIME: Final = timedelta(hours=1)
_EVENTS: Final = "/events"
_CLUSTER_ROLES: Final = "rbac.authorization.k8s.io/clusterroles"


async def forget_regularly(api: Api, interval_s: float) -> None:
    """Watches and lists can go back between one and two intervals."""
    revision = api.storage.revision
    while True:
        await asyncio.sleep(interval_s)
        api.storage.forget_before(revision)
        revision = api.storage.revision
        await drop_old_events(api.storage, api.clock())


async def drop_old_events(storage: Storage, now: datetime) -> None:
    limit = timestamp(now - EVENT_LIFETIME)
    for stored in list(storage.scan(_EVENTS)):
        if _last_seen(stored.object) < limit:
            try:
                await storage.delete(_EVENTS, stored)
            except Conflict:
                continue


def _last_seen(event: JsonObject) -> str:
    """RFC 3339 in UTC, so that text compares like time."""
    times = (event.get("lastTimestamp"), (event.get("series") or {}).get("lastObservedTime"), event.get("eventTime"))
    found = [str(time) for time in times if time]
    return max([*found, str(event["metadata"]["creationTimestamp"])])


class RoleAggregation:
    """Gives each ClusterRole with an aggregation rule the rules of the roles that it selects."""

    def __init__(self, storage: Storage) -> None:
        self._storage: Final = storage
        self._wanted: Final = asyncio.Event()
        self._wanted.set()
        storage.on_change(self._changed)

    def _changed(self, bucket: str, event: Event) -> None:  # noqa: ARG002 - the store's signature
        if bucket == _CLUSTER_ROLES:
            self._wanted.set()

    async def run(self) -> None:
        """Until cancelled; raises NotWritten and can then be run again."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                for stored in list(self._storage.scan(_CLUSTER_ROLES)):
                    await self._aggregate(stored)
            except NotWritten:
                self._wanted.set()
                raise

    async def _aggregate(self, stored: Stored) -> None:
        role = stored.copy()
        if not role.get("aggregationRule"):
            return
        rules = self.rules_of(role)
        if rules == (role.get("rules") or []):
            return
        role["rules"] = rules
        try:
            await self._storage.update(_CLUSTER_ROLES, stored, role)
        except Conflict:
            self._wanted.set()

    def rules_of(self, role: JsonObject) -> list[JsonObject]:
        selectors = [selector_from_struct(item) for item in role["aggregationRule"].get("clusterRoleSelectors") or ()]
        rules: list[JsonObject] = []
        for stored in self._storage.scan(_CLUSTER_ROLES):
            if stored.key[1] == role["metadata"]["name"]:
                continue
            if any(selector is not None and selector.matches(stored.object) for selector in selectors):
                rules += [rule for rule in stored.object.get("rules") or () if rule not in rules]
        return rules
