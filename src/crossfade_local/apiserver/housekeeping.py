"""What the server does by itself: forget old revisions, drop old Events, fill aggregated ClusterRoles."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.state.selectors import selector_from_struct
from crossfade_local.apiserver.state.sizes import MOST_BYTES, TooLarge
from crossfade_local.apiserver.state.storage import Conflict, Event, NotWritten, Storage, Stored
from crossfade_local.apiserver.writing.strategies import timestamp

log = logging.getLogger(__name__)

EVENT_LIFETIME: Final = timedelta(hours=1)
_EVENTS: Final = "/events"
_CLUSTER_ROLES: Final = "rbac.authorization.k8s.io/clusterroles"
_TOO_LARGE: Final = "the rules of the roles that it selects are more than 1.5 MiB; it keeps those that it has"


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
        self._too_large: Final[set[str]] = set()
        """Names of roles, each told of once."""
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
                    # Large roles take some milliseconds each.
                    await asyncio.sleep(0)
            except NotWritten:
                self._wanted.set()
                raise

    async def _aggregate(self, stored: Stored) -> None:
        if not stored.object.get("aggregationRule"):
            return
        role, name = stored.copy(), stored.key[1]
        try:
            rules = self.rules_of(role)
            self._too_large.discard(name)
            if rules == (role.get("rules") or []):
                return
            role["rules"] = rules
            await self._storage.update(_CLUSTER_ROLES, stored, role)
        except TooLarge:
            if name not in self._too_large:
                self._too_large.add(name)
                log.warning("role.not_aggregated", extra={"fields": {"role": name, "reason": _TOO_LARGE}})
        except Conflict:
            self._wanted.set()

    def rules_of(self, role: JsonObject) -> list[JsonObject]:
        """Each once. Raises TooLarge as soon as they are more than can be stored."""
        selectors = [selector_from_struct(item) for item in role["aggregationRule"].get("clusterRoleSelectors") or ()]
        rules: dict[bytes, JsonObject] = {}
        size = 0
        for stored in self._storage.scan(_CLUSTER_ROLES):
            if stored.key[1] == role["metadata"]["name"]:
                continue
            if not any(selector is not None and selector.matches(stored.object) for selector in selectors):
                continue
            for rule in stored.object.get("rules") or ():
                text = orjson.dumps(rule, option=orjson.OPT_SORT_KEYS)
                if text not in rules:
                    rules[text] = rule
                    size += len(text)
            if size > MOST_BYTES:
                raise TooLarge
        return list(rules.values())
