"""Refuses what a quota does not allow, just before it would be stored; and writes into quotas what is used of them."""

import asyncio
import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.quota.ledger import QUOTAS, UNCOUNTED, Count, Ledger
from crossfade_local.apiserver.quota.usage import PODS, listed, looks_at, missing
from crossfade_local.apiserver.state.storage import Conflict, NotWritten, Storage
from crossfade_local.apiserver.wire.status import forbidden
from crossfade_local.pod_resources import Amounts, amount, spelled
from crossfade_local.values.fields import mapping

log = logging.getLogger(__name__)

_PAUSE_S: Final = 0.1
_REFUSED_S: Final = 1.0


def check_quotas(ledger: Ledger) -> Callable[[Attributes], None]:
    """The last step of admission: between it and the write nobody else gets a turn, so two cannot take one place."""

    def step(attributes: Attributes) -> None:
        if attributes.new is None or attributes.bucket in UNCOUNTED or attributes.subresource == "status":
            return
        before, after = (Count(attributes.bucket, obj) for obj in (attributes.old, attributes.new))
        for quota, used in ledger.quotas(attributes.namespace):
            if problem := problem_with(quota, used, before, after):
                raise forbidden(attributes.resource.plural, attributes.resource.group, attributes.name, problem)

    return step


def problem_with(quota: JsonObject, used: Amounts, old: Count, new: Count) -> str:
    """In Kubernetes' words; empty where the quota allows it."""
    name = quota["metadata"]["name"]
    pod = new.object if new.bucket == PODS and old.object is None else None
    if pod is not None and looks_at(quota, PODS, pod) and (silent := missing(quota, pod)):
        return f"failed quota: {name}: must specify {silent}"
    before, after = old.by(quota), new.by(quota)
    hard = mapping(quota, "spec", "hard")
    more = {one: value - before.get(one, Fraction(0)) for one, value in after.items()}
    over = [one for one, value in more.items() if value > 0 and used.get(one, Fraction(0)) + value > amount(hard[one])]
    if not over:
        return ""
    requested = listed({one: spelled(one, more[one]) for one in over})
    there = listed({one: spelled(one, used.get(one, Fraction(0))) for one in over})
    limited = listed({one: hard[one] for one in over})
    return f"exceeded quota: {name}, requested: {requested}, used: {there}, limited: {limited}"


class QuotaStatus:
    """Keeps `status` of quotas: what they allow, and what is used."""

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        self._storage = storage
        self._ledger = ledger

    async def run(self) -> None:
        """Until cancelled. Many changes at once become one write."""
        while True:
            await self._ledger.changed.wait()
            self._ledger.changed.clear()
            await asyncio.sleep(_PAUSE_S)
            while self._ledger.dirty:
                await self._write(*self._ledger.dirty.pop())

    async def _write(self, namespace: str, name: str) -> None:
        stored = self._storage.get(QUOTAS, namespace, name)
        if stored is None:
            return
        hard, used = mapping(stored.object, "spec", "hard"), self._ledger.used(namespace, name)
        status = {"hard": hard, "used": {one: spelled(one, used.get(one, Fraction(0))) for one in hard}}
        if stored.object.get("status") == status:
            return
        try:
            await self._storage.update(QUOTAS, stored, {**stored.copy(), "status": status})
        except Conflict:
            self._ledger.mark((namespace, name))
        except NotWritten as error:
            log.info("quota.not_written", extra={"fields": {"quota": f"{namespace}/{name}", "reason": error}})
            self._ledger.mark((namespace, name))
            await asyncio.sleep(_REFUSED_S)
